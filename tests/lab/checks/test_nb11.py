"""The checks of notebook 11 accept the solutions and refuse wrong answers by name."""

import re

import numpy as np
import pytest

from phi3lib.lab import checks
from phi3lib.lab.checks.nb11 import deletable, duration, rank_of


def product_rank(vectors, asked, found):
    products = np.delete(vectors @ vectors[asked], asked)
    return int((products > vectors[asked] @ vectors[found]).sum()) + 1


CHECKS = [checks.run_duration, checks.to_delete, checks.rank]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ...])
def test_an_unanswered_exercise_is_no_mistake(check, stub):
    assert check(stub).right is None


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("nonsense", ["no number", 7.5, [[1], [2, 3]]])
def test_nonsense_is_refused_in_a_sentence(check, nonsense):
    assert check(lambda *_: nonsense).right is False


def test_right_answers_of_several_types_are_accepted():
    assert checks.run_duration(duration).right
    assert checks.run_duration(lambda *given: np.float32(duration(*given))).right
    assert checks.to_delete(deletable).right
    assert checks.to_delete(lambda *given: sorted(deletable(*given))).right
    assert checks.rank(rank_of).right
    assert checks.rank(lambda *given: np.int64(rank_of(*given))).right


@pytest.mark.parametrize(
    ("check", "wrong", "named"),
    [
        (checks.run_duration, lambda n, r, c, cores: n * (r + c), "beside computing"),
        (checks.run_duration, lambda n, r, c, cores: n * max(r, c), "one core does both"),
        (checks.run_duration, lambda n, r, c, cores: n * c, "reading is left out"),
        (checks.run_duration, lambda n, r, c, cores: duration(n, r, c, cores) / 60, "minutes"),
        (
            checks.to_delete,
            lambda groups, pixels: [n for g in groups for n in g[1:]],
            "may be the smaller one",
        ),
        (checks.to_delete, lambda groups, pixels: {n for g in groups for n in g}, "no image of the group"),
        (checks.to_delete, lambda groups, pixels: [max(g, key=pixels.get) for g in groups], "to keep"),
        (
            checks.to_delete,
            lambda groups, pixels: [n for g in groups for n in g if pixels[n] < max(map(pixels.get, g))],
            "both are kept",
        ),
        (checks.to_delete, lambda groups, pixels: groups, "each name is one text"),
        (checks.rank, lambda v, i, j: rank_of(v, i, j) - 1, "start at 1"),
        (checks.rank, lambda v, i, j: rank_of(v, i, j) + 1, "itself is counted"),
        (checks.rank, lambda v, i, j: rank_of(v, j, i), "seen from the found one"),
        (checks.rank, product_rank, "not the cosine"),
    ],
)
def test_usual_mistakes_are_named(check, wrong, named):
    verdict = check(wrong)
    assert verdict.right is False and re.search(named, verdict.sentence)
