"""Maps as coordinates: how faithful they are to the space, how steady, and one turned onto another.

layout = umap_map(table.vectors, space)  # see phi3lib.embeddings.maps
layout.kept(space), layout.trustworthiness(table.vectors), stability([layout, other])
"""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.embeddings.knn import (
    BLOCK,
    MANY,
    TIE,
    Neighbors,
    exact_unit_rows,
    share_in_common,
    share_reached,
)
from phi3lib.embeddings.run_time import on_all_cores
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.moved import old_attribute, old_keyword
from phi3lib.vision.inputs import as_seed, as_whole

Coordinates = NDArray[np.float32]
RANKED = 2**25  # cosines in memory at a time: 256 MB
MOST_ASKED = 2_000  # items whose ranks among all give the trustworthiness of a large map: a second or two


@old_keyword("places", "coordinates")
@dataclass(frozen=True)
class Layout:
    """Coordinates in the plane (N, 2), with the method and the parameters that made them."""

    coordinates: Coordinates
    parameters: dict[str, Any]

    places = old_attribute("places", "coordinates")  # changed in 0.2.0

    def kept(self, space: Neighbors, k: int = 10) -> NDArray[np.float64]:
        """Return for each item the share of its k true nearest that are among its k nearest on the map: (N,).

        Ties count as kept: a neighbor on the map that is as near in the space as the k-th true one is a true
        one, so of several copies of one picture it does not matter which are shown.
        """
        return share_reached(space.first(k), map_neighbors(self.coordinates, k))

    def kept_estimate(self, space: Neighbors, k: int = 10) -> Estimate:
        """Return the mean of `kept`, with its interval; chance is k / (N − 1)."""
        return of_mean(self.kept(space, k), k / (len(self.coordinates) - 1))

    def trustworthiness(self, vectors: ArrayLike, k: int = 10) -> float:
        """Return 1 if all neighbors on the map are true ones, less the further off in the space they are.

        Venna and Kaski 2001, as in scikit-learn, by cosine, in blocks; of equally near items each has the
        better rank. ValueError where k is half of the items or more, or vectors do not fit.
        """
        return float(self.trust(vectors, k).mean())

    def trustworthiness_estimate(
        self, vectors: ArrayLike, k: int = 10, *, most: int = MOST_ASKED, seed: int = 0
    ) -> Estimate:
        """Return the trustworthiness with its interval, from at most `most` items.

        Of more items a sample is used; `count` is its size. Neighbors and ranks are those among all items, so
        the value estimates the trustworthiness of the whole map. ValueError as above.
        """
        rows, seed = sample_rows(len(self.coordinates), as_whole(most, "most", 1)), as_seed(seed)
        return of_mean(self.trust(vectors, k, rows=rows), seed=seed)

    def trust(
        self, vectors: ArrayLike, k: int = 10, *, rows: NDArray[np.intp] | None = None
    ) -> NDArray[np.float64]:
        """Return each item's part in the trustworthiness, whose mean over all items it is: (rows,).

        rows: the items to ask about, all by default; ranks are among all items. ValueError as above.
        """
        unit, count, k = exact_unit_rows(vectors), len(self.coordinates), as_whole(k, "k")
        if len(unit) != count:
            raise ValueError(f"{len(unit)} vectors do not fit a map of {count} items")
        if k < 1 or 2 * k >= count:
            raise ValueError(f"k = {k} must be 1 at least and less than half of the {count} items")
        asked = np.arange(count) if rows is None else rows
        near = map_neighbors(self.coordinates, k, rows=asked).indices
        step = max(min(BLOCK, RANKED // count), 1)
        parts = [_ranks(unit, asked[s : s + step], near[s : s + step]) for s in range(0, len(asked), step)]
        too_far = np.maximum(np.concatenate(parts) - k, 0).sum(1)  # beyond the k-th true neighbor
        return 1 - 2 * too_far / (k * (2 * count - 3 * k - 1))

    def save(self, path: str | os.PathLike[str], ids: Sequence[str]) -> None:
        """Write the coordinates as a table in Parquet; parameters and versions are its recipe."""
        recipe = {**self.parameters, "versions": _versions()}
        EmbeddingTable(self.coordinates, tuple(ids), recipe=recipe).save(Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "tuple[Layout, tuple[str, ...]]":
        """Return (layout, ids) of what `save` wrote."""
        table = EmbeddingTable.load(path)
        return cls(table.vectors, table.recipe), table.ids


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("umap-learn", "numpy")}


def _ranks(unit: NDArray[np.float64], rows: NDArray[np.intp], near: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return which nearest by cosine, from 1, each of the neighbors on the map is: (rows, k).

    Items whose distance is the same up to rounding do not push each other back.
    """
    likeness = unit[rows] @ unit.T
    likeness[np.arange(len(rows)), rows] = -np.inf
    near_likeness = np.take_along_axis(likeness, near, axis=1)
    apart = np.sqrt(np.maximum(2 - 2 * near_likeness, 0))
    # The cosine of an item that is nearer by more than a tie; 1e-12 is above the rounding of the product.
    nearer = 1 - np.square(np.maximum(apart - TIE, 0)) / 2 + 1e-12
    ranks = np.empty(near.shape, dtype=np.intp)

    def fill(one: int) -> None:
        ranks[one] = [np.count_nonzero(likeness[one] > cosine) + 1 for cosine in nearer[one]]

    on_all_cores(fill, range(len(rows)), large=likeness.size > MANY)
    return ranks


def sample_rows(count: int, most: int) -> NDArray[np.intp]:
    """Return all rows, or `most` of them at random, always the same ones, in their order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def plane_neighbors(coordinates: Coordinates, k: int) -> NDArray[np.intp]:
    """Return the k nearest others of each item on the map: (N, k). ValueError for fewer than k + 1 items."""
    return map_neighbors(coordinates, k).indices


def map_neighbors(coordinates: Coordinates, k: int, *, rows: NDArray[np.intp] | None = None) -> Neighbors:
    """Return the k nearest others of each item on the map, with their distances; of these rows alone.

    ValueError for fewer than k + 1 items.
    """
    from scipy.spatial import KDTree

    k = as_whole(k, "k")
    if not 1 <= k < len(coordinates):
        raise ValueError(f"{k} neighbors on a map of {len(coordinates)} items")
    asked = np.arange(len(coordinates)) if rows is None else rows
    distances, found = KDTree(coordinates).query(coordinates[asked], k=k + 1)
    # An item with the same coordinates as another may not come first: remove it at any rank.
    others = found != asked[:, None]
    others[others.all(1), -1] = False
    width = float(np.ptp(coordinates, axis=0).max())
    shape = (len(asked), k)
    return Neighbors(
        found[others].reshape(shape),
        distances[others].reshape(shape).astype(np.float32),
        points=coordinates if rows is None else None,
        tie=TIE * width,
    )


def stability(layouts: Sequence[Layout], k: int = 10) -> Estimate:
    """Return the mean share of map neighbors that two layouts of the same items share, over all pairs.

    1: all seeds agree. Chance is k / (N − 1). ValueError for fewer than two layouts.
    """
    k = as_whole(k, "k")
    shares = steadiness(layouts, k)
    return of_mean(shares, k / (len(shares) - 1))


def steadiness(layouts: Sequence[Layout], k: int = 10) -> NDArray[np.float64]:
    """Return for each item the share of its map neighbors that two layouts share, mean of all pairs.

    (N,); ties count as in `share_in_common`. ValueError for fewer than two layouts.
    """
    if len(layouts) < 2:
        raise ValueError("stability needs two layouts at least")
    near = [map_neighbors(layout.coordinates, k) for layout in layouts]
    pairs = itertools.combinations(near, 2)
    return np.mean([share_in_common(one, other) for one, other in pairs], axis=0)


def aligned(moving: Layout, fixed: Layout) -> Layout:
    """Return the first layout rotated, mirrored, scaled and shifted onto the second (Procrustes).

    One whose items all stand on one place is shifted only. ValueError for layouts of other items.
    """
    if len(moving.coordinates) != len(fixed.coordinates):
        raise ValueError(f"layouts of {len(moving.coordinates)} and {len(fixed.coordinates)} items")
    a, b = moving.coordinates.astype(np.float64), fixed.coordinates.astype(np.float64)
    center_a, center_b = a.mean(0), b.mean(0)
    left, values, right = np.linalg.svd((a - center_a).T @ (b - center_b))
    spread = ((a - center_a) ** 2).sum()
    scale = values.sum() / spread if spread else 1.0
    coordinates = scale * (a - center_a) @ left @ right + center_b
    return Layout(coordinates.astype(np.float32), {**moving.parameters, "aligned": True})
