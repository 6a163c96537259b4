"""Things of the house and clothes."""

from functools import partial
from math import cos, pi, sin

from picturebook.kind import Kind
from picturebook.stencils.pen import CUT, DETAIL, PAPER, Pen, kind


def _cup(pen: Pen) -> None:
    pen.arc(76, 50, 17, -100, 100, 7)
    pen.shape([(6, 24), (78, 24), (68, 88), (16, 88)])
    pen.oval(42, 24, 36, 8, DETAIL)


def _bottle(pen: Pen) -> None:
    pen.box(40, 0, 60, 12, 2, DETAIL)
    pen.box(42, 10, 58, 42, 2)
    pen.box(28, 34, 72, 100, 12)
    pen.box(28, 56, 72, 80, 0, PAPER)


def _lamp(pen: Pen) -> None:
    pen.line([(50, 48), (50, 92)], 6, DETAIL)
    pen.box(28, 90, 72, 99, 4, DETAIL)
    pen.shape([(34, 2), (66, 2), (90, 52), (10, 52)])


def _chair(pen: Pen) -> None:
    pen.box(22, 0, 32, 100, 2)
    pen.box(22, 50, 80, 62, 2)
    pen.box(70, 56, 80, 100, 2)
    pen.box(28, 8, 40, 40, 2, DETAIL)


def _table(pen: Pen) -> None:
    pen.box(0, 30, 100, 44, 3)
    pen.box(9, 42, 20, 88, 1)
    pen.box(80, 42, 91, 88, 1)
    pen.box(24, 42, 76, 52, 0, DETAIL)


def _key(pen: Pen) -> None:
    pen.oval(24, 50, 24)
    pen.oval(20, 50, 10, ink=CUT)
    pen.box(42, 44, 100, 57, 2)
    pen.box(70, 54, 78, 74, 1)
    pen.box(88, 54, 96, 70, 1)


def _scissors(pen: Pen) -> None:
    pen.shape([(17, 2), (29, 0), (66, 74), (58, 78)])
    pen.shape([(83, 2), (71, 0), (34, 74), (42, 78)])
    for x in (30, 70):
        pen.arc(x, 84, 12, 0, 360, 10)
    pen.oval(50, 56, 4, ink=DETAIL)


def _umbrella(pen: Pen) -> None:
    pen.line([(50, 2), (50, 88)], 5, DETAIL)
    pen.arc(41, 88, 9, 0, 180, 5, DETAIL)
    pen.slice(50, 54, 48, 180, 360)
    for x in (18, 50, 82):
        pen.oval(x, 55, 16, 8, CUT)
    pen.line([(50, 48), (50, 88)], 5, DETAIL)


def _hammer(pen: Pen) -> None:
    pen.box(42, 26, 58, 100, 4)
    pen.box(14, 6, 74, 32, 4, DETAIL)
    pen.shape([(74, 8), (96, 14), (96, 24), (74, 30)], DETAIL)


def _book(pen: Pen) -> None:
    pen.shape(
        [(50, 26), (24, 14), (0, 18), (0, 84), (24, 80), (50, 92), (76, 80), (100, 84), (100, 18), (76, 14)]
    )
    for side in (-1, 1):
        for y in (36, 48, 60):
            pen.line([(50 + side * 12, y), (50 + side * 38, y - 5)], 5, PAPER)
    pen.line([(50, 28), (50, 90)], 3, DETAIL)


def _pencil(pen: Pen) -> None:
    pen.shape([(76, 4), (96, 24), (34, 86), (14, 66)])
    pen.shape([(14, 66), (34, 86), (4, 96)], PAPER)
    pen.shape([(9, 81), (19, 91), (4, 96)], DETAIL)
    pen.shape([(70, 10), (76, 4), (96, 24), (90, 30)], DETAIL)


def _glasses(pen: Pen) -> None:
    for x in (24, 76):
        pen.oval(x, 54, 24)
        pen.oval(x, 54, 16, ink=PAPER)
    pen.arc(50, 54, 8, 200, 340, 6)
    pen.line([(1, 50), (0, 36)], 6)
    pen.line([(99, 50), (100, 36)], 6)


def _candle(pen: Pen) -> None:
    pen.oval(50, 92, 34, 8, DETAIL)
    pen.box(36, 34, 64, 92, 3)
    pen.line([(50, 36), (50, 26)], 3, DETAIL)
    pen.shape([(50, -4), (64, 16), (58, 28), (42, 28), (36, 16)], DETAIL)
    pen.shape([(50, 6), (57, 18), (50, 25), (43, 18)], PAPER)


def _bell(pen: Pen) -> None:
    pen.oval(50, 9, 9)
    pen.oval(50, 92, 11, 9, DETAIL)
    pen.slice(50, 46, 34, 180, 360)
    pen.shape([(16, 44), (84, 44), (90, 76), (10, 76)])
    pen.box(2, 74, 98, 87, 6)
    pen.arc(50, 46, 22, 185, 250, 4, PAPER)


def _gift(pen: Pen) -> None:
    for side in (-1, 1):
        pen.arc(50 + side * 16, 16, 12, 0, 360, 6, DETAIL)
    pen.box(8, 44, 92, 100, 2)
    pen.box(2, 26, 98, 48, 3)
    pen.box(42, 26, 58, 100, 0, PAPER)


def _hat(pen: Pen) -> None:
    pen.box(26, 12, 74, 80, 4)
    pen.box(26, 58, 74, 72, 0, PAPER)
    pen.box(0, 76, 100, 90, 7)


def _shirt(pen: Pen) -> None:
    pen.shape(
        [(32, 4), (68, 4), (100, 28), (86, 50), (76, 42), (76, 98), (24, 98), (24, 42), (14, 50), (0, 28)]
    )
    pen.slice(50, 4, 14, 0, 180, CUT)


def _trousers(pen: Pen) -> None:
    pen.shape([(24, 0), (76, 0), (88, 100), (60, 100), (50, 36), (40, 100), (12, 100)])
    pen.box(24, 0, 76, 10, 0, DETAIL)


def _crown(pen: Pen) -> None:
    pen.shape([(8, 84), (2, 24), (28, 52), (50, 10), (72, 52), (98, 24), (92, 84)])
    for x, y in ((2, 20), (50, 8), (98, 20)):
        pen.oval(x, y, 7)
    pen.box(8, 74, 92, 88, 2, DETAIL)
    for x in (28, 50, 72):
        pen.oval(x, 64, 4, ink=PAPER)


def _envelope(pen: Pen) -> None:
    pen.box(0, 18, 100, 82, 3)
    pen.line([(3, 21), (50, 56), (97, 21)], 5, DETAIL)


def _padlock(pen: Pen) -> None:
    pen.arc(50, 42, 24, 180, 360, 11, DETAIL)
    pen.box(21, 40, 32, 56, 0, DETAIL)
    pen.box(69, 40, 79, 56, 0, DETAIL)
    pen.box(10, 48, 90, 100, 8)
    pen.oval(50, 68, 8, ink=PAPER)
    pen.box(46, 70, 54, 88, 2, PAPER)


def _balloon(pen: Pen) -> None:
    pen.line([(50, 72), (44, 84), (54, 100)], 3, DETAIL)
    pen.oval(50, 36, 32, 36)
    pen.shape([(50, 68), (58, 80), (42, 80)])
    pen.arc(50, 36, 20, 190, 260, 5, PAPER)


def _gear(pen: Pen) -> None:
    for step in range(8):
        angle = pi * step / 4
        pen.line([(50, 50), (50 + 42 * cos(angle), 50 + 42 * sin(angle))], 17)
    pen.oval(50, 50, 35)
    pen.oval(50, 50, 15, ink=CUT)


def _camera(pen: Pen) -> None:
    pen.box(32, 10, 66, 34, 4)
    pen.box(0, 24, 100, 90, 8)
    pen.oval(50, 58, 24, ink=DETAIL)
    pen.oval(50, 58, 17, ink=PAPER)
    pen.oval(50, 58, 9, ink=DETAIL)
    pen.oval(86, 36, 5, ink=PAPER)


def _television(pen: Pen) -> None:
    pen.line([(50, 26), (28, 2)], 4, DETAIL)
    pen.line([(50, 26), (72, 2)], 4, DETAIL)
    pen.box(0, 24, 100, 92, 8)
    pen.box(9, 33, 72, 83, 6, PAPER)
    pen.oval(86, 44, 6, ink=DETAIL)
    pen.oval(86, 62, 6, ink=DETAIL)
    pen.box(14, 90, 26, 100, 0, DETAIL)
    pen.box(74, 90, 86, 100, 0, DETAIL)


def _robot(pen: Pen) -> None:
    pen.line([(50, 4), (50, 20)], 4, DETAIL)
    pen.oval(50, 4, 6, ink=DETAIL)
    pen.box(24, 16, 76, 52, 6)
    pen.box(14, 56, 86, 96, 6)
    for x in (38, 62):
        pen.oval(x, 30, 8, ink=PAPER)
        pen.oval(x, 30, 3.5, ink=DETAIL)
    pen.line([(38, 44), (62, 44)], 4, DETAIL)
    pen.box(0, 58, 9, 90, 4, DETAIL)
    pen.box(91, 58, 100, 90, 4, DETAIL)
    pen.box(32, 66, 68, 86, 2, PAPER)


_household = partial(kind, family="household")
_clothing = partial(kind, family="clothes")

THINGS: tuple[Kind, ...] = (
    _household("cup", "tasse", _cup, feminine=True, synonyms=("mug",)),
    _household("bottle", "bouteille", _bottle, feminine=True),
    _household("lamp", "lampe", _lamp, feminine=True),
    _household("chair", "chaise", _chair, feminine=True),
    _household("dining table", "table", _table, feminine=True),
    _household("key", "clé", _key, feminine=True),
    _household("pair of scissors", "paire de ciseaux", _scissors, feminine=True, plural="pairs of scissors"),
    _household("umbrella", "parapluie", _umbrella),
    _household("hammer", "marteau", _hammer),
    _household("open book", "livre ouvert", _book, synonyms=("book",)),
    _household("pencil", "crayon", _pencil),
    _household("candle", "bougie", _candle, feminine=True),
    _household("bell", "cloche", _bell, feminine=True),
    _household("gift", "cadeau", _gift, synonyms=("present", "wrapped gift")),
    _household("envelope", "enveloppe", _envelope, feminine=True),
    _household("padlock", "cadenas", _padlock),
    _household("balloon", "ballon", _balloon),
    _household("gear", "engrenage", _gear, synonyms=("cogwheel",)),
    _household("camera", "appareil photo", _camera),
    _household("television", "téléviseur", _television, synonyms=("TV set",)),
    _household("robot", "robot", _robot),
    _clothing("top hat", "haut-de-forme", _hat),
    _clothing("shirt", "chemise", _shirt, feminine=True, synonyms=("T-shirt",)),
    _clothing("pair of trousers", "pantalon", _trousers, plural="pairs of trousers"),
    _clothing("pair of glasses", "paire de lunettes", _glasses, feminine=True, plural="pairs of glasses"),
    _clothing("crown", "couronne", _crown, feminine=True),
)
