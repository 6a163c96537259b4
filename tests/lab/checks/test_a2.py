"""The checks of notebook A2 accept right answers of several types and refuse wrong ones by name."""

import numpy as np
import pytest
import torch

from phi3lib.lab import checks


def cache(tokens, layers, heads, head_size, bytes_each):
    return 2 * tokens * layers * heads * head_size * bytes_each


@pytest.mark.parametrize(
    "right",
    [
        cache,
        lambda *sizes: 2 * int(np.prod(sizes)),
        lambda *sizes: torch.tensor(sizes).prod() * 2,
        lambda t, n, h, s, b: float(cache(t, n, h, s, b)),
    ],
)
def test_right_caches(right):
    assert checks.cache_bytes(right).right


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda t, n, h, s, b: t * n * h * s * b, "keys and values are two"),
        (lambda t, n, h, s, b: 2 * t * h * s * b, "every layer"),
        (lambda t, n, h, s, b: 2 * t * n * s * b, "every head"),
        (lambda t, n, h, s, b: 2 * t * n * h * s, "`bytes_each` bytes"),
        (lambda t, n, h, s, b: 2 * n * h * s * b, "every token"),
        (lambda t, n, h, s, b: 3 * t * n * h * s * b, "queries are not kept"),
        (lambda t, n, h, s, b: t + n, "yours gives 2"),
        (lambda t, n, h, s, b: None if t else 0, "None"),
        (lambda t, n, h, s, b: 1 / 0, "stops"),
    ],
)
def test_wrong_caches_are_named(wrong, named):
    verdict = checks.cache_bytes(wrong)
    assert verdict.right is False and named in verdict.sentence


def fits(needs, memory, kept_free):
    usable = memory * (1 - kept_free)
    return sorted((name for name in needs if needs[name] <= usable), key=needs.get)


@pytest.mark.parametrize("right", [fits, lambda *a: tuple(fits(*a)), lambda *a: np.array(fits(*a))])
def test_right_lists(right):
    assert checks.what_fits(right).right


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda needs, memory, free: sorted(fits(needs, memory, free)), "not the smallest need first"),
        (lambda needs, memory, free: fits(needs, memory, 0), "has to stay free"),
        (lambda needs, memory, free: fits(needs, memory, 1 - free), "not the share that may be used"),
        (lambda needs, memory, free: fits(needs, memory - 0.01, free), "exactly what may be used"),
        (lambda needs, memory, free: set(needs) - set(fits(needs, memory, free)), "do not fit"),
        (lambda needs, memory, free: "tiny", "list of names"),
        (lambda needs, memory, free: [needs["tiny"]], "none of the names"),
    ],
)
def test_wrong_lists_are_named(wrong, named):
    verdict = checks.what_fits(wrong)
    assert verdict.right is False and named in verdict.sentence


def test_stubs_are_unanswered():
    def stub(*arguments): ...

    assert checks.cache_bytes(stub).right is None and checks.what_fits(stub).right is None
