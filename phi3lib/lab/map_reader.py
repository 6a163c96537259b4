"""Notebook 05's instrument: maps of one data set for saved parameters and seeds, with what they are worth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from phi3lib.lab import plots
from phi3lib.lab.widgets import _as_png, _Instrument
from phi3lib.vectors.maps import Layout, umap_map
from phi3lib.vectors.neighbours import Neighbours

Key = tuple[int, float, int]  # n_neighbors, min_dist, seed


def map_grid(
    vectors: Any,
    space: Neighbours,
    *,
    n_neighbors: Sequence[int] = (5, 15, 50),
    min_dist: Sequence[float] = (0.0, 0.1, 0.8),
    seeds: Sequence[int] = (0, 1),
) -> dict[Key, Layout]:
    """UMAP for all combinations. Of each seed the first starts anew, the others from it."""
    layouts: dict[Key, Layout] = {}
    for seed in seeds:
        first: Layout | None = None
        for neighbours in n_neighbors:
            for distance in min_dist:
                layout = umap_map(
                    vectors, space, n_neighbors=neighbours, min_dist=distance, seed=seed, start=first or "pca"
                )
                first = first or layout
                layouts[neighbours, distance, seed] = layout
    return layouts


class MapState:
    """Which of the saved maps is shown. No widget inside."""

    def __init__(
        self, layouts: dict[Key, Layout], vectors: Any, space: Neighbours, chosen: Key | None = None
    ) -> None:
        if not layouts:
            raise ValueError("there are no maps to read")
        self.layouts, self.vectors, self.space = layouts, vectors, space
        self.chosen = chosen if chosen is not None else next(iter(layouts))
        self._worth: dict[Key, tuple[float, float]] = {}

    def values(self, part: int) -> list[Any]:
        """All values of a part of the key: 0 for n_neighbors, 1 for min_dist, 2 for the seed."""
        return sorted({key[part] for key in self.layouts})

    @property
    def layout(self) -> Layout:
        """The map that is shown."""
        return self.layouts[self.chosen]

    def worth(self) -> tuple[float, float]:
        """(trustworthiness, mean share of true neighbours kept) of the map that is shown."""
        if self.chosen not in self._worth:
            kept = float(self.layout.kept(self.space).mean())
            self._worth[self.chosen] = (self.layout.trustworthiness(self.vectors), kept)
        return self._worth[self.chosen]

    def sentence(self) -> str:
        """Parameters and worth in words."""
        trust, kept = self.worth()
        neighbours, distance, seed = self.chosen
        return (
            f"n_neighbors {neighbours}, min_dist {distance:g}, seed {seed}: trustworthiness {trust:.3f}, "
            f"{kept:.0%} of the ten true neighbours kept."
        )


class MapReader(_Instrument):
    """Choose parameters and a seed; the map of these, its worth, and how much each point keeps."""

    def __init__(
        self,
        layouts: dict[Key, Layout],
        vectors: Any,
        space: Neighbours,
        labels: Sequence[Any],
        *,
        chosen: Key | None = None,
    ) -> None:
        self.state = MapState(layouts, vectors, space, chosen)
        self.labels = np.asarray(labels)
        self._widget: Any = None

    def still(self) -> plots.Still:
        """Left the labels, right the share of true neighbours that each point keeps."""
        state = self.state
        fig, (left, right) = plots.figure(1, 2, height=4.0)
        trust, kept = state.worth()
        plots.map_axes(left, state.layout.places, self.labels, f"trustworthiness {trust:.3f}")
        right.scatter(
            *state.layout.places.T,
            c=state.layout.kept(state.space),
            cmap=plots.MAGNITUDE,
            s=12,
            vmin=0,
            vmax=1,
        )
        right.set_xticks([])
        right.set_yticks([])
        right.set_aspect("equal", adjustable="datalim")
        plots.write_title(right, f"{kept:.0%} of true neighbours kept (yellow: all, blue: none)")
        fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
        return plots.still(fig, alt=state.sentence())

    def live(self) -> Any:
        """The widget; made once."""
        if self._widget is None:
            self._widget = _make_reader(self)
        return self._widget


def _make_reader(reader: MapReader) -> Any:
    import ipywidgets

    state = reader.state
    names = ("n_neighbors", "min_dist", "seed")
    controls = [
        ipywidgets.SelectionSlider(
            options=state.values(part),
            value=state.chosen[part],
            description=name,
            continuous_update=False,
            style={"description_width": "7em"},
        )
        for part, name in enumerate(names)
    ]
    image, words = ipywidgets.Image(layout=ipywidgets.Layout(max_width="100%")), ipywidgets.Label()

    def redraw(*_: Any) -> None:
        neighbours, distance, seed = (control.value for control in controls)
        state.chosen = (neighbours, distance, seed)
        words.value = state.sentence()
        image.value = _as_png(reader.still())

    for control in controls:
        control.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([*controls, words, image])
