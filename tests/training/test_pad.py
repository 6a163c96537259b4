"""The drawing pad's reader of strokes: what is trained, what is kept, how thresholds and shares follow."""

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib.lab.widgets.pad_reader import SIDE, PadReading
from phi3lib.loading.defaults import DATA_FOLDER
from picturebook.drawings import read_drawings
from picturebook.kinds import KINDS
from training import calibrate_pad, pack_drawings, train_pad
from training.pad_examples import outlined, redrawn, to_pixels


def test_examples_are_black_on_white_and_fit_the_tower():
    rng = np.random.default_rng(0)
    drawing = read_drawings(DATA_FOLDER / "drawings", "train")[0]
    for image in (redrawn(drawing, rng), outlined(KINDS["robot"], rng)):
        assert image.size == (SIDE, SIDE)
        assert np.ptp(np.asarray(image), axis=-1).max() < 16
    assert to_pixels([image]).shape == (1, 3, SIDE, SIDE)


def test_the_classifier_learns_what_the_features_hold(monkeypatch):
    monkeypatch.setattr(train_pad, "KINDS", ["cat", "dog", "star"])
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(300) % 3
    centers = 3 * torch.randn(3, 20, generator=generator)
    features = centers[kinds] + torch.randn(300, 20, generator=generator)
    head = train_pad.train_head(features, kinds, epochs=8)
    assert (head(features).argmax(1) == kinds).float().mean() > 0.95
    assert head.kinds == ["cat", "dog", "star"]


def test_drawings_of_other_things_are_a_class_behind_the_kinds(monkeypatch):
    monkeypatch.setattr(train_pad, "KINDS", ["cat", "dog"])
    monkeypatch.setattr(train_pad, "ANYTHING_ELSE", 2)
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(300) % 3
    centers = 3 * torch.randn(3, 20, generator=generator)
    features = centers[classes] + torch.randn(300, 20, generator=generator)
    head = train_pad.train_head(features, classes, epochs=8)
    assert head.kinds == ["cat", "dog"] and head(features).shape == (300, 3)
    assert (head(features).argmax(1) == classes).float().mean() > 0.95


def test_features_that_are_there_are_not_computed_again(tmp_path):
    path = tmp_path / "view.safetensors"
    first = train_pad.kept(path, lambda: {"features": torch.ones(2, 3)})
    again = train_pad.kept(path, lambda: pytest.fail("computed twice"))
    assert torch.equal(first["features"], again["features"])


def test_pictures_come_in_batches():
    pictures = [Image.new("RGB", (2, 2)) for _ in range(7)]
    assert [len(some) for some in train_pad.batched(iter(pictures), 3)] == [3, 3, 1]


class FakeReader:
    """Knows the probability of each picture by its first pixel; captions all with one kind."""

    head = object()

    def captions(self, pictures, name):
        return [("a drawing of a cat", picture.getpixel((0, 0))[0] / 255) for picture in pictures]

    def read(self, picture):
        caption, probability = self.captions([picture], "pen")[0]
        return PadReading("caption" if probability > 0.5 else "declined", caption, probability, "pen")


def plain(value):
    return Image.new("RGB", (4, 4), (value, 0, 0))


def test_captions_are_right_wrong_or_declined():
    cases = [(plain(200), " cat "), (plain(200), " dog "), (plain(200), ""), (plain(20), " cat ")]
    rates = calibrate_pad.rates_of(FakeReader(), cases)
    assert {what: one["value"] for what, one in rates.items()} == {
        "right": 0.25, "wrong": 0.5, "declined": 0.25,
    }  # fmt: skip
    assert all(one["low"] <= one["value"] <= one["high"] for one in rates.values())


def test_thresholds_let_the_wanted_share_pass(monkeypatch):
    drawings = read_drawings(DATA_FOLDER / "drawings", "calibrate")
    values = iter(np.tile(np.arange(256), 10).tolist())
    monkeypatch.setattr(calibrate_pad, "on_pad", lambda drawing: plain(int(next(values))))
    thresholds = calibrate_pad.thresholds_of(FakeReader(), drawings)
    assert set(thresholds) == {"filled", "pen"}
    assert all(0 < value < 1 for value in thresholds.values())


def test_the_card_gets_the_table(tmp_path):
    card = tmp_path / "README.md"
    card.write_text("# Card\n<!--measured-->\n<!--/measured-->\nrest\n", encoding="utf-8")
    share = {"value": 0.5, "low": 0.4, "high": 0.6, "count": 10}
    rates = {"scribbles": {"right": share, "wrong": share, "declined": share}}
    calibrate_pad.write_table(card, {"pen": 0.25}, rates)
    text = card.read_text(encoding="utf-8")
    assert "| pen | 0.25 |" in text and "| scribbles (10) | 50% (40% to 60%) |" in text
    assert text.startswith("# Card") and text.endswith("rest\n")


def test_test_cases_are_of_the_test_split_and_of_unknown_categories():
    drawings = read_drawings(DATA_FOLDER / "drawings", "test")
    known = {one.kind for one in drawings if one.kind}
    assert set(calibrate_pad.COMMON) <= known
    assert set(calibrate_pad.SCRIBBLES) <= {one.name for one in drawings if not one.kind}
    assert not set(pack_drawings.OTHERS) & set(pack_drawings.KINDS)
