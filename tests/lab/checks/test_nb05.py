"""The checks of notebook 05 accept the solutions and refuse wrong answers by name; the map reader's state."""

import numpy as np
import pytest

from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import Layout
from phi3lib.lab import checks
from phi3lib.lab.checks.nb05 import surviving
from phi3lib.lab.widgets.map_reader import MapReader, map_grid


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(3, 8)) * 4
    return (np.repeat(centers, 20, 0) + rng.normal(size=(60, 8))).astype(np.float32)


LABELS = np.repeat(["x", "y", "z"], 20)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def layout_at(centers, spreads=(1, 1, 1), seed=0) -> Layout:
    """A map with the three groups at these places and of these sizes."""
    rng = np.random.default_rng(seed)
    places = np.concatenate(
        [np.array(c) + s * rng.normal(size=(20, 2)) for c, s in zip(centers, spreads, strict=True)]
    )
    return Layout(places.astype(np.float32), {})


@pytest.mark.slow
def test_settings_are_measured(groups):
    check = checks.settings(groups, nearest(groups, 40))
    assert check(lambda: (10, 0.1)).right
    assert "two" in check(lambda: 10).sentence.lower()
    assert "make no map" in check(lambda: (1, 0.1)).sentence
    assert check(None).right is None
    loose = checks.settings(groups, nearest(groups, 40), min_dist=0.5)
    assert loose(lambda: (10, 0.5)).right
    assert loose(lambda: (10, 0.1)).sentence == "A min_dist of at least 0.5 is wanted, not 0.1."


def test_which_statements_survive_is_computed():
    same = [layout_at([(0, 0), (9, 0), (50, 0)], (1, 4, 1), seed=seed) for seed in range(3)]
    assert {"a", "b", "c"} <= surviving(same, LABELS)
    moved = [layout_at([(0, 0), (9, 0), (50, 0)], seed=0), layout_at([(50, 0), (9, 0), (12, 0)], seed=1)]
    assert "b" not in surviving(moved, LABELS)
    mixed = [layout_at([(0, 0)] * 3)]
    assert "a" not in surviving(mixed, LABELS)


def test_wrong_statements_are_named():
    maps = [layout_at([(0, 0), (9, 0), (50, 0)], (1, 4, 1), seed=seed) for seed in range(3)]
    right = surviving(maps, LABELS)
    check = checks.statements(maps, LABELS)
    assert check(lambda: right).right
    assert "does not hold" in check(lambda: {"a", "b", "c", "d"}).sentence
    assert "does hold" in check(lambda: set()).sentence
    assert "no statement 'e'" in check(lambda: {"e"}).sentence
    assert "Letters are wanted" in check(lambda: 7).sentence


def test_gap_solutions_are_accepted():
    assert checks.modality_gap(lambda a, b: np.linalg.norm(unit(a).mean(0) - unit(b).mean(0))).right
    assert checks.close_gap(lambda a, b: (unit(a) - unit(a).mean(0), unit(b) - unit(b).mean(0))).right


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda a, b: np.linalg.norm(a.mean(0) - b.mean(0)), "divided by their lengths"),
        (lambda a, b: ((unit(a).mean(0) - unit(b).mean(0)) ** 2).sum(), "square"),
        (lambda a, b: np.linalg.norm(unit(a)[:, None] - unit(b)[None], axis=-1).mean(), "all pairs"),
        (lambda a, b: unit(a).mean(0), "one number"),
    ],
)
def test_wrong_gaps_are_named(wrong, named):
    verdict = checks.modality_gap(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (
            lambda a, b: (unit(a) - (m := np.concatenate([unit(a), unit(b)]).mean(0)), unit(b) - m),
            "each side has its own",
        ),
        (lambda a, b: (a, b), "still"),
        (lambda a, b: (a * 0, b * 0), "Nothing is left"),
        (lambda a, b: (a.mean(0), b.mean(0)), "shapes"),
        (lambda a, b: 3, "Two arrays"),
    ],
)
def test_wrong_centring_is_named(wrong, named):
    verdict = checks.close_gap(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.slow
def test_the_map_reader_follows_its_sliders(groups):
    space = nearest(groups, 40)
    layouts = map_grid(groups, space, n_neighbors=(5, 15), min_dist=(0.1, 0.5), seeds=(0, 1))
    assert len(layouts) == 8
    reader = MapReader(layouts, groups, space, LABELS)
    reader.choose(n_neighbors=15, min_dist=0.5, seed=1)
    assert reader.state.chosen == (15, 0.5, 1)
    assert reader.live().sentence == reader.state.sentence()
    assert 0.5 < reader.state.worth()[0] <= 1
    with pytest.raises(ValueError, match="no maps"):
        MapReader({}, groups, space, LABELS)
    with pytest.raises(ValueError, match="2 labels for"):
        MapReader(layouts, groups, space, LABELS[:2])
    with pytest.raises(ValueError, match=r"no map was saved for n_neighbors 7, min_dist 0.1, seed 0"):
        MapReader(layouts, groups, space, LABELS, chosen=(7, 0.1, 0))


def test_a_map_that_was_not_saved_is_said_on_the_page(groups):
    space = nearest(groups, 12)
    places = np.ascontiguousarray(groups[:, :2], dtype=np.float32)
    corners = [(5, 0.1, 0), (15, 0.5, 0)]
    reader = MapReader(dict.fromkeys(corners, Layout(places, {})), groups, space, LABELS)
    reader.choose(n_neighbors=15)
    assert "no map was saved for n_neighbors 15, min_dist 0.1, seed 0" in reader.live().sentence
    assert reader.state.chosen == (5, 0.1, 0)
    reader.choose(min_dist=0.5)
    assert reader.state.chosen == (15, 0.5, 0)


def centered(vectors):
    return vectors - vectors.mean(0)


def noise(a, b):
    rng = np.random.default_rng(7)
    return centered(rng.normal(size=a.shape)), centered(rng.normal(size=b.shape))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (noise, "pictures are not their vectors less their mean"),
        (lambda a, b: (centered(a), b * 0), "texts are not their vectors less their mean: Nothing is left"),
        (lambda a, b: (centered(a) + b.mean(0), b), "moved onto the mean of the other side"),
        (lambda a, b: (centered(a) / a.std(0), centered(b) / b.std(0)), "z-scores"),
        (lambda a, b: (a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)), "mean of each row"),
        (lambda a, b: (unit(centered(a)), unit(centered(b))), "divided by their lengths"),
        (lambda a, b: (centered(a), centered(unit(b))), "treat both alike"),
        (lambda a, b: (centered(b), centered(a)), "shapes"),
        (lambda a, b: {"pictures": a, "texts": b}, "Two arrays"),
    ],
)
def test_centers_that_fall_together_are_not_enough(wrong, named):
    verdict = checks.close_gap(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    "answer",
    ["a, b", "ab", " A ,b", ["a", "b"], ("b", "a", "a"), np.array(["a", "b"]), {"a": 1, "b": 2}.keys()],
)
def test_letters_are_read_however_they_are_written(answer):
    maps = [layout_at([(0, 0), (9, 0), (50, 0)], seed=seed) for seed in range(3)]
    right = surviving(maps, LABELS)
    check = checks.statements(maps, LABELS)
    assert check(lambda: answer).right is (right == {"a", "b"})
    assert "There is no statement" not in check(lambda: answer).sentence


@pytest.mark.parametrize("answer", [[1, 2], {"a": 1}, ["a", None], 3.5])
def test_other_things_than_letters_are_refused(answer):
    assert "Letters are wanted" in checks.statements([], [])(lambda: answer).sentence


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ((10.5, 0.1), "whole number"),
        (("10", 0.1), "one number"),
        ((10, np.nan), "finite"),
        ({"n_neighbors": 10, "min_dist": 0.1}, "Two numbers"),
        ((10, 0.1, 0), "Two numbers"),
    ],
)
def test_settings_that_are_no_settings_are_refused(answer, named, groups):
    verdict = checks.settings(groups, nearest(groups, 12))(lambda: answer)
    assert verdict.right is False
    assert named in verdict.sentence
