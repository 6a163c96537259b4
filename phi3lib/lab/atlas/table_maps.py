"""The maps of tables of the same pictures: computed for settings, kept, and how faithful they are.

Plain numbers; `state.py` adds what is known of the pictures, and what is selected, shown and found.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.approximate import MANY, approximate_nearest
from phi3lib.embeddings.confidence import Estimate
from phi3lib.embeddings.knn import Neighbors, nearest, share_in_common
from phi3lib.embeddings.layouts import Coordinates, Layout
from phi3lib.embeddings.maps import Tell, of_components, part_of, principal_components, umap_map
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.embeddings.umap_kernels import compiling
from phi3lib.lab.atlas.cache import SavedMaps
from phi3lib.lab.atlas.settings import GIVEN, Settings, checked, most_usual, usable, usual_grid
from phi3lib.lab.atlas.stages import NEIGHBORS, Costs, Stage
from phi3lib.lab.atlas.trust import Known, Shares, moved, wobble

FEWER = 20  # neighbors that are found of more pictures than have exact ones
COMPONENTS = 8  # principal components that the page can place pictures by
K = 10  # true neighbors that are shown and counted

NewMaps = dict[str, tuple[Layout, Estimate]]  # of each table a map and its trustworthiness


class TableMaps:
    """Maps of tables of the same pictures, for settings of which one is chosen.

    named: whether the tables came with names. own: given coordinates for each table, or {}.
    """

    def __init__(
        self,
        tables: dict[str, EmbeddingTable],
        *,
        named: bool,
        grid: Mapping[str, Sequence[Any]] | None,
        saved: SavedMaps | None,
        own: Mapping[str, Coordinates],
    ) -> None:
        self.tables, self.named, self.saved = tables, named, saved
        self.ids = next(iter(tables.values())).ids
        self.k = min(K, len(self.ids) - 2)
        self._given = {name: Layout(coordinates, {"method": GIVEN}) for name, coordinates in own.items()}
        self.settings = self._offered(grid)
        self.waiting: list[Settings] = []
        self.chosen = self.settings[0] if self._given else most_usual(self.settings)
        self._layouts: dict[tuple[str, Settings], Layout] = {}
        self._known = Known()
        self.recall: dict[str, str] = {}

    def _offered(self, grid: Mapping[str, Sequence[Any]] | None) -> list[Settings]:
        """Return the settings that are computed first; with given coordinates, further maps on request."""
        if self._given:
            return [Settings(GIVEN), *(usable(grid, len(self.ids)) if grid else [])]
        return usable(grid or usual_grid(len(self.ids)), len(self.ids))

    @property
    def names(self) -> list[str]:
        """The names of the maps."""
        return list(self.tables)

    def prefix(self, name: str, between: str = ": ") -> str:
        """Return a map's name with what follows it; nothing for a table that came without a name."""
        return f"{name}{between}" if self.named else ""

    @cached_property
    def spaces(self) -> dict[str, Neighbors]:
        """The true neighbors of each picture in each table, computed when they are first asked for.

        Of very many pictures most of them: `recall` tells how many.
        """
        if len(self.ids) > MANY:
            found = {name: approximate_nearest(t.vectors, FEWER) for name, t in self.tables.items()}
            self.recall = {name: one.sentence() for name, one in found.items()}
            return {name: one.neighbors for name, one in found.items()}
        most = min(max(K, 50), len(self.ids) - 1)
        makes_maps = any(one.method == "UMAP" for one in self.settings)
        with compiling() if makes_maps else nullcontext():
            return {name: nearest(table.vectors, most) for name, table in self.tables.items()}

    def layout(self, name: str, settings: Settings | None = None) -> Layout:
        """Return a map, computed on first use; maps of one seed start from each other."""
        settings = settings or self.chosen
        key = (name, settings)
        if key not in self._layouts:
            self._layouts[key] = self._kept(name, settings) or self._new_layout(name, settings)
        return self._layouts[key]

    def _kept(self, name: str, settings: Settings) -> Layout | None:
        return self.saved.load(self.tables[name], settings) if self.saved else None

    def _new_layout(self, name: str, settings: Settings) -> Layout:
        if settings.method == GIVEN:
            return self._given[name]
        if settings.method == "PCA":
            return of_components(*self.components(name))
        return self._by_umap(name, settings, self._kin(name, settings.seed))

    def _by_umap(self, name: str, settings: Settings, kin: Layout | None, tell: Tell | None = None) -> Layout:
        table = self.tables[name]
        layout = umap_map(
            table.vectors,
            self.spaces[name],
            n_neighbors=settings.n_neighbors,
            min_dist=settings.min_dist,
            seed=settings.seed,
            start=kin or "pca",
            tell=tell,
        )
        if self.saved:
            self.saved.save(table, settings, layout)
        return layout

    def _kin(self, name: str, seed: int) -> Layout | None:
        """Return a computed map of the same space and seed, a start that saves most of the work."""
        kin = (
            layout
            for (map_name, settings), layout in self._layouts.items()
            if map_name == name and settings.method == "UMAP" and settings.seed == seed
        )
        return next(kin, None)

    def stages(self, settings: Sequence[Settings]) -> list[Stage]:
        """Return what is still to be computed for these maps; each result is kept.

        Maps by UMAP come first: they use one core, which leaves another one for what is computed beside them.
        """
        costs = {name: Costs(len(self.ids), table.vectors.shape[1]) for name, table in self.tables.items()}
        found: list[Stage] = []
        if "spaces" not in self.__dict__:
            seconds = sum(one.neighbors() for one in costs.values())
            found.append(Stage(NEIGHBORS, lambda: self.spaces, seconds))
        for one in sorted(settings, key=lambda one: one.method != "UMAP"):
            for name in self.names:
                if (name, one) not in self._layouts:
                    make, know = partial(self.layout, name, one), partial(self.trust, name, one)
                    found.append(Stage(f"map: {one.sentence()}", make, costs[name].layout(one)))
                    found.append(Stage("trust in it", know, costs[name].trust(self.k)))
        return found

    def steps(self, settings: Sequence[Settings]) -> list[tuple[str, Callable[[], Any]]]:
        """Return `stages` as (words, function)."""
        return [(stage.words, stage.compute) for stage in self.stages(settings)]

    def postpone(self) -> None:
        """Offer only the map that is chosen, and those without parameters; the others are `waiting`."""
        ready = [one for one in self.settings if one.method != "UMAP" or one == self.chosen]
        self.waiting += [one for one in self.settings if one not in ready]
        self.settings = ready

    def offer_all(self) -> None:
        """Offer the postponed maps, too."""
        self.settings, self.waiting = [*self.settings, *self.waiting], []

    def recompute(self, n_neighbors: int, min_dist: float, seed: int, tell: Tell | None = None) -> Settings:
        """Compute maps for parameters outside the grid, and choose them. ValueError if they are invalid.

        tell: is called with the share that is done; what it raises ends the work.
        """
        settings, compute = self.new_maps(n_neighbors, min_dist, seed)
        return self.choose(settings, compute(tell))

    def new_maps(
        self, n_neighbors: int, min_dist: float, seed: int
    ) -> tuple[Settings, Callable[[Tell | None], NewMaps]]:
        """Return settings, and what computes their maps for `choose`; it may run in a thread.

        ValueError for invalid parameters.
        """
        most = next(iter(self.spaces.values())).indices.shape[1] + 1
        settings = checked(Settings("UMAP", n_neighbors, min_dist, seed), most)
        missing = [name for name in self.names if (name, settings) not in self._layouts]
        kin = {name: self._kin(name, seed) for name in missing}

        def compute(tell: Tell | None) -> NewMaps:
            made = {}
            for number, name in enumerate(missing):
                tell_part = part_of(tell, number / len(missing), (number + 1) / len(missing))
                layout = self._kept(name, settings) or self._by_umap(name, settings, kin[name], tell_part)
                made[name] = layout, self._trust_of(name, layout)
                if tell_part is not None:
                    tell_part(1)
            return made

        return settings, compute

    def choose(self, settings: Settings, made: NewMaps) -> Settings:
        """Keep what was computed for settings, and choose them."""
        for name, (layout, trust) in made.items():
            self._layouts[name, settings] = layout
            self._known.keep(("trust", name, settings), trust)
        if settings not in self.settings:
            self.settings.append(settings)
        self.waiting = [one for one in self.waiting if one != settings]
        self.chosen = settings
        return settings

    # ------------------------------------------------------------------------ trust

    def kept(self, name: str, settings: Settings | None = None) -> Shares:
        """Return for each picture the share of its true neighbors that are near it on the map: (N,)."""
        settings = settings or self.chosen
        return self._known.once(
            ("kept", name, settings), lambda: self.layout(name, settings).kept(self.spaces[name], self.k)
        )

    def components(self, name: str) -> tuple[NDArray[np.float64], list[float]]:
        """Return the first principal components of a table, (N, components), and their shares of variance.

        There are as many of every table.
        """
        most = min(COMPONENTS, len(self.ids) - 1, *(t.vectors.shape[1] for t in self.tables.values()))
        return self._known.once(
            ("components", name), lambda: principal_components(self.tables[name].vectors, most)
        )

    @property
    def between(self) -> Shares:
        """For each picture the share of neighbors that the first two spaces have in common: (N,)."""
        first, second = (self.spaces[name].first(self.k) for name in self.names[:2])
        return self._known.once("between", lambda: share_in_common(first, second))

    def moved(self, settings: Settings | None = None) -> Shares:
        """Return how far each picture stands apart on the first two maps, as a share of their width: (N,)."""
        settings = settings or self.chosen
        first, second = (self.layout(name, settings) for name in self.names[:2])
        return self._known.once(("moved", settings), lambda: moved(first, second))

    def wobble(self, name: str, settings: Settings | None = None) -> Shares | None:
        """Return for each picture the share of map neighbors that change with the seed; None for one."""
        settings = settings or self.chosen
        same = tuple(other for other in self.settings if other.but_seed() == settings.but_seed())
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
        return self._known.once(
            ("trust", name, settings), lambda: self._trust_of(name, self.layout(name, settings))
        )

    def _trust_of(self, name: str, layout: Layout) -> Estimate:
        k = min(self.k, (len(self.ids) - 1) // 2)
        return layout.trustworthiness_estimate(self.tables[name].vectors, k)
