"""The checks of notebook 04 accept the solutions and refuse wrong answers by name; the recipe switches."""

import hashlib
import json

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab import checks
from phi3lib.lab.checks.nb04 import in_batches_with_a_bug
from phi3lib.lab.checks.processes import in_other_processes
from phi3lib.lab.widgets.recipes import RecipeState, RecipeSwitches


def right_mean(tokens, keep):
    return torch.stack([row[kept].mean(0) for row, kept in zip(tokens, keep, strict=True)])


def right_batches(items, encode, size):
    order = sorted(range(len(items)), key=lambda place: items[place])
    results = [None] * len(items)
    for start in range(0, len(items), size):
        places = order[start : start + size]
        for place, vector in zip(places, encode([items[p] for p in places]), strict=True):
            results[place] = vector
    return results


def right_key(recipe):
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def test_solutions_are_accepted():
    assert checks.masked_mean(right_mean).right
    assert checks.in_batches(right_batches).right
    assert checks.cache_key(right_key).right


@pytest.mark.parametrize("check", [checks.masked_mean, checks.in_batches, checks.cache_key])
def test_a_stub_is_not_answered(check):
    assert check(lambda *_: ...).right is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda tokens, keep: tokens.mean(1), "separators and padding"),
        (lambda tokens, keep: (tokens * keep[..., None]).sum(1) / keep.shape[1], "length of the row"),
        (lambda tokens, keep: (tokens * keep[..., None]).sum(1), "a sum"),
        (lambda tokens, keep: (tokens * keep[..., None]).sum(1) / keep.sum(1, keepdim=True), "NaN"),
        (lambda tokens, keep: right_mean(tokens, ~keep), "left out"),
        (lambda tokens, keep: tokens[keep].mean(0), "a tensor"),
    ],
)
def test_wrong_means_are_named(wrong, named):
    verdict = checks.masked_mean(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def undone_twice(items, encode, size):
    order = sorted(range(len(items)), key=lambda place: items[place])
    by_cost = in_batches_with_a_bug(items, encode, size)
    return [by_cost[place] for place in order]


def without_the_rest(items, encode, size):
    full = len(items) - len(items) % size
    return right_batches(items[:full], encode, size)


def unsorted(items, encode, size):
    return [v for s in range(0, len(items), size) for v in encode(items[s : s + size])]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (in_batches_with_a_bug, "order of the batches"),
        (undone_twice, "second time"),
        (without_the_rest, "2 vectors for 3"),
        (unsorted, "like size"),
        (lambda items, encode, size: encode(items), "a batch held 3"),
        (lambda items, encode, size: [encode([item])[0] for item in items], "fill the batches"),
    ],
)
def test_wrong_batches_are_named(wrong, named):
    verdict = checks.in_batches(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (str, "another order"),
        (lambda recipe: recipe["model"], "the pooling is another"),
        (lambda recipe: str(hash(json.dumps(recipe, sort_keys=True))), "every Python process"),
        (lambda recipe: str(sorted(recipe.items())), "inside “preprocessing” are"),
        (lambda recipe: str(sorted(recipe)), "the model is another"),
        (lambda recipe: 7, "A text is wanted"),
    ],
)
def test_wrong_keys_are_named(wrong, named):
    verdict = checks.cache_key(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


# ---------------------------------------------------------------------------- the switches


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    ids = tuple(f"p{n}" for n in range(8))
    made = {name: rng.normal(size=(8, width)) + 3 for name, width in (("mean", 6), ("tower", 4))}
    return {name: EmbeddingTable(vectors.astype(np.float32), ids) for name, vectors in made.items()}


def test_neighbors_are_those_of_the_recipe(tables):
    state = RecipeState(tables, "tower", 2, centered=True)
    vectors = tables["tower"].vectors - tables["tower"].vectors.mean(0)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = unit @ unit[2]
    likeness[2] = -2
    assert [row for row, _ in state.neighbors()] == list(np.argsort(-likeness)[:5])
    others = ~np.eye(8, dtype=bool)
    assert state.typical_cosine() == pytest.approx((unit @ unit.T)[others].mean(), abs=1e-6)


def test_taking_the_mean_away_opens_the_cone(tables):
    closed, opened = (RecipeState(tables, "mean", centered=centered) for centered in (False, True))
    assert closed.typical_cosine() > 0.5 > opened.typical_cosine()


def test_the_switches_follow_their_controls(tables):
    pictures = [Image.new("RGB", (8, 8), (20 * n, 0, 0)) for n in range(8)]
    switches = RecipeSwitches(tables, pictures, recipe="mean")
    switches.choose(recipe="tower", picture=3, centered=True)
    assert (switches.state.recipe, switches.state.picture, switches.state.centered) == ("tower", 3, True)
    words = switches.live().sentence
    assert words == switches.state.sentence() == switches.still().alt
    assert "4 numbers" in words and "p3" in words


def test_switches_for_too_few_pictures_are_refused(tables):
    with pytest.raises(ValueError, match="3 pictures for tables of 8 rows"):
        RecipeSwitches(tables, [Image.new("RGB", (8, 8))] * 3, recipe="mean")
    with pytest.raises(ValueError, match="no picture 8"):
        RecipeState(tables, "mean", 8)
    with pytest.raises(ValueError, match="at least two"):
        RecipeState({"mean": tables["mean"].select([0])}, "mean")


def test_tables_must_hold_the_same_pictures(tables):
    with pytest.raises(ValueError, match="no recipe 'max'"):
        RecipeState(tables, "max")
    with pytest.raises(ValueError, match="same pictures"):
        RecipeState({**tables, "cls": tables["mean"].select(range(4))}, "mean")


def sorts_in_place_first(items, encode, size):
    items.sort()
    return in_batches_with_a_bug(items, encode, size)


def by_number_of_crops(items, encode, size):
    ordered, vectors = sorted(items), {}
    for start in range(0, len(items), size):
        batch = ordered[start : start + size]
        vectors |= dict(zip(batch, encode(batch), strict=True))
    return [vectors[item] for item in items]


def as_plain_numbers(items, encode, size):
    return by_number_of_crops([int(item) for item in items], encode, size)


def unstable(items, encode, size):
    """Pictures with as many crops change places."""
    right = right_batches(items, encode, size)
    ties = [place for place, item in enumerate(items) if items.count(item) > 1]
    if ties:
        right[ties[0]], right[ties[-1]] = right[ties[-1]], right[ties[0]]
    return right


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (sorts_in_place_first, "order of the batches"),
        (by_number_of_crops, "by place, not by crops"),
        (as_plain_numbers, "by place, not by crops"),
        (unstable, "by place, not by crops"),
        (lambda items, encode, size: [f"vector 0 of {item} crops" for item in items], "gets"),
        (lambda items, encode, size: 7, "a list of vectors"),
        (lambda items, encode, size: dict(enumerate(items)), "a list of vectors"),
    ],
)
def test_batches_that_mix_pictures_up_are_named(wrong, named):
    verdict = checks.in_batches(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def largest_first(items, encode, size):
    order = sorted(range(len(items)), key=lambda place: -items[place])
    results = [None] * len(items)
    for start in range(0, len(items), size):
        places = order[start : start + size]
        for place, vector in zip(places, encode([items[p] for p in places]), strict=True):
            results[place] = vector
    return results


def with_numpy(items, encode, size):
    order = np.argsort(np.array(items), kind="stable")
    ordered = np.array(items)[order]
    vectors = [v for start in range(0, len(items), size) for v in encode(ordered[start : start + size])]
    return np.array(vectors)[np.argsort(order)]


@pytest.mark.parametrize("right", [right_batches, largest_first, with_numpy])
def test_every_sorted_way_is_right(right):
    verdict = checks.in_batches(right)
    assert verdict.right, verdict


def keys_by_hand(recipe):
    """Sorted by hand, inside as well."""
    return str(sorted((k, keys_by_hand(v) if isinstance(v, dict) else v) for k, v in recipe.items()))


def pops(recipe):
    recipe["preprocessing"].pop("tile_size")
    return right_key(recipe)


def hash_without_calling_it(recipe):
    return str(json.dumps(recipe, sort_keys=True).__hash__())


def order_of_a_set(recipe):
    return "".join(dict.fromkeys(set(json.dumps(recipe, sort_keys=True)), 1)) + right_key(recipe)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda recipe: right_key(recipe)[:2], "share one key"),
        (lambda recipe: right_key(recipe)[:4], "share one key"),
        (lambda recipe: str(sum(json.dumps(recipe, sort_keys=True).encode())), "share"),
        (lambda recipe: "".join(sorted(json.dumps(recipe))), "share a file"),
        (hash_without_calling_it, "another Python process"),
        (order_of_a_set, "another Python process"),
        (pops, "size of a tile"),
        (
            lambda recipe: right_key({**recipe, "preprocessing": recipe["preprocessing"]["num_crops"]}),
            "size of a tile",
        ),
        (lambda recipe: "-".join(str(recipe[k]) for k in sorted(recipe) if k != "preprocessing"), "share"),
        (lambda recipe: right_key(recipe) + str(id(recipe)), "second time"),
    ],
)
def test_keys_that_fail_on_another_recipe_or_another_day_are_named(wrong, named):
    verdict = checks.cache_key(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def says_what_it_does(recipe):
    print("None of this is the key")
    return right_key(recipe)


def test_keys_made_in_another_way_are_right():
    assert checks.cache_key(says_what_it_does).right
    assert checks.cache_key(keys_by_hand).right
    assert checks.cache_key(lambda recipe: json.dumps(recipe, sort_keys=True)).right


def test_a_check_is_not_spoilt_by_the_answer_before():
    checks.cache_key(pops)
    assert checks.cache_key(right_key).right


def test_a_function_is_carried_to_other_processes_with_what_it_needs():
    recipe = {"model": "x", "inside": {"a": 1}}
    assert in_other_processes(right_key, recipe) == [right_key(recipe)] * 3
    assert in_other_processes(keys_by_hand, recipe) == [keys_by_hand(recipe)] * 3
    assert len(set(in_other_processes(hash_without_calling_it, recipe))) == 3
    unused = recipe

    def closure(given):
        return str(unused)

    assert in_other_processes(closure, recipe) == []  # not carried: nothing is claimed
    assert in_other_processes(print, recipe) == in_other_processes(7, recipe) == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda tokens, keep: tokens[:, : keep.sum(1).min()].mean(1), "first number is"),
        (
            lambda tokens, keep: right_mean(tokens, keep).nan_to_num() + 0 * tokens.nan_to_num().sum(1),
            "infinity",
        ),
        (lambda tokens, keep: right_mean(tokens, keep)[:, :1], "shape"),
        (lambda tokens, keep: tokens.bfloat16().mean(1), "separators and padding"),
    ],
)
def test_means_of_other_tokens_are_named(wrong, named):
    verdict = checks.masked_mean(wrong)
    assert verdict.right is False
    assert named in verdict.sentence
