"""A clock that shows a time in steps of five minutes."""

from collections.abc import Mapping
from functools import lru_cache
from math import cos, pi, sin

from numpy.random import Generator
from PIL import Image, ImageDraw

from picturebook.kind import Drawing, Fact, Kind, Look
from picturebook.pages.digits import NAMES
from picturebook.pages.ink import (
    BLACK,
    RGB,
    SMALL,
    WHITE,
    draw_text,
    master_size,
    mix,
    outline_of,
    rounded,
    size_with_side,
)

FORMS = ("wall", "alarm", "square")
_HOURS = (*NAMES, "ten", "eleven", "twelve")
_STEPS = ("o'clock", "five", "ten", "quarter", "twenty", "twenty-five", "half")
# Below this side numerals would be specks.
_NUMERALS_FROM = 100


def time_in_words(hour: int, minute: int) -> str:
    """Return the time in words: "three o'clock", "half past three", "twenty to five"; `hour` is 1 to 12."""
    following = _HOURS[hour % 12 + 1]
    if minute == 0:
        return f"{_HOURS[hour]} o'clock"
    if minute <= 30:
        return f"{_STEPS[minute // 5]} past {_HOURS[hour]}"
    return f"{_STEPS[12 - minute // 5]} to {following}"


def draw_clock(hour: int, minute: int, look: Look, side: int, *, form: str = "wall") -> Image.Image:
    """RGBA: a clock whose rim has the look's colour; ValueError for a time or a form that is not there."""
    if not 1 <= hour <= 12 or minute not in range(0, 60, 5) or form not in FORMS:
        raise ValueError(f"no {form!r} clock shows {hour}:{minute:02}")
    size = master_size(side)
    make = _kept_face if side <= SMALL else _face
    face = make(form, look.color.rgb, size, numerals=side >= _NUMERALS_FROM).copy()
    center, radius = _dial(form, size)
    pen = ImageDraw.Draw(face)
    # Among numerals the hands are shorter, so that they cover none.
    short, long = (0.4, 0.64) if side >= _NUMERALS_FROM else (0.5, 0.82)
    _hand(pen, center, (hour % 12 + minute / 60) / 12, short * radius, 0.135 * radius)
    _hand(pen, center, minute / 60, long * radius, 0.08 * radius)
    _disc(pen, center, 0.11 * radius, BLACK)
    return face.resize(size_with_side(*face.size, side), Image.Resampling.BOX)


def _dial(form: str, size: int) -> tuple[tuple[float, float], float]:
    """Centre and radius of the white dial on a canvas `size` high."""
    if form == "alarm":
        return (0.43 * size, 0.53 * size), 0.335 * size
    return (0.5 * size, 0.5 * size), (0.42 if form == "wall" else 0.4) * size


def _face(form: str, rgb: RGB, size: int, *, numerals: bool) -> Image.Image:
    """Return the clock without hands, `size` pixels high."""
    width = round(0.86 * size) if form == "alarm" else size
    image = Image.new("RGBA", (width, size), (*outline_of(rgb), 0))
    pen = ImageDraw.Draw(image)
    center, radius = _dial(form, size)
    line = 0.012 * size
    if form == "square":
        rounded(pen, (0, 0, size - 1, size - 1), 0.14 * size, fill=outline_of(rgb))
        rounded(pen, (line, line, size - 1 - line, size - 1 - line), 0.14 * size - line, fill=rgb)
    else:
        if form == "alarm":
            _bells(pen, center, size, rgb, line)
        rim = 0.08 * size + radius
        _disc(pen, center, rim, outline_of(rgb))
        _disc(pen, center, rim - line, rgb)
    _disc(pen, center, radius + line, outline_of(rgb))
    _disc(pen, center, radius, mix(WHITE, rgb, 0.04))
    _hours(image, center, radius, numerals=numerals)
    return image


_kept_face = lru_cache(maxsize=72)(_face)


def _bells(pen: ImageDraw.ImageDraw, center: tuple[float, float], size: int, rgb: RGB, line: float) -> None:
    x, y = center
    for way in (-1, 1):
        foot = (x + way * 0.36 * size, 0.985 * size)
        pen.line(
            [(x + way * 0.2 * size, y + 0.25 * size), foot], fill=outline_of(rgb), width=round(0.06 * size)
        )
        _disc(pen, (foot[0], foot[1] - 0.02 * size), 0.034 * size, outline_of(rgb))
        bell = (x + way * 0.235 * size, 0.195 * size)
        _disc(pen, bell, 0.15 * size, outline_of(rgb))
        _disc(pen, bell, 0.15 * size - line, mix(rgb, WHITE, 0.15))
    pen.line([(x, 0.03 * size), (x, y - 0.3 * size)], fill=outline_of(rgb), width=round(0.04 * size))
    _disc(pen, (x, 0.045 * size), 0.042 * size, outline_of(rgb))


def _hours(image: Image.Image, center: tuple[float, float], radius: float, *, numerals: bool) -> None:
    pen = ImageDraw.Draw(image)
    for hour in range(1, 13):
        angle = hour / 12
        if numerals:
            number = draw_text(str(hour), max(round(0.155 * radius), 5), "sans bold")
            x, y = _point(center, angle, 0.84 * radius)
            image.paste(BLACK, (round(x - number.width / 2), round(y - number.height / 2)), number)
        else:
            inner, width = (0.74, 0.09) if hour % 3 == 0 else (0.84, 0.05)
            ends = [_point(center, angle, inner * radius), _point(center, angle, 0.95 * radius)]
            pen.line(ends, fill=BLACK, width=max(round(width * radius), 1))


def _point(center: tuple[float, float], turn: float, distance: float) -> tuple[float, float]:
    """Return the point at `turn` (0 is twelve o'clock, 0.25 three o'clock)."""
    return center[0] + distance * sin(2 * pi * turn), center[1] - distance * cos(2 * pi * turn)


def _hand(
    pen: ImageDraw.ImageDraw, center: tuple[float, float], turn: float, length: float, width: float
) -> None:
    tip = _point(center, turn, length)
    pen.line([center, tip], fill=BLACK, width=max(round(width), 1))
    _disc(pen, tip, width / 2, BLACK)


def _disc(pen: ImageDraw.ImageDraw, center: tuple[float, float], radius: float, fill: RGB) -> None:
    x, y = center
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def _draw(look: Look, side: int, rng: Generator) -> Drawing:
    hour, minute = int(rng.integers(1, 13)), 5 * int(rng.integers(12))
    form = FORMS[rng.integers(len(FORMS))]
    image = draw_clock(hour, minute, look, side, form=form)
    return Drawing(image, {"hour": hour, "minute": minute, "form": form})


def _describe(facts: Mapping[str, Fact]) -> str:
    return f"clock showing {time_in_words(int(str(facts['hour'])), int(str(facts['minute'])))}"


CLOCK = Kind(
    name="clock",
    plural="clocks",
    family="clocks",
    french="horloge",
    feminine=True,
    draw=_draw,
    synonyms=("clock face",),
    describe=_describe,
)
