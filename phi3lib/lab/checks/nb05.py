"""The checks of notebook 05: settings of a map, statements that survive seeds, the modality gap."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.groups import groups_of
from phi3lib.embeddings.knn import Neighbors
from phi3lib.embeddings.maps import Layout, plane_neighbors, umap_map
from phi3lib.lab.checks.base import Verdict, ask, exercise, not_yet, told
from phi3lib.lab.checks.reading import apart, as_array, items, near, number, whole
from phi3lib.lab.checks.registry import check_of

Matrix = NDArray[np.floating]
WANTED_TRUST, WANTED_KEPT = 0.975, 0.5


# ---------------------------------------------------------------------------- 05.1 settings


@check_of(
    "05.1",
    "A trustworthy map",
    "lab.checks.settings(table.vectors, space, min_dist=0.5)(my_settings)",
)
def settings(vectors: Any, space: Neighbors, *, min_dist: float = 0.0) -> Callable[[Any], Verdict]:
    """Return a check of exercise 05.1 for these vectors; it computes and measures the map of the settings.

    min_dist: the smallest one that is accepted.
    """

    @exercise
    def check(function: Callable[[], tuple[int, float]]) -> Verdict:
        answer = items(ask(function, shown="no arguments"), 2, "Two numbers, n_neighbors and min_dist,")
        neighbors, distance = whole(answer[0], "n_neighbors"), number(answer[1], "min_dist")
        if distance < min_dist:
            return Verdict(False, f"A min_dist of at least {min_dist:g} is wanted, not {distance:g}.")
        try:
            worth = _worth(vectors, space, neighbors, distance)
        except ValueError as error:
            return Verdict(False, f"These settings make no map: {error}.")
        said = (
            f"n_neighbors {neighbors} and min_dist {distance:g} give a trustworthiness of {worth[0]:.3f} "
            f"and keep {worth[1]:.3f} of the neighbors"
        )
        wanted = (WANTED_TRUST, WANTED_KEPT)
        if _reaches(worth, wanted) or _reaches(
            worth, wanted := _at_most(vectors, space, wanted, max(min_dist, 0.1))
        ):
            return Verdict(True, f"{said}.")
        hints = ["fewer neighbors keep what is near"] if neighbors > 20 else []
        hints += ["a smaller min_dist lets near points be close"] if distance > max(min_dist, 0.3) else []
        hints += ["with very few neighbors the map breaks into pieces"] if neighbors < 5 else []
        return Verdict(
            False,
            f"{said}; at least {wanted[0]:.3f} and {wanted[1]:.3f} are wanted. "
            f"Try: {'; '.join(hints) or 'other values'}.",
        )

    return check


def _worth(vectors: Any, space: Neighbors, neighbors: int, distance: float) -> tuple[float, float]:
    """(trustworthiness, share of neighbors kept) of the map of these settings."""
    layout = umap_map(vectors, space, n_neighbors=neighbors, min_dist=distance, seed=0)
    return layout.trustworthiness(vectors), float(layout.kept(space).mean())


def _reaches(worth: tuple[float, float], wanted: tuple[float, float]) -> bool:
    return worth[0] >= wanted[0] and worth[1] >= wanted[1]


def _at_most(
    vectors: Any, space: Neighbors, wanted: tuple[float, float], distance: float
) -> tuple[float, float]:
    """Return the required value, or slightly less than good settings reach if that is lower."""
    trust, kept = _worth(vectors, space, min(10, space.indices.shape[1]), distance)
    return min(wanted[0], trust - 0.002), min(wanted[1], kept - 0.02)


# -------------------------------------------------------------------------- 05.2 statements

STATEMENTS = {
    "a": "Most points have a neighbor of their own kind next to them.",
    "b": "The two kinds whose islands are furthest apart, centre to centre, are the same on every map.",
    "c": "The widest island belongs to the same kind on every map.",
    "d": "The leftmost point is the same on every map.",
}


def surviving(layouts: Sequence[Layout], labels: Sequence[Any] | NDArray) -> set[str]:
    """Return which of STATEMENTS hold on all of these maps."""
    names = np.asarray(labels)
    alike = [(names[plane_neighbors(one.coordinates, 1)[:, 0]] == names).mean() > 0.5 for one in layouts]
    islands = [groups_of(one.coordinates, names) for one in layouts]
    kept = {
        "a": all(alike),
        "b": len({int(one.distances.argmax()) for one in islands}) == 1,
        "c": len({int(one.widths.argmax()) for one in islands}) == 1,
        "d": len({int(one.coordinates[:, 0].argmin()) for one in layouts}) == 1,
    }
    return {letter for letter, holds in kept.items() if holds}


@check_of("05.2", "What survives?", "lab.checks.statements(seeds, labels)(my_statements)")
def statements(layouts: Sequence[Layout], labels: Sequence[Any] | NDArray) -> Callable[[Any], Verdict]:
    """Return a check of exercise 05.2 for these maps; it computes the right answer."""
    right = surviving(layouts, labels)

    @exercise
    def check(function: Callable[[], Any]) -> Verdict:
        said = _letters(ask(function, shown="no arguments"))
        if said is None:
            return Verdict(False, 'Letters are wanted, such as {"a", "b"}.')
        if unknown := sorted(said - set(STATEMENTS)):
            return Verdict(False, f"There is no statement {told(unknown[0])}; there are a, b, c and d.")
        if said == right:
            return Verdict(True, f"On all {len(layouts)} maps.")
        if wrong := sorted(said - right):
            found = f"{wrong[0]} does not hold on all {len(layouts)} maps: {STATEMENTS[wrong[0]]}"
            return Verdict(False, found, f"statement {wrong[0]} does not hold")
        missed = sorted(right - said)[0]
        found = f"{missed} does hold on all {len(layouts)} maps: {STATEMENTS[missed]}"
        return Verdict(False, found, f"statement {missed} holds and was left out")

    return check


def _letters(answer: Any) -> set[str] | None:
    """Return the letters of a set, a list, or a text such as "a, b" or "ab"; None for anything else."""
    try:
        parts = answer.replace(",", " ").split() if isinstance(answer, str) else list(answer)
    except TypeError:
        return None
    if isinstance(answer, Mapping) or not all(isinstance(part, str) for part in parts):
        return None
    together = isinstance(answer, str) and len(parts) == 1 and set(parts[0].lower()) <= set(STATEMENTS)
    return {part.strip().lower() for part in (parts[0] if together else parts)}


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


@check_of("05.3", "Measure the gap", "lab.checks.modality_gap(my_modality_gap)")
@exercise
def modality_gap(function: Callable[[Matrix, Matrix], float]) -> Verdict:
    """Check exercise 05.3: `function(pictures, texts)`: the distance of the centers of unit vectors."""
    rng = np.random.default_rng(0)
    for count, other, width in ((3, 4, 2), (10, 6, 5)):
        a = rng.normal(size=(count, width)) * rng.uniform(1, 5, (count, 1)) + 2
        b = rng.normal(size=(other, width)) * rng.uniform(1, 5, (other, 1)) - 1
        shown = f"{count} pictures and {other} texts"
        right = float(np.linalg.norm(_unit(a).mean(0) - _unit(b).mean(0)))
        answer = ask(function, a, b, shown=shown)
        given = number(answer, shown)
        if near(answer, right):
            continue
        said = "With {} you have {}, and {} is right".format(shown, *apart(given, right))
        for slip, formula in _GAP_SLIPS.items():
            if near(answer, formula(a, b)):
                return not_yet(said, slip)
        return not_yet(said)
    return Verdict(True, "The distance of two means of directions, 0 to 2.")


# --------------------------------------------------------------------------- 05.4 close the gap


def _centered(vectors: Matrix) -> Matrix:
    return vectors - vectors.mean(0)


_RIGHT_SIDES: tuple[Callable[[Matrix], Matrix], ...] = (_centered, lambda side: _centered(_unit(side)))
_SIDE_SLIPS: dict[str, Callable[[Matrix, Matrix], Matrix]] = {
    "one mean of everything was taken away; each side has its own": lambda own, other: (
        _unit(own) - np.concatenate([_unit(own), _unit(other)]).mean(0)
    ),
    "one mean of everything was taken away, lengths left in; each side has its own": lambda own, other: (
        own - np.concatenate([own, other]).mean(0)
    ),
    "this is moved onto the mean of the other side; take its own mean away": lambda own, other: (
        _centered(own) + other.mean(0)
    ),
    "nothing was taken away": lambda own, other: own,
    "only the lengths are gone; the mean is still there": lambda own, other: _unit(own),
    "the mean of each row was taken away; the mean over items is wanted (axis=0)": lambda own, other: (
        own - own.mean(1, keepdims=True)
    ),
    "these are z-scores: subtract the mean, and do not divide by the standard deviation": lambda own, other: (
        _centered(own) / own.std(0)
    ),
    "Nothing is left: only the mean should go": lambda own, other: np.zeros_like(own),
    "the centred vectors were divided by their lengths, which moves the mean again": lambda own, other: _unit(
        _centered(own)
    ),
}


@check_of("05.4", "Close it", "lab.checks.close_gap(my_close_gap)")
@exercise
def close_gap(function: Callable[[Matrix, Matrix], tuple[Matrix, Matrix]]) -> Verdict:
    """Check exercise 05.4: `function(pictures, texts)` → both centered, with equal centers."""
    rng = np.random.default_rng(1)
    sides = (rng.normal(size=(20, 6)) + 2, rng.normal(size=(15, 6)) - 1)
    answer = ask(function, *sides, shown="20 pictures and 15 texts")
    given = items(answer, 2, "Two arrays, pictures and texts,")
    read = [as_array(one) for one in given]
    if any(one is None for one in read):
        return Verdict(False, f"Two arrays of numbers, pictures and texts, are wanted, not {told(answer)}.")
    shapes = [one.shape for one in read if one is not None]
    if shapes != [side.shape for side in sides]:
        return Verdict(False, f"The shapes are {shapes[0]} and {shapes[1]}; they must stay as they were.")
    if any(all(map(near, given, map(right, sides))) for right in _RIGHT_SIDES):
        return Verdict(True, "The centres fall together, and what tells the items apart is left.")
    return _about_the_sides(given, sides)


def _about_the_sides(given: tuple[Any, ...], sides: tuple[Matrix, Matrix]) -> Verdict:
    """Whether the centres are apart, the first side that is not centred, and the slip if it is known."""
    centers = [as_array(one).mean(0) for one in given]  # type: ignore[union-attr]
    distance = float(np.linalg.norm(centers[0] - centers[1]))
    said = f"The centres are still {distance:.3f} apart. " if distance > 1e-3 else ""
    for name, one, own, other in zip(("pictures", "texts"), given, sides, sides[::-1], strict=True):
        if any(near(one, right(own)) for right in _RIGHT_SIDES):
            continue
        named = next((slip for slip, wrong in _SIDE_SLIPS.items() if near(one, wrong(own, other))), None)
        return not_yet(f"{said}The {name} are not their vectors less their mean", named)
    return not_yet(f"{said}One side has vectors of length one, and the other has not", "treat both alike")
