"""What is known of the pictures beside their vectors: labels and other columns, given coordinates, names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.labels import RESERVED, Column, labels_of, shown
from phi3lib.embeddings.maps import Coordinates, Layout
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.moved import old_names
from phi3lib.vision.inputs import as_numbers, by_row

NO_LABEL = "none"
STEPS = 4_095  # of a principal component on a page


def label_column(tables: Mapping[str, EmbeddingTable], labels: Any) -> tuple[str, Column | None]:
    """Return the name and the values of the label that colors the maps; ("", None) without any.

    labels: a label's name, one value for each row of the first table, by position or as a mapping from ids,
    or None for the first label there is. ValueError for a name that no table has and for another number.
    """
    first = next(iter(tables.values()))
    if isinstance(labels, str):
        for table in tables.values():
            if labels in table.labels:
                return labels, table.labels[labels]
        raise ValueError(f"no table has the label {labels!r}; there are: {', '.join(first.labels) or 'none'}")
    if labels is not None:
        if hasattr(labels, "__len__") and not isinstance(labels, Mapping) and len(labels) != len(first):
            raise ValueError(
                f"{len(labels)} labels for {len(first)} pictures: give one for each, in their order"
            )
        name = _series_name(labels)
        return name, labels_of({name: labels}, first.ids)[name]
    if first.labels:
        name = next(iter(first.labels))
        return name, first.labels[name]
    return "", None


def _series_name(labels: Any) -> str:
    """Return the name of a pandas or polars Series; "label" for anything else."""
    name = getattr(labels, "name", None)
    return name if isinstance(name, str) and name and name not in RESERVED else "label"


def all_columns(tables: Mapping[str, EmbeddingTable], name: str, label: Column | None) -> dict[str, Column]:
    """Return every column by name, the label first; of equal names that of the first table."""
    columns: dict[str, Column] = {} if label is None else {name: label}
    for table in tables.values():
        for other, values in table.labels.items():
            columns.setdefault(other, values)
    return columns


def as_texts(column: Column) -> tuple[NDArray[np.object_], list[str]]:
    """Return values as texts, and each text once: numbers by size, all else by name, missing ones last."""
    texts = [NO_LABEL if text is None else text for text in shown(column)]
    value_of = dict(zip(texts, column.tolist(), strict=True))
    missing = [NO_LABEL] if NO_LABEL in texts else []
    value_of.pop(NO_LABEL, None)
    is_number = column.dtype.kind in "biuf"
    kinds = sorted(value_of, key=value_of.__getitem__ if is_number else _natural)
    return np.array(texts, dtype=object), kinds + missing  # arrays of str lose a NUL at the end


def codes_of(texts: Sequence[Any] | NDArray[np.object_], kinds: Sequence[str]) -> NDArray[np.intp]:
    """Return for each text its place among the kinds: (N,)."""
    code_of = {kind: code for code, kind in enumerate(kinds)}
    return np.array([code_of[str(text)] for text in texts], dtype=np.intp)


def _natural(text: str) -> list[tuple[str, int, str]]:
    """Return a sort key that puts "group 9" before "group 10"."""
    parts = re.findall(r"([^0-9]*)0*([0-9]*)", text)
    return [(words, len(number), number) for words, number in parts]


def for_page(name: str, column: Column, rows: NDArray[np.intp]) -> dict[str, Any]:
    """Return a column of these rows as the page takes it: texts by codes, numbers and dates by values."""
    if column.dtype.kind in "iuf":
        finite = [one if np.isfinite(one) else None for one in page_numbers(column[rows]).tolist()]
        whole = all(one is None or one.is_integer() for one in finite)
        values = [None if one is None else int(one) if whole else one for one in finite]
        return {"name": name, "type": "number", "values": values}
    if column.dtype.kind == "M":
        dates = column[rows]
        since = dates.astype("datetime64[ms]").astype(np.int64).tolist()
        values = [None if gone else one for one, gone in zip(since, np.isnat(dates), strict=True)]
        return {"name": name, "type": "date", "values": values}
    texts, kinds = as_texts(column[rows])
    return {"name": name, "type": "text", "kinds": kinds, "codes": codes_of(texts, kinds).tolist()}


def page_numbers(column: Column) -> NDArray[np.float64]:
    """Return numbers as the page has them: integers as they are, others with seven digits; NaN if missing."""
    numbers = column.astype(np.float64)
    if column.dtype.kind in "iu":
        return numbers
    finite = [float(f"{one:.7g}") if np.isfinite(one) else np.nan for one in numbers]
    return np.array(finite, dtype=np.float64)


def for_axes(
    values: NDArray[np.float64], shares: Sequence[float], rows: NDArray[np.intp]
) -> tuple[bytes, dict[str, list[float]]]:
    """Return principal components, (N, components), as whole numbers up to STEPS, and what these mean."""
    low, high = values[rows].min(0), values[rows].max(0)
    steps = np.round((values[rows] - low) / np.where(high > low, high - low, 1) * STEPS)
    about = {"shares": np.round(shares, 4), "low": low.round(6), "high": high.round(6)}
    return steps.T.astype("<u2").tobytes(), {name: numbers.tolist() for name, numbers in about.items()}


# ------------------------------------------------------------------------------- names and coordinates


def given_coordinates(
    layout: Any, tables: Mapping[str, EmbeddingTable], ids: Sequence[str]
) -> dict[str, Coordinates]:
    """Return the user's own coordinates for each table, in the order of `ids`: each (N, 2) float32.

    layout: coordinates for each row of the first table, (N, 2), by position or as a mapping from ids; the
    same for all tables, or a mapping from the tables' names. ValueError where they do not fit or are not
    finite.
    """
    by_name = isinstance(layout, Mapping) and set(layout) == set(tables)
    first = next(iter(tables.values()))
    found = {}
    for name, table in tables.items():
        rows = table.ids if by_name else first.ids
        coordinates, row_of = (
            _coordinates(layout[name] if by_name else layout, rows),
            {one: n for n, one in enumerate(rows)},
        )
        found[name] = coordinates[[row_of[one] for one in ids]]
    return found


def _coordinates(layout: Any, ids: Sequence[str]) -> Coordinates:
    values = layout.coordinates if isinstance(layout, Layout) else layout
    if isinstance(values, Mapping):
        values = by_row(values, ids, "layout")
    coordinates = as_numbers(values, "layout", np.float32)
    if coordinates.shape != (len(ids), 2):
        raise ValueError(
            f"layout has the shape {coordinates.shape}; expected ({len(ids)}, 2), one place for each row"
        )
    if not np.isfinite(coordinates).all():
        row = int(np.flatnonzero(~np.isfinite(coordinates).all(1))[0])
        raise ValueError(f"the place of {ids[row]!r} in layout holds NaN or infinity")
    return coordinates


__getattr__ = old_names(__name__, {"given_places": "given_coordinates"})  # changed in 0.2.0
