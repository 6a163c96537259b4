"""The checks of notebook 10 accept the solutions and refuse wrong answers by name."""

import numpy as np
import pytest
import torch

from phi3lib.lab import checks


def right_shapes(width, hidden):
    return 4 * width * hidden + 2 * 4 * width


def right_first(curves, before):
    reached = {}
    for topic, curve in curves.items():
        middle = (curve[0][1] + before[topic]) / 2
        back = [scenes for scenes, share in curve if share >= middle]
        if back:
            reached[topic] = back[0]
    return min(reached, key=reached.get)


@pytest.mark.parametrize("kind", [int, float, np.int64, torch.tensor])
def test_solutions_are_accepted(kind):
    assert checks.new_shapes(lambda width, hidden: kind(right_shapes(width, hidden))).right
    assert checks.first_back(right_first).right
    for letters in ("bdf", "b, d, f", ["f", "D", "b"], {"b", "d", "f"}):
        assert checks.not_shown(letters).right, letters


def test_a_stub_is_not_answered():
    assert checks.new_shapes(lambda width, hidden: ...).right is None
    assert checks.first_back(lambda curves, before: ...).right is None
    assert checks.not_shown(...).right is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda width, hidden: width * hidden + 2 * width, "4 times as wide as the tower"),
        (lambda width, hidden: 4 * width * hidden, "the two separators are missing"),
        (lambda width, hidden: 4 * width * hidden + 4 * width, "one of the two separators"),
        (lambda width, hidden: right_shapes(width, hidden) + hidden, "first layer's bias"),
        (lambda width, hidden: right_shapes(width, hidden) + hidden**2, "second layer"),
        (lambda width, hidden: "many", "one number is wanted"),
    ],
)
def test_wrong_counts_are_named(wrong, named):
    verdict = checks.new_shapes(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda curves, before: max(curves, key=lambda topic: curves[topic][-1][1]), "highest score"),
        (
            lambda curves, before: max(curves, key=lambda topic: curves[topic][-1][1] - curves[topic][0][1]),
            "gains most in the end",
        ),
        (
            lambda curves, before: min(
                curves,
                key=lambda topic: next((s for s, v in curves[topic] if v >= before[topic] / 2), 999),
            ),
            "not half of what was lost",
        ),
        (lambda curves, before: "print", "is wanted, not 'print'"),
    ],
)
def test_wrong_topics_are_named(wrong, named):
    verdict = checks.first_back(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("letters", "named"),
    [("bdfa", "Statement a is shown"), ("bd", "1 more"), ("c", "Statement c is shown"), ("z", "a to f")],
)
def test_wrong_letters_are_named(letters, named):
    verdict = checks.not_shown(letters)
    assert verdict.right is False
    assert named in verdict.sentence
