"""The checks of notebook 10: what a width changes, which topic comes back first, what is not shown."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from phi3lib.lab.checks.base import EMPTY, Refused, Verdict, ask, exercise, guarded, not_yet, told
from phi3lib.lab.checks.reading import first_wrong_number
from phi3lib.lab.checks.registry import check_of

# ------------------------------------------------------------------------- 10.1 what a width changes


def _new_numbers(width: float, hidden: float) -> float:
    """Return the first layer's weights and two separators: what has another shape when the width changes."""
    return 4 * width * hidden + 2 * 4 * width


_SHAPE_SLIPS: dict[str, Callable[[int, int], float]] = {
    "the HD transform merges 2×2 patches, so the projector's input is 4 times as wide as the tower": (
        lambda width, hidden: width * hidden + 2 * width
    ),
    "the two separators are missing": lambda width, hidden: 4 * width * hidden,
    "one of the two separators is missing": lambda width, hidden: 4 * width * hidden + 4 * width,
    "the separators are as wide as the merged patches, 4 times the tower": (
        lambda width, hidden: 4 * width * hidden + 2 * width
    ),
    "the first layer's bias is as wide as the language model and keeps its shape": (
        lambda width, hidden: _new_numbers(width, hidden) + hidden
    ),
    "the second layer maps the language model's width to itself and keeps its shape": (
        lambda width, hidden: _new_numbers(width, hidden) + hidden * hidden
    ),
    "both layers are counted whole; the second one and all biases keep their shapes": (
        lambda width, hidden: _new_numbers(width, hidden) + hidden * hidden + 2 * hidden
    ),
}


@check_of("10.1", "What a width changes", "lab.checks.new_shapes(my_new_shapes)")
@exercise
def new_shapes(function: Callable[[int, int], int]) -> Verdict:
    """Check exercise 10.1: `function(width, hidden)` → numbers whose shape depends on the tower's width."""
    cases = [
        (f"a tower {width} wide and a language model {hidden} wide", width, hidden)
        for width, hidden in ((2, 3), (64, 256), (1024, 3072), (1152, 3072))
    ]
    wrong = first_wrong_number(function, cases, _new_numbers, _SHAPE_SLIPS)
    if wrong:
        return wrong
    return Verdict(True, "The first layer's weights and both separators: everything else keeps its shape.")


# ------------------------------------------------------------------------- 10.2 which topic comes back first

Curves = Mapping[str, list[tuple[int, float]]]


def _half_way(curve: list[tuple[int, float]], before: float) -> int | None:
    """Return the number of scenes after which half of what was lost is back; None where it never is."""
    start = curve[0][1]
    wanted = start + (before - start) / 2
    return next((scenes for scenes, share in curve if share >= wanted), None)


def _first_back(curves: Curves, before: Mapping[str, float]) -> str:
    found = {topic: _half_way(curve, before[topic]) for topic, curve in curves.items()}
    reached = {topic: scenes for topic, scenes in found.items() if scenes is not None}
    return min(reached, key=lambda topic: reached[topic])


_MADE_UP: tuple[tuple[Curves, dict[str, float]], ...] = (
    (
        {"colour": [(0, 0.1), (50, 0.2), (100, 0.9)], "side": [(0, 0.8), (50, 0.95), (100, 0.97)]},
        {"colour": 1.0, "side": 1.0},
    ),
    (  # "side" has half of the original's score from the start, and gains less than half of what it lost
        {"colour": [(0, 0.0), (50, 0.55), (100, 0.9)], "side": [(0, 0.5), (50, 0.55), (100, 0.6)]},
        {"colour": 1.0, "side": 1.0},
    ),
    (  # "side" is always higher, and gains less than half of what it lost
        {"colour": [(0, 0.1), (50, 0.6), (100, 0.7)], "side": [(0, 0.8), (50, 0.85), (100, 0.88)]},
        {"colour": 1.0, "side": 1.0},
    ),
    (  # "count" gains most at the end, but is the later one; "kind" had less to win back
        {"count": [(0, 0.0), (50, 0.1), (100, 0.9)], "kind": [(0, 0.2), (50, 0.4), (100, 0.45)]},
        {"count": 1.0, "kind": 0.5},
    ),
)
_FIRST_SLIPS: dict[str, Callable[[Curves, Mapping[str, float]], str]] = {
    "that is the topic with the highest score, and it may have lost little": (
        lambda curves, before: max(curves, key=lambda topic: curves[topic][-1][1])
    ),
    "that is the topic that gains most in the end, not the one that is half back first": (
        lambda curves, before: max(curves, key=lambda topic: curves[topic][-1][1] - curves[topic][0][1])
    ),
    "half of the original's score is not half of what was lost: subtract what was left": (
        lambda curves, before: min(
            curves,
            key=lambda topic: next((s for s, share in curves[topic] if share >= before[topic] / 2), 10**9),
        )
    ),
}


@check_of("10.2", "Which topic comes back first?", "lab.checks.first_back(my_first_back)")
@exercise
def first_back(function: Callable[[Curves, Mapping[str, float]], str]) -> Verdict:
    """Check exercise 10.2: `function(curves, before)` → the topic that regains half of its loss first."""
    for number, (curves, before) in enumerate(_MADE_UP, 1):
        shown = f"made-up curves {number}"
        answer = ask(function, curves, before, shown=shown)
        right = _first_back(curves, before)
        if str(answer) == right:
            continue
        if str(answer) not in curves:
            raise Refused(f"With {shown} one of {', '.join(curves)} is wanted, not {told(answer)}.")
        said = f"With {shown} you have {answer!r}, and {right!r} is right"
        for slip, wrong in _FIRST_SLIPS.items():
            if wrong(curves, before) == answer:
                return not_yet(said, slip)
        scenes = _half_way(curves[right], before[right])
        return not_yet(f"{said}: {right} is half-way back after {scenes} scenes")
    return Verdict(True, "Half of what was lost: topics with a high level of chance are not favoured.")


# ------------------------------------------------------------------------- 10.3 what is not shown

STATEMENTS = {
    "a": "In this notebook's model, the projector alone brings some answers back.",
    "b": "Captions are better for pretraining than labels, as the CLIP tower and the labels tower show.",
    "c": "The labels tower gives better answers about colours than the same network with random weights.",
    "d": "SigLIP is a better tower than CLIP for the published Phi-3.5-vision.",
    "e": "In all topics but print, the original tower needs no more detail than its global view has.",
    "f": "Without training the projector, a tower of the same width can be used as it is.",
}
_NOT_SHOWN = {
    "b": "the CLIP tower is larger, was trained for hours, its projector was kept, and the original tower "
    "began from it: more than the labels differs",
    "d": "no published model was run; small models support conclusions about the method",
    "f": "the opposite was measured: with the projector kept, most answers were lost",
}
_SHOWN = {
    "a": "answers were measured before and after, on scenes that were not trained on",
    "c": "both have one architecture, one projector and one number of scenes; only the weights differ",
    "e": "sharp and blurred crops, as many tokens at the same positions, were scored on the same scenes",
}


@check_of("10.3", "What is not shown", "lab.checks.not_shown(my_letters)")
@guarded
def not_shown(answer: Iterable[str] | Any) -> Verdict:
    """Check exercise 10.3: the letters of the statements that this notebook does not show."""
    if answer is None or answer is ...:
        return EMPTY
    letters = {str(one).strip().lower() for one in itertools.chain.from_iterable(map(str, answer))}
    letters -= {"", " ", ","}
    if unknown := letters - set(STATEMENTS):
        raise Refused(f"There is no statement {', '.join(sorted(unknown))}; there are: a to f.")
    for letter in sorted(letters & set(_SHOWN)):
        said = f"Statement {letter} is shown"
        return Verdict(False, f"{said}: {_SHOWN[letter]}.", said)
    missing = sorted(set(_NOT_SHOWN) - letters)
    if missing:
        return Verdict(False, f"{len(missing)} more of the statements not shown: think about what differs.")
    reasons = "; ".join(f"{letter}: {reason}" for letter, reason in _NOT_SHOWN.items())
    return Verdict(True, f"{reasons}.")
