"""Plain shapes and arrows."""

from functools import partial
from math import cos, pi, sin

from picturebook.kind import Kind
from picturebook.stencils.pen import CUT, Pen, kind


def _polygon(pen: Pen, corners: int) -> None:
    turns = [2 * pi * step / corners - pi / 2 for step in range(corners)]
    pen.shape([(50 + 50 * cos(a), 50 + 50 * sin(a)) for a in turns])


def _star(pen: Pen) -> None:
    turns = [pi * step / 5 - pi / 2 for step in range(10)]
    radii = [50, 21] * 5
    pen.shape([(50 + r * cos(a), 50 + r * sin(a)) for a, r in zip(turns, radii, strict=True)])


def _heart(pen: Pen) -> None:
    pen.oval(29, 30, 25)
    pen.oval(71, 30, 25)
    pen.shape([(8, 43), (50, 26), (92, 43), (50, 96)])


def _cross(pen: Pen) -> None:
    pen.box(34, 2, 66, 98)
    pen.box(2, 34, 98, 66)


def _ring(pen: Pen) -> None:
    pen.oval(50, 50, 50)
    pen.oval(50, 50, 27, ink=CUT)


def _arrow(pen: Pen, quarter: int) -> None:
    points = [(2, 37), (50, 37), (50, 12), (98, 50), (50, 88), (50, 63), (2, 63)]
    for _ in range(quarter):
        points = [(100 - y, x) for x, y in points]
    pen.shape(points)


_shape = partial(kind, family="shapes")

SHAPES: tuple[Kind, ...] = (
    _shape("circle", "cercle", lambda pen: pen.oval(50, 50, 50), synonyms=("disc",)),
    _shape("oval", "ovale", lambda pen: pen.oval(50, 50, 50, 27), synonyms=("ellipse",)),
    _shape("square", "carré", lambda pen: pen.box(2, 2, 98, 98)),
    _shape("rectangle", "rectangle", lambda pen: pen.box(0, 26, 100, 74)),
    _shape("triangle", "triangle", lambda pen: pen.shape([(50, 4), (98, 92), (2, 92)])),
    _shape(
        "diamond",
        "losange",
        lambda pen: pen.shape([(50, 0), (82, 50), (50, 100), (18, 50)]),
        synonyms=("rhombus",),
    ),
    _shape("hexagon", "hexagone", partial(_polygon, corners=6)),
    _shape("star", "étoile", _star, feminine=True, synonyms=("five-pointed star",)),
    _shape("heart", "cœur", _heart),
    _shape("cross", "croix", _cross, feminine=True, plural="crosses", synonyms=("plus sign",)),
    _shape("ring", "anneau", _ring),
    _shape(
        "half circle", "demi-cercle", lambda pen: pen.slice(50, 72, 50, 180, 360), synonyms=("semicircle",)
    ),
    _shape(
        "arrow pointing right",
        "flèche vers la droite",
        partial(_arrow, quarter=0),
        feminine=True,
        plural="arrows pointing right",
        synonyms=("right arrow",),
        mirror=False,
    ),
    _shape(
        "arrow pointing down",
        "flèche vers le bas",
        partial(_arrow, quarter=1),
        feminine=True,
        plural="arrows pointing down",
        synonyms=("down arrow",),
    ),
    _shape(
        "arrow pointing left",
        "flèche vers la gauche",
        partial(_arrow, quarter=2),
        feminine=True,
        plural="arrows pointing left",
        synonyms=("left arrow",),
        mirror=False,
    ),
    _shape(
        "arrow pointing up",
        "flèche vers le haut",
        partial(_arrow, quarter=3),
        feminine=True,
        plural="arrows pointing up",
        synonyms=("up arrow",),
    ),
)
