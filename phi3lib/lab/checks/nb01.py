"""The checks of notebook 01: cosines, zero-shot, temperature, the contrastive loss."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.checks.base import Verdict, ask, exercise, not_yet
from phi3lib.lab.checks.reading import apart, array, as_array, closeness, near, number
from phi3lib.lab.checks.registry import check_of

Matrix = NDArray[np.floating]


def _cases(count: int = 6) -> list[tuple[Matrix, Matrix]]:
    """Pairs of (rows, columns) of vectors, of unequal lengths, the smallest first."""
    rng = np.random.default_rng(0)
    sizes = [(1, 2, 2), (2, 3, 4), (4, 4, 5), (3, 7, 16), (8, 2, 3), (5, 5, 5)]
    return [
        (
            rng.normal(size=(n, d)) * rng.uniform(1, 9, (n, 1)),
            rng.normal(size=(m, d)) * rng.uniform(1, 9, (m, 1)),
        )
        for n, m, d in sizes[:count]
    ]


def _unit(vectors: Matrix, axis: int = -1) -> Matrix:
    return vectors / np.linalg.norm(vectors, axis=axis, keepdims=True)


def _softmax(logits: Matrix, axis: int = -1) -> Matrix:
    shifted = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return shifted / shifted.sum(axis=axis, keepdims=True)


def _first_wrong(answer: object, wanted: Matrix, case: str) -> Verdict:
    """Name the first value that is off, with enough digits to see it; Refused for another shape."""
    given = array(answer, wanted.shape, case)
    row, col = np.argwhere(~np.isclose(given, wanted, rtol=closeness(answer), atol=closeness(answer)))[0]
    yours, right = apart(given[row, col], wanted[row, col])
    return Verdict(False, f"With {case} row {row}, column {col} is {yours}, and {right} is right.")


# ------------------------------------------------------------------------------ 01.1 cosine

_COSINE_SLIPS: dict[str, Callable[[Matrix, Matrix], Matrix]] = {
    "the vectors are not divided by their lengths: this is the dot product": lambda a, b: a @ b.T,
    "only the first vectors are divided by their lengths": lambda a, b: _unit(a) @ b.T,
    "only the second vectors are divided by their lengths": lambda a, b: a @ _unit(b).T,
    "the lengths are taken along the wrong axis: one for each row is wanted (axis=1, keepdims=True)": (
        lambda a, b: _unit(a, 0) @ _unit(b, 0).T
    ),
    "one length is taken of the whole matrix: each row has its own": lambda a, b: (
        (a / np.linalg.norm(a)) @ (b / np.linalg.norm(b)).T
    ),
    "rows and columns are swapped: rows are for the first vectors": lambda a, b: _unit(b) @ _unit(a).T,
    "this is a distance, 0 for the same direction; a cosine is 1 there": lambda a, b: (
        1 - _unit(a) @ _unit(b).T
    ),
}


@check_of("01.1", "Cosine", "lab.checks.cosine(my_cosine)")
@exercise
def cosine(function: Callable[[Matrix, Matrix], Matrix]) -> Verdict:
    """Check exercise 01.1: `function(a, b)`, (N, d) and (M, d) → (N, M) cosines."""
    for a, b in _cases():
        shown = f"{len(a)} and {len(b)} vectors of {a.shape[1]} numbers"
        answer, wanted = ask(function, a, b, shown=shown), _unit(a) @ _unit(b).T
        if near(answer, wanted):
            continue
        for slip, formula in _COSINE_SLIPS.items():
            if near(answer, formula(a, b)):
                return not_yet(f"With {shown}", slip)
        return _first_wrong(answer, wanted, shown)
    return Verdict(True, "One for each pair, between −1 and 1, and the lengths do not matter.")


# --------------------------------------------------------------------------- 01.2 zero-shot

_ZERO_SHOT_SLIPS: dict[str, Callable[[Matrix, Matrix, float], Matrix]] = {
    "the scale is not used: cosines lie so close together that all classes look alike": (
        lambda p, c, s: _softmax(_unit(p) @ _unit(c).T)
    ),
    "the softmax runs over the pictures; for each picture the classes must add up to 1": (
        lambda p, c, s: _softmax(s * _unit(p) @ _unit(c).T, 0)
    ),
    "the vectors are not divided by their lengths": lambda p, c, s: _softmax(s * p @ c.T),
    "the cosines are divided by the scale; it multiplies": lambda p, c, s: _softmax(
        _unit(p) @ _unit(c).T / s
    ),
    "these are scaled cosines: the softmax is missing": lambda p, c, s: s * _unit(p) @ _unit(c).T,
    "rows are classes; rows are to be pictures": lambda p, c, s: _softmax(s * _unit(p) @ _unit(c).T).T,
}

_CLASSES = "These are the likeliest classes; the probability of each class is wanted."


@check_of("01.2", "Zero-shot", "lab.checks.zero_shot(my_zero_shot)")
@exercise
def zero_shot(function: Callable[[Matrix, Matrix, float], Matrix]) -> Verdict:
    """Check exercise 01.2: `function(pictures, classes, scale)` → (N, classes) probabilities."""
    for count, (pictures, classes) in enumerate(_cases()):
        scale = (5.0, 20.0, 100.0)[count % 3]
        shown = f"{len(pictures)} pictures, {len(classes)} classes and scale {scale:g}"
        answer = ask(function, pictures, classes, scale, shown=shown)
        wanted = _softmax(scale * _unit(pictures) @ _unit(classes).T)
        if near(answer, wanted):
            continue
        for slip, formula in _ZERO_SHOT_SLIPS.items():
            if near(answer, formula(pictures, classes, scale)):
                return not_yet(f"With {shown}", slip)
        given = as_array(answer)
        if given is not None and np.array_equal(given.ravel(), wanted.argmax(1)):
            return Verdict(False, _CLASSES, _CLASSES)
        return _first_wrong(answer, wanted, shown)
    return Verdict(True, "Each row adds up to 1, and reordering the classes reorders the answers.")


# ---------------------------------------------------------------------- 01.3 smallest scale

WANTED_PROBABILITY = 0.9
SLACK = 0.021  # "two percent off are fine"


def _reached(scale: float, cosines: Matrix) -> float:
    """Return the probability of the best caption at this scale."""
    return float(_softmax(scale * cosines).max())


@check_of("01.3", "How large must the scale be?", "lab.checks.smallest_scale(my_smallest_scale)")
@exercise
def smallest_scale(function: Callable[[Matrix], float]) -> Verdict:
    """Check exercise 01.3: `function(cosines)`, the smallest scale that gives the best one 0.9."""
    rng = np.random.default_rng(1)
    for _ in range(8):
        cosines = np.round(np.sort(rng.uniform(0.1, 0.35, int(rng.integers(2, 6)))), 3)
        cosines[-1] += 0.02
        rng.shuffle(cosines)
        shown = f"cosines {cosines.tolist()}"
        scale = number(ask(function, cosines, shown=shown), shown)
        if scale <= 0:
            return Verdict(False, f"With {shown} one positive number is wanted, not {scale:g}.")
        if _reached((1 + SLACK) * scale, cosines) < WANTED_PROBABILITY:
            p = _reached(scale, cosines)
            return Verdict(False, f"With {shown} scale {scale:.1f} gives only p = {p:.4f}.")
        smaller = (1 - SLACK) * scale
        if _reached(smaller, cosines) > WANTED_PROBABILITY:
            said = f"scale {smaller:.1f} still gives p = {_reached(smaller, cosines):.4f}"
            return Verdict(False, f"With {shown} a smaller one will do: {said}.")
    return Verdict(
        True, "Within 2 % of the smallest; the closer the best two cosines, the larger it must be."
    )


# ------------------------------------------------------------------- 01.4 contrastive loss


def _cross_entropy(logits: Matrix, axis: int) -> float:
    return float(-np.log(np.diagonal(_softmax(logits, axis))).mean())


_LOSS_SLIPS: dict[str, Callable[[Matrix], float]] = {
    "only pictures look for their texts; texts must look for their pictures, too": (
        lambda logits: _cross_entropy(logits, 1)
    ),
    "only texts look for their pictures; pictures must look for their texts, too": (
        lambda logits: _cross_entropy(logits, 0)
    ),
    "the two directions are added; their mean is wanted": lambda logits: (
        _cross_entropy(logits, 0) + _cross_entropy(logits, 1)
    ),
    "the pairs are summed; their mean is wanted": lambda logits: (
        len(logits) * (_cross_entropy(logits, 0) + _cross_entropy(logits, 1)) / 2
    ),
    "the sign is turned round: a loss falls when the right pairs get likelier": lambda logits: (
        -(_cross_entropy(logits, 0) + _cross_entropy(logits, 1)) / 2
    ),
    "this is the mean probability of the right pairs; the loss is minus its logarithm": lambda logits: float(
        (np.diagonal(_softmax(logits, 0)) + np.diagonal(_softmax(logits, 1))).mean() / 2
    ),
    "one softmax runs over the whole matrix; there is one for each row and one for each column": (
        lambda logits: float(
            -np.log(np.diagonal(_softmax(logits.reshape(1, -1)).reshape(logits.shape))).mean()
        )
    ),
}


@check_of("01.4", "The contrastive loss", "lab.checks.symmetric_loss(my_symmetric_loss)")
@exercise
def symmetric_loss(function: Callable[[Matrix], float]) -> Verdict:
    """Check exercise 01.4: `function(logits)`, CLIP's loss of an (N, N) matrix whose diagonal is right."""
    rng = np.random.default_rng(2)
    cases = [(f"equal logits of {n} pairs", np.zeros((n, n))) for n in (2, 5)]
    cases += [(f"random logits of {n} pairs", rng.normal(size=(n, n)) * 3) for n in (2, 3, 8)]
    wanted = [(_cross_entropy(logits, 0) + _cross_entropy(logits, 1)) / 2 for _, logits in cases]
    given = [ask(function, logits, shown=shown) for shown, logits in cases]
    answers = [number(answer, shown) for answer, (shown, _) in zip(given, cases, strict=True)]
    close = max(closeness(answer) for answer in given)
    off = ~np.isclose(answers, wanted, rtol=close, atol=close)
    if not off.any():
        return Verdict(True, "With equal logits it is ln N, and it falls when the diagonal stands out.")
    index = int(off.argmax())
    yours, right = apart(answers[index], wanted[index])
    said = f"With {cases[index][0]} your loss is {yours}, and {right} is right"
    for slip, formula in _LOSS_SLIPS.items():
        if np.allclose(answers, [formula(logits) for _, logits in cases], rtol=close, atol=close):
            return not_yet(said, slip)
    return not_yet(said)
