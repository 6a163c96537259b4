"""The picture to take home of notebook 00: a photograph, its crops, its vector, its neighbors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from phi3lib.lab.figures import plots
from phi3lib.lab.lessons.first_embedding import GRID, Tile
from phi3lib.vision.hd_transform import HDGrid, hd_grid, pad_picture, resize_picture, split_crops

TITLE_SIZE = plots.STYLE["axes.titlesize"]


def hd_pieces(picture: Image.Image, *, num_crops: int = 4) -> tuple[HDGrid, list[Image.Image], Image.Image]:
    """Return (grid, its crops row by row, the global view) of a picture, as pictures to look at."""
    grid = hd_grid(*picture.size, num_crops)
    padded = pad_picture(resize_picture(picture.convert("RGB"), grid), grid)
    pixels = torch.from_numpy(np.array(padded)).permute(2, 0, 1)  # (3, height, width)
    crops = [Image.fromarray(c.permute(1, 2, 0).numpy()) for c in split_crops(pixels, grid.tile)]
    side = grid.tile.tile_size
    return grid, crops, padded.resize((side, side), Image.Resampling.BICUBIC)


def show_take_home(
    picture: Image.Image, vector: Any, tiles: Sequence[Tile], cosines: Sequence[float]
) -> None:
    """Show one figure from left to right and down: photograph, crops and global view, vector, neighbors."""
    grid = hd_pieces(picture)[0]
    near = ", ".join(str(tile.number) for tile in tiles)
    alt = (
        f"Four steps. A picture; its {grid.rows * grid.cols} crops in {grid.rows} rows, sharp, and its "
        f"global view, which is whole and small; its vector as a strip of {np.size(vector)} values; its "
        f"nearest tiles, the most similar first: {near}."
    )
    plots.show(_draw(picture, vector, tiles, cosines), alt=alt)


def _draw(picture: Image.Image, vector: Any, tiles: Sequence[Tile], cosines: Sequence[float]) -> Any:
    grid, crops, whole = hd_pieces(picture)
    with_crops = 0.45 * grid.rows
    fig, _ = plots.figure(height=4.9)
    fig.clear()
    top, strip, bottom = fig.subfigures(3, 1, height_ratios=[2.0 + with_crops * 0.3, 0.95, 1.35])
    left, middle, right = top.subfigures(1, 3, width_ratios=[1.7, 1.5, 1.1])
    plots.picture_axes(left.subplots(), picture, "1 · the picture")
    _frames(middle, crops, grid)
    _framed(right.subplots(), whole, plots.GLOBAL_VIEW, "and the global view")
    _strip(strip.subplots(), vector)
    bottom.suptitle("4 · its nearest neighbors among the tiles", fontsize=TITLE_SIZE)
    for axes, tile, cosine in zip(np.atleast_1d(bottom.subplots(1, len(tiles))), tiles, cosines, strict=True):
        plots.picture_axes(axes, tile.picture, f"tile {tile.number}, cosine {cosine:.2f}")
    return fig


def _frames(figure: Any, crops: Sequence[Image.Image], grid: HDGrid) -> None:
    figure.suptitle(f"2 · its {len(crops)} crops", fontsize=TITLE_SIZE)
    axes = figure.subplots(grid.rows, grid.cols, squeeze=False)
    for ax, crop in zip(axes.flat, crops, strict=True):
        _framed(ax, crop, plots.CROP)


def _framed(axes: Any, picture: Image.Image, color: str, title: str = "") -> None:
    axes.imshow(np.asarray(picture))
    axes.set_xticks([])
    axes.set_yticks([])
    plots.write_title(axes, title)
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(color)
        side.set_linewidth(2)


def _strip(axes: Any, vector: Any) -> None:
    vector = np.asarray(vector, dtype=float).reshape(1, -1)
    limit = float(np.abs(vector).max()) or 1.0
    axes.imshow(vector, aspect="auto", cmap=plots.DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
    plots.write_title(
        axes, f"3 · its hand-made vector: {vector.size} numbers, blue below and red above the mean"
    )
    axes.set_yticks([])
    axes.set_xlabel(f"place in the vector: {GRID} × {GRID} cells, 3 colours each")
