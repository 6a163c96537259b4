"""The checks of notebook A1."""

from collections.abc import Callable
from typing import Any

import torch

from phi3lib.lab.checks.base import EMPTY, Verdict, ask, exercise, guarded, not_yet, told
from phi3lib.lab.checks.reading import as_array, whole
from phi3lib.lab.checks.registry import check_of

_SIZES = ([[336, 336]], [[672, 336]], [[336, 336], [672, 1008]])
_TILE_SLIPS: dict[str, Callable[[int, int], int]] = {
    "the global view of each picture is missing": lambda rows, cols: rows * cols,
    "rows and columns are added instead of multiplied": lambda rows, cols: 1 + rows + cols,
    "only the global views are counted": lambda rows, cols: 1,
}


@check_of("A1.2", "Count the tiles that the tower must see", "lab.checks.tile_count(my_tile_count)")
@exercise
def tile_count(function: Callable[[list[list[int]]], int]) -> Verdict:
    """Check exercise A1.2: `function(image_sizes)`, the tiles that hold something."""
    answers = [whole(ask(function, sizes), f"sizes {sizes}") for sizes in _SIZES]
    for sizes, answer in zip(_SIZES, answers, strict=True):
        right = _tiles(sizes, lambda rows, cols: 1 + rows * cols)
        if answer != right:
            said = f"With {sizes} there are {right} tiles, yours gives {answer}"
            for slip, wrong in _TILE_SLIPS.items():
                if all(a == _tiles(s, wrong) for a, s in zip(answers, _SIZES, strict=True)):
                    return not_yet(said, slip)
            return not_yet(said)
    return Verdict(True, "Padding tiles are not counted, global views are.")


def _tiles(sizes: list[list[int]], one: Callable[[int, int], int]) -> int:
    return sum(one(height // 336, width // 336) for height, width in sizes)


@check_of("A1.1", "Write without touching the input", "lab.checks.write_tokens(my_write)")
@exercise
def write_tokens(function: Callable[[Any, Any, Any], Any]) -> Verdict:
    """Check exercise A1.1: `function(words, places, tokens)`, a copy with the tokens in their places."""
    words = torch.arange(12.0).reshape(2, 3, 2)
    places = torch.tensor([[False, True, False], [True, True, False]])
    tokens = -torch.arange(1.0, 7.0).reshape(3, 2)
    right = words.clone()
    right[places] = tokens
    given = [words.clone(), places.clone(), tokens.clone()]
    shown = "words (2, 3, 2), places [[-, x, -], [x, x, -]] and 3 tokens"
    # Not copies: whether the learner's function leaves its input alone is the question.
    answer = ask(function, *given, shown=shown, copied=False)
    for name, now, before in zip(("words", "places", "tokens"), given, (words, places, tokens), strict=True):
        if not torch.equal(now, before):
            return not_yet(f"Your function changed `{name}` itself", "write into a copy (`.clone()`)")
    if not isinstance(answer, torch.Tensor) or answer.shape != right.shape:
        return Verdict(
            False, f"The result must be a tensor of shape {tuple(right.shape)}, not {told(answer)}."
        )
    if _equal(answer, right):
        return _gradient_slip(function, words, places, tokens) or Verdict(True, _WRITTEN)
    slip = _writing_slip(answer, words, places, tokens)
    return Verdict(False, f"With {shown} {slip}.", slip)


def _equal(answer: Any, right: torch.Tensor) -> bool:
    """Return whether the values are equal, with any dtype."""
    return bool((as_array(answer) == as_array(right)).all())  # type: ignore[union-attr]


_WRITTEN = "The tokens are in their places, the input is as it was, and gradients reach words and tokens."


def _gradient_slip(function: Callable[..., Any], words: Any, places: Any, tokens: Any) -> Verdict | None:
    words, tokens = words.clone().requires_grad_(True), tokens.clone().requires_grad_(True)
    asked = "tensors that ask for gradients"
    result = ask(function, words, places, tokens, shown=asked, copied=False)
    if not isinstance(result, torch.Tensor):
        return Verdict(False, f"With {asked} a tensor is wanted, not {told(result)}.")
    if result.requires_grad:
        result.sum().backward()
    for name, tensor in (("words", words), ("tokens", tokens)):
        if tensor.grad is None or not tensor.grad.any():
            said = f"The tokens are in their places, but no gradient reaches `{name}`"
            return not_yet(said, "it is detached, or goes through NumPy")
    return None


def _writing_slip(answer: Any, words: Any, places: Any, tokens: Any) -> str:
    if _equal(answer, words):
        return "nothing was written"
    if _equal(answer[places], tokens.flip(0)):
        return "the tokens are in reverse order: fill from left to right"
    if _equal(answer[places], tokens[:1].expand(3, 2)):
        return "every place has the first token"
    if not _equal(answer[~places], words[~places]):
        return "a row outside the places was changed"
    return "the tokens are not in their places"


# ------------------------------------------------------------------------------- A1.3 the call in place

_WRONG_CALLS = {
    "view": "`view` gives another shape of the same memory. That is why the caller sees the change; "
    "but `view` itself writes nothing",
    "nonzero": "`nonzero` only looks",
    "abs": "`abs` makes a new tensor; `abs_` would not",
    "clone": "`clone` makes a copy, and of the pictures, not of the ids",
    "wte": "`wte` only looks the words up, and by then the ids are changed",
    "clamp": "`clamp` without the underscore gives a new tensor and would be the repair",
    "clamp_max_": "`clamp_max_` writes in place too, but only into ids above the vocabulary: placeholders "
    "are below 0",
}


@check_of("A1.3", "Find the call that changes the ids", "lab.checks.call_in_place(my_call)")
@guarded
def call_in_place(answer: Any) -> Verdict:
    """Check exercise A1.3: the name of the method that turns the caller's placeholders into 0."""
    if answer is None or answer is ... or (isinstance(answer, str) and not answer.strip()):
        return EMPTY
    if not isinstance(answer, str):
        return Verdict(False, "Write the name of the method as a text, in quotes.")
    name = answer.split("(")[0].split(".")[-1].strip("`'\" \t\n")
    if name == "clamp_min_":
        return Verdict(True, "The underscore at its end means: in place. `view` lets the caller share it.")
    if name in _WRONG_CALLS:
        return Verdict(False, f"{_WRONG_CALLS[name]}.", _WRONG_CALLS[name])
    return Verdict(False, f"{told(name)} does not change the placeholders: which names end in an underscore?")
