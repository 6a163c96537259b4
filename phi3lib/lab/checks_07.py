"""The checks of notebook 07: recall at k, a paired comparison, planted duplicates."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.exercise import Verdict, ask, exercise

Matrix = NDArray[np.floating]
Wanted = NDArray[np.intp]


# ------------------------------------------------------------------------- 07.1 recall at k


def recall(likeness: Matrix, wanted: Wanted, k: int) -> float:
    """The right answer: ties stand before the wanted item, a missing one (−1) is never found."""
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


@exercise
def recall_at_k(function: Callable[[Matrix, Wanted, int], float]) -> Verdict:
    """Exercise 07.1: `function(likeness, wanted, k)`: (queries, items), the wanted item of each, a number."""
    for shown, likeness, wanted, k in _recall_cases():
        answer = _number(ask(function, likeness.copy(), wanted.copy(), k, shown=shown))
        right = recall(likeness, wanted, k)
        if answer is not None and abs(answer - right) < 1e-9:
            continue
        said = (
            f"With {shown} you have {answer if answer is not None else 'no number'}, and {right:.3f} is right"
        )
        for slip, formula in _RECALL_SLIPS.items():
            if answer is not None and abs(answer - formula(likeness, wanted, k)) < 1e-9:
                return Verdict(False, f"{said}: {slip}.")
        return Verdict(False, f"{said}.")
    return Verdict(True, "Ties count against the space, and what is missing is not found.")


def _number(answer: Any) -> float | None:
    try:
        return float(answer)
    except (TypeError, ValueError):
        return None


# ------------------------------------------------------------------ 07.2 do prompt sets help?


def paired_interval(first: Matrix, second: Matrix) -> tuple[float, float, float]:
    """(difference of the means, low, high): second minus first, items drawn in pairs."""
    difference = second.astype(float) - first.astype(float)
    rng = np.random.default_rng(0)
    means = difference[rng.integers(len(difference), size=(4000, len(difference)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)


@exercise
def paired_difference(function: Callable[[Matrix, Matrix], tuple[float, float, float]]) -> Verdict:
    """Exercise 07.2: `function(first, second)` of two rows of right (1) and wrong (0) on the same items."""
    rng = np.random.default_rng(3)
    for count, gain in ((200, 0.1), (300, 0.0), (250, -0.08)):
        first = (rng.random(count) < 0.7).astype(float)
        changed = rng.random(count) < 0.15
        second = np.where(changed, (rng.random(count) < 0.5 + 3 * gain), first).astype(float)
        shown = f"{count} items"
        answer = ask(function, first.copy(), second.copy(), shown=shown)
        try:
            value, low, high = (float(part) for part in answer)
        except (TypeError, ValueError):
            return Verdict(False, "Three numbers are wanted: the difference, and the ends of its interval.")
        right, right_low, right_high = paired_interval(first, second)
        if abs(value + right) < 1e-9 and abs(right) > 1e-9:
            return Verdict(
                False, f"With {shown} the sign is turned round: second minus first is {right:.3f}."
            )
        if abs(value - right) > 1e-9:
            return Verdict(False, f"With {shown} the difference is {right:.3f}, not {value:.3f}.")
        if not low <= value <= high:
            return Verdict(False, f"With {shown} the interval {low:.3f} to {high:.3f} misses the difference.")
        width, wanted = high - low, right_high - right_low
        if width > 1.4 * wanted:
            slip = "draw items, and take both answers of each: what two methods share cancels out"
            return Verdict(
                False, f"With {shown} your interval is {width / wanted:.1f} times too wide: {slip}."
            )
        if width < 0.7 * wanted:
            slip = "draw as many items as there are, with replacement, and keep the middle 95 %"
            return Verdict(
                False, f"With {shown} your interval is too narrow ({width:.3f}, not {wanted:.3f}): {slip}."
            )
    return Verdict(True, "Items in pairs: the interval is as narrow as the data allow.")


# --------------------------------------------------------------------- 07.3 duplicates


@exercise
def duplicates(function: Callable[[Matrix, float], Any]) -> Verdict:
    """Exercise 07.3: `function(vectors, least)`: pairs (i, j), i < j, whose cosine is `least` or more."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(12, 6)) * rng.uniform(0.2, 5, (12, 1))
    vectors[7] = vectors[2] * 3 + 1e-4
    vectors[11] = vectors[4] * 0.5 - 1e-4
    wanted = {(2, 7), (4, 11)}
    answer = ask(function, vectors.copy(), 0.999, shown="12 vectors and least = 0.999")
    try:
        found = [(int(i), int(j)) for i, j in answer]
    except (TypeError, ValueError):
        return Verdict(False, "Pairs of row numbers are wanted, such as [(2, 7)].")
    if any(i == j for i, j in found):
        return Verdict(False, "Each vector is found as its own duplicate: leave the diagonal out.")
    if len(found) != len({tuple(sorted(pair)) for pair in found}):
        return Verdict(False, "Pairs come twice, as (2, 7) and (7, 2): keep those with i < j.")
    if {tuple(sorted(pair)) for pair in found} == wanted:
        return Verdict(True, "Both planted pairs, whatever their lengths, and no others.")
    if not set(found) & wanted:
        return Verdict(False, "The planted pairs are not found; their lengths differ: divide by them first.")
    return Verdict(False, f"{sorted(found)} are found; {sorted(wanted)} were planted.")
