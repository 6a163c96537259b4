"""What the checks of the exercises have in common: how they ask, and how they answer.

Whatever a learner's function does or returns, a check answers with a Verdict: `exercise` and `guarded` see to
it. `reading` turns results into numbers.
"""

import copy
import dis
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MOST_ITEMS = 100_000  # of a generator; an answer of any exercise is far shorter


@dataclass(frozen=True)
class Verdict:
    """The answer of a check; as the last line of a cell it shows as one sentence.

    `right` is None while the exercise is not answered. slip: the mistake in words that are the same in every
    case, where the check knows it; the report for a class counts these.
    """

    right: bool | None
    sentence: str
    slip: str = ""

    def __repr__(self) -> str:
        word = {True: "✓ Right.", False: "✗ Not yet.", None: "… Not answered yet."}[self.right]
        return f"{word} {self.sentence}".strip()


def not_yet(said: str, slip: str | None = None) -> Verdict:
    """Return a verdict on a wrong answer: what was found, then the mistake if it is known; no full stops."""
    return Verdict(False, f"{said}: {slip}.", slip) if slip else Verdict(False, f"{said}.")


EMPTY = Verdict(None, "Fill in the cell above, run it, then run this cell again.")


class Unanswered(Exception):
    """The function still is the stub of the exercise."""


class Refused(Exception):
    """The answer cannot be right; the text is the sentence of the verdict."""


# ------------------------------------------------------------------------------------ asking


def ask(
    function: Callable[..., Any],
    *arguments: Any,
    shown: str = "",
    none_is_an_answer: bool = False,
    copied: bool = True,
) -> Any:
    """Call a learner's function with deep copies of the arguments and return its answer.

    shown: how a sentence names the arguments, by default as they print. copied: False passes the arguments
    themselves. An iterator is returned as a list. Raises Unanswered for a stub (an empty body, `...`, or
    NotImplementedError), and Refused where the function raises an error or returns None after some work.
    """
    case = shown or ", ".join(map(told, arguments))
    try:
        answer = _settled(function(*(copy.deepcopy(arguments) if copied else arguments)))
    except NotImplementedError:
        raise Unanswered from None
    except (Exception, SystemExit) as error:
        raise Refused(f"With {case} your function stops: {_in_words(error)}.") from error
    if answer is ... or (answer is None and does_nothing(function)):
        raise Unanswered
    if answer is None and not none_is_an_answer:
        raise Refused(f"With {case} your function returned None: a `return` is missing or is not reached.")
    return answer


def does_nothing(function: Any) -> bool:
    """Return True for a function with an empty body: a docstring, `...`, `pass` or `return None`."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return inspect.iscode(code) and all(step.opname in _EMPTY_STEPS for step in dis.get_instructions(code))


_EMPTY_STEPS = frozenset(("RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"))


def _settled(answer: Any) -> Any:
    """Return the answer, an iterator as a list: it can be read only once."""
    if inspect.iscoroutine(answer):
        answer.close()
        raise TypeError("an `async` function gives a coroutine, not an answer")
    if not isinstance(answer, Iterator):
        return answer
    items = list(itertools.islice(answer, MOST_ITEMS + 1))
    if len(items) > MOST_ITEMS:
        raise ValueError(f"it gives more than {MOST_ITEMS:,} items and may never end")
    return items


# --------------------------------------------------------------------------------- answering


def guarded(check: Callable[..., Verdict]) -> Callable[..., Verdict]:
    """Make a check return a Verdict for any argument."""

    @functools.wraps(check)
    def checked(*answer: Any, **options: Any) -> Verdict:
        try:
            return check(*answer, **options)
        except Unanswered:
            return EMPTY
        except Refused as refused:
            return Verdict(False, str(refused))
        except Exception as error:  # any other fault of an answer; a traceback would stop the notebook
            return Verdict(False, f"This answer cannot be read as what is wanted: {_in_words(error)}.")

    return checked


def exercise(check: Callable[[Any], Verdict]) -> Callable[[Any], Verdict]:
    """Make a check of a function return a Verdict for any argument."""

    @guarded
    @functools.wraps(check)
    def checked(answer: Any) -> Verdict:
        if answer is None or answer is ...:
            return EMPTY
        if not callable(answer):
            return not_yet(f"Pass the function itself, not {type(answer).__name__}", "no brackets")
        return check(answer)

    checked.asks_a_function = True  # type: ignore[attr-defined]
    return checked


def told(value: Any, most: int = 70) -> str:
    """Return a value as it prints, on one line and cut to `most` characters."""
    try:
        text = " ".join(repr(value).split())
    except Exception:
        text = f"a value of type {type(value).__name__}"
    return text if len(text) <= most else text[: most - 1] + "…"


def _in_words(error: BaseException) -> str:
    """Return the kind and the message of an error, on one line and of bounded length."""
    try:
        message = " ".join(str(error).split()).rstrip(".")
    except Exception:
        message = ""
    message = message if len(message) <= 200 else message[:199] + "…"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
