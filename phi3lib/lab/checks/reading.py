"""How the checks read an answer: as a number, a whole number, a truth value or an array of numbers.

NumPy, PyTorch, lists and Python's numbers are all read; numbers are compared as closely as their precision
allows. Unreadable answers raise Refused, whose text says what was found and what was expected.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AnySet
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from phi3lib.lab.checks.base import Refused, Verdict, ask, not_yet, told

Numbers = NDArray[np.float64]
CLOSE = 1e-4  # relative and absolute: single precision and sums in another order stay far below it


def as_array(answer: Any) -> Numbers | None:
    """Return the answer as float64 numbers, or None where it holds anything else or is ragged."""
    try:
        given = np.asarray(_plain(answer))
    except (TypeError, ValueError):
        return None
    if given.dtype.kind == "O" and all(isinstance(one, Real) for one in given.ravel()):
        return given.astype(np.float64)
    return given.astype(np.float64) if given.dtype.kind in "biuf" else None


def _plain(answer: Any) -> Any:
    """Return tensors as arrays, also within lists; a text, a set or a dict is no array of numbers."""
    if isinstance(answer, torch.Tensor):
        if answer.is_complex():
            raise TypeError("complex numbers are not comparable")
        return answer.detach().cpu().to_dense().to(torch.float64).numpy()
    if isinstance(answer, (list, tuple)):
        return [_plain(one) for one in answer]
    if isinstance(answer, (str, bytes, Mapping, AnySet)) or answer is None:
        raise TypeError(f"{type(answer).__name__} is no array")
    return answer


def closeness(answer: Any) -> float:
    """Return how far a right answer may be off: 1e-4, or four units in the last place of half precision."""
    if isinstance(answer, (list, tuple)):
        return max(map(closeness, answer[:100]), default=CLOSE)
    dtype = getattr(answer, "dtype", None)
    if isinstance(dtype, torch.dtype):
        return max(CLOSE, 4 * torch.finfo(dtype).eps) if dtype.is_floating_point else CLOSE
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return max(CLOSE, 4 * float(np.finfo(dtype).eps))
    return CLOSE


def near(answer: Any, right: ArrayLike) -> bool:
    """Return True where the answer has the shape and the values of `right`, as far as its precision goes."""
    given, wanted = as_array(answer), np.asarray(right, dtype=np.float64)
    if given is None or given.shape != wanted.shape:
        return False
    close = closeness(answer)
    return bool(np.allclose(given, wanted, rtol=close, atol=close))


# ------------------------------------------------------------------- reading, or refusing in words


def array(answer: Any, shape: tuple[int, ...], case: str) -> Numbers:
    """Return the answer as an array of this shape; Refused otherwise."""
    given = as_array(answer)
    if given is None:
        raise Refused(f"With {case} an array of shape {shape} is wanted, not {told(answer)}.")
    if given.shape != shape:
        raise Refused(f"With {case} the shape is {given.shape}, and {shape} is wanted.")
    return given


def number(answer: Any, case: str) -> float:
    """Return the answer as one finite number; Refused otherwise."""
    given = as_array(answer)
    if given is None or given.shape != () or truth(answer) is not None:
        raise Refused(f"With {case} one number is wanted, not {told(answer)}.")
    if not np.isfinite(given):
        raise Refused(f"With {case} your number is {float(given)}; a finite number is wanted.")
    return float(given)


def whole(answer: Any, case: str) -> int:
    """Return the answer as a whole number (4 and 4.0 alike); Refused otherwise."""
    given = number(answer, case)
    if not given.is_integer():
        raise Refused(f"With {case} a whole number is wanted, not {told(answer)}.")
    return int(given)


def truth(answer: Any) -> bool | None:
    """Return True or False for a truth value of Python, NumPy or PyTorch, and None for anything else."""
    if isinstance(answer, (bool, np.bool_)):
        return bool(answer)
    given = (
        answer.numpy(force=True)
        if isinstance(answer, torch.Tensor) and answer.dtype == torch.bool
        else answer
    )
    if isinstance(given, np.ndarray) and given.dtype == bool and given.shape == ():
        return bool(given)
    return None


def items(answer: Any, count: int, wanted: str) -> tuple[Any, ...]:
    """Return the parts of an answer that has `count` of them; Refused otherwise."""
    if isinstance(answer, torch.Tensor):
        answer = as_array(answer)
    if isinstance(answer, (str, bytes, Mapping, AnySet)):
        raise Refused(f"{wanted} are wanted, not {told(answer)}.")
    try:
        parts = tuple(answer)
    except TypeError:
        raise Refused(f"{wanted} are wanted, not {told(answer)}.") from None
    if len(parts) != count:
        raise Refused(f"{wanted} are wanted, and yours are {len(parts)}: {told(answer)}.")
    return parts


def apart(given: float, right: float) -> tuple[str, str]:
    """Return both numbers with as many digits as it takes to tell them apart, three at least."""
    for digits in range(3, 12):
        first, second = f"{given + 0.0:.{digits}f}", f"{right + 0.0:.{digits}f}"
        if first != second:
            return first, second
    return repr(given), repr(right)


def first_wrong_number(
    function: Callable[..., Any],
    cases: Iterable[tuple[Any, ...]],
    right_answer: Callable[..., float],
    slips: Mapping[str, Callable[..., float]],
) -> Verdict | None:
    """Return a verdict on the first case with a wrong number, or None if all are right.

    cases: words for the arguments, then the arguments. slips: sentences for known mistakes, with the number
    that each gives; the first that fits is named.
    """
    for shown, *arguments in cases:
        right = right_answer(*arguments)
        answer = ask(function, *arguments, shown=shown)
        given = number(answer, shown)
        if near(answer, right):
            continue
        said = "With {} you have {}, and {} is right".format(shown, *apart(given, right))
        fitting = (slip for slip, formula in slips.items() if near(answer, formula(*arguments)))
        return not_yet(said, next(fitting, None))
    return None
