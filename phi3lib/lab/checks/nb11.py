"""The checks of notebook 11: the duration of a run, which duplicates to delete, the rank of an image."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.checks.base import Refused, Verdict, ask, exercise, not_yet, told
from phi3lib.lab.checks.reading import first_wrong_number
from phi3lib.lab.checks.registry import check_of

Matrix = NDArray[np.floating]

# ------------------------------------------------------------------------- 11.1 the duration of a run


def duration(count: int, reading: float, computing: float, cores: int) -> float:
    """Return the right answer: seconds for `count` images; with two cores, reading runs beside computing."""
    return count * (max(reading, computing) if cores > 1 else reading + computing)


_DURATION_CASES = [
    ("100 images, 0.1 s to read, 0.3 s to compute and 2 cores", 100, 0.1, 0.3, 2),
    ("100 images, 0.4 s to read, 0.3 s to compute and 2 cores", 100, 0.4, 0.3, 2),
    ("100 images, 0.1 s to read, 0.3 s to compute and 1 core", 100, 0.1, 0.3, 1),
    ("5,000 images, 0.15 s to read, 2.5 s to compute and 16 cores", 5_000, 0.15, 2.5, 16),
]
_DURATION_SLIPS: dict[str, Callable[[int, float, float, int], float]] = {
    "both are added although there are two cores; reading runs beside computing, and the slower one counts": (
        lambda n, r, c, cores: n * (r + c)
    ),
    "the slower one counts only if there are two cores; one core does both, one after the other": (
        lambda n, r, c, cores: n * max(r, c)
    ),
    "reading is left out; from a slow disk it may take longer than computing": lambda n, r, c, cores: n * c,
    "the cores divide the time; the model uses all of them already": (
        lambda n, r, c, cores: duration(n, r, c, cores) / cores
    ),
    "this is one image; all of them are wanted": lambda n, r, c, cores: duration(1, r, c, cores),
    "these are minutes; seconds are wanted": lambda n, r, c, cores: duration(n, r, c, cores) / 60,
}


@check_of("11.1", "Cost a run", "lab.checks.run_duration(my_duration)")
@exercise
def run_duration(function: Callable[[int, float, float, int], float]) -> Verdict:
    """Check exercise 11.1: seconds that a run takes."""
    wrong = first_wrong_number(function, _DURATION_CASES, duration, _DURATION_SLIPS)
    return wrong or Verdict(True, "The slower of reading and computing decides, if there are two cores.")


# ------------------------------------------------------------------------- 11.2 which duplicates to delete

Groups = Sequence[Sequence[str]]
Pixels = Mapping[str, int]


def deletable(groups: Groups, pixels: Pixels) -> set[str]:
    """Return the right answer: of each group all but the first image with the most pixels."""
    kept = [max(group, key=pixels.__getitem__) for group in groups]
    return {name for group in groups for name in group} - set(kept)


_DELETABLE_CASES: list[tuple[str, Groups, Pixels]] = [
    ("one group of two", [("small", "large")], {"small": 10, "large": 90}),
    ("two groups", [("a", "b", "c"), ("d", "e")], {"a": 5, "b": 9, "c": 1, "d": 4, "e": 3}),
    ("two images of equal size", [("first", "second")], {"first": 7, "second": 7}),
    ("no groups", [], {"alone": 5}),
]
_DELETABLE_SLIPS: dict[str, Callable[[Groups, Pixels], set[str]]] = {
    "the first of each group is kept; it may be the smaller one": lambda groups, pixels: {
        name for group in groups for name in group[1:]
    },
    "the smallest of each group is kept": lambda groups, pixels: {
        name for group in groups for name in group if name != min(group, key=pixels.__getitem__)
    },
    "every duplicate is deleted, and no image of the group remains": lambda groups, pixels: {
        name for group in groups for name in group
    },
    "these are the images to keep; those to delete are wanted": lambda groups, pixels: {
        max(group, key=pixels.__getitem__) for group in groups
    },
    "of two equally large images both are kept": lambda groups, pixels: {
        name for group in groups for name in group if pixels[name] < max(pixels[one] for one in group)
    },
    "of two equally large images keep the first": lambda groups, pixels: {
        name for group in groups for name in group if name != max(reversed(group), key=pixels.__getitem__)
    },
}


@check_of("11.2", "Which duplicates can go?", "lab.checks.to_delete(my_deletable)")
@exercise
def to_delete(function: Callable[[Groups, Pixels], Any]) -> Verdict:
    """Check exercise 11.2: which images of groups of duplicates can be deleted."""
    answers = [(case, ask(function, *given, shown=case), *given) for case, *given in _DELETABLE_CASES]
    for case, answer, groups, pixels in answers:
        names = _names(answer, case)
        right = deletable(groups, pixels)
        if names != right:
            return _delete_verdict(case, names, right, answers)
    return Verdict(True, "The largest image of each group remains.")


def _names(answer: Any, case: str) -> set[str]:
    if isinstance(answer, str | Mapping) or not hasattr(answer, "__iter__"):
        raise Refused(f"With {case} a set or list of names is wanted, not {told(answer)}.")
    names = list(answer)
    if not all(isinstance(name, str) for name in names):
        raise Refused(f"With {case} names are wanted, not {told(answer)}; each name is one text.")
    if len(set(names)) != len(names):
        raise Refused(f"With {case} a name is listed twice.")
    return set(map(str, names))


def _delete_verdict(case: str, names: set[str], right: set[str], answers: list[Any]) -> Verdict:
    said = f"With {case} you delete {told(sorted(names))}; {told(sorted(right))} is wanted"
    for slip, wrong in _DELETABLE_SLIPS.items():
        if all(_names(answer, of) == wrong(groups, pixels) for of, answer, groups, pixels in answers):
            return not_yet(said, slip)
    return not_yet(said)


# ------------------------------------------------------------------------- 11.3 the rank of an image


def rank_of(vectors: Matrix, asked: int, found: int) -> int:
    """Return the right answer: among the others, the place of `found` by cosine to `asked`, from 1."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit[asked]
    cosines[asked] = -np.inf
    return int((cosines > cosines[found]).sum()) + 1


def _rank_cases() -> list[tuple[str, Matrix, int, int]]:
    rng = np.random.default_rng(4)
    few = np.array([[1.0, 0.0], [9.0, 1.0], [0.5, 0.4], [0.0, 1.0]])
    many = rng.normal(size=(30, 6)) * rng.uniform(0.2, 5, size=(30, 1))
    return [  # the first case tells all known mistakes apart
        ("30 vectors of several lengths, asked 2 and found 8", many, 2, 8),
        ("30 vectors of several lengths, asked 17 and found 20", many, 17, 20),
        ("four vectors, asked 0 and found 1", few, 0, 1),
        ("four vectors, asked 3 and found 2", few, 3, 2),
    ]


def _product_rank(vectors: Matrix, asked: int, found: int) -> int:
    products = vectors @ vectors[asked]
    products[asked] = -np.inf
    return int((products > products[found]).sum()) + 1


_RANK_SLIPS: dict[str, Callable[[Matrix, int, int], float]] = {
    "ranks start at 1 for the nearest": lambda v, i, j: rank_of(v, i, j) - 1,
    "the image itself is counted; only the others have a rank": lambda v, i, j: rank_of(v, i, j) + 1,
    "the furthest has rank 1 here; sort the other way round": lambda v, i, j: len(v) - rank_of(v, i, j),
    "the vectors are not divided by their lengths: this is the product, not the cosine": _product_rank,
    "this is the rank of the asked image seen from the found one": lambda v, i, j: rank_of(v, j, i),
}


@check_of("11.3", "A rank", "lab.checks.rank(my_rank)")
@exercise
def rank(function: Callable[[Matrix, int, int], int]) -> Verdict:
    """Check exercise 11.3: the rank of one image among the others, seen from another one."""
    wrong = first_wrong_number(function, _rank_cases(), rank_of, _RANK_SLIPS)
    return wrong or Verdict(True, "Ranks can be compared between models; cosines cannot.")
