"""The explorer: linked maps with their pictures, selection into Python, trust, and an export to one file.

atlas = Atlas({"CLIP": table_a, "Phi-3": table_b}, pictures=pictures, labels="kind", model=load_clip())
atlas                       # as the last line of a cell
atlas.selected.to_pandas()  # what was clicked or drawn around
atlas.to_html("atlas.html")
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets
from matplotlib.patches import Circle
from PIL.PngImagePlugin import PngInfo

from phi3lib.embeddings.files import replacing
from phi3lib.embeddings.row_pictures import pictures_of_rows
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.atlas import stages
from phi3lib.lab.atlas.cache import SavedMaps
from phi3lib.lab.atlas.fields import fields_of
from phi3lib.lab.atlas.live import make_atlas, show_all, show_map_of, show_settings, standing
from phi3lib.lab.atlas.page import whole_page
from phi3lib.lab.atlas.page_data import add_new_maps, drawn_rows, has_thumbnails, linked_files, page_data
from phi3lib.lab.atlas.selection_maps import SelectionMap
from phi3lib.lab.atlas.selections import Selections
from phi3lib.lab.atlas.settings import LARGE, Settings
from phi3lib.lab.atlas.sql import answered, rows_named
from phi3lib.lab.atlas.stages import NEIGHBORS, Stage
from phi3lib.lab.atlas.state import UNNAMED, AtlasState, SearchResult
from phi3lib.lab.atlas.tables import tables_by_name
from phi3lib.lab.atlas.thumbnails import Thumbnails
from phi3lib.lab.atlas.trust import said_trust
from phi3lib.lab.atlas.where import rows_where
from phi3lib.lab.figures import palette, plots
from phi3lib.lab.figures.shown_text import readable
from phi3lib.lab.widgets.base import Instrument
from phi3lib.lab.widgets.without_kernel.form import WholePage
from phi3lib.loading.log import tell
from phi3lib.vision.inputs import as_path

if TYPE_CHECKING:
    import pandas as pd

PNG_DPI = 200
MOST_NAMED = 24  # kinds that the legend of a still picture names


class Atlas(Instrument):
    """One map, or several maps of the same pictures side by side, with everything linked.

    tables: a table, or tables by name; pictures that not all of them have are left out. pictures: one for
    each row of the first table, pictures or files, by position (a pandas Series or a data set, too); or a
    mapping from ids; or the folder that the table was made from; None: without thumbnails. labels: the name
    of a label, or one value for each row, by position or as a mapping from ids; None: the table's first
    label. Every label of the tables can color the maps. names: one name to show for each row, likewise; None:
    the ids. grid: the parameters that are made ready, as {"n_neighbors": …, "min_dist": …, "seed": …}.
    layout: your own coordinates, (N, 2), for the rows of the first table, by position or as a mapping from
    ids, or such for each table by its name; without `grid`, no other map is made. model: a CLIP, for queries
    in words, and for `words`: each picture is given the nearest of them, zero-shot, as a column, which colors
    and names the map if there is no label. saved: a folder that keeps the maps: what was computed once is
    there at once the next time.

    On a map, the wheel, two fingers, a double click and + and − zoom; 0 shows the whole map; the right mouse
    button, the space bar or Shift with arrows move it. Arrows go to the neighbor in that direction, N and P
    to the next and the previous picture in view; Enter selects and opens, Shift+Enter adds or takes away,
    Control+Z goes back, Escape clears. A chart for each column, beside the map, limits what is shown to
    values or to a range. "Own axes" places the pictures by two columns of numbers or dates, by cosines with
    the `queries` of a page, or by principal components of the vectors. "Map these anew" lays out the selected
    pictures alone, as `map_of` does. ValueError for what does not fit together.

    An Atlas is an ipywidget: it goes into boxes and tabs. `rows`, the numbers of the selected rows, can be
    observed, linked and set. `selections` has rows by name, those saved on the page and those set here:

        atlas.selections["indoors"] = atlas.rows
        atlas.select("indoors")
        atlas.select(set(atlas.selections["indoors"]) & set(atlas.selections["dogs"]))
    """

    rows: Any = traitlets.List()
    selections: Any = traitlets.Any()

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
        progress: bool = True,
    ) -> None:
        super().__init__()
        first = next(iter(tables_by_name(tables, UNNAMED).values()))
        shown = None if pictures is None else pictures_of_rows(pictures, first)
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
        self.title, self.progress = title, progress
        self.pictures = None
        if shown is not None:
            row_of = {name: row for row, name in enumerate(first.ids)}
            self.pictures = [shown[row_of[name]] for name in self.state.ids]
        self.thumbnails = None if self.pictures is None else Thumbnails(self.pictures)
        self._widget: Any = None
        self.selections = self.state.selections
        self.selections.told = self._tell_selections
        self._observers: list[Callable[[EmbeddingTable], None]] = []

    @property
    def selected(self) -> EmbeddingTable:
        """The selected rows of the first table, with every label, given ones too; see `to_pandas`."""
        return self.state.selected_table()

    def select(
        self, rows: "Iterable[int] | str | pd.DataFrame | None" = None, *, where: str | None = None
    ) -> None:
        """Select these rows, as a click or a lasso does; or those of a named selection; or by a condition.

        rows: numbers of rows, one truth value for each row, a name, or a frame whose column `row` or `id`
        names the pictures; see `sql`.

        where: such as `kind = 'cat' and width > 200` or `taken between '2024-01-01' and '2024-03-31' or name
        like 'IMG%'`, over all columns of the table under the maps; see `phi3lib.lab.atlas.where`. ValueError
        for rows and names that there are not, and for a condition that is not understood, with the position.
        """
        self.state.select(self._rows(rows, where))
        self._tell_selection()

    def _rows(
        self,
        rows: "Iterable[int] | str | pd.DataFrame | None",
        where: str | None,
        otherwise: list[int] | None = None,
    ) -> Any:
        """Return rows, or a name of them, as the state takes them; otherwise: those where none are given."""
        if rows is None and where is None:
            rows = otherwise
        if (rows is None) == (where is None):
            raise ValueError("give rows, or the name of a selection, or where=; one of them")
        if where is not None:
            return rows_where(where, fields_of(self.state), len(self.state.ids)).tolist()
        return rows_named(rows, self.state.ids) if hasattr(rows, "columns") else rows

    def map_of(
        self,
        rows: "Iterable[int] | str | pd.DataFrame | None" = None,
        *,
        where: str | None = None,
        n_neighbors: int | None = None,
        min_dist: float | None = None,
        seed: int | None = None,
    ) -> SelectionMap:
        """Lay out these pictures alone, by their own nearest neighbors, show that map, and return it.

        rows, where: as `select` takes them; without both, the selection. Without parameters, those of the map
        that is shown are used. The result has the coordinates, and what they keep of the neighbors among
        these pictures. "Back to all" on the page, or `back_to_all`, shows the map of all pictures again;
        until then, "neighbors kept" in conditions and queries is about the new map.

            atlas.map_of(where="kind = 'dog'", seed=1).sentence()

        ValueError as `select` and for fewer than four pictures, or parameters that do not fit them.
        """
        chosen = self._rows(rows, where, otherwise=self.state.selected)
        parameters: dict[str, Any] = {"n_neighbors": n_neighbors, "min_dist": min_dist, "seed": seed}
        if self._widget is None:
            return self.state.map_of(chosen, **parameters)
        return show_map_of(self.state, self._widget, chosen, **parameters)

    def back_to_all(self) -> None:
        """Show the map of all pictures again, after `map_of`, "Map these anew" or own axes."""
        self.state.shown = None
        if self._widget is not None:
            show_all(self.state, self._widget)

    def sql(self, query: str) -> "pd.DataFrame":
        """Return the answer to a query in SQL over the table `pictures`, such as sums for groups.

        SELECT kind, count(*), avg(width) FROM pictures GROUP BY kind

        The table has all columns of the table under the maps and `row`, the number of a row. "neighbors kept"
        is about the map that is shown: the chosen one, a new one of some pictures, or own axes. An answer
        with the column `row` or `id` can be selected, as in

            atlas.select(atlas.sql("SELECT id FROM pictures ORDER BY width DESC LIMIT 10"))

        SQLite answers, see `phi3lib.lab.atlas.sql`. ValueError for what it does not understand, for a query
        that does more than read, and for one that takes more than ten seconds.
        """
        return answered(query, fields_of(self.state), len(self.state.ids))

    def _tell_selection(self) -> None:
        self.rows = list(self.state.selected)
        if self._widget is not None:
            self._widget.selected = self.state.selected

    @traitlets.validate("rows")
    def _valid_rows(self, proposal: Any) -> list[int]:
        self.state.select(proposal["value"])
        return list(self.state.selected)

    @traitlets.validate("selections")
    def _valid_selections(self, proposal: Any) -> Selections:
        if proposal["value"] is not self.state.selections:
            self.state.selections.replace(proposal["value"])
        return self.state.selections

    def _tell_selections(self) -> None:
        if self._widget is not None:
            self._widget.selections = self.state.selections.pairs()
        now = self.state.selections
        self.notify_change({"name": "selections", "old": now, "new": now, "owner": self, "type": "change"})

    @traitlets.observe("rows")
    def _take_rows(self, _: Any) -> None:
        self._tell_selection()

    def on_select(self, observer: Callable[[EmbeddingTable], None]) -> None:
        """Call `observer` with the selected rows, once after each gesture on the page."""
        self._observers.append(observer)

    def estimate(self) -> str:
        """Return how long all maps that are asked for and thumbnails will take, by parts, in words."""
        return stages.said(
            self._stages([*self.state.settings, *self.state.waiting], shown=True), len(self.state.ids)
        )

    def prepare(self) -> None:
        """Compute all maps of the grid; those of many pictures are not computed before they are asked for."""
        self.state.offer_all()
        self._compute(self.state.settings)
        if self._widget is not None:
            show_settings(self.state, self._widget)

    def _compute(self, settings: Sequence[Settings], *, shown: bool = False) -> None:
        """Compute what these maps need, of many pictures with an estimate and a bar; see `_stages`."""
        missing = self._stages(settings, shown=shown) if len(self.state.ids) >= LARGE else []
        if missing:
            tell(stages.said(missing, len(self.state.ids)))
            stages.compute(missing, len(self.state.ids), progress=self.progress)

    def _stages(self, settings: Sequence[Settings], *, shown: bool) -> list[Stage]:
        """Return what is still to be computed for these maps; shown: and for a page with them."""
        found, rows = self.state.stages(settings), drawn_rows(self.state)
        thumbnails = self.thumbnails
        if not shown or thumbnails is None or not has_thumbnails(rows) or thumbnails.are_read(rows):
            return found
        one = Stage("thumbnails", partial(thumbnails.of, rows), thumbnails.seconds(rows), beside=True)
        first = sum(stage.words == NEIGHBORS for stage in found)  # these use all cores
        return [*found[:first], one, *found[first:]]

    def still(self) -> plots.Still:
        """Return the maps as they stand, as a picture."""
        self._compute([self.state.chosen])
        return plots.still(self._figure(), alt=f"{self.title}. {self.state.sentence()}")

    def _figure(self) -> Any:
        state = self.state
        fig, axes = plots.figure(1, len(state.names), height=4.0, squeeze=False)
        for ax, name in zip(axes[0], state.names, strict=True):
            coordinates = state.layout(name).coordinates
            title = f"{state.prefix(name, ' · ')}{said_trust(state.trust(name), len(state.ids))}"
            plots.map_axes(ax, coordinates, state.codes if state.label_name else None, title, size=10)
            if state.selected:
                chosen = coordinates[state.selected]
                ax.scatter(*chosen.T, s=50, facecolors="none", edgecolors=plots.HERE, linewidths=1.6)
            if state.found is not None:
                _draw_star(ax, coordinates, state.found)
        handles, names = axes[0][0].get_legend_handles_labels()
        if 0 < len(names) <= MOST_NAMED:
            kinds = [state.kinds[int(code)] for code in names]
            fig.legend(handles, kinds, loc="outside lower center", ncols=6, fontsize=7)
        return fig

    def live(self) -> Any:
        """Return the widget; it is made once, so that all its views show the same selection."""
        if self._widget is None:
            if len(self.state.ids) >= LARGE:
                self.state.postpone()
            self._compute(self.state.settings, shown=True)
            self._widget = make_atlas(self)
            if self.state.waiting:
                tell(f"{len(self.state.waiting)} further maps are computed by .prepare() of the Atlas")
        return self._widget

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        queries: Sequence[str] = (),
        sql: bool = False,
        selection_maps: bool = False,
    ) -> Path:
        """Write one HTML file with links, hover and keyboard that loads nothing else; return its path.

        queries: texts by which the page can rank all pictures. Their cosines are computed now, with `model`:
        the page itself holds no model and cannot embed what a reader types. sql: the page answers queries in
        SQL, as `sql` does; it then holds SQLite, about 0.55 MB, and its content policy allows WebAssembly.
        selection_maps: the page lays out what is selected anew, as `map_of` does, at most 5,000 pictures at a
        time. It then holds the first 64 principal components of the vectors, in steps of a byte, about 75 kB
        for 1,000 pictures, and states how many of the true neighbors these keep.

        Of 20,000 pictures with one map, the page has about 1 MB without thumbnails; these follow, in parts
        that a browser decodes when a picture of them is looked at: about 1.7 MB for 2,000 photographs, 8 MB
        for 20,000, none above 30,000. Pictures that are files in the folder of the page or below are linked,
        so that they can be opened. The file is replaced as a whole: if the writing is interrupted, an older
        one stays as it was.
        """
        with replacing(path) as temporary:
            page = self._page(as_path(path).parent, queries, sql=sql, selection_maps=selection_maps)
            temporary.write_text(page, encoding="utf-8")
        return as_path(path)

    def _page(
        self,
        folder: Path | None,
        queries: Sequence[str] = (),
        *,
        sql: bool = False,
        selection_maps: bool = False,
    ) -> str:
        """Return the page; pictures in `folder`, where it will be, are linked."""
        self.state.offer_all()
        self._compute(self.state.settings, shown=True)
        data = page_data(self.state, self.thumbnails, compact=True, queries=queries) | standing(self.state)
        if selection_maps:
            add_new_maps(data, self.state)
        if folder is not None:
            data["files"] = linked_files(self.pictures, data["spec"]["rows"], folder)
        return whole_page(data, self.title, sql=sql, selection_maps=selection_maps)

    def without_kernel(self) -> WholePage:
        """Return the page that `to_html` writes."""
        limits = "Searching with words, other parameters and handing a selection to Python need a kernel."
        return WholePage(self.title, self._page(None), limits)

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


def _draw_star(ax: Any, coordinates: Any, found: SearchResult) -> None:
    """Draw a star at the mean place of a text's nearest pictures, and a ring for their spread."""
    weights = np.maximum(found.cosines, 0.001)
    there = coordinates[found.rows]
    middle = np.average(there, axis=0, weights=weights)
    spread = float(np.sqrt(np.average(((there - middle) ** 2).sum(1), weights=weights)))
    ax.add_patch(Circle(tuple(middle), spread, fill=False, color=palette.INK, linewidth=1.2))
    ax.scatter(*middle, s=160, marker="*", color=palette.FOUND, edgecolors="black", zorder=3)
