"""The explorer: linked maps with their pictures, selection into Python, trust, and an export to one file.

atlas = Atlas({"CLIP": table_a, "Phi-3": table_b}, pictures=pictures, labels="kind", model=load_clip())
atlas                       # as the last line of a cell
atlas.selected.to_pandas()  # what was clicked or drawn around
atlas.to_html("atlas.html")
"""

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from matplotlib.patches import Circle
from PIL.PngImagePlugin import PngInfo

from phi3lib.embeddings.files import replacing
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.atlas.cache import SavedMaps
from phi3lib.lab.atlas.columns import by_row
from phi3lib.lab.atlas.page import page_data, script, styles, whole_page
from phi3lib.lab.atlas.settings import LARGE, Settings
from phi3lib.lab.atlas.state import AtlasState, Found
from phi3lib.lab.atlas.trust import said_trust
from phi3lib.lab.figures import plots
from phi3lib.lab.figures.shown_text import readable
from phi3lib.lab.widgets.base import Instrument
from phi3lib.vision.inputs import as_list, as_path
from phi3lib.vision.pictures import read_upright

PNG_DPI = 200
LARGEST = 640  # pixels of a picture that is opened beside the map


class Atlas(Instrument):
    """One map, or several maps of the same pictures side by side, with everything linked.

    tables: a table, or tables by name; pictures that not all of them have are left out. pictures: one for
    each row of the first table, pictures or files, by position (a pandas Series, too); or a mapping from ids;
    or the folder that the table was made from; None: without thumbnails. labels: the name of a label, or one
    value for each row, by position or as a mapping from ids; None: the table's first label. Every label of
    the tables can color the maps. names: one name to show for each row, likewise; None: the ids. grid: the
    parameters that are made ready, as {"n_neighbors": …, "min_dist": …, "seed": …}. layout: places of your
    own, (N, 2), for the rows of the first table, by position or as a mapping from ids, or such for each table
    by its name; without `grid`, no other map is made. model: a CLIP, for queries in words, and for `words`:
    each picture is given the nearest of them, zero-shot, as a column, which colors and names the map where
    there is no label. saved: a folder
    that keeps the maps: what was computed once is there at once the next time.

    On a map, the wheel, two fingers, a double click and + and − zoom; 0 shows the whole map; the right mouse
    button, the space bar or Shift with arrows move it. Arrows go to the neighbor in that direction, N and P
    to the next and the previous picture in view; Enter selects and opens, Shift+Enter adds or takes away,
    Control+Z goes back, Escape clears. ValueError for what does not fit together.

    An Atlas is an ipywidget: it goes into boxes and tabs. `rows`, the numbers of the selected rows, can be
    observed, linked and set.
    """

    rows: Any = traitlets.List()

    def __init__(
        self,
        tables: EmbeddingTable | Mapping[str, EmbeddingTable],
        *,
        pictures: Any = None,
        labels: Any = None,
        grid: Mapping[str, Sequence[Any]] | None = None,
        model: Any = None,
        saved: str | os.PathLike[str] | None = None,
        title: str = "Atlas",
        layout: Any = None,
        names: Any = None,
        words: Sequence[str] = (),
    ) -> None:
        super().__init__()
        first = tables if isinstance(tables, EmbeddingTable) else next(iter(tables.values()))
        shown = None if pictures is None else _pictures_of(pictures, first)
        folder = None if saved is None else SavedMaps(saved)
        self.state = AtlasState(
            tables,
            labels=labels,
            grid=grid,
            model=model,
            saved=folder,
            layout=layout,
            names=names,
            words=words,
        )
        self.title = title
        self.pictures = None
        if shown is not None:
            row_of = {name: row for row, name in enumerate(first.ids)}
            self.pictures = [shown[row_of[name]] for name in self.state.ids]
        self._widget: Any = None
        self._observers: list[Callable[[EmbeddingTable], None]] = []

    @property
    def selected(self) -> EmbeddingTable:
        """The selected rows of the first table, with every label, given ones too; see `to_pandas`."""
        return self.state.selected_table()

    def select(self, rows: Sequence[int]) -> None:
        """Select these rows, as a click or a lasso does."""
        self.state.select(rows)
        self._tell_selection()

    def _tell_selection(self) -> None:
        self.rows = list(self.state.selected)
        if self._widget is not None:
            self._widget.selected = self.state.selected

    @traitlets.validate("rows")
    def _valid_rows(self, proposal: Any) -> list[int]:
        self.state.select(proposal["value"])
        return list(self.state.selected)

    @traitlets.observe("rows")
    def _take_rows(self, _: Any) -> None:
        self._tell_selection()

    def on_select(self, observer: Callable[[EmbeddingTable], None]) -> None:
        """Call `observer` with the selected rows, once after each gesture on the page."""
        self._observers.append(observer)

    def _prepare(self, settings: Sequence[Settings]) -> None:
        """Compute what these maps need; of many pictures with a bar that shows how far it is."""
        steps = self.state.steps(settings)
        if len(self.state.ids) < LARGE or not steps:
            return
        from tqdm.auto import tqdm

        with tqdm(steps, unit="step", leave=False) as bar:
            for words, compute in bar:
                bar.set_description(f"{len(self.state.ids):,} pictures · {words}")
                compute()

    def still(self) -> plots.Still:
        """Return the maps as they stand, as a picture."""
        self._prepare([self.state.chosen])
        return plots.still(self._figure(), alt=f"{self.title}. {self.state.sentence()}")

    def _figure(self) -> Any:
        state = self.state
        fig, axes = plots.figure(1, len(state.names), height=4.0, squeeze=False)
        for spot, name in zip(axes[0], state.names, strict=True):
            places = state.layout(name).places
            title = f"{state.prefix(name, ' · ')}{said_trust(state.trust(name), len(state.ids))}"
            plots.map_axes(spot, places, state.codes if state.label_name else None, title, size=10)
            if state.selected:
                chosen = places[state.selected]
                spot.scatter(*chosen.T, s=50, facecolors="none", edgecolors=plots.HERE, linewidths=1.6)
            if state.found is not None:
                _draw_star(spot, places, state.found)
        handles, names = axes[0][0].get_legend_handles_labels()
        if 0 < len(names) <= 16:
            kinds = [state.kinds[int(code)] for code in names]
            fig.legend(handles, kinds, loc="outside lower center", ncols=6, fontsize=7)
        return fig

    def live(self) -> Any:
        """Return the widget; it is made once, so that all its views show the same selection."""
        if self._widget is None:
            self._prepare(self.state.settings)
            self._widget = _make_atlas(self)
        return self._widget

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write one HTML file with links, hover and keyboard that loads nothing else; return its path.

        The file is replaced as a whole: if the writing is interrupted, an older one stays as it was.
        """
        self._prepare(self.state.settings)
        page = whole_page(page_data(self.state, self.pictures) | _standing(self.state), self.title)
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return as_path(path)

    def to_png(self, path: str | os.PathLike[str]) -> Path:
        """Write the maps as they stand, with model, recipe, parameters and versions; return the path.

        The file is replaced as a whole, as that of `to_html`.
        """
        about = PngInfo()
        about.add_itxt("Description", readable(f"{self.title}. {self.state.sentence()}"))
        about.add_itxt("phi3lib.card", json.dumps(readable(self.state.card()), ensure_ascii=False))
        drawn = self._figure()
        with replacing(path) as temporary:
            plots.write_png(drawn, temporary, dpi=PNG_DPI, metadata={}, pil_kwargs={"pnginfo": about})
        return as_path(path)


def _pictures_of(pictures: Any, table: EmbeddingTable) -> list[Any]:
    """One picture, or file, for each row of the table. ValueError for another number of them."""
    if isinstance(pictures, str | os.PathLike):
        folder = as_path(pictures)
        if not folder.is_dir():
            raise ValueError(f"there is no folder {str(folder)!r} to take the pictures from")
        return [folder / name for name in table.ids]
    if isinstance(pictures, Mapping):
        return by_row(pictures, table.ids, "pictures")
    listed = list(pictures) if isinstance(pictures, list | tuple) else as_list(pictures, "pictures")
    if len(listed) != len(table):
        unread = f"; {len(table.errors)} could not be read and have no row" if table.errors else ""
        raise ValueError(
            f"{len(listed)} pictures for a table of {len(table)} rows{unread}: give one for each row, a "
            f"mapping from ids, or the folder"
        )
    return listed


def _draw_star(spot: Any, places: Any, found: Found) -> None:
    """Draw a star at the mean place of a text's nearest pictures, and a ring for their spread."""
    weights = np.maximum(found.cosines, 0.001)
    there = places[found.rows]
    middle = np.average(there, axis=0, weights=weights)
    spread = float(np.sqrt(np.average(((there - middle) ** 2).sum(1), weights=weights)))
    spot.add_patch(Circle(tuple(middle), spread, fill=False, color="#1a1a1a", linewidth=1.2))
    spot.scatter(*middle, s=160, marker="*", color=plots.YELLOW, edgecolors="black", zorder=3)


def _standing(state: AtlasState) -> dict[str, Any]:
    """Return what is chosen, selected and found."""
    return {"chosen": asdict(state.chosen), "selected": state.selected, "found": _found(state)}


def _found(state: AtlasState) -> dict[str, Any]:
    found = state.found
    if found is None:
        return {}
    return asdict(found) | {"ids": [state.shown_names[row] for row in found.rows]}


def _make_atlas(atlas: Atlas) -> Any:
    from phi3lib.lab.widgets.live_view import LiveView

    class AtlasWidget(LiveView):
        _esm = script()
        _css: Any = styles(panel=True)
        spec = traitlets.Dict().tag(sync=True)
        places = traitlets.Bytes().tag(sync=True)
        near = traitlets.Bytes().tag(sync=True)
        shares = traitlets.Bytes().tag(sync=True)
        shade = traitlets.Bytes().tag(sync=True)
        sheets: Any = traitlets.List().tag(sync=True)
        chosen = traitlets.Dict().tag(sync=True)
        selected: Any = traitlets.List().tag(sync=True)
        found = traitlets.Dict().tag(sync=True)
        status = traitlets.Unicode().tag(sync=True)
        progress = traitlets.Float(1.0).tag(sync=True)

    state = atlas.state
    widget = AtlasWidget(**page_data(state, atlas.pictures), **_standing(state))

    def take_selection(change: Any) -> None:
        if change["new"] == state.selected:
            return
        atlas.select(change["new"])
        for observer in atlas._observers:
            observer(atlas.selected)

    def take_settings(change: Any) -> None:
        state.chosen = Settings(**change["new"])

    def receive(_: Any, message: dict[str, Any], __: Any) -> None:
        widget.status = ""  # so that the same sentence is said again
        try:
            _answer(atlas, widget, message)
        except ValueError as error:
            widget.status = f"{str(error)[0].upper()}{str(error)[1:]}."
        finally:
            widget.progress = 1.0

    widget.observe(take_selection, "selected")
    widget.observe(take_settings, "chosen")
    widget.on_msg(receive)
    return widget


def _answer(atlas: Atlas, widget: Any, message: dict[str, Any]) -> None:
    """Do what the page asks for; unknown requests change nothing."""
    state = atlas.state
    if message.get("do") == "find":
        widget.found = {}
        found = state.find(str(message.get("text", "")))
        widget.status = _say_found(found)
        widget.found = _found(state)
    elif message.get("do") == "recompute":
        _recompute(state, widget, message)
    elif message.get("do") == "picture":
        _send_picture(atlas, widget, message.get("row"))


def _send_picture(atlas: Atlas, widget: Any, row: Any) -> None:
    """Send one picture, at most `LARGEST` pixels wide and high; nothing where there is none.

    ValueError for an unreadable one, which the page says.
    """
    if atlas.pictures is None or not isinstance(row, int) or not 0 <= row < len(atlas.pictures):
        return
    picture = read_upright(atlas.pictures[row]).copy()  # the reader's own stays as it is
    picture.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    widget.send({"picture": row}, [buffer.getvalue()])


def _recompute(state: AtlasState, widget: Any, message: dict[str, Any]) -> None:
    widget.progress = 0.0
    asked = [_number(message, name) for name in ("n_neighbors", "min_dist", "seed")]

    def tell(share: float) -> None:
        widget.progress = share

    settings = state.recompute(int(asked[0]), asked[1], int(asked[2]), tell)
    data = page_data(state, None)
    with widget.hold_sync():
        for name in ("places", "near", "shares", "shade", "spec"):
            setattr(widget, name, data[name])
        widget.chosen = asdict(settings)


def _number(message: dict[str, Any], name: str) -> float:
    """Return a number that was typed in. ValueError for anything else, and for an empty box."""
    try:
        return float(message[name])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{name} must be a number") from None


def _say_found(found: Found) -> str:
    return (
        f"“{found.text}”: the best picture has a cosine of {found.cosines[0]:.2f}, "
        f"{found.standing:.1f} standard deviations above the mean of all. A search returns pictures even if "
        f"none fits."
    )
