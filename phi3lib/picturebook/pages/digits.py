"""Digits: printed in several fonts, and handwritten ones from scikit-learn's scans."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from phi3lib.picturebook.kind import Drawing, Fact, Kind, Look
from phi3lib.picturebook.pages.glyphs import glyph_mask, pick_font
from phi3lib.picturebook.pages.ink import painted, size_with_side

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_FRENCH = ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf")

SCANS = 1797
# Halves of the rows of `sklearn.datasets.load_digits`, fixed for good: nothing is drawn from the second
# half for training.
_ORDER = np.random.default_rng(20240611).permutation(SCANS)
TRAIN_DIGITS: NDArray[np.int64] = np.sort(_ORDER[: SCANS // 2])
TEST_DIGITS: NDArray[np.int64] = np.sort(_ORDER[SCANS // 2 :])


@lru_cache(maxsize=1)
def _scans() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from sklearn.datasets import load_digits  # two seconds of import that only handwriting needs

    data = load_digits()
    return (data.images / 16).astype(np.float32), data.target.astype(np.int64)


@lru_cache(maxsize=10)
def _train_rows(value: int) -> NDArray[np.int64]:
    return TRAIN_DIGITS[_scans()[1][TRAIN_DIGITS] == value]


@lru_cache(maxsize=SCANS)
def _stroke(index: int) -> Image.Image:
    """The scan `index` as a pen stroke: mode L, about 190 pixels, cut to its ink."""
    scan = np.pad(_scans()[0][index], 1)
    large = np.asarray(Image.fromarray(scan).resize((240, 240), Image.Resampling.BICUBIC))
    # Grey in the scans is how much of a cell the pen covered; cut near a half, with a soft edge, so that
    # loops stay open.
    ramp = np.clip((large - 0.43) / 0.14, 0, 1)
    mask = Image.fromarray((255 * ramp * ramp * (3 - 2 * ramp)).astype(np.uint8))
    return mask.crop(mask.getbbox())


def handwritten_digit(value: int, index: int, side: int = 128) -> Image.Image:
    """Mask (mode L) of row `index` of scikit-learn's digits, longer side `side`.

    ValueError where that scan is not a `value`. Rows for training are in TRAIN_DIGITS, the others in
    TEST_DIGITS.
    """
    if not 0 <= index < SCANS or _scans()[1][index] != value:
        raise ValueError(f"scan {index} is not a {value}")
    stroke = _stroke(int(index))
    return stroke.resize(size_with_side(*stroke.size, side), Image.Resampling.HAMMING)


def draw_digit(value: int, look: Look, side: int, rng: Generator) -> Drawing:
    """A digit, handwritten (a scan of the training half) or printed with equal chance."""
    if rng.random() < 0.5:
        rows = _train_rows(value)
        mask = _in_another_hand(_stroke(int(rows[rng.integers(len(rows))])), rng)
        mask = mask.resize(size_with_side(*mask.size, side), Image.Resampling.HAMMING)
        hand = "handwritten"
    else:
        mask = glyph_mask(str(value), pick_font(str(value), look, side, rng), side)
        hand = "printed"
    return Drawing(painted(mask, look, side // 8), {"value": value, "hand": hand})


def _in_another_hand(stroke: Image.Image, rng: Generator) -> Image.Image:
    """The stroke slanted, turned and drawn out a little: there are few scans, and every hand is another."""
    size = 128
    small = stroke.resize(size_with_side(*stroke.size, size), Image.Resampling.HAMMING)
    angle, slant = np.radians(rng.uniform(-12, 12)), rng.uniform(-0.25, 0.25)
    across, down = rng.uniform(0.85, 1.15, 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[across, slant], [0, down]])
    # Pillow asks for the way back: where in the stroke each pixel of the result comes from.
    middle_in, middle_out = np.array(small.size) / 2, np.array([size, size])
    shift = middle_in - matrix @ middle_out
    data = (*matrix[0], shift[0], *matrix[1], shift[1])
    moved = small.transform((2 * size, 2 * size), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
    return moved.crop(moved.getbbox())


def _describe(facts: Mapping[str, Fact]) -> str:
    name = f"digit {NAMES[int(str(facts['value']))]}"
    return f"handwritten {name}" if facts.get("hand") == "handwritten" else name


def _kind(value: int) -> Kind:
    def draw(look: Look, side: int, rng: Generator) -> Drawing:
        return draw_digit(value, look, side, rng)

    return Kind(
        name=f"digit {NAMES[value]}",
        plural=f"{NAMES[value]}{'es' if value == 6 else 's'}",
        family="digits",
        french=f"chiffre {_FRENCH[value]}",
        feminine=False,
        draw=draw,
        synonyms=(f"number {NAMES[value]}", f"numeral {value}"),
        describe=_describe,
    )


DIGITS = tuple(_kind(value) for value in range(10))
