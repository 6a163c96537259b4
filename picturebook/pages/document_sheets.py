"""The paper of receipts, tickets and timetables, without print."""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator
from PIL import Image, ImageDraw

from picturebook.pages.ink import BLACK, RGB, mix, rounded, scale_of

Box = tuple[float, float, float, float]

# Where the part with the seat is torn off a ticket, as a share of its width.
SEAT_AT = 0.72
_GRAY: RGB = (128, 128, 132)
# Paper and accent of a ticket; board, print and heading of a timetable.
_TINTS: tuple[tuple[RGB, RGB], ...] = (
    ((255, 240, 208), (176, 96, 16)),
    ((218, 238, 250), (24, 84, 150)),
    ((252, 226, 228), (168, 28, 60)),
    ((228, 244, 218), (32, 110, 60)),
)
_BOARDS: tuple[tuple[RGB, RGB, RGB], ...] = (
    ((18, 28, 52), (255, 208, 64), (52, 72, 120)),
    ((24, 24, 26), (250, 250, 248), (70, 70, 76)),
    ((255, 255, 255), (22, 22, 24), (24, 84, 150)),
    ((252, 248, 226), (22, 22, 24), (150, 40, 40)),
)


@dataclass(frozen=True)
class Sheet:
    """Form and colours of one document: its size and the box of its print, in pixels."""

    width: int
    height: int
    box: Box
    paper: RGB
    ink: RGB
    accent: RGB
    font: str


def _receipt_sheet(side: int, rng: Generator) -> Sheet:
    width = round(side * rng.uniform(0.6, 0.7))
    paper = ((255, 255, 253), (248, 246, 240), (244, 247, 250))[rng.integers(3)]
    name = ("mono", "sans")[rng.integers(2)]
    box = (0.09 * width, 0.05 * side, 0.91 * width, 0.93 * side)
    return Sheet(width, side, box, paper, BLACK, BLACK, name)


def _ticket_sheet(side: int, rng: Generator) -> Sheet:
    height = round(side * rng.uniform(0.48, 0.56))
    paper, accent = _TINTS[rng.integers(len(_TINTS))]
    name = ("mono", "sans")[rng.integers(2)]
    box = (0.05 * side, 0.08 * height, 0.95 * side, 0.94 * height)
    return Sheet(side, height, box, paper, BLACK, accent, name)


def _timetable_sheet(side: int, rng: Generator) -> Sheet:
    height = round(side * rng.uniform(0.6, 0.72))
    paper, ink, accent = _BOARDS[rng.integers(len(_BOARDS))]
    name = ("mono", "sans")[rng.integers(2)]
    box = (0.05 * side, 0.01 * height, 0.95 * side, 0.97 * height)
    return Sheet(side, height, box, paper, ink, accent, name)


def _receipt_paper(sheet: Sheet) -> Image.Image:
    """Return a strip torn off with teeth at its lower end."""
    scale = scale_of(sheet.height)
    width, height = sheet.width * scale, sheet.height * scale
    image = Image.new("RGBA", (width, height), (*_GRAY, 0))
    pen, line = ImageDraw.Draw(image), max(height // 250, scale)
    teeth, deep = 9, 0.035 * height
    for inset, fill in ((0.0, _GRAY), (float(line), sheet.paper)):
        far, low = width - 1 - inset, height - 1 - deep - 1.3 * inset
        points = [(inset, inset), (far, inset)]
        for tooth in range(2 * teeth, -1, -1):
            x = (width - 1) * tooth / (2 * teeth)
            points.append((min(max(x, inset), far), low + (deep if tooth % 2 else 0)))
        pen.polygon(points, fill=fill)
    return image.reduce(scale)


def _ticket_paper(sheet: Sheet) -> Image.Image:
    """Return a tinted card with a notch in each side and a perforation before the part that is torn off."""
    scale = scale_of(sheet.width)
    width, height = sheet.width * scale, sheet.height * scale
    image = Image.new("RGBA", (width, height), (*_GRAY, 0))
    pen, line = ImageDraw.Draw(image), max(width // 250, scale)
    middle = SEAT_AT * width
    rounded(pen, (0, 0, width - 1, height - 1), 0.08 * height, fill=_GRAY)
    box = (line, line, width - 1 - line, height - 1 - line)
    rounded(pen, box, 0.08 * height - line, fill=sheet.paper)
    for y in (0, height):
        for reach, fill in ((0.075 * height + line, (*_GRAY, 255)), (0.075 * height, (*_GRAY, 0))):
            pen.ellipse((middle - reach, y - reach, middle + reach, y + reach), fill=fill)
    holes = 9
    for hole in range(2, holes):
        down, radius = hole / (holes + 1) * height, max(0.012 * height, 0.45 * scale)
        pen.ellipse((middle - radius, down - radius, middle + radius, down + radius), fill=_GRAY)
    return image.reduce(scale)


def _timetable_paper(sheet: Sheet) -> Image.Image:
    image = Image.new("RGBA", (sheet.width, sheet.height), (*sheet.paper, 255))
    edge = (0, 0, sheet.width - 1, sheet.height - 1)
    line = max(round(sheet.width / 200), 1)
    ImageDraw.Draw(image).rectangle(edge, outline=mix(sheet.ink, sheet.paper, 0.45), width=line)
    return image


SHEETS: dict[str, Callable[[int, Generator], Sheet]] = {
    "receipt": _receipt_sheet,
    "ticket": _ticket_sheet,
    "timetable": _timetable_sheet,
}
PAPERS: dict[str, Callable[[Sheet], Image.Image]] = {
    "receipt": _receipt_paper,
    "ticket": _ticket_paper,
    "timetable": _timetable_paper,
}
