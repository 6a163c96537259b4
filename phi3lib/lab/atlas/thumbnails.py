"""Thumbnails as sprite sheets, small enough that a page decodes few of them and can let them go again.

A page that shows a whole map draws the first pictures of its shuffled order; zoomed in, it draws pictures
that stand together. So the first sheets hold the former, and all others follow the coordinates on the map:
a few sheets serve every view.
"""

import base64
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from phi3lib.embeddings.run_time import usable_cores
from phi3lib.lab.figures import palette
from phi3lib.vision.pictures import read_small

SHEET = 16  # thumbnails on a side of a sheet
FRONT = 4 * SHEET**2  # pictures on the sheets of the whole map
COARSE = 1_500  # pictures up to which thumbnails are large
MANY = 6_000  # from here on they are smallest
JPEG = {"format": "JPEG", "quality": 80}
WEBP = {"format": "WEBP", "quality": 70, "method": 2}  # 0.72 of the JPEG's bytes and 12 times its seconds


def thumbnail_side(count: int) -> int:
    """Return the side of a thumbnail in pixels: smaller for more pictures, so that the page stays small."""
    return 128 if count <= 400 else 96 if count <= COARSE else 64 if count <= MANY else 40


def sheet_order(coordinates: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the points of a map, (n, 2), in the order of their thumbnails: (n,)."""
    first = np.array(shuffled(len(coordinates))[:FRONT], dtype=np.intp)
    rest = np.setdiff1d(np.arange(len(coordinates)), first)
    return np.concatenate([first, rest[np.argsort(_along(coordinates[rest]), kind="stable")]])


def shuffled(count: int) -> list[int]:
    """Return the numbers from 0 in the order in which the page draws points; the same as in plane.js."""
    order, state = list(range(count)), 12345
    for n in range(count - 1, 0, -1):
        state = (state * 1664525 + 1013904223) % 2**32
        other = state * (n + 1) >> 32
        order[n], order[other] = order[other], order[n]
    return order


def _along(coordinates: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return for each point its number along a Z-order curve, on which what is near stays mostly near."""
    if not len(coordinates):
        return np.zeros(0, dtype=np.uint64)
    low = coordinates.min(0)
    span = np.ptp(coordinates, axis=0).max() or 1.0
    cells = ((coordinates - low) / span * 1023).astype(np.uint64)
    number = np.zeros(len(coordinates), dtype=np.uint64)
    for bit in range(10):
        for axis in (0, 1):
            number |= (cells[:, axis] >> np.uint64(bit) & np.uint64(1)) << np.uint64(2 * bit + axis)
    return number


def sprite_sheets(pictures: Sequence[Any], side: int) -> list[str]:
    """Return thumbnails on square sheets of SHEET × SHEET, as data URIs; unreadable ones are grey."""
    return sheets_with_shapes(pictures, side)[0]


def sheets_with_shapes(
    pictures: Sequence[Any], side: int, *, compact: bool = False
) -> tuple[list[str], list[int]]:
    """Return the sheets, and each picture's width in hundredths of its height, to leave out margins.

    Files are read on all cores, JPEGs at a fraction of their size. compact: fewer bytes, for a file; else
    fewer seconds.
    """
    coming, shapes = [], []
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(pictures), SHEET**2):
            part = pictures[start : start + SHEET**2]
            lines = -(-len(part) // SHEET)
            sheet = Image.new("RGB", (SHEET * side, lines * side), palette.NO_PICTURE)
            for index, (small, shape) in enumerate(_thumbnails(part, side, pool)):
                sheet.paste(small, ((index % SHEET) * side, (index // SHEET) * side))
                shapes.append(shape)
            coming.append(pool.submit(_data_uri, sheet, WEBP if compact else JPEG))
    return [one.result() for one in coming], shapes


def _data_uri(sheet: Image.Image, how: dict[str, Any]) -> str:
    buffer = io.BytesIO()
    sheet.save(buffer, **how)
    return f"data:image/{how['format'].lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _thumbnails(
    pictures: Sequence[Any], side: int, pool: ThreadPoolExecutor
) -> Iterator[tuple[Image.Image, int]]:
    """Yield the thumbnail of each picture; images in memory in this thread: one may occur twice."""
    coming = [
        pool.submit(_thumbnail, one, side) if isinstance(one, str | os.PathLike) else one for one in pictures
    ]
    for one in coming:
        yield one.result() if isinstance(one, Future) else _thumbnail(one, side)


def _thumbnail(picture: Any, side: int) -> tuple[Image.Image, int]:
    try:
        upright = read_small(picture, 2 * side)
    except ValueError:
        return Image.new("RGB", (side, side), palette.NO_PICTURE), 100
    shape = round(100 * upright.width / upright.height)
    return ImageOps.pad(upright, (side, side), color=palette.PAPER), min(max(shape, 5), 2000)
