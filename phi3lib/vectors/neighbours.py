"""Exact nearest neighbours by blocked matrix products: computed once, used by maps, scores and search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCK = 1024  # rows of similarities at a time: 80 MB for 20,000 items


@dataclass(frozen=True)
class Neighbours:
    """For each item its nearest others, the nearest first: numbers and cosine distances, each (N, k)."""

    indices: NDArray[np.intp]
    distances: NDArray[np.float32]

    def first(self, k: int) -> "Neighbours":
        """The k nearest of them. ValueError for more than there are."""
        if not 1 <= k <= self.indices.shape[1]:
            raise ValueError(f"{k} neighbours are asked for, {self.indices.shape[1]} are known")
        return Neighbours(self.indices[:, :k], self.distances[:, :k])


def nearest(vectors: ArrayLike, k: int) -> Neighbours:
    """The k nearest others of each item by cosine; an item is never its own neighbour.

    Of equally near ones the earlier comes first. ValueError for fewer than k + 1 items, and for vectors that
    are not finite or zero, which have no direction.
    """
    unit = unit_rows(vectors)
    if not 1 <= k < len(unit):
        raise ValueError(
            f"{k} neighbours of {len(unit)} items: there must be 1 at least and fewer than items"
        )
    indices = np.empty((len(unit), k), dtype=np.intp)
    distances = np.empty((len(unit), k), dtype=np.float32)
    for start in range(0, len(unit), BLOCK):
        block = unit[start : start + BLOCK] @ unit.T  # (block, N)
        rows = np.arange(len(block))
        block[rows, start + rows] = -np.inf
        found, likeness = top_of_rows(block, k)
        indices[start : start + BLOCK] = found
        distances[start : start + BLOCK] = np.clip(1 - likeness, 0, 2)
    return Neighbours(indices, distances)


def share_in_common(first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float64]:
    """For each item the share of its k neighbours in the first list that are in the second: (N, k) → (N,)."""
    return (first[:, :, None] == second[:, None, :]).any(2).mean(1)


def top_of_rows(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The k greatest of each row, the greatest first and the earlier first of equals: (places, values).

    All of them where there are fewer than k. ValueError for k < 1 and for rows without any.
    """
    k = min(k, scores.shape[1])
    if k < 1:
        raise ValueError(f"the {k} greatest of {scores.shape[1]}: there must be 1 at least")
    # A partition leaves the order of equals to chance; take all that reach the k-th value and sort them.
    least = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
    places = np.empty((len(scores), k), dtype=np.intp)
    for row, reach in enumerate(scores >= least):
        candidates = np.flatnonzero(reach)
        order = np.argsort(-scores[row, candidates], kind="stable")[:k]
        places[row] = candidates[order]
    return places, np.take_along_axis(scores, places, axis=1)


def unit_rows(vectors: ArrayLike) -> NDArray[np.float32]:
    """The rows divided by their lengths. ValueError for what is not finite, and for zero vectors."""
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    if matrix.ndim != 2:
        raise ValueError(f"vectors must have shape (N, d); it is {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("a vector holds NaN or infinity")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    if len(matrix) and lengths.min() == 0:
        raise ValueError(f"vector {int(lengths.argmin())} is zero and has no direction")
    return matrix / lengths
