"""A die that shows one to six."""

from collections.abc import Mapping
from functools import lru_cache

from numpy.random import Generator
from PIL import Image, ImageDraw

from picturebook.kind import Drawing, Fact, Kind, Look
from picturebook.pages.digits import NAMES
from picturebook.pages.ink import (
    BLACK,
    RGB,
    SMALL,
    WHITE,
    master_size,
    mix,
    outline_of,
    readable_ink,
    rounded,
)

_PIPS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((0, 0),),
    2: ((-1, -1), (1, 1)),
    3: ((-1, -1), (0, 0), (1, 1)),
    4: ((-1, -1), (1, -1), (-1, 1), (1, 1)),
    5: ((-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)),
    6: ((-1, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (1, 1)),
}


def draw_die(value: int, look: Look, side: int, *, depth: float = 0.08, turned: bool = False) -> Image.Image:
    """RGBA, side × side: a die showing `value`; `depth` is the share of its edge that is seen.

    `turned` mirrors two and three, and lays six on its side. ValueError outside 1 to 6.
    """
    if value not in _PIPS:
        raise ValueError(f"a die has no {value}")
    rgb, size = look.color.rgb, master_size(side)
    image = (_kept_body if side <= SMALL else _body)(rgb, depth, size).copy()
    pen, face = ImageDraw.Draw(image), size * (1 - depth)
    for x, y in _PIPS[value]:
        column, row = (y, -x) if turned else (x, y)
        middle_x, middle_y, r = face * (0.5 + 0.27 * column), face * (0.5 + 0.27 * row), 0.098 * face
        pen.ellipse((middle_x - r, middle_y - r, middle_x + r, middle_y + r), fill=readable_ink(rgb))
    return image.resize((side, side), Image.Resampling.BOX)


def _body(rgb: RGB, depth: float, size: int) -> Image.Image:
    """Return the die without pips."""
    image = Image.new("RGBA", (size, size), (*outline_of(rgb), 0))
    pen = ImageDraw.Draw(image)
    face, radius, edge = size * (1 - depth), 0.16 * size, 0.012 * size
    steps = max(round(size * depth), 1)
    for step in range(steps, 0, -1):
        # The body: one face behind the other, so that the rounded corners join.
        box = (step, step, step + face - 1, step + face - 1)
        rounded(pen, box, radius, fill=outline_of(rgb) if step == steps else mix(rgb, BLACK, 0.3))
    rounded(pen, (0, 0, face, face), radius, fill=outline_of(rgb))
    rounded(pen, (edge, edge, face - edge, face - edge), radius - edge, fill=mix(rgb, WHITE, 0.06))
    return image


_kept_body = lru_cache(maxsize=64)(_body)


def _draw(look: Look, side: int, rng: Generator) -> Drawing:
    value = int(rng.integers(1, 7))
    depth = (0.04, 0.08, 0.12)[rng.integers(3)]
    return Drawing(draw_die(value, look, side, depth=depth, turned=bool(rng.integers(2))), {"value": value})


def _describe(facts: Mapping[str, Fact]) -> str:
    return f"die showing {NAMES[int(str(facts['value']))]}"


DIE = Kind(
    name="die",
    plural="dice",
    family="dice",
    french="dé",
    feminine=False,
    draw=_draw,
    synonyms=("six-sided die",),
    describe=_describe,
)
