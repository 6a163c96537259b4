"""The checks of notebook 07 accept the solutions and refuse wrong answers by name."""

import numpy as np
import pytest

from phi3lib.lab import checks
from phi3lib.lab.checks import nb07 as checks_07
from phi3lib.lab.checks.nb07 import paired_interval, recall

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
        (lambda s, w, k: recall(s, w, k) * 100, "percentage"),
        (
            lambda s, w, k: np.mean(
                [x in np.argsort(-r, kind="stable")[:k] for r, x in zip(s, w, strict=True)]
            ),
            "first in the row wins",
        ),
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


def standard_errors(times, first, second):
    difference = second - first
    value, half = difference.mean(), times * difference.std() / len(first) ** 0.5
    return value, value - half, value + half


def percentiles(low, high, first, second, seed=0, draws=1000):
    difference = second - first
    rng = np.random.default_rng(seed)
    means = difference[rng.integers(len(first), size=(draws, len(first)))].mean(1)
    return difference.mean(), *np.percentile(means, [low, high])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda a, b: percentiles(5, 95, a, b), "90 %"),
        (lambda a, b: standard_errors(1.65, a, b), "90 %"),
        (lambda a, b: standard_errors(2.576, a, b), "99 %"),
        (lambda a, b: percentiles(2.5, 100, a, b), "too wide"),
        (lambda a, b: ((v := standard_errors(1.96, a, b))[0], v[0], v[0] + v[2] - v[1]), "2.5 % at each end"),
        (lambda a, b: percentiles(1, 96, a, b), "2.5 % at each end"),
        (lambda a, b: standard_errors(1, a, b), "too narrow"),
        (lambda a, b: (0.0, -1.0, 1.0), "the difference is"),
    ],
)
def test_other_intervals_than_those_of_95_percent_are_named(wrong, named):
    verdict = checks.paired_difference(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize("seed", range(12))
def test_honest_bootstraps_are_right_whatever_they_draw(seed):
    assert checks.paired_difference(lambda a, b: percentiles(2.5, 97.5, a, b, seed)).right


def test_the_formula_is_right_too():
    assert checks.paired_difference(lambda a, b: standard_errors(1.96, a, b)).right


def likeness_of(change):
    return lambda vectors, least: change(pairs(cosines(vectors), least), vectors, least)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (likeness_of(lambda found, vectors, least: pairs(cosines(vectors), 0.99)), "(0, 1)"),
        (likeness_of(lambda found, vectors, least: pairs(cosines(vectors), least + 1e-9)), "exactly 0.5"),
        (likeness_of(lambda found, vectors, least: [(j, i) for i, j in found]), "wrong way round"),
        (likeness_of(lambda found, vectors, least: [p for p in found if p != (3, 8)]), "(3, 8)] are missing"),
        (likeness_of(lambda found, vectors, least: [*found, (0, 11)]), "no duplicates"),
        (likeness_of(lambda found, vectors, least: [(*pair, 1.0) for pair in found]), "pairs of row numbers"),
        (likeness_of(lambda found, vectors, least: len(found)), "pairs of row numbers"),
    ],
)
def test_other_pairs_are_named(wrong, named):
    verdict = checks.duplicates(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize("kind", [set, np.array, lambda found: [list(pair) for pair in found], tuple])
def test_pairs_of_every_type_are_right(kind):
    assert checks.duplicates(likeness_of(lambda found, vectors, least: kind(found))).right


def test_pairs_of_single_precision_are_right():
    assert checks.duplicates(lambda v, least: pairs(cosines(v.astype(np.float32)), least)).right


def test_no_cosine_of_the_cases_is_near_a_threshold():
    """Rounding on another processor must not decide a case; the tie is exact, whatever adds it up."""
    for vectors, least, wanted, shown in checks_07._duplicate_cases():
        likeness = cosines(vectors)[np.triu_indices(len(vectors), 1)]
        away = np.abs(likeness - least)
        tie = "exactly" in shown
        assert (away == 0).sum() == tie
        assert away[away > 0].min() > (1e-6 if least > 0.9 else 1e-3), shown
        assert wanted == set(pairs(cosines(vectors), least))
