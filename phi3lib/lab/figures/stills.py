"""A finished picture with its words, and what a notebook stores of it."""

import base64
import hashlib
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from phi3lib.lab.figures.shown_text import readable

# For JupyterLab, in a notebook that is opened again: a view without a model says only "model not found", and
# the still picture behind it says more.
_TWIN_STYLE = (
    ".jp-OutputArea-child:has(> .jp-OutputArea-output.jupyter-widgets)"
    ":has(+ .jp-OutputArea-child .phi3lib-twin){display:none}"
)


# Dark pages of JupyterLab and its exports, of VS Code, and of the site. Lightness is inverted, the hue kept:
# blue stays blue. White becomes JupyterLab's dark page.
_DARK = ('[data-jp-theme-light="false"]', ".vscode-dark", '[data-md-color-scheme="slate"]')
DARK_FILTER = "invert(.93) hue-rotate(180deg)"
_DRAWING_STYLE = f"{','.join(f'{page} .phi3lib-drawing' for page in _DARK)}{{filter:{DARK_FILTER}}}"


@dataclass(frozen=True)
class Still:
    """A finished picture with its alternative text; the last line of a cell or `display` shows it.

    drawing: it holds only lines, marks and letters, so that it can follow a dark theme. Pictures and matrices
    stay on white paper, because their colors are what they show.
    """

    data: bytes
    mime: str  # image/png or image/jpeg
    alt: str
    size: tuple[int, int]
    drawing: bool = False

    @property
    def data_uri(self) -> str:
        """The picture as a data URI."""
        return f"data:{self.mime};base64,{_letters(self.data)}"

    @property
    def png(self) -> bytes:
        """The picture as a PNG, in whichever format it is stored."""
        if self.mime == "image/png":
            return self.data
        with Image.open(io.BytesIO(self.data)) as image:
            return _palette_png(image.convert("RGB"))

    @property
    def key(self) -> str:
        """A name for this picture that can stand in a class attribute; equal pictures have equal names."""
        return f"phi3lib-twin-{hashlib.sha256(self.data).hexdigest()[:12]}"

    def to_html(self) -> str:
        """Return an `<img>` that carries its own data and its alternative text."""
        width, height = self.size
        alt = html.escape(readable(self.alt), quote=True)
        style = f"<style>{_DRAWING_STYLE}</style>" if self.drawing else ""
        drawing = " phi3lib-drawing" if self.drawing else ""
        return (
            f'{style}<img class="phi3lib-still{drawing}" src="{self.data_uri}" alt="{alt}" '
            f'width="{width}" height="{height}" style="max-width: 100%; height: auto">'
        )

    def to_twin_html(self, name: str = "") -> str:
        """Return the `<img>` of a still picture that a live view hides while it is connected.

        name: of the instrument. It goes before the alternative text, which is a sentence about its state: a
        listener does not see what the picture is.
        """
        named = name and not self.alt.startswith(name)
        shown = replace(self, alt=f"{name}, still picture. {self.alt}") if named else self
        return f'<div class="phi3lib-twin {self.key}"><style>{_TWIN_STYLE}</style>{shown.to_html()}</div>'

    def __repr__(self) -> str:
        return f"[picture] {self.alt}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        words = readable(repr(self))
        return {"text/html": self.to_html(), "image/png": _letters(self.png), "text/plain": words}


def _letters(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def encode(image: Image.Image, *, keep: Sequence[str] = ()) -> tuple[bytes, str]:
    """Return (bytes, mime type): a PNG of at most 256 colors, or for photographs a JPEG if smaller.

    keep: colors, as hexadecimal text, that the PNG holds exactly beside white, however rare they are.
    """
    png, jpeg = _palette_png(image, keep), io.BytesIO()
    if len(png) < 24_000:
        return png, "image/png"
    image.save(jpeg, "JPEG", quality=72, optimize=True, subsampling=0)
    if jpeg.tell() < len(png):
        return jpeg.getvalue(), "image/jpeg"
    return png, "image/png"


def _palette_png(image: Image.Image, keep: Sequence[str] = ()) -> bytes:
    buffer = io.BytesIO()
    _in_few_colors(image, keep).save(buffer, "PNG", compress_level=8)  # 9: twice as slow, for 2 to 4 % less
    return buffer.getvalue()


def _in_few_colors(image: Image.Image, keep: Sequence[str]) -> Image.Image:
    """Return the image in at most 256 colors, white and those of `keep` unchanged.

    Beside a photograph, which needs most of the 256, a rare color is merged with a similar one: the thin line
    of a separator becomes grey. White paper, most of a figure, is not sorted at all: that would take longest.
    """
    pixels = np.asarray(image.convert("RGB"))
    digits = np.array([1 << 16, 1 << 8, 1])  # colors as numbers are compared in a tenth of the time
    numbers = pixels @ digits
    colors = dict.fromkeys(ImageColor.getrgb(color)[:3] for color in ("white", *keep))
    masks = {rgb: mask for rgb in colors if (mask := numbers == digits @ rgb).any()}
    indices = np.zeros(numbers.shape, np.uint8)
    palette = [part for rgb in masks for part in rgb]
    inked = numbers != digits @ (255, 255, 255)
    if inked.any():
        few = Image.fromarray(pixels[inked][None]).quantize(256 - len(masks), dither=Image.Dither.NONE)
        indices[inked] = np.asarray(few)[0] + len(masks)
        palette += few.getpalette() or []
    for index, mask in enumerate(masks.values()):
        indices[mask] = index
    reduced = Image.fromarray(indices)
    reduced.putpalette(palette)
    return reduced
