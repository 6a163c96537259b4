"""The HD transform: its arithmetic by properties, each tensor step against slow and obvious loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phi3lib.vision.hd_transform import (
    ORDERS,
    TileGeometry,
    append_separators,
    assemble,
    count_image_tokens,
    global_view,
    grid_shape,
    hd_grid,
    hd_sequence,
    join_crops,
    merge_2x2,
    pad_picture,
    resize_picture,
    split_crops,
    tiles_of,
)
from phi3lib.vision.image_processing import Phi3VImageProcessor
from tests.golden_inputs import golden_json, synth_picture

GRIDS = [(rows, cols) for rows in range(1, 17) for cols in range(1, 17) if rows * cols <= 16]
TILES = [TileGeometry(336, 14), TileGeometry(224, 16), TileGeometry(8, 2), TileGeometry(12, 1)]
SMALL = TileGeometry(8, 2)  # 4 patches and 2 tokens a side
thorough = settings(max_examples=300, deadline=None, derandomize=True)


# ------------------------------------------------------------------------------------ arithmetic


def test_sizes_and_token_counts_of_the_golden_table() -> None:
    rows = golden_json("image_processor.json")["hd_size_table"]["rows"]
    assert len(rows) == 120
    for width, height, num_crops, padded, tokens in rows:
        if 0 in padded:  # the published arithmetic goes on where its pixels fail; ours refuses alike
            with pytest.raises(ValueError, match="too extreme"):
                hd_grid(width, height, num_crops)
            continue
        grid = hd_grid(width, height, num_crops)
        assert grid.padded_size == tuple(padded), (width, height, num_crops)
        assert grid.num_image_tokens == tokens, (width, height, num_crops)


@thorough
@given(
    st.integers(1, 6000),
    st.integers(1, 6000),
    st.integers(1, 30),
    st.sampled_from(TILES),
)
def test_properties_of_every_grid(width: int, height: int, num_crops: int, tile: TileGeometry) -> None:
    if max(width, height) / min(width, height) > num_crops * tile.tile_size:
        with pytest.raises(ValueError, match="too extreme"):
            hd_grid(width, height, num_crops, tile=tile)
        return
    grid = hd_grid(width, height, num_crops, tile=tile)
    long_side, long_tiles = (height, grid.rows) if height > width else (width, grid.cols)
    ratio = long_side / min(width, height)
    assert 1 <= grid.rows * grid.cols <= num_crops
    assert (long_tiles + 1) * math.ceil((long_tiles + 1) / ratio) > num_crops, (
        "a longer side would fit as well"
    )
    left, top, right, bottom = grid.padding
    assert grid.resized_size[0] + left + right == grid.padded_size[0]
    assert grid.resized_size[1] + top + bottom == grid.padded_size[1]
    assert abs(left - right) <= 1
    assert abs(top - bottom) <= 1
    assert max(left + right, top + bottom) < tile.tile_size
    assert min(left + right, top + bottom) == 0, "only the short side is padded"
    assert grid.image_size == grid.padded_size[::-1]
    assert grid_shape(*grid.image_size, tile) == (grid.rows, grid.cols)
    # Upright and lying pictures are treated alike.
    turned = hd_grid(height, width, num_crops, tile=tile)
    assert (turned.rows, turned.cols) == (grid.cols, grid.rows)
    assert turned.resized_size == grid.resized_size[::-1]


@pytest.mark.parametrize("tile", TILES)
def test_token_count_counts_what_is_assembled(tile: TileGeometry) -> None:
    side = tile.tokens_per_side
    for rows, cols in GRIDS:
        in_crops = sum(side for _ in range(rows * cols) for _ in range(side))
        row_ends = rows * side + side
        assert count_image_tokens(rows, cols, tile) == in_crops + side * side + row_ends + 1


def test_published_token_counts() -> None:
    assert count_image_tokens(1, 1) == 313
    assert count_image_tokens(2, 2) == 757
    assert count_image_tokens(4, 4) == 2509
    assert count_image_tokens(16, 1) == 2653
    assert count_image_tokens(1, 16) == 2473


@pytest.mark.parametrize("num_crops", [1, 4, 16])
def test_too_extreme_a_picture_fails_alike_in_pixels_and_arithmetic(num_crops: int) -> None:
    limit = 336 * num_crops
    processor = Phi3VImageProcessor(num_crops=num_crops)
    assert hd_grid(limit, 1, num_crops).resized_size == (limit, 1)
    for size in [(limit + 1, 1), (1, limit + 1)]:
        with pytest.raises(ValueError, match="too extreme") as from_arithmetic:
            hd_grid(*size, num_crops)
        with pytest.raises(ValueError, match="too extreme") as from_pixels:
            processor(Image.new("RGB", size))
        with pytest.raises(ValueError, match="too extreme") as from_count:
            processor.calc_num_image_tokens_from_image_size(*size)
        assert str(from_pixels.value) == str(from_arithmetic.value) == str(from_count.value)
        assert f"{size[0]}×{size[1]}" in str(from_pixels.value)
        assert f"at most {limit} times" in str(from_pixels.value)


@pytest.mark.parametrize(("width", "height", "num_crops"), [(0, 5, 4), (5, 0, 4), (5, 5, 0), (-1, 5, 4)])
def test_sizes_below_one_are_refused(width: int, height: int, num_crops: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        hd_grid(width, height, num_crops)


@pytest.mark.parametrize(
    ("tile_size", "patch_size"), [(336, 13), (14, 14), (42, 14), (0, 14), (28, 0), (-28, 14)]
)
def test_tiles_without_an_even_number_of_patches_are_refused(tile_size: int, patch_size: int) -> None:
    with pytest.raises(ValueError, match="even number of patches"):
        TileGeometry(tile_size, patch_size)


@pytest.mark.parametrize(("height", "width"), [(0, 336), (336, 0), (335, 336), (336, 700), (-336, 336)])
def test_unpadded_sizes_have_no_grid(height: int, width: int) -> None:
    with pytest.raises(ValueError, match="positive multiples"):
        grid_shape(height, width)


# ------------------------------------------------------------------------------------ pictures


@pytest.mark.parametrize(("width", "height"), [(50, 20), (20, 50), (33, 33), (7, 3), (3, 7)])
def test_padding_is_white_and_in_the_middle(width: int, height: int) -> None:
    grid = hd_grid(width, height, 6, tile=SMALL)
    resized = resize_picture(Image.new("RGB", (width, height), (10, 20, 30)), grid)
    padded = pad_picture(resized, grid)
    assert resized.size == grid.resized_size
    assert padded.size == grid.padded_size
    left, top, right, bottom = grid.padding
    for x in range(padded.width):
        for y in range(padded.height):
            inside = left <= x < padded.width - right and top <= y < padded.height - bottom
            assert padded.getpixel((x, y)) == ((10, 20, 30) if inside else (255, 255, 255))


def test_tall_pictures_are_mirrored_on_the_diagonal_not_turned() -> None:
    tall = synth_picture(37, 101, seed=2)
    lying = tall.transpose(Image.Transpose.TRANSPOSE)
    from_tall = pad_picture(resize_picture(tall, hd_grid(37, 101, 6)), hd_grid(37, 101, 6))
    from_lying = pad_picture(resize_picture(lying, hd_grid(101, 37, 6)), hd_grid(101, 37, 6))
    assert from_tall.transpose(Image.Transpose.TRANSPOSE).tobytes() == from_lying.tobytes()


def _cubic(distance: float, a: float = -0.75) -> float:
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def _slow_bicubic(pixels: torch.Tensor, size: int) -> torch.Tensor:
    channels, height, width = pixels.shape
    out = torch.zeros(channels, size, size)
    for i in range(size):
        y = (i + 0.5) * height / size - 0.5
        for j in range(size):
            x = (j + 0.5) * width / size - 0.5
            for m in range(math.floor(y) - 1, math.floor(y) + 3):
                for n in range(math.floor(x) - 1, math.floor(x) + 3):
                    weight = _cubic(y - m) * _cubic(x - n)
                    out[:, i, j] += weight * pixels[:, min(max(m, 0), height - 1), min(max(n, 0), width - 1)]
    return out


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 3), (4, 1)])
def test_global_view_is_bicubic_without_antialiasing(rows: int, cols: int) -> None:
    pixels = _numbers(3, rows * 8, cols * 8)
    torch.testing.assert_close(global_view(pixels, SMALL), _slow_bicubic(pixels, 8), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("rows", "cols"), GRIDS)
def test_crops_are_cut_row_by_row(rows: int, cols: int) -> None:
    pixels = _numbers(3, rows * 8, cols * 8)
    crops = split_crops(pixels, SMALL)
    assert crops.shape == (rows * cols, 3, 8, 8)
    for row in range(rows):
        for col in range(cols):
            part = pixels[:, row * 8 : row * 8 + 8, col * 8 : col * 8 + 8]
            assert torch.equal(crops[row * cols + col], part)
    tiles = tiles_of(pixels, SMALL)
    assert torch.equal(tiles[0], global_view(pixels, SMALL))
    assert torch.equal(tiles[1:], crops)


# ------------------------------------------------------------------------------------ features


def _numbers(*shape: int) -> torch.Tensor:
    """Distinct values, so that nothing that is out of place goes unnoticed."""
    return torch.arange(math.prod(shape), dtype=torch.float32).reshape(shape)


def _slow_merge(patches: torch.Tensor) -> torch.Tensor:
    """(patches², C) of one tile → (t, t, 4C)."""
    side = math.isqrt(len(patches))
    out = torch.zeros(side // 2, side // 2, 4 * patches.shape[1])
    for row in range(side // 2):
        for col in range(side // 2):
            corners = [(2 * row + i) * side + 2 * col + j for i in (0, 1) for j in (0, 1)]
            out[row, col] = torch.cat([patches[corner] for corner in corners])
    return out


def _slow_sequence(features: torch.Tensor, rows: int, cols: int, order: str) -> list[torch.Tensor]:
    """One token after the other; row separator -1, view separator -2."""
    merged = [_slow_merge(tile) for tile in features]
    side, channels = merged[0].shape[1:]
    row_end, between = torch.full((channels,), -1.0), torch.full((channels,), -2.0)
    in_crops: list[torch.Tensor] = []
    for row in range(rows * side):
        for col in range(cols * side):
            tile = merged[1 + (row // side) * cols + col // side]
            in_crops.append(tile[row % side, col % side])
        in_crops.append(row_end)
    in_global: list[torch.Tensor] = []
    for row in range(side):
        in_global += [*merged[0][row], row_end]
    return [*in_crops, between, *in_global] if order == "sub_glb" else [*in_global, between, *in_crops]


@pytest.mark.parametrize("side", [2, 4, 6])
def test_merge_2x2_against_loops(side: int) -> None:
    features = _numbers(3, side * side, 5)
    expected = torch.stack([_slow_merge(tile) for tile in features])
    assert torch.equal(merge_2x2(features), expected)


@pytest.mark.parametrize("num_patches", [9, 8, 577, 1])
def test_merge_2x2_refuses_what_is_no_even_square(num_patches: int) -> None:
    with pytest.raises(ValueError, match=f"{num_patches} patch features"):
        merge_2x2(torch.zeros(1, num_patches, 4))


@pytest.mark.parametrize(("rows", "cols"), GRIDS)
def test_join_crops_puts_crops_back_where_they_were_cut(rows: int, cols: int) -> None:
    picture = _numbers(5, rows * 8, cols * 8)
    crops = split_crops(picture, SMALL).permute(0, 2, 3, 1)  # as if every pixel were a token
    assert torch.equal(join_crops(crops, rows, cols), picture.permute(1, 2, 0))


def test_append_separators_closes_every_row() -> None:
    out = append_separators(_numbers(3, 4, 2), torch.tensor([[-1.0, -2.0]]))
    assert out.shape == (3 * 5, 2)
    assert out[4::5].tolist() == [[-1.0, -2.0]] * 3
    kept = [row for number, row in enumerate(out.tolist()) if number % 5 != 4]
    assert kept == _numbers(12, 2).tolist()


def test_assemble_keeps_the_order_asked_for() -> None:
    crops, glob, separator = torch.full((3, 1), 1.0), torch.full((2, 1), 2.0), torch.tensor([[[9.0]]])
    assert assemble(crops, glob, separator, "sub_glb").ravel().tolist() == [1, 1, 1, 9, 2, 2]
    assert assemble(crops, glob, separator, "glb_sub").ravel().tolist() == [2, 2, 9, 1, 1, 1]
    with pytest.raises(ValueError, match="'sub_glb', 'glb_sub'"):
        assemble(crops, glob, separator, "sub-glb")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("rows", "cols"), GRIDS)
def test_sequence_of_every_grid_against_loops(rows: int, cols: int, order: str) -> None:
    features = _numbers(1 + rows * cols, SMALL.patches_per_side**2, 3)
    separators = {
        "row_separator": torch.full((1, 1, 1, 12), -1.0),
        "view_separator": torch.full((1, 1, 12), -2.0),
    }
    sequence = hd_sequence(features, rows, cols, order=order, **separators)
    assert len(sequence) == count_image_tokens(rows, cols, SMALL)
    assert torch.equal(sequence, torch.stack(_slow_sequence(features, rows, cols, order)))


@pytest.mark.parametrize("tile", TILES)
def test_sequence_of_other_tiles(tile: TileGeometry) -> None:
    features = _numbers(1 + 2 * 3, tile.patches_per_side**2, 1)
    separators = {"row_separator": torch.full((4,), -1.0), "view_separator": torch.full((4,), -2.0)}
    sequence = hd_sequence(features, 2, 3, **separators)
    assert len(sequence) == count_image_tokens(2, 3, tile)
    assert torch.equal(sequence, torch.stack(_slow_sequence(features, 2, 3, "sub_glb")))
