"""Drawings by people in the training of the small Phi-3-vision: what is drawn, what is kept apart."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from phi3lib.loading.defaults import DATA_FOLDER
from picturebook.drawings import CELL, read_drawings
from training import pack_drawings, train_pad
from training.phi3_model import PATCH, TILE
from training.sketches import SketchHead, categories, draw_sketches

NAMES = (
    "cat",
    "dog",
    "angel",
    "squiggle",
    "zebra",
    "owl",
)  # two kinds, two that measure, one more, a lookalike


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A folder of drawings with all other categories, from a package with six categories."""
    import gzip

    folder = tmp_path_factory.mktemp("drawings")
    source = folder / "package"
    source.mkdir()
    rng = np.random.default_rng(0)
    for name in NAMES:
        rows = (rng.random((pack_drawings.OF_KIND, CELL * CELL)) < 0.2).astype(int).tolist()
        with gzip.open(source / f"{name}.ndjson.gz", "wt") as file:
            file.write("\n".join(map(json.dumps, rows)))
    only = SimpleNamespace(KINDS={"cat": "cat", "dog": "dog"}, OTHERS=("angel", "squiggle"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack_drawings, "KINDS", only.KINDS)
        patch.setattr(pack_drawings, "OTHERS", only.OTHERS)
        patch.setattr("sys.argv", ["pack_drawings", str(source), str(folder / "out"), "--more"])
        pack_drawings.main()
    return folder / "out"


def test_more_categories_are_for_training_only(packed):
    names = {
        split: {one.name for one in read_drawings(packed, split)} for split in ("train", "calibrate", "test")
    }
    assert names["train"] == {"cat", "dog", "zebra", "owl"}
    assert names["calibrate"] | names["test"] == {"cat", "dog", "angel", "squiggle"}
    numbers = [one.number for one in read_drawings(packed, "train") if one.name == "zebra"]
    assert numbers == list(range(pack_drawings.OF_KIND))


def test_the_course_has_kinds_and_what_measures_only():
    assert all(one.kind for one in read_drawings(DATA_FOLDER / "drawings", "train"))


def test_batches_follow_from_their_number(packed):
    first, again, other = (draw_sketches(packed, number, 6) for number in (3, 3, 4))
    assert torch.equal(first.pixels, again.pixels) and torch.equal(first.wanted, again.wanted)
    assert not torch.equal(first.pixels, other.pixels)
    assert first.pixels.shape == (6, 3, TILE, TILE)
    assert first.wanted.max() < len(categories(packed)) == 4


def test_the_head_learns_what_the_features_hold():
    torch.manual_seed(0)
    head = SketchHead(8, TILE // PATCH, 3)
    wanted = torch.arange(60) % 3
    features = torch.randn(3, 64, 8)[wanted] + 0.3 * torch.randn(60, 64, 8)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    for _ in range(40):
        loss, right = head(features, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert right > 0.9


def test_what_looks_like_a_kind_is_no_other_thing(packed):
    chosen = train_pad.examples(packed)
    others = [one for one in chosen if not one.kind]
    assert {one.name for one in others} == {"zebra"}
    assert len(others) == train_pad.ELSE_OF_CATEGORY
    assert {train_pad.place_of(one) for one in others} == {train_pad.ANYTHING_ELSE}
    assert {one.number for one in chosen if one.kind} == set(range(70))
