"""The checks of notebook 04: a masked mean, batches in the right order, a key for a recipe."""

import builtins
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np
import torch

from phi3lib.lab.checks.base import Refused, Verdict, ask, exercise, not_yet, told
from phi3lib.lab.checks.processes import in_other_processes
from phi3lib.lab.checks.reading import apart, array, near
from phi3lib.lab.checks.registry import check_of

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


def _mean_cases() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Tokens and what is kept of them; neither the first nor the last token is always kept."""
    generator = torch.Generator().manual_seed(0)
    for rows, width in ((["-xx-"], 2), (["xx-x---", "-x-----", "x--xxx-"], 5)):
        keep = torch.tensor([[mark == "x" for mark in row] for row in rows])
        yield torch.randn(*keep.shape, width, generator=generator), keep


@check_of("04.1", "A masked mean", "lab.checks.masked_mean(my_masked_mean)")
@exercise
def masked_mean(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Verdict:
    """Check exercise 04.1: `function(tokens (N, length, d), keep (N, length) bool)` → (N, d)."""
    for tokens, keep in _mean_cases():
        shown = f"tokens {tuple(tokens.shape)}, of which {keep.sum(1).tolist()} are kept,"
        right = _masked_mean(tokens, keep).numpy()
        answer = ask(function, tokens, keep, shown=shown)
        if not near(answer, right):
            given = array(answer, right.shape, f"{shown} a tensor {right.shape} is wanted:")
            said = f"With {shown} your vectors are not the mean"
            for slip, wrong in _MEAN_SLIPS.items():
                if near(answer, wrong(tokens, keep)):
                    return not_yet(said, slip)
            first = "the first number is {}, and {} is right".format(*_first_off(given, right))
            return not_yet(f"{said}: {first}")
        for filling in ("nan", "inf"):  # the values in the padding must not matter
            filled = tokens.masked_fill(~keep[..., None], float(filling))
            if not near(ask(function, filled, keep, shown=f"{shown} the others {filling}"), right):
                said = _STILL_COUNTS if filling == "nan" else _INFINITE
                return Verdict(False, said, said)
    return Verdict(True, "Padding and separators change nothing, for any values in them.")


_STILL_COUNTS = (
    "What is left out still counts: put NaN there, and your mean is NaN, since 0 × NaN is NaN. "
    "Choose the tokens, do not multiply them by zero."
)
_INFINITE = "What is left out still counts: put infinity there, and your mean is another one."


def _first_off(given: Any, right: Any) -> tuple[str, str]:
    position = tuple(np.argwhere(~np.isclose(given, right, atol=1e-4))[0])
    return apart(float(given[position]), float(right[position]))


# ------------------------------------------------------------------------- 04.2 batches


def in_batches_with_a_bug(
    items: Sequence[int], encode: Callable[[list[int]], list[str]], size: int
) -> list[str]:
    """Encode items in batches of about equal cost; the exercise asks what is wrong with it."""
    order = sorted(range(len(items)), key=lambda position: items[position])
    results: list[str] = []
    for start in range(0, len(items), size):
        results += encode([items[position] for position in order[start : start + size]])
    return results


class _Picture(int):
    """A number of crops that remembers which picture it belongs to: two pictures may have as many crops."""

    position: int


class _Model:
    """Acts as a model: returns a different vector for each picture of a batch, and records its batches."""

    def __init__(self, crops: list[int]) -> None:
        self.pictures = [_Picture(count) for count in crops]
        for position, picture in enumerate(self.pictures):
            picture.position = position
        self.batches: list[list[int]] = []
        self.made: dict[str, tuple[int, int | None]] = {}  # vector → crops and, where known, the picture

    def encode(self, batch: Sequence[int]) -> list[str]:
        """Return a vector for each picture of the batch."""
        self.batches.append([int(item) for item in batch])
        vectors = [
            f"vector {len(self.made) + count} of {int(item)} crops" for count, item in enumerate(batch)
        ]
        self.made |= {
            vector: (int(item), getattr(item, "position", None))
            for vector, item in zip(vectors, batch, strict=True)
        }
        return vectors

    @property
    def padding(self) -> int:
        """Crops that are computed for nothing, since a batch is as wide as its largest picture."""
        return sum(max(batch) - item for batch in self.batches for item in batch)

    def belongs(self, vector: str, position: int) -> bool:
        """Return whether this vector is the one of this picture."""
        crops, picture = self.made.get(vector, (-1, None))
        return crops == self.pictures[position] and picture in (None, position)


@check_of("04.2", "Find the batching bug", "lab.checks.in_batches(my_in_batches)")
@exercise
def in_batches(function: Callable[..., Sequence[str]]) -> Verdict:
    """Check exercise 04.2: `function(items, encode, size)` → `encode`'s results in the items' order."""
    for crops, size in (([9, 1, 4], 2), ([3, 12, 5, 1, 16, 7, 2], 3), ([4, 9, 4, 2, 9, 4], 4)):
        model = _Model(crops)
        shown = f"pictures of {crops} crops and batches of {size}"
        # `model.encode` would be copied with its memory; a function is passed as it is.
        answer = ask(function, model.pictures, lambda batch, one=model: one.encode(batch), size, shown=shown)
        wrong = _vectors_wrong(answer, model) or _batches_wrong(model, size)
        if wrong:
            return Verdict(False, f"With {shown} {wrong}.")
    return Verdict(True, "Sorted for the model, and back in your order for you.")


def _vectors_wrong(answer: Any, model: _Model) -> str | None:
    crops = model.pictures
    if isinstance(answer, (str, bytes, Mapping)) or not hasattr(answer, "__iter__"):
        return f"a list of vectors is wanted, not {told(answer)}"
    vectors = [str(vector) for vector in answer]
    if len(vectors) != len(crops):
        return f"you give {len(vectors)} vectors for {len(crops)} pictures"
    first = next((position for position, v in enumerate(vectors) if not model.belongs(v, position)), None)
    if first is not None:
        return _wrong_position(model, vectors, first)
    if len(set(vectors)) < len(vectors):
        return "two pictures with as many crops share one vector: look vectors up by place, not by crops"
    return None


def _wrong_position(model: _Model, vectors: list[str], first: int) -> str:
    crops = [int(count) for count in model.pictures]
    order = sorted(range(len(crops)), key=lambda position: crops[position])
    given = [model.made.get(vector, (-1, None))[0] for vector in vectors]
    by_cost = [crops[position] for position in order]
    if given == by_cost:
        return "the vectors come in the order of the batches: each belongs to another picture"
    if given == [by_cost[position] for position in order]:
        return "the sorting is applied a second time instead of being undone"
    if given == crops:
        return "pictures with as many crops get each other's vectors: look vectors up by place, not by crops"
    return f"picture {first}, of {crops[first]} crops, gets {vectors[first]!r}"


def _batches_wrong(model: _Model, size: int) -> str | None:
    largest, count = max(map(len, model.batches)), len(model.pictures)
    if largest > size:
        return f"a batch held {largest} pictures"
    if len(model.batches) > -(-count // size):
        return f"the model was called {len(model.batches)} times: fill the batches"
    allowed = [_sorted_padding(model, size, largest_first) for largest_first in (False, True)]
    if model.padding > max(allowed):
        return (
            f"{model.padding} crops are computed for nothing; sorted, it were {min(allowed)}: "
            f"keep pictures of like size together"
        )
    return None


def _sorted_padding(model: _Model, size: int, largest_first: bool) -> int:
    ordered = _Model(sorted(map(int, model.pictures), reverse=largest_first))
    for start in range(0, len(ordered.pictures), size):
        ordered.encode(ordered.pictures[start : start + size])
    return ordered.padding


# ------------------------------------------------------------------------- 04.3 a key

RECIPE: dict[str, Any] = {
    "model": "phi3-vision-small",
    "layer": -2,
    "pooling": "mean",
    "preprocessing": {"num_crops": 9, "tile_size": 112},
}


@check_of("04.3", "A key for a recipe", "lab.checks.cache_key(my_cache_key)")
@exercise
def cache_key(function: Callable[[dict[str, Any]], str]) -> Verdict:
    """Check exercise 04.3: `function(recipe)` → a text that is equal for equal recipes and for no others."""
    key = _ask_key(function, RECIPE, "the recipe")
    for changed, what in _changes():
        if _ask_key(function, changed, f"another recipe ({what})") == key:
            return not_yet(f"The key stays the same when {what}", "two recipes would share a file")
    for same, what in _SAME:
        if _ask_key(function, same, f"the same recipe ({what})") != key:
            return not_yet(f"The key changes when {what}", "the recipe is the same, so the key must be")
    keys: dict[str, dict[str, Any]] = {}
    for recipe in _random_recipes():
        other = keys.setdefault(_ask_key(function, recipe, "a random recipe"), recipe)
        if other is not recipe:
            return Verdict(False, f"Two recipes share one key: {told(other, 200)} and {told(recipe, 200)}.")
    if any(other != key for other in in_other_processes(function, RECIPE)):
        return not_yet("The key is another one in another Python process", _NOT_FOUND)
    return Verdict(True, "It changes when the recipe does, and only then.")


_NOT_FOUND = "no file is found again (the hash of a text and the order of a set change from run to run)"


def _ask_key(function: Callable[[dict[str, Any]], str], recipe: dict[str, Any], shown: str) -> str:
    """Return the key of a recipe; Refused where it is no text, or where `hash` was called on the way."""
    used_hash = False

    def watched_hash(value: Any) -> int:
        nonlocal used_hash
        used_hash = True
        return plain_hash(value)

    plain_hash = builtins.hash
    with mock.patch.object(builtins, "hash", watched_hash):
        key = ask(function, recipe, shown=shown)
    if not isinstance(key, str):
        raise Refused(f"A text is wanted, not {told(key)}.")
    if used_hash:
        raise Refused(f"`hash` gives other numbers in every Python process: {_NOT_FOUND}.")
    return str(key)


def _with(changes: dict[str, Any], inside: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the recipe with some entries changed, those of "preprocessing" in `inside`."""
    recipe = {**copy.deepcopy(RECIPE), **changes}
    recipe["preprocessing"] |= inside or {}
    return recipe


def _changes() -> list[tuple[dict[str, Any], str]]:
    """Other recipes than RECIPE, each with what is different."""
    swapped = {"num_crops": 112, "tile_size": 9}
    return [
        (_with({"model": "clip-small"}), "the model is another"),
        (_with({"pooling": "global"}), "the pooling is another"),
        (_with({"layer": -1}), "the layer is another"),
        (_with({}, {"num_crops": 4}), "the number of crops, inside “preprocessing”, is another"),
        (_with({}, {"tile_size": 336}), "the size of a tile, inside “preprocessing”, is another"),
        (_with({}, {"tile_size": 211}), "the digits of an entry are in another order"),
        (_with({"model": "mean", "pooling": "phi3-vision-small"}), "two entries swap their values"),
        (_with({}, swapped), "two entries inside “preprocessing” swap their values"),
        (_with({"model": "phi3-vision", "pooling": "small-mean"}), "a piece of one text moves to the next"),
        (_with({"instruction": "Describe the picture."}), "an entry is added"),
        (_with({}, {"order": "sub_glb"}), "an entry is added inside “preprocessing”"),
        ({name: RECIPE[name] for name in RECIPE if name != "pooling"}, "an entry is missing"),
    ]


def _random_recipes(count: int = 3000) -> Iterator[dict[str, Any]]:
    """Recipes that are all different; a key of few characters cannot tell so many apart."""
    rng = np.random.default_rng(0)
    for number in range(count):
        crops, tile = (int(value) for value in rng.integers(1, 1000, 2))
        yield _with({"model": f"model-{number}"}, {"num_crops": crops, "tile_size": tile})


_SAME: tuple[tuple[dict[str, Any], str], ...] = (
    (copy.deepcopy(RECIPE), "the recipe is asked for a second time"),
    (dict(reversed(RECIPE.items())), "the entries are in another order"),
    (
        {**RECIPE, "preprocessing": dict(reversed(RECIPE["preprocessing"].items()))},
        "the entries inside “preprocessing” are in another order",
    ),
)
