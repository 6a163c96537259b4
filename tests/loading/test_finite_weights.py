"""Weights that are NaN or infinite are reported at load: how many values, in which tensors."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from phi3lib import load_encoder
from phi3lib.loading.checkpoints import CheckpointError, load_clip, load_phi3_model
from phi3lib.loading.safetensors_io import require_finite
from tests.encoder_layout import make_dino_checkpoint, make_siglip_checkpoint
from tests.real_layout import VISION, make_clip_checkpoint, make_phi3_checkpoint

MAKERS = {
    "clip": make_clip_checkpoint,
    "phi3": lambda folder: make_phi3_checkpoint(folder, tokenizer=True),
    "siglip": make_siglip_checkpoint,
    "dino": make_dino_checkpoint,
}
LOADERS = {
    "clip": load_clip,
    "phi3": load_phi3_model,
    "siglip": load_encoder,
    "dino": load_encoder,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound")
    for name, make in MAKERS.items():
        make(root / name)
    return root


def spoiled(folder, copy, chosen, values):
    """A copy of a checkpoint with these values at the beginning of the first tensor that `chosen` accepts."""
    shutil.copytree(folder, copy)
    for file in sorted(copy.glob("*.safetensors")):
        tensors = load_file(file)
        for name, tensor in tensors.items():
            if chosen(name) and tensor.is_floating_point():
                tensor.view(-1)[: len(values)] = torch.tensor(values, dtype=tensor.dtype)
                save_file(tensors, file, metadata={"format": "pt"})
                return name
    raise AssertionError("no such tensor")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_checkpoint_with_weights_that_are_no_numbers_is_refused(folders, tmp_path, kind, value):
    name = spoiled(folders / kind, tmp_path / kind, lambda name: VISION in name or kind != "phi3", [value])
    with pytest.raises(CheckpointError, match="holds NaN or infinite weights: 1 in 1 of its") as raised:
        LOADERS[kind](tmp_path / kind)
    assert name.removeprefix(VISION) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_whole_model_is_checked_beyond_its_vision_part(folders, tmp_path):
    values = [float("nan"), float("inf"), 0.0]
    name = spoiled(folders / "phi3", tmp_path / "phi3", lambda name: name.startswith("model.layers"), values)
    load_phi3_model(tmp_path / "phi3")  # the vision part alone is sound
    with pytest.raises(CheckpointError, match=f"infinite weights: 2 in 1 of .* most of them in {name}"):
        load_phi3_model(tmp_path / "phi3", language_model=True)


def test_fine_tuned_weights_are_checked_and_named(folders, tmp_path):
    spoiled(folders / "phi3", tmp_path / "tuned", lambda name: name.startswith(VISION), [float("nan")])
    with pytest.raises(CheckpointError, match="tuned holds NaN or infinite weights: 1 in"):
        load_phi3_model(folders / "phi3", fine_tuned=tmp_path / "tuned")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_largest_numbers_of_a_type_are_numbers(dtype):
    largest = torch.finfo(dtype).max
    require_finite({"a": torch.full((4, 4), largest, dtype=dtype), "b": -torch.ones(3)}, where="here")
    bad = torch.tensor([1, float("nan"), float("inf"), 0], dtype=dtype)
    with pytest.raises(CheckpointError, match="here holds .*: 3 in 2 of its 3 tensors, most of them in b"):
        require_finite({"a": torch.ones(2), "b": bad, "c": bad[:2]}, where="here")


def test_what_has_no_numbers_or_other_numbers_is_passed_over():
    tensors = {
        "count": torch.arange(3),
        "nothing": torch.zeros(0, 2),
        "meta": torch.empty(2, device="meta"),
        "small": torch.ones(3).to(torch.float8_e4m3fn),
    }
    require_finite(tensors, where="here")
    with pytest.raises(CheckpointError, match="weights: 1 in 1 of its 1 tensors"):
        require_finite({"small": torch.tensor([float("nan")]).to(torch.float8_e4m3fn)}, where="here")
