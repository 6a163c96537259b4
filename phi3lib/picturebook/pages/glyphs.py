"""One large printed character, the stuff of digits and letters."""

from functools import lru_cache

from numpy.random import Generator
from PIL import Image, ImageDraw

from phi3lib.picturebook.kind import Look
from phi3lib.picturebook.pages.ink import GLYPH_FONTS, HEAVY_FONTS, font, size_with_side

_FONTS = tuple(GLYPH_FONTS)
_MASTER = 256
# Below this side a light font would be a hairline.
_LIGHT_FROM = 44


def pick_font(look: Look, side: int, rng: Generator) -> str:
    """A font for one character; a heavy one where the character is small or carries a pattern."""
    names = _FONTS if side >= _LIGHT_FROM and look.pattern == "plain" else HEAVY_FONTS
    return names[rng.integers(len(names))]


def glyph_mask(character: str, name: str, side: int) -> Image.Image:
    """Mask (mode L) of one character, cut to its ink, longer side `side`."""
    master = _master(character, name, _MASTER if side <= _MASTER // 2 else 2 * side)
    return master.resize(size_with_side(*master.size, side), Image.Resampling.HAMMING)


@lru_cache(maxsize=512)
def _master(character: str, name: str, size: int) -> Image.Image:
    mask = Image.new("L", (2 * size, 2 * size))
    ImageDraw.Draw(mask).text(
        (size // 2, round(1.5 * size)), character, 255, font=font(name, size), anchor="ls"
    )
    return mask.crop(mask.getbbox())
