"""Best hits with and without the pictures that a query asks for."""

import numpy as np
import pytest

from phi3lib.lab.lessons.absent import best_hits, best_z_scores

PICTURES = np.array([[1.0, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0, 1]])
KINDS = ["cat", "cat", "dog", "house"]


def test_without_its_kind_a_query_has_the_best_of_the_others():
    hits = best_hits([[2.0, 0, 0], [0, 3, 0]], PICTURES, KINDS, ["cat", "dog"])
    assert hits.present == pytest.approx([1, 1]) and hits.absent == pytest.approx([0, 0.6])


def test_z_scores_are_those_of_the_pictures_that_are_left():
    hits = best_z_scores([[1.0, 0, 0]], PICTURES, KINDS, ["dog"])
    cosines = np.array([1, 0.8, 0, 0])
    left = cosines[[0, 1, 3]]
    assert hits.present == pytest.approx([(1 - cosines.mean()) / cosines.std()])
    assert hits.absent == pytest.approx([(1 - left.mean()) / left.std()])


def test_the_threshold_is_exceeded_by_one_in_twenty_absent_queries():
    rng = np.random.default_rng(0)
    queries, pictures = rng.normal(size=(2, 400, 16))
    hits = best_hits(queries, pictures, np.arange(400) % 20, np.arange(400) % 20)
    assert (hits.absent > hits.threshold).mean() == pytest.approx(0.05, abs=0.003)
    missed = hits.missed()
    assert missed.value == (hits.present < hits.threshold).mean() and missed.low < missed.value < missed.high
    assert hits.missed(-2.0).value == 0 and hits.missed(2.0).value == 1


def test_a_query_for_the_only_kind_is_refused():
    with pytest.raises(ValueError, match="the only kind"):
        best_hits(PICTURES, PICTURES, ["cat"] * 4, ["cat", "dog", "dog", "dog"])
