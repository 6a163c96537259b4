"""What the explorer shows: maps of the same pictures for saved parameters, their trust, and a selection.

Plain state, without a widget; `live.py` puts it on the screen. The maps themselves are in `table_maps.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.knn import cosine_matrix
from phi3lib.embeddings.maps import Tell
from phi3lib.embeddings.search import top_k
from phi3lib.embeddings.table import EmbeddingTable, shown_recipe
from phi3lib.encoders import as_encoder
from phi3lib.lab.atlas.cache import SavedMaps
from phi3lib.lab.atlas.columns import all_columns, as_texts, codes_of, given_coordinates, label_column
from phi3lib.lab.atlas.selection_maps import SelectionMap, selection_map
from phi3lib.lab.atlas.selections import Selections, checked_rows
from phi3lib.lab.atlas.settings import Settings, checked
from phi3lib.lab.atlas.shown import Shown
from phi3lib.lab.atlas.table_maps import NewMaps, TableMaps
from phi3lib.lab.atlas.tables import require_directions, same_pictures, tables_by_name
from phi3lib.lab.atlas.trust import Shares, said_worth
from phi3lib.moved import old_names
from phi3lib.vision.inputs import as_texts as text_list
from phi3lib.vision.inputs import by_row, is_missing

MOST_POINTS = 200_000  # that are drawn one by one; beyond, a sample over a shade of all
NEAREST_WORD = "nearest word"  # the column of zero-shot words
UNNAMED = "map"  # the name of a table that came without one; no sentence holds it


@dataclass(frozen=True)
class SearchResult:
    """The result of a search: rows and cosines, the best first, and the table that was searched."""

    text: str
    rows: list[int]
    cosines: list[float]
    standing: float  # standard deviations of the best above the mean of all; no sign that anything fits
    through: str


class AtlasState(TableMaps):
    """Tables of the same pictures, their maps, a selection of rows, and what is shown and found.

    ValueError for fewer than four pictures, and for tables without a common picture.
    """

    def __init__(
        self,
        tables: EmbeddingTable | Mapping[str, EmbeddingTable],
        *,
        labels: Any = None,
        grid: Mapping[str, Sequence[Any]] | None = None,
        model: Any = None,
        saved: SavedMaps | None = None,
        layout: Any = None,
        names: Any = None,
        words: Sequence[str] = (),
    ) -> None:
        given = tables_by_name(tables, UNNAMED)
        common = same_pictures(given)
        require_directions(common)
        own = {} if layout is None else given_coordinates(layout, given, next(iter(common.values())).ids)
        named = not isinstance(tables, EmbeddingTable)
        super().__init__(common, named=named, grid=grid, saved=saved, own=own)
        self.model = model
        self._take_labels(labels, words)
        self.shown_names = self.ids
        if names is not None:
            shown = zip(self._rows_of(names, given, "names"), self.ids, strict=True)
            self.shown_names = tuple(one if is_missing(name) else str(name) for name, one in shown)
        self.selected: list[int] = []
        self.selections = Selections(len(self.ids))
        self.selection_map: SelectionMap | None = None
        self.shown: Shown = None  # in place of the maps of all pictures
        self.found: SearchResult | None = None

    def _take_labels(self, labels: Any, words: Sequence[str]) -> None:
        """Set columns and label: given ones, else a table's first, else the nearest of the words."""
        self.label_name, label = label_column(self.tables, labels)
        self.columns = all_columns(self.tables, self.label_name, label)
        if words:
            self.columns[NEAREST_WORD] = self._nearest_words(words)
            if label is None:
                self.label_name, label = NEAREST_WORD, self.columns[NEAREST_WORD]
        self.labels, self.kinds = as_texts(np.array(["picture"] * len(self.ids)) if label is None else label)

    def _nearest_words(self, words: Sequence[str]) -> NDArray[Any]:
        """For each picture the word whose vector is nearest to its own: zero-shot, (N,)."""
        through = self.search_table()
        if through is None:
            raise ValueError('words need model=load_clip() and a table of its "projected" vectors')
        asked = text_list(words, "words")
        vectors = np.concatenate([as_encoder(self.model).encode_texts(word).numpy() for word in asked])
        found = cosine_matrix(self.tables[through].vectors, vectors).argmax(1)
        return np.array(asked)[found]

    def _rows_of(self, values: Any, given: Mapping[str, EmbeddingTable], what: str) -> list[Any]:
        """Values for each row of the first table, cut to the pictures that all tables have."""
        first = next(iter(given.values()))
        value_of = dict(zip(first.ids, by_row(values, first.ids, what), strict=True))
        return [value_of[name] for name in self.ids]

    @cached_property
    def codes(self) -> NDArray[np.intp]:
        """For each picture the place of its label among `kinds`: (N,)."""
        return codes_of(self.labels, self.kinds)

    # ------------------------------------------------------------------------ what is shown

    def choose(self, settings: Settings, made: NewMaps) -> Settings:
        """Keep what was computed for settings; choose and show them."""
        self.shown = None
        return super().choose(settings, made)

    def map_of(
        self,
        rows: Iterable[int] | str,
        *,
        n_neighbors: int | None = None,
        min_dist: float | None = None,
        seed: int | None = None,
        tell: Tell | None = None,
    ) -> SelectionMap:
        """Compute new maps of these rows, or a named selection, alone; kept as `selection_map` and `shown`.

        Without parameters those of the chosen map are used, or umap-learn's. tell: is called with the share
        that is done. ValueError for rows and names that there are not, for fewer than four rows, and for
        invalid parameters.
        """
        compute = self.new_map(rows, n_neighbors=n_neighbors, min_dist=min_dist, seed=seed)
        return self.show_new(compute(tell))

    def show_new(self, made: SelectionMap) -> SelectionMap:
        """Keep new maps, as `selection_map` and `shown`, and return them."""
        self.selection_map = self.shown = made
        return made

    def new_map(
        self,
        rows: Iterable[int] | str,
        *,
        n_neighbors: int | None = None,
        min_dist: float | None = None,
        seed: int | None = None,
    ) -> Callable[[Tell | None], SelectionMap]:
        """Return what computes the maps of `map_of` and changes nothing here. ValueError likewise."""
        usual = self.chosen if self.chosen.method == "UMAP" else Settings()
        chosen = checked_rows(self.rows_named(rows) if isinstance(rows, str) else rows, len(self.ids))
        given = {"n_neighbors": n_neighbors, "min_dist": min_dist, "seed": seed}
        asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        settings = replace(usual, **asked)
        checked(settings, len(self.ids) if n_neighbors is None else max(len(chosen), 2))
        return partial(selection_map, self.tables, chosen, settings, self.k)

    def kept_shown(self, name: str) -> Shares:
        """Return the same of what is shown: (N,), NaN for pictures without a place there."""
        return self.kept(name) if self.shown is None else self.shown.kept_of_all(name, len(self.ids))

    def moved_shown(self) -> Shares:
        """Return the same of what is shown: (N,), NaN where that is no map of all pictures."""
        return self.moved() if self.shown is None else np.full(len(self.ids), np.nan)

    # ------------------------------------------------------------------------ selecting and finding

    def select(self, rows: Iterable[int] | str) -> None:
        """Take these rows, or those of a named selection, as the selection.

        ValueError for rows and names that there are not.
        """
        self.selected = checked_rows(self.rows_named(rows) if isinstance(rows, str) else rows, len(self.ids))

    def rows_named(self, name: str) -> list[int]:
        """Return the rows of a named selection. ValueError for a name that there is not."""
        if name not in self.selections:
            known = ", ".join(map(repr, self.selections)) or "none"
            raise ValueError(f"there is no selection {name!r}; there are: {known}")
        return self.selections[name]

    def selected_table(self) -> EmbeddingTable:
        """Return the selected rows of the first table, with every column that is known of them."""
        rows = np.asarray(self.selected, dtype=int)
        table = next(iter(self.tables.values())).select(rows)
        added = {name: values[rows] for name, values in self.columns.items()}
        if self.shown_names is not self.ids:
            added["name"] = np.array([self.shown_names[row] for row in rows], dtype=object)
        return table.with_labels(added)

    def search_table(self) -> str | None:
        """Return the name of the first table in the model's space of texts; None where there is none."""
        if self.model is None:
            return None
        encoder = as_encoder(self.model)
        shared = encoder.recipes.shared_with_text
        return next(
            (
                name
                for name, t in self.tables.items()
                if shared is not None
                and encoder.recipes[shared].made(t.recipe)
                and t.recipe.get("family") in (None, encoder.family)
            ),
            None,
        )

    def find(self, text: str, k: int = 8) -> SearchResult:
        """Return the pictures nearest to a text, through the table in its space; kept as `found`.

        ValueError without a model of texts or such a table; then nothing is found any more.
        """
        self.found = None
        self.found, _ = self.ranked(text, k)
        return self.found

    def ranked(self, text: str, k: int = 8) -> tuple[SearchResult, NDArray[np.float32]]:
        """Return what `find` returns, which is not kept, and the cosine of every row with the text: (N,)."""
        through = self.search_table()
        if through is None:
            raise ValueError('texts need model=load_clip() and a table of its "projected" vectors')
        if not text.strip():
            raise ValueError("the text is empty")
        asked = as_encoder(self.model).encode_texts(text).numpy()
        rows, cosines = top_k(asked, self.tables[through].vectors, len(self.ids))
        standing = float((cosines[0, 0] - cosines[0].mean()) / (cosines[0].std() or 1.0))
        row_cosines = np.empty(len(self.ids), dtype=np.float32)
        row_cosines[rows[0]] = cosines[0]
        found = SearchResult(text, rows[0, :k].tolist(), cosines[0, :k].tolist(), standing, through)
        return found, row_cosines

    def card(self) -> dict[str, Any]:
        """Return how the maps came about: recipes of the tables, parameters, versions."""
        known = [f"{self.prefix(name)}{said}" for name, said in self.recall.items()]
        return {
            "tables": {name: shown_recipe(table.recipe) for name, table in self.tables.items()},
            "map": asdict(self.chosen),
            "neighbors": f"{self.k} nearest by cosine, {'; '.join(known) or 'exact'}",
            "versions": {name: version(name) for name in ("phi3lib", "umap-learn", "numpy")},
        }

    def sentence(self) -> str:
        """Return the state in words."""
        worth = "; ".join(
            f"{self.prefix(name)}{said_worth(self.trust(name), self.kept(name), self.k, len(self.ids))}"
            for name in self.names
        )
        return f"{len(self.ids)} pictures. {self.chosen.sentence()}. {worth}. {len(self.selected)} selected."


__getattr__ = old_names(__name__, {"Found": "SearchResult"})  # changed in 0.2.0
