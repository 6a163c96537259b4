"""What receipts, tickets and timetables say."""

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.random import Generator

from picturebook.kind import Fact

_SHOPS = ("CORNER SHOP", "GREEN MARKET", "CITY BAKERY", "BOOK HOUSE", "CAFE NORD", "FARM STORE", "SUN KIOSK")
_ITEMS = (
    "BREAD", "MILK", "TEA", "COFFEE", "RICE", "EGGS", "SOAP", "CHEESE", "APPLES", "HONEY", "PASTA", "JUICE",
    "PAPER", "PENS", "CAKE", "SOUP", "BUTTER", "NUTS", "PLUMS", "FLOUR",
)  # fmt: skip
_CITIES = (
    "PARIS", "LYON", "ROME", "MILAN", "OSLO", "BERLIN", "MADRID", "LISBON", "VIENNA", "PRAGUE", "DUBLIN",
    "ZURICH", "NICE", "TURIN", "LONDON", "BREST", "GENEVA", "NAPLES", "BERGEN", "PORTO",
)  # fmt: skip
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Row:
    """One printed line: its cells, one to three, and how it is set.

    Styles: "plain", "heading", "centred", "total", and "stub" for the part of a ticket that is torn off.
    """

    cells: tuple[str, ...]
    style: str = "plain"


@dataclass(frozen=True)
class Page:
    """The rows of a document from top to bottom, and the facts that they hold."""

    rows: tuple[Row, ...]
    facts: Mapping[str, Fact]

    @property
    def lines(self) -> tuple[str, ...]:
        """Every printed text, row by row."""
        return tuple(" ".join(cell for cell in row.cells if cell) for row in self.rows)


def receipt_text(rng: Generator) -> Page:
    """Return a shop, a date, three to five items with prices in cents, and their sum."""
    shop, date = _pick(_SHOPS, rng), _date(rng)
    items = _some(_ITEMS, int(rng.integers(3, 6)), rng)
    prices = tuple(int(rng.integers(3, 60)) * 5 + 100 * int(rng.integers(0, 8)) for _ in items)
    total = sum(prices)
    rows = [Row((shop,), "heading"), Row((date,), "centred")]
    rows += [Row((item, money(price))) for item, price in zip(items, prices, strict=True)]
    rows.append(Row(("TOTAL", money(total)), "total"))
    printed = tuple(map(money, prices))
    return Page(
        tuple(rows), {"shop": shop, "date": date, "items": items, "prices": printed, "total": money(total)}
    )


def ticket_text(rng: Generator) -> Page:
    """Return a journey: from, to, date and time, coach and seat."""
    start, end = _some(_CITIES, 2, rng)
    date, time = _date(rng), _time(int(rng.integers(5 * 12, 23 * 12)))
    seat = f"{rng.integers(1, 89)}{'ABCDEF'[rng.integers(6)]}"
    rows = (
        Row(("TICKET",), "heading"),
        Row(("FROM", start)),
        Row(("TO", end)),
        Row(("DATE", date)),
        Row(("TIME", time)),
        Row(("SEAT", seat), "stub"),
    )
    return Page(rows, {"from": start, "to": end, "date": date, "time": time, "seat": seat})


def timetable_text(rng: Generator) -> Page:
    """Three to five departures in the order of time: when, where to, from which track."""
    count = int(rng.integers(3, 6))
    minutes = sorted(5 * int(step) for step in rng.choice(12 * 17, count, replace=False))
    times = tuple(_time(5 * 12 + minute // 5) for minute in minutes)
    places = _some(_CITIES, count, rng)
    tracks = tuple(str(rng.integers(1, 13)) for _ in range(count))
    rows = [Row(("TIME", "TO", "TRACK"), "heading")]
    rows += [Row(cells) for cells in zip(times, places, tracks, strict=True)]
    return Page(tuple(rows), {"times": times, "places": places, "tracks": tracks})


def money(cents: int) -> str:
    """Return a price as it is printed, such as "3.05"."""
    return f"{cents // 100}.{cents % 100:02}"


def _date(rng: Generator) -> str:
    return f"{rng.integers(1, 29)} {_pick(_MONTHS, rng)}"


def _time(steps: int) -> str:
    return f"{steps // 12:02}:{steps % 12 * 5:02}"


def _pick(names: tuple[str, ...], rng: Generator) -> str:
    return names[rng.integers(len(names))]


def _some(names: tuple[str, ...], count: int, rng: Generator) -> tuple[str, ...]:
    return tuple(names[i] for i in rng.permutation(len(names))[:count])
