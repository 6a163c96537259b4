"""The images of a `datasets.Dataset`, with any format or transform."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from phi3lib.vision.pictures import read_upright

ENCODED = {"bytes", "path"}  # of an image in a data set's Parquet file
PREFERRED = "image"  # the column that is taken where there are several


def is_dataset(images: Any) -> bool:
    """Return whether this is a `datasets.Dataset`, without importing datasets."""
    return hasattr(images, "features") and hasattr(images, "num_rows") and not isinstance(images, Mapping)


def rows_of(dataset: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield (id, open) for each row: its position, and what returns the image, its bytes or its path.

    A format (NumPy, torch, pandas, Arrow) does not change the images and is ignored: the encoded files are
    read. The user's own transform is applied. `open` raises ValueError for a row without an
    image. Raises ValueError if no column, or more than one of which none is called "image", holds images.
    """
    column = image_column(dataset.features)
    if dataset.format["type"] == "custom":
        return _transformed(dataset, column)
    return _encoded(dataset, column)


def image_column(features: Any) -> str:
    """Return the name of the column that holds images; see `rows_of`."""
    columns = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    if not columns:
        raise ValueError(
            f"the dataset has no column of pictures; its columns are {', '.join(features)}. For a column of "
            f"file names use dataset.cast_column(name, datasets.Image())"
        )
    if len(columns) > 1 and PREFERRED not in columns:
        raise ValueError(
            f"the dataset has {len(columns)} columns of pictures ({', '.join(columns)}); keep one of them, "
            f"for example dataset.select_columns([{columns[0]!r}])"
        )
    return columns[0] if len(columns) == 1 else PREFERRED


def _encoded(dataset: Any, column: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    feature = dataclasses.replace(dataset.features[column], decode=False)
    # As files, not decoded: a broken image must not stop the others.
    files = dataset.with_format(None).select_columns([column]).cast_column(column, feature)

    mode = feature.mode if feature.mode not in (None, "RGB", "RGBA") else ""  # all become RGB in the end

    def opener(row: int) -> Callable[[], Any]:
        if mode:
            return lambda: read_upright(content_of(files[row][column])).convert(mode)
        return lambda: content_of(files[row][column])

    return ((str(row), opener(row)) for row in range(len(dataset)))


def content_of(value: Any) -> Any:
    """Return the bytes or the path of an encoded image. ValueError for none."""
    if value is not None and set(value) != ENCODED:
        raise ValueError(f"this is a dict with {', '.join(map(repr, list(value)[:5]))}, not a picture")
    if value is None or not (value["bytes"] or value["path"]):
        raise ValueError("the row holds no picture")
    return value["bytes"] or value["path"]


def _transformed(dataset: Any, column: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    def opener(row: int) -> Callable[[], Any]:
        return lambda: _of_transform(dataset, row, column)

    return ((str(row), opener(row)) for row in range(len(dataset)))


def _of_transform(dataset: Any, row: int, column: str) -> Any:
    try:
        values = dataset[row]
    except Exception as error:  # the user's own code, and decoders under it
        raise ValueError(f"the dataset's transform fails: {type(error).__name__}: {error}") from error
    if column not in values:
        raise ValueError(
            f"the dataset's transform returns no column {column!r}, only {', '.join(map(repr, values))}; use "
            f"dataset.with_format(None) to embed the images themselves"
        )
    return values[column]
