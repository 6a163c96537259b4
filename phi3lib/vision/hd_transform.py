"""The HD transform: how a vision tower of fixed input size reads a picture of any size.

Phi-3-vision's geometry as pure functions on integers, pictures and tensors: no model, no state.
One picture travels like this (tile 336, patch 14, so 24 patches and 12 tokens a side, in the
published models; every size here comes from `TileGeometry`, none is written into the code):

    picture (width × height)
      → hd_grid             rows × cols of crops, chosen from the aspect ratio
      → resize_picture      the long side is cols (or rows) tiles long
      → pad_picture         white, until both sides are whole tiles
      → global_view         (3, tile, tile): everything, small
      → split_crops         (rows·cols, 3, tile, tile): everything, sharp
      → the vision tower    (1 + rows·cols, patches², C)
      → merge_2x2           (1 + rows·cols, tokens, tokens, 4C): four patches make one token
      → join_crops          (rows·tokens, cols·tokens, 4C): crops back in their places
      → append_separators   one learned separator closes every row of tokens
      → assemble            crops, a view separator, global view: one sequence

The rule is that of the published preprocessing and modelling code of Phi-3-vision-128k-instruct and
Phi-3.5-vision-instruct, floating-point truncation included. The way back, from a token to the pixels
that it sees and from a pixel to its tokens, is in `phi3lib.vision.token_map`.
"""

import bisect
import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from PIL import Image

from phi3lib.vision.inputs import as_whole

WHITE = (255, 255, 255)
ORDERS = ("sub_glb", "glb_sub")


@dataclass(frozen=True)
class TileGeometry:
    """Sizes that follow from the vision tower: how a square tile becomes patches, and patches tokens.

    Raises ValueError when the tile does not hold a whole, even number of patches a side: the 2×2 merge
    needs pairs.
    """

    tile_size: int = 336
    patch_size: int = 14

    def __post_init__(self) -> None:
        if self.tile_size <= 0 or self.patch_size <= 0 or self.tile_size % (2 * self.patch_size):
            raise ValueError(
                f"tile_size {self.tile_size} with patch_size {self.patch_size}: the HD transform merges 2×2 "
                f"patches, so the tile must hold an even number of patches a side "
                f"(a multiple of {2 * self.patch_size} pixels)"
            )

    @property
    def patches_per_side(self) -> int:
        """Patches along one side of a tile: 24 for 336-pixel tiles and 14-pixel patches."""
        return self.tile_size // self.patch_size

    @property
    def tokens_per_side(self) -> int:
        """Tokens along one side of a tile after the 2×2 merge: 12."""
        return self.patches_per_side // 2

    @property
    def tokens_per_tile(self) -> int:
        """Tokens of one tile without separators: 144."""
        return self.tokens_per_side**2

    @property
    def token_size(self) -> int:
        """Side in pixels of the square that one token covers in a crop: 28."""
        return 2 * self.patch_size


CLIP_VIT_L_14_336 = TileGeometry(tile_size=336, patch_size=14)


@dataclass(frozen=True)
class HDGrid:
    """How one picture is cut. Made by `hd_grid`; all numbers are integers.

    Sizes named `..._size` are (width, height) in pixels, as in Pillow; `image_size` alone is
    (height, width), as the models take it.
    """

    width: int
    height: int
    num_crops: int
    rows: int
    cols: int
    resized_size: tuple[int, int]
    padding: tuple[int, int, int, int]  # left, top, right, bottom
    tile: TileGeometry = field(default=CLIP_VIT_L_14_336)

    @property
    def transposed(self) -> bool:
        """True for tall pictures: they are mirrored on the main diagonal, resized, and mirrored back."""
        return self.width < self.height

    @property
    def padded_size(self) -> tuple[int, int]:
        """(width, height) of the padded picture: cols × rows tiles."""
        return self.cols * self.tile.tile_size, self.rows * self.tile.tile_size

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the padded picture: a row of the processor's `image_sizes`."""
        return self.rows * self.tile.tile_size, self.cols * self.tile.tile_size

    @property
    def num_image_tokens(self) -> int:
        """Length of the picture's token sequence, separators included."""
        return count_image_tokens(self.rows, self.cols, self.tile)


def hd_grid(
    width: int, height: int, num_crops: int = 16, *, tile: TileGeometry = CLIP_VIT_L_14_336
) -> HDGrid:
    """Choose the grid of crops for a picture of `width` × `height` pixels; at most `num_crops` crops.

    The long side gets as many tiles as the crops allow (small pictures are always enlarged to fill
    them), the short side follows the aspect ratio and is padded to whole tiles. Pure arithmetic: nothing
    is opened or resized.

    Raises ValueError for sizes below 1, and for aspect ratios so extreme that the short side would
    vanish (the message names the limit).

    >>> grid = hd_grid(640, 480, num_crops=16)
    >>> grid.rows, grid.cols, grid.padded_size, grid.num_image_tokens
    (3, 4, (1344, 1008), 1921)
    """
    width, height = as_whole(width, "width", 1), as_whole(height, "height", 1)
    num_crops = as_whole(num_crops, "num_crops", 1)
    tall = width < height
    long_side, short_side = (height, width) if tall else (width, height)
    ratio = long_side / short_side
    long_tiles = _most_tiles_along_the_long_side(ratio, num_crops)
    resized_long = long_tiles * tile.tile_size
    # The official code divides floats and truncates; integer division differs in the last pixel.
    resized_short = int(resized_long / ratio)
    if resized_short == 0:
        raise ValueError(
            f"a picture of {width}×{height} pixels is too extreme for the HD transform: with num_crops="
            f"{num_crops} the longer side may be at most {resized_long} times the shorter one "
            f"(here {ratio:.0f} times). Crop the picture or raise num_crops."
        )
    short_tiles = math.ceil(resized_short / tile.tile_size)
    missing = short_tiles * tile.tile_size - resized_short
    before, after = missing // 2, missing - missing // 2
    return HDGrid(
        width=width,
        height=height,
        num_crops=num_crops,
        rows=long_tiles if tall else short_tiles,
        cols=short_tiles if tall else long_tiles,
        resized_size=(resized_short, resized_long) if tall else (resized_long, resized_short),
        padding=(before, 0, after, 0) if tall else (0, before, 0, after),
        tile=tile,
    )


def _most_tiles_along_the_long_side(ratio: float, num_crops: int) -> int:
    """Return the largest n with n · ceil(n / ratio) ≤ num_crops; the official code counts up to it."""
    return bisect.bisect_right(
        range(1, num_crops + 1), num_crops, key=lambda tiles: tiles * math.ceil(tiles / ratio)
    )


def count_image_tokens(rows: int, cols: int, tile: TileGeometry = CLIP_VIT_L_14_336) -> int:
    """Tokens of a picture cut into `rows` × `cols` crops: (rows·cols + 1)·144 + 1 + (rows + 1)·12.

    144 tokens for each crop and for the global view, one view separator between the two, and one row
    separator after each of the 12 token rows of every row of crops and of the global view.
    """
    in_tiles = (rows * cols + 1) * tile.tokens_per_tile
    row_separators = (rows + 1) * tile.tokens_per_side
    return in_tiles + 1 + row_separators


def grid_shape(height: int, width: int, tile: TileGeometry = CLIP_VIT_L_14_336) -> tuple[int, int]:
    """(rows, cols) of a padded picture, as the models read it from `image_sizes`.

    Raises ValueError when a side is not a whole, positive number of tiles.
    """
    size = tile.tile_size
    if height < size or width < size or height % size or width % size:
        raise ValueError(
            f"image size (height, width) = ({height}, {width}): both must be positive multiples of the "
            f"tile size {size}. Take image_sizes from the processor; it holds padded sizes, height first."
        )
    return int(height // size), int(width // size)  # a batch in half precision has whole floats


# ------------------------------------------------------------------------------------ pictures


def resize_picture(picture: Image.Image, grid: HDGrid) -> Image.Image:
    """Resize an RGB picture to `grid.resized_size` with Pillow's antialiased bilinear filter.

    Tall pictures are resized lying on their side: Pillow rounds to whole grey levels between its
    horizontal and its vertical pass, so the other way round a few pixels would differ from the official
    code's.
    """
    if not grid.transposed:
        return picture.resize(grid.resized_size, Image.Resampling.BILINEAR)
    lying = picture.transpose(Image.Transpose.TRANSPOSE)
    lying = lying.resize(grid.resized_size[::-1], Image.Resampling.BILINEAR)
    return lying.transpose(Image.Transpose.TRANSPOSE)


def pad_picture(picture: Image.Image, grid: HDGrid) -> Image.Image:
    """Put a resized picture on a white canvas of `grid.padded_size`, in the middle of the short side."""
    canvas = Image.new("RGB", grid.padded_size, WHITE)
    left, top, _, _ = grid.padding
    canvas.paste(picture, (left, top))
    return canvas


def global_view(pixels: torch.Tensor, tile: TileGeometry = CLIP_VIT_L_14_336) -> torch.Tensor:
    """Shrink the whole padded picture to one tile; the aspect ratio is not kept.

    pixels (3, height, width), float, normalised → (3, tile, tile). Bicubic without antialiasing, as in
    the official code, so values may overshoot the range of the input.
    """
    size = (tile.tile_size, tile.tile_size)
    return F.interpolate(pixels[None], size=size, mode="bicubic", align_corners=False)[0]


def split_crops(pixels: torch.Tensor, tile: TileGeometry = CLIP_VIT_L_14_336) -> torch.Tensor:
    """Cut a padded picture into crops, row by row from the top left.

    pixels (3, height, width) → (rows·cols, 3, tile, tile).
    """
    channels, height, width = pixels.shape
    rows, cols = grid_shape(height, width, tile)
    size = tile.tile_size
    crops = pixels.reshape(channels, rows, size, cols, size)  # (3, rows, tile, cols, tile)
    crops = crops.permute(1, 3, 0, 2, 4)  # (rows, cols, 3, tile, tile)
    return crops.reshape(rows * cols, channels, size, size)  # (rows·cols, 3, tile, tile)


def tiles_of(pixels: torch.Tensor, tile: TileGeometry = CLIP_VIT_L_14_336) -> torch.Tensor:
    """Return the global view and then all crops of a padded picture: (1 + rows·cols, 3, tile, tile)."""
    return torch.cat([global_view(pixels, tile)[None], split_crops(pixels, tile)])


# ------------------------------------------------------------------------------------ features


def merge_2x2(features: torch.Tensor) -> torch.Tensor:
    """Merge each 2×2 block of neighboring patches into one token by stacking their channels.

    features (n, patches², C) → (n, patches / 2, patches / 2, 4C). The four parts of a token are the
    block's top left, top right, bottom left and bottom right patch. Raises ValueError when the patches do
    not form a square with an even side.
    """
    n, num_patches, channels = features.shape
    side = math.isqrt(num_patches)
    if side * side != num_patches or side % 2:
        raise ValueError(
            f"{num_patches} patch features do not form a square with an even side, so they cannot be merged "
            f"2×2. Leave out the CLS feature (type_feature='patch')."
        )
    half = side // 2
    blocks = features.reshape(n, half, 2, half, 2, channels)  # (n, row, row in block, col, col in block, C)
    blocks = blocks.permute(0, 1, 3, 2, 4, 5)  # (n, row, col, row in block, col in block, C)
    return blocks.reshape(n, half, half, 4 * channels)


def join_crops(merged: torch.Tensor, rows: int, cols: int) -> torch.Tensor:
    """Put the token grids of all crops of one picture back where the crops were cut.

    merged (rows·cols, t, t, D) → (rows·t, cols·t, D), with t tokens a side.
    """
    _, side, _, channels = merged.shape
    grid = merged.reshape(rows, cols, side, side, channels)  # (crop row, crop col, row, col, D)
    grid = grid.permute(0, 2, 1, 3, 4)  # (crop row, row, crop col, col, D)
    return grid.reshape(rows * side, cols * side, channels)


def append_separators(token_grid: torch.Tensor, separator: torch.Tensor) -> torch.Tensor:
    """Close every row of tokens with the row separator and lay the rows end to end.

    token_grid (R, K, D), separator with D elements → (R·(K + 1), D).
    """
    num_rows, _, channels = token_grid.shape
    column = separator.reshape(1, 1, channels).expand(num_rows, 1, channels)
    return torch.cat([token_grid, column], dim=1).flatten(0, 1)


def assemble(
    crop_tokens: torch.Tensor, global_tokens: torch.Tensor, separator: torch.Tensor, order: str
) -> torch.Tensor:
    """Join the two views with the view separator between them.

    crop_tokens (n, D), global_tokens (m, D), separator with D elements → (n + 1 + m, D). `order` is
    "sub_glb" (crops first: the published models) or "glb_sub" (global view first).
    """
    require_order(order)
    first, last = (crop_tokens, global_tokens) if order == "sub_glb" else (global_tokens, crop_tokens)
    return torch.cat([first, separator.reshape(1, -1), last])


def require_order(order: str) -> None:
    """Raise ValueError unless `order` is an order of the HD transform."""
    if order not in ORDERS:
        raise ValueError(f"hd_transform_order is {order!r}; it must be one of {', '.join(map(repr, ORDERS))}")


def hd_sequence(
    features: torch.Tensor,
    rows: int,
    cols: int,
    *,
    row_separator: torch.Tensor,
    view_separator: torch.Tensor,
    order: str = "sub_glb",
) -> torch.Tensor:
    """From the tower's patch features of one picture to its token sequence, before the projector.

    features (1 + rows·cols, patches², C), the global view first → (num_image_tokens, 4C).
    """
    merged = merge_2x2(features)  # (1 + rows·cols, t, t, 4C)
    global_tokens = append_separators(merged[0], row_separator)  # (t·(t + 1), 4C)
    crop_grid = join_crops(merged[1:], rows, cols)  # (rows·t, cols·t, 4C)
    crop_tokens = append_separators(crop_grid, row_separator)  # (rows·t·(cols·t + 1), 4C)
    return assemble(crop_tokens, global_tokens, view_separator, order)
