"""A first embedding, made by hand: what notebook 00 needs besides its own cells.

A hand-made vector holds the mean colours of a 4 × 4 grid: 48 numbers. It is here because it can be
understood at a glance, not because it is good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from phi3lib.lab.checks.base import told
from phi3lib.lab.checks.reading import as_array, truth
from phi3lib.lab.figures import plots
from phi3lib.lab.photographs import photograph
from phi3lib.moved import old_names

GRID = 4
# What a listener needs in order to guess along; for the tiles of `photo_tiles()`.
TILES_IN_WORDS = (
    "24 tiles with their numbers. 0 to 11 are cut from a pavilion: roof and pale sky in 0 to 3, red walls in "
    "4 and 5, a lake in 6, trees in 7 to 11. 12 to 23 are cut from an orange dahlia before dark green: its "
    "upper edge in 13 and 14, its left half in 17, its right half in 18, its lower edge and more blossoms in "
    "21 and 22; the other six are dark green."
)


@dataclass(frozen=True)
class Tile:
    """A piece of a photograph. number: its place in the collection, from 0."""

    number: int
    photo: str
    picture: Image.Image

    def __str__(self) -> str:
        return f"{self.number}"


def photo_tiles(rows: int = 3, cols: int = 4, names: Sequence[str] = ("china", "flower")) -> list[Tile]:
    """Return the photographs that come with the course, each cut into rows × cols tiles, row by row."""
    tiles: list[Tile] = []
    for name in names:
        photo = photograph(name)
        width, height = photo.width // cols, photo.height // rows
        for row in range(rows):
            for col in range(cols):
                box = (col * width, row * height, (col + 1) * width, (row + 1) * height)
                tiles.append(Tile(len(tiles), name, photo.crop(box)))
    return tiles


def mean_colors(picture: Image.Image, grid: int = GRID) -> np.ndarray:
    """Return (grid · grid · 3,) float64 between 0 and 1: red, green and blue of each cell, row by row."""
    small = picture.convert("RGB").resize((grid, grid), Image.Resampling.BOX)  # BOX takes the mean
    return np.asarray(small, dtype=np.float64).reshape(-1) / 255


def to_unit_length(vectors: Any) -> np.ndarray:
    """Return each row divided by its length; rows of zeros stay zero."""
    vectors = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def order_of_neighbors(vectors: Any, query: int) -> list[int]:
    """Return all other rows' numbers, most similar first. Rows must have unit length; ties: lower first."""
    similar = np.asarray(vectors) @ np.asarray(vectors)[query]
    order = np.argsort(-similar, kind="stable")
    return [int(number) for number in order if number != query]


def compare_guess(guess: Any, vectors: Any, query: int) -> str:
    """Compare a guess with the vectors in one sentence; no answer is wrong."""
    order = order_of_neighbors(vectors, query)
    if guess is None or guess is ...:
        return "No guess yet. Put the number of a tile in the cell above, or read on."
    number = as_array(guess)
    if number is None or number.shape != () or truth(guess) is not None or number not in (*order, query):
        return f"There is no tile {told(guess)}: the tiles are numbered 0 to {len(order)}."
    guess = int(number)
    if guess == query:
        return f"Tile {query} is the query itself: guess another one."
    rank = order.index(guess) + 1
    if rank == 1:
        return f"You guessed tile {guess}, and by these vectors it is the nearest too."
    return (
        f"You guessed tile {guess}; by these vectors tile {order[0]} is the nearest, and yours is number "
        f"{rank} of {len(order)}. Which of you two looked at more than colours?"
    )


# ------------------------------------------------------------------------------- changed pictures


def blurred(picture: Image.Image) -> Image.Image:
    """Return the picture with one color per cell of the grid."""
    small = picture.resize((GRID, GRID), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


def shuffled(picture: Image.Image, *, seed: int = 0) -> Image.Image:
    """Return the picture with its pixels shuffled within each cell of the grid, cut to whole cells."""
    generator = np.random.default_rng(seed)
    height, width = picture.height // GRID, picture.width // GRID
    pixels = np.asarray(picture)[: height * GRID, : width * GRID].copy()
    for row in range(GRID):
        for col in range(GRID):
            cell = pixels[row * height : (row + 1) * height, col * width : (col + 1) * width]
            stirred = generator.permutation(cell.reshape(-1, 3))
            cell[:] = stirred.reshape(cell.shape)
    return Image.fromarray(pixels)


def whole_cells(picture: Image.Image) -> Image.Image:
    """Return the picture cut to a whole number of pixels a cell, so that every cell is equally large."""
    return picture.crop((0, 0, picture.width // GRID * GRID, picture.height // GRID * GRID))


def changed(picture: Image.Image) -> dict[str, Image.Image]:
    """Return six versions of the same picture, some of which look different."""
    picture = whole_cells(picture.convert("RGB"))
    return {
        "as it is": picture,
        "blurred": picture.filter(ImageFilter.GaussianBlur(2)),
        "16 colours": blurred(picture),
        "stirred": shuffled(picture),
        "mirrored": picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "grey": picture.convert("L").convert("RGB"),
    }


# ------------------------------------------------------------------------------- figures


def show_tiles(tiles: Sequence[Tile], *, alt: str = TILES_IN_WORDS, cols: int = 8) -> None:
    """Draw the collection, each tile under its number. alt: needed for other tiles than `photo_tiles()`."""
    plots.pictures([tile.picture for tile in tiles], [str(t) for t in tiles], alt=alt, cols=cols, height=0.95)


def show_changed(forms: dict[str, Image.Image], cosines: Sequence[float]) -> None:
    """Show forms of one picture, each under its name and its cosine with the first."""
    pairs = list(zip(forms, cosines, strict=True))
    titles = [f"{name}\ncosine {cosine:.2f}" for name, cosine in pairs]
    values = ", ".join(f"{name} {cosine:.2f}" for name, cosine in pairs)
    alt = f"One tile in {len(pairs)} forms, each with its cosine to the first: {values}."
    plots.pictures(list(forms.values()), titles, alt=alt, height=1.5)


def color_grid(axes: Any, vector: np.ndarray, title: str) -> None:
    """Draw a hand-made vector as the 4 × 4 colours that it holds."""
    plots.picture_axes(axes, np.clip(vector, 0, 1).reshape(GRID, GRID, 3), title, smooth=False)


def vector_in_words(vector: np.ndarray, most: int = 4) -> str:
    """Return what to notice in the bars of a hand-made vector: the color and the cell of the highest ones."""
    cells = np.asarray(vector).reshape(GRID, GRID, 3)
    highest = np.argsort(-cells, axis=None, kind="stable")[:most]
    named = [
        f"{('red', 'green', 'blue')[color]} in row {row + 1}, column {col + 1}"
        for row, col, color in zip(*np.unravel_index(highest, cells.shape), strict=True)
    ]
    return (
        f"A picture, its {GRID * GRID} mean colours, and {cells.size} bars: red, green and blue of each "
        f"cell, row by row. The highest bars are {'; '.join(named)}."
    )


def show_vector(picture: Image.Image, vector: np.ndarray) -> None:
    """Draw a picture, its 4 × 4 mean colors, and these values as bars in reading order."""
    fig, axes = plots.figure(1, 3, height=2.1, width_ratios=[1.3, 0.9, 2.6])
    plots.picture_axes(axes[0], picture, "the tile")
    color_grid(axes[1], vector, "16 mean colours")
    colors = [plots.ORANGE, plots.GREEN, plots.BLUE] * (len(vector) // 3)
    axes[2].bar(range(len(vector)), vector, color=colors, width=0.9)
    plots.write_title(axes[2], f"the vector: {len(vector)} numbers")
    axes[2].set_xlabel("place in the vector: red (orange), green, blue of each cell")
    axes[2].set_ylabel("mean value")
    axes[2].set_ylim(0, 1)
    plots.show(fig, alt=vector_in_words(vector))


__getattr__ = old_names(  # changed in 0.2.0
    __name__,
    {"mean_colours": "mean_colors", "colour_grid": "color_grid", "order_of_neighbours": "order_of_neighbors"},
)
