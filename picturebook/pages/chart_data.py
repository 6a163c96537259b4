"""What charts show: titles, words on the axes, categories and values with one clear winner."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

_PLACES = ("Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Tokyo", "Kyoto", "Bern", "Quito")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

# Title, word on the x axis, word on the y axis, categories.
_PARTS = (
    ("Fruit", "fruit", "boxes", ("apples", "pears", "plums", "figs", "limes", "grapes")),
    ("Pets", "animal", "homes", ("cats", "dogs", "birds", "fish", "mice", "frogs")),
    ("Sport", "sport", "players", ("golf", "judo", "chess", "rugby", "polo", "tennis")),
    ("Drinks", "drink", "cups", ("tea", "milk", "cocoa", "juice", "water", "soda")),
    ("Trips", "vehicle", "trips", ("bus", "bike", "car", "tram", "train", "ferry")),
    ("Meals", "meal", "plates", ("soup", "rice", "pasta", "salad", "stew", "curry")),
    ("Trees", "tree", "planted", ("oak", "pine", "elm", "birch", "palm", "maple")),
    ("Music", "style", "hours", ("jazz", "rock", "folk", "opera", "soul", "blues")),
)
_SERIES = (
    ("Rain", "month", "mm", _MONTHS),
    ("Visitors", "month", "people", _MONTHS),
    ("Sales", "day", "euros", _DAYS),
    ("Heat", "day", "degrees", _DAYS),
    ("Traffic", "hour", "cars", tuple(str(hour) for hour in range(6, 20))),
    ("Power", "year", "watts", tuple(str(year) for year in range(2001, 2025))),
    ("Prices", "year", "euros", tuple(str(year) for year in range(2001, 2025))),
)
_PAIRS = (
    ("Plants", "light", "height"),
    ("Cars", "speed", "fuel"),
    ("Homes", "size", "price"),
    ("Runners", "age", "time"),
    ("Stars", "mass", "heat"),
    ("Lakes", "depth", "fish"),
)


@dataclass(frozen=True)
class ChartData:
    """One chart's content; `points` (0 to 1 in both directions) only for a scatter plot."""

    title: str
    x: str
    y: str
    categories: tuple[str, ...] = ()
    values: tuple[int, ...] = ()
    trend: str = ""
    points: tuple[tuple[float, float], ...] = ()
    top: int = 100

    @property
    def highest(self) -> int:
        """Position of the highest value."""
        return int(np.argmax(self.values))

    @property
    def lowest(self) -> int:
        """Position of the lowest value."""
        return int(np.argmin(self.values))

    def with_one_less(self) -> "ChartData | None":
        """Without one category, for bars neither the highest nor the lowest; None where three are left."""
        if len(self.values) <= 3:
            return None
        # The categories of a line follow one another: it loses its first one.
        inner = [i for i in range(len(self.values)) if i not in (self.highest, self.lowest)]
        gone = 0 if self.trend else inner[0]
        keep = [i for i in range(len(self.values)) if i != gone]
        return replace(
            self,
            categories=tuple(self.categories[i] for i in keep),
            values=tuple(self.values[i] for i in keep),
        )


def chart_data(kind: str, rng: Generator) -> ChartData:
    """Content for a chart of this kind ("bar chart", "line chart", "pie chart" or "scatter plot")."""
    if kind in ("bar chart", "pie chart"):
        return _parts(rng, pie=kind == "pie chart")
    if kind == "line chart":
        return _series(rng)
    if kind == "scatter plot":
        return _pairs(rng)
    raise ValueError(f"no chart {kind!r}")


def _title(subject: str, rng: Generator) -> str:
    return f"{subject} in {_PLACES[rng.integers(len(_PLACES))]}"


def _parts(rng: Generator, *, pie: bool) -> ChartData:
    title, x, y, names = _PARTS[rng.integers(len(_PARTS))]
    count = int(rng.integers(3, 6))
    chosen = tuple(names[i] for i in rng.permutation(len(names))[:count])
    # The winner is ahead by a quarter at least, and the last one is behind as clearly.
    shares = np.concatenate([[1.0], rng.uniform(0.48, 0.78, count - 2), [rng.uniform(0.22, 0.38)]])
    if pie:
        values = np.round(100 * shares / shares.sum()).astype(int)
        values[0] += 100 - values.sum()
    else:
        values = np.round(shares * rng.integers(30, 96)).astype(int)
    order = rng.permutation(count)
    return ChartData(_title(title, rng), x, y, chosen, tuple(int(values[i]) for i in order))


def _series(rng: Generator) -> ChartData:
    title, x, y, names = _SERIES[rng.integers(len(_SERIES))]
    count = int(rng.integers(4, 7))
    first = int(rng.integers(len(names) - count + 1))
    heights = np.linspace(rng.uniform(0.1, 0.3), rng.uniform(0.8, 1.0), count)
    # The noise is smaller than a step: the line rises all along, but is not straight.
    step = heights[1] - heights[0]
    heights = heights + rng.uniform(-0.35, 0.35, count) * step
    values = np.round(heights * rng.integers(50, 90)).astype(int)
    trend = "rising" if rng.random() < 0.5 else "falling"
    series = values if trend == "rising" else values[::-1]
    return ChartData(_title(title, rng), x, y, names[first : first + count], tuple(map(int, series)), trend)


def _pairs(rng: Generator) -> ChartData:
    title, x, y = _PAIRS[rng.integers(len(_PAIRS))]
    trend = ("rising", "falling", "none")[rng.integers(3)]
    count = int(rng.integers(18, 36))
    across = rng.uniform(0.05, 0.95, count)
    if trend == "none":
        up = rng.uniform(0.05, 0.95, count)
    else:
        slope = across if trend == "rising" else 1 - across
        up = np.clip(0.08 + 0.84 * slope + rng.normal(0, 0.07, count), 0.04, 0.96)
    points = tuple((float(a), float(b)) for a, b in zip(across, up, strict=True))
    top = int(rng.choice([10, 20, 40, 50, 100]))
    return ChartData(_title(title, rng), x, y, trend=trend, points=points, top=top)
