"""What pictures can come from: folders, lists of files, pictures in memory, datasets."""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageOps

from phi3lib.vision.pictures import read_picture


@dataclass(frozen=True)
class Item:
    """One picture to come.

    id: its name. read: the picture; raises an exception where it cannot be read. size: (width, height)
    without reading all of it. mark: tells this picture from another one of the same id: a file's size and
    time, else a checksum.
    """

    id: str
    read: Callable[[], Image.Image]
    size: Callable[[], tuple[int, int]]
    mark: Callable[[], str]


def items_of(images: Any) -> list[Item]:
    """The pictures of a folder (with its subfolders), a list, an array or a `datasets.Dataset`.

    An array (H, W), (H, W, channels) or a tensor (channels, H, W) is one picture, one with four axes many.
    Ids: the path within the folder, the file name as it was given, or the place in the list; bytes of a name
    that are no UTF-8 are written as \\xff. Hidden files are left out, links that lead nowhere are not: they
    are told of as unreadable.

    FileNotFoundError for a folder that is not there; ValueError for none at all, or for an id that comes
    twice.
    """
    items = list(_items(images))
    if not items:
        raise ValueError("no pictures came: the folder or list is empty")
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise ValueError(f"the picture {item.id!r} comes twice; give each once")
        seen.add(item.id)
    return items


def _items(images: Any) -> Iterator[Item]:
    if isinstance(images, str | os.PathLike):
        yield from _of_path(Path(images).expanduser())
    elif hasattr(images, "features") and hasattr(images, "num_rows"):
        yield from _of_dataset(images)
    elif isinstance(images, Image.Image) or (
        isinstance(images, np.ndarray | torch.Tensor) and images.ndim < 4
    ):
        yield _in_memory("0", images)
    elif isinstance(images, Iterable):
        for place, image in enumerate(images):
            is_file = isinstance(image, str | os.PathLike)
            yield (
                _of_file(os.fspath(image), Path(image).expanduser())
                if is_file
                else _in_memory(str(place), image)
            )
    else:
        raise ValueError(f"{type(images).__name__} is no folder, no list of pictures and no dataset")


def _of_path(path: Path) -> Iterator[Item]:
    if path.is_file():
        yield _of_file(path.name, path)
        return
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path)!r}")
    for file in sorted(path.rglob("*")):
        within = file.relative_to(path)
        leads_nowhere = file.is_symlink() and not file.exists()
        hidden = any(part.startswith(".") for part in within.parts)
        if (file.is_file() or leads_nowhere) and not hidden:
            yield _of_file(within.as_posix(), file)


def _of_file(name: str, path: Path) -> Item:
    readable = os.fsencode(name).decode("utf-8", "backslashreplace")
    return Item(
        readable, lambda: read_upright(path), lambda: _size_in_header(path), lambda: _mark_of_file(path)
    )


def _size_in_header(file: Any) -> tuple[int, int]:
    with Image.open(file) as opened:
        return opened.size


def _mark_of_file(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:  # reading it will say what is wrong
        return "none"
    return f"{status.st_size} bytes, {status.st_mtime_ns}"


def read_upright(file: Path | BinaryIO) -> Image.Image:
    """The picture in a file, RGB and upright. ValueError with the reason where it cannot be read."""
    if isinstance(file, Path):
        _require_content(file)
    try:
        with Image.open(file) as opened:
            opened.load()
            return read_picture(ImageOps.exif_transpose(opened))
    except Image.UnidentifiedImageError:
        raise ValueError("this is no picture that Pillow can read") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"the picture is too large: {error}") from None
    # Damaged files make Pillow's readers raise almost anything.
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _require_content(path: Path) -> None:
    if not path.exists():
        raise ValueError("there is no such file")
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")


def _in_memory(name: str, image: Any) -> Item:
    if not isinstance(image, Image.Image | np.ndarray | torch.Tensor):
        raise ValueError(f"picture {name} is a {type(image).__name__}, not a picture or a file name")
    return Item(name, lambda: read_picture(image), lambda: _size_of(image), lambda: _mark_of_pixels(image))


def _size_of(image: Any) -> tuple[int, int]:
    return image.size if isinstance(image, Image.Image) else read_picture(image).size


def _mark_of_pixels(image: Any) -> str:
    try:
        return _checksum(read_picture(image).tobytes())
    except ValueError:  # reading it will say what is wrong
        return "none"


def _checksum(data: bytes | memoryview) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _of_dataset(dataset: Any) -> Iterator[Item]:
    column = next((name for name, kind in dataset.features.items() if type(kind).__name__ == "Image"), None)
    if column is None:
        raise ValueError(
            f"the dataset has no column of pictures; its columns are {', '.join(dataset.features)}"
        )
    # As files, not decoded: what is broken must not stop the others, and a size needs the header only.
    encoded = dataset.select_columns([column]).cast_column(
        column, type(dataset.features[column])(decode=False)
    )
    yield from (_of_dataset_row(encoded, column, row) for row in range(len(dataset)))


def _of_dataset_row(encoded: Any, column: str, row: int) -> Item:
    def file() -> Any:
        """What Pillow can open: the bytes, or the path where the dataset holds only that."""
        value = encoded[row][column]
        if value is None or not (value["bytes"] or value["path"]):
            raise ValueError("the row holds no picture")
        return io.BytesIO(value["bytes"]) if value["bytes"] else Path(value["path"])

    def mark() -> str:
        try:
            opened = file()
        except ValueError:  # reading it will say what is wrong
            return "none"
        return _mark_of_file(opened) if isinstance(opened, Path) else _checksum(opened.getbuffer())

    return Item(str(row), lambda: read_upright(file()), lambda: _size_in_header(file()), mark)


def check_labels(labels: dict[str, Sequence[Any]], count: int) -> None:
    """ValueError where a label has not one value for each picture."""
    for name, values in labels.items():
        if len(values) != count:
            raise ValueError(f"the label {name!r} has {len(values)} values for {count} pictures")
