"""A number with its uncertainty: bootstrap intervals, and the level of chance beside it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A measured value, the 95 % interval of a bootstrap over items, the level of chance, and how many items.

    `chance` is None where guessing has no value to compare with.
    """

    value: float
    low: float
    high: float
    chance: float | None
    count: int

    def __str__(self) -> str:
        chance = "" if self.chance is None else f", chance {self.chance:.3g}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}{chance}; {self.count} items)"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def of_mean(values: ArrayLike, chance: float | None = None, *, seed: int = 0) -> Estimate:
    """The mean of one value per item, with a percentile bootstrap. ValueError without values."""
    numbers = np.asarray(values, dtype=float)
    if numbers.ndim != 1 or not len(numbers):
        raise ValueError(f"one value for each item is wanted; the shape is {numbers.shape}")
    rng = np.random.default_rng(seed)
    means = np.array([numbers[_resample(len(numbers), rng)].mean() for _ in range(RESAMPLES)])
    return _estimate(float(numbers.mean()), means, chance, len(numbers))


def of_statistic(
    statistic: Callable[[NDArray[np.intp]], float],
    count: int,
    chance: float | None = None,
    *,
    resamples: int = 200,
    seed: int = 0,
) -> Estimate:
    """A statistic of rows, with an interval from half-samples without replacement.

    statistic: takes row numbers and returns its value on these rows. Rows are drawn without replacement,
    because a row that stands in the sample twice is its own nearest neighbour; half of the rows, because the
    spread of half-samples is that of the bootstrap (Politis and Romano 1994, subsampling). ValueError where
    the statistic is no number.
    """
    rng = np.random.default_rng(seed)
    value = statistic(np.arange(count))
    if not np.isfinite(value):
        raise ValueError("the value is no number: are all items alike?")
    halves = [statistic(np.sort(rng.permutation(count)[: count // 2])) for _ in range(resamples)]
    # A half-sample's mean may be off the whole's; only its spread is used.
    spread = np.asarray(halves) - np.mean(halves) + value
    return _estimate(value, spread, chance, count)


def _resample(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(count, size=count)


def _estimate(value: float, sample: NDArray[np.floating], chance: float | None, count: int) -> Estimate:
    low, high = np.percentile(sample, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Estimate(value, float(low), float(high), chance, count)
