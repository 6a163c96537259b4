"""Approximate nearest neighbors of very many items, with their measured recall.

Exact neighbors of 200,000 vectors need 20 billion comparisons. NN-descent (Dong, Moses and Li 2011, in
pynndescent, a dependency of umap-learn) makes a small part of them; what it misses is measured on a sample.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.embeddings.knn import TIE, Neighbors, unit_rows
from phi3lib.embeddings.umap_kernels import keep_descent_compiled
from phi3lib.moved import old_attribute, old_names
from phi3lib.vision.inputs import as_seed, as_whole

MANY = 30_000  # items up to which exact neighbors take less than a minute
ASKED = 500  # items whose true neighbors are computed, to measure the recall
AT_A_TIME = 2**24  # numbers in memory at a time: 64 MB


@dataclass(frozen=True)
class ApproximateNeighbors:
    """Neighbors, and the share of the k nearest that is among them, with its interval."""

    neighbors: Neighbors
    recall: Estimate
    neighbours = old_attribute("neighbours", "neighbors")  # changed in 0.2.0

    def sentence(self) -> str:
        """Return the recall in words."""
        shown = f"{self.recall.value:.1%} ({self.recall.low:.1%} to {self.recall.high:.1%})"
        return f"approximate: {shown} of the true neighbors found, measured on {self.recall.count} pictures"


def approximate_nearest(
    vectors: ArrayLike, k: int, *, recall_at: int = 10, seed: int = 0
) -> ApproximateNeighbors:
    """Return k near others of each item by cosine, most of them its nearest, and the recall.

    The same on every run of one machine with as many threads. ValueError for fewer than k + 1 items, and for
    vectors that are not finite or zero.
    """
    unit, k, seed = unit_rows(vectors), as_whole(k, "k"), as_seed(seed)
    recall_at = as_whole(recall_at, "recall_at", 1)
    if not 1 <= k < len(unit):
        raise ValueError(f"{k} neighbors of {len(unit)} items: ask for 1 at least and fewer than items")
    from pynndescent import NNDescent

    # Of vectors of length one, the order by distance is that by cosine.
    keep_descent_compiled()
    index = NNDescent(unit, metric="euclidean", n_neighbors=k + 2, random_state=seed, low_memory=True)
    rows, _ = index.neighbor_graph
    near = _nearest_first(unit, _without_itself(rows, k))
    return ApproximateNeighbors(near, measured_recall(near, min(recall_at, k), seed=seed))


def _without_itself(rows: NDArray[np.int32], k: int) -> NDArray[np.intp]:
    """Return k others of each item: its own number is taken out, wherever it stands, once at most."""
    others = rows != np.arange(len(rows))[:, None]
    others[others.all(1), -1] = False
    return rows[others].reshape(len(rows), -1)[:, :k].astype(np.intp)


def _nearest_first(unit: NDArray[np.float32], rows: NDArray[np.intp]) -> Neighbors:
    """Return these neighbors in the order of their exact distances."""
    apart = np.empty(rows.shape, np.float32)
    step = max(AT_A_TIME // (rows.shape[1] * unit.shape[1]), 1)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        differences = unit[rows[part]] - unit[part, None, :]
        apart[part] = np.einsum("ijk,ijk->ij", differences, differences) / 2
    order = np.argsort(apart, axis=1, kind="stable")
    return Neighbors(np.take_along_axis(rows, order, 1), np.take_along_axis(apart, order, 1), unit)


def measured_recall(near: Neighbors, k: int, *, most: int = ASKED, seed: int = 0) -> Estimate:
    """Return the share of the k true nearest that is among the first k of these, from at most `most` items.

    Items as near as the k-th true neighbor count, so it does not matter which of several copies are found.
    """
    unit = near.points
    if unit is None:
        raise ValueError("a recall needs the vectors of the neighbors")
    k, most = as_whole(k, "k", 1, near.indices.shape[1]), as_whole(most, "most", 1)
    rows = np.sort(
        np.random.default_rng(as_seed(seed)).choice(len(unit), min(most, len(unit)), replace=False)
    )
    shares = []
    for start in range(0, len(rows), max(AT_A_TIME // len(unit), 1)):
        part = rows[start : start + max(AT_A_TIME // len(unit), 1)]
        cosines = unit[part] @ unit.T
        cosines[np.arange(len(part)), part] = -np.inf
        last = -np.partition(-cosines, k - 1, axis=1)[:, k - 1 : k]
        reached = np.take_along_axis(cosines, near.indices[part, :k], axis=1)
        shares.append((reached >= last - TIE).mean(1))
    return of_mean(np.concatenate(shares), k / (len(unit) - 1))


__getattr__ = old_names(__name__, {"Found": "ApproximateNeighbors"})  # changed in 0.2.0
