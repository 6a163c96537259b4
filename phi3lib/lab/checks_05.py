"""The checks of notebook 05: settings of a map, statements that survive seeds, the modality gap."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.exercise import Verdict, ask, exercise
from phi3lib.vectors.maps import Layout, plane_neighbours, umap_map
from phi3lib.vectors.neighbours import Neighbours

Matrix = NDArray[np.floating]
WANTED_TRUST = 0.9


# ---------------------------------------------------------------------------- 05.1 settings


def settings(vectors: Any, space: Neighbours) -> Callable[[Any], Verdict]:
    """A check of exercise 05.1 for these vectors: the map of the learner's settings is made and measured."""

    @exercise
    def check(function: Callable[[], tuple[int, float]]) -> Verdict:
        answer = ask(function)
        try:
            neighbours, distance = int(answer[0]), float(answer[1])
        except (TypeError, ValueError, IndexError):
            return Verdict(False, "Two numbers are wanted: n_neighbors and min_dist.")
        try:
            layout = umap_map(vectors, space, n_neighbors=neighbours, min_dist=distance, seed=0)
        except ValueError as error:
            return Verdict(False, f"These settings make no map: {error}.")
        trust = layout.trustworthiness(vectors)
        said = f"n_neighbors {neighbours} and min_dist {distance:g} give a trustworthiness of {trust:.3f}"
        if trust >= WANTED_TRUST:
            return Verdict(True, f"{said}.")
        hints = ["fewer neighbours keep what is near"] if neighbours > 20 else []
        hints += ["a smaller min_dist lets near points stand close"] if distance > 0.3 else []
        hints += ["with very few neighbours the map falls to pieces"] if neighbours < 5 else []
        return Verdict(
            False, f"{said}; at least {WANTED_TRUST} is wanted. Try: {'; '.join(hints) or 'other values'}."
        )

    return check


# -------------------------------------------------------------------------- 05.2 statements

STATEMENTS = {
    "a": "Most points have a neighbour of their own kind next to them.",
    "b": "The two kinds whose islands are furthest apart are the same on every map.",
    "c": "The largest island belongs to the same kind on every map.",
    "d": "The leftmost point is the same on every map.",
}


def surviving(layouts: Sequence[Layout], labels: Sequence[Any] | NDArray) -> set[str]:
    """Which of STATEMENTS hold on all of these maps."""
    names = np.asarray(labels)
    alike = [(names[plane_neighbours(one.places, 1)[:, 0]] == names).mean() > 0.5 for one in layouts]
    kept = {
        "a": all(alike),
        "b": len({_furthest(one, names) for one in layouts}) == 1,
        "c": len({_largest(one, names) for one in layouts}) == 1,
        "d": len({int(one.places[:, 0].argmin()) for one in layouts}) == 1,
    }
    return {letter for letter, holds in kept.items() if holds}


def _furthest(layout: Layout, names: NDArray) -> tuple[str, str]:
    kinds = np.unique(names)
    centres = np.array([np.median(layout.places[names == kind], axis=0) for kind in kinds])
    distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    first, second = np.unravel_index(distances.argmax(), distances.shape)
    return str(kinds[first]), str(kinds[second])


def _largest(layout: Layout, names: NDArray) -> str:
    kinds = np.unique(names)
    spreads = [
        np.median(
            np.linalg.norm(
                layout.places[names == kind] - np.median(layout.places[names == kind], axis=0), axis=1
            )
        )
        for kind in kinds
    ]
    return str(kinds[int(np.argmax(spreads))])


def statements(layouts: Sequence[Layout], labels: Sequence[Any] | NDArray) -> Callable[[Any], Verdict]:
    """A check of exercise 05.2 for these maps; the right answer is computed, not known."""
    right = surviving(layouts, labels)

    @exercise
    def check(function: Callable[[], Any]) -> Verdict:
        answer = ask(function)
        try:
            said = {str(letter) for letter in answer}
        except TypeError:
            return Verdict(False, 'Letters are wanted, such as {"a", "b"}.')
        if unknown := sorted(said - set(STATEMENTS)):
            return Verdict(False, f"There is no statement {unknown[0]!r}; there are a, b, c and d.")
        if said == right:
            return Verdict(True, f"On all {len(layouts)} maps.")
        if wrong := sorted(said - right):
            return Verdict(
                False, f"{wrong[0]} does not hold on all {len(layouts)} maps: {STATEMENTS[wrong[0]]}"
            )
        missed = sorted(right - said)[0]
        return Verdict(False, f"{missed} does hold on all {len(layouts)} maps: {STATEMENTS[missed]}")

    return check


# ------------------------------------------------------------------------- 05.3 modality gap


def _unit(vectors: Matrix) -> Matrix:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


_GAP_SLIPS: dict[str, Callable[[Matrix, Matrix], float]] = {
    "the vectors are not divided by their lengths first": lambda a, b: float(
        np.linalg.norm(a.mean(0) - b.mean(0))
    ),
    "this is the square of the distance": lambda a, b: float(
        ((_unit(a).mean(0) - _unit(b).mean(0)) ** 2).sum()
    ),
    "this is the mean distance of all pairs; that of the two centres is wanted": lambda a, b: float(
        np.linalg.norm(_unit(a)[:, None] - _unit(b)[None], axis=-1).mean()
    ),
    "this is the cosine of the two centres, not their distance": lambda a, b: float(
        _unit(_unit(a).mean(0, keepdims=True))[0] @ _unit(_unit(b).mean(0, keepdims=True))[0]
    ),
}


@exercise
def modality_gap(function: Callable[[Matrix, Matrix], float]) -> Verdict:
    """Exercise 05.3: `function(pictures, texts)`: the distance of the centres of vectors of length one."""
    rng = np.random.default_rng(0)
    for count, other, width in ((3, 4, 2), (10, 6, 5)):
        a = rng.normal(size=(count, width)) * rng.uniform(1, 5, (count, 1)) + 2
        b = rng.normal(size=(other, width)) * rng.uniform(1, 5, (other, 1)) - 1
        shown = f"{count} pictures and {other} texts"
        given = np.asarray(ask(function, a.copy(), b.copy(), shown=shown))
        right = float(np.linalg.norm(_unit(a).mean(0) - _unit(b).mean(0)))
        if given.shape != () or given.dtype.kind not in "fiu":
            return Verdict(False, f"With {shown} one number is wanted.")
        if abs(float(given) - right) < 1e-6:
            continue
        said = f"With {shown} you have {float(given):.3f}, and {right:.3f} is right"
        for slip, formula in _GAP_SLIPS.items():
            if abs(float(given) - formula(a, b)) < 1e-6:
                return Verdict(False, f"{said}: {slip}.")
        return Verdict(False, f"{said}.")
    return Verdict(True, "The distance of two means of directions, 0 to 2.")


@exercise
def close_gap(function: Callable[[Matrix, Matrix], tuple[Matrix, Matrix]]) -> Verdict:
    """Exercise 05.4: `function(pictures, texts)` → both centred, so that their centres fall together."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(20, 6)) + 2, rng.normal(size=(15, 6)) - 1
    answer = ask(function, a.copy(), b.copy(), shown="20 pictures and 15 texts")
    try:
        first, second = (np.asarray(part, dtype=float) for part in answer)
    except (TypeError, ValueError):
        return Verdict(False, "Two arrays are wanted: pictures and texts.")
    if first.shape != a.shape or second.shape != b.shape:
        return Verdict(
            False, f"The shapes are {first.shape} and {second.shape}; they must stay as they were."
        )
    apart = float(np.linalg.norm(first.mean(0) - second.mean(0)))
    if apart > 1e-6:
        both = np.concatenate([_unit(a), _unit(b)]).mean(0)
        if np.allclose(first, _unit(a) - both, atol=1e-6):
            slip = "one mean of everything was taken away; each side has its own"
            return Verdict(False, f"The centres are still {apart:.3f} apart: {slip}.")
        return Verdict(False, f"The centres are still {apart:.3f} apart.")
    if np.linalg.norm(first - first.mean(0)) < 1e-9:
        return Verdict(False, "Nothing is left of the pictures: only the mean should go.")
    return Verdict(True, "The centres fall together, and what tells the items apart is left.")
