"""Notebook 07's instrument: search by text, by a picture of the table, or both, and see why."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from phi3lib.lab import plots
from phi3lib.lab.widgets import _as_png, _Instrument
from phi3lib.vectors.neighbours import unit_rows
from phi3lib.vectors.search import Hit, search
from phi3lib.vectors.table import EmbeddingTable
from phi3lib.vectors.why import patch_likeness


class SearchState:
    """A table, a query of text and picture, and what is found. No widget inside.

    picture: the number of a row, or None for none. weight: of the text where both are given, 0 to 1.
    """

    def __init__(
        self, table: EmbeddingTable, clip: Any, text: str, picture: int | None = None, weight: float = 0.5
    ) -> None:
        self.table, self.clip = table, clip
        self.text, self.picture, self.weight = text, picture, weight

    def hits(self, k: int = 6) -> list[Hit]:
        """What is nearest to the query; nothing for an empty one."""
        text = self.text.strip() or None
        chosen = None if self.picture is None else self.table.ids[self.picture]
        if text is None and chosen is None:
            return []
        return search(self.table, self.clip, text=text, picture=chosen, weight=self.weight, k=k)

    def query_vector(self) -> NDArray[np.float32]:
        """The query as one vector of length one."""
        parts = []
        if self.text.strip():
            share = 1.0 if self.picture is None else self.weight
            parts.append(share * unit_rows(self.clip.text_features(self.text).numpy())[0])
        if self.picture is not None:
            share = 1.0 if not self.text.strip() else 1 - self.weight
            parts.append(share * self.table.unit()[self.picture])
        return np.sum(parts, axis=0)

    def sentence(self) -> str:
        """Query and hits in words."""
        asked = [f"“{self.text.strip()}”"] if self.text.strip() else []
        asked += [f"picture {self.table.ids[self.picture]}"] if self.picture is not None else []
        found = ", ".join(f"{hit.id} ({hit.cosine:.2f})" for hit in self.hits())
        return f"Query {' and '.join(asked) or '(empty)'}; found, with cosines: {found or 'nothing'}."


class SearchBox(_Instrument):
    """Write a text, choose a picture, mix them; the nearest pictures and what in them is like the query."""

    def __init__(
        self,
        table: EmbeddingTable,
        pictures: Sequence[Image.Image],
        clip: Any,
        *,
        text: str = "",
        picture: int | None = None,
    ) -> None:
        if len(pictures) != len(table):
            raise ValueError(f"{len(pictures)} pictures for a table of {len(table)} rows")
        self.pictures = pictures
        self.state = SearchState(table, clip, text, picture)
        self._widget: Any = None

    def still(self) -> plots.Still:
        """Six hits, and under each the patches that are most like the query."""
        hits = self.state.hits()
        fig, axes = plots.figure(2, max(len(hits), 1), height=3.0, squeeze=False)
        for spot in axes.flat:
            spot.set_axis_off()
        for column, hit in zip(axes.T, hits, strict=False):
            picture = self.pictures[hit.row]
            plots.picture_axes(column[0], picture, f"{hit.cosine:.2f}")
            likeness = patch_likeness(self.state.clip, picture, self.state.query_vector())
            column[1].imshow(np.asarray(picture.convert("L")), cmap="gray")
            column[1].imshow(
                likeness, cmap=plots.MAGNITUDE, alpha=0.6, extent=(0, picture.width, picture.height, 0)
            )
        return plots.still(fig, alt=self.state.sentence())

    def live(self) -> Any:
        """The widget; made once."""
        if self._widget is None:
            self._widget = _make_box(self)
        return self._widget


def _make_box(box: SearchBox) -> Any:
    import ipywidgets

    state, wide = box.state, {"description_width": "8em"}
    room = ipywidgets.Layout(width="36em")
    make: dict[str, Any] = {"style": wide, "layout": room}
    text = ipywidgets.Text(value=state.text, description="Text", continuous_update=False, **make)
    names = [("none", None), *((name, row) for row, name in enumerate(state.table.ids))]
    picture = ipywidgets.Dropdown(options=names, value=state.picture, description="Picture", **make)
    weight = ipywidgets.FloatSlider(
        value=state.weight,
        min=0,
        max=1,
        step=0.05,
        description="Weight of text",
        continuous_update=False,
        **make,
    )
    image, words = ipywidgets.Image(layout=ipywidgets.Layout(max_width="100%")), ipywidgets.HTML()

    def redraw(*_: Any) -> None:
        state.text, state.picture, state.weight = text.value, picture.value, weight.value
        words.value = html.escape(state.sentence())
        image.value = _as_png(box.still())

    for control in (text, picture, weight):
        control.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([text, picture, weight, words, image])
