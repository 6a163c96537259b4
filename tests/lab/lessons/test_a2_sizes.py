"""Notebook A2's sizes: counted from shapes, equal to what the published files hold."""

import json
from pathlib import Path

import pytest
import torch

from phi3lib.lab.lessons import a2_sizes
from phi3lib.lab.lessons.a2_sizes import DEVICES, Device, Use, cache_bytes, published, uses, whole_phi3
from phi3lib.vision.precision import in_precision

DATA = Path(__file__).resolve().parents[2] / "data"


def test_the_whole_model_has_the_published_names_and_bytes():
    names = json.loads((DATA / "published_tensor_names.json").read_text(encoding="utf-8"))
    whole = whole_phi3()
    assert whole.tensors == a2_sizes.PUBLISHED_TENSORS == len(names)
    assert whole.file_bytes == a2_sizes.PUBLISHED_BYTES


def test_the_settings_are_those_of_the_published_config():
    configs = json.loads((DATA / "published_configs.json").read_text(encoding="utf-8"))
    text = json.dumps(configs)
    for key, value in a2_sizes.PHI3_SETTINGS["img_processor"].items():
        assert json.dumps({key: value})[1:-1] in text


def test_clip_base_has_the_known_number_of_weights():
    assert {one.name: one.parameters for one in published()}["openai/clip-vit-base-patch32"] == 151_277_313


def test_the_vision_part_is_inside_the_whole():
    part, whole = a2_sizes.vision_part(), whole_phi3()
    assert part.linear < whole.linear and part.other < whole.other
    assert [one.file_bytes for one in published()] == sorted(one.file_bytes for one in published())


@pytest.mark.parametrize("precision", a2_sizes.PRECISIONS)
def test_memory_at_a_precision_is_what_a_model_at_that_precision_holds(precision):
    network = torch.nn.Sequential(torch.nn.Linear(64, 96, bias=False), torch.nn.Embedding(5, 7))
    counted = a2_sizes._counted("a", "b", "c", "fp32", network)
    held = 0
    for module in in_precision(network, precision).modules():
        weight = getattr(module, "weight", None)
        weight = weight() if callable(weight) else weight
        if isinstance(weight, torch.Tensor):
            held += weight.numel() * weight.element_size()
    assert counted.weight_bytes(precision) == held


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="'fp16'; there are: 'fp32', 'bf16', 'int8'"):
        whole_phi3().weight_bytes("fp16")


def test_the_cache_is_that_of_transformers():
    from transformers import DynamicCache

    cache, tokens = DynamicCache(), 3
    for layer in range(32):
        state = torch.zeros(1, 32, tokens, 96, dtype=torch.bfloat16)
        cache.update(state, state, layer)
    held = sum(x.nbytes for layer in cache.layers for x in (layer.keys, layer.values))
    assert cache_bytes(tokens) == held


def test_lora_counts_what_peft_adds():
    from peft import LoraConfig, get_peft_model

    class Attention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv_proj = torch.nn.Linear(3072, 9216, bias=False, device="meta")
            self.o_proj = torch.nn.Linear(3072, 3072, bias=False, device="meta")

    layers = torch.nn.ModuleList(Attention() for _ in range(32))
    adapted = get_peft_model(layers, LoraConfig(r=16, target_modules=["qkv_proj", "o_proj"]))
    added = sum(weight.numel() for name, weight in adapted.named_parameters() if "lora_" in name)
    assert a2_sizes.lora_weights(16) == added


def test_what_fits_needs_no_more_than_what_is_usable():
    small = Device("small", 10.0, 0.5)
    assert Use("a", 3, 1, 1).fits(small) and not Use("a", 3, 1, 2).fits(small)
    fits = {use.name: [use.fits(device) for device in DEVICES] for use in uses()}
    assert all(fits["Phi-3 vision part, vectors, fp32"])
    assert fits["Phi-3 whole, answers, bf16"] == [False, True, True]
    assert fits["Phi-3 whole, all weights trained"] == [False, False, True]


@pytest.mark.parametrize("precision", ["int8", "bf16"])
def test_the_most_tokens_fit_and_one_more_does_not(precision):
    weights = whole_phi3().weight_bytes(precision)
    for device in DEVICES:
        most = a2_sizes.most_tokens(device, precision)
        assert Use("a", weights, cache_bytes(most + 1)).fits(device) is False
        assert Use("a", weights, cache_bytes(most)).fits(device) or weights > device.usable


def test_the_figure_says_where_each_use_fits():
    picture = a2_sizes.still_of_uses(uses(), alt="Bars of memory beside three machines.")
    assert picture.size[0] <= 800 and picture.alt.startswith("Bars of memory")
