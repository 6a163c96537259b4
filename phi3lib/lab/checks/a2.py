"""The checks of notebook A2."""

from collections.abc import Callable, Mapping
from typing import Any

from phi3lib.lab.checks.base import Refused, Verdict, ask, exercise, not_yet, told
from phi3lib.lab.checks.reading import whole
from phi3lib.lab.checks.registry import check_of

# tokens, layers, heads, head_size, bytes_each
_CACHES = ((1, 1, 1, 1, 1), (1, 1, 1, 1, 2), (3, 5, 7, 11, 2), (769, 32, 32, 96, 2))
_CACHE_SLIPS: dict[str, Callable[[int, int, int, int, int], int]] = {
    "keys and values are two": lambda tokens, layers, heads, size, each: (
        tokens * layers * heads * size * each
    ),
    "every layer has a cache of its own": lambda tokens, layers, heads, size, each: (
        2 * tokens * heads * size * each
    ),
    "every head has keys and values of its own": lambda tokens, layers, heads, size, each: (
        2 * tokens * layers * size * each
    ),
    "a number has `bytes_each` bytes": lambda tokens, layers, heads, size, each: (
        2 * tokens * layers * heads * size
    ),
    "every token has keys and values": lambda tokens, layers, heads, size, each: (
        2 * layers * heads * size * each
    ),
    "keys and values are two, not four": lambda tokens, layers, heads, size, each: (
        4 * tokens * layers * heads * size * each
    ),
    "queries are not kept, keys and values are": lambda tokens, layers, heads, size, each: (
        3 * tokens * layers * heads * size * each
    ),
}


@check_of("A2.1", "The cache", "lab.checks.cache_bytes(my_cache_bytes)")
@exercise
def cache_bytes(function: Callable[[int, int, int, int, int], int]) -> Verdict:
    """Check exercise A2.1: `function(tokens, layers, heads, head_size, bytes_each)`, bytes of the cache."""
    answers = [whole(ask(function, *case), f"{case}") for case in _CACHES]
    for case, answer in zip(_CACHES, answers, strict=True):
        tokens, layers, heads, size, each = case
        right = 2 * tokens * layers * heads * size * each
        if answer != right:
            said = (
                f"{tokens} tokens, {layers} layers, {heads} heads of {size} numbers, {each} bytes each: "
                f"{right} bytes, yours gives {answer}"
            )
            for slip, wrong in _CACHE_SLIPS.items():
                if all(a == wrong(*c) for a, c in zip(answers, _CACHES, strict=True)):
                    return not_yet(said, slip)
            return not_yet(said)
    return Verdict(True, "Two per token, layer and head: keys and values.")


_NEEDS = {"vectors": 2.0, "answers": 9.5, "exact fit": 8.0, "training": 66.0, "tiny": 0.5}
_GB, _FREE = 10.0, 0.2


@check_of("A2.2", "What fits?", "lab.checks.what_fits(my_fits)")
@exercise
def what_fits(function: Callable[[Mapping[str, float], float, float], Any]) -> Verdict:
    """Check exercise A2.2: `function(needs, memory, kept_free)`, the names that fit, smallest first."""
    shown = f"needs {_NEEDS}, {_GB:g} GB and a fifth kept free"
    names = _names(ask(function, dict(_NEEDS), _GB, _FREE, shown=shown))
    right = ["tiny", "vectors", "exact fit"]
    if names == right:
        return Verdict(True, "What is kept free serves the system and the activations of a run.")
    said = f"With {shown} these fit: {right}; yours are {names}"
    return not_yet(said, _fit_slip(names, right))


def _fit_slip(names: list[str], right: list[str]) -> str | None:
    if sorted(names) == sorted(right):
        return "right ones, but not the smallest need first"
    if set(names) == {*right, "answers"}:
        return "a fifth of the memory has to stay free"
    if set(names) == {"tiny", "vectors"}:
        return "a need that is exactly what may be used fits"
    if set(names) == {"answers", "training"}:
        return "these are the ones that do not fit"
    if set(names) == {"tiny"}:
        return "`kept_free` is the share that stays free, not the share that may be used"
    return None


def _names(answer: Any) -> list[str]:
    """Return the names of an answer: a sequence or a set of texts. Raises Refused for other answers."""
    if isinstance(answer, str | bytes) or not hasattr(answer, "__iter__"):
        raise Refused(f"The answer is a list of names, and yours is {told(answer)}.")
    names = [str(name) for name in answer]
    unknown = [name for name in names if name not in _NEEDS]
    if unknown:
        raise Refused(f"{unknown[0]!r} is none of the names {list(_NEEDS)}.")
    return names
