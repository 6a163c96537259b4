"""The checks of notebook 06: linear CKA, mutual neighbors, the pair that two spaces see differently."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.compare import linear_cka as reference_cka
from phi3lib.embeddings.compare import shared_neighbors
from phi3lib.embeddings.knn import unit_rows
from phi3lib.lab.checks.base import Verdict, ask, exercise, not_yet
from phi3lib.lab.checks.reading import apart, first_wrong_number, items, near, number, whole
from phi3lib.lab.checks.registry import check_of

Matrix = NDArray[np.floating]
PAIR_CASES = ((476, 8), (9, 24), (13, 24))  # (seed, items); in the first each slip has a pair of its own


def _spaces(seed: int, count: int = 24) -> tuple[Matrix, Matrix]:
    """Two spaces of the same items, related and of different width, with means that are not zero."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(count, 6)) + rng.normal(size=6) * 2
    second = first @ rng.normal(size=(6, 9)) + rng.normal(size=(count, 9)) * 2 + 1
    return first, second


# ------------------------------------------------------------------------- 06.1 linear CKA


def _cka(first: Matrix, second: Matrix) -> float:
    return reference_cka(first, second, debiased=False)


def _cka_without_centring(first: Matrix, second: Matrix) -> float:
    cross, own = np.linalg.norm(first.T @ second) ** 2, np.linalg.norm(first.T @ first)
    return float(cross / (own * np.linalg.norm(second.T @ second)))


_CKA_SLIPS: dict[str, Callable[[Matrix, Matrix], float]] = {
    "the means are not taken away first": _cka_without_centring,
    "the norm in the numerator is not squared": lambda a, b: float(
        np.linalg.norm((a - a.mean(0)).T @ (b - b.mean(0)))
        / (
            np.linalg.norm((a - a.mean(0)).T @ (a - a.mean(0)))
            * np.linalg.norm((b - b.mean(0)).T @ (b - b.mean(0)))
        )
    ),
    "this is the debiased one, of which the exercise does not speak": lambda a, b: reference_cka(a, b),
    "this is its square root": lambda a, b: _cka(a, b) ** 0.5,
    "the mean of each row was taken away, not that of each column": lambda a, b: _cka_without_centring(
        a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    ),
}


@check_of("06.1", "Linear CKA", "lab.checks.linear_cka(my_linear_cka)")
@exercise
def linear_cka(function: Callable[[Matrix, Matrix], float]) -> Verdict:
    """Check exercise 06.1: `function(first (N, d), second (N, e))` → the linear CKA, with its usual bias."""
    first, second = _spaces(0)
    rng = np.random.default_rng(1)
    turn, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    cases = (
        (first, first, "a space and itself"),
        (first, second, "two spaces of 24 items"),
        (first, 3 * first @ turn, "a space and the same turned and enlarged"),
        (second, first, "the two spaces the other way round"),
    )
    for a, b, shown in cases:
        right = _cka(a, b)
        answer = ask(function, a, b, shown=shown)
        given = number(answer, shown)
        if near(answer, right):
            continue
        said = "With {} you have {}, and {} is right".format(shown, *apart(given, right))
        named = next((slip for slip, wrong in _CKA_SLIPS.items() if near(answer, wrong(a, b))), "")
        return not_yet(said, named)
    stretched = _cka(first, first * np.geomspace(0.1, 10, 6))
    return Verdict(
        True,
        f"Turning and one scale change nothing; stretching single directions does: {stretched:.2f}.",
    )


# ------------------------------------------------------------------------- 06.2 mutual neighbors


def _mutual(first: Matrix, second: Matrix, k: int) -> float:
    return float(shared_neighbors(first, second, k).mean())


def _top_with_itself(vectors: Matrix, k: int) -> NDArray[np.intp]:
    unit = unit_rows(vectors)
    return np.argsort(-(unit @ unit.T), axis=1, kind="stable")[:, :k]


def _share(first: NDArray[np.intp], second: NDArray[np.intp]) -> float:
    return float((first[:, :, None] == second[:, None, :]).any(2).mean())


def _by_distance(vectors: Matrix, k: int) -> NDArray[np.intp]:
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def _by_dot_product(vectors: Matrix, k: int) -> NDArray[np.intp]:
    products = vectors @ vectors.T
    np.fill_diagonal(products, -np.inf)
    return np.argsort(-products, axis=1, kind="stable")[:, :k]


def _same_rank(first: Matrix, second: Matrix, k: int) -> float:
    near = [_top_with_itself(space, k + 1)[:, 1:] for space in (first, second)]
    return float((near[0] == near[1]).mean())


_KNN_SLIPS: dict[str, Callable[[Matrix, Matrix, int], float]] = {
    "each item is counted as its own neighbor": lambda a, b, k: _share(
        _top_with_itself(a, k), _top_with_itself(b, k)
    ),
    "the vectors are not divided by their lengths: this is by dot product": lambda a, b, k: _share(
        _by_dot_product(a, k), _by_dot_product(b, k)
    ),
    "this is by distance, not by cosine": lambda a, b, k: _share(_by_distance(a, k), _by_distance(b, k)),
    "neighbors count at any rank of the list, not only at the same rank": _same_rank,
    "this is the number shared, not the share": lambda a, b, k: _mutual(a, b, k) * k,
}


@check_of("06.2", "Mutual neighbors", "lab.checks.mutual_knn(my_mutual_knn)")
@exercise
def mutual_knn(function: Callable[[Matrix, Matrix, int], float]) -> Verdict:
    """Check exercise 06.2: `function(first, second, k)` → the mean share of common k nearest by cosine."""
    first, second = _spaces(2)
    first = first * np.linspace(0.3, 3, len(first))[:, None]
    pairs = ((first, first, 3), (first, second, 4), (second, first, 4))
    cases = [(f"{len(a)} items and k = {k}", a, b, k) for a, b, k in pairs]
    if (wrong := first_wrong_number(function, cases, _mutual, _KNN_SLIPS)) is not None:
        return wrong
    return Verdict(True, f"The same both ways; by chance it were {4 / (len(first) - 1):.2f}.")


# ------------------------------------------------------------------------- 06.3 the pair


def _standard_cosines(vectors: Matrix) -> Matrix:
    unit = unit_rows(vectors).astype(np.float64)
    cosines = unit @ unit.T
    pair_cosines = cosines[np.triu_indices(len(cosines), 1)]
    return (cosines - pair_cosines.mean()) / pair_cosines.std()


def _best_pair(difference: Matrix) -> tuple[int, int]:
    upper = np.where(np.triu(np.ones_like(difference, dtype=bool), 1), difference, -np.inf)
    row, col = np.unravel_index(upper.argmax(), upper.shape)
    return int(row), int(col)


def disputed_pair(first: Matrix, second: Matrix) -> tuple[int, int]:
    """Return the pair (i, j), i < j, that the first space holds together and the second apart the most.

    Cosines of all pairs are standardised in each space (mean 0, standard deviation 1) before the second
    is taken from the first.
    """
    return _best_pair(_standard_cosines(first) - _standard_cosines(second))


def _plain_cosines(vectors: Matrix) -> Matrix:
    unit = unit_rows(vectors).astype(np.float64)
    return unit @ unit.T


def _standard_with_diagonal(vectors: Matrix) -> Matrix:
    cosines = _plain_cosines(vectors)
    return (cosines - cosines.mean()) / cosines.std()


_PAIR_SLIPS: dict[str, Callable[[Matrix, Matrix], tuple[int, int]]] = {
    "this pair is near in the second space and apart in the first; was the sign lost?": lambda a, b: (
        disputed_pair(b, a)
    ),
    "cosines of two spaces are not on one scale: standardise them first": lambda a, b: _best_pair(
        _plain_cosines(a) - _plain_cosines(b)
    ),
    "the items themselves, on the diagonal, are in the mean and the deviation: leave them out": (
        lambda a, b: _best_pair(_standard_with_diagonal(a) - _standard_with_diagonal(b))
    ),
    "this pair is the nearest of the first space; the second one was not asked": lambda a, b: _best_pair(
        _standard_cosines(a)
    ),
}


@check_of("06.3", "Merged here, separated there", "lab.checks.merged_and_separated(my_disputed_pair)")
@exercise
def merged_and_separated(function: Callable[[Matrix, Matrix], tuple[int, int]]) -> Verdict:
    """Check exercise 06.3: `function(first, second)` → the pair near in the first, far in the second."""
    for seed, count in PAIR_CASES:
        first, second = _spaces(seed, count)
        shown = f"two spaces of {len(first)} items"
        right = disputed_pair(first, second)
        answer = items(ask(function, first, second, shown=shown), 2, "Two numbers, (i, j) with i < j,")
        i, j = (whole(entry, shown) for entry in answer)
        if i == j:
            return Verdict(False, f"({i}, {j}) is one item with itself; look above the diagonal.")
        pair = (min(i, j), max(i, j))
        if pair == right:
            continue
        for slip, wrong in _PAIR_SLIPS.items():
            if pair == wrong(first, second):
                return not_yet(f"With {shown} you have {pair}, and {right} is right", slip)
        return not_yet(f"With {shown} you have {pair}, and {right} is right")
    return Verdict(True, "Now look at such a pair in the pictures: what does one space see in it?")
