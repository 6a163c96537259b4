"""The exercises of the course and their checks: `check_of` registers a check beside its code.

The line that asks for a check is that of the notebook (a test compares them). Grading evaluates these lines,
never the ones that a learner hands in.
"""

import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

Check = TypeVar("Check", bound=Callable[..., Any])
_OF_A_NOTEBOOK = re.compile(r"nb\d\d|a\d")  # modules with the checks of one notebook


@dataclass(frozen=True)
class Exercise:
    """An exercise: number ("01.2"), title, and the expression that gives its verdict."""

    number: str
    title: str
    check: str

    @property
    def notebook(self) -> str:
        """The number of its notebook, such as "01" or "A1"."""
        return self.number.partition(".")[0]

    @property
    def call(self) -> re.Pattern[str]:
        """What the line of a learner that asks for this check contains."""
        called = self.check.removeprefix("lab.").partition("(")[0]
        return re.compile(rf"\b{re.escape(called)}\(")

    @property
    def answers(self) -> tuple[str, ...]:
        """The names that a learner defines: the last words of the check that hold an answer."""
        found = re.findall(r"\bmy_\w+", self.check)
        return tuple(found) or tuple(re.findall(r"(\w+)=\1\b", self.check))


REGISTERED: dict[str, tuple[Exercise, Callable[..., Any]]] = {}  # by number; filled by `check_of`


def check_of(number: str, title: str, line: str) -> Callable[[Check], Check]:
    """Return a decorator that registers the check of an exercise, and returns it unchanged.

    number: of the exercise, such as "02.4". title: that of its heading. line: the notebook's last line of the
    stub, such as "lab.checks.n_tokens(my_n_tokens)". ValueError if the number or the name is taken.
    """

    def register(check: Check) -> Check:
        for other, known in REGISTERED.values():
            if (other.number == number) != (known.__name__ == check.__name__):
                raise ValueError(
                    f"exercise {number} has the check {check.__name__}, but exercise {other.number} has "
                    f"{known.__name__}; give each a number and a name of its own"
                )
        REGISTERED[number] = (Exercise(number, title, line), check)
        return check

    return register


def find_checks(package: str, folders: Sequence[str]) -> None:
    """Import the modules of a package that hold the checks of notebooks, so that they are registered."""
    for one in pkgutil.iter_modules(list(folders)):
        if _OF_A_NOTEBOOK.fullmatch(one.name):
            import_module(f"{package}.{one.name}")


def exercises() -> tuple[Exercise, ...]:
    """Return all registered exercises in the order of their numbers."""
    return tuple(REGISTERED[number][0] for number in sorted(REGISTERED))


def checks() -> dict[str, Callable[..., Any]]:
    """Return the registered checks by the numbers of their exercises."""
    return {number: REGISTERED[number][1] for number in sorted(REGISTERED)}
