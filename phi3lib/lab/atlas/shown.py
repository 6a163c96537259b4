"""What the page shows in place of a map of all pictures: a new map of some of them, or places on two axes.

Conditions, queries, the table and its file speak of the map that is shown, in Python as on the page: what
they call "neighbors kept" are the numbers that the reader sees. All views of an Atlas show the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab.atlas.selection_maps import SelectionMap
from phi3lib.lab.atlas.trust import Shares


@dataclass(frozen=True)
class OwnAxes:
    """Places on two axes. Only the page computes them, and it tells what they keep.

    kept: by the names of the tables, (N,), NaN where a picture has no place or no share is known.
    """

    kept: Mapping[str, Shares]

    def kept_of_all(self, name: str, count: int) -> Shares:
        """Return for each picture the share of its true neighbors near it: (count,)."""
        return self.kept.get(name, np.full(count, np.nan))


Shown = SelectionMap | OwnAxes | None


def shown_by(
    told: Mapping[str, Any],
    names: Sequence[str],
    rows: NDArray[np.intp],
    count: int,
    made: SelectionMap | None,
) -> Shown:
    """Return what the page says it shows: {"anew": True}, {"axes": …, "kept": …} or {}.

    kept: of each map the percents of the pictures that are drawn, None for one that has none; or None.

    names: of the tables. rows: of the pictures that are drawn, of `count`. made: the last new map.
    """
    if told.get("anew"):
        return made
    if not told.get("axes"):
        return None
    kept = zip(names, told.get("kept") or [], strict=False)
    known = {name: _of_all(percents, rows, count) for name, percents in kept if percents is not None}
    return OwnAxes(known)


def _of_all(percents: Sequence[float | None], rows: NDArray[np.intp], count: int) -> Shares:
    """Return shares of all pictures from whole percents of those that are drawn."""
    found = np.full(count, np.nan)
    found[rows] = np.array([np.nan if one is None else one for one in percents], dtype=np.float64) / 100
    return found
