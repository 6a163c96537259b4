"""What the explorer shows: maps of the same pictures for saved parameters, their trust, and a selection.

No widget inside; `atlas.py` puts it on the screen.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.compare import matched
from phi3lib.embeddings.confidence import Estimate
from phi3lib.embeddings.knn import nearest, share_in_common
from phi3lib.embeddings.labels import labels_of, shown
from phi3lib.embeddings.maps import Layout, pca_map, umap_map
from phi3lib.embeddings.search import top_k
from phi3lib.embeddings.table import EmbeddingTable, shown_recipe
from phi3lib.encoders import as_encoder
from phi3lib.lab.atlas.cache import SavedMaps
from phi3lib.lab.atlas.trust import Known, Shares, moved, said_trust, wobble

K = 10  # true neighbours that are shown and counted
MOST_POINTS = 20_000  # that are drawn one by one; beyond, a sample over a shade of all
SMALL = 1_000  # pictures up to which a whole grid of parameters is made ready
GRID = {"n_neighbors": (5, 15, 50), "min_dist": (0.0, 0.1, 0.8), "seed": (0, 1)}
SMALL_GRID = {"n_neighbors": (15,), "min_dist": (0.1,), "seed": (0, 1)}
WEAK = 2.5  # standard deviations of the best picture over all pictures

NO_LABEL = "none"


@dataclass(frozen=True)
class Settings:
    """What makes a map; PCA has no parameters and ignores them."""

    method: str = "UMAP"
    n_neighbors: int = 15
    min_dist: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """What a text found: rows and cosines, the best first, and by which table."""

    text: str
    rows: list[int]
    cosines: list[float]
    standing: float  # standard deviations of the best above the mean of all
    through: str

    @property
    def weak(self) -> bool:
        """Whether the best picture hardly stands out."""
        return self.standing < WEAK


class AtlasState:
    """Tables of the same pictures, their maps, a selection of rows.

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
    ) -> None:
        named = {"map": tables} if isinstance(tables, EmbeddingTable) else dict(tables)
        self.tables = _same_pictures(named)
        self.ids = next(iter(self.tables.values())).ids
        _require_directions(self.tables)
        self.label_name, self.labels, self.kinds = _labels(self.tables, labels)
        self.model = model
        self.saved = saved
        self.spaces = {
            name: nearest(table.vectors, min(max(K, 50), len(self.ids) - 1))
            for name, table in self.tables.items()
        }
        self.k = min(K, len(self.ids) - 2)
        self.settings = _usable(grid or (GRID if len(self.ids) <= SMALL else SMALL_GRID), len(self.ids))
        self.chosen = _most_usual(self.settings)
        self._layouts: dict[tuple[str, Settings], Layout] = {}
        self._known = Known()
        self.selected: list[int] = []
        self.found: Found | None = None

    @property
    def codes(self) -> NDArray[np.intp]:
        """For each picture the place of its label among `kinds`: (N,)."""
        code_of = {kind: code for code, kind in enumerate(self.kinds)}
        return np.array([code_of[str(text)] for text in self.labels])

    @property
    def names(self) -> list[str]:
        """The names of the maps."""
        return list(self.tables)

    def layout(self, name: str, settings: Settings | None = None) -> Layout:
        """A map, made when it is first asked for; maps of one seed start from each other."""
        settings = settings or self.chosen
        key = (name, settings)
        if key not in self._layouts:
            kept = self.saved.load(self.tables[name], settings) if self.saved else None
            self._layouts[key] = kept or self._new_layout(name, settings)
        return self._layouts[key]

    def _new_layout(self, name: str, settings: Settings) -> Layout:
        table = self.tables[name]
        if settings.method == "PCA":
            return pca_map(table.vectors)
        layout = umap_map(
            table.vectors,
            self.spaces[name],
            n_neighbors=settings.n_neighbors,
            min_dist=settings.min_dist,
            seed=settings.seed,
            start=self._kin(name, settings.seed) or "pca",
        )
        if self.saved:
            self.saved.save(table, settings, layout)
        return layout

    def _kin(self, name: str, seed: int) -> Layout | None:
        """A map that is there already, of the same space and seed: a start that saves most of the work."""
        kin = (
            layout
            for (of, settings), layout in self._layouts.items()
            if of == name and settings.method == "UMAP" and settings.seed == seed
        )
        return next(kin, None)

    def recompute(
        self, n_neighbors: int, min_dist: float, seed: int, tell: Callable[[float], None] | None = None
    ) -> Settings:
        """Maps for parameters that are not in the grid; they become the chosen ones. ValueError if unfit.

        tell: is called with the share that is done, after each map.
        """
        most = next(iter(self.spaces.values())).indices.shape[1] + 1
        if not 2 <= n_neighbors <= most:
            raise ValueError(f"n_neighbors is {n_neighbors}; for these pictures it may be 2 to {most}")
        if not 0 <= min_dist <= 1:
            raise ValueError(f"min_dist is {min_dist:g}; it may be 0 to 1")
        if not 0 <= seed < 2**32:
            raise ValueError(f"seed is {seed}; it may be 0 to {2**32 - 1}")
        settings = Settings("UMAP", n_neighbors, min_dist, seed)
        for done, name in enumerate(self.names, start=1):
            self.layout(name, settings)
            self.trustworthiness(name, settings)
            if tell is not None:
                tell(done / len(self.names))
        if settings not in self.settings:
            self.settings.append(settings)
        self.chosen = settings
        return settings

    # ------------------------------------------------------------------------ trust

    def kept(self, name: str, settings: Settings | None = None) -> Shares:
        """For each picture the share of its true neighbours that are near it on the map: (N,)."""
        settings = settings or self.chosen
        return self._known.once(
            ("kept", name, settings), lambda: self.layout(name, settings).kept(self.spaces[name], self.k)
        )

    @property
    def between(self) -> Shares:
        """For each picture the share of neighbours that the first two spaces have in common: (N,)."""
        first, second = (self.spaces[name].first(self.k) for name in self.names[:2])
        return self._known.once("between", lambda: share_in_common(first, second))

    def moved(self, settings: Settings | None = None) -> Shares:
        """How far each picture stands apart on the first two maps, as a share of their width: (N,)."""
        settings = settings or self.chosen
        first, second = (self.layout(name, settings) for name in self.names[:2])
        return self._known.once(("moved", settings), lambda: moved(first, second))

    def wobble(self, name: str, settings: Settings | None = None) -> Shares | None:
        """For each picture the share of map neighbours that change with the seed; None for one seed only."""
        settings = settings or self.chosen
        same = tuple(other for other in self.settings if _but_seed(other) == _but_seed(settings))
        return self._known.once(
            ("wobble", name, same), lambda: wobble([self.layout(name, one) for one in same], self.k)
        )

    def trustworthiness(self, name: str, settings: Settings | None = None) -> float:
        """Return that of the map, 0 to 1; see `trust`."""
        return self.trust(name, settings).value

    def trust(self, name: str, settings: Settings | None = None) -> Estimate:
        """Return the trustworthiness of the map with its interval.

        Of more than 2,000 pictures a sample is asked, as its `count` tells; ranks are among all pictures.
        """
        settings = settings or self.chosen
        k = min(self.k, (len(self.ids) - 1) // 2)
        return self._known.once(
            ("trust", name, settings),
            lambda: self.layout(name, settings).trustworthiness_estimate(self.tables[name].vectors, k),
        )

    # ------------------------------------------------------------------------ selecting and finding

    def select(self, rows: Sequence[int]) -> None:
        """Take these rows as the selection. ValueError for rows that there are not."""
        if any(not 0 <= row < len(self.ids) for row in rows):
            raise ValueError(f"rows are 0 to {len(self.ids) - 1}")
        self.selected = list(dict.fromkeys(int(row) for row in rows))

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

    def find(self, text: str, k: int = 8) -> Found:
        """Return the pictures nearest to a text, through the table in its space; kept as `found`.

        ValueError without a model of texts or such a table; then nothing is found any more.
        """
        self.found = None
        through = self.search_table()
        if through is None:
            raise ValueError('texts need model=load_clip() and a table of its "projected" vectors')
        if not text.strip():
            raise ValueError("the text is empty")
        asked = as_encoder(self.model).encode_texts(text).numpy()
        rows, cosines = top_k(asked, self.tables[through].vectors, len(self.ids))
        standing = float((cosines[0, 0] - cosines[0].mean()) / (cosines[0].std() or 1.0))
        self.found = Found(text, rows[0, :k].tolist(), cosines[0, :k].tolist(), standing, through)
        return self.found

    def card(self) -> dict[str, Any]:
        """How the maps came about: recipes of the tables, parameters, versions."""
        return {
            "tables": {name: shown_recipe(table.recipe) for name, table in self.tables.items()},
            "map": asdict(self.chosen),
            "neighbours": f"{self.k} nearest by cosine, exact",
            "versions": {name: version(name) for name in ("phi3lib", "umap-learn", "numpy")},
        }

    def sentence(self) -> str:
        """The state in words."""
        chosen = self.chosen
        how = (
            "PCA"
            if chosen.method == "PCA"
            else f"UMAP, n_neighbors {chosen.n_neighbors}, min_dist {chosen.min_dist:g}, seed {chosen.seed}"
        )
        worth = "; ".join(
            f"{name}: {said_trust(self.trust(name), len(self.ids))}, "
            f"{self.kept(name).mean():.0%} of {self.k} true neighbours kept"
            for name in self.names
        )
        return f"{len(self.ids)} pictures. {how}. {worth}. {len(self.selected)} selected."


def _same_pictures(tables: dict[str, EmbeddingTable]) -> dict[str, EmbeddingTable]:
    if not tables:
        raise ValueError("there is no table to show")
    common = next(iter(tables.values()))
    for table in tables.values():
        if len(table) < 4:
            raise ValueError(f"a map needs four pictures at least; there are {len(table)}")
        common, _ = matched(common, table)
    if len(common) < 4:
        raise ValueError(f"a map needs four pictures at least; the tables have {len(common)} in common")
    return {name: matched(common, table)[1] for name, table in tables.items()}


def _require_directions(tables: Mapping[str, EmbeddingTable]) -> None:
    for name, table in tables.items():
        zero = np.flatnonzero(~table.vectors.any(1))
        if len(zero):
            raise ValueError(f"the vector of {table.ids[zero[0]]!r} in {name!r} is zero: it has no direction")


def _labels(tables: Mapping[str, EmbeddingTable], labels: Any) -> tuple[str, NDArray[np.object_], list[str]]:
    """(name, one text for each picture, the texts in order); without any label all are the same."""
    first = next(iter(tables.values()))
    if isinstance(labels, str):
        for table in tables.values():
            if labels in table.labels:
                return labels, *_as_texts(table.labels[labels])
        raise ValueError(f"no table has the label {labels!r}; there are: {', '.join(first.labels) or 'none'}")
    if labels is not None:
        if hasattr(labels, "__len__") and not isinstance(labels, Mapping) and len(labels) != len(first):
            raise ValueError(
                f"{len(labels)} labels for {len(first)} pictures: give one for each, in their order"
            )
        return "label", *_as_texts(labels_of({"label": labels}, first.ids)["label"])
    if first.labels:
        name = next(iter(first.labels))
        return name, *_as_texts(first.labels[name])
    return "", *_as_texts(np.array(["picture"] * len(first)))


def _as_texts(column: NDArray[Any]) -> tuple[NDArray[np.object_], list[str]]:
    """Labels as texts, and each text once: numbers by size, all else by name, what is missing last."""
    texts = [NO_LABEL if text is None else text for text in shown(column)]
    value_of = dict(zip(texts, column.tolist(), strict=True))
    missing = [NO_LABEL] if NO_LABEL in texts else []
    value_of.pop(NO_LABEL, None)
    is_number = column.dtype.kind in "biuf"
    kinds = sorted(value_of, key=value_of.__getitem__ if is_number else _natural)
    return np.array(texts, dtype=object), kinds + missing  # arrays of str lose a NUL at the end


def _natural(text: str) -> list[tuple[str, int, str]]:
    """A key that puts "group 9" before "group 10", with numbers of any length."""
    parts = re.findall(r"([^0-9]*)0*([0-9]*)", text)
    return [(words, len(number), number) for words, number in parts]


def _usable(grid: Mapping[str, Sequence[Any]], count: int) -> list[Settings]:
    """PCA, and UMAP for all combinations that so many pictures allow; none for an empty list."""
    fitting = sorted({min(n, max(count - 1, 2)) for n in grid["n_neighbors"]})
    return [Settings("PCA")] + [
        Settings("UMAP", neighbours, distance, seed)
        for seed in grid["seed"]
        for neighbours in fitting
        for distance in grid["min_dist"]
    ]


def _most_usual(settings: list[Settings]) -> Settings:
    """What umap-learn does when it is told nothing, or what comes nearest to it."""
    usual = Settings()
    return min(
        [one for one in settings if one.method == "UMAP"] or settings,
        key=lambda one: (
            one.seed,
            abs(one.n_neighbors - usual.n_neighbors),
            abs(one.min_dist - usual.min_dist),
        ),
    )


def _but_seed(settings: Settings) -> tuple[str, int, float]:
    return settings.method, settings.n_neighbors, settings.min_dist
