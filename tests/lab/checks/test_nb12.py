"""The checks of notebook 12 accept the solutions and refuse wrong answers by name."""

import numpy as np
import pytest

from phi3lib.lab import checks
from phi3lib.lab.checks.nb12 import hours_of, pending, weighted

CHECKS = [checks.left_to_compute, checks.run_hours, checks.stratified_share]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ...])
def test_an_unanswered_exercise_is_no_mistake(check, stub):
    assert check(stub).right is None


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("nonsense", ["no number", 7.5, [[1], [2, 3]], {"a": 1}])
def test_nonsense_is_refused_in_a_sentence(check, nonsense):
    assert check(lambda *_: nonsense).right is False


def test_right_answers_of_several_types_are_accepted():
    assert checks.left_to_compute(pending).right
    assert checks.left_to_compute(lambda *given: [tuple(group) for group in pending(*given)]).right
    assert checks.left_to_compute(lambda groups, stored: (g for g in groups if set(g) - stored)).right
    assert checks.run_hours(hours_of).right
    assert checks.run_hours(lambda *given: np.float32(hours_of(*given))).right
    assert checks.stratified_share(weighted).right
    assert checks.stratified_share(lambda s, r, d: np.average(np.divide(r, d), weights=s)).right


@pytest.mark.parametrize(
    ("check", "wrong", "named"),
    [
        (checks.left_to_compute, lambda groups, stored: groups, "computed again"),
        (
            checks.left_to_compute,
            lambda groups, stored: [g for g in groups if not set(g) & stored],
            "its other images are lost",
        ),
        (
            checks.left_to_compute,
            lambda groups, stored: [[n for n in g if n not in stored] for g in groups if set(g) - stored],
            "whole or not at all",
        ),
        (
            checks.left_to_compute,
            lambda groups, stored: [g for g in groups if set(g) <= stored],
            "those that are not are wanted",
        ),
        (
            checks.left_to_compute,
            lambda groups, stored: groups[sum(set(g) <= stored for g in groups) :],
            "which ones are stored",
        ),
        (
            checks.left_to_compute,
            lambda groups, stored: pending(groups, stored) if sum(map(len, groups)) != len(stored) else [],
            "counted, not compared",
        ),
        (checks.left_to_compute, lambda *given: pending(*given)[::-1], "keep the order"),
        (checks.run_hours, lambda n, s, w, lost: n * s / w / (1 - lost), "these are seconds"),
        (checks.run_hours, lambda n, s, w, lost: n * s / w / (1 - lost) / 60, "these are minutes"),
        (checks.run_hours, lambda n, s, w, lost: n * s / (1 - lost) / 3600, "at the same time"),
        (checks.run_hours, lambda n, s, w, lost: n * s / w / 3600, "left out"),
        (checks.run_hours, lambda n, s, w, lost: n * s / w * (1 + lost) / 3600, "divide by 1 − lost"),
        (checks.run_hours, lambda n, s, w, lost: n * s / w * (1 - lost) / 3600, "shorter"),
        (checks.stratified_share, lambda s, r, d: np.mean(np.divide(r, d)), "of one size"),
        (checks.stratified_share, lambda s, r, d: sum(r) / sum(d), "too many were drawn"),
        (checks.stratified_share, lambda s, r, d: weighted(s, r, d) * sum(s), "number of images"),
        (checks.stratified_share, lambda s, r, d: 100 * weighted(s, r, d), "percent"),
    ],
)
def test_known_mistakes_are_named(check, wrong, named):
    verdict = check(wrong)
    assert verdict.right is False and named in verdict.sentence
