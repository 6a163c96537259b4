"""A panel as a description instead of a picture: rows of small pictures with words, and strips of numbers.

`drawing.js` draws it. Each picture is stored once for all states, so that thousands of states are small, and
the page can put fewer pictures side by side on a phone.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from phi3lib.lab.figures import plots
from phi3lib.lab.figures.shown_text import readable
from phi3lib.lab.figures.stills import Still, encode

SIDE = 120  # pixels of a small picture
FULL, DASHED = "full", "dashed"


def described(sentence: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """Return a state: its sentence, and rows that `line`, `strip` and `note` made."""
    return {"sentence": readable(sentence), "drawing": list(rows)}


def tile(
    picture: int | None,
    title: str = "",
    *,
    frame: str = "",
    patch: tuple[int, int, int] | None = None,
    heat: ArrayLike | None = None,
) -> dict[str, Any]:
    """Return one small picture with a title of a few lines below it.

    picture: its number among the instrument's pictures; None: only the heat. frame: FULL, DASHED or "".
    patch: (row, column, patches a side) of a patch to frame. heat: (side, side), drawn from blue for the
    least to yellow for the most, over the picture in gray.
    """
    drawn: dict[str, Any] = {"picture": picture, "title": title}
    if frame:
        drawn["frame"] = frame
    if patch is not None:
        drawn["patch"] = list(patch)
    if heat is not None:
        drawn["heat"] = levels(heat)
    return drawn


def line(tiles: Iterable[dict[str, Any]], name: str = "") -> dict[str, Any]:
    """Return tiles side by side, with a name before them."""
    return {"name": name, "tiles": list(tiles)} if name else {"tiles": list(tiles)}


def strip(vector: NDArray[Any], label: str) -> dict[str, Any]:
    """Return a vector as a strip from blue (negative) to red (positive), with a label below."""
    limit = float(np.abs(vector).max()) or 1.0
    return {"strip": levels(vector, -limit, limit), "label": label}


def note(label: str) -> dict[str, Any]:
    """Return a line of words."""
    return {"label": label}


def levels(values: ArrayLike, low: float | None = None, high: float | None = None) -> str:
    """Return numbers from `low` to `high`, by default their own ends, as bytes 0 to 255 in hexadecimal."""
    numbers = np.asarray(values, dtype=np.float64).ravel()
    low, high = numbers.min() if low is None else low, numbers.max() if high is None else high
    scaled = (numbers - low) / ((high - low) or 1.0)
    return np.clip(np.round(255 * scaled), 0, 255).astype(np.uint8).tobytes().hex()


def small_pictures(pictures: Sequence[Image.Image]) -> list[Still]:
    """Return pictures of at most SIDE pixels a side."""
    stills = []
    for picture in pictures:
        small = picture.convert("RGB")
        small.thumbnail((SIDE, SIDE))
        data, mime = encode(small)
        stills.append(Still(data, mime, "", small.size))
    return stills


def palettes() -> dict[str, str]:
    """Return the colors of heat and strips: 64 colors each, in hexadecimal, one after the other."""
    from matplotlib import colormaps

    return {
        name: colormaps[colormap](np.linspace(0, 1, 64), bytes=True)[:, :3].tobytes().hex()
        for name, colormap in {"heat": plots.MAGNITUDE, "strip": plots.DIVERGING}.items()
    }
