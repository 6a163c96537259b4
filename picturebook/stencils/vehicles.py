"""What drives, sails and flies."""

from functools import partial

from picturebook.kind import Kind
from picturebook.stencils.pen import DETAIL, PAPER, Pen, kind


def _wheel(pen: Pen, x: float, y: float, radius: float) -> None:
    pen.oval(x, y, radius, ink=DETAIL)
    pen.oval(x, y, radius * 0.45, ink=PAPER)


def _car(pen: Pen) -> None:
    pen.shape([(20, 48), (34, 24), (68, 24), (84, 48)])
    pen.box(0, 46, 100, 72, 9)
    pen.shape([(29, 46), (38, 30), (49, 30), (49, 46)], PAPER)
    pen.shape([(55, 46), (55, 30), (66, 30), (75, 46)], PAPER)
    _wheel(pen, 24, 74, 14)
    _wheel(pen, 76, 74, 14)


def _bus(pen: Pen) -> None:
    pen.box(0, 14, 100, 78, 9)
    for left in (8, 31, 54, 77):
        pen.box(left, 24, left + 16, 46, 2, PAPER)
    pen.line([(2, 60), (98, 60)], 3, DETAIL)
    _wheel(pen, 25, 80, 13)
    _wheel(pen, 75, 80, 13)


def _truck(pen: Pen) -> None:
    pen.box(0, 14, 60, 74, 2)
    pen.shape([(64, 32), (86, 32), (100, 52), (100, 74), (64, 74)])
    pen.shape([(70, 38), (83, 38), (92, 52), (70, 52)], PAPER)
    pen.line([(60, 70), (66, 70)], 6, DETAIL)
    for x in (18, 42, 82):
        _wheel(pen, x, 78, 12)


def _locomotive(pen: Pen) -> None:
    pen.box(0, 12, 36, 74, 3)
    pen.box(30, 36, 92, 74, 8)
    pen.shape([(68, 36), (62, 8), (88, 8), (82, 36)])
    pen.box(-4, 6, 42, 16, 3, DETAIL)
    pen.box(8, 24, 28, 44, 2, PAPER)
    pen.shape([(90, 66), (104, 86), (84, 86)], DETAIL)
    for x, radius in ((18, 15), (50, 11), (76, 11)):
        _wheel(pen, x, 92 - radius, radius)


def _bicycle(pen: Pen) -> None:
    for x in (22, 78):
        pen.arc(x, 66, 20, 0, 360, 9)
    pen.line([(22, 66), (38, 34), (66, 34), (48, 66), (22, 66)], 8)
    pen.line([(48, 66), (36, 26)], 8)
    pen.line([(78, 66), (64, 22), (76, 20)], 8)
    pen.line([(28, 25), (45, 25)], 8)


def _sailboat(pen: Pen) -> None:
    pen.line([(50, 2), (50, 74)], 4, DETAIL)
    pen.shape([(54, 6), (92, 64), (54, 64)])
    pen.shape([(46, 14), (46, 64), (14, 64)], PAPER)
    pen.shape([(2, 72), (98, 72), (80, 96), (18, 96)])


def _plane(pen: Pen) -> None:
    pen.oval(50, 46, 8, 46)
    pen.shape([(50, 30), (100, 58), (100, 70), (50, 56), (0, 70), (0, 58)])
    pen.shape([(50, 78), (72, 92), (72, 100), (50, 93), (28, 100), (28, 92)])
    pen.oval(50, 13, 4, 6, PAPER)


def _rocket(pen: Pen) -> None:
    pen.shape([(30, 56), (10, 84), (32, 80)], DETAIL)
    pen.shape([(70, 56), (90, 84), (68, 80)], DETAIL)
    pen.shape([(50, 0), (66, 18), (72, 44), (70, 80), (30, 80), (28, 44), (34, 18)])
    pen.oval(50, 38, 11, ink=PAPER)
    pen.shape([(38, 82), (62, 82), (50, 102)], DETAIL)


def _balloon_ride(pen: Pen) -> None:
    pen.line([(30, 56), (41, 82)], 2.5, DETAIL)
    pen.line([(70, 56), (59, 82)], 2.5, DETAIL)
    pen.oval(50, 34, 37)
    pen.shape([(17, 50), (83, 50), (60, 74), (40, 74)])
    pen.oval(50, 35, 12, 36, PAPER)
    pen.box(38, 80, 62, 98, 3, DETAIL)


def _helicopter(pen: Pen) -> None:
    pen.line([(4, 16), (84, 16)], 6, DETAIL)
    pen.line([(44, 18), (44, 32)], 5, DETAIL)
    pen.oval(40, 52, 34, 24)
    pen.shape([(60, 42), (96, 40), (96, 48), (62, 62)])
    pen.shape([(90, 28), (102, 24), (100, 58), (92, 54)])
    pen.slice(34, 52, 22, 150, 270, PAPER)
    pen.line([(26, 74), (26, 86)], 4, DETAIL)
    pen.line([(54, 74), (54, 86)], 4, DETAIL)
    pen.line([(10, 88), (70, 88)], 5, DETAIL)


_vehicle = partial(kind, family="vehicles")

VEHICLES: tuple[Kind, ...] = (
    _vehicle("car", "voiture", _car, feminine=True),
    _vehicle("bus", "bus", _bus, plural="buses"),
    _vehicle("truck", "camion", _truck, synonyms=("lorry",)),
    _vehicle("steam engine", "locomotive à vapeur", _locomotive, feminine=True, synonyms=("locomotive",)),
    _vehicle("bicycle", "vélo", _bicycle, synonyms=("bike",)),
    _vehicle("sailboat", "voilier", _sailboat, synonyms=("sailing boat",)),
    _vehicle("plane", "avion", _plane, synonyms=("airplane",)),
    _vehicle("rocket", "fusée", _rocket, feminine=True),
    _vehicle("hot-air balloon", "montgolfière", _balloon_ride, feminine=True),
    _vehicle("helicopter", "hélicoptère", _helicopter),
)
