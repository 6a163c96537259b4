"""One large printed character, the stuff of digits and letters."""

from functools import lru_cache

from numpy.random import Generator
from PIL import Image, ImageDraw

from picturebook.kind import Look
from picturebook.pages.ink import GLYPH_FONTS, HEAVY_FONTS, SMALL, font, master_size, size_with_side

_FONTS = tuple(GLYPH_FONTS)
# Below this side a light font would be a hairline.
_LIGHT_FROM = 44


# A narrow O is a zero, and an I without serifs is a bar.
_NOT_FOR = {"O": ("mono", "mono bold", "typewriter"), "I": ("sans", "sans bold", "grotesque")}


def fonts_for(character: str, look: Look, side: int) -> tuple[str, ...]:
    """Return the fonts for one character; heavy ones where it is small or carries a pattern."""
    names = _FONTS if side >= _LIGHT_FROM and look.pattern == "plain" else HEAVY_FONTS
    return tuple(name for name in names if name not in _NOT_FOR.get(character, ()))


def pick_font(character: str, look: Look, side: int, rng: Generator) -> str:
    """One of `fonts_for` this character."""
    names = fonts_for(character, look, side)
    return names[rng.integers(len(names))]


def glyph_mask(character: str, name: str, side: int) -> Image.Image:
    """Mask (mode L) of one character, cut to its ink, longer side `side`."""
    make = _kept_master if side <= SMALL else _master
    master = make(character, name, master_size(side))
    return master.resize(size_with_side(*master.size, side), Image.Resampling.HAMMING)


def _master(character: str, name: str, size: int) -> Image.Image:
    mask = Image.new("L", (2 * size, 2 * size))
    ImageDraw.Draw(mask).text(
        (size // 2, round(1.5 * size)), character, 255, font=font(name, size), anchor="ls"
    )
    return mask.crop(mask.getbbox())


_kept_master = lru_cache(maxsize=512)(_master)
