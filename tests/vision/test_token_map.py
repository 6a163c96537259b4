"""Tokens and pixels: which stands where, and that the two directions are inverse."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from phi3lib.vision.hd_transform import ORDERS, HDGrid, TileGeometry, hd_grid, hd_sequence, split_crops
from phi3lib.vision.token_map import (
    TokenKind,
    padded_box_of_token,
    pixels_of_token,
    token_at,
    tokens_at_pixel,
)

GRIDS = [(rows, cols) for rows in range(1, 17) for cols in range(1, 17) if rows * cols <= 16]
SMALL = TileGeometry(8, 2)
exhaustive = settings(max_examples=60, deadline=None, derandomize=True)


def grid_of(rows: int, cols: int, tile: TileGeometry = SMALL) -> HDGrid:
    """A picture that fills its grid without resizing or padding."""
    size = (cols * tile.tile_size, rows * tile.tile_size)
    return HDGrid(*size, rows * cols, rows, cols, size, (0, 0, 0, 0), tile)


def expected_kinds(rows: int, cols: int, side: int, order: str) -> list[TokenKind]:
    crops = ([TokenKind.CROP] * (cols * side) + [TokenKind.ROW_SEPARATOR]) * (rows * side)
    whole = ([TokenKind.GLOBAL] * side + [TokenKind.ROW_SEPARATOR]) * side
    first, last = (crops, whole) if order == "sub_glb" else (whole, crops)
    return [*first, TokenKind.VIEW_SEPARATOR, *last]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("rows", "cols"), GRIDS)
def test_kinds_of_every_grid(rows: int, cols: int, order: str) -> None:
    grid = grid_of(rows, cols)
    tokens = [token_at(grid, index, order) for index in range(grid.num_image_tokens)]
    assert [token.kind for token in tokens] == expected_kinds(rows, cols, 2, order)
    assert [token.index for token in tokens] == list(range(len(tokens)))
    crops = [token.crop for token in tokens if token.kind is TokenKind.CROP]
    assert sorted(set(crops)) == list(range(rows * cols))
    assert all(crops.count(crop) == SMALL.tokens_per_tile for crop in range(rows * cols))
    for token in tokens:
        box = padded_box_of_token(grid, token.index, order)
        if token.kind is TokenKind.CROP and box is not None:
            assert token.crop == box.top // SMALL.tile_size * cols + box.left // SMALL.tile_size
    assert all(token.crop is None for token in tokens if token.kind is not TokenKind.CROP)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("rows", "cols"), GRIDS)
def test_boxes_are_where_the_tensors_put_the_tokens(rows: int, cols: int, order: str) -> None:
    """Send every patch's own place through the HD transform and compare it with the token's box."""
    grid = grid_of(rows, cols)
    height, width = grid.image_size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    crops = split_crops(torch.stack([x, y, y]), SMALL)[:, :2]  # (n, 2, 8, 8): each pixel holds its centre
    side = SMALL.tile_size
    steps = torch.arange(side) + 0.5
    whole = torch.stack([(steps * cols).expand(side, side), (steps * rows)[:, None].expand(side, side)])
    tiles = torch.cat([whole[None], crops])
    patches = tiles.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2))  # (n, 2, 4, 4): centres of the patches
    features = patches.flatten(2).transpose(1, 2)  # (n, 16, 2)
    nothing = torch.full((8,), float("nan"))
    places = hd_sequence(features, rows, cols, row_separator=nothing, view_separator=nothing, order=order)
    centers = places.reshape(-1, 4, 2).mean(1)  # the four patches of a token lie around its centre
    for index, center in enumerate(centers.tolist()):
        box = padded_box_of_token(grid, index, order)
        if box is None:
            assert center[0] != center[0], "a separator came from no patch"
        else:
            assert center == [(box.left + box.right) / 2, (box.top + box.bottom) / 2]


@pytest.mark.parametrize("order", ORDERS)
@exhaustive
@given(width=st.integers(1, 24), height=st.integers(1, 24), num_crops=st.integers(1, 16))
def test_pixel_to_tokens_is_the_inverse_of_token_to_pixels(
    width: int, height: int, num_crops: int, order: str
) -> None:
    assume(max(width, height) <= 8 * num_crops * min(width, height))  # beyond, there is no grid
    grid = hd_grid(width, height, num_crops, tile=SMALL)
    boxes = [pixels_of_token(grid, index, order) for index in range(grid.num_image_tokens)]
    seen: dict[tuple[int, int], list[int]] = {(x, y): [] for x in range(width) for y in range(height)}
    for index, box in enumerate(boxes):
        if box is not None:
            assert 0 <= box.left < box.right <= width
            assert 0 <= box.top < box.bottom <= height
            for x in range(box.left, box.right):
                for y in range(box.top, box.bottom):
                    seen[x, y].append(index)
    for (x, y), tokens in seen.items():
        assert tokens_at_pixel(grid, x, y, order) == tuple(tokens)
        kinds = {token_at(grid, token, order).kind for token in tokens}
        assert kinds == {TokenKind.CROP, TokenKind.GLOBAL}, "every pixel is seen by both views"


@pytest.mark.parametrize("tile", [TileGeometry(336, 14), TileGeometry(224, 16)])
@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 640), (1, 1), (3000, 7)])
def test_some_pixels_of_large_pictures(width: int, height: int, tile: TileGeometry) -> None:
    grid = hd_grid(width, height, 16, tile=tile)
    for x in {0, width // 3, width - 1}:
        for y in {0, height // 2, height - 1}:
            tokens = tokens_at_pixel(grid, x, y)
            assert tokens
            for token in tokens:
                box = pixels_of_token(grid, token)
                assert box is not None
                assert box.left <= x < box.right
                assert box.top <= y < box.bottom


def test_tokens_that_see_only_padding_see_nothing() -> None:
    grid = hd_grid(100, 10, 4, tile=TileGeometry(16, 2))  # 64×6 pixels in one row of crops 16 pixels high
    assert grid.padding == (0, 5, 0, 5)
    sight = [pixels_of_token(grid, index) for index in range(grid.num_image_tokens)]
    in_padded = [padded_box_of_token(grid, index) for index in range(grid.num_image_tokens)]
    for box, padded in zip(sight, in_padded, strict=True):
        touches = padded is not None and padded.bottom > grid.padding[1]
        touches = touches and padded is not None and padded.top < grid.padding[1] + grid.resized_size[1]
        assert (box is not None) == touches
    assert sight[0] is None


def test_places_outside_are_refused() -> None:
    grid = hd_grid(640, 480)
    for index in (-1, grid.num_image_tokens):
        with pytest.raises(IndexError, match=str(grid.num_image_tokens)):
            token_at(grid, index)
    for x, y in [(-1, 0), (0, -1), (640, 0), (0, 480)]:
        with pytest.raises(ValueError, match="outside the picture of 640×480"):
            tokens_at_pixel(grid, x, y)
    with pytest.raises(ValueError, match="hd_transform_order"):
        token_at(grid, 0, "crops first")
