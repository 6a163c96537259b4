"""New maps of some pictures alone: their own nearest neighbors, laid out anew, and what is kept of these.

In a notebook Python computes them. An exported page does so itself, see js/umap.js, from the first principal
components of the vectors, which `reduced` packs for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.approximate import MANY, approximate_nearest
from phi3lib.embeddings.confidence import Estimate
from phi3lib.embeddings.knn import Neighbors, nearest
from phi3lib.embeddings.maps import Layout, Tell, map_neighbors, principal_components, sample_rows, umap_map
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.atlas.settings import Settings
from phi3lib.lab.atlas.trust import Shares, said_worth

LEAST = 4  # pictures of a map
MOST_IN_PAGE = 5_000  # pictures that a page lays out
COMPONENTS, STEPS = 64, 255  # numbers of each vector that a page has, and the steps of each
ASKED = 500  # pictures that are asked how many neighbors these numbers keep


@dataclass(frozen=True)
class SelectionMap:
    """Maps of some rows alone, by the names of the tables.

    rows: (n,), in ascending order. All else is in this order: the coordinates of `layouts`, and in `spaces`
    the neighbors among these rows, numbered from 0 to n − 1. notes: what is not exact, in words.
    """

    rows: NDArray[np.intp]
    settings: Settings
    k: int
    layouts: Mapping[str, Layout]
    spaces: Mapping[str, Neighbors]
    trust: Mapping[str, Estimate]
    notes: tuple[str, ...] = ()

    def kept(self, name: str) -> Shares:
        """Return for each of the rows the share of its k true neighbors among them that are near it: (n,)."""
        return self.layouts[name].kept(self.spaces[name], self.k)

    def kept_of_all(self, name: str, count: int) -> Shares:
        """Return the same for all of `count` pictures: (count,), NaN for those that are not on the map."""
        found = np.full(count, np.nan)
        found[self.rows] = self.kept(name)
        return found

    def sentence(self) -> str:
        """Return what these maps are and keep, in words."""
        near = "true neighbors among them"
        worth = "; ".join(
            f"{_called(name, self.layouts)}"
            f"{said_worth(self.trust[name], self.kept(name), self.k, len(self.rows), near)}"
            for name in self.layouts
        )
        return f"{len(self.rows)} pictures alone. {self.settings.sentence()}. {worth}."


def selection_map(
    tables: Mapping[str, EmbeddingTable],
    rows: Sequence[int],
    settings: Settings,
    most: int,
    tell: Tell | None = None,
) -> SelectionMap:
    """Return new maps by UMAP of these rows of all tables; at most `most` true neighbors are counted.

    Of few rows, n_neighbors is their number. tell: is called with the share that is done, also after each
    round of UMAP; what it raises ends the work. ValueError for fewer than four rows, and for parameters that
    do not fit.
    """
    chosen = np.unique(np.asarray(rows, dtype=np.intp))
    count, done, parts = len(chosen), 0, 3 * len(tables)
    if count < LEAST:
        raise ValueError(f"a map needs {LEAST} pictures at least; {count} are selected")
    settings = replace(settings, n_neighbors=min(settings.n_neighbors, count))
    k, spaces, layouts, trust, notes = min(most, count - 2), {}, {}, {}, []

    def tell_share(share: float) -> None:  # of the part that is being computed
        if tell is not None:
            tell((done + share) / parts)

    def end_part() -> None:
        nonlocal done
        done += 1
        tell_share(0)

    for name, table in tables.items():
        vectors = table.vectors[chosen]
        spaces[name], said = _neighbors(vectors, min(max(most, settings.n_neighbors - 1), count - 1))
        notes += [f"{_called(name, tables)}neighbors are {one}." for one in said]
        end_part()
        layouts[name] = umap_map(
            vectors,
            spaces[name],
            n_neighbors=settings.n_neighbors,
            min_dist=settings.min_dist,
            seed=settings.seed,
            tell=tell_share,
        )
        end_part()
        trust[name] = layouts[name].trustworthiness_estimate(vectors, min(k, (count - 1) // 2))
        end_part()
    return SelectionMap(chosen, settings, k, layouts, spaces, trust, tuple(notes))


def _called(name: str, among: Mapping[str, Any]) -> str:
    """Return a map's name with what follows it; nothing where there is no other."""
    return f"{name}: " if len(among) > 1 else ""


def _neighbors(vectors: NDArray[np.float32], k: int) -> tuple[Neighbors, list[str]]:
    """Return the k nearest of each, and how many of them were found, in words, where not all are."""
    if len(vectors) <= MANY:
        return nearest(vectors, k), []
    found = approximate_nearest(vectors, k)
    return found.neighbors, [found.sentence()]


def reduced(
    vectors: NDArray[np.float32], space: Neighbors, k: int, rows: NDArray[np.intp]
) -> tuple[dict[str, Any], bytes]:
    """Return the first principal components of these rows, one byte for each, row by row; and what they mean.

    low and high: what 0 and STEPS stand for; kept: the share of the k nearest neighbors of a picture, among
    all, that are also nearest by these numbers, the mean of a sample.
    """
    values, _ = principal_components(vectors, min(COMPONENTS, len(vectors) - 1, vectors.shape[1]))
    low, high = values.min(0), values.max(0)
    step = np.where(high > low, high - low, 1) / STEPS
    steps = np.round((values - low) / step).astype(np.uint8)
    asked = sample_rows(len(vectors), ASKED)
    shown = map_neighbors((low + steps * step).astype(np.float32), k, rows=asked).indices
    kept = Neighbors(space.indices[asked, :k], space.distances[asked, :k]).reached(shown).mean()
    about = {"low": low.round(6).tolist(), "high": high.round(6).tolist(), "kept": round(float(kept), 4)}
    return about, steps[rows].tobytes()
