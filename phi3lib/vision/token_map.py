"""From a token to the pixels that it sees, and back: the HD transform read in reverse.

A picture's token sequence holds four kinds of tokens (`TokenKind`). Tokens of a crop and of the global
view represent a rectangle of the picture; separators represent none. Positions are exact: everything is
computed in integers, and `tokens_at_pixel` is the inverse of `pixels_of_token` on every pixel of the
original picture.

"Sees" means the rectangle of pixels whose patches enter the token. Attention inside the tower lets a
token know of the rest of its tile as well, never of another tile.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import torch

from phi3lib.moved import old_names
from phi3lib.vision.hd_transform import HDGrid, TileGeometry, hd_sequence, require_order

SEPARATOR, CROP, GLOBAL = 0, 1, 2  # of `token_views`


class TokenKind(StrEnum):
    """What a position in the token sequence holds."""

    CROP = "crop"
    GLOBAL = "global view"
    ROW_SEPARATOR = "row separator"
    VIEW_SEPARATOR = "view separator"


class Box(NamedTuple):
    """Pixels from `left` and `top` up to, not including, `right` and `bottom`."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Token:
    """One position in the sequence.

    `view` is the kind of view that it belongs to (None for the view separator); `row` and `col` are its
    position in that view's grid of tokens (a row separator is in the column after the last token).
    `crop` numbers the crops row by row from 0, None outside the crops.
    """

    index: int
    kind: TokenKind
    view: TokenKind | None
    row: int
    col: int
    crop: int | None


@dataclass(frozen=True)
class _View:
    """One view's stretch of the sequence: where it starts, and its grid of tokens without separators."""

    kind: TokenKind
    start: int
    rows: int
    cols: int

    @property
    def length(self) -> int:
        return self.rows * (self.cols + 1)  # each row of tokens ends with a separator

    def index(self, row: int, col: int) -> int:
        return self.start + row * (self.cols + 1) + col


@lru_cache(maxsize=64)  # who asks for one token of a grid asks for the next
def _views(grid: HDGrid, order: str) -> tuple[_View, _View]:
    """Return the two views in the order of the sequence; the view separator is between them."""
    require_order(order)
    side = grid.tile.tokens_per_side
    shapes = [
        (TokenKind.CROP, grid.rows * side, grid.cols * side),
        (TokenKind.GLOBAL, side, side),
    ]
    if order == "glb_sub":
        shapes.reverse()
    first = _View(shapes[0][0], 0, *shapes[0][1:])
    return first, _View(shapes[1][0], first.length + 1, *shapes[1][1:])


def token_at(grid: HDGrid, index: int, order: str = "sub_glb") -> Token:
    """Return the token at `index` in the sequence. Raises IndexError outside the sequence."""
    first, second = _views(grid, order)
    if not 0 <= index < second.start + second.length:
        raise IndexError(f"token {index} of {grid.num_image_tokens}: the index must be 0 to the last token")
    if index == first.length:
        return Token(index, TokenKind.VIEW_SEPARATOR, None, 0, 0, None)
    view = first if index < first.length else second
    row, col = divmod(index - view.start, view.cols + 1)
    if col == view.cols:
        return Token(index, TokenKind.ROW_SEPARATOR, view.kind, row, col, None)
    crop = _crop_number(grid, row, col) if view.kind is TokenKind.CROP else None
    return Token(index, view.kind, view.kind, row, col, crop)


def _crop_number(grid: HDGrid, row: int, col: int) -> int:
    side = grid.tile.tokens_per_side
    return (row // side) * grid.cols + col // side


def padded_box_of_token(grid: HDGrid, index: int, order: str = "sub_glb") -> Box | None:
    """Return the token's rectangle in the padded picture, in its pixels; None for separators."""
    token = token_at(grid, index, order)
    if token.kind in (TokenKind.ROW_SEPARATOR, TokenKind.VIEW_SEPARATOR):
        return None
    width, height = _token_extent(grid, token.kind)
    left, top = token.col * width, token.row * height
    return Box(left, top, left + width, top + height)


def _token_extent(grid: HDGrid, view: TokenKind) -> tuple[int, int]:
    """(width, height) that one token of a view covers in the padded picture, in its pixels."""
    size = grid.tile.token_size
    if view is TokenKind.CROP:
        return size, size
    return size * grid.cols, size * grid.rows  # the global view shrinks cols × rows tiles into one


def pixels_of_token(grid: HDGrid, index: int, order: str = "sub_glb") -> Box | None:
    """Return the pixels of the original picture that a token represents.

    A pixel counts when any part of it lies in the token's rectangle. None for separators, and for tokens
    that see only padding.
    """
    box = padded_box_of_token(grid, index, order)
    if box is None:
        return None
    left_pad, top_pad, _, _ = grid.padding
    across = _padded_to_original(box.left, box.right, left_pad, grid.resized_size[0], grid.width)
    down = _padded_to_original(box.top, box.bottom, top_pad, grid.resized_size[1], grid.height)
    if across is None or down is None:
        return None
    return Box(across[0], down[0], across[1], down[1])


def _padded_to_original(
    start: int, stop: int, padding: int, resized: int, original: int
) -> tuple[int, int] | None:
    """Along one side: the original pixels touched by [start, stop) of the padded picture, or None."""
    start, stop = max(start - padding, 0), min(stop - padding, resized)
    if start >= stop:
        return None
    return start * original // resized, -(-stop * original // resized)  # floor and ceiling


def tokens_at_pixel(grid: HDGrid, x: int, y: int, order: str = "sub_glb") -> tuple[int, ...]:
    """All tokens that see pixel (`x`, `y`) of the original picture, in the order of the sequence.

    At least one of the crops and one of the global view; several where an enlarged pixel lies under more
    than one token. Raises ValueError for a point outside the picture.
    """
    if not (0 <= x < grid.width and 0 <= y < grid.height):
        raise ValueError(f"pixel ({x}, {y}) lies outside the picture of {grid.width}×{grid.height} pixels")
    found: list[int] = []
    for view in _views(grid, order):
        width, height = _token_extent(grid, view.kind)
        cols = _tokens_along(x, grid.padding[0], grid.resized_size[0], grid.width, width)
        rows = _tokens_along(y, grid.padding[1], grid.resized_size[1], grid.height, height)
        found.extend(view.index(row, col) for row in rows for col in cols)
    return tuple(found)


def _tokens_along(pixel: int, padding: int, resized: int, original: int, extent: int) -> range:
    """Along one side: the tokens of length `extent` that touch an original pixel.

    The pixel covers [pixel, pixel + 1)·resized / original of the resized picture; both ends are kept as
    multiples of 1 / original, so that no rounding enters.
    """
    start = pixel * resized + padding * original
    stop = (pixel + 1) * resized + padding * original
    return range(start // (extent * original), -(-stop // (extent * original)))


def tokens_in_box(grid: HDGrid, box: Box, order: str = "sub_glb") -> tuple[int, ...]:
    """Return all tokens that see any pixel of `box`, in the order of the sequence.

    Tokens of the crops and of the global view; never separators. Raises ValueError for a box that is empty or
    lies partly outside the image.
    """
    left, top, right, bottom = box
    if not (0 <= left < right <= grid.width and 0 <= top < bottom <= grid.height):
        raise ValueError(
            f"the box {tuple(box)} is no part of an image of {grid.width}×{grid.height} pixels: pass left, "
            f"top, right, bottom with left < right and top < bottom"
        )
    found = []
    for index in range(grid.num_image_tokens):
        pixels = pixels_of_token(grid, index, order)
        if pixels is not None and (
            pixels.left < right and left < pixels.right and pixels.top < bottom and top < pixels.bottom
        ):
            found.append(index)
    return tuple(found)


def indices_of_view(grid: HDGrid, view: TokenKind, order: str = "sub_glb") -> list[list[int]]:
    """Return the tokens of one view as rows of indices, without separators: (rows, columns) of its grid.

    view: TokenKind.CROP for all crops joined, or TokenKind.GLOBAL. Raises ValueError for other kinds.
    """
    chosen = next((one for one in _views(grid, order) if one.kind is view), None)
    if chosen is None:
        raise ValueError(f"{str(view)!r} is no view; pass TokenKind.CROP or TokenKind.GLOBAL")
    return [[chosen.index(row, col) for col in range(chosen.cols)] for row in range(chosen.rows)]


def token_views(rows: int, cols: int, tile: TileGeometry, order: str) -> torch.Tensor:
    """Return SEPARATOR, CROP or GLOBAL for each token of an image of rows × cols crops: (tokens,) int64."""
    # The real assembly, run on marks.
    marks = torch.full((1 + rows * cols, tile.patches_per_side**2, 1), float(CROP))
    marks[0] = GLOBAL
    sequence = hd_sequence(
        marks,
        rows,
        cols,
        row_separator=torch.zeros(1, 1, 1, 4),
        view_separator=torch.zeros(1, 1, 4),
        order=order,
    )
    return sequence[:, 0].long()


__getattr__ = old_names(__name__, {"places_of_view": "indices_of_view"})  # changed in 0.2.0
