"""The checks of notebook 07: recall at k, a paired comparison, planted duplicates."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.checks.base import Verdict, ask, exercise, not_yet, told
from phi3lib.lab.checks.reading import apart, as_array, first_wrong_number, items, near, number, whole
from phi3lib.lab.checks.registry import check_of

Matrix = NDArray[np.floating]
Wanted = NDArray[np.intp]


# ------------------------------------------------------------------------- 07.1 recall at k


def recall(likeness: Matrix, wanted: Wanted, k: int) -> float:
    """Return the right answer: ties rank before the wanted item; a missing one (−1) is never found."""
    there = wanted >= 0
    own = likeness[np.arange(len(likeness)), wanted]
    before = (likeness >= own[:, None]).sum(1) - 1
    return float((there & (before < k)).mean())


def _recall_cases() -> list[tuple[str, Matrix, Wanted, int]]:
    rng = np.random.default_rng(0)
    plain = rng.permutation(20).reshape(4, 5) / 20
    ties = np.array([[0.9, 0.9, 0.1], [0.2, 0.8, 0.8], [0.5, 0.5, 0.5]])
    return [
        ("4 queries, 5 items and k = 1", plain, np.array([0, 3, 2, 1]), 1),
        ("4 queries, 5 items and k = 3", plain, np.array([0, 3, 2, 1]), 3),
        ("equal similarities and k = 1", ties, np.array([0, 1, 2]), 1),
        ("equal similarities and k = 2", ties, np.array([0, 1, 2]), 2),
        ("a wanted item that is missing (−1) and k = 1", np.eye(4)[:, ::-1], np.array([3, -1, 1, -1]), 1),
        ("more queries than items and k = 2", rng.random((7, 3)), rng.integers(0, 3, 7), 2),
    ]


_RECALL_SLIPS: dict[str, Callable[[Matrix, Wanted, int], float]] = {
    "items that are as similar as the wanted one count as worse; a space in which all are equal would "
    "find everything": lambda s, w, k: float(
        ((w >= 0) & ((s > s[np.arange(len(s)), w][:, None]).sum(1) < k)).mean()
    ),
    "of equally similar items the first in the row wins; all of them stand before the wanted one": (
        lambda s, w, k: float((np.argsort(-s, axis=1, kind="stable")[:, :k] == w[:, None]).any(1).mean())
    ),
    "this is a percentage; a share is wanted, 0 to 1": lambda s, w, k: 100 * recall(s, w, k),
    "queries whose item is missing are left out; they count as not found": lambda s, w, k: recall(
        s[w >= 0], w[w >= 0], k
    ),
    "−1 means that the item is missing; in Python it is the last item": lambda s, w, k: recall(
        s, w % s.shape[1], k
    ),
    "the least similar items are taken: sort the other way round": lambda s, w, k: recall(-s, w, k),
    "k items are k, not k + 1": lambda s, w, k: recall(s, w, k + 1),
    "k items are k, not k − 1": lambda s, w, k: recall(s, w, k - 1),
    "the found ones are counted; their share is wanted": lambda s, w, k: recall(s, w, k) * len(s),
}


@check_of("07.1", "Recall at k", "lab.checks.recall_at_k(my_recall_at_k)")
@exercise
def recall_at_k(function: Callable[[Matrix, Wanted, int], float]) -> Verdict:
    """Check exercise 07.1: `function(likeness, wanted, k)`: (queries, items), each one's item, a number."""
    if (wrong := first_wrong_number(function, _recall_cases(), recall, _RECALL_SLIPS)) is not None:
        return wrong
    return Verdict(True, "Ties count against the space, and what is missing is not found.")


# ------------------------------------------------------------------ 07.2 do prompt sets help?


def paired_interval(first: Matrix, second: Matrix) -> tuple[float, float, float]:
    """Return (difference of the means, low, high): second minus first, items drawn in pairs."""
    difference = second.astype(float) - first.astype(float)
    rng = np.random.default_rng(0)
    means = difference[rng.integers(len(difference), size=(4000, len(difference)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


def _paired_cases(count: int = 2000) -> list[tuple[Matrix, Matrix]]:
    """Two methods on the same items: the second better, equal, worse."""
    rng = np.random.default_rng(3)
    cases = []
    for gain in (0.1, 0.0, -0.08):
        first = (rng.random(count) < 0.7).astype(float)
        changed = rng.random(count) < 0.15
        second = np.where(changed, (rng.random(count) < 0.5 + 3 * gain), first).astype(float)
        cases.append((first, second))
    return cases


@check_of("07.2", "Which is better?", "lab.checks.paired_difference(my_paired_difference)")
@exercise
def paired_difference(function: Callable[[Matrix, Matrix], tuple[float, float, float]]) -> Verdict:
    """Check exercise 07.2: `function(first, second)` of rows of right (1) and wrong (0), same items.

    A bootstrap draws chance numbers, so the width is judged by its mean over three pairs of methods: honest
    ones of 1,000 draws are within 8 % of ±1.96 standard errors, and 90 % or 99 % intervals are not.
    """
    widths, shifts, ends = [], [], None
    for first, second in _paired_cases():
        shown = f"{len(first)} items"
        answer = items(ask(function, first, second, shown=shown), 3, "Three numbers (difference, low, high)")
        value, low, high = (number(part, shown) for part in answer)
        difference = second - first
        right, half = float(difference.mean()), 1.96 * float(difference.std()) / len(first) ** 0.5
        if wrong := _difference_wrong(answer[0], value, right, shown):
            return wrong
        if not low <= value <= high:
            return Verdict(False, f"With {shown} the interval {low:.4f} to {high:.4f} misses the difference.")
        widths.append((high - low) / (2 * half))
        shifts.append(((low + high) / 2 - right) / half)
        if ends is None and max(abs(low - (right - half)), abs(high - (right + half))) > 0.25 * half:
            ends = f"is {low:.4f} to {high:.4f}, and about {right - half:.4f} to {right + half:.4f} is right"
    if ends is None and abs(np.mean(shifts)) > 0.08:
        ends = f"stands {'above' if np.mean(shifts) > 0 else 'below'} the right one"
    return _about_the_width(float(np.mean(widths)), ends)


def _difference_wrong(answer: Any, value: float, right: float, shown: str) -> Verdict | None:
    if near(answer, right):
        return None
    if near(-value, right):
        said = f"With {shown} the sign is turned round, {right:.3f} is right"
        return not_yet(said, "take second minus first")
    yours, wanted = apart(value, right)
    return Verdict(False, f"With {shown} the difference is {wanted}, not {yours}.")


def _about_the_width(width: float, ends: str | None) -> Verdict:
    """width: as a multiple of the right one; ends: the first interval that is not in its place."""
    if width > 1.15 and not 1.26 < width < 1.37:
        slip = "draw items, and take both answers of each: what two methods share cancels out"
        return not_yet(f"Your interval is {width:.2f} times too wide", slip)
    if width > 1.08:
        return not_yet(f"Your interval is {width:.2f} times too wide", "it may be a 99 % interval")
    if width < 0.75:
        slip = "draw as many items as there are, with replacement, and keep the middle 95 %"
        return not_yet(f"Your interval is too narrow, {width:.2f} times the right one", slip)
    if width < 0.92:
        slip = "is it a 90 % interval? Keep the middle 95 %: 2.5 % are cut off at each end"
        return not_yet(f"Your interval is too narrow, {width:.2f} times the right one", slip)
    if ends:
        return Verdict(False, f"Your interval {ends}: cut off 2.5 % at each end.")
    return Verdict(True, "Items in pairs: the interval is as narrow as the data allow.")


# --------------------------------------------------------------------- 07.3 duplicates

_Pairs = set[tuple[int, int]]


def _duplicate_cases() -> list[tuple[Matrix, float, _Pairs, str]]:
    """(vectors, least, the right pairs, what is planted)."""
    rng = np.random.default_rng(5)
    planted = rng.normal(size=(12, 6)) * rng.uniform(0.2, 5, (12, 1))
    planted[7] = planted[2] * 3 + 1e-4
    planted[11] = planted[4] * 0.5 - 1e-4
    triple = rng.normal(size=(9, 6))
    triple[3], triple[8] = triple[1] * 2, triple[1] * 0.25
    # Halves and powers of two: the cosine of the first two is exactly 0.5, however it is computed.
    tie = np.zeros((4, 8))
    tie[0, 0], tie[1, :4], tie[2, 4], tie[3, 5:7] = 4, 0.5, 1, 2
    return [
        (planted, 0.999, {(2, 7), (4, 11)}, "two planted pairs"),
        (triple, 0.999, {(1, 3), (1, 8), (3, 8)}, "three copies of one vector"),
        (tie, 0.5, {(0, 1)}, "a cosine of exactly 0.5"),
        (planted, 0.5, _pairs_at_least(planted, 0.5), "a lower threshold"),
    ]


def _pairs_at_least(vectors: Matrix, least: float) -> _Pairs:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return {(int(i), int(j)) for i, j in zip(*np.nonzero(np.triu(unit @ unit.T, 1) >= least), strict=True)}


@check_of("07.3", "Find the planted duplicates", "lab.checks.duplicates(my_duplicates)")
@exercise
def duplicates(function: Callable[[Matrix, float], Any]) -> Verdict:
    """Check exercise 07.3: `function(vectors, least)`: pairs (i, j), i < j, with a cosine ≥ `least`."""
    for vectors, least, wanted, planted in _duplicate_cases():
        shown = f"{len(vectors)} vectors, least = {least} and {planted}"
        answered = _answered_pairs(ask(function, vectors, least, shown=shown), shown)
        if answered is None:
            return Verdict(False, f"With {shown} pairs of row numbers are wanted, such as [(2, 7)].")
        if wrong := _pairs_wrong(answered, wanted, least):
            return not_yet(f"With {shown}", wrong)
    return Verdict(True, "All planted pairs, whatever their lengths, and no others.")


def _answered_pairs(answer: Any, shown: str) -> list[tuple[int, int]] | None:
    if not hasattr(answer, "__iter__") or isinstance(answer, (str, bytes)):
        return None
    pairs = [as_array(pair) for pair in answer]
    if any(pair is None or pair.shape != (2,) for pair in pairs):
        return None
    return [(whole(i, shown), whole(j, shown)) for i, j in pairs]  # type: ignore[misc]


def _pairs_wrong(answered: list[tuple[int, int]], wanted: _Pairs, least: float) -> str | None:
    if any(i == j for i, j in answered):
        return "each vector is found as its own duplicate: leave the diagonal out"
    if len(answered) != len({tuple(sorted(pair)) for pair in answered}):
        return "pairs come twice, as (2, 7) and (7, 2): keep those with i < j"
    if backwards := next(((i, j) for i, j in answered if i > j), None):
        return f"{backwards} stands the wrong way round: i < j is wanted"
    if set(answered) == wanted:
        return None
    missing, other = sorted(wanted - set(answered)), sorted(set(answered) - wanted)
    if len(missing) == len(wanted):
        return (
            "none is found; the lengths of vectors differ: divide by them first"
            if least > 0.5
            else (f"{missing} are missing: a cosine of exactly {least} counts, and the threshold is `least`")
        )
    said = f"{told(sorted(answered))} are found; {sorted(wanted)} were planted"
    return f"{said}: {told(missing)} are missing" if missing else f"{said}: {told(other)} are no duplicates"
