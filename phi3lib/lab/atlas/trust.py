"""How faithful maps are, picture by picture. Every number is computed once, because a page needs all of them
again whenever a map is added."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.confidence import Estimate
from phi3lib.embeddings.maps import Layout, aligned, steadiness

Shares = NDArray[np.float64]
Made = TypeVar("Made")


class Known:
    """Results by key, each made when it is first asked for."""

    def __init__(self) -> None:
        self._results: dict[Any, Any] = {}

    def once(self, key: Any, make: Callable[[], Made]) -> Made:
        """Return the result under this key."""
        if key not in self._results:
            self._results[key] = make()
        made: Made = self._results[key]
        return made

    def keep(self, key: Any, made: Any) -> None:
        """Keep a result that was made elsewhere under this key."""
        self._results[key] = made


def whole_percents(shares: Shares) -> Shares:
    """Return shares as the page and conditions have them, 0 to 100; NaN stays."""
    return np.clip(np.round(100 * shares), 0, 100)


def said_trust(trust: Estimate, all_pictures: int) -> str:
    """Return a trustworthiness in words; that of a sample with its interval and the size of the sample."""
    if trust.count == all_pictures:
        return f"trustworthiness {trust.value:.2f}"
    return (
        f"trustworthiness {trust.value:.3f} ({trust.low:.3f} to {trust.high:.3f}; "
        f"a sample of {trust.count:,} of {all_pictures:,} pictures)"
    )


def said_worth(trust: Estimate, kept: Shares, k: int, all_pictures: int, near: str = "true neighbors") -> str:
    """Return what a map is worth, in words: its trustworthiness, and the mean share kept of k of these."""
    return f"{said_trust(trust, all_pictures)}, {kept.mean():.0%} of {k} {near} kept"


def moved(first: Layout, second: Layout) -> Shares:
    """Return how far each picture stands apart on two maps, as a share of the first map's width: (N,).

    The second map is turned, mirrored and scaled onto the first (Procrustes).
    """
    laid = aligned(second, first).coordinates
    width = float(np.ptp(first.coordinates, axis=0).max()) or 1.0
    return np.linalg.norm(first.coordinates - laid, axis=1) / width


def wobble(layouts: Sequence[Layout], k: int) -> Shares | None:
    """Return for each picture the share of map neighbors that change with the seed; None for one layout."""
    return 1 - steadiness(layouts, k) if len(layouts) > 1 else None
