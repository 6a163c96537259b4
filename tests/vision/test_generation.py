"""`generate`: with and without cache, beams, padded batches, several turns, across the RoPE switch."""

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from tests.golden_inputs import GOLDEN, golden_json
from tests.golden_models import golden_lm, lm_inputs, pictures

CASES = golden_json("lm.json")["cases"]
ARRAYS = np.load(GOLDEN / "lm.npz")
GREEDY = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0}


def recompute_greedily(model, inputs: dict, new_tokens: int) -> torch.Tensor:
    """The plain meaning of greedy decoding: the whole sequence anew for every token."""
    inputs = dict(inputs)
    ids, mask = inputs.pop("input_ids"), inputs.pop("attention_mask", None)
    start = ids.shape[1]
    for _ in range(new_tokens):
        extra = {}
        if mask is not None:
            extra = {"attention_mask": mask, "position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}
        logits = model(ids, **inputs, **extra, use_cache=False).logits[:, -1]
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], dim=1)
        mask = None if mask is None else torch.nn.functional.pad(mask, (0, 1), value=1)
    return ids[:, start:]


@pytest.mark.parametrize("use_cache", [True, False], ids=["cache", "no cache"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_greedy_tokens_are_the_official_ones(case, use_cache):
    name = case["case"]
    # The published r2 code goes wrong at the RoPE switch; the right answer is stored beside its own.
    right = f"{name}/greedy_full_recompute"
    want = torch.from_numpy(ARRAYS[right if right in ARRAYS.files else f"{name}/greedy"])
    inputs = lm_inputs(case, ARRAYS)
    inputs.pop("position_ids", None)  # generate makes its own
    ids = inputs["input_ids"].clone()
    with torch.inference_mode():
        out = golden_lm(case["cfg_overrides"]).generate(
            **inputs, max_new_tokens=want.shape[1], use_cache=use_cache, **GREEDY
        )
    assert torch.equal(out[:, ids.shape[1] :], want)
    assert torch.equal(out[:, : ids.shape[1]], ids) and torch.equal(inputs["input_ids"], ids)


def padded_batch(lengths: list[int], pictures_per_row: list[int]) -> dict[str, torch.Tensor]:
    """Rows of text with pictures of one crop each, padded on the left."""
    generator = torch.Generator().manual_seed(4)
    rows = []
    for length, count in zip(lengths, pictures_per_row, strict=True):
        row = torch.randint(3, 500, (length,), generator=generator).tolist()
        for tag in range(1, count + 1):
            row[1:1] = [-tag] * 313
        rows.append(row)
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    total = sum(pictures_per_row)
    return {"input_ids": ids, "attention_mask": mask, **pictures([[336, 336]] * total, 2, seed=60)}


@pytest.mark.parametrize("original_length", [4096, 640], ids=["short rope", "across the switch"])
def test_a_padded_batch_answers_as_full_recomputation(original_length):
    model = golden_lm({"orig": original_length, "maxpos": 8192})
    inputs = padded_batch([6, 8], [1, 2])  # the longer row has 634 tokens
    with torch.inference_mode():
        want = recompute_greedily(model, inputs, 12)
        out = model.generate(**inputs, max_new_tokens=12, **GREEDY)
    assert torch.equal(out[:, -12:], want)


def test_padding_does_not_count_at_the_rope_switch():
    # All rows are padded by 40, so the width passes the switch long before any row does.
    model = golden_lm({"orig": 330, "maxpos": 8192})
    row = padded_batch([10], [1])  # 323 tokens
    padded = {
        **row,
        "input_ids": torch.nn.functional.pad(row["input_ids"], (40, 0)),
        "attention_mask": torch.nn.functional.pad(row["attention_mask"], (40, 0)),
    }
    with torch.inference_mode():
        want = recompute_greedily(model, row, 16)
        assert torch.equal(model.generate(**row, max_new_tokens=16, **GREEDY)[:, -16:], want)
        assert torch.equal(model.generate(**padded, max_new_tokens=16, **GREEDY)[:, -16:], want)


def test_rows_of_a_batch_answer_as_alone():
    model = golden_lm()
    together = padded_batch([6, 8], [1, 1])
    with torch.inference_mode():
        out = model.generate(**together, max_new_tokens=6, **GREEDY)[:, -6:]
        for row in range(2):
            kept = together["attention_mask"][row].bool()
            alone = model.generate(
                together["input_ids"][row : row + 1, kept],
                pixel_values=together["pixel_values"][row : row + 1],
                image_sizes=together["image_sizes"][row : row + 1],
                max_new_tokens=6,
                **GREEDY,
            )
            assert torch.equal(alone[0, -6:], out[row])


@pytest.mark.parametrize("original_length", [4096, 640], ids=["short rope", "across the switch"])
def test_beams_with_several_pictures_agree_with_and_without_cache(original_length):
    model = golden_lm({"orig": original_length, "maxpos": 8192})
    inputs = padded_batch([6, 8], [1, 2])
    options = {"max_new_tokens": 10, "num_beams": 3, **GREEDY}
    with torch.inference_mode():
        cached = model.generate(**inputs, **options)
        recomputed = model.generate(**inputs, use_cache=False, **options)
    assert torch.equal(cached, recomputed)


def test_beams_score_at_least_as_high_as_greedy():
    model = golden_lm()
    inputs = padded_batch([6], [1])

    def log_probability(answer: torch.Tensor) -> float:
        logits = model(answer, pixel_values=inputs["pixel_values"], image_sizes=inputs["image_sizes"]).logits
        scores = logits[0, -7:-1].log_softmax(-1)
        return scores.gather(1, answer[0, -6:, None]).sum().item()

    with torch.inference_mode():
        greedy = model.generate(**inputs, max_new_tokens=6, **GREEDY)
        beams = model.generate(**inputs, max_new_tokens=6, num_beams=4, length_penalty=0.0, **GREEDY)
        assert log_probability(beams) >= log_probability(greedy) - 1e-4


def test_several_answers_a_row_see_their_own_pictures():
    model = golden_lm()
    inputs = padded_batch([6, 8], [2, 1])
    options = {"max_new_tokens": 5, "do_sample": True, "top_k": 1, "eos_token_id": None, "pad_token_id": 0}
    with torch.inference_mode():
        want = model.generate(**inputs, max_new_tokens=5, **GREEDY)
        out = model.generate(**inputs, num_return_sequences=2, **options)
    assert torch.equal(out, want.repeat_interleave(2, dim=0))


def test_a_repetition_penalty_takes_prompts_with_pictures():
    inputs = padded_batch([6], [1])
    with torch.inference_mode():
        out = golden_lm().generate(**inputs, max_new_tokens=8, repetition_penalty=50.0, **GREEDY)
    answer = out[0, -8:].tolist()
    assert len(set(answer)) == 8 and not set(answer) & set(inputs["input_ids"][0].tolist())


def test_a_second_turn_goes_on_from_the_cache_and_brings_its_own_picture():
    model = golden_lm()
    both = pictures([[336, 336], [672, 336]], 3, seed=60)
    first = {"pixel_values": both["pixel_values"][:1], "image_sizes": both["image_sizes"][:1]}
    prompt = torch.tensor([[1, *[-1] * 313, 9]])
    with torch.inference_mode():
        turn = model.generate(
            prompt,
            **first,
            max_new_tokens=4,
            return_dict_in_generate=True,
            past_key_values=DynamicCache(),
            **GREEDY,
        )
        following = torch.cat([turn.sequences, torch.tensor([[7, *[-2] * 469, 8]])], dim=1)
        fresh = model.generate(following, **both, max_new_tokens=4, **GREEDY)
        continued = model.generate(
            following, **both, max_new_tokens=4, past_key_values=turn.past_key_values, **GREEDY
        )
    assert torch.equal(fresh, continued)


def test_the_tower_runs_once_an_answer():
    model = golden_lm()
    runs = []
    tower = model.model.vision_embed_tokens.img_processor
    tower.register_forward_hook(lambda *_: runs.append(1))
    with torch.inference_mode():
        model.generate(**padded_batch([6], [1]), max_new_tokens=6, **GREEDY)
    assert len(runs) == 1


def test_the_cache_is_rebuilt_once_at_the_switch():
    model = golden_lm({"orig": 327, "maxpos": 8192})
    lengths = []
    model.model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    with torch.inference_mode():
        model.generate(**padded_batch([8], [1]), max_new_tokens=12, **GREEDY)
    assert lengths == [321, *[1] * 6, 328, *[1] * 4]
