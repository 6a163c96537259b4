"""Drawings by people and outlines of kinds: what is read, which split it is in, how another hand draws it."""

import json

import numpy as np
import pytest
from PIL import Image

from phi3lib.loading.defaults import DATA_FOLDER
from picturebook.colors import COLORS
from picturebook.drawings import CELL, SPLITS, Hand, HandDrawing, other_hand, read_drawings, split_of
from picturebook.kinds import KINDS, SCENE_KINDS
from picturebook.outlines import bent, outline

FOLDER = DATA_FOLDER / "drawings"


@pytest.fixture(scope="module")
def drawings():
    return read_drawings(FOLDER)


def ell():
    lines = np.zeros((CELL, CELL), dtype=np.uint8)
    lines[6:22, 8] = lines[21, 8:20] = 255
    return HandDrawing("ell", "", 0, lines)


def middle_of(mask):
    rows, columns = np.nonzero(np.asarray(mask) > 127)
    return columns.mean() / mask.width, rows.mean() / mask.height


def test_every_kind_is_one_of_the_picture_book(drawings):
    kinds = {drawing.kind for drawing in drawings} - {""}
    assert len(kinds) > 70 and kinds <= set(KINDS)
    assert {"house", "happy face", "star", "fish", "tree", "car", "cat", "sun", "flower", "cup"} <= kinds
    assert all(
        drawing.lines.shape == (CELL, CELL) and drawing.lines.max() == 255 for drawing in drawings[::50]
    )


def test_splits_share_no_drawing_and_no_category_of_other_things(drawings):
    parts = {split: read_drawings(FOLDER, split) for split in SPLITS}
    assert sum(map(len, parts.values())) == len(drawings)
    for kind in {drawing.kind for drawing in drawings} - {""}:
        counts = [sum(one.kind == kind for one in part) for part in parts.values()]
        assert counts == [70, 15, 15]
    others = [{one.name for one in part if not one.kind} for part in parts.values()]
    assert not others[0] and others[1] and others[2] and not others[1] & others[2]
    assert all(split_of(one) == split for split, part in parts.items() for one in part)


def test_drawings_that_are_equal_are_in_one_split(drawings):
    seen: dict[bytes, str] = {}
    for drawing in drawings:
        assert seen.setdefault(drawing.lines.tobytes(), split_of(drawing)) == split_of(drawing)


def test_a_folder_without_drawings_and_an_unknown_split_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"drawings\.json is missing"):
        read_drawings(tmp_path)
    with pytest.raises(ValueError, match="no split 'validation'"):
        read_drawings(FOLDER, "validation")


def test_the_source_and_the_license_are_named():
    assert "CC BY 4.0" in json.loads((FOLDER / "drawings.json").read_text(encoding="utf-8"))["source"]


def test_a_drawing_fills_its_share_and_keeps_its_place():
    for side in (112, 224):
        mask = ell().mask(side, Hand(share=0.8))
        box = mask.getbbox()
        height = 16 / CELL * 0.8 * side
        assert box is not None and abs((box[3] - box[1]) - height) < 0.06 * side
        assert np.allclose(middle_of(mask), middle_of(ell().mask(112, Hand(share=0.8))), atol=0.02)


def test_another_hand_mirrors_turns_and_widens():
    plain, ink = ell().mask(112), lambda mask: (np.asarray(mask) > 127).mean()
    across, down = middle_of(plain)
    mirrored = middle_of(ell().mask(112, Hand(mirrored=True)))
    assert mirrored[0] == pytest.approx(1 - across, abs=0.02) and mirrored[1] == pytest.approx(down, abs=0.02)
    turned = middle_of(ell().mask(112, Hand(angle=90)))
    assert np.hypot(turned[0] - across, turned[1] - down) > 0.05
    widths = [ink(ell().mask(112, Hand(pen=pen))) for pen in (-1, 0, 1, 3, 4)]
    assert widths == sorted(widths) and widths[0] > 0
    moved = middle_of(ell().mask(112, Hand(shift=(0.1, 0))))
    assert moved[0] == pytest.approx(across + 0.1, abs=0.01)


def test_ink_and_paper_have_their_colors():
    picture = ell().picture(112, ink=COLORS["red"], paper=COLORS["yellow"])
    assert picture.getpixel((0, 0)) == COLORS["yellow"].rgb
    assert COLORS["red"].rgb in {color for _, color in picture.getcolors(100_000)}


def test_hands_by_chance_are_the_same_for_the_same_seed():
    assert other_hand(np.random.default_rng(3)) == other_hand(np.random.default_rng(3))
    hands = [other_hand(np.random.default_rng(seed), mirror=False) for seed in range(20)]
    assert len({hand.pen for hand in hands}) > 2 and not any(hand.mirrored for hand in hands)


@pytest.mark.parametrize("kind", SCENE_KINDS[::6], ids=lambda kind: kind.name)
def test_an_outline_is_strokes_and_not_a_filled_shape(kind):
    mask = outline(kind, 112, np.random.default_rng(0))
    ink = np.asarray(mask) > 127
    assert mask.size == (112, 112) and 0.01 < ink.mean() < 0.5
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) > 0.6 * 112
    again = outline(kind, 112, np.random.default_rng(0))
    assert np.array_equal(np.asarray(again), np.asarray(mask))


def test_a_circle_is_empty_inside():
    ink = np.asarray(outline(KINDS["circle"], 112, np.random.default_rng(1))) > 127
    assert not ink[46:66, 46:66].any()
    assert ink[:, 56].sum() < 40


def test_bending_moves_ink_a_little_and_keeps_most_of_it():
    mask = outline(KINDS["square"], 112, np.random.default_rng(0))
    moved = bent(mask, np.random.default_rng(5))
    before, after = np.asarray(mask) > 127, np.asarray(moved) > 127
    assert (before != after).any()
    assert 0.6 < after.sum() / before.sum() < 1.6
    assert np.array_equal(np.asarray(bent(mask, np.random.default_rng(5), strength=0.0)), np.asarray(mask))


def test_a_drawing_needs_no_file():
    assert isinstance(ell().picture(64), Image.Image)
