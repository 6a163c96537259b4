"""The checks of notebook 04: a masked mean, batches in the right order, a key for a recipe."""

import builtins
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import torch

from phi3lib.lab.exercise import Verdict, ask, exercise

# ------------------------------------------------------------------------- 04.1 masked mean

_MEAN_SLIPS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "separators and padding are still in it": lambda tokens, keep: tokens.mean(1),
    "the sum is divided by the length of the row, not by the number of tokens that are kept": (
        lambda tokens, keep: (tokens * keep[..., None]).sum(1) / keep.shape[1]
    ),
    "all pictures share one mean": lambda tokens, keep: tokens[keep].mean(0).expand(len(tokens), -1),
    "this is the mean of what should be left out": lambda tokens, keep: _masked_mean(tokens, ~keep),
    "this is a sum, not a mean": lambda tokens, keep: (tokens * keep[..., None]).sum(1),
}


def _masked_mean(tokens: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    return torch.stack([row[kept].mean(0) for row, kept in zip(tokens, keep, strict=True)])


@exercise
def masked_mean(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Verdict:
    """Exercise 04.1: `function(tokens (N, length, d), keep (N, length) bool)` → (N, d)."""
    generator = torch.Generator().manual_seed(0)
    for count, length, width in ((1, 4, 2), (3, 7, 5)):
        tokens = torch.randn(count, length, width, generator=generator)
        keep = torch.rand(count, length, generator=generator) < 0.6
        keep[:, 0], keep[:, -1] = True, False
        shown = f"tokens {tuple(tokens.shape)}, of which {keep.sum(1).tolist()} are kept,"
        answer = ask(function, tokens, keep, shown=shown)
        right = _masked_mean(tokens, keep)
        if not isinstance(answer, torch.Tensor) or answer.shape != right.shape:
            came = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
            return Verdict(False, f"With {shown} a tensor {tuple(right.shape)} is wanted, not {came}.")
        if not torch.allclose(answer.float(), right, atol=1e-5):
            slips = (
                slip for slip, wrong in _MEAN_SLIPS.items() if torch.allclose(answer, wrong(tokens, keep))
            )
            named = next(slips, "the numbers are others")
            return Verdict(False, f"With {shown} your vectors are not the mean: {named}.")
        tokens[~keep] = float("nan")  # what padding holds must not matter, whatever it is
        if not torch.allclose(ask(function, tokens, keep, shown=shown).float(), right, atol=1e-5):
            return Verdict(
                False,
                "What is left out still counts: put NaN there, and your mean is NaN, since 0 × NaN is NaN. "
                "Choose the tokens, do not multiply them by zero.",
            )
    return Verdict(True, "Padding and separators change nothing, whatever they hold.")


# ------------------------------------------------------------------------- 04.2 batches


def in_batches_with_a_bug(
    items: Sequence[int], encode: Callable[[list[int]], list[str]], size: int
) -> list[str]:
    """Encode items in batches of about equal cost; the exercise asks what is wrong with it."""
    order = sorted(range(len(items)), key=lambda place: items[place])
    results: list[str] = []
    for start in range(0, len(items), size):
        results += encode([items[place] for place in order[start : start + size]])
    return results


class _Encoder:
    """Stands for a model: turns a number of crops into a text, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, items: list[int]) -> list[str]:
        self.batches.append(list(items))
        return [f"vector of {item} crops" for item in items]

    @property
    def padding(self) -> int:
        """Crops that are computed for nothing, since a batch is as wide as its largest picture."""
        return sum(max(batch) - item for batch in self.batches for item in batch)


@exercise
def in_batches(function: Callable[..., Sequence[str]]) -> Verdict:
    """Exercise 04.2: `function(items, encode, size)` gives what `encode` makes of each, in their order."""
    for items, size in (([9, 1, 4], 2), ([3, 12, 5, 1, 16, 7, 2], 3)):
        encoder = _Encoder()
        answer = list(ask(lambda i, e, s: function(i, e, s), items, encoder, size, shown=f"{items}, {size}"))
        shown = f"With pictures of {items} crops and batches of {size}"
        right = [f"vector of {item} crops" for item in items]
        if len(answer) != len(items):
            return Verdict(False, f"{shown} you give {len(answer)} vectors for {len(items)} pictures.")
        if answer != right:
            return Verdict(False, f"{shown} {_wrong_place(items, answer, right)}.")
        if max(map(len, encoder.batches)) > size:
            return Verdict(False, f"{shown} a batch held {max(map(len, encoder.batches))} pictures.")
        if len(encoder.batches) > -(-len(items) // size):
            return Verdict(
                False, f"{shown} the model was called {len(encoder.batches)} times: fill the batches."
            )
        plain = _Encoder()
        in_batches_with_a_bug(items, plain, size)
        if encoder.padding > plain.padding:
            return Verdict(
                False,
                f"{shown} {encoder.padding} crops are computed for nothing; sorted, it were {plain.padding}: "
                f"keep pictures of like size together.",
            )
    return Verdict(True, "Sorted for the model, and back in your order for you.")


def _wrong_place(items: list[int], answer: list[str], right: list[str]) -> str:
    order = sorted(range(len(items)), key=lambda place: items[place])
    by_cost = [right[place] for place in order]
    if answer == by_cost:
        return "the vectors come in the order of the batches: each belongs to another picture"
    if answer == [by_cost[place] for place in order]:
        return "the sorting is applied a second time instead of being undone"
    first = next(place for place in range(len(items)) if answer[place] != right[place])
    return f"picture {first}, of {items[first]} crops, gets {answer[first]!r}"


# ------------------------------------------------------------------------- 04.3 a key

RECIPE: dict[str, Any] = {
    "model": "phi3-vision-small",
    "layer": -2,
    "pooling": "mean",
    "preprocessing": {"num_crops": 9, "tile_size": 112},
}


@exercise
def cache_key(function: Callable[[dict[str, Any]], str]) -> Verdict:
    """Exercise 04.3: `function(recipe)` → a text that is equal for equal recipes and for no others."""
    used_hash = False

    def watched_hash(value: Any) -> int:
        nonlocal used_hash
        used_hash = True
        return plain_hash(value)

    plain_hash = builtins.hash
    with mock.patch.object(builtins, "hash", watched_hash):
        key = ask(function, dict(RECIPE), shown="the recipe")
    if not isinstance(key, str):
        return Verdict(False, f"A text is wanted, not {type(key).__name__}.")
    if used_hash:
        return Verdict(False, "`hash` gives other numbers in every Python process: no file is found again.")
    for changed, what in _CHANGES:
        if ask(function, changed, shown="another recipe") == key:
            return Verdict(False, f"The key stays the same when {what}: two recipes would share a file.")
    for same, what in _SAME:
        if ask(function, same, shown="the same recipe") != key:
            return Verdict(False, f"The key changes when {what}, though the recipe is the same.")
    return Verdict(True, "It changes when the recipe does, and only then.")


_CHANGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({**RECIPE, "model": "clip-small"}, "the model is another"),
    ({**RECIPE, "pooling": "global"}, "the pooling is another"),
    ({**RECIPE, "layer": -1}, "the layer is another"),
    (
        {**RECIPE, "preprocessing": {"num_crops": 4, "tile_size": 112}},
        "the number of crops, inside “preprocessing”, is another",
    ),
    ({**RECIPE, "instruction": "Describe the picture."}, "an entry is added"),
)
_SAME: tuple[tuple[dict[str, Any], str], ...] = (
    (dict(reversed(RECIPE.items())), "the entries stand in another order"),
    (
        {**RECIPE, "preprocessing": {"tile_size": 112, "num_crops": 9}},
        "the entries inside “preprocessing” stand in another order",
    ),
)
