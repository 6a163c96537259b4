"""Notebook 06's instrument: one query picture, its nearest in several spaces, and where they agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.patches import Rectangle
from PIL import Image

from phi3lib.lab import plots
from phi3lib.lab.widgets import _as_png, _Instrument
from phi3lib.vectors.neighbours import nearest
from phi3lib.vectors.table import EmbeddingTable, require_same_ids

SHOWN = 7


class StripsState:
    """The same pictures in several spaces, and a query among them. No widget inside."""

    def __init__(self, tables: Mapping[str, EmbeddingTable], query: int = 0) -> None:
        require_same_ids(tables.values())
        self.ids = next(iter(tables.values())).ids
        shown = min(SHOWN, len(self.ids) - 1)
        self.near = {name: nearest(table.vectors, shown).indices for name, table in tables.items()}
        self.query = query

    def ranked(self) -> dict[str, list[int]]:
        """For each space the rows nearest to the query, the nearest first."""
        return {name: near[self.query].tolist() for name, near in self.near.items()}

    def votes(self) -> Counter[int]:
        """In how many spaces each found picture was found."""
        return Counter(row for rows in self.ranked().values() for row in rows)

    def sentence(self) -> str:
        """The same in words."""
        votes = self.votes()
        everywhere = [self.ids[row] for row, count in votes.items() if count == len(self.near)]
        alone = sum(count == 1 for count in votes.values())
        return (
            f"Nearest to {self.ids[self.query]} in {len(self.near)} spaces: {len(votes)} different pictures. "
            f"In all spaces: {', '.join(everywhere) or 'none'}. In one space only: {alone}."
        )


class RankedStrips(_Instrument):
    """Choose a picture; its nearest in each space stand in a strip, framed by how many spaces found them."""

    def __init__(
        self, tables: Mapping[str, EmbeddingTable], pictures: Sequence[Image.Image], *, query: int = 0
    ) -> None:
        self.pictures = list(pictures)
        self.state = StripsState(tables, query)
        self._widget: Any = None

    def still(self) -> plots.Still:
        """A row for each space: its name, and its nearest; a full frame: found by all, dashed: by some."""
        state, votes = self.state, self.state.votes()
        ranked = state.ranked()
        fig, axes = plots.figure(len(ranked), 1 + SHOWN, height=1.1 * len(ranked), squeeze=False)
        for spot in axes.flat:
            spot.set_axis_off()
        for row, (name, found) in zip(axes, ranked.items(), strict=True):
            plots.picture_axes(row[0], self.pictures[state.query], name)
            for spot, place in zip(row[1:], found, strict=False):
                picture = self.pictures[place]
                plots.picture_axes(spot, picture)
                if votes[place] > 1:
                    everywhere = votes[place] == len(ranked)
                    _frame(spot, picture, "-" if everywhere else "--")
        return plots.still(fig, alt=state.sentence())

    def live(self) -> Any:
        """The widget; made once."""
        if self._widget is None:
            self._widget = _make_strips(self)
        return self._widget


def _frame(axes: Any, picture: Image.Image, line: str) -> None:
    frame = Rectangle((0, 0), picture.width - 1, picture.height - 1, fill=False, lw=3, ls=line)
    frame.set_edgecolor(plots.HERE)
    axes.add_patch(frame)


def _make_strips(strips: RankedStrips) -> Any:
    import ipywidgets

    state = strips.state
    query = ipywidgets.Dropdown(
        options=[(name, row) for row, name in enumerate(state.ids)],
        value=state.query,
        description="Query",
        style={"description_width": "8em"},
    )
    image, words = ipywidgets.Image(layout=ipywidgets.Layout(max_width="100%")), ipywidgets.Label()

    def redraw(*_: Any) -> None:
        state.query = query.value
        words.value = state.sentence()
        image.value = _as_png(strips.still())

    query.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([query, words, image])
