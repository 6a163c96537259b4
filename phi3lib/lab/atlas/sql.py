"""Whole queries in SQL over what an Atlas knows of its pictures, answered by SQLite in memory.

The table `pictures` has one row for each picture: the columns that a condition knows (see `fields.py`), and
`row`, the number of the picture's row. Missing values are NULL, dates are texts such as '2024-01-31 18:30',
true and false are 1 and 0. A name that is there already, in upper or lower case, is followed by "(2)".

A query can only read this table: it cannot write, open files, load extensions or change settings, and it is
stopped after SECONDS. An exported page answers the same, see js/sqlite.js; tests/lab/atlas/sql.json holds
cases that both must pass.
"""

import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from phi3lib.lab.atlas.columns import NO_LABEL
from phi3lib.lab.atlas.fields import Field
from phi3lib.lab.figures.shown_text import readable

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 10_000  # characters of a query
LONGEST_CELL = 100_000  # bytes of a text; some functions take time with the square of it
MOST_ROWS, SHOWN = 1_000_000, 100  # rows of an answer; those that a page shows
SECONDS = 10
MOMENT = 1_000  # steps of SQLite's machine between two looks at the clock
READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
# A name in double quotes, and whether it is given there; nothing of a text, which may hold such quotes.
_QUOTED = re.compile(r"'(?:[^']|'')*'|(\bas\s+)?\"([^\"]+)\"", re.IGNORECASE)
_MIDNIGHT = re.compile(r"(?:(?: 00:00)?:00)?\.000$")  # and other ends that a date does not need

Cells = tuple[str, Sequence[Any]]  # the type of a column, and its values


def answered(query: str, fields: Mapping[str, Field], count: int) -> "pd.DataFrame":
    """Return the answer to a query over `count` pictures.

    ValueError for what SQLite does not understand, for a query that does more than read `pictures`, that has
    more than a million rows, or that takes more than SECONDS.
    """
    if not isinstance(query, str) or not query.strip():
        raise ValueError("the query is empty; write one such as SELECT count(*) FROM pictures")
    if len(query) > LONGEST:
        raise ValueError(f"the query has {len(query):,} characters; it may have {LONGEST:,}")
    columns = _columns(fields, count)
    _require_columns(query, columns)
    try:
        # Some columns take seconds to compute, so that only those are which the query reads.
        with closing(_database(dict.fromkeys(columns, ("", ())))) as empty:
            read = {"row"} | _reads(empty, query)
        cells = {name: _cells(make()) for name, make in columns.items() if name in read}
        with closing(_database(cells)) as database:
            return _answer(database, query)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise ValueError(_said(str(error), columns)) from None


def _require_columns(query: str, columns: Iterable[str]) -> None:
    """Raise ValueError for a name in double quotes that is nearly a column's: SQLite takes it for a text.

    Then `avg("neighbours kept")` would be 0, and so would "neighbors kept" where two maps have such a column.
    """
    found = _QUOTED.findall(query)
    known = {name.lower() for name in (*columns, *(name for given, name in found if given))}
    nearly = {_letters(part) for name in columns for part in (name, name.rpartition(": ")[2])}
    for _, name in found:
        if name and name.lower() not in known and _letters(name) in nearly:
            raise ValueError(_said(f"no such column: {name}", columns))


def _letters(name: str) -> str:
    """Return letters and digits of a name, in one spelling."""
    return re.sub(r"[\W_]", "", name.lower().replace("our", "or"))


def rows_named(answer: "pd.DataFrame", ids: Sequence[str]) -> list[int]:
    """Return the rows that a table names by its column `row` or, where there is none, `id`.

    ValueError without such a column, and for values in it that name no picture.
    """
    columns = list(answer.columns)
    name = next((one for one in ("row", "id") if one in columns), None)
    if name is None:
        raise ValueError(
            f"the table has the columns {', '.join(map(str, columns))}; pictures are named by `row` or `id`"
        )
    of = {readable(one): row for row, one in enumerate(ids)} if name == "id" else range(len(ids))
    values = answer.iloc[:, columns.index(name)].tolist()
    known: Any = of if name == "id" else set(of)
    if wrong := [value for value in values if value not in known]:
        raise ValueError(f"the column {name} has {wrong[0]!r}, which is no picture's {name}")
    return [of[int(value) if name == "row" else value] for value in values]


def told(query: str, fields: Mapping[str, Field], ids: Sequence[str]) -> dict[str, Any]:
    """Return the answer as a page takes it: columns, cells of the first rows, number of rows, rows it names.

    ValueError as `answered`.
    """
    answer = answered(query, fields, len(ids))
    first = answer.head(SHOWN).astype(object).itertuples(index=False, name=None)
    try:
        rows = rows_named(answer, ids)
    except ValueError:
        rows = None
    return {
        "columns": [readable(name) for name in answer.columns],
        "cells": [[_plain(cell) for cell in row] for row in first],
        "count": len(answer),
        "rows": rows,
    }


def _plain(cell: Any) -> Any:
    """Return a value that JSON can hold."""
    if cell is None or cell != cell:
        return None
    if isinstance(cell, bytes):
        return f"{len(cell)} bytes"
    return cell if isinstance(cell, int | float) and abs(cell) < 2**53 else readable(str(cell))


# ------------------------------------------------------------------------------- the table


def _columns(fields: Mapping[str, Field], count: int) -> dict[str, Callable[[], Field]]:
    """Return what makes each column, by the name that SQL has for it: upper and lower case are the same."""
    found: dict[str, Callable[[], Field]] = {
        "row": lambda: Field("number", np.arange(count, dtype=np.float64))
    }
    taken = set(found)
    for name in fields:
        first = other = readable(name) or "unnamed"
        number = 2
        while other.lower() in taken:
            other, number = f"{first} ({number})", number + 1
        taken.add(other.lower())
        found[other] = partial(fields.__getitem__, name)
    return found


def _cells(field: Field) -> Cells:
    """Return a column's type and values in SQL."""
    if field.is_truth:
        return "INTEGER", [{"True": 1, "False": 0}.get(text) for text in field.values.tolist()]
    if field.type == "text":
        return "TEXT", [None if text == NO_LABEL else readable(text) for text in field.values.tolist()]
    missing = np.isnan(field.values)
    if field.type == "date":
        moments = np.where(missing, 0, field.values).astype(np.int64).astype("datetime64[ms]")
        texts = [
            _MIDNIGHT.sub("", str(moment).replace("T", " ")) for moment in np.datetime_as_string(moments)
        ]
        return "TEXT", [None if gone else text for text, gone in zip(texts, missing, strict=True)]
    whole = bool((field.values[~missing] % 1 == 0).all())
    numbers = [None if gone else number for number, gone in zip(field.values.tolist(), missing, strict=True)]
    return "INTEGER" if whole else "REAL", numbers


def _database(columns: Mapping[str, Cells]) -> sqlite3.Connection:
    """Return a database in memory that has the table and nothing else."""
    database = sqlite3.connect(":memory:")
    database.execute("PRAGMA temp_store = MEMORY")  # no file, however much there is to sort
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_CELL)
    escaped = ((name.replace('"', '""'), kind) for name, (kind, _) in columns.items() if name != "row")
    heads = [f'"{name}" {kind}' for name, kind in escaped]
    database.execute(f"CREATE TABLE pictures ({', '.join(['row INTEGER PRIMARY KEY', *heads])})")
    rows = zip(*(values for _, values in columns.values()), strict=True)
    database.executemany(f"INSERT INTO pictures VALUES ({', '.join('?' * len(columns))})", rows)
    database.commit()
    return database


# ------------------------------------------------------------------------------- the query


def _reads(database: sqlite3.Connection, query: str) -> set[str]:
    """Return the columns that a query reads. sqlite3.Error for one that does more than read the table."""
    read: set[str] = set()
    _guard(database, read)
    database.execute(f"EXPLAIN {query}").close()
    return read


def _guard(database: sqlite3.Connection, read: set[str]) -> None:
    """From now on, let this database do nothing but read `pictures`; note the columns that are read."""

    def allowed(action: int, table: str | None, column: str | None, *_: Any) -> int:
        reads = action == sqlite3.SQLITE_READ and bool(column)  # without a column: a table's rows are counted
        if reads and table == "pictures":
            read.add(str(column))
        foreign = reads and table != "pictures"
        return sqlite3.SQLITE_DENY if foreign or action not in READS else sqlite3.SQLITE_OK

    database.set_authorizer(allowed)


def _answer(database: sqlite3.Connection, query: str) -> "pd.DataFrame":
    import pandas as pd  # takes a moment

    _guard(database, set())
    end = time.monotonic() + SECONDS
    database.set_progress_handler(lambda: time.monotonic() > end, MOMENT)
    cursor = database.execute(query)
    columns = [name for name, *_ in cursor.description]
    rows = cursor.fetchmany(MOST_ROWS + 1)
    if len(rows) > MOST_ROWS:
        raise ValueError(f"the answer has more than {MOST_ROWS:,} rows; add a condition or LIMIT 1000")
    return pd.DataFrame(rows, columns=columns)


def _said(words: str, names: Iterable[str]) -> str:
    """Return what SQLite says is wrong, and what to do about it."""
    if "interrupted" in words:
        return f"the query was stopped after {SECONDS} seconds; ask for less, with a condition or LIMIT"
    if "authoriz" in words or "prohibited" in words:
        return f"{words}: a query can only read the table pictures, with SELECT or WITH"
    if "no such table" in words:
        return f"{words}; there is one table, pictures"
    return f"{words}; pictures has: {', '.join(names)}" if "no such column" in words else words
