"""Tables as the explorer takes them: cut to the pictures that all of them have."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from phi3lib.embeddings.compare import matched
from phi3lib.embeddings.table import EmbeddingTable, as_table


def tables_by_name(tables: Any, unnamed: str) -> dict[str, EmbeddingTable]:
    """Return tables by name, of one table `unnamed`. ValueError for none, and for what is no table."""
    given = dict(tables) if isinstance(tables, Mapping) else {unnamed: tables}
    if not given:
        raise ValueError("there is no table to show")
    return {name: as_table(table) for name, table in given.items()}


def same_pictures(tables: dict[str, EmbeddingTable]) -> dict[str, EmbeddingTable]:
    """Return the rows that all tables have, in one order. ValueError for fewer than four."""
    common = next(iter(tables.values()))
    for table in tables.values():
        if len(table) < 4:
            raise ValueError(f"a map needs four pictures at least; there are {len(table)}")
        common, _ = matched(common, table)
    if len(common) < 4:
        raise ValueError(f"a map needs four pictures at least; the tables have {len(common)} in common")
    return {name: matched(common, table)[1] for name, table in tables.items()}


def require_directions(tables: Mapping[str, EmbeddingTable]) -> None:
    """Raise ValueError if a vector is zero."""
    for name, table in tables.items():
        zero = np.flatnonzero(~table.vectors.any(1))
        if len(zero):
            raise ValueError(f"the vector of {table.ids[zero[0]]!r} in {name!r} is zero: it has no direction")
