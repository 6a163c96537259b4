"""What all checks share: a Verdict whatever comes, right answers of every type, copies of everything."""

import math
import os
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from phi3lib.lab import checks
from phi3lib.lab.checks.base import Refused, Unanswered, Verdict, ask, does_nothing, told
from phi3lib.lab.checks.nb02 import best_layer
from phi3lib.lab.checks.reading import apart, as_array, near, truth
from phi3lib.lab.checks.registry import checks as registered
from tests.printed_solutions import solution

LAYERS = {1: [True, False] * 60, 2: [True] * 120, 3: [True, False] * 60}
CHECKS = {
    "02.3": best_layer(LAYERS, {layer: [True, False] * 60 for layer in LAYERS}),
    "05.1": checks.settings(np.eye(6), None),
    "05.2": checks.statements([], []),
    **{number: one for number, one in registered().items() if hasattr(one, "asks_a_function")},
}
WITHOUT_STATE = sorted(set(CHECKS) - {"02.3", "05.1", "05.2"})


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no words")


NONSENSE = {
    "NaN": math.nan,
    "infinity": math.inf,
    "an array": np.zeros((9, 9, 9)),
    "an empty array": np.zeros(0),
    "an array of NaN": np.full((2, 2), np.nan),
    "one in a list": [5],
    "a ragged list": [[1], [2, 3]],
    "a list of lists": [[[1, 2], [3]], "x"],
    "a text": "no number",
    "bytes": b"\x00",
    "a dict": {"a": 1, "b": [2]},
    "a complex number": 1j,
    "bfloat16": torch.zeros(3, dtype=torch.bfloat16),
    "a number of bfloat16": torch.tensor(7.0, dtype=torch.bfloat16),
    "a sparse tensor": torch.eye(3).to_sparse(),
    "a tensor on no device": torch.zeros(2, device="meta"),
    "a tensor that wants gradients": torch.ones(2, 2, requires_grad=True),
    "an object": object(),
    "an object without words": Unprintable(),
    "a class": int,
    "objects": np.array([object(), None]),
    "negative": -3,
    "huge": 10**400,
    "a truth value": True,
}


@pytest.mark.parametrize("number", CHECKS)
def test_nonsense_gets_a_sentence(number):
    for name, nonsense in NONSENSE.items():
        verdict = CHECKS[number](lambda *_, nonsense=nonsense: nonsense)
        assert isinstance(verdict, Verdict), name
        assert verdict.right is False, name
        assert verdict.sentence and "\n" not in verdict.sentence and len(verdict.sentence) < 600, name
        assert repr(verdict).startswith("✗ Not yet."), name


def forgets_to_return(*values):
    values = [values]


@pytest.mark.parametrize("number", CHECKS)
def test_a_forgotten_return_is_named(number):
    verdict = CHECKS[number](forgets_to_return)
    assert verdict.right is False
    assert "returned None" in verdict.sentence


@pytest.mark.parametrize("number", CHECKS)
def test_a_stub_is_not_answered(number):
    def stub(*_):
        """The docstring of an exercise."""
        ...  # noqa: PIE790

    def not_implemented(*_):
        raise NotImplementedError

    def passes(*_):
        pass

    assert [CHECKS[number](one).right for one in (stub, not_implemented, passes, lambda *_: ...)] == [
        None
    ] * 4


def leaves(*_):
    sys.exit(3)


def recurses(*_):
    return recurses()


def raises_without_words(*_):
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    raise Silent


def never_ends(*_):
    while True:
        yield 1


async def in_the_future(*_):
    return 1


@pytest.mark.parametrize("number", CHECKS)
def test_what_goes_wrong_in_the_function_becomes_a_sentence(number):
    for function in (leaves, recurses, raises_without_words, never_ends, in_the_future):
        verdict = CHECKS[number](function)
        assert verdict.right is False, function
        assert "your function stops" in verdict.sentence, function


# ------------------------------------------------------------- right answers, whatever their type


def in_tensors(function):
    """The answer of a function as tensors, where it is made of numbers."""
    return lambda *given: _each(function(*given), lambda one: torch.as_tensor(np.asarray(one)))


def in_lists(function):
    return lambda *given: _each(function(*given), lambda one: np.asarray(one).tolist())


def in_numpy(function):
    return lambda *given: _each(function(*given), lambda one: np.asarray(one)[()])


def at_precision(dtype):
    """All arrays that go in or come out at this precision; whole numbers, truth values stay."""

    def cast(one):
        return one.astype(dtype) if isinstance(one, np.ndarray) and one.dtype.kind == "f" else one

    def change(function):
        return lambda *given: _each(
            function(*map(cast, given)),
            lambda one: cast(np.asarray(one)) if np.asarray(one).dtype.kind == "f" else one,
        )

    return change


def _each(answer, change):
    parts = (tuple, list)
    return type(answer)(_each(one, change) for one in answer) if isinstance(answer, parts) else change(answer)


def as_generator(function):
    def changed(*given):
        yield from function(*given)

    return changed


NUMBERS = ["01.1", "01.2", "01.3", "01.4", "02.2", "03.1", "05.3", "05.4", "06.1", "06.2", "06.3", "07.1"]
NUMBERS += ["07.2", "07.3", "A1.2"]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("change", [in_tensors, in_lists, in_numpy, at_precision(np.float32)])
def test_right_answers_of_every_type_are_right(number, change):
    verdict = CHECKS[number](change(solution(number)))
    assert verdict.right, verdict


@pytest.mark.parametrize("number", ["01.1", "01.3", "05.3", "05.4", "06.2", "07.1", "07.3"])
def test_half_precision_is_right_where_it_is_precise_enough(number):
    verdict = CHECKS[number](at_precision(np.float16)(solution(number)))
    assert verdict.right, verdict


@pytest.mark.parametrize("number", ["01.1", "02.2", "05.4", "06.3", "07.2", "07.3"])
def test_generators_are_right(number):
    verdict = CHECKS[number](as_generator(solution(number)))
    assert verdict.right, verdict


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_masked_mean_of_any_precision_is_right(dtype):
    right = solution("04.1")
    assert checks.masked_mean(lambda tokens, keep: right(tokens, keep).to(dtype)).right
    assert checks.masked_mean(lambda tokens, keep: right(tokens.to(dtype), keep)).right
    assert checks.masked_mean(lambda tokens, keep: right(tokens, keep).numpy()).right


@pytest.mark.parametrize("kind", [torch.tensor, np.array, list, lambda box: tuple(map(np.int64, box))])
def test_a_box_of_any_type_is_right(kind):
    right = solution("03.3")
    verdict = checks.token_to_box(lambda *place: None if (box := right(*place)) is None else kind(box))
    assert verdict.right, verdict


@pytest.mark.parametrize("kind", [np.int64, np.float64, float, torch.tensor, Fraction, np.array])
def test_a_count_of_any_type_is_right(kind):
    count = solution("03.1")
    assert checks.token_count(lambda rows, cols: kind(count(rows, cols))).right
    patches = solution("02.1")
    assert checks.n_patches(lambda *sizes: kind(patches(*sizes))).right


def test_merged_features_of_any_precision_are_right():
    right = solution("03.2")
    assert all(checks.merge_2x2(lambda f, d=d: right(f.to(d))).right for d in (torch.float32, torch.int32))


# --------------------------------------------------------------- what a function can spoil


def spoiling(function):
    """Answers right, and then spoils everything that it was given."""

    def spoils(*given):
        answer = function(*given)
        for one in given:
            if isinstance(one, (np.ndarray, torch.Tensor)):
                one[...] = 0
            elif isinstance(one, list):
                one.clear()
            elif isinstance(one, dict):
                for inside in one.values():
                    if isinstance(inside, dict):
                        inside.clear()
                one.clear()
        return answer

    return spoils


@pytest.mark.parametrize("number", sorted(set(WITHOUT_STATE) - {"01.1", "02.2", "03.2", "A1.1"}))
def test_a_function_that_spoils_its_arguments_spoils_no_check(number):
    for _ in range(2):
        verdict = CHECKS[number](spoiling(solution(number)))
        assert verdict.right, verdict
    assert CHECKS[number](solution(number)).right


def test_arguments_are_deep_copies():
    kept = {"inside": {"list": [1, 2]}, "tensor": torch.ones(2)}

    def spoils(given):
        given["inside"]["list"].clear()
        given["tensor"].zero_()
        return 1

    assert ask(spoils, kept, shown="a dict") == 1
    assert kept["inside"] == {"list": [1, 2]} and kept["tensor"].tolist() == [1, 1]


# ------------------------------------------------------------------- the pieces they are made of


def test_a_stub_is_told_from_a_function_that_forgets():
    def documented(a):
        """Only words."""

    def returns_nothing(a):
        return None

    def works(a):
        b = a  # noqa: F841

    assert does_nothing(documented) and does_nothing(returns_nothing) and does_nothing(lambda: ...)
    assert not does_nothing(works) and not does_nothing(print) and not does_nothing(7)
    with pytest.raises(Unanswered):
        ask(documented, 1)
    with pytest.raises(Refused, match="With 1 your function returned None"):
        ask(works, 1)
    assert ask(works, 1, none_is_an_answer=True) is None


def test_answers_are_read_as_numbers():
    assert as_array([torch.tensor(1.5, dtype=torch.bfloat16), np.float16(2)]).tolist() == [1.5, 2]
    assert as_array(Fraction(1, 4)) == 0.25
    for other in (None, "7", ["7"], {1}, {1: 2}, 1j, [[1], [2, 3]], np.array("7"), object()):
        assert as_array(other) is None
    assert truth(np.True_) is True and truth(torch.tensor(False)) is False and truth(np.array(True)) is True
    assert truth(1) is None and truth("True") is None and truth(np.ones(2, dtype=bool)) is None


def test_closeness_follows_the_precision():
    assert near(np.float16(0.3333), 1 / 3) and near(torch.tensor(1 / 3, dtype=torch.bfloat16), 1 / 3)
    assert near(0.33334, 1 / 3) and not near(0.3336, 1 / 3)
    assert not near(np.float16(0.34), 1 / 3)
    assert not near(math.nan, math.nan) and not near([1, 2], 1.0)


def test_numbers_in_a_sentence_can_be_told_apart():
    assert apart(0.1, 0.2) == ("0.100", "0.200")
    assert apart(-0.11204, -0.11196) == ("-0.11204", "-0.11196")
    assert apart(-0.1120412, -0.1120411) == ("-0.1120412", "-0.1120411")
    assert apart(math.nan, 0.5) == ("nan", "0.500")
    assert len(told("x" * 500)) == 70 and told(np.zeros(99)).count("\n") == 0


def test_no_check_writes_to_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checks.cache_key(solution("04.3")).right
    assert os.listdir(tmp_path) == []
