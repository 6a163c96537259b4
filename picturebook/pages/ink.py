"""Type and paint of the pages: fonts with an exact cap height, masks of text, fills with a pattern."""

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from picturebook.colors import contrast
from picturebook.kind import Look, Printed

RGB = tuple[int, int, int]

BLACK: RGB = (22, 22, 24)
WHITE: RGB = (255, 255, 255)

# Hinted, so that "H" fills a whole number of rows at every cap height from 5 pixels up.
TEXT_FONTS = {
    "sans": "DejaVuSans",
    "sans bold": "DejaVuSans-Bold",
    "serif": "DejaVuSerif",
    "serif bold": "DejaVuSerif-Bold",
    "mono": "DejaVuSansMono",
    "mono bold": "DejaVuSansMono-Bold",
    "roman": "cmr10",
    "roman bold": "cmb10",
    "grotesque": "cmss10",
    "typewriter": "cmtt10",
}
# STIX skips some cap heights (8, 11, 15 ...): fine for one large character, not for print.
GLYPH_FONTS = TEXT_FONTS | {"times": "STIXGeneral", "times bold": "STIXGeneralBol"}
# Strokes that survive at 30 pixels and are wide enough to show a pattern.
HEAVY_FONTS = ("sans bold", "serif bold", "mono bold", "roman bold", "times bold")

SMALLEST_CAP = 5


@lru_cache(maxsize=512)
def font(name: str, size: float) -> ImageFont.FreeTypeFont:
    """Return the font of this name at `size` pixels per em; ValueError for an unknown name."""
    if name not in GLYPH_FONTS:
        raise ValueError(f"no font {name!r}; there are: {', '.join(GLYPH_FONTS)}")
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{GLYPH_FONTS[name]}.ttf"
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=1024)
def cap_font(name: str, cap_height: int) -> ImageFont.FreeTypeFont:
    """Return the font at the size where "H" is exactly `cap_height` pixels high; ValueError without one.

    Among the sizes that give this height the one with the sharpest first and last row is taken, then the
    one nearest to the font's own proportion.
    """
    if cap_height < SMALLEST_CAP:
        raise ValueError(f"a cap height of {cap_height} px cannot be drawn; the smallest is {SMALLEST_CAP}")
    natural = cap_height * 200 / _reference_cap(name)
    sizes = {round(8 * natural + step) / 8 for step in range(-12, 13)}
    best, sharpest = None, -1.0
    for size in sorted(sizes, key=lambda size: (abs(size - natural), -size)):
        rows, edge = _cap_rows(font(name, size))
        if rows == cap_height and edge > sharpest:
            best, sharpest = size, edge
        if sharpest == 255:
            break
    if best is None:
        raise ValueError(f"{name!r} has no size with a cap height of exactly {cap_height} px")
    return font(name, best)


def _cap_rows(face: ImageFont.FreeTypeFont) -> tuple[int, float]:
    """Return the number of rows with ink in "H", and the ink of the fainter of its first and last row."""
    mask = Image.new("L", (2 * round(face.size) + 4, 2 * round(face.size) + 4))
    ImageDraw.Draw(mask).text((2, round(1.5 * face.size)), "H", 255, font=face, anchor="ls")
    rows = np.asarray(mask).max(axis=1)
    inked = np.flatnonzero(rows)
    return len(inked), float(min(rows[inked[0]], rows[inked[-1]]))


def text_width(text: str, name: str, cap_height: int) -> int:
    """Width in pixels of `text` at this cap height, side bearings included."""
    return int(np.ceil(cap_font(name, cap_height).getlength(text)))


def fitting_cap(text: str, name: str, width: float) -> int:
    """Return the largest cap height at which `text` fits into `width` pixels; may be below SMALLEST_CAP."""
    wide = font(name, 200)
    cap = int(width / wide.getlength(text) * _reference_cap(name))
    while cap >= SMALLEST_CAP and text_width(text, name, cap) > width:
        cap -= 1
    return cap


@lru_cache
def _reference_cap(name: str) -> int:
    return _cap_rows(font(name, 200))[0]


def write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    ink: RGB,
    name: str,
    cap_height: int,
    *,
    anchor: str,
) -> Printed:
    """Write text at a place, as `ImageDraw.text` anchors it; return where it is."""
    face = cap_font(name, cap_height)
    pen.text(place, text, ink, font=face, anchor=anchor)
    left, top, right, bottom = (round(edge) for edge in pen.textbbox(place, text, font=face, anchor=anchor))
    return Printed(text, (left, top, right, bottom), cap_height, name)


def text_mask(text: str, cap_height: int, name: str = "sans bold", *, tracking: int = 0) -> Image.Image:
    """Mask (mode L) of `text`, cut to its ink; capitals with flat ends are exactly `cap_height` rows high.

    `tracking` is added between the letters, in pixels.
    """
    face = cap_font(name, cap_height)
    size = (int(face.getlength(text)) + tracking * len(text) + 2 * cap_height + 4, 4 * cap_height)
    mask = Image.new("L", size)
    pen = ImageDraw.Draw(mask)
    if tracking:
        left = float(cap_height)
        for letter in text:
            pen.text((round(left), 3 * cap_height), letter, 255, font=face, anchor="ls")
            left += face.getlength(letter) + tracking
    else:
        pen.text((cap_height, 3 * cap_height), text, 255, font=face, anchor="ls")
    return mask.crop(mask.getbbox() or (0, 0, 1, 1))


def draw_text(
    text: str, cap_height_px: int, font: str = "sans bold", ink: RGB = BLACK, *, tracking: int = 0
) -> Image.Image:
    """`text` as RGBA, cut to its ink, with a cap height of exactly `cap_height_px`.

    >>> draw_text("EXIT", 9).height
    9
    """
    mask = text_mask(text, cap_height_px, font, tracking=tracking)
    image = Image.new("RGBA", mask.size, (*ink, 0))
    image.putalpha(mask)
    return image


def word_mask(text: str, name: str, width: float, height: float) -> tuple[Image.Image, int]:
    """Return the largest mask of `text` inside width × height, and its cap height in pixels.

    Below the smallest cap height that can be hinted it is drawn four times as large and reduced.
    """
    cap = min(fitting_cap(text, name, width), int(height))
    if cap >= SMALLEST_CAP:
        return text_mask(text, cap, name), cap
    wide = min(max(fitting_cap(text, name, 4 * width), SMALLEST_CAP), max(int(4 * height), SMALLEST_CAP))
    return text_mask(text, wide, name).reduce(4), max(wide // 4, 1)


def readable_ink(board: RGB) -> RGB:
    """White where it reads well on `board`, else black."""
    return WHITE if contrast(WHITE, board) >= 3 else BLACK


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """`first` with `share` (0 to 1) of `second` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def outline_of(rgb: RGB) -> RGB:
    """Return a darker edge that keeps a white thing visible on white and is quiet elsewhere."""
    return mix(rgb, BLACK, 0.45)


def painted(mask: Image.Image, look: Look, pitch: int) -> Image.Image:
    """RGBA: `mask` (mode L) filled with the colour and pattern of `look`; a pattern repeats after `pitch`."""
    image = Image.new("RGB", mask.size, look.color.rgb)
    if look.pattern != "plain":
        second = _second_color(look.color.rgb)
        image.paste(second, (0, 0), _pattern(look.pattern, max(pitch, 3), *mask.size))
    image.putalpha(mask)
    return image


def _second_color(rgb: RGB) -> RGB:
    light = contrast(WHITE, rgb) < 2
    return mix(rgb, BLACK, 0.5) if light else mix(rgb, WHITE, 0.72)


def _pattern(pattern: str, pitch: int, width: int, height: int) -> Image.Image:
    # One large piece serves all sizes: pictures of many sizes share the cache.
    block = 1 << (max(width, height, 64) - 1).bit_length()
    make = _kept_block if block <= MASTER else _pattern_block
    return make(pattern, pitch, block).crop((0, 0, width, height))


def _pattern_block(pattern: str, pitch: int, block: int) -> Image.Image:
    y, x = np.mgrid[0:block, 0:block].astype(np.float32) + np.float32(0.5)
    if pattern == "striped":
        # Across the diagonal, so that neither upright nor lying strokes can hide between two stripes.
        distance = np.abs(((x + y) / np.sqrt(2)) % pitch - pitch / 2) - pitch / 4
    elif pattern == "dotted":
        shift = (np.floor(y / pitch) % 2) * pitch / 2
        distance = np.hypot((x + shift) % pitch - pitch / 2, y % pitch - pitch / 2) - 0.3 * pitch
    else:
        raise ValueError(f"no pattern {pattern!r}")
    return Image.fromarray((np.clip(0.5 - distance, 0, 1) * 255).astype(np.uint8))


_kept_block = lru_cache(maxsize=64)(_pattern_block)


def scale_of(side: int) -> int:
    """How many times larger than its final size a shape is drawn before it is reduced."""
    if side <= 64:
        return 4
    return 3 if side <= 128 else 2


def rounded(
    pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], radius: float, fill: RGB
) -> None:
    """Draw a filled rectangle with rounded corners, on whole pixels; nothing where the box is empty."""
    left, top, right, bottom = map(round, box)
    # Pillow refuses an empty box, and a radius that leaves nothing between two corners.
    if right > left and bottom > top:
        pen.rounded_rectangle(
            (left, top, right, bottom),
            max(min(round(radius), (right - left) // 2, (bottom - top) // 2), 0),
            fill,
        )


# Up to this side one master of MASTER pixels serves all sizes and is kept. Larger pictures are drawn at
# twice their size and not kept: they are rarer, and memory is not for them.
SMALL = 128
MASTER = 256


def master_size(side: int) -> int:
    """Return the size at which a picture of `side` pixels is drawn before it is reduced."""
    return MASTER if side <= SMALL else 2 * side


def size_with_side(width: float, height: float, side: int) -> tuple[int, int]:
    """Width and height in the proportion given, the longer one equal to `side`."""
    scale = side / max(width, height)
    return max(round(width * scale), 1), max(round(height * scale), 1)
