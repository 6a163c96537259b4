"""The inputs of the golden cases, made instead of stored: integer arithmetic, the same on every machine.

The golden files in tests/data/golden hold what the published code answers to these inputs.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

GOLDEN = Path(__file__).parent / "data" / "golden"
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float64)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float64)
_CHANNELS = {"RGB": 3, "L": 1, "RGBA": 4, "LA": 2, "P": 1}


def golden_json(name: str) -> Any:
    """Read tests/data/golden/`name`."""
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


def synth_u8(width: int, height: int, seed: int = 0, channels: int = 3) -> np.ndarray:
    """(height, width, channels) uint8: ramps, blocks and a mild texture."""
    y = np.arange(height, dtype=np.int64)[:, None]
    x = np.arange(width, dtype=np.int64)[None, :]
    out = np.empty((height, width, channels), dtype=np.uint8)
    w1, h1 = max(width - 1, 1), max(height - 1, 1)
    for c in range(channels):
        a, b, d = 37 + 11 * c + seed, 91 + 29 * c + 3 * seed, 13 + 7 * c + 5 * seed
        ramp = (x * (120 + 17 * c)) // w1 + (y * (90 + 23 * c)) // h1
        blocks = ((x * 8) // max(width, 1) * a + (y * 6) // max(height, 1) * b + d) % 97
        texture = (x * x * 3 + y * y * 5 + x * y + d * 17) % 31
        out[..., c] = ((ramp + blocks + texture + 10 * c + 7 * seed) % 256).astype(np.uint8)
    return out


def synth_pixels(n: int, seed: int = 0, side: int = 336) -> np.ndarray:
    """(n, 3, side, side) float32: normalised tiles."""
    return np.stack([_synth_tile(side, seed * 100 + i) for i in range(n)])


@lru_cache(maxsize=32)
def _synth_tile(side: int, seed: int) -> np.ndarray:
    """(3, side, side) float32: one normalised tile."""
    picture = synth_u8(side, side, seed)
    tile = ((picture.astype(np.float64) / 255.0 - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)
    return np.ascontiguousarray(tile)


def synth_picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A Pillow picture of mode RGB, L, RGBA, LA or P (16 colours)."""
    channels = _CHANNELS[mode]
    array = synth_u8(width, height, seed, channels)
    if mode != "P":
        return Image.fromarray(array[..., 0] if channels == 1 else array)
    picture = Image.new("P", (width, height))
    picture.putdata((array[..., 0] // 16).ravel().tolist())
    colors = [((i * 37) % 256, (i * 91 + 40) % 256, (i * 13 + 99) % 256) for i in range(16)]
    picture.putpalette([value for color in colors for value in color] + [0] * 720)
    return picture
