"""The checks of notebook 12: what a resumed run computes, hours of a run, a share from a sample of parts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phi3lib.lab.checks.base import Refused, Verdict, ask, exercise, told
from phi3lib.lab.checks.reading import first_wrong_number
from phi3lib.lab.checks.registry import check_of

# ------------------------------------------------------------------------- 12.1 what is left to compute

Groups = Sequence[Sequence[str]]


def pending(groups: Groups, stored: set[str]) -> list[list[str]]:
    """Return the right answer: the groups of which an image is missing, whole and in their order."""
    return [list(group) for group in groups if not set(group) <= stored]


_PENDING_CASES: list[tuple[str, Groups, set[str]]] = [
    ("three groups of which the second is stored", [["a", "b"], ["c", "d"], ["e"]], {"c", "d"}),
    ("a group of which half is stored", [["a", "b"], ["c", "d"]], {"a", "b", "c"}),
    ("nothing stored", [["b", "a"], ["c"]], set()),
    ("everything stored", [["a"], ["b"]], {"a", "b"}),
    ("as many images as before, and others", [["a", "b"], ["c", "d"]], {"w", "x", "y", "z"}),
]
_PENDING_SLIPS: dict[str, Callable[[Groups, set[str]], list[list[str]]]] = {
    "all groups are computed again, and the finished ones twice": lambda groups, stored: [
        list(group) for group in groups
    ],
    "these groups are finished; those that are not are wanted": lambda groups, stored: [
        list(group) for group in groups if set(group) <= stored
    ],
    "a group of which a part is stored is left out, and its other images are lost": lambda groups, stored: [
        list(group) for group in groups if not set(group) & stored
    ],
    "only the missing images of a group are listed; its file is written whole or not at all": (
        lambda groups, stored: [
            [name for name in group if name not in stored] for group in groups if not set(group) <= stored
        ]
    ),
    "as many groups are skipped as are stored; what counts is which ones are stored": lambda groups, stored: [
        list(group) for group in groups[sum(set(one) <= stored for one in groups) :]
    ],
    "images are counted, not compared: others may be stored": lambda groups, stored: (
        [] if sum(map(len, groups)) == len(stored) else pending(groups, stored)
    ),
}


@check_of("12.1", "What is left to compute?", "lab.checks.left_to_compute(my_left_to_compute)")
@exercise
def left_to_compute(function: Callable[[Groups, set[str]], Any]) -> Verdict:
    """Check exercise 12.1: the groups that a resumed run computes."""
    answers = [(case, ask(function, *given, shown=case), *given) for case, *given in _PENDING_CASES]
    read = [_groups(answer, case) for case, answer, *_ in answers]
    for found, (case, _, groups, stored) in zip(read, answers, strict=True):
        if found != pending(groups, stored):
            said = f"With {case} you return {told(found)}; {told(pending(groups, stored))} is wanted"
            for slip, wrong in _PENDING_SLIPS.items():
                if read == [wrong(*given) for _, _, *given in answers]:
                    return Verdict(False, f"{said}: {slip}.")
            if sorted(found) == sorted(pending(groups, stored)):
                return Verdict(False, f"{said}: keep the order of the groups.")
            return Verdict(False, f"{said}.")
    return Verdict(True, "A group is finished if all of its images are stored, whatever else there is.")


def _groups(answer: Any, case: str) -> list[list[str]]:
    if isinstance(answer, str | dict) or not hasattr(answer, "__iter__"):
        raise Refused(f"With {case} a list of groups is wanted, not {told(answer)}.")
    groups = list(answer)
    if not all(isinstance(group, list | tuple | np.ndarray) for group in groups):
        raise Refused(f"With {case} each group is a list of names, not {told(groups[0])}.")
    return [[str(name) for name in group] for group in groups]


# ------------------------------------------------------------------------- 12.2 hours of a run


def hours_of(images: int, seconds: float, workers: int, lost: float) -> float:
    """Return the right answer: hours on the clock, if the share `lost` of the time is lost."""
    return images * seconds / workers / (1 - lost) / 3600


_HOURS_CASES = [
    ("1,000,000 images, 0.1 s each, 10 workers and a tenth of the time lost", 1_000_000, 0.1, 10, 0.1),
    ("100,000,000 images, 0.02 s each, 64 workers and nothing lost", 100_000_000, 0.02, 64, 0.0),
    ("5,000 images, 3 s each, 1 worker and half of the time lost", 5_000, 3.0, 1, 0.5),
]
_HOURS_SLIPS: dict[str, Callable[[int, float, int, float], float]] = {
    "these are seconds; hours are wanted": lambda n, s, w, lost: hours_of(n, s, w, lost) * 3600,
    "these are minutes; hours are wanted": lambda n, s, w, lost: hours_of(n, s, w, lost) * 60,
    "these are the hours of all workers together; they work at the same time": lambda n, s, w, lost: hours_of(
        n, s, 1, lost
    ),
    "the lost time is left out": lambda n, s, w, lost: hours_of(n, s, w, 0.0),
    "of ten hours of which a tenth is lost, nine are used: divide by 1 − lost": lambda n, s, w, lost: (
        hours_of(n, s, w, 0.0) * (1 + lost)
    ),
    "the lost time makes it shorter here": lambda n, s, w, lost: hours_of(n, s, w, 0.0) * (1 - lost),
}


@check_of("12.2", "Hours on the clock", "lab.checks.run_hours(my_hours)")
@exercise
def run_hours(function: Callable[[int, float, int, float], float]) -> Verdict:
    """Check exercise 12.2: hours that a run takes with several workers."""
    wrong = first_wrong_number(function, _HOURS_CASES, hours_of, _HOURS_SLIPS)
    return wrong or Verdict(True, "Twice as many workers take half of the time, and cost the same.")


# ------------------------------------------------------------------------- 12.3 a share from strata


def weighted(sizes: Sequence[int], right: Sequence[int], drawn: Sequence[int]) -> float:
    """Return the right answer: the share in all images, from samples of several parts."""
    shares = np.asarray(right, float) / np.asarray(drawn, float)
    return float((np.asarray(sizes, float) * shares).sum() / np.sum(sizes))


_SHARE_CASES = [
    ("parts of 900 and 100 images, 20 and 10 drawn, 2 and 9 of them right", (900, 100), (2, 9), (20, 10)),
    ("three parts of which unequal numbers were drawn", (500, 300, 200), (10, 3, 4), (20, 30, 5)),
    ("one part", (50,), (2,), (8,)),
]
_SHARE_SLIPS: dict[str, Callable[[Any, Any, Any], float]] = {
    "the shares are averaged as if all parts were of one size": lambda sizes, right, drawn: float(
        np.mean(np.divide(right, drawn))
    ),
    "this is the share in the sample; from the small part too many were drawn": lambda sizes, right, drawn: (
        float(np.sum(right) / np.sum(drawn))
    ),
    "this is a number of images; a share is wanted": lambda sizes, right, drawn: (
        weighted(sizes, right, drawn) * float(np.sum(sizes))
    ),
    "these are percent; a share from 0 to 1 is wanted": lambda sizes, right, drawn: (
        100 * weighted(sizes, right, drawn)
    ),
}


@check_of("12.3", "A share from a stratified sample", "lab.checks.stratified_share(my_share)")
@exercise
def stratified_share(function: Callable[[Any, Any, Any], float]) -> Verdict:
    """Check exercise 12.3: a share in all images from samples of their parts."""
    wrong = first_wrong_number(function, _SHARE_CASES, weighted, _SHARE_SLIPS)
    return wrong or Verdict(
        True, "Each part counts as much as it has images, however many were drawn from it."
    )
