"""A sign: a board with one word on it."""

from collections.abc import Mapping

from numpy.random import Generator
from PIL import Image, ImageDraw

from picturebook.kind import Drawing, Fact, Kind, Look
from picturebook.pages.ink import RGB, outline_of, readable_ink, rounded, scale_of, word_mask
from picturebook.pages.words import TRAINED_WORDS

FORMS = ("plate", "framed plate", "arrow right", "arrow left", "post", "hanging")
SIGN_FONTS = ("sans bold", "sans bold", "serif bold", "mono bold", "roman bold", "sans", "grotesque")
_STEEL: RGB = (120, 124, 130)
_WOOD: RGB = (112, 76, 44)

Box = tuple[float, float, float, float]


def draw_sign(
    word: str, look: Look, side: int, rng: Generator, *, form: str | None = None, font: str | None = None
) -> Drawing:
    """Return a board in the look's colour with `word`; `form` and `font` are drawn by `rng` by default.

    The facts hold the `text`, the `form` and the `cap_height` of the print in pixels. The pattern of the
    look is not shown: print on stripes is hard to read.
    """
    form = form or FORMS[rng.integers(len(FORMS))]
    font = font or SIGN_FONTS[rng.integers(len(SIGN_FONTS))]
    if form not in FORMS:
        raise ValueError(f"no form {form!r}; there are: {', '.join(FORMS)}")
    rgb = look.color.rgb
    arrow = form.startswith("arrow")
    mask, cap = word_mask(word, font, side * (0.70 if arrow else 0.84), side * 0.42)
    height = min(round(mask.height * (2.2 if arrow else 1.9)) + round(side * 0.06), side)
    rest = {"post": round(0.45 * side), "hanging": round(0.22 * side)}.get(form, 0)
    rest = min(rest, side - height)
    top = rest if form == "hanging" else 0
    image = _board(form, rgb, side, height, rest)
    shift = {"arrow right": -0.06, "arrow left": 0.06}.get(form, 0.0) * side
    left = round((side - mask.width) / 2 + shift)
    image.paste(readable_ink(rgb), (left, top + (height - mask.height) // 2), mask)
    return Drawing(image, {"text": word, "form": form, "cap_height": cap})


def _board(form: str, rgb: RGB, side: int, height: int, rest: int) -> Image.Image:
    """Return the empty board, RGBA: side × (height + rest), the rest being its post or its chains."""
    scale = scale_of(side)
    image = Image.new("RGBA", (side * scale, (height + rest) * scale), (*outline_of(rgb), 0))
    pen = ImageDraw.Draw(image)
    top = rest * scale if form == "hanging" else 0
    box = (0.0, float(top), side * scale - 1.0, top + height * scale - 1.0)
    if form == "post":
        middle, half = side * scale / 2, 0.035 * side * scale
        pen.rectangle((middle - half, box[3] - 2, middle + half, image.height), fill=_WOOD)
    elif form == "hanging":
        _chains(pen, side * scale, top)
    edge = max(0.012 * side * scale, scale)
    if form.startswith("arrow"):
        _arrow(pen, box, rgb, edge, right=form == "arrow right")
    else:
        _plate(pen, box, rgb, edge, frame=form == "framed plate")
    return image.reduce(scale)


def _plate(pen: ImageDraw.ImageDraw, box: Box, rgb: RGB, edge: float, *, frame: bool) -> None:
    radius = 0.16 * (box[3] - box[1])
    rounded(pen, box, radius, fill=outline_of(rgb))
    rounded(pen, _inset(box, edge), radius - edge, fill=rgb)
    if frame:
        line = max(edge * 1.2, 1.0)
        rounded(pen, _inset(box, 2.5 * edge), radius - 2.5 * edge, fill=readable_ink(rgb))
        rounded(pen, _inset(box, 2.5 * edge + line), radius - 2.5 * edge - line, fill=rgb)


def _arrow(pen: ImageDraw.ImageDraw, box: Box, rgb: RGB, edge: float, *, right: bool) -> None:
    for inset, fill in ((0.0, outline_of(rgb)), (edge, rgb)):
        left, top, far, bottom = _inset(box, inset)
        neck = far - 0.14 * (box[2] - box[0]) - 0.2 * inset
        tip = far - 0.6 * inset
        points = [(left, top), (neck, top), (tip, (top + bottom) / 2), (neck, bottom), (left, bottom)]
        pen.polygon(points if right else [(box[2] - x, y) for x, y in points], fill=fill)


def _chains(pen: ImageDraw.ImageDraw, width: float, height: float) -> None:
    bar = 0.26 * height
    rounded(pen, (0, 0, width - 1, bar), bar / 2, fill=_STEEL)
    for place in (0.18, 0.82):
        half = 0.012 * width
        pen.rectangle((place * width - half, bar / 2, place * width + half, height + 2), fill=_STEEL)


def _inset(box: Box, by: float) -> Box:
    return box[0] + by, box[1] + by, box[2] - by, box[3] - by


def _draw(look: Look, side: int, rng: Generator) -> Drawing:
    return draw_sign(TRAINED_WORDS[rng.integers(len(TRAINED_WORDS))], look, side, rng)


def _describe(facts: Mapping[str, Fact]) -> str:
    return f'sign saying "{facts["text"]}"'


SIGN = Kind(
    name="sign",
    plural="signs",
    family="signs",
    french="panneau",
    feminine=False,
    draw=_draw,
    synonyms=("signboard", "board with a word on it"),
    describe=_describe,
)
