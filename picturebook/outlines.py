"""Kinds as a pen draws them: only the outlines of a stencil, by an unsteady hand.

    outline(KINDS["robot"], 112, rng)

A stencil's layers have edges: of the thing, of its darker details, of its white parts. A pen of any width
follows them, and the whole is bent a little, as no hand draws straight.
"""

from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from picturebook.colors import COLORS
from picturebook.kind import Kind, Look
from picturebook.pages.ink import size_with_side

Plane = NDArray[np.float32]
_LOOK = Look(COLORS["red"])  # body, detail and paper differ in it
_LEVELS = {"outside": 0, "body": 1, "detail": 2, "paper": 3}
_VARIANTS = 4
_WAVES = 3  # of each bend: half a wave to one and a half over the picture


def outline(kind: Kind, side: int, rng: Generator, *, share: float = 0.8) -> Image.Image:
    """Return the outlines of a kind as a mask (mode L), side × side pixels.

    The kind must be drawn with a stencil; others have prints and fills that no pen draws.
    """
    parts = _parts(kind, round(share * side), int(rng.integers(_VARIANTS)))
    across, down = np.exp(rng.normal(0, 0.12, 2))
    size = size_with_side(parts.width * across, parts.height * down, round(share * side))
    page = Image.new("L", (side, side))
    page.paste(parts.resize(size, Image.Resampling.NEAREST), ((side - size[0]) // 2, (side - size[1]) // 2))
    edges = _edges(np.asarray(page))
    pen = int(rng.choice((1, 3, 5), p=(0.1, 0.6, 0.3)))
    mask = Image.fromarray(edges).filter(ImageFilter.MaxFilter(pen))
    return bent(mask, rng)


@lru_cache(maxsize=1024)
def _parts(kind: Kind, side: int, variant: int) -> Image.Image:
    """Return the part that each pixel belongs to, one of _LEVELS; variant: how the stencil is turned."""
    drawn = kind.draw(_LOOK, side, np.random.default_rng(variant)).image
    pixels = np.asarray(drawn).astype(int)
    red, green, alpha = pixels[..., 0], pixels[..., 1], pixels[..., 3]
    body_red, body_green = _LOOK.color.rgb[:2]
    parts = np.full(alpha.shape, _LEVELS["body"], dtype=np.uint8)
    parts[red < 0.75 * body_red] = _LEVELS["detail"]
    parts[green > body_green + 100] = _LEVELS["paper"]
    parts[alpha < 128] = _LEVELS["outside"]
    return Image.fromarray(parts)


def _edges(parts: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 255 where the part of a pixel differs from that to the right or below."""
    edges = np.zeros(parts.shape, dtype=bool)
    edges[:, :-1] |= parts[:, :-1] != parts[:, 1:]
    edges[:-1] |= parts[:-1] != parts[1:]
    return edges.astype(np.uint8) * 255


def bent(mask: Image.Image, rng: Generator, *, strength: float = 0.02) -> Image.Image:
    """Return a mask moved by a few random waves, at most about `strength` of its side for each."""
    height, width = mask.height, mask.width
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    moved = []
    for place, length in ((across, width), (down, height)):
        bend = np.zeros_like(place)
        for _ in range(_WAVES):
            turn = rng.uniform(0, 2 * np.pi)
            along = (np.cos(turn) * across + np.sin(turn) * down) / length
            waves = rng.uniform(0.5, 1.5)
            bend += rng.normal(0, strength) * np.sin(2 * np.pi * waves * along + rng.uniform(0, 2 * np.pi))
        moved.append(np.clip(place + length * bend, 0, length - 1.001))
    return Image.fromarray(_sampled(np.asarray(mask, dtype=np.float32), *moved).round().astype(np.uint8))


def _sampled(values: Plane, x: Plane, y: Plane) -> Plane:
    """Return values between pixels, linear in both directions."""
    left, top = x.astype(int), y.astype(int)
    right, low = x - left, y - top
    upper = values[top, left] * (1 - right) + values[top, left + 1] * right
    lower = values[top + 1, left] * (1 - right) + values[top + 1, left + 1] * right
    return upper * (1 - low) + lower * low
