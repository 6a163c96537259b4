"""Pairs of image and text for fine-tuning: from a data set, a folder with a captions file, or two lists."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3lib.embeddings.dataset_rows import is_dataset
from phi3lib.embeddings.sources import Item, find_items
from phi3lib.vision.inputs import as_entries, as_path, as_texts

CAPTION_FILES = ("metadata.jsonl", "captions.jsonl", "metadata.csv", "captions.csv")
FILE_COLUMNS = ("file_name", "file", "filename", "image")
TEXT_COLUMNS = ("text", "caption", "texts", "captions")


@dataclass(frozen=True)
class Pairs:
    """Images with their texts; an image may have several texts, each a pair.

    items: images, not opened yet. rows: for each pair the position of its image in `items`. texts: for each
    pair its text.
    """

    items: tuple[Item, ...]
    rows: tuple[int, ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: "Pairs") -> "Pairs":
        """Return the pairs of both, for example captions in two languages."""
        later = tuple(row + len(self.items) for row in other.rows)
        return Pairs(self.items + other.items, self.rows + later, self.texts + other.texts)


def make_pairs(images: Any, texts: Any = None) -> Pairs:
    """Return pairs of image and text.

    images, with texts=None: a `datasets.Dataset` with a column of images and one of texts ("text" or
        "caption", or the only one of strings), or a folder with a captions file, one image a line:
        metadata.jsonl or .csv (file_name, text) as `datasets` has it, or captions.jsonl or .csv.
    images, with texts: a list of file names, Pillow images, arrays …, an array of images or a data set, as
        `embed_images` takes, and a list of as many texts. An image may be in the list several times.

    Returns `Pairs`, with images still to be opened. Raises ValueError where images and texts do not match, a
    text is missing or empty, or a file name leads out of the folder; FileNotFoundError without the folder.
    """
    if isinstance(images, Pairs):
        return images
    if texts is None:
        return _of_one_source(images)
    said = as_texts(texts)
    if is_dataset(images):
        return _checked(find_items(images).items, said)
    listed = as_entries(images, "images")
    _require_fitting(len(listed), said)
    first: dict[Any, int] = {}
    rows = [first.setdefault(_key(image), len(first)) for image in listed]
    once = dict(zip(rows, listed, strict=True))
    items = find_items([once[row] for row in range(len(first))]).items
    return Pairs(tuple(items), tuple(rows), tuple(said))


def _key(image: Any) -> Any:
    """Equal for two entries that are the same file name or the same object."""
    return os.fspath(image) if isinstance(image, str | os.PathLike) else id(image)


def _of_one_source(source: Any) -> Pairs:
    if is_dataset(source):
        column = _text_column(source.features)
        texts = as_texts(source.with_format(None).select_columns([column])[:][column], f"column {column!r}")
        items = find_items(source).items if len(texts) else []
        return _checked(items, texts)
    if isinstance(source, str | os.PathLike):
        return _of_folder(as_path(source))
    raise ValueError(
        f"pairs: got a {type(source).__name__}; pass a datasets.Dataset, a folder with a captions file, or "
        f"make_pairs(images, texts)"
    )


def _checked(items: Sequence[Item], texts: Sequence[str]) -> Pairs:
    _require_fitting(len(items), texts)
    return Pairs(tuple(items), tuple(range(len(items))), tuple(texts))


def _require_fitting(count: int, texts: Sequence[str]) -> None:
    """Raise ValueError unless there is one text for each of `count` images, and none is empty."""
    if count != len(texts):
        raise ValueError(f"{count} images and {len(texts)} texts: pass one text for each image")
    if empty := [index for index, text in enumerate(texts) if not text.strip()]:
        raise ValueError(f"texts: entry {empty[0]} (counted from 0) is empty; give each image a text")


def _text_column(features: Any) -> str:
    strings = [
        name
        for name, feature in features.items()
        if getattr(feature, "dtype", "") in ("string", "large_string")
    ]
    for name in TEXT_COLUMNS:
        if name in strings:
            return name
    if len(strings) != 1:
        raise ValueError(
            f"the data set has {len(strings)} columns of strings ({', '.join(strings) or 'none'}); name the "
            f"one with the texts 'text': dataset.rename_column(…, 'text')"
        )
    return strings[0]


# ------------------------------------------------------------------------------- folders


def _of_folder(folder: Path) -> Pairs:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    found = [folder / name for name in CAPTION_FILES if (folder / name).is_file()]
    if not found:
        raise ValueError(
            f"{str(folder)!r} has no captions file; add {CAPTION_FILES[0]}, a line "
            f'{{"file_name": "a.png", "text": "a cup"}} for each image'
        )
    names, texts = zip(*_lines_of(found[0]), strict=True)
    files = [_within(folder, name, found[0].name) for name in names]
    return make_pairs(files, list(texts))


def _lines_of(path: Path) -> list[tuple[str, str]]:
    """(file name, text) of each line. ValueError for a file that cannot be read as such."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8: {error}") from error
    if path.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(text)))
    else:  # `splitlines` would break texts at characters that JSON may hold as they are, such as U+2028
        lines = enumerate(text.split("\n"), 1)
        rows = [_parsed(line, path.name, number) for number, line in lines if line.strip()]
    if not rows:
        raise ValueError(f"{path.name} holds no lines with images")
    return [
        (_field(row, FILE_COLUMNS, path.name, index), _field(row, TEXT_COLUMNS, path.name, index))
        for index, row in enumerate(rows, 1)
    ]


def _parsed(line: str, name: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}, line {number} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError(f"{name}, line {number} is not an object with a file name and a text")
    return row


def _field(row: Mapping[str, Any], columns: Sequence[str], name: str, index: int) -> str:
    value = next((row[column] for column in columns if column in row), None)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}, entry {index} has no {' or '.join(map(repr, columns[:2]))}")
    return value


def _within(folder: Path, name: str, source: str) -> Path:
    """Return the file of this name. ValueError if it is outside the folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{source} names {name!r}, which is not in the folder {str(folder)!r}")
    return path
