"""The checks of notebook 01: cosines, zero-shot, temperature, the contrastive loss."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.exercise import Verdict, ask, exercise

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


def _array(answer: object) -> Matrix:
    """A learner's answer as numbers; what is none becomes an empty array."""
    try:
        return np.asarray(answer, dtype=float)
    except (TypeError, ValueError):
        return np.zeros(0)


def _same(answer: object, wanted: Matrix) -> bool:
    given = _array(answer)
    return given.shape == wanted.shape and np.allclose(given, wanted, atol=1e-5)


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


@exercise
def cosine(function: Callable[[Matrix, Matrix], Matrix]) -> Verdict:
    """Exercise 01.1: `function(a, b)`, (N, d) and (M, d) → (N, M) cosines."""
    for a, b in _cases():
        shown = f"{len(a)} and {len(b)} vectors of {a.shape[1]} numbers"
        answer, wanted = ask(function, a.copy(), b.copy(), shown=shown), _unit(a) @ _unit(b).T
        if _same(answer, wanted):
            continue
        for slip, formula in _COSINE_SLIPS.items():
            if _same(answer, formula(a, b)):
                return Verdict(False, f"With {shown}: {slip}.")
        if _array(answer).shape != wanted.shape:
            return Verdict(
                False, f"With {shown} the shape is {_array(answer).shape}, and {wanted.shape} is wanted."
            )
        return Verdict(
            False, f"With {shown} the first cosine is {_array(answer)[0, 0]:.3f}, not {wanted[0, 0]:.3f}."
        )
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


@exercise
def zero_shot(function: Callable[[Matrix, Matrix, float], Matrix]) -> Verdict:
    """Exercise 01.2: `function(pictures, classes, scale)` → (N, classes) probabilities."""
    for number, (pictures, classes) in enumerate(_cases()):
        scale = (5.0, 20.0, 100.0)[number % 3]
        shown = f"{len(pictures)} pictures, {len(classes)} classes and scale {scale:g}"
        answer = ask(function, pictures.copy(), classes.copy(), scale, shown=shown)
        wanted = _softmax(scale * _unit(pictures) @ _unit(classes).T)
        if _same(answer, wanted):
            continue
        for slip, formula in _ZERO_SHOT_SLIPS.items():
            if _same(answer, formula(pictures, classes, scale)):
                return Verdict(False, f"With {shown}: {slip}.")
        if np.array_equal(_array(answer).ravel(), wanted.argmax(1)):
            return Verdict(False, "These are the likeliest classes; the probability of each class is wanted.")
        return Verdict(False, f"With {shown} the numbers are not the softmax of the scaled cosines.")
    return Verdict(True, "Each row adds up to 1, and reordering the classes reorders the answers.")


# ---------------------------------------------------------------------- 01.3 smallest scale

WANTED_PROBABILITY = 0.9


@exercise
def smallest_scale(function: Callable[[Matrix], float]) -> Verdict:
    """Exercise 01.3: `function(cosines)`, the smallest scale that makes the best one likelier than 0.9."""
    rng = np.random.default_rng(1)
    for _ in range(8):
        cosines = np.round(np.sort(rng.uniform(0.1, 0.35, int(rng.integers(2, 6)))), 3)
        cosines[-1] += 0.02
        rng.shuffle(cosines)
        shown = f"cosines {cosines.tolist()}"
        scale = _array(ask(function, cosines.copy(), shown=shown))
        if scale.shape != () or scale <= 0:
            return Verdict(False, f"With {shown} one positive number is wanted, not {scale.tolist()}.")
        reached = _softmax(float(scale) * cosines).max()
        below = _softmax(0.98 * float(scale) * cosines).max()
        if reached < WANTED_PROBABILITY - 1e-6:
            return Verdict(False, f"With {shown} scale {float(scale):.1f} gives only p = {reached:.3f}.")
        if below > WANTED_PROBABILITY:
            smaller = f"scale {0.98 * float(scale):.1f} still gives p = {below:.3f}"
            return Verdict(False, f"With {shown} a smaller one will do: {smaller}.")
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


@exercise
def symmetric_loss(function: Callable[[Matrix], float]) -> Verdict:
    """Exercise 01.4: `function(logits)`, CLIP's loss of an (N, N) matrix whose diagonal is right."""
    rng = np.random.default_rng(2)
    cases = [(f"equal logits of {n} pairs", np.zeros((n, n))) for n in (2, 5)]
    cases += [(f"random logits of {n} pairs", rng.normal(size=(n, n)) * 3) for n in (2, 3, 8)]
    given = [_array(ask(function, logits.copy(), shown=shown)) for shown, logits in cases]
    if any(answer.shape != () for answer in given):
        return Verdict(False, f"One number is wanted, not an answer of shape {given[0].shape}.")
    answers = [float(answer) for answer in given]
    wanted = [(_cross_entropy(logits, 0) + _cross_entropy(logits, 1)) / 2 for _, logits in cases]
    if np.allclose(answers, wanted, atol=1e-5):
        return Verdict(True, "With equal logits it is ln N, and it falls when the diagonal stands out.")
    place = next(p for p, (a, w) in enumerate(zip(answers, wanted, strict=True)) if abs(a - w) > 1e-5)
    said = f"With {cases[place][0]} your loss is {answers[place]:.3f}, and {wanted[place]:.3f} is right"
    for slip, formula in _LOSS_SLIPS.items():
        if np.allclose(answers, [formula(logits) for _, logits in cases], atol=1e-5):
            return Verdict(False, f"{said}: {slip}.")
    return Verdict(False, f"{said}.")
