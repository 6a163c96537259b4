"""A number with its uncertainty: 95 % intervals that hold in 95 of 100 samples, chance, and paired tests.

Which interval for what:

- A share of right answers: Wilson's score interval. It has a width where all or none are right: 20 of 20
  is 0.84 to 1.
- Another mean of one value per item: the bootstrap with bias correction and acceleration (BCa); above
  `MOST_DRAWN` values the normal interval, which is nearly the same and needs no draws.
- A statistic of pairs of items, such as a correlation of all cosines: half-samples without replacement. The
  bootstrap draws rows twice, and a row that is in the sample twice is its own nearest neighbor.

Two results on the same items are compared in pairs: see `difference` and `paired_p_value`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.vision.inputs import as_number, as_numbers, as_seed, as_whole

RESAMPLES = 2000
MOST_HALF = 1000  # rows of a subsample: statistics of pairs take time with the square of their number
MOST_DRAWN = 2000  # values for the bootstrap: BCa takes time with the square of their number
LEVEL = 0.95

Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Estimate:
    """A measured value, its 95 % interval, the level of chance, and how many items were asked.

    `chance` is None where guessing has no value to compare with. `values` holds one value per item where the
    estimate is their mean, for comparisons in pairs, and None otherwise.
    """

    value: float
    low: float
    high: float
    chance: float | None
    count: int
    values: Numbers | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        chance = "" if self.chance is None else f", chance {self.chance:.3g}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}{chance}; {self.count} items)"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; without `values`."""
        return {name: getattr(self, name) for name in ("value", "low", "high", "chance", "count")}


def of_mean(values: ArrayLike, chance: float | None = None, *, seed: int = 0) -> Estimate:
    """Return the mean of one value per item with its interval: Wilson for shares, else BCa.

    Values that are all 0 or 1 are a share. seed: of the bootstrap. ValueError without values, and for values
    that are no numbers.
    """
    numbers, seed = as_numbers(values, "values"), as_seed(seed)
    chance = None if chance is None else as_number(chance, "chance")
    if numbers.ndim != 1 or not len(numbers):
        raise ValueError(f"expected one value for each item; the shape is {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError("a value is NaN or infinite; every item needs a number")
    low, high = _wilson(numbers) if np.isin(numbers, (0, 1)).all() else _of_numbers(numbers, seed)
    return Estimate(float(numbers.mean()), low, high, chance, len(numbers), numbers)


def _wilson(right: Numbers) -> tuple[float, float]:
    from scipy.stats import binomtest

    interval = binomtest(int(right.sum()), len(right)).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)


def _of_numbers(numbers: Numbers, seed: int) -> tuple[float, float]:
    if np.ptp(numbers) == 0:  # no spread was seen, and nothing is known of the range of the values
        return float(numbers[0]), float(numbers[0])
    return _normal(numbers) if len(numbers) > MOST_DRAWN else _bootstrap(numbers, seed)


def _normal(numbers: Numbers) -> tuple[float, float]:
    from scipy.stats import norm

    low, high = norm.interval(LEVEL, numbers.mean(), numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return float(low), float(high)


def _bootstrap(numbers: Numbers, seed: int) -> tuple[float, float]:
    from scipy.stats import bootstrap

    interval = bootstrap(
        (numbers,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="BCa",
        batch=2**20 // len(numbers),
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def of_statistic(
    statistic: Callable[[NDArray[np.intp]], float],
    count: int,
    chance: float | None = None,
    *,
    resamples: int = 200,
    most: float = np.inf,
    seed: int = 0,
) -> Estimate:
    """Return a statistic of rows with an interval from half-samples without replacement.

    statistic: takes row numbers and returns its value on these rows. Rows are drawn without replacement,
    because a row that is in the sample twice is its own nearest neighbor; half of the rows, because the
    spread of half-samples is that of the bootstrap (Politis and Romano 1994, subsampling). Of many rows
    `MOST_HALF` are drawn and the spread is scaled; halves without a value, such as of equal items, are left
    out. The interval is Student's with that spread: the ends of so few draws alone would be too narrow. most:
    the largest possible value, where the interval ends. ValueError where the statistic is no number, of all
    rows or of most halves.
    """
    from scipy.stats import t

    rng = np.random.default_rng(as_seed(seed))
    count, resamples = as_whole(count, "count", 2), as_whole(resamples, "resamples", 2)
    value = statistic(np.arange(count))
    if not np.isfinite(value):
        raise ValueError("the value is no number: are all items alike?")
    size = min(count // 2, MOST_HALF)
    drawn = np.array([statistic(np.sort(rng.permutation(count)[:size])) for _ in range(resamples)])
    known = drawn[np.isfinite(drawn)]
    if 2 * len(known) < resamples:
        raise ValueError(
            f"most halves of the {count} items have no value, so there is no interval: too few items "
            f"differ or have a partner"
        )
    spread = np.std(known, ddof=1) * np.sqrt(size / (count - size))
    reach = t.ppf(0.5 + LEVEL / 2, resamples - 1) * spread
    # A half-sample's mean may be off the whole's; only its spread is used.
    return Estimate(value, float(value - reach), float(min(value + reach, max(most, value))), chance, count)


# ------------------------------------------------------------------------------- two results, same items


def difference(first: Estimate | ArrayLike, second: Estimate | ArrayLike, *, seed: int = 0) -> Estimate:
    """Return the mean of second minus first, item by item, with its interval; chance is 0.

    Both are estimates of means, or one value per item, of the same items in the same order. What both share,
    such as items that are hard for all, cancels out: the interval is narrower than the two intervals suggest.
    BCa as in `of_mean`; where no item differs, or all of a share do in one direction, as far as so many items
    can tell. ValueError where they are not of the same items.
    """
    seed, (one, other) = as_seed(seed), _pairs(first, second)
    apart = other - one
    if not apart.any():
        _, reach = _wilson(apart)
        low, high = -reach, reach
    elif _are_shares(one, other) and np.ptp(apart) == 0:
        low, high = sorted(apart[0] * end for end in _wilson(np.abs(apart)))
    else:
        low, high = _of_numbers(apart, seed)
    return Estimate(float(apart.mean()), low, high, 0.0, len(apart), apart)


def paired_p_value(first: Estimate | ArrayLike, second: Estimate | ArrayLike) -> float:
    """Return the p-value of "both are equally good on such items", two-sided, from a paired test.

    For shares McNemar's exact test: of the items on which exactly one is right, half should go to each. For
    other values a test of random signs (10,000 draws, always the same). ValueError as in `difference`.
    """
    from scipy.stats import binomtest, permutation_test

    one, other = _pairs(first, second)
    apart = (other - one)[other != one]
    if not len(apart):
        return 1.0
    if len(apart) == 1:  # either sign is as likely
        return 1.0
    if _are_shares(one, other):
        return float(binomtest(int((apart > 0).sum()), len(apart)).pvalue)
    drawn = permutation_test(
        (apart,),
        lambda values, axis: values.mean(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9_999,
        batch=max(2**22 // len(apart), 1),
        rng=np.random.default_rng(0),
    )
    return float(drawn.pvalue)


def clearly_better(first: Estimate | ArrayLike, second: Estimate | ArrayLike) -> bool:
    """Tell whether the second is better than the first on the same items: 5 % level, paired test."""
    one, other = _pairs(first, second)
    return bool(other.mean() > one.mean()) and paired_p_value(one, other) < 1 - LEVEL


def _are_shares(*samples: Numbers) -> bool:
    return all(np.isin(values, (0, 1)).all() for values in samples)


def _pairs(first: Estimate | ArrayLike, second: Estimate | ArrayLike) -> tuple[Numbers, Numbers]:
    one, other = (part.values if isinstance(part, Estimate) else part for part in (first, second))
    if one is None or other is None:
        raise ValueError("an estimate that is no mean of one value per item cannot be compared in pairs")
    a, b = as_numbers(one, "values"), as_numbers(other, "values")
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(
            f"values of shape {a.shape} and {b.shape}: expected one value for each of the same items"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a value is NaN or infinite; every item needs a number")
    return a, b
