"""The checks of notebook 01 accept the solutions and refuse wrong answers by name."""

import numpy as np
import pytest

from phi3lib.lab import checks

CHECKS = [checks.cosine, checks.zero_shot, checks.smallest_scale, checks.symmetric_loss]


def unit(vectors, axis=1):
    return vectors / np.linalg.norm(vectors, axis=axis, keepdims=True)


def softmax(logits, axis=-1):
    powers = np.exp(logits - logits.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def directions(logits):
    return [-np.log(np.diagonal(softmax(logits, axis))).mean() for axis in (0, 1)]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ...])
def test_an_unanswered_exercise_is_no_mistake(check, stub):
    assert check(stub).right is None


@pytest.mark.parametrize("check", CHECKS)
def test_an_error_in_the_answer_becomes_a_sentence(check):
    def broken(*_):
        raise TypeError("unsupported thing")

    assert "stops: TypeError: unsupported thing" in repr(check(broken))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("nonsense", ["no number", [[1], [2, 3]], np.zeros((9, 9, 9))])
def test_nonsense_is_refused_in_a_sentence(check, nonsense):
    assert check(lambda *_: nonsense).right is False


def test_the_solutions_are_accepted():
    def scale(cosines):
        low, high = 0.0, 1e5
        while high - low > 1e-6 * high:
            middle = (low + high) / 2
            low, high = (low, middle) if softmax(middle * cosines).max() > 0.9 else (middle, high)
        return high

    assert checks.cosine(lambda a, b: unit(a) @ unit(b).T).right
    assert checks.zero_shot(lambda p, c, s: softmax(s * unit(p) @ unit(c).T)).right
    assert checks.smallest_scale(scale).right
    assert checks.symmetric_loss(lambda logits: sum(directions(logits)) / 2).right


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda a, b: a @ b.T, "dot product"),
        (lambda a, b: unit(a) @ b.T, "only the first"),
        (lambda a, b: unit(a, 0) @ unit(b, 0).T, "wrong axis"),
        (lambda a, b: a @ b.T / (np.linalg.norm(a) * np.linalg.norm(b)), "whole matrix"),
        (lambda a, b: unit(b) @ unit(a).T, "swapped"),
        (lambda a, b: 1 - unit(a) @ unit(b).T, "distance"),
        (lambda a, b: (unit(a) @ unit(b).T)[0], "shape"),
    ],
)
def test_wrong_cosines_are_named(wrong, named):
    verdict = checks.cosine(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda p, c, s: softmax(unit(p) @ unit(c).T), "scale is not used"),
        (lambda p, c, s: softmax(s * unit(p) @ unit(c).T, 0), "over the pictures"),
        (lambda p, c, s: softmax(s * p @ c.T), "not divided by their lengths"),
        (lambda p, c, s: s * unit(p) @ unit(c).T, "softmax is missing"),
        (lambda p, c, s: (unit(p) @ unit(c).T).argmax(1), "likeliest classes"),
    ],
)
def test_wrong_zero_shot_is_named(wrong, named):
    verdict = checks.zero_shot(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda cosines: 1.0, "gives only p"),
        (lambda cosines: 1e5, "a smaller one will do"),
        (lambda cosines: -3, "positive"),
    ],
)
def test_wrong_scales_are_named(wrong, named):
    assert named in checks.smallest_scale(wrong).sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda logits: directions(logits)[1], "only pictures look"),
        (lambda logits: directions(logits)[0], "only texts look"),
        (lambda logits: sum(directions(logits)), "added"),
        (lambda logits: -sum(directions(logits)) / 2, "sign"),
        (lambda logits: len(logits) * sum(directions(logits)) / 2, "summed"),
    ],
)
def test_wrong_losses_are_named(wrong, named):
    verdict = checks.symmetric_loss(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def scale_by_halving(cosines):
    low, high = 0.0, 1e5
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if softmax(middle * cosines).max() > 0.9 else (middle, high)
    return high


@pytest.mark.parametrize("off", [0.98, 0.99, 1.0, 1.01, 1.02])
def test_two_percent_off_are_fine(off):
    assert checks.smallest_scale(lambda cosines: off * scale_by_halving(cosines)).right


@pytest.mark.parametrize(("off", "named"), [(0.97, "gives only p"), (1.03, "a smaller one will do")])
def test_three_percent_off_are_not(off, named):
    assert named in checks.smallest_scale(lambda cosines: off * scale_by_halving(cosines)).sentence


def test_a_search_that_finds_nothing_is_named():
    def on_a_short_grid(cosines):
        for scale in np.arange(0, 40, 0.1):
            if softmax(scale * cosines).max() > 0.9:
                return scale
        return None

    verdict = checks.smallest_scale(on_a_short_grid)
    assert verdict.right is False
    assert "With cosines [" in verdict.sentence and "returned None" in verdict.sentence


def test_the_scale_of_two_captions_is_not_that_of_many():
    def of_the_best_two(cosines):
        best = np.sort(cosines)[::-1]
        return np.log(9) / (best[0] - best[1])

    assert checks.smallest_scale(of_the_best_two).right is False


def test_the_first_wrong_cosine_is_shown_and_not_the_first():
    def last_is_off(a, b):
        right = unit(a) @ unit(b).T
        right[-1, -1] += 0.001
        return right

    verdict = checks.cosine(last_is_off)
    assert "row 0, column 1 is" in verdict.sentence
    assert "row 0, column 0 is nan" in checks.cosine(lambda a, b: a @ b.T * np.nan).sentence
