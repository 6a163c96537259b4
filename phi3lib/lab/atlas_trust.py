"""What maps are worth, picture by picture. Every number is computed once: a page asks for all of them again
whenever one map is added."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from phi3lib.vectors.maps import Layout, aligned, plane_neighbours, steadiness
from phi3lib.vectors.neighbours import unit_rows

Shares = NDArray[np.float64]
Made = TypeVar("Made")
MOST_RANKED = 2_000  # pictures whose ranks are kept: a matrix of 8 MB


class Known:
    """Results by key, each made when it is first asked for."""

    def __init__(self) -> None:
        self._results: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], Made]) -> Made:
        """The result under this key."""
        if key not in self._results:
            self._results[key] = make()
        made: Made = self._results[key]
        return made


class Ranks:
    """For each picture the rank of every other by cosine: what trustworthiness needs of a space.

    scikit-learn sorts the space anew for each map; here it is sorted once. On a sample of the pictures where
    there are more than `MOST_RANKED`.
    """

    def __init__(self, vectors: NDArray[np.float32], k: int) -> None:
        self.rows = sample_rows(len(vectors), MOST_RANKED)
        unit = unit_rows(vectors[self.rows])
        likeness = unit @ unit.T  # (n, n)
        np.fill_diagonal(likeness, -np.inf)
        order = np.argsort(-likeness, axis=1, kind="stable")
        self.ranks = np.empty(order.shape, np.int32)  # 1 for the nearest
        np.put_along_axis(self.ranks, order, np.arange(1, len(unit) + 1, dtype=np.int32)[None], axis=1)
        self.k = min(k, max((len(unit) - 1) // 2, 1))

    def trustworthiness(self, layout: Layout) -> float:
        """1 where every neighbour on the map is a true one, less the further off they are.

        Venna and Kaski 2001, as in scikit-learn.
        """
        count, k = len(self.rows), self.k
        near = plane_neighbours(layout.places[self.rows], k)
        beyond = np.take_along_axis(self.ranks, near, axis=1) - k
        penalty = int(beyond[beyond > 0].sum())
        return 1.0 - penalty * 2.0 / (count * k * (2 * count - 3 * k - 1))


def moved(first: Layout, second: Layout) -> Shares:
    """How far each picture stands apart on two maps, as a share of the first map's width: (N,).

    The second map is turned, mirrored and scaled onto the first (Procrustes).
    """
    laid = aligned(second, first).places
    width = float(np.ptp(first.places, axis=0).max()) or 1.0
    return np.linalg.norm(first.places - laid, axis=1) / width


def wobble(layouts: Sequence[Layout], k: int) -> Shares | None:
    """For each picture the share of map neighbours that change with the seed; None for one layout only."""
    return 1 - steadiness(layouts, k) if len(layouts) > 1 else None


def sample_rows(count: int, most: int) -> NDArray[np.intp]:
    """All rows, or `most` of them by chance, always the same ones, in their order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))
