"""What the pad's reader sees: paper and ink, blank pads, thresholds, the adapter of the pen."""

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from phi3lib import load_phi3_model
from phi3lib.encoders.encoder import checksum
from phi3lib.lab.lessons.first_embedding import photo_tiles
from phi3lib.lab.widgets import pad_reader
from phi3lib.lab.widgets.pad_reader import (
    HEAD,
    RULES,
    SIDE,
    PadReader,
    PenHead,
    for_pen,
    is_strokes,
    pooled,
    subject_of,
)  # fmt: skip
from phi3lib.loading.defaults import DATA_FOLDER
from phi3lib.vision.answers import answer, answers_with_probabilities
from picturebook.drawings import read_drawings
from tests.real_layout import make_phi3_checkpoint


@pytest.fixture(scope="module")
def phi3(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phi3")
    make_phi3_checkpoint(folder, tokenizer=True)
    return load_phi3_model(folder, language_model=True, dtype=torch.float32)


@pytest.fixture
def stroke():
    picture = Image.new("RGB", (224, 224), "white")
    ImageDraw.Draw(picture).line([(40, 60), (90, 160), (60, 190)], fill="black", width=8)
    return picture


def rules(folder, phi3, **thresholds):
    written = {"phi3": checksum(phi3), "thresholds": thresholds}
    (folder / RULES).write_text(json.dumps(written), encoding="utf-8")
    return PadReader(phi3, folder)


# ------------------------------------------------------------------------------- ink and paper


@pytest.mark.parametrize("paper", ["white", "black", "#f0e0a0"])
def test_an_even_picture_is_blank(paper):
    assert subject_of(Image.new("RGB", (224, 224), paper)) is None
    assert subject_of(Image.new("RGB", (64, 20), paper)) is None


def test_noise_of_a_camera_and_a_dot_are_blank():
    rng = np.random.default_rng(0)
    noise = np.clip(rng.normal(235, 4, (224, 224, 3)), 0, 255).astype(np.uint8)
    assert subject_of(Image.fromarray(noise)) is None
    dot = Image.new("RGB", (224, 224), "white")
    dot.putpixel((100, 100), (0, 0, 0))
    assert subject_of(dot) is None


def test_what_is_drawn_is_cut_out_as_a_square_on_its_paper(stroke):
    square = subject_of(stroke)
    assert square.width == square.height < 224
    assert {square.getpixel(corner) for corner in ((0, 0), (square.width - 1, 0))} == {(255, 255, 255)}
    ink = (np.asarray(square.convert("L")) < 128).sum()
    assert ink == (np.asarray(stroke.convert("L")) < 128).sum()


def test_place_and_size_do_not_matter(stroke):
    moved = Image.new("RGB", (224, 224), "white")
    moved.paste(stroke.crop((20, 40, 120, 210)), (110, 10))
    assert np.array_equal(np.asarray(for_pen(moved)), np.asarray(for_pen(stroke)))
    assert for_pen(stroke).size == (SIDE, SIDE)


def test_a_photograph_has_no_paper_and_stays_whole():
    tile = photo_tiles(rows=2, cols=2)[3].picture
    assert subject_of(tile) is tile


# ------------------------------------------------------------------------------- captions and thresholds


def test_the_probability_is_that_of_the_answer(phi3, stroke):
    other = Image.effect_noise((50, 80), 60).convert("RGB")
    found = answers_with_probabilities(phi3, [stroke, other], max_new_tokens=6)
    assert [text for text, _ in found] == answer(phi3, [stroke, other], max_new_tokens=6)
    assert all(0 < probability <= 1 for _, probability in found)
    alone = answers_with_probabilities(phi3, [other], max_new_tokens=6)[0]
    assert alone[1] == pytest.approx(found[1][1], rel=1e-3)
    short = answers_with_probabilities(phi3, [other], max_new_tokens=2)[0]
    assert short[1] >= alone[1]


def test_a_caption_below_the_threshold_is_not_shown(phi3, stroke, tmp_path):
    free = PadReader(phi3, tmp_path).read(stroke)
    assert free.verdict == "caption"  # no threshold was measured for this model
    kept = rules(tmp_path, phi3, filled=free.probability * 0.9).read(stroke)
    assert (kept.verdict, kept.caption) == ("caption", free.caption)
    assert rules(tmp_path, phi3, filled=1.0).read(stroke).verdict == "declined"


def test_rules_of_another_model_are_not_used(phi3, stroke, tmp_path):
    written = {"phi3": "00000000", "thresholds": {"filled": 1.0}}
    (tmp_path / RULES).write_text(json.dumps(written), encoding="utf-8")
    reader = PadReader(phi3, tmp_path)
    assert reader.thresholds == {} and reader.measured() == pad_reader.UNMEASURED
    assert reader.read(stroke).verdict == "caption"


def test_a_blank_pad_asks_no_model(phi3, tmp_path, monkeypatch):
    reader = rules(tmp_path, phi3, filled=0.0)
    monkeypatch.setattr(pad_reader, "answers_with_probabilities", None)
    assert reader.read(Image.new("RGB", (224, 224), "white")).verdict == "blank"
    assert PadReader(None).read(Image.new("RGB", (224, 224), "white")).verdict == "blank"


# ------------------------------------------------------------------------------- the reader of strokes


def test_ink_of_any_color_becomes_black_on_white(stroke):
    black = np.asarray(for_pen(stroke)).astype(int)
    pixels = np.asarray(stroke)
    for ink, paper in (((200, 30, 30), (255, 255, 255)), ((240, 240, 240), (20, 60, 120))):
        colored = np.where(pixels < 128, np.array(ink, np.uint8), np.array(paper, np.uint8))
        same = np.asarray(for_pen(Image.fromarray(colored))).astype(int)
        assert np.abs(same - black).mean() < 2


def test_lines_are_strokes_and_filled_shapes_are_not(stroke):
    assert is_strokes(stroke)
    filled = Image.new("RGB", (224, 224), "white")
    ImageDraw.Draw(filled).ellipse((40, 40, 180, 180), fill="red")
    assert not is_strokes(filled)
    assert not is_strokes(Image.new("RGB", (224, 224), "white"))
    assert not is_strokes(photo_tiles(rows=2, cols=2)[3].picture)
    drawings = read_drawings(DATA_FOLDER / "drawings", "calibrate")[::25]
    assert np.mean([is_strokes(one.picture(224)) for one in drawings]) > 0.85


def head_for(phi3, folder, favorite):
    """A classifier that answers one kind for everything."""
    tile = phi3.processor.image_processor.tile_size
    width = pooled(phi3, torch.zeros(1, 3, tile, tile)).shape[1]
    head = PenHead(width, ["cat", "umbrella"], hidden=4)
    torch.nn.init.zeros_(head.second.weight)
    head.second.bias.data = torch.tensor([0.0, 0.0])
    head.second.bias.data[head.kinds.index(favorite)] = 3.0
    facts = {"phi3": checksum(phi3), "kinds": json.dumps(head.kinds)}
    save_file({name: one.half() for name, one in head.state_dict().items()}, folder / HEAD, metadata=facts)


def test_strokes_go_to_the_reader_of_strokes(phi3, stroke, tmp_path):
    head_for(phi3, tmp_path, "umbrella")
    reading = rules(tmp_path, phi3, filled=0.0, pen=0.5).read(stroke)
    assert (reading.verdict, reading.reader) == ("caption", "pen")
    assert reading.caption == "a drawing of an umbrella"
    assert reading.probability == pytest.approx(np.exp(3) / (np.exp(3) + 1), abs=1e-3)
    assert rules(tmp_path, phi3, filled=0.0, pen=0.99).read(stroke).verdict == "declined"


def test_other_pictures_are_first_read_by_the_model(phi3, tmp_path):
    head_for(phi3, tmp_path, "cat")
    filled = Image.new("RGB", (224, 224), "white")
    ImageDraw.Draw(filled).rectangle((40, 40, 180, 180), fill="blue")
    assert rules(tmp_path, phi3, filled=0.0, pen=0.5).read(filled).reader == "filled"
    assert rules(tmp_path, phi3, filled=1.0, pen=0.5).read(filled).caption == "a drawing of a cat"


def test_anything_else_is_never_a_caption(phi3, stroke, tmp_path):
    with torch.inference_mode():
        tile = phi3.processor.image_processor([for_pen(stroke)], num_crops=1, return_tensors="pt")
        width = pooled(phi3, tile["pixel_values"][:, 0]).shape[1]
    head = PenHead(width, ["cat", "umbrella"], hidden=2, anything_else=True)
    torch.nn.init.zeros_(head.second.weight)
    head.second.bias.data = torch.tensor([1.0, 0.0, 3.0])
    facts = {"phi3": checksum(phi3), "kinds": json.dumps(head.kinds)}
    save_file(head.state_dict(), tmp_path / HEAD, metadata=facts)
    reader = rules(tmp_path, phi3, filled=0.0, pen=0.5)
    ((caption, probability),) = reader.captions([stroke], "pen")
    assert caption == "a drawing of a cat"
    assert probability == pytest.approx(np.exp(1) / (np.exp(1) + 1 + np.exp(3)), abs=1e-3)
    assert reader.read(stroke).verdict == "declined"


def test_a_head_of_another_model_is_not_used(phi3, stroke, tmp_path):
    facts = {"phi3": "00000000", "kinds": '["cat"]'}
    tensors = PenHead(8, ["cat"], hidden=2).state_dict()
    save_file(tensors, tmp_path / HEAD, metadata=facts)
    reader = rules(tmp_path, phi3, filled=0.0)
    assert reader.head is None and reader.read(stroke).reader == "filled"
    with pytest.raises(ValueError, match="no classifier of strokes"):
        reader.captions([stroke], "pen")
