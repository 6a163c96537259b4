"""Notebook 05's instrument: maps of one data set for saved parameters and seeds, with what they are worth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from phi3lib.embeddings.knn import Neighbors
from phi3lib.embeddings.maps import Layout, umap_map
from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import PanelInstrument
from phi3lib.lab.widgets.panel import Control, slider

Key = tuple[int, float, int]  # n_neighbors, min_dist, seed
PARTS = ("n_neighbors", "min_dist", "seed")
MOST_NAMES = 16  # that a legend can tell apart


def map_grid(
    vectors: Any,
    space: Neighbors,
    *,
    n_neighbors: Sequence[int] = (5, 15, 50),
    min_dist: Sequence[float] = (0.0, 0.1, 0.8),
    seeds: Sequence[int] = (0, 1),
) -> dict[Key, Layout]:
    """Return UMAP layouts for all combinations; for each seed the first one is the start of the others."""
    layouts: dict[Key, Layout] = {}
    for seed in seeds:
        first: Layout | None = None
        for neighbors in n_neighbors:
            for distance in min_dist:
                layout = umap_map(
                    vectors, space, n_neighbors=neighbors, min_dist=distance, seed=seed, start=first or "pca"
                )
                first = first or layout
                layouts[neighbors, distance, seed] = layout
    return layouts


class MapState:
    """The saved map that is shown. Plain state; holds no widget. ValueError for a key without a map."""

    def __init__(
        self, layouts: dict[Key, Layout], vectors: Any, space: Neighbors, chosen: Key | None = None
    ) -> None:
        if not layouts:
            raise ValueError("there are no maps to read")
        self.layouts, self.vectors, self.space = layouts, vectors, space
        self._worth: dict[Key, tuple[float, float]] = {}
        self.chosen = next(iter(layouts))
        if chosen is not None:
            self.choose(chosen)

    def choose(self, key: Key) -> None:
        """Show the map of these parameters. ValueError where none was saved."""
        if key not in self.layouts:
            wanted = ", ".join(f"{name} {value:g}" for name, value in zip(PARTS, key, strict=True))
            raise ValueError(f"no map was saved for {wanted}")
        self.chosen = key

    def values(self, part: int) -> list[Any]:
        """Return all values of a part of the key: 0 for n_neighbors, 1 for min_dist, 2 for the seed."""
        return sorted({key[part] for key in self.layouts})

    @property
    def layout(self) -> Layout:
        """The map that is shown."""
        return self.layouts[self.chosen]

    def worth(self) -> tuple[float, float]:
        """Return (trustworthiness, mean share of true neighbors kept) of the map that is shown."""
        if self.chosen not in self._worth:
            kept = float(self.layout.kept(self.space).mean())
            self._worth[self.chosen] = (self.layout.trustworthiness(self.vectors), kept)
        return self._worth[self.chosen]

    def sentence(self) -> str:
        """Describe parameters and faithfulness."""
        trust, kept = self.worth()
        neighbors, distance, seed = self.chosen
        return (
            f"n_neighbors {neighbors}, min_dist {distance:g}, seed {seed}: trustworthiness {trust:.3f}, "
            f"{kept:.0%} of the ten true neighbors kept."
        )


class MapReader(PanelInstrument):
    """Choose parameters and a seed; the map of these, its worth, and how much each point keeps."""

    title = "Map reader"

    def __init__(
        self,
        layouts: dict[Key, Layout],
        vectors: Any,
        space: Neighbors,
        labels: Sequence[Any],
        *,
        chosen: Key | None = None,
    ) -> None:
        super().__init__()
        self.state = MapState(layouts, vectors, space, chosen)
        self.labels = np.asarray(labels)
        if len(self.labels) != len(self.state.layout.coordinates):
            raise ValueError(f"{len(self.labels)} labels for {len(self.state.layout.coordinates)} points")

    def still(self) -> plots.Still:
        """Draw the labels on the left, on the right the share of true neighbors that each point keeps."""
        state = self.state
        fig, (left, right) = plots.figure(1, 2, height=4.0)
        trust, kept = state.worth()
        plots.map_axes(left, state.layout.coordinates, self.labels, f"trustworthiness {trust:.3f}")
        shares = state.layout.kept(state.space)
        right.scatter(
            *state.layout.coordinates.T, c=shares, cmap=plots.MAGNITUDE, s=6 + 24 * shares, vmin=0, vmax=1
        )
        right.set_xticks([])
        right.set_yticks([])
        right.set_aspect("equal", adjustable="datalim")
        plots.write_title(
            right, f"{kept:.0%} of true neighbors kept\n(large, yellow: all; small, blue: none)"
        )
        for ax in (left, right):
            ax.spines[:].set_visible(False)  # coordinates on a map have no unit
        handles, names = left.get_legend_handles_labels()
        if len(names) <= MOST_NAMES:
            fig.legend(handles, names, loc="outside lower center", ncols=6, frameon=False)
        return plots.still(fig, alt=state.sentence())

    def controls(self) -> list[Control]:
        """Return a slider for each parameter, and one for the seed."""
        state = self.state
        return [
            slider(name, name, state.values(part), state.chosen[part], "{:g}".format)
            for part, name in enumerate(PARTS)
        ]

    def take(self, chosen: dict[str, Any]) -> None:
        """Show the map of these parameters; ValueError if there is none."""
        neighbors, distance, seed = (chosen[name] for name in PARTS)
        self.state.choose((neighbors, distance, seed))
