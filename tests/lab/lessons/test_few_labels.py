"""Probes with few labels beside a method without: compared in pairs, each picture once."""

import numpy as np
import pytest

from phi3lib.embeddings.search import few_shot, few_shot_rows
from phi3lib.lab.lessons.few_labels import ahead_of


@pytest.fixture
def pictures():
    """(vectors, labels): four groups of twelve that a probe separates for the most part."""
    rng = np.random.default_rng(0)
    labels = np.repeat(list("abcd"), 12)
    return np.eye(4)[np.repeat(range(4), 12)] + 0.7 * rng.normal(size=(48, 4)), labels


def test_a_probe_is_not_ahead_of_itself_and_is_ahead_of_one_that_is_never_right(pictures):
    vectors, labels = pictures
    one = few_shot(vectors, labels, 3, seed=0)
    train, test = few_shot_rows(labels, 3, seed=0)
    assert sorted([*train, *test]) == list(range(48)) and len(train) == 12
    same = np.zeros(48)
    same[test] = one.values
    assert ahead_of(same, {3: [one]}, labels)[3].value == 0
    found = ahead_of(np.zeros(48), {3: [one]}, labels)[3]
    assert found.value == pytest.approx(one.value) and found.count == len(test) == 36


def test_a_seed_draws_the_same_again_and_another_one_others(pictures):
    vectors, labels = pictures
    one, again = (few_shot(vectors, labels, 3, seed=seed) for seed in (0, 0))
    assert np.array_equal(one.values, again.values) and (one.low, one.high) == (again.low, again.high)
    drawn = [few_shot_rows(labels, 3, seed=seed)[0].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_picture_of_several_draws_counts_once(pictures):
    vectors, labels = pictures
    draws = [few_shot(vectors, labels, 9, seed=seed) for seed in range(3)]
    scored = {int(row) for seed in range(3) for row in few_shot_rows(labels, 9, seed=seed)[1]}
    assert ahead_of(np.zeros(48), {9: draws}, labels)[9].count == len(scored) < 36
    with pytest.raises(ValueError, match="12 are left of these labels"):
        ahead_of(np.zeros(48), {9: [few_shot(vectors, labels, 3)]}, labels)
