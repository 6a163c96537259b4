"""Exact nearest neighbors, cosines that never exceed 1, and the overlap of two neighborhoods.

One policy for every cosine of the package: rows are divided by their lengths in float64, and the cosine of
two rows a and b is 1 − |a − b|² / 2. It is exactly 1 for equal rows, never above 1, and keeps its precision
for near copies, where a product of float32 numbers has lost it. Products in float32 only sort out what cannot
be among the nearest; their rounding error has an upper bound, so nothing that belongs to the result is lost.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.run_time import on_all_cores
from phi3lib.moved import old_names
from phi3lib.vision.inputs import as_numbers, as_whole

BLOCK = 1024  # rows of similarities at a time: 80 MB for 20,000 items
# Similarities of the search for neighbors at a time: 128 MB. After each product a thread of OpenBLAS waits
# for another one, 30 ms with all of a core's time, while the threads of this module sort out.
PRODUCTS = 2**25
PART = 128  # rows that a core sorts out at a time
MANY = 2**20  # similarities that are sorted out on all cores
MEASURED = 128  # of so many candidates the distances are measured even where some are equal
GROUP = 16  # similarities represented by their maximum in the search for the k-th greatest
GATHERED = 2**22  # numbers that are gathered at a time to measure single distances: 32 MB
# Distances that differ by less are equal: float32 vectors of length one are known to about 1e-7. On a map, of
# its width.
TIE = 1e-6

Matrix = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Neighbors:
    """For each item its nearest others, the nearest first: row numbers and distances, each (N, k).

    Distances are cosine distances between vectors and Euclidean ones on a map. points: what they were
    measured between, unit vectors or coordinates (N, d); needed to find ties.
    tie: Euclidean distances between points that differ by less than this are equal.
    """

    indices: Rows
    distances: NDArray[np.float32]
    points: NDArray[np.floating] | None = field(default=None, repr=False, compare=False)
    tie: float = TIE

    def first(self, k: int) -> "Neighbors":
        """Return the k nearest of them. ValueError for more than there are."""
        if not 1 <= as_whole(k, "k") <= self.indices.shape[1]:
            raise ValueError(f"{k} neighbors are asked for, {self.indices.shape[1]} are known")
        return Neighbors(self.indices[:, :k], self.distances[:, :k], self.points, self.tie)

    def reached(self, asked: Rows) -> NDArray[np.bool_]:
        """Return, for each of the asked items (N, m), whether it is as near as the last neighbor: (N, m).

        Items at the same distance as the last neighbor count, listed or not. Without `points` only listed
        items count.
        """
        points = self.points
        if points is None:
            return (asked[:, :, None] == self.indices[:, None, :]).any(2)
        answer = np.empty(asked.shape, dtype=bool)
        step = max(GATHERED // (max(asked.shape[1], 1) * points.shape[1]), 1)

        def fill(start: int) -> None:
            part = slice(start, start + step)
            reach = _lengths(points, part, self.indices[part, -1:])
            answer[part] = _lengths(points, part, asked[part]) <= reach + self.tie

        starts = range(0, len(asked), step)
        on_all_cores(fill, starts, large=len(starts) > 1)
        return answer


def _lengths(points: NDArray[np.floating], part: slice, others: Rows) -> Matrix:
    """Return the distances of the points of a slice to some others each: (n, m)."""
    apart = points[others].astype(np.float64)
    apart -= points[part, None, :]
    return np.sqrt(np.einsum("nmd,nmd->nm", apart, apart))


def share_reached(truth: Neighbors, shown: Neighbors) -> NDArray[np.float64]:
    """Return for each item the share of its shown neighbors that are as near in truth as its k nearest.

    Without ties this is the share of the k true neighbors that are shown. With ties, such as copies of one
    picture, every choice among equally near items is right.
    """
    return truth.reached(shown.indices).mean(1)


def share_in_common(first: Neighbors, second: Neighbors) -> NDArray[np.float64]:
    """Return for each item the share of its k neighbors that two spaces have in common: (N,).

    A neighbor counts if it is within the k-th distance in the other space, ties included. Both directions
    are asked and the smaller share is returned: they differ only where one space has ties that the other
    does not have, and a space in which all items are equal must not share more than chance with any other.
    """
    return np.minimum(share_reached(first, second), share_reached(second, first))


# ------------------------------------------------------------------------------- exact neighbors


def nearest(vectors: ArrayLike, k: int) -> Neighbors:
    """Return the k nearest others of each item by cosine; an item is never its own neighbor.

    Exact for near copies too. Of equally near items the earlier comes first. ValueError for fewer than k + 1
    items, and for vectors that are not finite or zero, which have no direction.
    """
    there, k = Directions(vectors), as_whole(k, "k")
    if not 1 <= k < len(there.exact):
        raise ValueError(
            f"{k} neighbors of {len(there.exact)} items: there must be 1 at least and fewer than items"
        )
    indices, distances = there.closest(there, k, itself=False)
    return Neighbors(indices, distances.astype(np.float32), there.quick)


class Directions:
    """Vectors of length one, prepared for exact comparisons by cosine.

    exact (N, d) float64; quick, the same in float32; margin, the largest error of a product of quick rows.
    ValueError for vectors that are not finite or zero.
    """

    def __init__(self, vectors: ArrayLike) -> None:
        self.exact = exact_unit_rows(vectors)
        self.quick = self.exact.astype(np.float32)
        width = self.exact.shape[1]
        # n products of float32 numbers are summed with a relative error of at most n units of rounding, in
        # any order (Higham 2002, section 3.1); the rounding of the rows to float32 adds two more.
        self.margin = (width + 4) * 2.0**-24
        self._fine_margin = (width + 4) * 2.0**-53
        self.copy_of = first_equal_row(self.exact)

    def closest(self, asked: "Directions", k: int, *, itself: bool = True) -> tuple[Rows, Matrix]:
        """Return the k rows nearest to each asked one, and their cosine distances: each (asked, k).

        Nearest first; of equally near ones the earlier. itself: whether a row may be its own neighbor; if
        not, `asked` must be these rows. Uses all cores.
        """
        count = len(asked.exact)
        rows, distances = np.empty((count, k), dtype=np.intp), np.empty((count, k))

        def fill(start: int, scores: NDArray[np.float32]) -> None:
            part = slice(start, start + len(scores))
            rows[part], distances[part] = self._sorted_out(asked.exact[part], scores, k)

        step = max(PRODUCTS // len(self.quick), PART)
        products = np.empty((min(step, count), len(self.quick)), np.float32)
        for start in range(0, count, step):
            block = asked.quick[start : start + step]
            scores = np.matmul(block, self.quick.T, out=products[: len(block)])
            if not itself:
                scores[np.arange(len(scores)), start + np.arange(len(scores))] = -np.inf
            starts = range(0, len(scores), PART)
            parts = [scores[n : n + PART] for n in starts]
            on_all_cores(fill, (start + n for n in starts), parts, large=scores.size > MANY)
        return rows, distances

    def _sorted_out(self, asked: Matrix, scores: NDArray[np.float32], k: int) -> tuple[Rows, Matrix]:
        """Return the k rows nearest to each of some directions, whose products with all rows these are."""
        rows, distances = np.empty((len(asked), k), dtype=np.intp), np.empty((len(asked), k))
        for one, good in enumerate(self._candidates(asked, scores, k)):
            candidates = np.flatnonzero(good)
            apart = self._distances(asked[one], candidates)
            order = np.argsort(apart, kind="stable")[:k]
            rows[one], distances[one] = candidates[order], apart[order]
        return rows, distances

    def _candidates(self, asked: Matrix, scores: NDArray[np.float32], k: int) -> NDArray[np.bool_]:
        """Tell for each row of scores which items may be among its k nearest: all that the margin allows."""
        may_be = scores >= _not_above_kth(scores, k) - 2 * self.margin
        if len(crowded := _crowded(may_be, k)):  # an order of the items that the groups follow
            some = scores[crowded]
            may_be[crowded] = some >= _kth_greatest(some, k) - 2 * self.margin
        if len(crowded := _crowded(may_be, k)):  # near copies: again, in float64
            fine = np.where(may_be[crowded], asked[crowded] @ self.exact.T, -np.inf)
            may_be[crowded] &= fine >= _kth_greatest(fine, k) - 2 * self._fine_margin
        return may_be

    def _distances(self, asked: Matrix, rows: Rows) -> Matrix:
        """Return the cosine distances of some rows to one direction; of equal rows one is measured."""
        if len(rows) <= MEASURED:
            return half_squares(np.subtract(near := self.exact[rows], asked, out=near))
        different, inverse = np.unique(self.copy_of[rows], return_inverse=True)
        return half_squares(self.exact[different] - asked)[inverse]


def _crowded(may_be: NDArray[np.bool_], k: int) -> Rows:
    """Return the rows with many more candidates than k."""
    return np.flatnonzero([np.count_nonzero(row) > 4 * k + 64 for row in may_be])


def _not_above_kth(scores: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    """Return a number for each row that at least k of its scores reach, near the k-th greatest: (rows, 1).

    It is the k-th greatest of the maxima of groups of scores: k groups have a score that reaches it.
    """
    groups = scores.shape[1] // GROUP
    while math.gcd(groups, 210) > 1:  # classes that come in turn would stand in few groups
        groups -= 1
    if groups < 4 * k:
        return _kth_greatest(scores, k)
    return _kth_greatest(scores[:, : groups * GROUP].reshape(-1, GROUP, groups).max(1), k)


def _kth_greatest(scores: NDArray[Any], k: int) -> NDArray[Any]:
    """Return the k-th greatest of each row: (rows, 1)."""
    index = scores.shape[1] - k
    return np.partition(scores, index, axis=1)[:, index : index + 1]


# ------------------------------------------------------------------------------- cosines


def cosine_distance(first: Matrix, second: Matrix) -> Matrix:
    """Return 1 − cosine of rows of length one, row by row, 0 to 2; exactly 0 for equal rows."""
    return half_squares(first - second)


def half_squares(differences: Matrix) -> Matrix:
    """Return half the squared length of each row, at most 2: (N,)."""
    return np.minimum(np.einsum("ij,ij->i", differences, differences) / 2, 2.0)


def cosine_matrix(first: ArrayLike, second: ArrayLike) -> NDArray[np.float32]:
    """Return the cosines of all rows of one matrix with all of another: (N, M), −1 to 1.

    Computed in float64 and clipped: rounding alone can lead beyond 1, by about 1e-16.
    """
    products = exact_unit_rows(first) @ exact_unit_rows(second).T
    return np.clip(products, -1, 1).astype(np.float32)


def unit_rows(vectors: ArrayLike) -> NDArray[np.float32]:
    """Return the rows divided by their lengths: (N, d) float32. ValueError as in `exact_unit_rows`."""
    return exact_unit_rows(vectors).astype(np.float32)


def matrix_of(vectors: ArrayLike, *, copy: bool = False) -> Matrix:
    """Return vectors as `as_numbers` takes them: (N, d) float64; a new matrix with `copy`.

    ValueError for what is no matrix, and for one that is not finite.
    """
    matrix: Matrix = as_numbers(vectors, "vectors", copy=copy)
    if matrix.ndim != 2:
        raise ValueError(f"vectors must have shape (N, d); it is {matrix.shape}")
    if not np.isfinite(matrix).all():
        row = int(np.isfinite(matrix).all(1).argmin())
        raise ValueError(f"vector {row} holds NaN or infinity")
    return matrix


def require_one_space(name: str, first: NDArray[Any], other: str, second: NDArray[Any]) -> None:
    """Raise ValueError unless the vectors of two matrices have equally many numbers; the names tell which."""
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"{name} have {first.shape[1]} numbers, {other} {second.shape[1]}: not one space")


def exact_unit_rows(vectors: ArrayLike) -> Matrix:
    """Return the rows divided by their lengths: (N, d) float64.

    Very large and very small numbers are safe. ValueError for what is no matrix or not finite, and for zero
    vectors, which have no direction.
    """
    matrix = matrix_of(vectors, copy=True)  # changed in place below
    if not matrix.size and len(matrix):
        raise ValueError("vectors of no numbers have no direction")
    largest = np.maximum(
        matrix.max(1, initial=0), -matrix.min(1, initial=0)
    )  # squares of these cannot overflow
    if len(matrix) and largest.min() == 0:
        raise ValueError(f"vector {int(largest.argmin())} is zero and has no direction")
    matrix /= largest[:, None]
    matrix /= np.sqrt(np.einsum("ij,ij->i", matrix, matrix))[:, None]
    return matrix


def first_equal_row(matrix: Matrix) -> Rows:
    """Return for each row the number of the first row that equals it: (N,)."""
    first = np.arange(len(matrix))
    if not matrix.size:
        return np.zeros_like(first)
    rows = np.ascontiguousarray(matrix + 0.0)  # no negative zeros: rows are compared byte by byte
    factors = np.random.default_rng(0).integers(2**64, size=rows.shape[1], dtype=np.uint64)
    sums = np.einsum("ij,j->i", rows.view(np.uint64), factors)  # equal rows have equal sums, others rarely
    _, inverse, counts = np.unique(sums, return_inverse=True, return_counts=True)
    alike = np.flatnonzero(counts[inverse] > 1)
    if len(alike):
        as_bytes = rows[alike].view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
        _, earliest, inverse = np.unique(as_bytes, return_index=True, return_inverse=True)
        first[alike] = alike[earliest[inverse]]
    return first


__getattr__ = old_names(__name__, {"Neighbours": "Neighbors"})  # changed in 0.2.0
