"""Scores with their chance level and a bootstrap interval."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 2000


@dataclass(frozen=True)
class Score:
    """A share of right answers: its 95 % interval over pictures, the level of chance, how many were asked."""

    share: float
    low: float
    high: float
    chance: float
    asked: int

    def __str__(self) -> str:
        interval = f"{self.low:.1%} to {self.high:.1%}"
        return f"{self.share:.1%} ({interval}; chance {self.chance:.1%}; {self.asked} asked)"

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def score(right: ArrayLike, chance: float) -> Score:
    """The share of right answers, with a percentile bootstrap over the pictures (seed 0)."""
    values = np.asarray(right, dtype=float)
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Score(float(values.mean()), float(low), float(high), chance, len(values))
