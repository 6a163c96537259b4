"""Drawings by people: pen strokes of a known kind, or of something that is no kind of the picture-book.

    drawings = read_drawings(folder)
    drawings[0].kind, drawings[0].picture(224)

They are a small part of the Quick, Draw! data set: lines on 28 × 28 pixels. A drawing is made larger by
drawing its lines with a pen of any width, in any colour, as another hand would: turned, stretched, mirrored.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from picturebook.colors import COLORS, Color

INDEX = "drawings.json"
CELL = 28  # pixels of a stored drawing
SPLITS = ("train", "calibrate", "test")
# Of a hundred drawings of a kind the first 70 are for training, 15 choose thresholds, 15 are for tests.
_FIRST = {"train": 0, "calibrate": 70, "test": 85}
_EDGE = 4  # pixels around a stored drawing, for turns
_SOFT = 1.3  # of 112 pixels: rounds off the steps of the stored lines
_PENS = {1: 3, 2: 3, 3: 5, 4: 7}  # a wider pen: the filter's size


@dataclass(frozen=True)
class Hand:
    """How another hand draws the same lines.

    angle: degrees. stretch: of width and height. share: of the side that the drawing fills. shift: of its
    middle, in shares of the side. pen: -1 (thin), 0 (an eighth of a stored cell's side), or 1 to 4 (broad).
    """

    angle: float = 0.0
    stretch: tuple[float, float] = (1.0, 1.0)
    mirrored: bool = False
    share: float = 0.8
    shift: tuple[float, float] = (0.0, 0.0)
    pen: int = 0


def other_hand(rng: Generator, *, mirror: bool = True) -> Hand:
    """Return a hand by chance: a little turned and stretched, mirrored in every second one, any pen."""
    pens, shares = (-1, 0, 1, 2, 3), (0.15, 0.45, 0.2, 0.1, 0.1)
    width, height = np.exp(rng.normal(0, 0.12, 2))
    across, down = rng.normal(0, 0.02, 2)
    return Hand(
        angle=float(rng.normal(0, 8)),
        stretch=(float(width), float(height)),
        mirrored=bool(mirror and rng.random() < 0.5),
        share=float(rng.uniform(0.7, 0.95)),
        shift=(float(across), float(down)),
        pen=int(rng.choice(pens, p=shares)),
    )


@dataclass(frozen=True)
class HandDrawing:
    """One drawing. `name` is its category in the data set, `kind` the picture-book's, empty if there is none.

    lines: (28, 28), 255 where the pen was.
    """

    name: str
    kind: str
    number: int
    lines: NDArray[np.uint8]

    def mask(self, side: int, hand: Hand = Hand()) -> Image.Image:  # frozen
        """Return the strokes as a mask (mode L), side × side pixels."""
        stored = Image.fromarray(np.pad(self.lines, _EDGE))
        grown = stored.transform(
            (side, side), Image.Transform.AFFINE, _affine(hand, side), Image.Resampling.BICUBIC
        )
        soft = grown.filter(ImageFilter.GaussianBlur(_SOFT * side / 112))
        sharp = soft.point([min(max((value - 70) * 5, 0), 255) for value in range(256)])
        if hand.pen < 0:
            return sharp.filter(ImageFilter.MinFilter(3))
        for _ in range(side // 112 if hand.pen else 0):
            sharp = sharp.filter(ImageFilter.MaxFilter(_PENS[hand.pen]))
        return sharp

    def picture(
        self,
        side: int,
        hand: Hand = Hand(),  # frozen
        *,
        ink: Color = COLORS["black"],
        paper: Color = COLORS["white"],
    ) -> Image.Image:
        """Return the drawing in this ink on this paper, RGB, side × side pixels."""
        image = Image.new("RGB", (side, side), paper.rgb)
        image.paste(ink.rgb, (0, 0), self.mask(side, hand))
        return image


def _affine(hand: Hand, side: int) -> tuple[float, ...]:
    """Return Pillow's six numbers: where in the padded drawing each pixel of the picture comes from."""
    turn = np.deg2rad(hand.angle)
    scale = CELL / (side * hand.share)
    across, down = scale / hand.stretch[0] * (-1 if hand.mirrored else 1), scale / hand.stretch[1]
    matrix = np.array(
        [[np.cos(turn) * across, np.sin(turn) * down], [-np.sin(turn) * across, np.cos(turn) * down]]
    )
    middle = side * (0.5 + np.array(hand.shift))
    start = np.full(2, CELL / 2 + _EDGE) - matrix @ middle
    return (*matrix[0], start[0], *matrix[1], start[1])


def read_drawings(folder: Path, split: str | None = None) -> list[HandDrawing]:
    """Return the drawings in `folder`, of one split or all.

    Drawings without a kind are in "calibrate" or "test", with different categories in each, unless their
    sheet names a split. ValueError for an unknown split, FileNotFoundError if the folder holds no drawings.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"no split {split!r}; there are: {', '.join(map(repr, SPLITS))}")
    index = folder / INDEX
    if not index.exists():
        raise FileNotFoundError(f"{str(folder)!r} holds no drawings: {INDEX} is missing")
    drawings: list[HandDrawing] = []
    for sheet in json.loads(index.read_text(encoding="utf-8"))["sheets"]:
        with Image.open(folder / sheet["file"]) as opened:
            cells = _cells(np.asarray(opened.convert("L")))
        for row, name in enumerate(sheet["names"]):
            kind = sheet["kinds"][row] if "kinds" in sheet else ""
            some = [HandDrawing(name, kind, number, lines) for number, lines in enumerate(cells[row])]
            drawings += [one for one in some if split in (None, sheet.get("split") or split_of(one))]
    return drawings


def split_of(drawing: HandDrawing) -> str:
    """Return the split of a drawing: by its number if it has a kind, by its category's name if not."""
    if not drawing.kind:
        return "calibrate" if len(drawing.name) % 2 else "test"
    return next(name for name in reversed(SPLITS) if drawing.number >= _FIRST[name])


def _cells(sheet: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the cells of a sheet: (rows, columns, 28, 28)."""
    rows, columns = sheet.shape[0] // CELL, sheet.shape[1] // CELL
    return sheet.reshape(rows, CELL, columns, CELL).transpose(0, 2, 1, 3)
