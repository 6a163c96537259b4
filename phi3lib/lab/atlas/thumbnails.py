"""Thumbnails as sprite sheets, small enough that a page decodes few of them and can let them go again.

A page that shows a whole map draws the first pictures of its shuffled order; zoomed in, it draws pictures
that stand together. So the first sheets hold the former, and all others follow the coordinates on the map:
a few sheets serve every view.
"""

import base64
import io
import itertools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps

from phi3lib.embeddings.maps import Tell
from phi3lib.embeddings.run_time import on_all_cores, usable_cores
from phi3lib.lab.figures import palette
from phi3lib.vision.pictures import read_small

SHEET = 16  # thumbnails on a side of a sheet
AT_ONCE = 8  # pictures that a thread reads, one after another
SMALL = 2**15  # pixels: to make a thumbnail of fewer is mostly work of Python, which threads do in turn
TRIED = 16  # pictures from which it is estimated how long all of them take
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


class Thumbnails:
    """The thumbnails of pictures: read when they are first asked for, and kept.

    The view in a notebook, views of other maps and an exported page have the same ones. To read them takes
    minutes where the pictures are many photographs; to keep them takes at most 144 MB (30,000 of 40 pixels).
    """

    def __init__(self, pictures: Sequence[Any]) -> None:
        self._pictures = pictures
        self._rows: NDArray[np.intp] | None = None
        self._read = _nothing(0)
        self._reading = Lock()

    def of(
        self, rows: NDArray[np.intp], tell: Tell | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
        """Return those of some pictures, (n, side, side, 3), and widths in hundredths of heights, (n,).

        The widths tell which margins to leave out. What cannot be read is grey. tell: is called with the
        share that is done; what it raises ends the work.
        """
        with self._reading:
            if not self.are_read(rows):
                found = [self._pictures[row] for row in rows]
                self._read, self._rows = read_thumbnails(found, thumbnail_side(len(rows)), tell), rows
            return self._read

    def are_read(self, rows: NDArray[np.intp]) -> bool:
        """Whether those of these pictures are kept."""
        return self._rows is not None and np.array_equal(self._rows, rows)

    def seconds(self, rows: NDArray[np.intp]) -> float:
        """Return how long `of` will take, from a trial of a few pictures."""
        some = rows[:: max(len(rows) // TRIED, 1)][:TRIED]
        start = time.perf_counter()
        read_thumbnails([self._pictures[row] for row in some], thumbnail_side(len(rows)))
        return (time.perf_counter() - start) / len(some) * len(rows)


def read_thumbnails(
    pictures: Sequence[Any], side: int, tell: Tell | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Return what `Thumbnails.of` does; JPEG files are decoded at a fraction of their size.

    On all cores, but small pictures in this thread: others would only slow down what is computed beside it.
    """
    pixels, shapes = _nothing(len(pictures), side)
    place_of = {id(picture): place for place, picture in reversed([*enumerate(pictures)])}
    places = list(place_of.values())  # an object that occurs twice must not be read by two threads
    go_alone = {place for place in places if _goes_alone(pictures[place])}
    alone = _parts([place for place in places if place in go_alone])
    others = _parts([place for place in places if place not in go_alone])
    numbers = itertools.count(1)

    def read(part: Sequence[int]) -> None:
        for place in part:
            pixels[place], shapes[place] = _thumbnail(pictures[place], side)
        if tell is not None:
            tell(next(numbers) / len(alone + others))

    on_all_cores(read, others, large=len(others) > 1)
    on_all_cores(read, alone, large=False)
    first = [place_of[id(picture)] for picture in pictures]
    return (pixels[first], shapes[first]) if len(places) < len(first) else (pixels, shapes)


def _parts(places: Sequence[int]) -> list[Sequence[int]]:
    return [places[at : at + AT_ONCE] for at in range(0, len(places), AT_ONCE)]


def _nothing(count: int, side: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    return np.empty((count, side, side, 3), np.uint8), np.empty(count, np.intp)


def _goes_alone(picture: Any) -> bool:
    """Whether it is an open file, or reads one: several pictures may have the same. Or it is small."""
    if hasattr(picture, "read") or getattr(picture, "fp", None) is not None:
        return True
    return isinstance(picture, Image.Image) and picture.width * picture.height < SMALL


def _thumbnail(picture: Any, side: int) -> tuple[NDArray[np.uint8], int]:
    try:
        upright = read_small(picture, 2 * side)
    except ValueError:
        return np.asarray(Image.new("RGB", (side, side), palette.NO_PICTURE)), 100
    shape = round(100 * upright.width / upright.height)
    padded = ImageOps.pad(upright, (side, side), color=palette.PAPER)
    return np.asarray(padded), min(max(shape, 5), 2000)


def sprite_sheets(thumbnails: NDArray[np.uint8], *, compact: bool = False) -> list[str]:
    """Return thumbnails, (n, side, side, 3), on square sheets of SHEET × SHEET, as data URIs.

    compact: fewer bytes, for a file; else fewer seconds.
    """
    how = WEBP if compact else JPEG
    parts = [thumbnails[start : start + SHEET**2] for start in range(0, len(thumbnails), SHEET**2)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(lambda part: _data_uri(_sheet(part), how), parts))


def _sheet(thumbnails: NDArray[np.uint8]) -> Image.Image:
    count, side = thumbnails.shape[:2]
    lines = -(-count // SHEET)
    cells = np.empty((lines * SHEET, side, side, 3), np.uint8)
    cells[:count], cells[count:] = thumbnails, ImageColor.getrgb(palette.NO_PICTURE)
    cells = cells.reshape(lines, SHEET, side, side, 3).swapaxes(1, 2)  # (lines, side, SHEET, side, 3)
    return Image.fromarray(cells.reshape(lines * side, SHEET * side, 3))


def _data_uri(sheet: Image.Image, how: dict[str, Any]) -> str:
    buffer = io.BytesIO()
    sheet.save(buffer, **how)
    return f"data:image/{how['format'].lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
