"""Large pictures with several things, small print or a page: what Phi-3-vision is asked about.

    scene = draw_scene(3, style="print", tile=336, grid=(3, 4))
    scene.image, scene.caption, scene.prints

A scene is drawn for a grid of tiles. Its small print has capitals of a fixed number of pixels, whatever the
grid: where the grid has three tiles or more on a side, the global view holds it at a third of that or less
and cannot show it, while one crop can.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

import numpy as np
from numpy.random import Generator
from PIL import Image

from picturebook.captions import COUNTS, PLACES, with_article
from picturebook.colors import COLORS, Color, contrast
from picturebook.kind import Drawing, Fact, Kind, Look
from picturebook.kinds import SCENE_KINDS, takes_pattern
from picturebook.pages.charts import CHARTS, draw_chart
from picturebook.pages.documents import DOCUMENTS, draw_document
from picturebook.pages.ink import draw_text, readable_ink, text_width
from picturebook.pages.words import HELD_OUT_WORDS, TRAINED_WORDS
from picturebook.pictures import Box, Placed, colors_apart, colors_of, draw_picture, ground_picture
from picturebook.splits import rng_of

STYLES = ("things", "print", "page")
PRINT_KINDS = ("letter", "number", "word")
STRINGS = "string"  # letters without a meaning: no scene holds them unless they are asked for
PAGES = (*DOCUMENTS, *CHARTS)
CAPS = (9, 12)  # pixels: the least and the greatest height of small print
PRINT_FONTS = ("sans bold", "sans", "serif bold", "mono bold")
_QUADRANTS = ((-1, -1), (1, -1), (-1, 1), (1, 1))
_MOST_THINGS = 4


@dataclass(frozen=True)
class Print:
    """A piece of small print: its text, its kind, its box in pixels, its place in words."""

    text: str
    kind: str
    box: Box
    place: str
    cap_height: int
    font: str


@dataclass(frozen=True)
class Scene:
    """A drawn scene.

    Of a page: `facts` (title, highest, total …), `lines`: every printed text with its box, and `parts`: boxes
    of its highest and its lowest bar.
    """

    image: Image.Image
    style: str
    background: Color
    caption: str
    things: tuple[Placed, ...] = ()
    places: tuple[str, ...] = ()  # of the things, in their order
    prints: tuple[Print, ...] = ()
    page: str = ""
    facts: dict[str, Fact] = field(default_factory=dict)
    lines: tuple[Print, ...] = ()
    parts: dict[str, Box] = field(default_factory=dict)


def draw_scene(
    number: int,
    *,
    split: str = "train",
    style: str | None = None,
    tile: int = 336,
    grid: tuple[int, int] = (2, 2),
    print_kind: str | None = None,
    caps: tuple[int, int] = CAPS,
    page: str | None = None,
) -> Scene:
    """Scene `number` of a split for `grid` (rows, columns) tiles of `tile` pixels.

    style: one of STYLES, or None for any. print_kind: one of PRINT_KINDS, or STRINGS, for all print. caps:
    the least and the greatest height of its capitals in pixels; where a word finds no room, CAPS hold. page:
    one of PAGES, for the style "page". In the split "held-out" words are those that are never trained, and
    things come in colours held out for their kind. ValueError for names that there are not.
    """
    if style is not None and style not in STYLES:
        raise ValueError(f"no style {style!r}; there are: {', '.join(STYLES)}")
    if print_kind is not None and print_kind not in (*PRINT_KINDS, STRINGS):
        raise ValueError(f"no kind of print {print_kind!r}; there are: {', '.join((*PRINT_KINDS, STRINGS))}")
    if page is not None and page not in PAGES:
        raise ValueError(f"no page {page!r}; there are: {', '.join(PAGES)}")
    rng = rng_of(split, number)
    size = (grid[1] * tile, grid[0] * tile)
    chosen = style or STYLES[int(rng.integers(len(STYLES)))]
    if chosen == "things":
        return _things(split, size, rng)
    if chosen == "print":
        return _prints(split, size, rng, print_kind, caps)
    return _page(size, rng, page)


def close_up(number: int, *, split: str = "train", side: int = 224) -> Scene:
    """One thing close up, of any kind, or two to six of a kind: side × side pixels.

    It is a small picture as `draw_picture` draws it, but with a caption that is always made alike: pattern,
    colour, kind, and the background. ValueError for an unknown split.
    """
    picture = draw_picture(number, split=split, side=side)
    if len({thing.kind.name for thing in picture.things}) > 1:
        # Two kinds side by side are what the style "things" is for.
        picture = draw_picture(number, split=split, side=side, kind=picture.kind)
    phrase = f"{_phrase_of_all(picture.things)} on {with_article(picture.background.name)} background"
    return Scene(picture.image, "close-up", picture.background, phrase, picture.things)


def _phrase_of_all(things: Sequence[Placed]) -> str:
    first = things[0]
    kind, look = first.kind, first.look
    words = [look.pattern] if look.pattern != "plain" else []
    words += [look.color.name] if kind.takes_color else []
    if len(things) > 1:
        return " ".join([COUNTS[len(things)], *words, kind.plural])
    noun = kind.describe(first.facts) if kind.describe else kind.name
    return with_article(" ".join([*words, noun]))


# --------------------------------------------------------------------------- things


def _things(split: str, size: tuple[int, int], rng: Generator) -> Scene:
    """One to four things; two to four stand in the corners, one anywhere."""
    count = int(rng.integers(1, _MOST_THINGS + 1))
    ground = _any_color(rng)
    same = count > 1 and rng.random() < 0.3
    chosen = _kinds_and_looks(split, 1 if same else count, ground, rng)
    chosen = chosen * count if same else chosen
    places = _places(count, rng)
    image, things = ground_picture(ground, size, rng), []
    for (kind, look), place in zip(chosen, places, strict=True):
        drawing = kind.draw(look, round(min(size) * rng.uniform(0.3, 0.44)), rng)
        things.append(Placed(kind, look, _put(image, drawing.image, place, count, rng)))
    words = tuple(PLACES[place] for place in places)
    return Scene(image, "things", ground, _caption(things, words, same=same), tuple(things), words)


def _places(count: int, rng: Generator) -> list[tuple[int, int]]:
    if count == 1:
        across, down = rng.integers(-1, 2, 2)
        return [(int(across), int(down))]
    return sorted(
        (_QUADRANTS[int(index)] for index in rng.permutation(4)[:count]), key=lambda place: place[::-1]
    )


def _any_color(rng: Generator) -> Color:
    names = tuple(COLORS)
    return COLORS[names[int(rng.integers(len(names)))]]


def _kinds_and_looks(split: str, count: int, ground: Color, rng: Generator) -> list[tuple[Kind, Look]]:
    """Different kinds in different colours, all of which can be told from the ground."""
    chosen: list[tuple[Kind, Look]] = []
    while len(chosen) < count:
        kind = SCENE_KINDS[int(rng.integers(len(SCENE_KINDS)))]
        colors = colors_of(kind, split)
        if not colors or any(kind == other for other, _ in chosen):
            continue
        color = colors[int(rng.integers(len(colors)))]
        if colors_apart(color, ground) and all(color != look.color for _, look in chosen):
            patterned = takes_pattern(kind) and rng.random() < 0.2
            chosen.append(
                (kind, Look(color, ("striped", "dotted")[int(rng.integers(2))] if patterned else "plain"))
            )
    return chosen


def _put(image: Image.Image, drawn: Image.Image, place: tuple[int, int], count: int, rng: Generator) -> Box:
    """Paste at a place, with a little chance; the box."""
    room = np.array([image.width - drawn.width, image.height - drawn.height])
    if count == 1:
        share = 0.5 + 0.44 * np.array(place) + rng.uniform(-0.05, 0.05, 2)
    else:
        # Within its quarter of the picture: things never touch.
        quarter = np.array(image.size) / 2 - drawn.size
        start = np.where(np.array(place) > 0, np.array(image.size) / 2, 0)
        share = (start + rng.uniform(0.05, 0.95, 2) * quarter) / np.maximum(room, 1)
    left, top = (int(value) for value in np.clip(share, 0, 1) * room)
    image.paste(drawn, (left, top), drawn)
    return left, top, left + drawn.width, top + drawn.height


def phrase_of(thing: Placed) -> str:
    """Colour and kind of a thing, with its article."""
    return with_article(f"{thing.look.color.name} {thing.kind.name}")


def _caption(things: Sequence[Placed], places: Sequence[str], *, same: bool) -> str:
    if same:
        first = things[0]
        return f"{COUNTS[len(things)]} {first.look.color.name} {first.kind.plural}"
    phrases = [f"{phrase_of(thing)} {place}" for thing, place in zip(things, places, strict=True)]
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


# --------------------------------------------------------------------------- small print


def _prints(
    split: str, size: tuple[int, int], rng: Generator, kind: str | None, caps: tuple[int, int]
) -> Scene:
    """One to four pieces of small print, each somewhere in its own quarter."""
    ground = _any_color(rng)
    image = ground_picture(ground, size, rng)
    places = _places(int(rng.integers(2, 5)) if rng.random() < 0.8 else 1, rng)
    prints = [_print(image, split, ground, place, len(places), rng, kind, caps) for place in places]
    parts = [f'"{piece.text}" {piece.place}' for piece in prints]
    return Scene(image, "print", ground, f"small print: {', '.join(parts)}", prints=tuple(prints))


def print_text(kind: str, split: str, rng: Generator) -> str:
    """Return a text to print: a capital letter, a number of two to four digits, a word, or a string.

    A string is three to seven letters, each as likely as the others, so that no vocabulary helps to guess it.
    """
    if kind == "letter":
        return ascii_uppercase[int(rng.integers(26))]
    if kind == "number":
        digits = int(rng.integers(2, 5))
        return str(int(rng.integers(10 ** (digits - 1), 10**digits)))
    if kind == STRINGS:
        return "".join(
            ascii_uppercase[int(place)] for place in rng.integers(26, size=int(rng.integers(3, 8)))
        )
    words = HELD_OUT_WORDS if split == "held-out" else TRAINED_WORDS
    return words[int(rng.integers(len(words)))]


def _print(
    image: Image.Image,
    split: str,
    ground: Color,
    place: tuple[int, int],
    count: int,
    rng: Generator,
    kind: str | None,
    caps: tuple[int, int],
) -> Print:
    kind = kind or PRINT_KINDS[int(rng.integers(len(PRINT_KINDS)))]
    text = print_text(kind, split, rng)
    font = PRINT_FONTS[int(rng.integers(len(PRINT_FONTS)))]
    room = image.width // (1 if count == 1 else 2) - 8
    fitting = [cap for cap in range(caps[0], caps[1] + 1) if text_width(text, font, cap) < room] or [CAPS[0]]
    cap = fitting[int(rng.integers(len(fitting)))]
    # On a slip of paper, or straight on the background.
    slip = rng.random() < 0.5 or contrast(readable_ink(ground.rgb), ground.rgb) < 3
    paper = COLORS["white"].rgb if slip else ground.rgb
    ink = draw_text(text, cap, font, readable_ink(paper))
    margin = cap // 2 if slip else 0
    drawn = Image.new("RGBA", (ink.width + 2 * margin, ink.height + 2 * margin), (*paper, 255 if slip else 0))
    drawn.alpha_composite(ink, (margin, margin))
    return Print(text, kind, _put(image, drawn, place, count, rng), PLACES[place], cap, font)


# --------------------------------------------------------------------------- pages


def _page(size: tuple[int, int], rng: Generator, wanted: str | None) -> Scene:
    """Return a document or a chart with legible print, filling most of the picture."""
    drawn = PAGES[int(rng.integers(len(PAGES)))]  # in any case: the numbers behind it stay the same
    name = wanted or drawn
    ground = _any_color(rng)
    drawing = _page_drawing(name, round(min(size) * rng.uniform(0.9, 0.98)), rng)
    image = ground_picture(ground, size, rng)
    left, top, _, _ = _put(image, drawing.image, (0, 0), 1, rng)
    lines = tuple(
        Print(one.text, "page", _moved(one.box, left, top), "", one.cap_height, one.font)
        for one in drawing.prints
    )
    parts = {part: _moved(box, left, top) for part, box in drawing.parts.items()}
    said = str(drawing.facts.get("title", ""))
    caption = with_article(f'{name} titled "{said}"' if said and name in CHARTS else name)
    facts = dict(drawing.facts)
    return Scene(image, "page", ground, caption, page=name, facts=facts, lines=lines, parts=parts)


def _moved(box: Box, left: int, top: int) -> Box:
    return box[0] + left, box[1] + top, box[2] + left, box[3] + top


def _page_drawing(name: str, side: int, rng: Generator) -> Drawing:
    """With print of CAPS where there is room, else as large as there is."""
    cap = int(rng.integers(CAPS[0], CAPS[1] + 1))
    for height in (cap, CAPS[0], None):
        try:
            if name in CHARTS:
                return draw_chart(name, side, rng, with_text=True, cap_height=height)
            return draw_document(name, side, rng, cap_height=height)
        except ValueError:
            continue
    return draw_chart(name, side, rng, with_text=False)
