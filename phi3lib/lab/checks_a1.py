"""The checks of notebook A1."""

from collections.abc import Callable
from typing import Any

import torch

from phi3lib.lab.exercise import Verdict, ask, exercise

_SIZES = ([[336, 336]], [[672, 336]], [[336, 336], [672, 1008]])
_TILE_SLIPS: dict[str, Callable[[int, int], int]] = {
    "the global view of each picture is missing": lambda rows, cols: rows * cols,
    "rows and columns are added instead of multiplied": lambda rows, cols: 1 + rows + cols,
    "only the global views are counted": lambda rows, cols: 1,
}


@exercise
def tile_count(function: Callable[[list[list[int]]], int]) -> Verdict:
    """Exercise A1.2: `function(image_sizes)`, the tiles that hold something."""
    answers = [ask(function, [list(size) for size in sizes]) for sizes in _SIZES]
    for sizes, answer in zip(_SIZES, answers, strict=True):
        right = _tiles(sizes, lambda rows, cols: 1 + rows * cols)
        if answer != right:
            said = f"With {sizes} there are {right} tiles, yours gives {answer}"
            for slip, wrong in _TILE_SLIPS.items():
                if all(a == _tiles(s, wrong) for a, s in zip(answers, _SIZES, strict=True)):
                    return Verdict(False, f"{said}: {slip}.")
            return Verdict(False, f"{said}.")
    return Verdict(True, "Padding tiles are not counted, global views are.")


def _tiles(sizes: list[list[int]], one: Callable[[int, int], int]) -> int:
    return sum(one(height // 336, width // 336) for height, width in sizes)


@exercise
def write_tokens(function: Callable[[Any, Any, Any], Any]) -> Verdict:
    """Exercise A1.1: `function(words, places, tokens)`, a copy with the tokens in their places."""
    words = torch.arange(12.0).reshape(2, 3, 2)
    places = torch.tensor([[False, True, False], [True, True, False]])
    tokens = -torch.arange(1.0, 7.0).reshape(3, 2)
    given = words.clone()
    shown = "words (2, 3, 2), places [[-, x, -], [x, x, -]] and 3 tokens"
    # Not through copies: whether the learner's function leaves its input alone is the question.
    answer = ask(lambda: function(given, places, tokens), shown=shown)
    if not torch.equal(given, words):
        return Verdict(False, "Your function changed `words` itself: write into a copy (`words.clone()`).")
    right = words.clone()
    right[places] = tokens
    if not isinstance(answer, torch.Tensor) or answer.shape != right.shape:
        return Verdict(False, f"The result must be a tensor of shape {tuple(right.shape)}.")
    if torch.equal(answer, right):
        return Verdict(True, "The tokens are in their places, and the input is as it was.")
    return Verdict(False, f"With {shown} {_writing_slip(answer, words, places, tokens)}.")


def _writing_slip(answer: Any, words: Any, places: Any, tokens: Any) -> str:
    if torch.equal(answer, words):
        return "nothing was written"
    if torch.equal(answer[places], tokens.flip(0)):
        return "the tokens stand in reverse order: fill from left to right"
    if torch.equal(answer[places], tokens[:1].expand(3, 2)):
        return "the first token stands in every place"
    if not torch.equal(answer[~places], words[~places]):
        return "a row outside the places was changed"
    return "the tokens are not in their places"
