"""What pictures can come from: folders, lists of files, pictures in memory, datasets."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from phi3lib.vision.pictures import read_picture


@dataclass(frozen=True)
class Item:
    """One picture to come: its id, how to read it, and how to learn its size without reading all of it."""

    id: str
    read: Callable[[], Image.Image]
    size: Callable[[], tuple[int, int]]


def items_of(images: Any) -> list[Item]:
    """The pictures of a folder (with its subfolders), a list, an array or a `datasets.Dataset`.

    Ids: the path within the folder, the file name as it was given, or the place in the list. Hidden files
    are left out. FileNotFoundError for a folder that is not there; ValueError for none at all, or for an id
    that comes twice.
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
    elif isinstance(images, Image.Image):
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
        if file.is_file() and not any(part.startswith(".") for part in within.parts):
            yield _of_file(within.as_posix(), file)


def _of_file(name: str, path: Path) -> Item:
    def size() -> tuple[int, int]:
        with Image.open(path) as opened:
            return opened.size

    return Item(name, lambda: read_upright(path), size)


def read_upright(path: Path) -> Image.Image:
    """The picture in a file, RGB and upright. ValueError with the reason where it cannot be read."""
    if not path.exists():
        raise ValueError("there is no such file")
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    try:
        with Image.open(path) as opened:
            opened.load()
            return read_picture(ImageOps.exif_transpose(opened))
    except Image.UnidentifiedImageError:
        raise ValueError("this is no picture that Pillow can read") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"the picture is too large: {error}") from None
    # Damaged files make Pillow's readers raise almost anything.
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _in_memory(name: str, image: Any) -> Item:
    if not isinstance(image, Image.Image | np.ndarray | torch.Tensor):
        raise ValueError(f"picture {name} is a {type(image).__name__}, not a picture or a file name")
    return Item(name, lambda: read_picture(image), lambda: _size_of(image))


def _size_of(image: Any) -> tuple[int, int]:
    return image.size if isinstance(image, Image.Image) else read_picture(image).size


def _of_dataset(dataset: Any) -> Iterator[Item]:
    column = next((name for name, kind in dataset.features.items() if type(kind).__name__ == "Image"), None)
    if column is None:
        raise ValueError(
            f"the dataset has no column of pictures; its columns are {', '.join(dataset.features)}"
        )

    def item(row: int) -> Item:
        def read() -> Image.Image:
            return read_picture(ImageOps.exif_transpose(dataset[row][column]))

        return Item(str(row), read, lambda: read().size)

    yield from (item(row) for row in range(len(dataset)))


def check_labels(labels: dict[str, Sequence[Any]], count: int) -> None:
    """ValueError where a label has not one value for each picture."""
    for name, values in labels.items():
        if len(values) != count:
            raise ValueError(f"the label {name!r} has {len(values)} values for {count} pictures")
