"""Where images come from: folders, lists of files, images in memory, data sets. Each becomes one `Item`.

Nothing is opened here but folders. `Item.load` opens its file once: it checks, decodes and fingerprints it.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image

from phi3lib.embeddings.dataset_rows import ENCODED, content_of, is_dataset, rows_of
from phi3lib.embeddings.folders import Leftover, files_in
from phi3lib.vision.inputs import as_entries, as_path, printable
from phi3lib.vision.picture_files import open_regular, reason
from phi3lib.vision.pictures import Admit, Least, Reading, read


@dataclass(frozen=True)
class Mark:
    """What distinguishes an image from another one with the same id.

    identity: of a file, without reading it: device, number, size, times of content and of entry ("" for
    images in memory). content: a checksum of the file's bytes, or of the pixels.
    """

    identity: str
    content: str


@dataclass(frozen=True)
class Loaded:
    """A decoded image with its mark; `reading` is None where its content is the expected one."""

    mark: Mark
    reading: Reading | None


@dataclass(frozen=True)
class Item:
    """An image that has not been read yet.

    id: its name. open: a binary file, an image or an array; raises ValueError or OSError. identity: that of
    its file, without opening it; "" where there is none. is_own: whether nothing else is touched by reading
    it, so that it may be read while others are; an image object could be in the list twice.
    """

    id: str
    open: Callable[[], Any]
    identity: Callable[[], str] = field(default=lambda: "")
    is_own: bool = False

    def load(self, admit: Admit | None = None, expected: str = "", least: Least | None = None) -> Loaded:
        """Return the upright image with its mark; only the mark if its content has the checksum `expected`.

        `admit(width, height)` is called before pixels are decoded; least: see `read`. Raises ValueError with
        the reason if it cannot be read.
        """
        try:
            source = self.open()
        except (OSError, ValueError) as error:
            raise ValueError(reason(error)) from error
        if not hasattr(source, "read"):
            return _load_pixels(source, admit, expected)
        with source:
            return _load_file(source, admit, expected, least)


def _load_file(file: BinaryIO, admit: Admit | None, expected: str, least: Least | None) -> Loaded:
    identity = _identity(os.fstat(file.fileno())) if _has_number(file) else ""
    if expected:
        mark = Mark(identity, _checksum(file))
        if mark.content == expected:
            return Loaded(mark, None)
        return Loaded(mark, read(file, admit, least))
    reading = read(file, admit, least)
    return Loaded(Mark(identity, _checksum(file)), reading)


def _load_pixels(image: Any, admit: Admit | None, expected: str) -> Loaded:
    reading = read(image, admit)
    shape = f"{reading.picture.size}".encode()
    mark = Mark("", hashlib.blake2b(shape + reading.picture.tobytes(), digest_size=16).hexdigest())
    return Loaded(mark, None if mark.content == expected else reading)


def _has_number(file: BinaryIO) -> bool:
    return not isinstance(file, io.BytesIO)


def _checksum(file: BinaryIO) -> str:
    file.seek(0)
    digest = hashlib.blake2b(digest_size=16)
    while block := file.read(2**20):
        digest.update(block)
    file.seek(0)
    return digest.hexdigest()


def _identity(status: os.stat_result) -> str:
    """Files that agree in all of these numbers are taken for the same state of the same file."""
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return "-".join(map(str, numbers))


# --------------------------------------------------------------------------- what can be given


@dataclass(frozen=True)
class Items:
    """The images of a source in their order, and what in it was left out, with the reason.

    unreadable: names with reasons that are reported like images that cannot be read.
    """

    items: list[Item]
    left_out: list[Leftover] = field(default_factory=list)
    unreadable: list[Leftover] = field(default_factory=list)


def items_of(images: Any) -> list[Item]:
    """Return the images of a folder, a list, an array or a `datasets.Dataset`; see `find_items`."""
    return find_items(images).items


def find_items(images: Any, *, own: Path | None = None) -> Items:
    """Return the images of a source.

    images: a folder (with subfolders, sorted by path; see `phi3lib.embeddings.folders` for what in it is no
    image), a file, a sequence of files, images, arrays, bytes, or {"bytes": …, "path": …} as in the Parquet
    files of data sets (in its order; a pandas Series by position), one image, an array or tensor (four axes
    are many images), or a `datasets.Dataset`. own: the file that this run writes, which with its shards is no
    image of the folder.

    Ids: the path within the folder, the file name as given, or the position; bytes of a name that are no
    UTF-8 are written as \\xff.

    Raises FileNotFoundError for a folder that does not exist; ValueError for a source without images, an id
    of two images, a URL, a pattern, a streamed data set, or a mapping such as a `DatasetDict`.
    """
    found = _find(images, own)
    if not found.items:
        raise ValueError(_nothing(found))
    seen: set[str] = set()
    for item in found.items:
        if item.id in seen:
            raise ValueError(f"the image {item.id!r} was passed twice; pass each image once")
        seen.add(item.id)
    return found


def _nothing(found: Items) -> str:
    rest = [*found.unreadable, *found.left_out]
    if not rest:
        return "no images found: the folder or list is empty"
    examples = "; ".join(f"{one.name!r}: {one.reason}" for one in rest[:3])
    return f"no images found: none of {len(rest)} pictures could be read ({examples})"


def _find(images: Any, own: Path | None) -> Items:
    if isinstance(images, str | os.PathLike):
        return _of_path(images, own)
    if is_dataset(images):
        return Items([_of_row(printable(name), open_row) for name, open_row in rows_of(images)])
    if type(images).__name__ == "IterableDataset":  # reading all of it might take days, or never end
        raise ValueError(
            "a streamed data set has no end that is known; pass images of a part of it, as "
            "(row['image'] for row in dataset.take(1000))"
        )
    if isinstance(images, Mapping):
        raise ValueError(
            f"got a {type(images).__name__} with the keys {', '.join(map(repr, list(images)[:5]))}; pass one "
            f"of its values, such as the split ['train'] of a data set, or a list"
        )
    if _is_one_image(images):
        return Items([_of_one(0, images)])
    if isinstance(images, np.ndarray | torch.Tensor) and images.ndim >= 4:
        return Items([_of_one(number, image) for number, image in enumerate(images)])
    if not isinstance(images, Iterable):
        raise ValueError(f"{type(images).__name__} is no folder, no list of pictures and no dataset")
    return Items([_of_one(number, image) for number, image in enumerate(as_entries(images, "images"))])


def _is_one_image(images: Any) -> bool:
    if isinstance(images, np.ndarray) and images.dtype.kind in "OUS":
        return False  # names
    is_array = isinstance(images, np.ndarray | torch.Tensor) and images.ndim < 4
    return (
        is_array
        or isinstance(images, Image.Image | bytes | bytearray | memoryview)
        or hasattr(images, "read")
    )


def _of_path(images: str | os.PathLike[str], own: Path | None) -> Items:
    text, path = os.fsdecode(images), as_path(images)
    if path.is_dir():
        found = files_in(path, own=own)
        return Items([_of_file(name, file) for name, file in found.files], found.left_out, found.unreadable)
    if path.exists():
        return Items([_of_file(path.name, path)])
    if any(sign in text for sign in "*?["):
        raise ValueError(
            f"{text!r} is a pattern, not a folder; pass the files: sorted(glob.glob({text!r})) or "
            f"sorted(Path(…).glob(…))"
        )
    raise FileNotFoundError(f"there is no folder {str(path)!r}")


def _of_file(name: str, path: str | os.PathLike[str]) -> Item:
    def identity() -> str:
        try:
            return _identity(as_path(path).stat())
        except (OSError, ValueError):  # opening it raises the error
            return ""

    return Item(printable(name), lambda: open_regular(path), identity, is_own=True)


def _of_one(number: int, image: Any) -> Item:
    """One entry of a list: a file name, or anything that holds an image; opening it says what is wrong."""
    if isinstance(image, str | os.PathLike):
        return _of_file(os.fsdecode(image), image)
    if isinstance(image, bytes | bytearray | memoryview):
        return Item(str(number), lambda: _in_memory(bytes(image)), is_own=True)
    if isinstance(image, Mapping) and set(image) == ENCODED:
        return _of_row(str(number), lambda: content_of(image))
    if hasattr(image, "read") and hasattr(image, "seek"):
        return Item(str(number), lambda: _copy_of(image))
    return Item(str(number), lambda: _require_image(image))


def _copy_of(file: BinaryIO) -> BinaryIO:
    """Return the content of an open file without closing it."""
    file.seek(0)
    return _in_memory(file.read())


def _in_memory(data: bytes) -> BinaryIO:
    if not data:
        raise ValueError("the file is empty")
    return io.BytesIO(data)


def _require_image(image: Any) -> Any:
    if not isinstance(image, Image.Image | np.ndarray | torch.Tensor):
        keys = f" with {', '.join(map(repr, list(image)[:5]))}" if isinstance(image, Mapping) else ""
        raise ValueError(
            f"this is a {type(image).__name__}{keys}, not a picture; expected a file name, bytes, a Pillow "
            f"image, an array (H, W, channels) or a tensor (channels, H, W)"
        )
    return image


def _of_row(name: str, open_row: Callable[[], Any]) -> Item:
    def opened() -> Any:
        value = open_row()
        if isinstance(value, str | os.PathLike):
            return open_regular(value)
        return _in_memory(value) if isinstance(value, bytes) else _require_image(value)

    return Item(name, opened)
