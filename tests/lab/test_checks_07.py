"""The checks of notebook 07 accept the solutions and refuse wrong answers by name."""

import numpy as np
import pytest

from phi3lib.lab import checks
from phi3lib.lab.checks_07 import paired_interval, recall

CHECKS = [checks.recall_at_k, checks.paired_difference, checks.duplicates]


def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def pairs(likeness, least):
    return [
        (i, j) for i in range(len(likeness)) for j in range(i + 1, len(likeness)) if likeness[i, j] >= least
    ]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ...])
def test_an_unanswered_exercise_is_no_mistake(check, stub):
    assert check(stub).right is None


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("nonsense", ["no number", 7.5, [[1], [2, 3]]])
def test_nonsense_is_refused_in_a_sentence(check, nonsense):
    assert check(lambda *_: nonsense).right is False


def test_the_solutions_are_accepted():
    assert checks.recall_at_k(recall).right
    assert checks.paired_difference(paired_interval).right
    assert checks.duplicates(lambda vectors, least: pairs(cosines(vectors), least)).right


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (
            lambda s, w, k: float(((w >= 0) & ((s > s[np.arange(len(s)), w][:, None]).sum(1) < k)).mean()),
            "count as worse",
        ),
        (lambda s, w, k: recall(s[w >= 0], w[w >= 0], k), "left out"),
        (lambda s, w, k: recall(-s, w, k), "other way round"),
        (lambda s, w, k: recall(s, w, k) * len(s), "share is wanted"),
    ],
)
def test_wrong_recall_is_named(wrong, named):
    verdict = checks.recall_at_k(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def unpaired(first, second):
    rng = np.random.default_rng(0)
    drawn = [
        rng.choice(second, len(second)).mean() - rng.choice(first, len(first)).mean() for _ in range(1000)
    ]
    return second.mean() - first.mean(), *np.percentile(drawn, [2.5, 97.5])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (unpaired, "too wide"),
        (lambda a, b: [-x for x in paired_interval(a, b)], "sign"),
        (
            lambda a, b: (b.mean() - a.mean(), b.mean() - a.mean() - 1e-3, b.mean() - a.mean() + 1e-3),
            "too narrow",
        ),
        (lambda a, b: (b.mean() - a.mean(), 0.9, 1.0), "misses"),
    ],
)
def test_wrong_intervals_are_named(wrong, named):
    verdict = checks.paired_difference(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda v, least: [(i, i) for i in range(len(v))], "own duplicate"),
        (lambda v, least: [p for i, j in pairs(cosines(v), least) for p in ((i, j), (j, i))], "come twice"),
        (lambda v, least: [(0, 1)], "divide by them first"),
        (lambda v, least: [(2, 7)], "were planted"),
    ],
)
def test_wrong_duplicates_are_named(wrong, named):
    verdict = checks.duplicates(wrong)
    assert verdict.right is False
    assert named in verdict.sentence
