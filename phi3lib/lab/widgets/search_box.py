"""Notebook 07's instrument: search by text, by a picture of the table, or both, and see why."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.explain import patch_likeness
from phi3lib.embeddings.knn import unit_rows
from phi3lib.embeddings.search import Hit, search
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import PanelInstrument, drawable, middle_square, number_among
from phi3lib.lab.widgets.panel import Control, choice, slider, text
from phi3lib.lab.widgets.without_kernel.drawing import described, line, tile

# What can be searched for on a page without a kernel.
QUERIES = (
    "a cat",
    "a red cat",
    "a house on a green background",
    "three stars",
    "something to drink from",
    "a striped thing",
    "an elephant",
)


class SearchState:
    """A table, a query of text and picture, and what is found. Plain state; holds no widget.

    picture: the number of a row, or None for none. weight: of the text where both are given, 0 to 1.
    ValueError for another weight, and for no such row.
    """

    def __init__(
        self, table: EmbeddingTable, clip: Any, text: str, picture: int | None = None, weight: float = 0.5
    ) -> None:
        self.table, self.clip = table, clip
        self.text, self.weight = text, weight
        self.picture = None if picture is None else number_among(len(table), picture, "picture")
        if not 0 <= weight <= 1:
            raise ValueError(f"a weight is between 0 and 1, not {weight}")

    def hits(self, k: int = 6) -> list[Hit]:
        """Return the nearest pictures to the query; none for an empty query."""
        text = self.text.strip() or None
        chosen = None if self.picture is None else self.table.ids[self.picture]
        if text is None and chosen is None:
            return []
        return search(self.table, self.clip, text=text, picture=chosen, weight=self.weight, k=k)

    def query_vector(self) -> NDArray[np.float32]:
        """Return the query as one unit vector."""
        parts = []
        if self.text.strip():
            factor = 1.0 if self.picture is None else self.weight
            parts.append(factor * unit_rows(self.clip.text_features(self.text).numpy())[0])
        if self.picture is not None:
            factor = 1.0 if not self.text.strip() else 1 - self.weight
            parts.append(factor * self.table.unit()[self.picture])
        return np.sum(parts, axis=0)

    def sentence(self) -> str:
        """Describe query and hits in words."""
        asked = [f"“{self.text.strip()}”"] if self.text.strip() else []
        asked += [f"picture {self.table.ids[self.picture]}"] if self.picture is not None else []
        found = ", ".join(f"{hit.id} ({hit.cosine:.2f})" for hit in self.hits())
        return f"Query {' and '.join(asked) or '(empty)'}; found, with cosines: {found or 'nothing'}."


class SearchBox(PanelInstrument):
    """Write a text, choose a picture, mix them; the nearest pictures and what in them is like the query."""

    title = "Search box"
    offered_without_kernel: ClassVar[Mapping[str, Sequence[Any]]] = {
        "text": ("", *QUERIES),
        "picture": (None, 0, 1, 2),
        "weight": (0.25, 0.5, 0.75),
    }
    limits_without_kernel = (
        "The texts and pictures of these lists can be searched for here. Your own text needs a kernel."
    )

    def __init__(
        self,
        table: EmbeddingTable,
        pictures: Sequence[Image.Image],
        clip: Any,
        *,
        text: str = "",
        picture: int | None = None,
        weight: float = 0.5,
    ) -> None:
        super().__init__()
        if len(pictures) != len(table):
            raise ValueError(f"{len(pictures)} pictures for a table of {len(table)} rows")
        self.pictures = pictures
        self.state = SearchState(table, clip, text, picture, weight)

    def still(self) -> plots.Still:
        """Draw six hits, and under each the patches that are most like the query."""
        hits = self.state.hits()
        if not hits:
            return _nothing_asked(self.state.sentence())
        fig, axes = plots.figure(2, len(hits), height=3.4, squeeze=False)
        query = self.state.query_vector()
        for (above, below), hit in zip(axes.T, hits, strict=True):
            picture = self.pictures[hit.row]
            plots.picture_axes(above, picture, f"{drawable(hit.id, 16)}\n{hit.cosine:.2f}")
            _draw_likeness(below, middle_square(picture), patch_likeness(self.state.clip, picture, query))
        fig.supxlabel("below each picture: its patches, the most like the query in yellow, the least in blue",
                      fontsize=plots.STYLE["axes.titlesize"])  # fmt: skip
        return plots.still(fig, alt=self.state.sentence())

    def drawing(self) -> dict[str, Any]:
        """Return the hits, and below them the patches that are most like the query."""
        hits = self.state.hits()
        if not hits:
            return described(self.state.sentence())
        query = self.state.query_vector()
        found = [tile(hit.row, f"{drawable(hit.id, 16)}\n{hit.cosine:.2f}") for hit in hits]
        why = [
            tile(hit.row, heat=patch_likeness(self.state.clip, self.pictures[hit.row], query)) for hit in hits
        ]
        return described(self.state.sentence(), line(found), line(why, "the most like the query in yellow"))

    def drawn_pictures(self) -> Sequence[Image.Image]:
        """Return the part of each picture that CLIP receives."""
        return [middle_square(picture) for picture in self.pictures]

    def controls(self) -> list[Control]:
        """Return the controls: text, picture, and the weight of the text where both are given."""
        state = self.state
        rows = [None, *range(len(state.table))]
        weights = [round(0.05 * step, 2) for step in range(21)]
        return [
            text("text", "Text", state.text),
            choice("picture", "Picture", rows, state.picture, ["none", *state.table.ids]),
            slider("weight", "Weight of the text, if both", weights, state.weight, "{:.2f}".format),
        ]

    def take(self, chosen: dict[str, Any]) -> None:
        """Set text, picture and weight."""
        state = self.state
        state.text, state.picture, state.weight = chosen["text"], chosen["picture"], chosen["weight"]


def _draw_likeness(axes: Any, seen: Image.Image, likeness: NDArray[np.float32]) -> None:
    axes.set_axis_off()
    axes.imshow(np.asarray(seen.convert("L")), cmap="gray", vmin=0, vmax=255)
    axes.imshow(likeness, cmap=plots.MAGNITUDE, alpha=0.6, extent=(0, seen.width, seen.height, 0))


def _nothing_asked(sentence: str) -> plots.Still:
    fig, axes = plots.figure(height=0.6)
    axes.set_axis_off()
    axes.text(0.5, 0.5, "Write a text or choose a picture.", ha="center", va="center")
    return plots.still(fig, alt=sentence)
