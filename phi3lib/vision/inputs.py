"""Inputs from outside: sequences, numbers, texts and paths, converted and checked once, before any work.

Images come in through `phi3lib.vision.pictures`, labels through `phi3lib.embeddings.labels`; both use this.
"""

import math
import numbers
import operator
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

# `Path("https://…")` has one slash after the scheme.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|data:|(https?|ftp|s3|gs|hdfs|file):/")


def as_path(path: str | os.PathLike[str] | bytes) -> Path:
    """Return a path with a leading `~` expanded; a name that only starts like one (`~0.png`) stays as it is.

    >>> as_path("~0.png")
    PosixPath('~0.png')

    Raises ValueError for an empty text, which `Path` takes for the current folder, and for a URL.
    """
    text = os.fsdecode(path)
    if not text:
        raise ValueError("the path is empty; write '.' for the current folder")
    if is_url(text):
        raise ValueError(f"{text[:80]!r} is a URL; nothing is downloaded here. Save it to this machine first")
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no user of this name
        return Path(text)


def as_file(path: str | os.PathLike[str] | bytes) -> Path:
    """Return the path of a file that is written, as `as_path` does. ValueError for a URL."""
    if is_url(text := os.fsdecode(path)):
        raise ValueError(f"{text[:80]!r} is a URL; write a file on this machine, and copy it there")
    return as_path(path)


def is_url(text: str) -> bool:
    """Return whether a text is a URL, also one that went through `Path`; a path such as `C:\\photos` is none.

    >>> is_url("https://example.org/a.png"), is_url("photos/a.png")
    (True, False)
    """
    return _URL.match(text) is not None


def as_list(values: Any, what: str) -> list[Any]:
    """Return the values of any ordered collection by position, as plain Python objects.

    Takes lists, tuples, generators, NumPy arrays, pandas Series and Index, Arrow and polars columns. An index
    is never looked at. `what` names the values in an error. Raises ValueError for a text, a mapping, a frame,
    a set (no order) and for anything that is no collection.

    >>> as_list((n * n for n in range(3)), "squares")
    [0, 1, 4]
    """
    if isinstance(values, str | bytes | Mapping | set | frozenset) or not isinstance(values, Iterable):
        raise ValueError(f"{what}: expected a sequence such as a list, got {type(values).__name__}")
    if hasattr(values, "columns"):
        raise ValueError(f"{what}: expected a sequence, got a {type(values).__name__}; pass one column of it")
    for method in ("to_pylist", "tolist", "to_list"):  # Arrow; NumPy, torch and pandas; polars
        if hasattr(values, method):
            listed = getattr(values, method)()
            if not isinstance(listed, list):  # an array without axes
                raise ValueError(f"{what}: expected a sequence, got the single value {listed!r}")
            return listed
    return list(values)


def as_entries(values: Any, what: str) -> list[Any]:
    """Return the entries of a collection by position, arrays among them as they are.

    As `as_list`, which would make lists of numbers of them. Names that are bytes of NumPy become texts.

    >>> [one.shape for one in as_entries(np.zeros((2, 3, 4)), "images")]
    [(3, 4), (3, 4)]
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "S":
        return [os.fsdecode(name) for name in values.ravel()]
    is_array = isinstance(values, np.ndarray) or hasattr(values, "detach")
    return list(values) if is_array and values.ndim else as_list(values, what)


def by_row(given: Any, ids: Sequence[str], what: str) -> list[Any]:
    """Return one value for each row, from values by position or a mapping from ids.

    ValueError for another number of them and for ids without one.
    """
    if isinstance(given, Mapping):
        if missing := [name for name in ids if name not in given]:
            raise ValueError(f"{what} has no entry for {len(missing)} rows, such as {missing[0]!r}")
        return [given[name] for name in ids]
    listed = as_list(given, what)
    if len(listed) != len(ids):
        raise ValueError(f"{what} has {len(listed)} entries for {len(ids)} rows; give one for each row")
    return listed


def as_numbers(values: Any, what: str, dtype: DTypeLike = np.float64, *, copy: bool = False) -> NDArray[Any]:
    """Return the numbers of any library as an array of this type; a new one with `copy`.

    Takes arrays, tensors of any device and precision (also such that record gradients), frames, generators,
    and lists or columns whose values are vectors. Missing and masked values are NaN; what is too large for
    the type is infinite. `what` names the numbers in an error. Raises ValueError for what holds no numbers,
    for complex ones, and for a table, of which the vectors are wanted.

    >>> as_numbers(([n, None] for n in range(2)), "rows").tolist()
    [[0.0, nan], [1.0, nan]]
    """
    if hasattr(values, "vectors"):
        raise ValueError(f"{what}: expected numbers, got a {type(values).__name__}; pass its .vectors")
    try:
        array = _array_of(values)
        if array.dtype.kind in "cMm":
            raise ValueError(f"values of type {array.dtype} cannot be compared as vectors are")
        with np.errstate(over="ignore"):
            return array.astype(dtype, copy=copy)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{what}: expected numbers, got a {type(values).__name__}: {error}") from error


def _array_of(values: Any) -> NDArray[Any]:
    if hasattr(values, "detach"):
        tensor = values.detach().cpu()
        return (
            tensor.float() if tensor.dtype.itemsize < 4 and tensor.is_floating_point() else tensor
        ).numpy()
    if np.ma.is_masked(values):
        return values.astype(np.float64).filled(np.nan)
    if hasattr(values, "__array__"):
        array = np.asarray(values)
        if array.dtype.kind != "O":
            return array
        values = array.tolist()  # of objects, such as a column of vectors
    elif not isinstance(values, Iterable) or isinstance(values, str | bytes | Mapping | set | frozenset):
        return np.asarray(values)
    return np.array([_array_of(row) if hasattr(row, "detach") else row for row in values])


def as_whole(value: Any, what: str, least: int | None = None, most: int | None = None) -> int:
    """Return a whole number from `least` to `most` as an int.

    `what` names it in an error. ValueError for anything else, truth values among them.

    >>> as_whole(np.int64(3), "k")
    3
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        found = operator.index(value)
    except TypeError:
        raise ValueError(f"{what} is {value!r}; expected a whole number{_range(least, most)}") from None
    if not _is_within(found, least, most):
        raise ValueError(f"{what} is {value}; expected a whole number{_range(least, most)}")
    return found


def as_number(value: Any, what: str, least: float | None = None, most: float | None = None) -> float:
    """Return a finite number from `least` to `most` as a float; otherwise as `as_whole`.

    >>> as_number(np.float32(0.5), "weight", 0, 1)
    0.5
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not _is_within(float(value), least, most):
        raise ValueError(f"{what} is {value!r}; expected a number{_range(least, most)}")
    return float(value)


def as_truth(value: Any, what: str) -> bool:
    """Return True or False. ValueError for anything else, such as "no", which Python takes for true."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{what} is {value!r}; expected True or False")
    return bool(value)


def as_seed(value: Any) -> int:
    """Return a seed of random numbers as an int. ValueError unless it is one that every library takes."""
    return as_whole(value, "seed", 0, 2**32 - 1)


def _is_within(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or least <= value) and (most is None or value <= most)


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least:,} to {most:,}"
    if least is not None:
        return f", at least {least:,}"
    return "" if most is None else f", at most {most:,}"


def as_texts(texts: Any, what: str = "texts") -> list[str]:
    """Return texts as a list, each `printable`; one string is one text.

    Raises ValueError for no texts, and for an entry that is no text (a missing one among them), by position.

    >>> as_texts("a dog"), as_texts(["a dog", "a cat"])
    (['a dog'], ['a dog', 'a cat'])
    """
    listed = [texts] if isinstance(texts, str) else as_list(texts, what)
    if not listed:
        raise ValueError(f"no {what} found: the list is empty")
    for position, text in enumerate(listed):
        if not isinstance(text, str):
            found = "missing" if is_missing(text) else f"a {type(text).__name__}"
            raise ValueError(
                f"{what}: entry {position} (counted from 0) is {found} ({text!r}); expected strings only"
            )
    return [printable(str(text)) for text in listed]


def printable(text: str) -> str:
    r"""Return the text with what is no valid Unicode written as \xff: bytes of a file name, lone surrogates.

    >>> printable("caf\udce9.png")
    'caf\\xe9.png'
    """
    try:
        data = os.fsencode(text)  # surrogates that encode bytes of a file name become those bytes
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


def all_printable(value: Any) -> Any:
    r"""Return a copy of nested dicts, lists and tuples in which every text is `printable`.

    >>> all_printable({"model": ["caf\udce9"], "layer": 3})
    {'model': ['caf\\xe9'], 'layer': 3}
    """
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {all_printable(name): all_printable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(all_printable(one) for one in value)
    return value


def is_missing(value: Any) -> bool:
    """Return whether a value means "no value": None, NaN, NaT, pandas' NA.

    >>> is_missing(float("nan")), is_missing(""), is_missing(0)
    (True, False, False)
    """
    if value is None or type(value).__name__ in ("NAType", "MaskedConstant"):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # arrays and other things that have no single answer
        return False
