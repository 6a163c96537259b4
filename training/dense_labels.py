"""What each patch of a scene shows, and where each visual token stands: labels that cost nothing.

The language model sees patches, not the class token, so the tower has to know locally what it knows of the
whole picture: kind and colour of the thing that covers a patch, and the letters in it. And the crops enter
the tower one by one, so that it cannot know where in the picture a crop lies: that the language model has to
find out, from the place of a token in the sequence.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from phi3lib.vision.hd_transform import HDGrid
from phi3lib.vision.token_map import padded_box_of_token, pixels_of_token
from picturebook.colors import COLORS
from picturebook.kinds import KINDS
from picturebook.pages.ink import cap_font
from picturebook.pictures import Box
from picturebook.scenes import Print, Scene

CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NOTHING = 0  # in every plane; kinds, colours and characters count from 1
_KIND = {name: place for place, name in enumerate(KINDS, 1)}
_COLOR = {name: place for place, name in enumerate(COLORS, 1)}
_CHARACTER = {character: place for place, character in enumerate(CHARACTERS, 1)}

PLANES = {
    "kind": len(KINDS) + 1,
    "color": len(COLORS) + 1,
    "first": len(CHARACTERS) + 1,
    "last": len(CHARACTERS) + 1,
    "bar": 3,
}
BARS = {"highest": 1, "lowest": 2}  # of a bar chart, with the label below

CELLS = 4  # a side: each token of 2×2 or 3×3 crops, and of the global view, lies in one of them
NOWHERE = -1

Plane = NDArray[np.int64]


@dataclass(frozen=True)
class DenseLabels:
    """Planes (rows, columns) of patches.

    `first` and `last` are the outermost characters of a patch, `bar` is one of BARS in charts with bars.
    """

    kind: Plane
    color: Plane
    first: Plane
    last: Plane
    bar: Plane

    def tiles(self, patches: int) -> dict[str, Plane]:
        """Each plane cut into tiles of `patches` × `patches`, row by row: (tiles, patches²)."""
        rows, cols = (length // patches for length in self.kind.shape)
        return {
            name: getattr(self, name)
            .reshape(rows, patches, cols, patches)
            .transpose(0, 2, 1, 3)
            .reshape(rows * cols, patches * patches)
            for name in PLANES
        }


def dense_labels(scene: Scene, rows: int, cols: int) -> DenseLabels:
    """The labels of a scene that is seen as rows × cols patches."""
    planes = {name: np.zeros((rows, cols), dtype=np.int64) for name in PLANES}
    cell = (scene.image.width / cols, scene.image.height / rows)  # pixels of a patch: across, down
    for thing in scene.things:
        patches = _patches_in(thing.box, cell)
        planes["kind"][patches] = _KIND[thing.kind.name]
        planes["color"][patches] = _COLOR[thing.look.color.name]
    for name, value in BARS.items():
        if name in scene.parts:
            planes["bar"][_patches_in(scene.parts[name], cell)] = value
    for piece in (*scene.prints, *scene.lines):
        row = min(int((piece.box[1] + piece.box[3]) / 2 / cell[1]), rows - 1)
        for character, x in _middles(piece):
            col = min(int(x / cell[0]), cols - 1)
            if character not in _CHARACTER:  # a point or a percent sign
                continue
            if planes["first"][row, col] == NOTHING:
                planes["first"][row, col] = _CHARACTER[character]
            planes["last"][row, col] = _CHARACTER[character]
    return DenseLabels(**planes)


def _patches_in(box: Box, cell: tuple[float, float]) -> tuple[slice, slice]:
    """Return rows and columns of the patches whose middle lies in a box in pixels."""
    left, top, right, bottom = box
    down = slice(round(top / cell[1]), round(bottom / cell[1]))
    return down, slice(round(left / cell[0]), round(right / cell[0]))


def _middles(piece: Print) -> list[tuple[str, float]]:
    """Each character with the pixel column of its middle."""
    face = cap_font(piece.font, piece.cap_height)
    ends = [face.getlength(piece.text[: end + 1]) for end in range(len(piece.text))]
    starts = [0.0, *ends[:-1]]
    left = (piece.box[0] + piece.box[2] - ends[-1]) / 2
    # Small letters count as the capitals: the planes say which letter it is.
    return [(c.upper(), left + (a + b) / 2) for c, a, b in zip(piece.text, starts, ends, strict=True)]


@lru_cache(maxsize=8)
def token_places(grid: HDGrid) -> Plane:
    """The row and the column of CELLS × CELLS in which each visual token stands: (tokens, 2).

    NOWHERE for separators.
    """
    width, height = grid.padded_size
    places = np.full((grid.num_image_tokens, 2), NOWHERE, dtype=np.int64)
    for index in range(grid.num_image_tokens):
        if box := padded_box_of_token(grid, index):
            down = (box.top + box.bottom) * CELLS // (2 * height)
            across = (box.left + box.right) * CELLS // (2 * width)
            places[index] = down, across
    return places


def tokens_in_box(grid: HDGrid, box: Box | None) -> NDArray[np.bool_]:
    """Which visual tokens see a part of a box in pixels of the picture: (tokens,); none without a box."""
    if box is None:
        return np.zeros(grid.num_image_tokens, dtype=bool)
    left, top, right, bottom = _seen_pixels(grid).T
    return (left < box[2]) & (box[0] < right) & (top < box[3]) & (box[1] < bottom)


@lru_cache(maxsize=8)
def _seen_pixels(grid: HDGrid) -> Plane:
    """The box of every visual token in pixels of the picture: (tokens, 4); separators see none."""
    boxes = [pixels_of_token(grid, index) for index in range(grid.num_image_tokens)]
    return np.array([box or (0, 0, 0, 0) for box in boxes], dtype=np.int64)
