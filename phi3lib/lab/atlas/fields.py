"""What a condition can ask for: every column, the names, and how well each map keeps neighbors."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.labels import Column
from phi3lib.lab.atlas.columns import NO_LABEL, as_texts, page_numbers
from phi3lib.lab.atlas.state import AtlasState
from phi3lib.lab.atlas.trust import whole_percents


@dataclass(frozen=True)
class Field:
    """A column of a condition: texts, numbers, or dates in milliseconds since 1970; NaN if missing."""

    type: str
    values: NDArray[Any]

    @property
    def is_truth(self) -> bool:
        """Whether it holds nothing but true and false, and missing values."""
        return self.type == "text" and {"True", "False"} >= set(self.values.tolist()) - {NO_LABEL}


class Fields(Mapping[str, Field]):
    """Fields by name, each computed on first use: those of a map take seconds for many pictures."""

    def __init__(self, make: Mapping[str, Callable[[], Field]]) -> None:
        self._make = make

    def __getitem__(self, name: str) -> Field:
        return self._make[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._make)

    def __len__(self) -> int:
        return len(self._make)


def fields_of(state: AtlasState) -> Fields:
    """Return everything that the table below the maps shows, by the words above its columns, and the ids.

    What is said of a map is said of the one that is shown, `state.shown`. A column of the tables goes before
    what has its name otherwise.
    """
    make: dict[str, Callable[[], Field]] = {
        name: partial(field_of, column) for name, column in state.columns.items()
    }
    make.setdefault("name", lambda: Field("text", np.array(state.shown_names, dtype=object)))
    make.setdefault("id", lambda: Field("text", np.array(state.ids, dtype=object)))
    for one in state.names:
        make.setdefault(
            f"{state.prefix(one)}neighbors kept", partial(_percent, partial(state.kept_shown, one))
        )
    if len(state.names) > 1:
        make.setdefault("shared", lambda: _percent(lambda: state.between))
        make.setdefault("moved", partial(_percent, state.moved_shown))
    return Fields(make)


def field_of(column: Column) -> Field:
    """Return a column as a field: numbers and dates as the page has them, all else as texts."""
    if column.dtype.kind in "iuf":
        return Field("number", page_numbers(column))
    if column.dtype.kind == "M":
        since = column.astype("datetime64[ms]").astype(np.int64).astype(np.float64)
        return Field("date", np.where(np.isnat(column), np.nan, since))
    return Field("text", as_texts(column)[0])


def _percent(shares: Callable[[], NDArray[np.float64]]) -> Field:
    return Field("number", whole_percents(shares()))
