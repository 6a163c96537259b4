"""`generate` with the caller's caches, and with vectors in place of ids."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import DynamicCache, StaticCache

from tests.golden_inputs import GOLDEN, golden_json
from tests.golden_models import golden_lm, lm_inputs, pictures, preferring

CASES = golden_json("lm.json")["cases"]
ARRAYS = np.load(GOLDEN / "lm.npz")
GREEDY = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}
SWITCH = {"orig": 327, "maxpos": 8192}  # the prompt below has 321 tokens


def prompt() -> dict[str, torch.Tensor]:
    """One picture and eight words, 321 tokens."""
    words = torch.randint(3, 500, (8,), generator=torch.Generator().manual_seed(4))
    ids = torch.tensor([[int(words[0]), *[-1] * 313, *words[1:].tolist()]])
    return {"input_ids": ids, **pictures([[336, 336]], 2, seed=60)}


def caches(model, length: int) -> dict:
    return {
        "dynamic": DynamicCache(),
        "dynamic of the configuration": DynamicCache(config=model.config),
        "static": StaticCache(config=model.config, max_cache_len=length),
    }


@pytest.mark.parametrize("kind", ["dynamic", "dynamic of the configuration", "static"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_callers_cache_is_filled_and_gives_the_official_tokens(case, kind):
    right = f"{case['case']}/greedy_full_recompute"
    want = torch.from_numpy(ARRAYS[right if right in ARRAYS.files else f"{case['case']}/greedy"])
    inputs = lm_inputs(case, ARRAYS)
    inputs.pop("position_ids", None)
    model = golden_lm(case["cfg_overrides"])
    length = inputs["input_ids"].shape[1] + want.shape[1]
    cache = caches(model, length)[kind]
    with torch.inference_mode():
        out = model.generate(
            **inputs, max_new_tokens=want.shape[1], past_key_values=cache, disable_compile=True, **GREEDY
        )
    assert torch.equal(out[:, -want.shape[1] :], want)
    assert int(cache.get_seq_length()) == length - 1


@pytest.mark.parametrize("implementation", ["static", "dynamic"])
def test_a_named_cache_is_used_and_returned(implementation):
    model = golden_lm()
    options = {"max_new_tokens": 6, "return_dict_in_generate": True, **GREEDY}
    with torch.inference_mode():
        want = model.generate(**prompt(), **options)
        out = model.generate(**prompt(), cache_implementation=implementation, disable_compile=True, **options)
    assert torch.equal(out.sequences, want.sequences)
    assert isinstance(out.past_key_values, StaticCache if implementation == "static" else DynamicCache)


@pytest.mark.parametrize("kind", ["dynamic", "dynamic of the configuration", "static"])
@pytest.mark.parametrize("window", [320, 325, 330])
def test_the_window_is_the_same_with_every_cache(kind, window):
    # A token sees itself and `window` earlier ones: one key more than transformers' sliding caches keep.
    model = golden_lm({"sw": window})
    with torch.inference_mode():
        want = model.generate(**prompt(), max_new_tokens=12, use_cache=False, **GREEDY)
        out = model.generate(
            **prompt(),
            max_new_tokens=12,
            past_key_values=caches(model, 333)[kind],
            disable_compile=True,
            **GREEDY,
        )
    assert torch.equal(out, want)


def test_one_key_more_or_less_in_the_window_changes_the_logits():
    inputs = prompt()
    with torch.inference_mode():
        exact, wider = (golden_lm({"sw": w})(**inputs).logits[0, -1] for w in (300, 301))
    assert not torch.allclose(exact, wider, atol=1e-6)


@pytest.mark.parametrize("kind", ["dynamic", "dynamic of the configuration", "static"])
def test_the_callers_cache_is_computed_anew_at_the_switch(kind):
    model = golden_lm(SWITCH)
    cache = caches(model, 333)[kind]
    lengths = []
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    with torch.inference_mode():
        out = model.generate(
            **prompt(), max_new_tokens=12, past_key_values=cache, disable_compile=True, **GREEDY
        )
        assert lengths == [321, *[1] * 6, 328, *[1] * 4]
        assert int(cache.get_seq_length()) == 332
        want = model.generate(**prompt(), max_new_tokens=12, use_cache=False, **GREEDY)
    assert torch.equal(out, want)


def test_a_last_turn_alone_cannot_pass_the_switch():
    model = golden_lm(SWITCH)
    cache = DynamicCache()
    with torch.inference_mode():
        first = model.generate(**prompt(), max_new_tokens=2, past_key_values=cache, **GREEDY)
        turn = first[:, -1:].expand(1, 8)
        mask = torch.ones(1, int(cache.get_seq_length()) + 8, dtype=torch.long)
        with pytest.raises(ValueError, match="pass the ids of the whole conversation"):
            model.generate(turn, attention_mask=mask, past_key_values=cache, max_new_tokens=2, **GREEDY)


def test_a_cache_that_is_cut_back_behind_the_switch_is_computed_anew():
    model = golden_lm(SWITCH)
    cache = DynamicCache()
    with torch.inference_mode():
        long = model.generate(**prompt(), max_new_tokens=12, past_key_values=cache, **GREEDY)
        cache.crop(322 - cache.get_seq_length())
        other = {**prompt(), "input_ids": torch.cat([long[:, :322], torch.tensor([[7]])], dim=1)}
        found = model.generate(**other, max_new_tokens=3, past_key_values=cache, **GREEDY)
        want = model.generate(**other, max_new_tokens=3, use_cache=False, **GREEDY)
        assert torch.equal(found, want)
        fresh = DynamicCache()
        model.generate(**other, max_new_tokens=3, past_key_values=fresh, **GREEDY)
    torch.testing.assert_close(cache.layers[0].keys, fresh.layers[0].keys)


@pytest.mark.parametrize("option", ["assistant_model", "prompt_lookup_num_tokens"])
def test_candidates_are_accepted_and_rejected_across_the_switch(option):
    model = golden_lm(SWITCH)
    value = golden_lm(SWITCH) if option == "assistant_model" else 3
    with torch.inference_mode():
        want = model.generate(**prompt(), max_new_tokens=12, **GREEDY)
        assert torch.equal(model.generate(**prompt(), max_new_tokens=12, **{option: value}, **GREEDY), want)


def test_a_look_up_in_the_prompt_never_proposes_a_placeholder():
    model, inputs = golden_lm(), prompt()
    before_the_picture = int(inputs["input_ids"][0, 0])
    preferring(model, {before_the_picture: 1.0})
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=3, prompt_lookup_num_tokens=4, **GREEDY)
    assert out[0, -3:].tolist() == [before_the_picture] * 3


@pytest.mark.parametrize(
    ("known", "checked"),
    [(5, 3), (6, 2), (8, 0), (9, 6)],
    ids=["all", "up to the switch", "at it", "behind it"],
)
def test_candidates_of_one_step_have_the_same_rope_factors(known, checked):
    candidates = torch.arange(1, known + (4 if known < 9 else 7))[None]
    assert golden_lm({"orig": 8, "maxpos": 8192})._candidates_to_check(candidates, known) == checked


def test_a_prompt_in_chunks_is_answered_unless_it_passes_the_switch():
    words = torch.randint(3, 500, (1, 100), generator=torch.Generator().manual_seed(1))
    model = golden_lm()
    with torch.inference_mode():
        want = model.generate(words, max_new_tokens=4, **GREEDY)
        assert torch.equal(model.generate(words, max_new_tokens=4, prefill_chunk_size=30, **GREEDY), want)
        with pytest.raises(ValueError, match="no prefill_chunk_size"):
            golden_lm({"orig": 64, "maxpos": 8192}).generate(words, prefill_chunk_size=30, **GREEDY)


# ------------------------------------------------------------------------------ vectors in place of ids


@pytest.mark.parametrize("overrides", [{}, SWITCH], ids=["short rope", "across the switch"])
@pytest.mark.parametrize("beams", [1, 2])
@pytest.mark.parametrize("padding", [0, 5])
def test_vectors_of_words_and_pictures_give_the_answer_of_their_ids(overrides, beams, padding):
    model = golden_lm(overrides)
    inputs = prompt()
    inputs["input_ids"] = torch.nn.functional.pad(inputs["input_ids"], (padding, 0))
    mask = torch.ones_like(inputs["input_ids"])
    mask[:, :padding] = 0
    options = {"attention_mask": mask, "max_new_tokens": 12, "num_beams": beams, **GREEDY}
    with torch.inference_mode():
        want = model.generate(**inputs, **options)
        embeds = model.model.embed(**inputs)
        alone = model.generate(inputs_embeds=embeds, **options)
        beside_ids = model.generate(inputs["input_ids"], inputs_embeds=embeds, **options)
    assert torch.equal(alone, want[:, -12:])
    assert torch.equal(beside_ids, want)


def test_pictures_beside_vectors_are_refused():
    model = golden_lm()
    inputs = prompt()
    with torch.inference_mode():
        embeds = model.model.embed(**inputs)
        with pytest.raises(ValueError, match="pixel_values"):
            model.generate(**inputs, inputs_embeds=embeds, max_new_tokens=2, **GREEDY)


class Questions(TorchDispatchMode):
    """Collects the operators that wait for the device: those that tell Python what a tensor holds."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.asked.append(str(func))
        return func(*args, **(kwargs or {}))


def test_preparing_a_step_behind_the_prompt_asks_the_device_nothing():
    model = golden_lm()
    inputs = prompt()
    with torch.inference_mode():
        cache = model(**inputs, use_cache=True).past_key_values
        ids = torch.cat([inputs["input_ids"], torch.tensor([[7]])], dim=1)
        with Questions() as questions:
            step = model.prepare_inputs_for_generation(
                ids,
                past_key_values=cache,
                pixel_values=inputs["pixel_values"],
                image_sizes=inputs["image_sizes"],
                position_ids=torch.arange(ids.shape[1])[None],
                next_sequence_length=1,
            )
    assert not questions.asked and "pixel_values" not in step
