"""Plants and weather."""

from functools import partial
from math import cos, pi, sin

from picturebook.kind import Kind
from picturebook.stencils.pen import CUT, DETAIL, PAPER, Pen, kind


def _tree(pen: Pen) -> None:
    pen.box(42, 56, 58, 100, 2, DETAIL)
    for x, y, radius in ((50, 24, 24), (27, 42, 23), (73, 42, 23), (50, 48, 22)):
        pen.oval(x, y, radius)


def _fir(pen: Pen) -> None:
    pen.box(43, 80, 57, 100, 0, DETAIL)
    for top, bottom, half in ((0, 38, 22), (22, 62, 31), (44, 86, 40)):
        pen.shape([(50, top), (50 + half, bottom), (50 - half, bottom)])


def _flower(pen: Pen) -> None:
    pen.line([(50, 50), (50, 98)], 6, DETAIL)
    pen.oval(66, 80, 15, 7, DETAIL)
    for step in range(6):
        angle = pi * step / 3
        pen.oval(50 + 21 * cos(angle), 32 + 21 * sin(angle), 14)
    pen.oval(50, 32, 12, ink=PAPER)


def _leaf(pen: Pen) -> None:
    pen.shape([(8, 92), (6, 54), (22, 24), (52, 8), (96, 4), (94, 46), (76, 76), (46, 92)])
    pen.line([(0, 100), (76, 24)], 4, DETAIL)
    for x, y, to_x, to_y in ((30, 70, 26, 42), (48, 52, 46, 26), (36, 64, 62, 70), (54, 46, 78, 52)):
        pen.line([(x, y), (to_x, to_y)], 3, DETAIL)


def _mushroom(pen: Pen) -> None:
    pen.box(38, 50, 62, 98, 8, PAPER)
    pen.slice(50, 52, 48, 180, 360)
    for x, y, radius in ((50, 22, 9), (26, 38, 7), (75, 37, 8)):
        pen.oval(x, y, radius, ink=PAPER)


def _cactus(pen: Pen) -> None:
    pen.box(38, 2, 62, 98, 12)
    pen.line([(40, 62), (14, 62), (14, 34)], 15)
    pen.line([(60, 50), (86, 50), (86, 22)], 15)
    for y in (20, 36, 52, 68, 84):
        pen.line([(50, y), (50, y + 5)], 3, DETAIL)


def _sun(pen: Pen) -> None:
    for step in range(10):
        angle = pi * step / 5
        pen.line(
            [(50 + 36 * cos(angle), 50 + 36 * sin(angle)), (50 + 47 * cos(angle), 50 + 47 * sin(angle))], 7
        )
    pen.oval(50, 50, 27)


def _moon(pen: Pen) -> None:
    pen.oval(50, 50, 48)
    pen.oval(70, 38, 42, ink=CUT)


def _cloud(pen: Pen) -> None:
    for x, y, radius in ((24, 60, 22), (46, 42, 26), (74, 56, 24)):
        pen.oval(x, y, radius)
    pen.box(16, 56, 84, 82, 12)


def _bolt(pen: Pen) -> None:
    pen.shape([(62, 0), (20, 56), (46, 56), (34, 100), (82, 38), (54, 38), (76, 0)])


def _mountain(pen: Pen) -> None:
    pen.shape([(0, 92), (38, 10), (62, 58), (72, 42), (100, 92)])
    pen.shape([(38, 10), (26, 36), (34, 32), (40, 40), (46, 32), (51, 36)], PAPER)


def _drop(pen: Pen) -> None:
    pen.oval(50, 66, 33)
    pen.shape([(50, 0), (80, 53), (20, 53)])
    pen.arc(50, 66, 20, 100, 170, 5, PAPER)


def _snowflake(pen: Pen) -> None:
    for step in range(6):
        angle = pi * step / 3 + pi / 6
        across, down = cos(angle), sin(angle)
        pen.line([(50, 50), (50 + 47 * across, 50 + 47 * down)], 7)
        for turn in (-0.7, 0.7):
            start = (50 + 27 * across, 50 + 27 * down)
            pen.line([start, (start[0] + 18 * cos(angle + turn), start[1] + 18 * sin(angle + turn))], 6)


def _flame(pen: Pen) -> None:
    pen.shape(
        [(52, 0), (70, 26), (84, 54), (80, 84), (50, 100), (20, 84), (14, 56), (28, 36), (36, 46), (44, 28)]
    )
    pen.shape([(52, 48), (66, 72), (62, 90), (50, 96), (36, 88), (36, 72), (46, 66)], PAPER)


_natural = partial(kind, family="nature")

NATURE: tuple[Kind, ...] = (
    _natural("tree", "arbre", _tree, synonyms=("leafy tree",)),
    _natural("fir tree", "sapin", _fir, synonyms=("pine tree",)),
    _natural("flower", "fleur", _flower, feminine=True),
    _natural("leaf", "feuille", _leaf, feminine=True, plural="leaves"),
    _natural("mushroom", "champignon", _mushroom),
    _natural("cactus", "cactus", _cactus, plural="cactuses"),
    _natural("sun", "soleil", _sun),
    _natural("moon", "lune", _moon, feminine=True, synonyms=("crescent moon",)),
    _natural("cloud", "nuage", _cloud),
    _natural("lightning bolt", "éclair", _bolt, synonyms=("flash of lightning",)),
    _natural("mountain", "montagne", _mountain, feminine=True),
    _natural("drop", "goutte", _drop, feminine=True, synonyms=("drop of water",)),
    _natural("snowflake", "flocon de neige", _snowflake),
    _natural("flame", "flamme", _flame, feminine=True, synonyms=("fire",)),
)
