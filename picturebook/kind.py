"""What a kind of picture is: a name in two languages, a family, and how it is drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from numpy.random import Generator
from PIL import Image

from picturebook.colors import Color
from picturebook.moved import old_attribute, old_keyword

Fact = str | int | tuple[str, ...] | tuple[int, ...]

PATTERNS = ("plain", "striped", "dotted")


@old_keyword("colour", "color")  # changed in 0.2.0
@dataclass(frozen=True)
class Look:
    """How a kind that takes a colour is painted."""

    color: Color
    pattern: str = "plain"

    colour = old_attribute("colour", "color")  # changed in 0.2.0


Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Printed:
    """One piece of print on a page: its text, its box (left, top, right, bottom in pixels), how it is set."""

    text: str
    box: Box
    cap_height: int
    font: str


@dataclass(frozen=True)
class Drawing:
    """One drawn kind, cut to its bounding box.

    `image` is RGBA, transparent where the background shows. `facts` says what cannot be known from the
    kind's name: the text on a sign, the value of a die, the highest bar of a chart. `prints` says where the
    print of a page is, `parts` where its highest and lowest bar are, with their labels.
    """

    image: Image.Image
    facts: Mapping[str, Fact] = field(default_factory=dict)
    prints: tuple[Printed, ...] = ()
    parts: Mapping[str, Box] = field(default_factory=dict)


@old_keyword("takes_colour", "takes_color")  # changed in 0.2.0
@dataclass(frozen=True)
class Kind:
    """One kind of picture.

    `draw(look, side, rng)` returns a Drawing whose longer side is `side` pixels; `look` is ignored where
    `takes_color` is false (a flag brings its own colours). `describe(facts)` is the noun phrase of a
    drawing with facts, without article, such as "clock showing half past three"; None: the name says all.
    """

    name: str
    plural: str
    family: str
    french: str
    feminine: bool
    draw: Callable[[Look, int, Generator], Drawing]
    takes_color: bool = True
    synonyms: tuple[str, ...] = ()
    describe: Callable[[Mapping[str, Fact]], str] | None = None

    takes_colour = old_attribute("takes_colour", "takes_color")  # changed in 0.2.0
