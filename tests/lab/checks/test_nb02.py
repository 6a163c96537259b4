"""The checks of notebook 02 accept the solutions and refuse wrong answers by name."""

import numpy as np
import pytest

from phi3lib.lab import checks
from phi3lib.lab.checks.nb02 import best_layer


def count(size, patch):
    if size % patch:
        raise ValueError("does not fit")
    return (size // patch) ** 2


def join(patches, rows, cols):
    p = patches.shape[1]
    return patches.reshape(rows, cols, p, p, 3).transpose(0, 2, 1, 3, 4).reshape(rows * p, cols * p, 3)


@pytest.fixture
def layers():
    """Shape grows from layer to layer and colour falls; layers 3 and 4 are alike within noise."""
    rng = np.random.default_rng(0)
    shape = {
        layer: list(rng.random(300) < share) for layer, share in ((1, 0.3), (2, 0.5), (3, 0.8), (4, 0.8))
    }
    color = {
        layer: list(rng.random(300) < share) for layer, share in ((1, 0.9), (2, 0.8), (3, 0.5), (4, 0.5))
    }
    shape[5], color[5] = list(rng.random(300) < 0.97), list(rng.random(300) < 0.95)
    return best_layer(shape, color)


@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ...])
def test_an_unanswered_exercise_is_no_mistake(stub, layers):
    assert all(check(stub).right is None for check in (checks.n_patches, checks.rebuild, layers))


def test_the_solutions_are_accepted(layers):
    assert checks.n_patches(count).right
    assert checks.rebuild(join).right
    assert layers(lambda: 3).right
    assert layers(lambda: 4).right


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda size, patch: size // patch, "one side"),
        (lambda size, patch: (size // patch) ** 2 + 1, "class token"),
        (lambda size, patch: patch**2, "pixels of one patch"),
        (lambda size, patch: (size // patch) ** 2, "raise a ValueError"),
    ],
)
def test_wrong_counts_are_named(wrong, named):
    verdict = checks.n_patches(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda p, rows, cols: p.reshape(rows * p.shape[1], cols * p.shape[1], 3), "plain reshape"),
        (lambda p, rows, cols: join(p.transpose(0, 2, 1, 3), rows, cols), "on its side"),
        (lambda p, rows, cols: join(p[::-1], rows, cols), "first wrong pixel"),
        (lambda p, rows, cols: p[0], "shape"),
    ],
)
def test_wrong_pictures_are_named(wrong, named):
    verdict = checks.rebuild(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [(1, "taken the smallest"), (5, "difference is asked for"), (2, "leads by"), (9, "There is no layer 9")],
)
def test_wrong_layers_are_named(wrong, named, layers):
    verdict = layers(lambda: wrong)
    assert verdict.right is False
    assert named in verdict.sentence


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda size, patch: count(size, patch) if not size % 14 else count(1, 2), "48"),
        (lambda size, patch: (size // patch) ** 2 if size % 8 == 0 or size % 14 == 0 else count(1, 2), "42"),
        (lambda size, patch: count(size, patch) if size >= patch else 0, "14 pixels cannot be cut"),
        (lambda size, patch: np.array([count(size, patch)]), "one number is wanted"),
    ],
)
def test_refusals_look_at_the_patch_that_is_given(wrong, named):
    verdict = checks.n_patches(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def test_a_canvas_of_eight_bits_is_right():
    def on_a_canvas(patches, rows, cols):
        p = patches.shape[1]
        canvas = np.zeros((rows * p, cols * p, 3), dtype=np.uint8)
        for place, patch in enumerate(patches):
            row, col = divmod(place, cols)
            canvas[row * p : (row + 1) * p, col * p : (col + 1) * p] = patch
        return canvas

    assert checks.rebuild(on_a_canvas).right


def test_the_sentence_uses_the_names_of_the_question():
    check = best_layer(
        {1: [True] * 9, 2: [False] * 9}, {1: [False] * 9, 2: [False] * 9}, names=("up", "down")
    )
    assert "up 1.00, down 0.00" in check(lambda: 1).sentence
    assert "here down leads the most" in check(lambda: 2).sentence
