"""What the checks of the exercises have in common: how they ask, and how they answer."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Verdict:
    """The answer of a check; as the last line of a cell it shows as one sentence.

    `right` is None while the exercise is not answered.
    """

    right: bool | None
    sentence: str

    def __repr__(self) -> str:
        word = {True: "✓ Right.", False: "✗ Not yet.", None: "… Not answered yet."}[self.right]
        return f"{word} {self.sentence}".strip()


class Unanswered(Exception):
    """The function still is the stub of the exercise."""


class Stopped(Exception):
    """The function raised an error; the text says which, on what."""


def ask(
    function: Callable[..., Any], *arguments: Any, shown: str = "", none_is_an_answer: bool = False
) -> Any:
    """Call a learner's function; tensors are passed as copies.

    shown: how a sentence should name the arguments, by default as they print. Raises Unanswered for a stub
    (it returns `...` or None, or raises NotImplementedError) and Stopped for any other error.
    """
    copies = [value.clone() if isinstance(value, torch.Tensor) else value for value in arguments]
    try:
        answer = function(*copies)
    except NotImplementedError:
        raise Unanswered from None
    except Exception as error:
        case = shown or ", ".join(map(repr, arguments))
        raise Stopped(f"With {case} your function stops: {type(error).__name__}: {error}.") from error
    if answer is ... or (answer is None and not none_is_an_answer):
        raise Unanswered
    return answer


def exercise(check: Callable[[Any], Verdict]) -> Callable[[Any], Verdict]:
    """Turn a check into one that answers with a Verdict whatever it is given."""

    @functools.wraps(check)
    def checked(answer: Any) -> Verdict:
        if answer is None or answer is ...:
            return Verdict(None, "Fill in the cell above, run it, then run this cell again.")
        if not callable(answer):
            return Verdict(False, f"Pass the function itself, not {type(answer).__name__}: no brackets.")
        try:
            return check(answer)
        except Unanswered:
            return Verdict(None, "Fill in the cell above, run it, then run this cell again.")
        except Stopped as stopped:
            return Verdict(False, str(stopped))

    return checked
