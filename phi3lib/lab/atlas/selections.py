"""Selections with names: rows that can be selected again, combined, and sent with a page."""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Set
from typing import Any

import numpy as np

from phi3lib.vision.inputs import as_list, as_whole

MOST = 100  # named selections, as on the page
LONGEST = 60  # characters of a name, as on the page


def checked_rows(rows: Any, count: int) -> list[int]:
    """Return rows as a list, each once, in their order; `rows` are numbers or one truth value for each row.

    ValueError for rows that there are not, and for what is no number of a row.
    """
    listed = list(rows) if isinstance(rows, Set) else as_list(rows, "rows")
    truths = [isinstance(row, bool | np.bool_) for row in listed]
    if any(truths):
        if not all(truths) or len(listed) != count:
            raise ValueError(f"rows: expected numbers of rows, or one truth value for each of {count} rows")
        listed = np.flatnonzero(listed).tolist()
    found = list(dict.fromkeys(as_whole(row, "a row") for row in listed))
    if wrong := [row for row in found if not 0 <= row < count]:
        raise ValueError(f"there is no row {wrong[0]}: rows are 0 to {count - 1}")
    return found


class Selections(MutableMapping[str, list[int]]):
    """Rows by name, in the order in which they were saved.

    A mapping that can be changed; `told` is called after each change. ValueError for an empty or too long
    name, for no rows, for rows that there are not, and for more than a hundred names.
    """

    def __init__(self, count: int, told: Callable[[], None] = lambda: None) -> None:
        self.told = told
        self._count = count
        self._rows: dict[str, list[int]] = {}

    def __getitem__(self, name: str) -> list[int]:
        return list(self._rows[name])

    def __setitem__(self, name: str, rows: Iterable[int]) -> None:
        self.replace({**self._rows, name: rows})

    def __delitem__(self, name: str) -> None:
        del self._rows[name]
        self.told()

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return (
            f"Selections({', '.join(f'{name!r}: {len(rows):,} rows' for name, rows in self._rows.items())})"
        )

    def replace(self, selections: Mapping[str, Iterable[int]]) -> None:
        """Take these selections instead of all; nothing is changed if one of them is not valid."""
        if len(selections) > MOST:
            raise ValueError(f"{len(selections)} named selections; there may be {MOST} at most")
        taken = {_checked_name(name): checked_rows(rows, self._count) for name, rows in selections.items()}
        if empty := [name for name, rows in taken.items() if not rows]:
            raise ValueError(f"the selection {empty[0]!r} holds no rows; delete it instead")
        if taken != self._rows or list(taken) != list(self._rows):
            self._rows = taken
            self.told()

    def pairs(self) -> list[list[object]]:
        """Return [name, rows] of each, as the page takes them."""
        return [[name, list(rows)] for name, rows in self._rows.items()]


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not name or name != name.strip() or len(name) > LONGEST:
        raise ValueError(
            f"a selection has a name of 1 to {LONGEST} characters without blanks at its ends, not {name!r}"
        )
    return name
