"""Small captioned pictures: one thing, several of a kind, or two things side by side.

    picture = draw_picture(7)
    picture.image, picture.caption

A picture is drawn from its split and number alone. `difficulty` is for training: a tower that sees every
colour on every ground from the start learns colour and no shape, so training begins with black on white,
large and in the middle, and goes on to everything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from PIL import Image

from picturebook import captions
from picturebook.captions import PLACES, SIZES, pick, with_article
from picturebook.colors import COLORS, Color, contrast, luminance
from picturebook.kind import Drawing, Fact, Kind, Look
from picturebook.kinds import KINDS, SCENE_KINDS, takes_pattern
from picturebook.moved import old_keyword, old_names
from picturebook.pages.signs import FORMS, SIGN, SIGN_FONTS, draw_sign
from picturebook.pages.words import HELD_OUT_WORDS, TRAINED_WORDS
from picturebook.splits import RELATIONS, held_out, rng_of

SIDE = 112  # pixels: eight patches of fourteen
_KINDS = tuple(KINDS.values())
# A kind is drawn as often as any other, but those with much to say more often.
_WEIGHT = {"sign": 10.0, "playing card": 3.0, "clock": 3.0, "die": 2.0}
_SHARES = np.array([_WEIGHT.get(kind.name, 4.0 if kind.family == "digits" else 1.0) for kind in _KINDS])
_CUMULATED = np.cumsum(_SHARES) / _SHARES.sum()
# The least side at which a kind can be recognised, as a share of the picture.
_LEAST = {"documents": 0.62, "charts": 0.55, "cards": 0.5, "clocks": 0.42, "signs": 0.5, "flags": 0.34}

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Placed:
    """One thing in a picture: what, how it looks, where (left, top, right, bottom in pixels)."""

    kind: Kind
    look: Look
    box: Box
    facts: dict[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """A drawn picture: RGB, with its caption, its background and all that is in it."""

    image: Image.Image
    caption: str
    background: Color
    things: tuple[Placed, ...]

    @property
    def kind(self) -> Kind:
        """The kind of the first thing."""
        return self.things[0].kind


def draw_picture(
    number: int, *, split: str = "train", side: int = SIDE, difficulty: float = 1.0, kind: Kind | None = None
) -> Picture:
    """Picture `number` of a split, RGB, side × side pixels.

    With `kind` it shows one thing of this kind; else about three in four pictures show one thing. In the
    split "held-out" every picture shows one thing in a colour that this kind was never trained with.
    ValueError for an unknown split, or for a kind that takes no colour in "held-out".
    """
    rng = rng_of(split, number)
    level = float(np.clip(difficulty, 0, 1))
    if kind is None and split != "held-out" and level > 0.5 and rng.random() < 0.26:
        return (_several if rng.random() < 0.45 else _pair)(split, side, rng)
    return _single(split, side, level, rng, kind)


def draw_word(
    number: int,
    *,
    split: str = "train",
    side: int = SIDE,
    difficulty: float = 1.0,
    words: Sequence[str] | None = None,
) -> Picture:
    """Picture `number` of a split: one sign with a word; the easiest is large, bold, black on white.

    words: to choose from; None: all of the split. In the split "held-out" these are never trained.
    """
    rng = rng_of(split, number)
    level = float(np.clip(difficulty, 0, 1))
    words = words or (HELD_OUT_WORDS if split == "held-out" else TRAINED_WORDS)
    look, ground = _paint(SIGN, "train", level, rng)
    if rng.random() > level / 0.3:
        look, ground = Look(COLORS["white"]), COLORS["grey"]
    share = rng.uniform(0.94 - 0.44 * level, 0.97)
    drawing = draw_sign(
        words[int(rng.integers(len(words)))],
        look,
        round(share * side),
        rng,
        form=FORMS[rng.integers(1 + int(level * (len(FORMS) - 1)))],
        font=SIGN_FONTS[rng.integers(1 + int(level * (len(SIGN_FONTS) - 1)))],
    )
    return _framed(SIGN, look, ground, drawing, share, side, level, rng)


# --------------------------------------------------------------------------- looks


def _pick_kind(split: str, rng: Generator) -> Kind:
    while True:
        kind = _KINDS[int(np.searchsorted(_CUMULATED, rng.random()))]
        if split != "held-out" or colors_of(kind, split):
            return kind


def colors_of(kind: Kind, split: str) -> list[Color]:
    """Return the colours in which this kind may be drawn in this split."""
    wanted = split == "held-out"
    if not kind.takes_color:
        return [] if wanted else list(COLORS.values())
    return [color for color in COLORS.values() if held_out(kind.name, color.name) == wanted]


def colors_apart(first: Color, second: Color) -> bool:
    """Whether a thing of one colour is plain to see on a ground of the other."""
    difference = np.subtract(first.rgb, second.rgb)
    return float(np.linalg.norm(difference)) > 105 and contrast(first.rgb, second.rgb) > 1.2


def _paint(kind: Kind, split: str, level: float, rng: Generator) -> tuple[Look, Color]:
    """Return a look and a background, the easier the lower the level."""
    colors, grounds = colors_of(kind, split), list(COLORS.values())
    if not kind.takes_color:
        # What brings its own paper stands out on a ground of colour.
        grounds = [ground for ground in grounds if ground.name not in ("white", "black")]
    while True:
        color, ground = colors[rng.integers(len(colors))], grounds[rng.integers(len(grounds))]
        if rng.random() > level / 0.3:
            color, ground = _darkest(colors), COLORS["white"]
        elif rng.random() > (level - 0.3) / 0.6 and luminance(color.rgb) > luminance(ground.rgb):
            continue
        if colors_apart(color, ground) or not kind.takes_color:
            break
    patterned = takes_pattern(kind) and rng.random() < 0.36 * np.clip(2 * level - 1, 0, 1)
    return Look(color, ("striped", "dotted")[rng.integers(2)] if patterned else "plain"), ground


def _darkest(colors: list[Color]) -> Color:
    return min(colors, key=lambda color: luminance(color.rgb))


@old_keyword("colour", "color")  # changed in 0.2.0
def ground_picture(color: Color, size: tuple[int, int], rng: Generator) -> Image.Image:
    """Return a background of `size` (width, height) in this colour: even, or brighter on one side."""
    image = Image.new("RGB", size, color.rgb)
    if rng.random() < 0.3:
        down, across = np.linspace(-10, 10, size[1])[:, None], np.linspace(-10, 10, size[0])[None]
        ramp = (down, across, -down, -across)[int(rng.integers(4))]
        shade = np.clip(ramp[..., None] + np.asarray(color.rgb), 0, 255).astype(np.uint8)
        image = Image.fromarray(np.ascontiguousarray(np.broadcast_to(shade, (size[1], size[0], 3))))
    return image


# --------------------------------------------------------------------------- one thing


def _single(split: str, side: int, level: float, rng: Generator, kind: Kind | None) -> Picture:
    kind = kind or _pick_kind(split, rng)
    if not colors_of(kind, split):
        raise ValueError(f"{kind.name!r} has no colour that is held out")
    look, ground = _paint(kind, split, level, rng)
    least = max(_LEAST.get(kind.family, 0.28), 0.8 - 0.6 * level)
    share = rng.uniform(least, 0.92) if level > 0.1 else rng.uniform(0.75, 0.9)
    drawing = kind.draw(look, max(round(share * side), 24), rng)
    return _framed(kind, look, ground, drawing, share, side, level, rng)


def _framed(
    kind: Kind,
    look: Look,
    ground: Color,
    drawing: Drawing,
    share: float,
    side: int,
    level: float,
    rng: Generator,
) -> Picture:
    """Return a drawing on its background, with its caption."""
    left, top, place = _spot(drawing.image, side, level, rng)
    image = ground_picture(ground, (side, side), rng)
    image.paste(drawing.image, (left, top), drawing.image)
    box = (left, top, left + drawing.image.width, top + drawing.image.height)
    thing = Placed(kind, look, box, dict(drawing.facts))
    return Picture(image, _caption_of_one(thing, ground, share, place, rng), ground, (thing,))


def _spot(drawn: Image.Image, side: int, level: float, rng: Generator) -> tuple[int, int, str]:
    """(left, top, place in words or nothing where the thing is too large to have one)."""
    room = np.array([side - drawn.width, side - drawn.height])
    cell = rng.integers(-1, 2, 2)
    # The middle of the room, or one of its ends, and a little chance.
    share = 0.5 + level * (0.42 * cell + rng.uniform(-0.08, 0.08, 2))
    left, top = (np.clip(share, 0, 1) * room).astype(int)
    clear = level > 0.9 and bool((room > 0.36 * side).all())
    return int(left), int(top), PLACES[int(cell[0]), int(cell[1])] if clear else ""


def _caption_of_one(thing: Placed, ground: Color, share: float, place: str, rng: Generator) -> str:
    words = captions.adjectives(thing.kind, thing.look, rng)
    if rng.random() < 0.3 and (share < 0.42 or share > 0.8):
        words.insert(0, SIZES[int(share > 0.6)])
    phrase = with_article(" ".join([*words, captions.noun(thing.kind, thing.facts, rng)]))
    if place and rng.random() < 0.5:
        phrase += f" {place}"
    if rng.random() < 0.4:
        phrase += f" on {with_article(ground.name)} background"
    return pick(captions.SENTENCES, rng).format(phrase)


# --------------------------------------------------------------------------- several things


def _several(split: str, side: int, rng: Generator) -> Picture:
    """Two to six of one kind and one look, without touching each other."""
    kind = SCENE_KINDS[rng.integers(len(SCENE_KINDS))]
    look, ground = _paint(kind, split, 1.0, rng)
    count = int(rng.integers(2, 7))
    cells = 2 if count <= 4 else 3
    cell = side // cells
    places = rng.permutation(cells * cells)[:count]
    image, things = ground_picture(ground, (side, side), rng), []
    size = round(cell * rng.uniform(0.68, 0.94))
    for place in sorted(places):
        drawing = kind.draw(look, size, rng)
        room = (cell - drawing.image.width, cell - drawing.image.height)
        left = int(place % cells) * cell + int(rng.integers(room[0] + 1))
        top = int(place // cells) * cell + int(rng.integers(room[1] + 1))
        things.append(_put(image, drawing.image, left, top, kind, look))
    words = captions.adjectives(kind, look, rng)
    phrase = " ".join([captions.COUNTS[count], *words, kind.plural])
    if rng.random() < 0.4:
        phrase += f" on {with_article(ground.name)} background"
    caption = pick(captions.SENTENCES_ABOUT_MANY, rng).format(phrase)
    return Picture(image, caption, ground, tuple(things))


def _pair(split: str, side: int, rng: Generator) -> Picture:
    """Two different things, one beside or above the other."""
    relation = RELATIONS[rng.integers(len(RELATIONS))]
    first, second = _two_kinds(relation, rng)
    (look, ground), other = _paint(first, split, 1.0, rng), None
    while other is None or not colors_apart(other.color, ground) or other.color == look.color:
        other = _paint(second, split, 1.0, rng)[0]
    image = ground_picture(ground, (side, side), rng)
    halves = [(0, 0), (1, 0)] if relation in ("left of", "right of") else [(0, 0), (0, 1)]
    if relation in ("right of", "below"):
        halves.reverse()
    things = []
    for (across, down), kind, paint in zip(halves, (first, second), (look, other), strict=True):
        drawing = kind.draw(paint, round(side * rng.uniform(0.34, 0.48)), rng)
        wide = side // 2 if halves[0][0] != halves[1][0] else side
        high = side // 2 if halves[0][1] != halves[1][1] else side
        left = across * side // 2 + int(rng.integers(wide - drawing.image.width + 1))
        top = down * side // 2 + int(rng.integers(high - drawing.image.height + 1))
        things.append(_put(image, drawing.image, left, top, kind, paint))
    phrases = [
        with_article(" ".join([*captions.adjectives(t.kind, t.look, rng), captions.noun(t.kind, {}, rng)]))
        for t in things
    ]
    join: tuple[Callable[[str, str], str], ...] = (
        lambda a, b: f"{a} {relation} {b}",
        lambda a, b: f"{a} {relation} {b}",
        lambda a, b: f"{a} and {b}",
    )
    phrase = join[rng.integers(len(join))](*phrases)
    return Picture(image, pick(captions.SENTENCES, rng).format(phrase), ground, tuple(things))


def _two_kinds(relation: str, rng: Generator) -> tuple[Kind, Kind]:
    while True:
        first, second = (SCENE_KINDS[index] for index in rng.integers(len(SCENE_KINDS), size=2))
        if first != second and not held_out(first.name, relation):
            return first, second


def _put(image: Image.Image, drawn: Image.Image, left: int, top: int, kind: Kind, look: Look) -> Placed:
    image.paste(drawn, (left, top), drawn)
    return Placed(kind, look, (left, top, left + drawn.width, top + drawn.height))


__getattr__ = old_names(  # changed in 0.2.0
    __name__, {"colours_of": "colors_of", "colours_apart": "colors_apart"}
)
