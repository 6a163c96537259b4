"""Approximate neighbors: near ones, never the item itself, and a recall that is the true one."""

import numpy as np
import pytest

from phi3lib.embeddings.approximate import (
    _nearest_first,
    _without_itself,
    approximate_nearest,
    measured_recall,
)
from phi3lib.embeddings.knn import Neighbors, nearest, unit_rows


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(0)
    found = (rng.normal(size=(8, 12)) * 2)[np.arange(1200) % 8] + rng.normal(size=(1200, 12))
    found[:30] = found[0]  # copies
    return found.astype(np.float32)


@pytest.mark.slow
def test_most_true_neighbors_are_found_and_their_share_is_told(vectors):
    found, exact = approximate_nearest(vectors, 15), nearest(vectors, 15)
    rows = np.arange(1200)[:, None]
    assert found.neighbors.indices.shape == (1200, 15) and not (found.neighbors.indices == rows).any()
    assert all(len(set(line)) == 15 for line in found.neighbors.indices.tolist())
    assert (np.diff(found.neighbors.distances, axis=1) >= 0).all()
    assert found.recall.value > 0.9 and found.recall.count == 500
    assert found.recall == measured_recall(found.neighbors, 10)  # of ten, however many were asked for
    of_all = exact.first(10).reached(found.neighbors.indices[:, :10]).mean()
    assert found.recall.low - 0.02 <= of_all <= found.recall.high + 0.02
    assert "of the true neighbors found, measured on 500 pictures" in found.sentence()


def test_the_recall_of_exact_neighbors_is_one_and_of_wrong_ones_falls(vectors):
    exact = nearest(vectors, 10)
    assert measured_recall(exact, 10).value == 1
    half = exact.indices.copy()
    half[:, 5:] = (np.arange(1200)[:, None] + 1 + np.arange(5)) % 1200  # of other groups
    wrong = Neighbors(half, exact.distances, exact.points)
    assert measured_recall(wrong, 10, most=2000).value == pytest.approx(0.5, abs=0.03)
    with pytest.raises(ValueError, match="needs the vectors"):
        measured_recall(Neighbors(half, exact.distances), 10)


def test_distances_are_exact_and_an_item_is_never_its_own_neighbor(vectors):
    unit = unit_rows(vectors[:50])
    rows = np.arange(50)[:, None]
    graph = np.concatenate([rows, (rows + [3, 1, 2]) % 50], axis=1)  # as pynndescent gives it: itself first
    graph[7, 0] = 11  # where copies came in between it may be missing
    others = _without_itself(graph, 3)
    assert others[6].tolist() == [9, 7, 8] and others[7].tolist() == [11, 10, 8]
    near = _nearest_first(unit, others)
    cosines = np.take_along_axis(unit @ unit.T, near.indices, axis=1)
    assert np.allclose(near.distances, 1 - cosines, atol=1e-6)
    assert (np.diff(near.distances, axis=1) >= 0).all()
    assert np.array_equal(np.sort(near.indices), np.sort(others))


def test_the_recall_of_guesses_is_the_chance_that_it_names():
    vectors = np.random.default_rng(3).normal(size=(41, 30))
    guessed = (np.arange(41)[:, None] + 1 + np.arange(4)) % 41
    found = measured_recall(Neighbors(guessed, np.zeros((41, 4)), unit_rows(vectors)), 4)
    assert found.chance == 4 / 40 and found.count == 41
    assert found.low < found.chance < found.high


def test_more_neighbors_than_items_are_refused(vectors):
    with pytest.raises(ValueError, match="12 neighbors of 12 items"):
        approximate_nearest(vectors[:12], 12)
