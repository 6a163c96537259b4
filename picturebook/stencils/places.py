"""Buildings and food."""

from functools import partial

from picturebook.kind import Kind
from picturebook.stencils.pen import CUT, DETAIL, PAPER, Pen, kind


def _house(pen: Pen) -> None:
    pen.box(70, 8, 82, 34, 0, DETAIL)
    pen.box(12, 44, 88, 98)
    pen.shape([(50, 2), (100, 50), (0, 50)], DETAIL)
    pen.box(42, 66, 60, 98, 0, DETAIL)
    pen.box(20, 60, 35, 76, 0, PAPER)
    pen.box(67, 60, 82, 76, 0, PAPER)


def _castle(pen: Pen) -> None:
    pen.box(0, 20, 28, 98)
    pen.box(72, 20, 100, 98)
    pen.box(20, 44, 80, 98)
    for left in (0, 18, 72, 90):
        pen.box(left, 8, left + 10, 24)
    for left in (34, 56):
        pen.box(left, 34, left + 10, 48)
    pen.box(40, 66, 60, 98, 0, DETAIL)
    pen.slice(50, 67, 10, 180, 360, DETAIL)
    pen.box(11, 36, 18, 52, 2, PAPER)
    pen.box(82, 36, 89, 52, 2, PAPER)


def _lighthouse(pen: Pen) -> None:
    pen.shape([(38, 26), (62, 26), (72, 96), (28, 96)])
    for top in (42, 70):
        inset = (top - 26) * 0.14
        pen.shape(
            [(38 - inset, top), (62 + inset, top), (64 + inset, top + 13), (36 - inset, top + 13)], PAPER
        )
    pen.box(38, 10, 62, 27, 0, PAPER)
    pen.shape([(50, -4), (66, 11), (34, 11)], DETAIL)
    pen.box(30, 24, 70, 31, 0, DETAIL)
    pen.box(20, 94, 80, 100, 0, DETAIL)


def _windmill(pen: Pen) -> None:
    pen.shape([(36, 40), (64, 40), (74, 100), (26, 100)])
    pen.slice(50, 41, 15, 180, 360, DETAIL)
    pen.box(43, 78, 57, 100, 0, DETAIL)
    for across, down in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        pen.line([(50, 40), (50 + 38 * across, 40 + 38 * down)], 4, DETAIL)
        tip = (50 + 38 * across, 40 + 38 * down)
        inner = (50 + 12 * across, 40 + 12 * down)
        shift = (-12 * down * across * across, 12 * across * down * down)
        pen.shape(
            [inner, tip, (tip[0] + shift[0], tip[1] + shift[1]), (inner[0] + shift[0], inner[1] + shift[1])],
            PAPER,
        )
        pen.line([inner, tip], 4, DETAIL)


def _church(pen: Pen) -> None:
    pen.line([(24, -6), (24, 14)], 4, DETAIL)
    pen.line([(17, 0), (31, 0)], 4, DETAIL)
    pen.box(8, 40, 40, 98)
    pen.shape([(24, 8), (46, 42), (2, 42)], DETAIL)
    pen.box(38, 62, 98, 98)
    pen.shape([(40, 40), (86, 40), (100, 64), (40, 64)], DETAIL)
    pen.oval(24, 56, 8, ink=PAPER)
    pen.box(18, 78, 30, 98, 0, DETAIL)
    for left in (50, 66, 82):
        pen.box(left, 72, left + 9, 90, 4, PAPER)


def _tent(pen: Pen) -> None:
    pen.shape([(50, 12), (100, 90), (0, 90)])
    pen.shape([(50, 40), (70, 90), (30, 90)], DETAIL)
    pen.line([(50, 12), (56, 2)], 4)
    pen.line([(50, 12), (44, 2)], 4)


def _apple(pen: Pen) -> None:
    pen.line([(50, 26), (56, 4)], 6, DETAIL)
    pen.oval(72, 12, 15, 7, DETAIL)
    pen.oval(34, 58, 33, 37)
    pen.oval(66, 58, 33, 37)
    pen.arc(30, 54, 16, 170, 260, 5, PAPER)


def _pear(pen: Pen) -> None:
    pen.line([(50, 20), (56, 0)], 6, DETAIL)
    pen.oval(50, 70, 34, 30)
    pen.oval(50, 34, 19, 22)
    pen.shape([(31, 36), (69, 36), (82, 62), (18, 62)])
    pen.arc(46, 70, 20, 130, 210, 5, PAPER)


def _cherries(pen: Pen) -> None:
    pen.line([(26, 70), (36, 34), (62, 6), (70, 42), (76, 66)], 5, DETAIL)
    pen.oval(76, 10, 18, 8, DETAIL)
    for x, y in ((24, 76), (76, 72)):
        pen.oval(x, y, 23)
        pen.oval(x - 8, y - 8, 5, ink=PAPER)


def _banana(pen: Pen) -> None:
    pen.oval(46, 40, 46, 52)
    pen.oval(52, 24, 50, 46, CUT)
    pen.line([(4, 26), (2, 14)], 8, DETAIL)
    pen.line([(92, 58), (97, 54)], 7, DETAIL)
    pen.arc(46, 36, 42, 30, 140, 3, DETAIL)


def _carrot(pen: Pen) -> None:
    for x in (38, 50, 62):
        pen.line([(50, 30), (x, 4)], 9, DETAIL)
    pen.shape([(28, 34), (72, 34), (50, 102)])
    pen.oval(50, 34, 22, 9)
    for x, y, to_x in ((32, 46, 46), (66, 56, 54), (42, 68, 50)):
        pen.line([(x, y), (to_x, y + 1)], 3, DETAIL)


def _ice_cream(pen: Pen) -> None:
    pen.shape([(24, 46), (76, 46), (50, 102)], PAPER)
    pen.line([(24, 46), (50, 100), (76, 46)], 3.5, DETAIL)
    pen.line([(34, 48), (58, 80)], 2.5, DETAIL)
    pen.line([(66, 48), (42, 80)], 2.5, DETAIL)
    for x, y, radius in ((34, 36, 20), (66, 36, 20), (50, 18, 20)):
        pen.oval(x, y, radius)


def _cake(pen: Pen) -> None:
    for x in (28, 50, 72):
        pen.line([(x, 24), (x, 40)], 5, DETAIL)
        pen.oval(x, 14, 4, 7, DETAIL)
    pen.box(8, 40, 92, 90, 6)
    pen.box(8, 40, 92, 54, 6, PAPER)
    for x in (20, 40, 60, 80):
        pen.oval(x, 54, 10, 8, PAPER)
    pen.box(0, 88, 100, 97, 4, DETAIL)


def _lollipop(pen: Pen) -> None:
    pen.line([(50, 60), (50, 100)], 7, DETAIL)
    pen.oval(50, 34, 34)
    pen.arc(50, 34, 22, -40, 230, 6, PAPER)
    pen.arc(50, 34, 10, 150, 420, 6, PAPER)


def _pizza(pen: Pen) -> None:
    pen.shape([(4, 22), (96, 22), (50, 100)])
    pen.box(0, 8, 100, 26, 9, DETAIL)
    for x, y in ((34, 40), (62, 42), (50, 66)):
        pen.oval(x, y, 8, ink=PAPER)


_building = partial(kind, family="buildings")
_food = partial(kind, family="food")

PLACES: tuple[Kind, ...] = (
    _building("house", "maison", _house, feminine=True),
    _building("castle", "château", _castle, synonyms=("fortress",)),
    _building("lighthouse", "phare", _lighthouse),
    _building("windmill", "moulin à vent", _windmill),
    _building("church", "église", _church, feminine=True, plural="churches"),
    _building("tent", "tente", _tent, feminine=True),
)
FOOD: tuple[Kind, ...] = (
    _food("apple", "pomme", _apple, feminine=True),
    _food("pear", "poire", _pear, feminine=True),
    _food("pair of cherries", "paire de cerises", _cherries, feminine=True, plural="pairs of cherries"),
    _food("banana", "banane", _banana, feminine=True),
    _food("carrot", "carotte", _carrot, feminine=True),
    _food("ice cream", "glace", _ice_cream, feminine=True, synonyms=("ice-cream cone",)),
    _food("cake", "gâteau", _cake, synonyms=("birthday cake",)),
    _food("lollipop", "sucette", _lollipop, feminine=True),
    _food("slice of pizza", "part de pizza", _pizza, feminine=True, plural="slices of pizza"),
)
