"""Flags of countries, in their official proportions; none of them is another one's look-alike."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

from numpy.random import Generator
from PIL import Image, ImageChops, ImageDraw

from picturebook.kind import Drawing, Kind, Look
from picturebook.pages.ink import RGB, SMALL, master_size, size_with_side

Paint = Callable[[Image.Image], None]
Part = tuple[RGB, float]

_W: RGB = (255, 255, 255)
_EDGE: RGB = (128, 128, 132)


def bands(*parts: Part, upright: bool = False) -> Paint:
    """Bands from top to bottom, or from left to right, each with its colour and its share."""

    def paint(image: Image.Image) -> None:
        pen, total, start = ImageDraw.Draw(image), sum(share for _, share in parts), 0.0
        for color, share in parts:
            end = start + share / total
            left, far = (start, end) if upright else (0.0, 1.0)
            top, bottom = (0.0, 1.0) if upright else (start, end)
            x, y = image.size
            pen.rectangle((round(left * x), round(top * y), round(far * x), round(bottom * y)), fill=color)
            start = end

    return paint


def disc(field: RGB, ink: RGB, x: float, radius: float) -> Paint:
    """Return a disc at `x` (share of the width) with a radius given as a share of the height."""

    def paint(image: Image.Image) -> None:
        image.paste(field, (0, 0, *image.size))
        _ellipse(ImageDraw.Draw(image), x * image.width, image.height / 2, radius * image.height, ink)

    return paint


def cross(field: RGB, *layers: tuple[RGB, float], x: float, unit: float) -> Paint:
    """Return a Nordic cross: bars of the widths given, in units of 1/`unit` of the height, centred at `x`."""

    def paint(image: Image.Image) -> None:
        image.paste(field, (0, 0, *image.size))
        pen, middle = ImageDraw.Draw(image), image.height / 2
        for ink, width in layers:
            half = width / unit * image.height / 2
            pen.rectangle((0, round(middle - half), image.width, round(middle + half) - 1), fill=ink)
            left = x * image.width
            pen.rectangle((round(left - half), 0, round(left + half) - 1, image.height), fill=ink)

    return paint


def _ellipse(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, ink: RGB) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)


def _star(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, ink: RGB, turn: float = 0.0) -> None:
    points = []
    for corner in range(10):
        angle = 2 * pi * (corner / 10 + turn)
        reach = radius * (0.382 if corner % 2 else 1)
        points.append((x + reach * sin(angle), y - reach * cos(angle)))
    pen.polygon(points, fill=ink)


def _czechia(image: Image.Image) -> None:
    bands((_W, 1), ((215, 20, 26), 1))(image)
    width, height = image.size
    ImageDraw.Draw(image).polygon([(0, 0), (width / 2, height / 2), (0, height)], fill=(17, 69, 126))


def _greece(image: Image.Image) -> None:
    blue = (0, 94, 184)
    bands(*[(_W if row % 2 else blue, 1.0) for row in range(9)])(image)
    pen, unit = ImageDraw.Draw(image), image.height / 9
    pen.rectangle((0, 0, 5 * unit - 1, 5 * unit - 1), fill=blue)
    pen.rectangle((2 * unit, 0, 3 * unit - 1, 5 * unit - 1), fill=_W)
    pen.rectangle((0, 2 * unit, 5 * unit - 1, 3 * unit - 1), fill=_W)


def _switzerland(image: Image.Image) -> None:
    image.paste((218, 41, 28), (0, 0, *image.size))
    pen, unit = ImageDraw.Draw(image), image.width / 32
    pen.rectangle((6 * unit, 13 * unit, 26 * unit, 19 * unit), fill=_W)
    pen.rectangle((13 * unit, 6 * unit, 19 * unit, 26 * unit), fill=_W)


def _turkey(image: Image.Image) -> None:
    red = (227, 10, 23)
    image.paste(red, (0, 0, *image.size))
    pen, unit = ImageDraw.Draw(image), image.height
    _ellipse(pen, 0.5 * unit, 0.5 * unit, 0.25 * unit, _W)
    _ellipse(pen, 0.5625 * unit, 0.5 * unit, 0.2 * unit, red)
    _star(pen, 0.8208 * unit, 0.5 * unit, 0.125 * unit, _W, turn=-0.25)


def _vietnam(image: Image.Image) -> None:
    image.paste((218, 37, 29), (0, 0, *image.size))
    _star(ImageDraw.Draw(image), image.width / 2, image.height / 2, 0.3 * image.height, (255, 255, 0))


def _china(image: Image.Image) -> None:
    yellow = (255, 255, 0)
    image.paste((238, 28, 37), (0, 0, *image.size))
    pen, unit = ImageDraw.Draw(image), image.height / 20
    _star(pen, 5 * unit, 5 * unit, 3 * unit, yellow)
    for x, y, turn in ((10, 2, 0.17), (12, 4, 0.07), (12, 7, 0.0), (10, 9, 0.1)):
        _star(pen, x * unit, y * unit, unit, yellow, turn)


def _united_states(image: Image.Image) -> None:
    red, blue = (179, 25, 66), (10, 49, 97)
    bands(*[(_W if row % 2 else red, 1.0) for row in range(13)])(image)
    pen, (width, height) = ImageDraw.Draw(image), (0.4 * image.width, 7 / 13 * image.height)
    pen.rectangle((0, 0, round(width), round(height) - 1), fill=blue)
    for row in range(9):
        for column in range(row % 2, 11, 2):
            x, y = (column + 1) / 12 * width, (row + 1) / 10 * height
            _star(pen, x, y, 0.0308 * image.height, _W)


def _united_kingdom(image: Image.Image) -> None:
    blue, red = (1, 33, 105), (200, 16, 46)
    image.paste(blue, (0, 0, *image.size))
    pen, (width, height) = ImageDraw.Draw(image), image.size
    unit, x, y = height / 30, width / 2, height / 2
    diagonals = ([(0, 0), (width, height)], [(0, height), (width, 0)])
    saltire, kept = Image.new("L", image.size), Image.new("L", image.size)
    for ends in diagonals:
        pen.line(ends, fill=_W, width=round(6 * unit))
        ImageDraw.Draw(saltire).line(ends, fill=255, width=round(4 * unit))
    # The red saltire is counterchanged: each arm keeps to one side of its diagonal.
    for far in (
        [(width, y), (width, height)],
        [(x, height), (0, height)],
        [(0, y), (0, 0)],
        [(x, 0), (width, 0)],
    ):
        ImageDraw.Draw(kept).polygon([(x, y), *far], fill=255)
    image.paste(red, (0, 0), ImageChops.multiply(saltire, kept))
    for share, ink in ((10, _W), (6, red)):
        half = share * unit / 2
        pen.rectangle((x - half, 0, x + half, height), fill=ink)
        pen.rectangle((0, y - half, width, y + half), fill=ink)


@dataclass(frozen=True)
class Flag:
    """A country with its adjective, the French name with preposition, width : height, and the painting."""

    country: str
    adjective: str
    french: str
    proportion: tuple[float, float]
    paint: Paint


_SOME = [
    Flag(
        "France",
        "French",
        "de la France",
        (3, 2),
        bands(((0, 0, 145), 1), (_W, 1), ((225, 0, 15), 1), upright=True),
    ),
    Flag(
        "Italy",
        "Italian",
        "de l'Italie",
        (3, 2),
        bands(((0, 140, 69), 1), (_W, 1), ((205, 33, 42), 1), upright=True),
    ),
    Flag(
        "Belgium",
        "Belgian",
        "de la Belgique",
        (15, 13),
        bands(((20, 20, 20), 1), ((253, 218, 36), 1), ((239, 51, 64), 1), upright=True),
    ),
    Flag(
        "Romania",
        "Romanian",
        "de la Roumanie",
        (3, 2),
        bands(((0, 43, 127), 1), ((252, 209, 22), 1), ((206, 17, 38), 1), upright=True),
    ),
    Flag(
        "Nigeria",
        "Nigerian",
        "du Nigeria",
        (2, 1),
        bands(((0, 135, 81), 1), (_W, 1), ((0, 135, 81), 1), upright=True),
    ),
    Flag(
        "Germany",
        "German",
        "de l'Allemagne",
        (5, 3),
        bands(((0, 0, 0), 1), ((221, 0, 0), 1), ((255, 204, 0), 1)),
    ),
    Flag(
        "the Netherlands",
        "Dutch",
        "des Pays-Bas",
        (3, 2),
        bands(((174, 28, 40), 1), (_W, 1), ((33, 70, 139), 1)),
    ),
    Flag(
        "Austria", "Austrian", "de l'Autriche", (3, 2), bands(((200, 16, 46), 1), (_W, 1), ((200, 16, 46), 1))
    ),
    Flag(
        "Hungary",
        "Hungarian",
        "de la Hongrie",
        (2, 1),
        bands(((206, 41, 57), 1), (_W, 1), ((71, 112, 80), 1)),
    ),
    Flag("Estonia", "Estonian", "de l'Estonie", (11, 7), bands(((0, 114, 206), 1), ((0, 0, 0), 1), (_W, 1))),
    Flag(
        "Lithuania",
        "Lithuanian",
        "de la Lituanie",
        (5, 3),
        bands(((253, 185, 19), 1), ((0, 106, 68), 1), ((193, 39, 45), 1)),
    ),
    Flag(
        "Colombia",
        "Colombian",
        "de la Colombie",
        (3, 2),
        bands(((252, 209, 22), 2), ((0, 56, 147), 1), ((206, 17, 38), 1)),
    ),
    Flag("Poland", "Polish", "de la Pologne", (8, 5), bands((_W, 1), ((220, 20, 60), 1))),
    Flag("Ukraine", "Ukrainian", "de l'Ukraine", (3, 2), bands(((0, 87, 183), 1), ((255, 215, 0), 1))),
    Flag("Japan", "Japanese", "du Japon", (3, 2), disc(_W, (188, 0, 45), 0.5, 0.3)),
    Flag(
        "Bangladesh", "Bangladeshi", "du Bangladesh", (5, 3), disc((0, 106, 78), (244, 42, 65), 0.45, 1 / 3)
    ),
    Flag(
        "Sweden",
        "Swedish",
        "de la Suède",
        (8, 5),
        cross((0, 106, 167), ((254, 204, 2), 2), x=6 / 16, unit=10),
    ),
    Flag("Finland", "Finnish", "de la Finlande", (18, 11), cross(_W, ((0, 47, 108), 3), x=6.5 / 18, unit=11)),
    Flag("Denmark", "Danish", "du Danemark", (37, 28), cross((200, 16, 46), (_W, 4), x=14 / 37, unit=28)),
    Flag(
        "Norway",
        "Norwegian",
        "de la Norvège",
        (22, 16),
        cross((186, 12, 47), (_W, 4), ((0, 32, 91), 2), x=8 / 22, unit=16),
    ),
    Flag("Czechia", "Czech", "de la Tchéquie", (3, 2), _czechia),
    Flag("Greece", "Greek", "de la Grèce", (3, 2), _greece),
    Flag("Switzerland", "Swiss", "de la Suisse", (1, 1), _switzerland),
    Flag("Turkey", "Turkish", "de la Turquie", (3, 2), _turkey),
    Flag("Vietnam", "Vietnamese", "du Viêt Nam", (3, 2), _vietnam),
    Flag("China", "Chinese", "de la Chine", (3, 2), _china),
    Flag("the United States", "American", "des États-Unis", (19, 10), _united_states),
    Flag("the United Kingdom", "British", "du Royaume-Uni", (2, 1), _united_kingdom),
]
COUNTRIES: dict[str, Flag] = {flag.country: flag for flag in _SOME}


def draw_flag(country: str, side: int) -> Image.Image:
    """RGBA, longer side `side`: the flag, flat, with a thin grey edge that keeps white on white visible."""
    if country not in COUNTRIES:
        raise ValueError(f"no flag of {country!r}; there are: {', '.join(COUNTRIES)}")
    flag = COUNTRIES[country]
    master = (_kept_cloth if side <= SMALL else _cloth)(country, master_size(side))
    image = master.resize(size_with_side(*flag.proportion, side), Image.Resampling.BOX)
    edge = ImageDraw.Draw(image)
    for line in range(max(side // 150, 1)):
        edge.rectangle((line, line, image.width - 1 - line, image.height - 1 - line), outline=_EDGE)
    return image


def _cloth(country: str, size: int) -> Image.Image:
    flag = COUNTRIES[country]
    image = Image.new("RGB", size_with_side(*flag.proportion, size))
    flag.paint(image)
    return image.convert("RGBA")


_kept_cloth = lru_cache(maxsize=32)(_cloth)


def _kind(flag: Flag) -> Kind:
    def draw(look: Look, side: int, rng: Generator) -> Drawing:
        return Drawing(draw_flag(flag.country, side))

    return Kind(
        name=f"flag of {flag.country}",
        plural=f"flags of {flag.country}",
        family="flags",
        french=f"drapeau {flag.french}",
        feminine=False,
        draw=draw,
        takes_color=False,
        synonyms=(f"{flag.adjective} flag",),
    )


FLAGS = tuple(_kind(flag) for flag in _SOME)
