"""Notebook 04: one picture under several pooling recipes, as a card and as an instrument."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.knn import unit_rows
from phi3lib.embeddings.search import top_k
from phi3lib.embeddings.table import EmbeddingTable, require_same_ids
from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import PanelInstrument, drawable, number_among
from phi3lib.lab.widgets.panel import Control, choice, tick
from phi3lib.lab.widgets.without_kernel.drawing import described, line, strip, tile
from phi3lib.moved import old_attribute, old_keyword

Tables = Mapping[str, EmbeddingTable]
SHOWN = 5  # neighbors of a picture


class RecipeState:
    """Vectors of the same pictures by several recipes, and the one shown. Plain state; holds no widget.

    centered: whether the mean of all vectors is taken away before cosines are computed.
    """

    def __init__(self, tables: Tables, recipe: str, picture: int = 0, *, centered: bool = False) -> None:
        require_same_ids(tables.values())
        if recipe not in tables:
            raise ValueError(f"no recipe {recipe!r}; there are: {', '.join(map(repr, tables))}")
        self.tables, self.recipe, self.centered = dict(tables), recipe, centered
        if len(tables[recipe]) < 2:
            raise ValueError("a picture alone has no neighbors: give at least two")
        self.picture = number_among(len(tables[recipe]), picture, "picture")

    def vectors(self) -> NDArray[np.float32]:
        """Return the unit vectors of the recipe, with or without centering."""
        vectors = self.tables[self.recipe].vectors
        return unit_rows(vectors - vectors.mean(0) if self.centered else vectors)

    neighbours = old_attribute("neighbours", "neighbors")  # changed in 0.2.0

    def neighbors(self) -> list[tuple[int, float]]:
        """Return (row, cosine) of the pictures nearest to the chosen one, the nearest first."""
        vectors = self.vectors()
        rows, cosines = top_k(vectors[self.picture : self.picture + 1], vectors, SHOWN + 1)
        found = zip(rows[0].tolist(), cosines[0].tolist(), strict=True)
        return [(row, cosine) for row, cosine in found if row != self.picture][:SHOWN]

    def typical_cosine(self) -> float:
        """Return the mean cosine of two different pictures."""
        vectors = self.vectors().astype(np.float64)
        total, count = vectors.sum(0), len(vectors)
        return float((total @ total - count) / (count * (count - 1)))

    def sentence(self) -> str:
        """Describe the state in one sentence (used as alt text)."""
        table = self.tables[self.recipe]
        found = ", ".join(f"{table.ids[row]} ({cosine:.2f})" for row, cosine in self.neighbors())
        centered = ", mean taken away" if self.centered else ""
        return (
            f"Recipe “{self.recipe}”{centered}: {table.vectors.shape[1]} numbers. Nearest to "
            f"{table.ids[self.picture]}: {found}. Two pictures have a cosine of {self.typical_cosine():.2f} "
            f"on average."
        )


@old_keyword("centred", "centered")  # changed in 0.2.0
class RecipeSwitches(PanelInstrument):
    """Switch the recipe, take the mean away, choose a picture: its vector and its neighbors follow."""

    title = "Recipe switches"
    offered_without_kernel: ClassVar[Mapping[str, Sequence[Any]]] = {"picture": range(12)}
    limits_without_kernel = "Twelve of the pictures can be chosen here. The others need a kernel."

    def __init__(
        self,
        tables: Tables,
        pictures: Sequence[Image.Image],
        *,
        recipe: str,
        picture: int = 0,
        centered: bool = False,
    ) -> None:
        super().__init__()
        self.pictures = list(pictures)
        self.state = RecipeState(tables, recipe, picture, centered=centered)
        if len(self.pictures) != len(tables[recipe]):
            raise ValueError(f"{len(self.pictures)} pictures for tables of {len(tables[recipe])} rows")

    def still(self) -> plots.Still:
        """Draw the picture, its neighbors with their cosines, and its vector as a strip."""
        state = self.state
        fig, _ = plots.figure(height=2.5)
        fig.clear()
        top, bottom = fig.subfigures(2, 1, height_ratios=[1.5, 1.0])
        axes = top.subplots(1, 1 + SHOWN)
        for ax in axes:
            ax.set_axis_off()
        plots.picture_axes(axes[0], self.pictures[state.picture], "the picture")
        for ax, (row, cosine) in zip(axes[1:], state.neighbors(), strict=False):
            plots.picture_axes(ax, self.pictures[row], f"cosine {cosine:.2f}")
        vector = state.vectors()[state.picture]
        _strip(bottom.subplots(), vector, f"the vector “{drawable(state.recipe)}”: {len(vector)} numbers")
        return plots.still(fig, alt=state.sentence())

    def drawing(self) -> dict[str, Any]:
        """Return the picture, its neighbors with their cosines, and its vector as a strip."""
        state = self.state
        vector = state.vectors()[state.picture]
        near = [tile(row, f"cosine {cosine:.2f}") for row, cosine in state.neighbors()]
        label = f"the vector “{drawable(state.recipe)}”: {len(vector)} numbers"
        return described(
            state.sentence(), line([tile(state.picture, "the picture"), *near]), strip(vector, label)
        )

    def controls(self) -> list[Control]:
        """Return the controls: recipe, picture, and whether the mean is taken away."""
        state = self.state
        ids = state.tables[state.recipe].ids
        return [
            choice("recipe", "Recipe", state.tables, state.recipe),
            choice("picture", "Picture", range(len(ids)), state.picture, ids),
            tick("centered", "Take the mean of all vectors away", state.centered),
        ]

    def take(self, chosen: dict[str, Any]) -> None:
        """Set recipe, picture, and whether the mean is taken away."""
        self.state.recipe, self.state.picture = chosen["recipe"], chosen["picture"]
        self.state.centered = chosen["centered"]


@old_keyword("neighbours", "neighbors")  # changed in 0.2.0
def show_recipe_card(
    tables: Tables, pictures: Sequence[Image.Image], picture: int, *, neighbors: int = 4, alt: str
) -> None:
    """Show one picture under every recipe, row by row: the recipe, its vector, its nearest pictures."""
    fig, axes = plots.figure(
        len(tables),
        2 + neighbors,
        height=0.95 * len(tables),
        gridspec_kw={"width_ratios": [1.0, 3.0, *[1.0] * neighbors]},
        squeeze=False,
    )
    for number, (row, name) in enumerate(zip(axes, tables, strict=True)):
        state = RecipeState(tables, name, picture, centered=True)
        plots.picture_axes(row[0], pictures[picture], "the picture" if number == 0 else "")
        vector = state.vectors()[picture]
        _strip(row[1], vector, f"{name}: {len(vector)} numbers")
        for ax, (found, cosine) in zip(row[2:], state.neighbors(), strict=False):
            plots.picture_axes(ax, pictures[found], f"{cosine:.2f}")
    plots.show(fig, alt=alt)


def _strip(axes: Any, vector: NDArray[np.float32], label: str) -> None:
    limit = float(np.abs(vector).max()) or 1.0
    axes.imshow(
        vector[None], aspect="auto", cmap=plots.DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest"
    )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(label, fontsize=plots.STYLE["axes.titlesize"])
