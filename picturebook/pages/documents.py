"""Small documents with real print: receipt, ticket, timetable."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from numpy.random import Generator
from PIL import ImageDraw

from picturebook.kind import Drawing, Fact, Kind, Look, Printed
from picturebook.pages.document_sheets import PAPERS, SEAT_AT, SHEETS, Box, Sheet
from picturebook.pages.document_text import Page, Row, receipt_text, ticket_text, timetable_text
from picturebook.pages.ink import RGB, font, mix, readable_ink, write

Describe = Callable[[Mapping[str, Fact]], str]

DOCUMENTS = ("receipt", "ticket", "timetable")
# Below this cap height print would not be legible: bars stand for the words.
SMALLEST_PRINT = 6
# Rows further apart than this, in cap heights, no longer look like one text.
_LOOSEST, _WIDEST, _TIGHTEST = 3.4, 24, 1.75


@dataclass(frozen=True)
class Cell:
    """One piece of print: where its baseline stands, and which of its ends is there ("l", "m" or "r")."""

    text: str
    x: float
    baseline: float
    anchor: str
    bold: bool
    ink: RGB


def draw_document(kind: str, side: int, rng: Generator, *, cap_height: int | None = None) -> Drawing:
    """Return a receipt, ticket or timetable, longer side `side`.

    All its print has capitals of `cap_height` pixels, by default as large as the sheet allows; where that
    is below 6, bars stand for the words and the facts are empty. Otherwise the facts hold all that is
    printed: each part under its name, every row under `lines`, and the `cap_height`. ValueError where a
    cap height that is asked for finds no room.
    """
    if kind not in DOCUMENTS:
        raise ValueError(f"no document {kind!r}; there are: {', '.join(DOCUMENTS)}")
    page, sheet = _TEXTS[kind](rng), SHEETS[kind](side, rng)
    room = _largest_cap(kind, page, sheet)
    cap = room if cap_height is None else cap_height
    if cap_height is not None and not SMALLEST_PRINT <= cap_height <= room:
        raise ValueError(f"a {kind} of {side} px has room for print of 6 to {room} px, not {cap_height}")
    image = PAPERS[kind](sheet)
    pen = ImageDraw.Draw(image)
    box = _block(kind, page, sheet, cap)
    _rules(kind, pen, page, sheet, box)
    cells = list(_cells(kind, page, sheet, box, cap))
    if cap < SMALLEST_PRINT:
        for cell in cells:
            _greek(pen, cell, sheet, cap)
        return Drawing(image)
    prints = tuple(_write(pen, cell, sheet, cap) for cell in cells)
    return Drawing(image, {**page.facts, "lines": page.lines, "cap_height": cap}, prints)


def smallest_side(kind: str, cap_height: int) -> int:
    """Return a side from which on print of `cap_height` pixels has room in any document of this kind."""
    return {"receipt": 25, "ticket": 28, "timetable": 24}[kind] * cap_height


def _lines(kind: str, page: Page) -> int:
    """Rows one above the other; a ticket's seat stands beside the others."""
    return len(page.rows) - (kind == "ticket")


def _columns(kind: str, sheet: Sheet) -> tuple[float, float]:
    """Left and right end of the print in the main part of the sheet."""
    left, _, right, _ = sheet.box
    return (left, SEAT_AT * sheet.width - left) if kind == "ticket" else (left, right)


def _largest_cap(kind: str, page: Page, sheet: Sheet) -> int:
    """Return the largest cap height at which every row fits into its width and the rows into the height."""
    left, right = _columns(kind, sheet)
    height = sheet.box[3] - sheet.box[1]
    cap = int(height / _lines(kind, page) / _TIGHTEST)
    needed = max(_needed(kind, page, sheet), 1.0)
    return max(min(cap, int((right - left) / needed)), 1)


def _needed(kind: str, page: Page, sheet: Sheet) -> float:
    """Width of the widest row in cap heights; a tenth is added for hinting, which widens small print."""
    rows = [row for row in page.rows if row.style != "stub"]
    if kind == "timetable":
        # Columns: each as wide as its widest cell.
        widths = [max(_ems(row.cells[i], sheet.font) for row in rows) for i in range(3)]
        return 1.1 * sum(widths) + 3
    gaps = [1.5 * (len(row.cells) - 1) for row in rows]
    widths = [sum(_ems(cell, sheet.font) for cell in row.cells) for row in rows]
    return max(1.1 * width + gap for width, gap in zip(widths, gaps, strict=True))


@lru_cache(maxsize=4096)
def _ems(text: str, name: str) -> float:
    """Width of `text` in bold, in cap heights."""
    face = font(f"{name} bold", 200)
    return face.getlength(text) / (0.729 * 200)


def _block(kind: str, page: Page, sheet: Sheet, cap: int) -> Box:
    """Return the box of the print: that of the sheet, or a smaller one in its middle for small print."""
    left, right = _columns(kind, sheet)
    _, top, _, bottom = sheet.box
    spare_x = max(right - left - _WIDEST * cap, 0) / 2
    spare_y = max(bottom - top - _LOOSEST * cap * _lines(kind, page), 0) / 2
    if cap < SMALLEST_PRINT:
        spare_x = spare_y = 0
    return left + spare_x, top + spare_y, right - spare_x, bottom - spare_y


def _cells(kind: str, page: Page, sheet: Sheet, box: Box, cap: int) -> Iterator[Cell]:
    left, top, right, bottom = box
    pitch = (bottom - top) / _lines(kind, page)
    second = _second_column(kind, page, sheet, left, right, cap)
    for number, row in enumerate(page.rows):
        baseline = top + (number + 0.5) * pitch + cap / 2
        bold = row.style in ("heading", "total")
        ink = sheet.ink
        if row.style == "heading" and kind != "receipt":
            ink = readable_ink(sheet.accent)
        if row.style == "stub":
            yield from _stub(row, sheet, pitch, cap)
        elif len(row.cells) == 1 and kind == "receipt":
            yield Cell(row.cells[0], (left + right) / 2, baseline, "m", bold, ink)
        else:
            yield Cell(row.cells[0], left, baseline, "l", bold, ink)
            if len(row.cells) > 1 and kind != "receipt":
                yield Cell(row.cells[1], second, baseline, "l", bold or kind == "ticket", ink)
            if len(row.cells) > 1 and kind != "ticket":
                yield Cell(row.cells[-1], right, baseline, "r", bold, ink)


def _second_column(kind: str, page: Page, sheet: Sheet, left: float, right: float, cap: int) -> float:
    first = 1.1 * cap * max(_ems(row.cells[0], sheet.font) for row in page.rows if len(row.cells) > 1)
    # What is left over widens the gap, up to a point.
    spare = right - left - cap * _needed(kind, page, sheet)
    return left + first + 1.5 * cap + min(max(spare, 0) / 2, 3 * cap)


def _stub(row: Row, sheet: Sheet, pitch: float, cap: int) -> Iterator[Cell]:
    middle = (1 + SEAT_AT) / 2 * sheet.width
    for text, way in zip(row.cells, (-0.5, 0.5), strict=True):
        baseline = 0.5 * sheet.height + way * max(pitch, 1.8 * cap) + cap / 2
        yield Cell(text, middle, baseline, "m", way > 0, sheet.ink)


def _write(pen: ImageDraw.ImageDraw, cell: Cell, sheet: Sheet, cap: int) -> Printed:
    name = f"{sheet.font} bold" if cell.bold else sheet.font
    # Whole pixels: hinted print stays crisp, and the cap height exact.
    place = (round(cell.x), round(cell.baseline))
    return write(pen, place, cell.text, cell.ink, name, cap, anchor=f"{cell.anchor}s")


def _greek(pen: ImageDraw.ImageDraw, cell: Cell, sheet: Sheet, cap: int) -> None:
    width = 0.92 * cap * _ems(cell.text, sheet.font)
    left = cell.x - {"l": 0, "m": 0.5, "r": 1}[cell.anchor] * width
    top, height = round(cell.baseline - cap), max(round(0.8 * cap), 1)
    share = 0.15 if cell.bold else 0.4
    box = (round(left), top, max(round(left + width) - 1, round(left)), top + height - 1)
    pen.rectangle(box, fill=mix(cell.ink, sheet.paper, share))


def _rules(kind: str, pen: ImageDraw.ImageDraw, page: Page, sheet: Sheet, box: Box) -> None:
    """Lines between the rows, and the band behind a heading."""
    pitch = (box[3] - box[1]) / _lines(kind, page)
    line = max(round(max(sheet.width, sheet.height) / 250), 1)
    if kind == "receipt":
        for row in (2, len(page.rows) - 1):
            _dashes(pen, sheet, box, round(box[1] + row * pitch), line)
        return
    far = sheet.width - 1 - line if kind == "timetable" else round(SEAT_AT * sheet.width) - line
    pen.rectangle((line, round(box[1]), far, round(box[1] + pitch)), fill=sheet.accent)
    if kind == "timetable":
        for row in range(2, len(page.rows)):
            y = round(box[1] + row * pitch)
            pen.line((round(box[0]), y, round(box[2]), y), fill=mix(sheet.ink, sheet.paper, 0.7), width=line)


def _dashes(pen: ImageDraw.ImageDraw, sheet: Sheet, box: Box, y: int, line: int) -> None:
    step = max(round(sheet.width / 40), 2)
    for x in range(round(box[0]), round(box[2]) - step + 1, 2 * step):
        pen.line((x, y, x + step - 1, y), fill=mix(sheet.ink, sheet.paper, 0.3), width=line)


_TEXTS: dict[str, Callable[[Generator], Page]] = {
    "receipt": receipt_text,
    "ticket": ticket_text,
    "timetable": timetable_text,
}


def _kind(name: str, french: str, synonyms: tuple[str, ...], describe: Describe) -> Kind:
    def draw(look: Look, side: int, rng: Generator) -> Drawing:
        return draw_document(name, side, rng)

    return Kind(
        name=name,
        plural=f"{name}s",
        family="documents",
        french=french,
        feminine=False,
        draw=draw,
        takes_color=False,
        synonyms=synonyms,
        describe=describe,
    )


def _describe_receipt(facts: Mapping[str, Fact]) -> str:
    return f"receipt with a total of {facts['total']}" if "total" in facts else "receipt"


def _describe_ticket(facts: Mapping[str, Fact]) -> str:
    return f"ticket from {_name(facts['from'])} to {_name(facts['to'])}" if "from" in facts else "ticket"


def _describe_timetable(facts: Mapping[str, Fact]) -> str:
    places = facts.get("places")
    return f"timetable with {len(places)} departures" if isinstance(places, tuple) else "timetable"


def _name(city: Fact) -> str:
    return str(city).capitalize()


DOCUMENT_KINDS = (
    _kind("receipt", "ticket de caisse", ("till receipt", "sales slip"), _describe_receipt),
    _kind("ticket", "billet", ("train ticket",), _describe_ticket),
    _kind("timetable", "tableau des départs", ("departure board",), _describe_timetable),
)
