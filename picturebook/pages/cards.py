"""The 52 playing cards."""

from collections.abc import Mapping
from functools import lru_cache

from numpy.random import Generator
from PIL import Image, ImageDraw

from picturebook.kind import Drawing, Fact, Kind, Look
from picturebook.pages.ink import BLACK, RGB, SMALL, font, master_size, rounded, text_mask

RANKS = {
    "ace": "A",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "jack": "J",
    "queen": "Q",
    "king": "K",
}
_RED: RGB = (204, 24, 36)
SUITS: dict[str, tuple[str, RGB]] = {
    "spades": ("♠", BLACK),
    "hearts": ("♥", _RED),
    "diamonds": ("♦", _RED),
    "clubs": ("♣", BLACK),
}
_PROPORTION = 0.7


def draw_card(rank: str, suit: str, side: int) -> Image.Image:
    """RGBA, `side` pixels high: the card, upright; ValueError for a rank or suit that does not exist."""
    if rank not in RANKS or suit not in SUITS:
        raise ValueError(f"no card {rank!r} of {suit!r}")
    make = _kept_card if side <= SMALL else _card
    master = make(rank, suit, master_size(side))
    return master.resize((round(side * _PROPORTION), side), Image.Resampling.HAMMING)


def _card(rank: str, suit: str, height: int) -> Image.Image:
    width = 2 * round(height * _PROPORTION / 2)
    sign, ink = SUITS[suit]
    image = Image.new("RGBA", (width, height), (120, 120, 124, 0))
    pen = ImageDraw.Draw(image)
    line = height / 80
    rounded(pen, (0, 0, width - 1, height - 1), 0.08 * height, fill=(120, 120, 124))
    inner = (line, line, width - 1 - line, height - 1 - line)
    rounded(pen, inner, 0.08 * height - line, fill=(253, 253, 250))
    corner = _corner(rank, sign, height)
    margin = round(0.055 * height)
    image.paste(ink, (margin, margin), corner)
    flipped = corner.transpose(Image.Transpose.ROTATE_180)
    image.paste(ink, (width - margin - corner.width, height - margin - corner.height), flipped)
    middle = _suit(sign, round(0.38 * height))
    image.paste(ink, ((width - middle.width) // 2, (height - middle.height) // 2), middle)
    return image


_kept_card = lru_cache(maxsize=52)(_card)


def _corner(rank: str, sign: str, height: int) -> Image.Image:
    """Mask of the rank, large enough to read at 64 pixels, with a small suit beside it."""
    letter = text_mask(RANKS[rank], round(0.19 * height), "sans bold", tracking=-round(0.02 * height))
    small = _suit(sign, round(0.12 * height))
    gap = round(0.025 * height)
    mask = Image.new("L", (letter.width + gap + small.width, max(letter.height, small.height)))
    mask.paste(letter, (0, 0))
    mask.paste(small, (letter.width + gap, 0))
    return mask


def _suit(sign: str, height: int) -> Image.Image:
    mask = Image.new("L", (3 * height, 3 * height))
    pen = ImageDraw.Draw(mask)
    pen.text((height, 2 * height), sign, 255, font=font("sans", 1.6 * height), anchor="ls")
    cut = mask.crop(mask.getbbox())
    return cut.resize((round(cut.width * height / cut.height), height), Image.Resampling.BICUBIC)


def _draw(look: Look, side: int, rng: Generator) -> Drawing:
    rank = tuple(RANKS)[rng.integers(len(RANKS))]
    suit = tuple(SUITS)[rng.integers(len(SUITS))]
    return Drawing(draw_card(rank, suit, side), {"rank": rank, "suit": suit})


def _describe(facts: Mapping[str, Fact]) -> str:
    return f"playing card, the {facts['rank']} of {facts['suit']}"


CARD = Kind(
    name="playing card",
    plural="playing cards",
    family="cards",
    french="carte à jouer",
    feminine=True,
    draw=_draw,
    takes_color=False,
    describe=_describe,
)
