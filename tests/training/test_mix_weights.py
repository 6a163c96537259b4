"""Averages of weights: the sum by shares, the first folder's files, and what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from training.mix_weights import mix

A, B = {"weight": torch.tensor([1.0, 2.0])}, {"weight": torch.tensor([3.0, 6.0])}


@pytest.fixture
def runs(tmp_path):
    for name, weights in (("a", A), ("b", B), ("wide", {"weight": torch.zeros(3)})):
        folder = tmp_path / name
        folder.mkdir()
        save_file({key: tensor.half() for key, tensor in weights.items()}, folder / "model.safetensors")
        (folder / "training.json").write_text(json.dumps({"minutes": 3.0, "run": name}))
    (tmp_path / "a" / "tokenizer.json").write_text("{}")
    return tmp_path


def test_weights_are_summed_by_their_shares_and_the_rest_is_the_first_run_s(runs):
    mix({runs / "a": 0.75, runs / "b": 0.25}, runs / "out")
    found = load_file(runs / "out" / "model.safetensors")["weight"]
    assert found.dtype == torch.float16
    assert found.tolist() == [1.5, 3.0]
    assert (runs / "out" / "tokenizer.json").is_file()
    facts = json.loads((runs / "out" / "training.json").read_text())
    assert facts == {"minutes": 3.0, "run": "a", "mixed": {"a": 0.75, "b": 0.25}}
    assert load_file(runs / "a" / "model.safetensors")["weight"].tolist() == [1.0, 2.0]


def test_a_mixture_may_take_the_place_of_its_first_run(runs):
    mix({runs / "a": 0.5, runs / "b": 0.5}, runs / "a")
    assert load_file(runs / "a" / "model.safetensors")["weight"].tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("shares", "said"), [({"a": 0.5, "b": 0.4}, "sum to 0.9"), ({"a": 0.5, "wide": 0.5}, "wide: its tensors")]
)
def test_what_makes_no_average_is_refused(runs, shares, said):
    with pytest.raises(ValueError, match=said):
        mix({runs / name: share for name, share in shares.items()}, runs / "out")
    assert not Path(runs / "out").exists()
