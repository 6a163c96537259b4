"""The model as one graph, for `torch.compile(fullgraph=True)` and `torch.export`."""

import inspect

import pytest
import torch
from transformers import CompileConfig, DynamicCache, StaticCache, modeling_rope_utils

from phi3lib import Phi3VForCausalLM
from phi3lib.vision.placeholders import find_negative_ids, may_read, placeholders_in_graph
from tests.golden_models import golden_lm, pictures

needs_traceable_rope = pytest.mark.skipif(
    "torch.where" not in inspect.getsource(modeling_rope_utils.dynamic_rope_update),
    reason="this version of transformers branches on the length of a sequence in Python",
)


def graph_inputs() -> dict:
    """Words, and images of two rows in the order of their tags; sizes as plain numbers."""
    ids = torch.tensor([[5, *[-2] * 313, *[-1] * 469, 7], [6, 8, *[-1] * 313, *[9] * 469]])
    images = pictures([[672, 336], [336, 336], [336, 336]], tiles=3, seed=1)
    return {"input_ids": ids, **images, "image_sizes": images["image_sizes"].tolist()}


def model_of(overrides: dict) -> Phi3VForCausalLM:
    """The golden model; with other settings than its own only the first layer, which is traced sooner."""
    model = golden_lm(overrides)
    if overrides:
        model.config.num_hidden_layers = 1
        model.model.layers = model.model.layers[:1]
    return model


def compiled(function):
    torch.compiler.reset()
    return torch.compile(function, backend="eager", fullgraph=True)


@needs_traceable_rope
@pytest.mark.parametrize("overrides", [{}, {"sw": 64}, {"orig": 500, "maxpos": 8192}], ids=str)
def test_a_prompt_with_images_is_one_graph(overrides):
    model, inputs = model_of(overrides), graph_inputs()
    with torch.no_grad():
        want = model(**inputs).logits
        torch.testing.assert_close(compiled(model.forward)(**inputs).logits, want)


@needs_traceable_rope
def test_a_step_of_training_is_one_graph():
    model, inputs = golden_lm().train(), graph_inputs()
    inputs["labels"] = inputs["input_ids"].clone()  # placeholders are no labels in graphs either
    want = model(**inputs).loss
    loss = compiled(model.forward)(**inputs).loss
    torch.testing.assert_close(loss, want)
    loss.backward()
    assert model.model.vision_embed_tokens.sub_GN.grad.abs().sum() > 0


@needs_traceable_rope
@pytest.mark.parametrize("kind", [DynamicCache, StaticCache])
@pytest.mark.parametrize("overrides", [{}, {"sw": 64}, {"orig": 500, "maxpos": 8192}], ids=str)
def test_a_step_of_generation_is_one_graph(overrides, kind):
    model, inputs = model_of(overrides), graph_inputs()
    options = {"config": model.config} | ({"max_cache_len": 800} if kind is StaticCache else {})
    caches = [kind(**options) for _ in range(2)]
    with torch.no_grad():
        for cache in caches:
            model(**inputs, past_key_values=cache)
        token = torch.tensor([[11], [12]])
        want = model(token, past_key_values=caches[0]).logits
        found = compiled(model.forward)(input_ids=token, past_key_values=caches[1]).logits
    torch.testing.assert_close(found, want)


@needs_traceable_rope
@pytest.mark.parametrize("overrides", [{}, {"sw": 325}, {"orig": 327, "maxpos": 8192}], ids=str)
def test_generate_compiles_its_steps(overrides):
    """As `generate` does on a GPU with a static cache; the last case computes all anew at the RoPE switch."""
    model = model_of(overrides)
    options = CompileConfig(backend="eager", fullgraph=True, mode=None)
    options._compile_all_devices = True
    inputs = {"input_ids": torch.tensor([[5, *[-1] * 313, 9, 11]]), **pictures([[336, 336]], tiles=2, seed=1)}
    greedy = {"max_new_tokens": 16, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    torch.compiler.reset()
    with torch.inference_mode():
        found = model.generate(**inputs, **greedy, cache_implementation="static", compile_config=options)
        assert torch.equal(found, model.generate(**inputs, **greedy))
    assert model._compiled_call is not None


@needs_traceable_rope
def test_a_prompt_with_images_is_exported():
    model, inputs = golden_lm(), {**graph_inputs(), "use_cache": False}
    with torch.no_grad():
        program = torch.export.export(model, (), inputs)
        torch.testing.assert_close(program.module()(**inputs).logits, model(**inputs).logits)


def test_outside_of_graphs_ids_are_checked():
    model, inputs = golden_lm(), graph_inputs()
    with pytest.raises(ValueError, match="no (pictures were passed|images found)"):
        model(inputs["input_ids"])
    with pytest.raises(ValueError, match="vocabulary ends at 511"):
        model(torch.tensor([[512]]))
    with pytest.raises(ValueError, match="2 picture.s., but 3 were passed"):
        model(**{**inputs, "input_ids": inputs["input_ids"].clamp(min=-1)})


@pytest.mark.parametrize("seed", range(5))
def test_places_of_placeholders_are_the_same_in_graphs(seed):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(-3, 3, (4, 20), generator=generator)
    want = find_negative_ids(ids)
    rows, cols = placeholders_in_graph(ids, len(want.rows))
    assert torch.equal(rows, want.rows) and torch.equal(cols, want.cols)


def test_ids_are_read_where_nothing_is_waited_for():
    assert may_read(torch.zeros(1, 1)) and may_read(torch.zeros(2, 5))
    assert may_read(torch.empty(2, 5, device="meta"))  # a prompt, once
    assert not may_read(torch.empty(2, 1, device="meta"))  # a step of generation
