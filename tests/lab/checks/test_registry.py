"""Checks are registered beside their code, once each, and found by their names."""

import pytest

from phi3lib.lab import checks
from phi3lib.lab.checks import registry
from phi3lib.lab.checks.registry import Exercise, check_of


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(registry, "REGISTERED", dict(registry.REGISTERED))


def tokens(function):
    return function


def test_a_check_is_registered_unchanged_and_in_order():
    assert check_of("02.9", "Tokens", "lab.checks.tokens(my_tokens)")(tokens) is tokens
    numbers = [one.number for one in registry.exercises()]
    assert numbers == sorted(numbers) and "02.9" in numbers
    assert registry.checks()["02.9"] is tokens
    found = next(one for one in registry.exercises() if one.number == "02.9")
    assert found == Exercise("02.9", "Tokens", "lab.checks.tokens(my_tokens)")
    assert (found.notebook, found.answers) == ("02", ("my_tokens",))
    assert found.call.search("lab.checks.tokens(mine)")


@pytest.mark.parametrize(("number", "name"), [("03.1", "tokens"), ("02.9", "token_count")])
def test_a_number_or_a_name_that_is_taken_is_refused(number, name):
    def check(function):
        return function

    check.__name__ = name
    with pytest.raises(ValueError, match="03.1 has token_count; give each a number and a name of its own"):
        check_of(number, "Tokens", "lab.checks.tokens(my_tokens)")(check)


def test_every_registered_check_is_public_under_its_name():
    for check in registry.checks().values():
        assert getattr(checks, check.__name__) is check and check.__name__ in checks.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = checks.nothing
