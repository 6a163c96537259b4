"""Digits: printed in several fonts, and handwritten ones from scikit-learn's scans."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from picturebook.kind import Drawing, Fact, Kind, Look
from picturebook.pages.glyphs import glyph_mask, pick_font
from picturebook.pages.ink import painted, size_with_side

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


# How much each cell of a scan and its margin knows of its neighbors: a Gaussian, 1.2 cells wide.
_NEAR = np.exp(-0.5 * (np.subtract.outer(np.arange(10), np.arange(10)) / 1.2) ** 2).astype(np.float32)
_NEAR /= _NEAR.sum(axis=1, keepdims=True)


def _pen_stroke(scan: NDArray[np.float32], side: int, pen: float = 0.04) -> Image.Image:
    """Return a scan (8, 8) with a margin as a stroke on side × side pixels, cut to its ink: mode L.

    Grey in a scan is how much of a cell the pen covered. It is measured against the cells around, so that
    small loops stay open and faint strokes closed. pen: the lower, the thicker.
    """
    covered = np.pad(scan, 1)
    beyond = covered - 0.7 * _NEAR @ covered @ _NEAR.T
    large = np.asarray(Image.fromarray(beyond).resize((side, side), Image.Resampling.BICUBIC))
    ramp = np.clip((large - pen) / 0.25, 0, 1)
    mask = Image.fromarray((255 * ramp * ramp * (3 - 2 * ramp)).astype(np.uint8))
    return mask.crop(mask.getbbox())


def handwritten_digit(value: int, index: int, side: int = 128) -> Image.Image:
    """Mask (mode L) of row `index` of scikit-learn's digits, longer side `side`.

    ValueError where that scan is not a `value`. Rows for training are in TRAIN_DIGITS, the others in
    TEST_DIGITS.
    """
    if not 0 <= index < SCANS or _scans()[1][index] != value:
        raise ValueError(f"scan {index} is not a {value}")
    stroke = _pen_stroke(_scans()[0][index], 240)
    return stroke.resize(size_with_side(*stroke.size, side), Image.Resampling.HAMMING)


def draw_digit(value: int, look: Look, side: int, rng: Generator) -> Drawing:
    """Return a digit, handwritten (from scans of the training half) or printed with equal chance."""
    if rng.random() < 0.5:
        mask = _other_hand(value, rng)
        mask = mask.resize(size_with_side(*mask.size, side), Image.Resampling.HAMMING)
        hand = "handwritten"
    else:
        mask = glyph_mask(str(value), pick_font(str(value), look, side, rng), side)
        hand = "printed"
    return Drawing(painted(mask, look, side // 8), {"value": value, "hand": hand})


def _other_hand(value: int, rng: Generator) -> Image.Image:
    """Return a handwritten digit such as nobody wrote: there are few scans, and every hand is another.

    A scan of the training half leans a little towards another one of the same digit, by a thinner or a
    thicker pen, and is slanted, turned and bent.
    """
    rows = _train_rows(value)
    first, second = (_scans()[0][rows[rng.integers(len(rows))]] for _ in range(2))
    leaning = rng.uniform(0, 0.3)
    stroke = _pen_stroke((1 - leaning) * first + leaning * second, 112, rng.uniform(0.02, 0.1))
    moved = stroke.transform(*_bent(stroke.size, rng), resample=Image.Resampling.BILINEAR)
    return moved.crop(moved.getbbox())


_MESH = 3  # quadrilaterals along each side of a bent stroke


def _bent(size: tuple[int, int], rng: Generator) -> tuple[tuple[int, int], Image.Transform, list]:
    """Return arguments of `Image.transform` to slant, rotate, stretch and bend a stroke of `size`."""
    angle, slant = np.radians(rng.uniform(-14, 14)), rng.uniform(-0.25, 0.25)
    across, down = rng.uniform(0.85, 1.15, 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.array([[across, slant], [0, down]])
    # Pillow asks for the way back: where in the stroke each corner of the result's mesh comes from.
    out = 2 * max(size)
    ticks = np.linspace(0, out, _MESH + 1).round().astype(int)
    corners = np.stack(np.meshgrid(ticks, ticks), -1)  # (rows, columns, (x, y))
    source = (corners - out / 2) @ matrix.T + np.array(size) / 2
    source += rng.normal(0, 0.045 * out / _MESH, source.shape)
    mesh = [
        (
            (*corners[row, col], *corners[row + 1, col + 1]),
            (*source[row, col], *source[row + 1, col], *source[row + 1, col + 1], *source[row, col + 1]),
        )
        for row in range(_MESH)
        for col in range(_MESH)
    ]
    return (out, out), Image.Transform.MESH, mesh


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
