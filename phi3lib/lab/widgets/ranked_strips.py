"""Notebook 06's instrument: one query picture, its nearest in several spaces, and where they agree."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.table import EmbeddingTable, require_same_ids
from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import PanelInstrument, drawable, number_among
from phi3lib.lab.widgets.panel import Control, choice
from phi3lib.lab.widgets.without_kernel.drawing import DASHED, FULL, described, line, note, tile

SHOWN = 7


class StripsState:
    """The same pictures in several spaces, and a query among them. Plain state; holds no widget.

    ValueError without such a query, for less than two pictures, and for tables of different pictures.
    """

    def __init__(self, tables: Mapping[str, EmbeddingTable], query: int = 0) -> None:
        require_same_ids(tables.values())
        self.ids = next(iter(tables.values())).ids
        shown = min(SHOWN, len(self.ids) - 1)
        if shown < 1:
            raise ValueError("a picture alone has no neighbors: give at least two")
        self.near = {name: nearest(table.vectors, shown).indices for name, table in tables.items()}
        self.query = number_among(len(self.ids), query, "picture")

    def ranked(self) -> dict[str, list[int]]:
        """Return for each space the rows nearest to the query, the nearest first."""
        return {name: near[self.query].tolist() for name, near in self.near.items()}

    def votes(self) -> Counter[int]:
        """Return for each neighbor the number of spaces in which it is one."""
        return Counter(row for rows in self.ranked().values() for row in rows)

    def sentence(self) -> str:
        """Describe the state in one sentence (used as alt text)."""
        votes = self.votes()
        everywhere = [self.ids[row] for row, count in votes.items() if count == len(self.near)]
        alone = sum(count == 1 for count in votes.values())
        return (
            f"Nearest to {self.ids[self.query]} in {len(self.near)} spaces: {len(votes)} different pictures. "
            f"In all spaces: {', '.join(everywhere) or 'none'}. In one space only: {alone}."
        )


class RankedStrips(PanelInstrument):
    """Choose a picture; each space's strip shows its nearest pictures, framed by how many spaces agree."""

    title = "Ranked strips"

    def __init__(
        self, tables: Mapping[str, EmbeddingTable], pictures: Sequence[Image.Image], *, query: int = 0
    ) -> None:
        super().__init__()
        self.pictures = list(pictures)
        self.state = StripsState(tables, query)
        if len(self.pictures) != len(self.state.ids):
            raise ValueError(f"{len(self.pictures)} pictures for tables of {len(self.state.ids)} rows")

    def still(self) -> plots.Still:
        """Draw a row for each space: name and nearest pictures; full frame: found by all, dashed: by some."""
        state, votes = self.state, self.state.votes()
        ranked = state.ranked()
        fig, axes = plots.figure(len(ranked), 1 + SHOWN, height=0.4 + 1.1 * len(ranked), squeeze=False)
        for ax in axes.flat:
            ax.set_axis_off()
        for row, (name, found) in zip(axes, ranked.items(), strict=True):
            plots.picture_axes(row[0], self.pictures[state.query], drawable(name, 18))
            for ax, neighbor in zip(row[1:], found, strict=False):
                picture = self.pictures[neighbor]
                plots.picture_axes(ax, picture)
                if votes[neighbor] > 1:
                    _frame(ax, picture, "-" if votes[neighbor] == len(ranked) else "--")
        _legend(fig, len(ranked))
        return plots.still(fig, alt=state.sentence())

    def drawing(self) -> dict[str, Any]:
        """Return a line for each space; full frame: found by all, dashed: by some."""
        state, votes = self.state, self.state.votes()
        frames = {1: "", len(state.near): FULL}
        rows = [
            line(
                (tile(row, state.ids[row], frame=frames.get(votes[row], DASHED)) for row in found),
                drawable(name, 18),
            )
            for name, found in state.ranked().items()
        ]
        query = line([tile(state.query, f"your query\n{state.ids[state.query]}")])
        said = "frame: found in all spaces" + ("; dashed: in some" if len(rows) > 2 else "")
        return described(state.sentence(), query, *rows, note(said))

    def controls(self) -> list[Control]:
        """Set the query."""
        ids = self.state.ids
        return [choice("query", "Query", range(len(ids)), self.state.query, ids)]

    def take(self, chosen: dict[str, Any]) -> None:
        """Return the query."""
        self.state.query = chosen["query"]


def _frame(axes: Any, picture: Image.Image, line: str) -> None:
    axes.add_patch(Rectangle((0, 0), picture.width - 1, picture.height - 1, fill=False, ec="white", lw=4.5))
    frame = Rectangle((0, 0), picture.width - 1, picture.height - 1, fill=False, lw=3, ls=line)
    frame.set_edgecolor(plots.HERE)
    axes.add_patch(frame)


def _legend(fig: Any, spaces: int) -> None:
    lines = {"found in all spaces": "-"}
    if spaces > 2:
        lines["found in some of them"] = "--"
    handles = [
        Line2D([], [], color=plots.HERE, lw=3, ls=line, label=f"frame: {label}")
        for label, line in lines.items()
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, handlelength=4)
