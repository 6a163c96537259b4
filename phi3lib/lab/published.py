"""Vectors that were computed with the published checkpoints, where somebody has computed them.

    found = lab.published()
    if found is not None:
        found.tables["CLIP vector"], found.queries["CLIP vector"], found.thumbnail("china")

`make real` writes the folder `data/published` on a machine that has the published checkpoints. In a checkout
that nobody has done this for, the folder is missing and `published()` returns None: notebooks run without it.
Vectors are stored as float16.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.photographs import Credit
from phi3lib.loading.defaults import CLIP_NAMES, DATA_FOLDER, PHI3_NAMES

FOLDER = DATA_FOLDER / "published"
RECORD, VECTORS, THUMBNAILS = "published.json", "vectors.safetensors", "thumbnails"
FORMAT = 1
MOST_BYTES = 8_000_000  # of the whole folder
PUBLISHED_NAMES = tuple(name for name in (*PHI3_NAMES, *CLIP_NAMES) if "/" in name)
IMAGES, TEXTS = "images/", "texts/"


@dataclass(frozen=True)
class Published:
    """Vectors of published checkpoints for a set of free photographs and their pieces.

    tables: for each space the vectors of all images, with the labels `photograph` and `piece` (whether it is
    a part of a photograph). queries: for each space with a text encoder the vectors of texts; the ids are
    the texts. credits: author, licence and source of each photograph. made: machine and versions.
    """

    folder: Path
    tables: dict[str, EmbeddingTable]
    queries: dict[str, EmbeddingTable]
    credits: dict[str, Credit]
    made: dict[str, Any]

    def thumbnail(self, name: str) -> Image.Image:
        """Return the small picture of an image by its id; ValueError for another name."""
        ids = next(iter(self.tables.values())).ids
        if name not in ids:
            raise ValueError(f"there is no image {name!r}; there are {len(ids)}, such as {ids[0]!r}")
        with Image.open(self.folder / THUMBNAILS / f"{ids.index(name):04}.jpg") as picture:
            return picture.convert("RGB")


def published(folder: Path | None = None) -> Published | None:
    """Return what `data/published` holds, or None where that folder is missing or holds no record.

    Raises ValueError, one sentence, for files that are damaged, too large, or not made with one of
    PUBLISHED_NAMES: only vectors of published weights may be there.
    """
    folder = FOLDER if folder is None else Path(folder)
    if not (folder / RECORD).is_file():
        return None
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        _require_known(record, folder)
        return _assembled(record, _vectors(folder), folder)
    except (OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder} is damaged ({error}): remove it, or run `make real` again") from error


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _require_known(record: dict[str, Any], folder: Path) -> None:
    if record["format"] != FORMAT:
        raise ValueError(f"{folder} has format {record['format']}, not {FORMAT}: run `make real` again")
    unknown = sorted({space["model"] for space in record["spaces"].values()} - set(PUBLISHED_NAMES))
    if unknown:
        raise ValueError(
            f"{folder} holds vectors of {unknown[0]}, which is no published checkpoint: remove it"
        )
    size = folder_bytes(folder)
    if size > MOST_BYTES:
        raise ValueError(f"{folder} has {size:,} bytes, at most {MOST_BYTES:,} are read: remove it")


def _vectors(folder: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(folder / VECTORS)
    except SafetensorError as error:
        raise ValueError(f"{folder / VECTORS} is damaged ({error}): run `make real` again") from error


def _assembled(record: dict[str, Any], vectors: dict[str, np.ndarray], folder: Path) -> Published:
    items, texts = record["items"], record["queries"]
    ids = tuple(item["id"] for item in items)
    labels = {
        "photograph": np.array([str(item["photograph"]) for item in items]),
        "piece": np.array([bool(item["piece"]) for item in items]),
    }
    tables, queries = {}, {}
    for name, recipe in record["spaces"].items():
        tables[name] = EmbeddingTable(vectors[IMAGES + name].astype(np.float32), ids, labels, recipe)
        if TEXTS + name in vectors:
            queries[name] = EmbeddingTable(vectors[TEXTS + name].astype(np.float32), tuple(texts), {}, recipe)
    credits = {name: Credit(**fields) for name, fields in record["credits"].items()}
    return Published(folder, tables, queries, credits, record["made"])


def as_half(vectors: Any) -> np.ndarray:
    """Return vectors as float16, each scaled to length 1 first; ValueError for NaN, infinity or zero."""
    exact = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("a vector is zero, or holds NaN or infinity: nothing was written")
    return (exact / lengths).astype(np.float16)


def rounding_error(width: int) -> float:
    """Return a bound on the change of a cosine by float16, for vectors of `width` numbers.

    Each number of a unit vector is rounded by at most 2^-11 of itself or, near zero, 2^-25; both vectors
    are.
    """
    return 2 * (2.0**-11 + math.sqrt(width) * 2.0**-25)
