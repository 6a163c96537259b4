"""The pen that stencils are drawn with, and how a stencil becomes a painted picture.

A stencil is drawn once, on a square of 100 × 100 units, in three layers: `body` takes the colour and the
pattern, `detail` a darker tone of it, `paper` is white. What is drawn later covers what is there already;
`cut` makes a hole. The three layers are kept as the channels of one picture, so that turning and
resizing them costs one operation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, radians, sin

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageChops, ImageDraw
from scipy.ndimage import maximum_filter, minimum_filter

from picturebook.colors import luminance
from picturebook.kind import Drawing, Kind, Look
from picturebook.pages.ink import BLACK, RGB, WHITE, font, mix, painted, size_with_side

Points = Sequence[tuple[float, float]]

BODY, DETAIL, PAPER = (255, 0, 0), (255, 255, 0), (255, 0, 255)  # alpha, detail, paper
CUT = (0, 0, 0)

UNITS = 100
MARGIN = 10  # units around the square, for lines that reach over its edge
OVERSAMPLING = 2
# Up to SMALL pixels one master serves all sizes and is kept.
SMALL, MASTER = 128, 192
ANGLES = (-7, 0, 7)  # degrees


class Pen:
    """Draws in units of a hundredth of the square, y downwards; `ink` is one of the layers or CUT."""

    def __init__(self, size: int) -> None:
        self.scale = size / UNITS
        side = round((UNITS + 2 * MARGIN) * self.scale)
        self.image = Image.new("RGB", (side, side))
        self._pen = ImageDraw.Draw(self.image)

    def _at(self, points: Points) -> list[tuple[float, float]]:
        return [((x + MARGIN) * self.scale, (y + MARGIN) * self.scale) for x, y in points]

    def shape(self, points: Points, ink: RGB = BODY) -> None:
        """Draw a filled polygon."""
        self._pen.polygon(self._at(points), fill=ink)

    def oval(self, x: float, y: float, rx: float, ry: float | None = None, ink: RGB = BODY) -> None:
        """Draw a filled ellipse around (x, y); a circle without `ry`."""
        ry = rx if ry is None else ry
        (left, top), (right, bottom) = self._at([(x - rx, y - ry), (x + rx, y + ry)])
        self._pen.ellipse((left, top, right, bottom), fill=ink)

    def box(
        self, left: float, top: float, right: float, bottom: float, radius: float = 0, ink: RGB = BODY
    ) -> None:
        """Draw a filled rectangle with rounded corners."""
        (x0, y0), (x1, y1) = self._at([(left, top), (right, bottom)])
        self._pen.rounded_rectangle((x0, y0, x1, y1), radius * self.scale, fill=ink)

    def line(self, points: Points, width: float, ink: RGB = BODY) -> None:
        """Draw a line with round ends and corners."""
        placed = self._at(points)
        self._pen.line(placed, fill=ink, width=max(round(width * self.scale), 1), joint="curve")
        for x, y in points:
            self.oval(x, y, width / 2, ink=ink)

    def arc(
        self, x: float, y: float, radius: float, start: float, end: float, width: float, ink: RGB = BODY
    ) -> None:
        """Draw a round line from angle `start` to `end`, in degrees clockwise from three o'clock."""
        steps = max(int(abs(end - start) / 6), 2)
        angles = [radians(start + (end - start) * step / steps) for step in range(steps + 1)]
        self.line([(x + radius * cos(a), y + radius * sin(a)) for a in angles], width, ink)

    def slice(self, x: float, y: float, radius: float, start: float, end: float, ink: RGB = BODY) -> None:
        """Draw a piece of a pie; angles as in `arc`."""
        (left, top), (right, bottom) = self._at([(x - radius, y - radius), (x + radius, y + radius)])
        self._pen.pieslice((left, top, right, bottom), start, end, fill=ink)

    def glyph(self, character: str, thicker: int = 0) -> None:
        """Draw a character of DejaVu Sans, filling the square; `thicker` widens its strokes, in units."""
        size = 4 * UNITS
        mask = Image.new("L", (2 * size, 2 * size))
        ImageDraw.Draw(mask).text(
            (size // 2, round(1.5 * size)), character, 255, font=font("sans bold", size), anchor="ls"
        )
        mask = mask.crop(mask.getbbox())
        side = UNITS * self.scale
        mask = mask.resize(size_with_side(*mask.size, round(side)), Image.Resampling.HAMMING)
        middle = (self.image.width - mask.width) // 2, (self.image.height - mask.height) // 2
        self.image.paste(BODY, middle, mask)
        if thicker:
            width = 2 * round(thicker * self.scale / 2) + 1
            # Pillow's MaxFilter would give the same numbers in ten times the time or more.
            grown = maximum_filter(np.asarray(self.image), (width, width, 1), mode="nearest")
            self.image.paste(Image.fromarray(grown))

    def mirrored(self) -> None:
        """Add the mirror image of what is drawn so far (left to right)."""
        self.image.paste(
            ImageChops.lighter(self.image, self.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
        )


Draw = Callable[[Pen], None]


@dataclass(frozen=True)
class Stencil:
    """How a kind is drawn; `mirror` and `turn` say whether it may be mirrored and turned a little."""

    draw: Draw
    mirror: bool = True
    turn: bool = True

    def layers(self, size: int) -> Image.Image:
        """RGB with the channels alpha, detail and paper; the square is `size` pixels, a margin around it."""
        pen = Pen(size * OVERSAMPLING)
        self.draw(pen)
        return _with_outline(pen.image, size).reduce(OVERSAMPLING)


def _with_outline(layers: Image.Image, size: int) -> Image.Image:
    """Return the same with a rim in the detail layer, so that white stays visible on white."""
    alpha, detail, paper = layers.split()
    width = max(round(0.022 * size * OVERSAMPLING), 1)
    # Pillow's MinFilter would give the same numbers in twelve times the time.
    inner = Image.fromarray(minimum_filter(np.asarray(alpha), 2 * width + 1, mode="nearest"))
    rim = ImageChops.subtract(alpha, inner)
    return Image.merge("RGB", (alpha, ImageChops.lighter(detail, rim), ImageChops.subtract(paper, rim)))


def _turned(layers: Image.Image, angle: int) -> Image.Image:
    """Return the layers turned, cut to their ink."""
    if angle:
        layers = layers.rotate(angle, Image.Resampling.BICUBIC)
    return layers.crop(layers.getchannel(0).getbbox())


@lru_cache(maxsize=256)
def _kept_layers(stencil: Stencil) -> Image.Image:
    return stencil.layers(MASTER)


@lru_cache(maxsize=1024)
def _kept_turned(stencil: Stencil, angle: int) -> Image.Image:
    return _turned(_kept_layers(stencil), angle)


def paint(stencil: Stencil, look: Look, side: int, rng: Generator) -> Image.Image:
    """RGBA, longer side `side`: the stencil in this look, mirrored and turned as `rng` has it."""
    angle = ANGLES[rng.integers(len(ANGLES))] if stencil.turn else 0
    mirrored = bool(rng.integers(2)) and stencil.mirror
    # A mirror image that is turned is the mirror image of what is turned the other way: half as many to turn.
    turn = -angle if mirrored else angle
    layers = _kept_turned(stencil, turn) if side <= SMALL else _turned(stencil.layers(side), turn)
    if mirrored:
        layers = layers.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    layers = layers.resize(size_with_side(*layers.size, side), Image.Resampling.HAMMING)
    alpha, detail, paper = layers.split()
    image = painted(alpha, look, max(side // 7, 5))
    rgb = look.color.rgb
    image.paste(paper_of(rgb), (0, 0), paper)
    image.paste(detail_of(rgb), (0, 0), detail)
    image.putalpha(alpha)
    return image


def detail_of(rgb: RGB) -> RGB:
    """Return the tone of lines inside a body of this colour: darker, on very dark bodies lighter."""
    return mix(rgb, WHITE, 0.4) if luminance(rgb) < 0.03 else mix(rgb, BLACK, 0.55)


def paper_of(rgb: RGB) -> RGB:
    """White, or a light grey on a body that is white itself."""
    return mix(rgb, BLACK, 0.22) if luminance(rgb) > 0.8 else WHITE


def kind(
    name: str,
    french: str,
    draw: Draw,
    *,
    family: str,
    feminine: bool = False,
    plural: str = "",
    synonyms: tuple[str, ...] = (),
    mirror: bool = True,
    turn: bool = True,
) -> Kind:
    """Return a kind that is drawn with a stencil; `plural` defaults to the name with an s."""
    stencil = Stencil(draw, mirror, turn)

    def drawing(look: Look, side: int, rng: Generator) -> Drawing:
        return Drawing(paint(stencil, look, side, rng))

    return Kind(
        name=name,
        plural=plural or f"{name}s",
        family=family,
        french=french,
        feminine=feminine,
        draw=drawing,
        synonyms=synonyms,
    )
