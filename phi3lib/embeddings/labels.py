"""Labels in the forms that users have, converted to one NumPy column for each label.

    labels_of({"kind": ["cat", None]}, ids)         # by position
    labels_of({"kind": {"a.png": "cat"}}, ids)      # by id or file name
    labels_of(frame, ids)                           # by a column or index of file names, else by position

A column is an array (N,) of str, bool, int64, float64 or datetime64. A missing value (None, NaN, pandas' NA,
NaT) is NaN among numbers, NaT among dates, else None in an array of objects.
"""

import datetime
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.vision.inputs import as_list, is_missing, printable

Column = NDArray[Any]
Parts = tuple[str, ...]
RESERVED = ("id", "vector")  # columns that a table has itself
# Columns of a frame that may name the images, the most explicit first.
KEYS = ("id", "file_name", "filename", "file", "path", "image")
MICROSECONDS, NANOSECONDS = np.dtype("datetime64[us]"), np.dtype("datetime64[ns]")


def labels_of(labels: Any, ids: Sequence[str], *, what: str = "images") -> dict[str, Column]:
    """Return one column for each label, in the order of the ids, which name `what`.

    labels: None; a mapping from label names to sequences (taken by position, whatever their index) or to
    mappings from ids; or a pandas, polars or Arrow frame. A frame whose index, or whose column `id`,
    `file_name`, `filename`, `file`, `path` or `image` (in upper or lower case), holds texts or paths is
    matched by the first of these that has an entry for each image, else by position; other columns are
    labels, but for `id`. A name may have fewer or more of the folders in front of it, / or \\ between them,
    if only one image is meant.

    Raises ValueError for reserved names, wrong lengths, ids without a value, values of mixed or nested types.
    """
    if labels is None:
        return {}
    columns = _of_frame(labels, ids) if _is_frame(labels) else labels
    if not isinstance(columns, Mapping):
        raise ValueError(
            f"labels must be a mapping from names to values, or a frame; got {type(labels).__name__}. "
            f'For one label write labels={{"kind": …}}'
        )
    _require_different(columns, "labels")
    return {_label_name(name): _column_for(str(name), values, ids, what) for name, values in columns.items()}


def _require_different(names: Iterable[Any], where: str) -> None:
    name, count = Counter(map(str, names)).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise ValueError(f"{where}: the name {name!r} occurs {count} times; give each column its own name")


def _label_name(name: Any) -> str:
    if str(name) in RESERVED or not str(name):
        raise ValueError(f"{str(name)!r} cannot be the name of a label; choose another name")
    return printable(str(name))


def _column_for(name: str, values: Any, ids: Sequence[str], what: str) -> Column:
    if isinstance(values, Mapping):
        rows = _rows_named(f"labels[{name!r}]", list(values), ids)
        scalars = _scalars(list(values.values()))
        values = [scalars[row] for row in rows]
    column = as_column(name, values)
    if len(column) != len(ids):
        raise ValueError(
            f"the label {name!r} has {len(column)} values for {len(ids)} {what}; give one for each, in the "
            f"same order, or a mapping from file names to values"
        )
    return column


# --------------------------------------------------------------------------- matching by name


def _is_frame(labels: Any) -> bool:
    return hasattr(labels, "columns") and not isinstance(labels, Mapping)


def _of_frame(frame: Any, ids: Sequence[str]) -> dict[str, Any]:
    """Return the columns of a pandas, polars or Arrow frame, in the order of the ids where it names them."""
    if hasattr(frame, "collect"):
        raise ValueError(f"labels: a {type(frame).__name__} holds no values yet; pass frame.collect()")
    names = list(getattr(frame, "column_names", frame.columns))  # Arrow's `columns` are the values
    if levels := [name for name in names if isinstance(name, tuple)]:
        raise ValueError(
            f"the frame's columns have several levels, such as {levels[0]!r}; give each one name"
        )
    _require_different(names, "the frame's columns")
    columns = {str(name): frame[name] for name in names}
    failed = []
    for where, key, named in _naming(frame, columns):
        try:
            rows = _rows_named(where, named, ids)
        except ValueError as error:
            failed.append(str(error))
            continue
        others = {name: _scalars(values) for name, values in columns.items() if name not in (key, "id")}
        return {name: [scalars[row] for row in rows] for name, scalars in others.items()}
    if failed:
        raise ValueError("; ".join(failed))
    return {name: values for name, values in columns.items() if name != "id"}


def _naming(frame: Any, columns: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield what may name the images: where that is, the column's name, and its values, texts or paths."""
    if hasattr(frame, "index") and not callable(frame.index) and _has_names(index := _index_of(frame)):
        yield "the frame's index", "", index
    for key in KEYS:
        for name in columns:
            if name.lower() == key and _has_names(named := as_list(columns[name], name)):
                yield f"the frame's column {name!r}", name, named


def _index_of(frame: Any) -> list[Any]:
    """Return the index; of several levels, of which one has texts, as paths: ("train", "a.png")."""
    return [
        "/".join(map(str, one)) if isinstance(one, tuple) and _has_names([*filter(_is_name, one)]) else one
        for one in frame.index
    ]


def _is_name(value: Any) -> bool:
    return isinstance(value, str | bytes | os.PathLike)


def _has_names(values: list[Any]) -> bool:
    """Whether values are texts and paths, some of which may be missing."""
    given = [value for value in values if not is_missing(value)]
    return bool(given) and all(map(_is_name, given))


def _rows_named(where: str, names: Sequence[Any], ids: Sequence[str]) -> list[int]:
    """Return for each id the place of its name. ValueError for repeated names and ids without one."""
    named = {row: _text(name) for row, name in enumerate(names) if not is_missing(name)}
    row_of = {name: row for row, name in named.items()}
    if len(row_of) != len(named):
        twice, _ = Counter(named.values()).most_common(1)[0]
        raise ValueError(f"{where} holds a name twice, {twice!r}; each image can have one value only")
    absent = [name for name in ids if name not in row_of]
    row_of |= _by_folders(row_of, absent)
    if absent := [name for name in absent if name not in row_of]:
        raise ValueError(
            f"{where} has no entry for {len(absent)} of {len(ids)} images, such as {absent[0]!r} (it has "
            f"{', '.join(map(repr, list(named.values())[:3]))}); give None for images without a label"
        )
    return [row_of[name] for name in ids]


def _by_folders(row_of: Mapping[str, int], ids: Sequence[str]) -> dict[str, int]:
    """Return the rows of ids whose path ends as a name, or the reverse, where both are the only ones."""
    whole: dict[Parts, set[int]] = {}
    ends: dict[Parts, set[int]] = {}
    for name, row in row_of.items() if ids else ():
        parts = _parts(name)
        whole.setdefault(parts, set()).add(row)
        for start in range(len(parts)):
            ends.setdefault(parts[start:], set()).add(row)
    found = {}
    for name in ids:
        parts = _parts(name)
        longer = (whole.get(parts[start:], set()) for start in range(1, len(parts)))
        rows = ends.get(parts, set()).union(*longer)
        if len(rows) == 1:
            found[name] = rows.pop()
    times = Counter(found.values())
    return {name: row for name, row in found.items() if times[row] == 1}


def _parts(name: str) -> Parts:
    """Return the folders and the name of a file, without what does not name one: a root, `.` and `..`."""
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))


def _text(name: Any) -> str:
    return printable(os.fsdecode(name) if isinstance(name, os.PathLike | bytes) else str(name))


# --------------------------------------------------------------------------- one column


def as_column(name: str, values: Any) -> Column:
    """Return a label's values as an array (N,) of one type; see the module for types and missing values.

    Raises ValueError for nested values, for types that Parquet has no column for, and for mixed types.
    """
    temporal = _temporal_array(values)
    if temporal is not None:
        return _shortened(name, temporal)
    given = [None if is_missing(value) else value for value in _scalars(values)]
    if len({one.tzinfo is None for one in given if isinstance(one, datetime.datetime)}) > 1:
        raise ValueError(f"the label {name!r} mixes times with and without a time zone; use one kind")
    scalars = [None if value is None else _plain(name, value) for value in given]
    type_names = {_type_name(name, value) for value in scalars if value is not None}
    if type_names <= {"bool", "int", "float"} and len(type_names) > 1:
        type_names = {"float"} if "float" in type_names else {"int"}
    if len(type_names) > 1:
        raise ValueError(
            f"the label {name!r} mixes values of types {' and '.join(sorted(type_names))}; use one type"
        )
    return _array_of(name, type_names.pop() if type_names else "str", scalars)


def known_labels(labels: Any) -> Column:
    """Return one label for each item as `as_column` does, for what compares items by their labels.

    Raises ValueError if one is missing: a missing label is no kind of its own.
    """
    column = as_column("labels", labels)
    missing = [row for row, value in enumerate(column.tolist()) if is_missing(value)]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(column)} labels are missing, the first at position {missing[0]} "
            f"(counted from 0); leave these items out, as with table.select"
        )
    return column


def _scalars(values: Any) -> list[Any]:
    """Return the values by position; NumPy dates stay dates, which `tolist` would turn into integers."""
    temporal = _temporal_array(values)
    return list(temporal) if temporal is not None else as_list(values, "labels")


def _temporal_array(values: Any) -> Column | None:
    """Dates as datetime64; None for values of other types."""
    dtype_kind = getattr(getattr(values, "dtype", None), "kind", None)
    if dtype_kind != "M" or not hasattr(values, "__array__"):
        return None
    dates = np.ma.filled(values, np.datetime64("NaT")) if np.ma.isMA(values) else np.asarray(values)
    return dates if dates.dtype.kind == "M" else None  # with a time zone it is an array of objects


def _shortened(name: str, dates: Column | list[np.datetime64]) -> Column:
    """Return dates in microseconds, or in nanoseconds where that loses digits.

    dates: an array, or a list of them in several units. ValueError where they have no common unit.
    """
    parts = [dates] if isinstance(dates, np.ndarray) else [np.array([one]) for one in dates]
    for unit in (MICROSECONDS, NANOSECONDS):
        columns = [part.astype(unit) for part in parts]
        if all(_is_exact(column, part) for column, part in zip(columns, parts, strict=True)):
            return np.concatenate(columns)
    raise ValueError(
        f"the label {name!r} holds dates that are too far apart for their digits, or beyond all calendars; "
        f"round them to seconds, or give them as texts"
    )


def _is_exact(column: Column, dates: Column) -> bool:
    return bool((np.isnat(dates) | (column.astype(dates.dtype) == dates)).all())


def _plain(name: str, value: Any) -> Any:
    """Return the value as a plain Python object or datetime64. ValueError for anything but a single value."""
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        return value.item()
    if hasattr(value, "to_datetime64"):  # a pandas Timestamp; UTC where it has a time zone
        return value.to_datetime64()
    if isinstance(value, datetime.datetime):
        return np.datetime64(
            value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value, "us"
        )
    if isinstance(value, datetime.date):
        return np.datetime64(value, "us")
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "as_py"):  # an Arrow scalar
        return value.as_py()
    return value


def _type_name(name: str, value: Any) -> str:
    names = {bool: "bool", int: "int", float: "float", str: "str", np.datetime64: "date"}
    for python_type, type_name in names.items():
        if isinstance(value, python_type):
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError(
                    f"the label {name!r} holds {value}, which does not fit 64 bits; use floats or texts"
                )
            return type_name
    raise ValueError(
        f"the label {name!r} holds a {type(value).__name__}; expected one text, number, truth value or date "
        f"for each image; convert others, as with str"
    )


def _array_of(name: str, type_name: str, scalars: list[Any]) -> Column:
    """Return a column of these values of one type, with None for missing values."""
    missing = any(value is None for value in scalars)
    if type_name == "date":
        given = [np.datetime64("NaT", "us") if one is None else one for one in scalars]
        return _shortened(name, np.array(given) if len({one.dtype for one in given}) == 1 else given)
    if type_name == "str":
        scalars = [None if value is None else printable(value) for value in scalars]
        # NumPy's array of texts loses NUL characters at the end of one.
        missing = missing or any(text.endswith("\0") for text in scalars)
    if not missing:
        return np.array(
            scalars, dtype={"bool": bool, "int": np.int64, "float": np.float64, "str": np.str_}[type_name]
        )
    if type_name in ("int", "float"):
        return np.array([np.nan if value is None else value for value in scalars], dtype=np.float64)
    return np.array(scalars, dtype=object)


def shown(column: Column) -> list[str | None]:
    """Return a column's values as texts to show, None for missing ones; dates without a needless time."""
    if column.dtype.kind != "M":
        return [None if is_missing(value) else str(value) for value in column.tolist()]
    days = column.astype("datetime64[D]")
    has_times = bool(((days != column) & ~np.isnat(column)).any())
    texts = np.datetime_as_string(column.astype("datetime64[s]") if has_times else days)
    return [None if text == "NaT" else str(text) for text in texts]
