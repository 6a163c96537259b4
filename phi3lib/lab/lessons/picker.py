"""Notebook 00's instrument: pick a picture of a collection and see its nearest neighbors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from phi3lib.lab.figures import plots
from phi3lib.lab.lessons.first_embedding import Tile, order_of_neighbors
from phi3lib.lab.widgets.base import PanelInstrument
from phi3lib.lab.widgets.panel import Control, choice
from phi3lib.lab.widgets.without_kernel.drawing import described, line
from phi3lib.lab.widgets.without_kernel.drawing import tile as small_tile
from phi3lib.moved import old_keyword, old_names


class PickerState:
    """The chosen picture and its nearest neighbors. Plain state; holds no widget.

    vectors: (N, d), one row a tile, each of length 1.
    """

    def __init__(self, tiles: Sequence[Tile], vectors: Any, chosen: int = 0, neighbors: int = 5) -> None:
        self.tiles, self.vectors = list(tiles), np.asarray(vectors)
        if len(self.tiles) != len(self.vectors):
            raise ValueError(f"{len(self.tiles)} tiles but {len(self.vectors)} vectors")
        self.neighbors = neighbors
        self.choose(chosen)

    def choose(self, number: int) -> None:
        """Look at tile `number`; raises ValueError where there is none."""
        if not 0 <= number < len(self.tiles):
            raise ValueError(f"there is no tile {number}: they are numbered 0 to {len(self.tiles) - 1}")
        self.chosen = number

    def nearest(self) -> list[tuple[Tile, float]]:
        """Return the nearest tiles with their cosines, the most similar first."""
        order = order_of_neighbors(self.vectors, self.chosen)[: self.neighbors]
        cosines = self.vectors @ self.vectors[self.chosen]
        return [(self.tiles[number], float(cosines[number])) for number in order]

    def sentence(self) -> str:
        """Describe the state in one sentence (used as alt text)."""
        near = ", ".join(f"{tile.number} ({cosine:.2f})" for tile, cosine in self.nearest())
        return f"Tile {self.chosen}; nearest tiles, with their cosines: {near}."


@old_keyword("neighbours", "neighbors")  # changed in 0.2.0
class NeighborPicker(PanelInstrument):
    """Choose a tile from the list (with the keyboard, too); its nearest neighbors stand to its right."""

    title = "Neighbor picker"

    def __init__(self, tiles: Sequence[Tile], vectors: Any, chosen: int = 0, neighbors: int = 5) -> None:
        super().__init__()
        self.state = PickerState(tiles, vectors, chosen, neighbors)

    def still(self) -> plots.Still:
        """Return a still picture of the picker in its current state."""
        state, near = self.state, self.state.nearest()
        fig, axes = plots.figure(1, 1 + len(near), height=1.5, squeeze=False)
        query = state.tiles[state.chosen]
        plots.picture_axes(axes[0, 0], query.picture, f"you look at\ntile {query.number}")
        for ax, (tile, cosine) in zip(axes[0, 1:], near, strict=True):
            plots.picture_axes(ax, tile.picture, f"tile {tile.number}\ncosine {cosine:.2f}")
        return plots.still(fig, alt=state.sentence())

    def drawing(self) -> dict[str, Any]:
        """Return the tile and its nearest tiles with their cosines."""
        state = self.state
        query = small_tile(state.chosen, f"you look at\ntile {state.chosen}")
        near = [
            small_tile(one.number, f"tile {one.number}\ncosine {cosine:.2f}")
            for one, cosine in state.nearest()
        ]
        return described(state.sentence(), line([query, *near]))

    def drawn_pictures(self) -> Sequence[Any]:
        """Return the tiles."""
        return [one.picture for one in self.state.tiles]

    def controls(self) -> list[Control]:
        """Set the query tile."""
        names = [f"tile {tile.number} ({tile.photo})" for tile in self.state.tiles]
        return [choice("tile", "Look at", range(len(names)), self.state.chosen, names)]

    def take(self, chosen: dict[str, Any]) -> None:
        """Return the query tile."""
        self.state.choose(chosen["tile"])


__getattr__ = old_names(__name__, {"NeighbourPicker": "NeighborPicker"})  # changed in 0.2.0
