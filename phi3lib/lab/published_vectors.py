"""Vectors that were computed with the published checkpoints, where somebody has computed them.

    found = lab.published()
    if found is not None:
        found.tables["CLIP vector"], found.queries["CLIP vector"], found.thumbnail("china")

`make real` writes the folder `data/published` on a machine that has the published checkpoints. In a checkout
that nobody has done this for, the folder is missing and `published()` returns None: notebooks run without it.
Vectors are stored as float16. The record names each checkpoint with its revision and the SHA-256 of its
weight files, and the SHA-256 of every file in the folder. A folder that a test has filled is marked as such
and is refused here, unless `test=True` asks for it.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from phi3lib.embeddings.knn import exact_unit_rows
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.photographs import Credit
from phi3lib.loading.defaults import CLIP_NAMES, DATA_FOLDER, PHI3_NAMES

FOLDER = DATA_FOLDER / "published"
RECORD, VECTORS, THUMBNAILS = "published.json", "vectors.safetensors", "thumbnails"
FORMAT = 2
MOST_BYTES = 8_000_000  # of the whole folder
PUBLISHED_NAMES = tuple(name for name in (*PHI3_NAMES, *CLIP_NAMES) if "/" in name)
IMAGES, TEXTS = "images/", "texts/"
PUBLISHED, TEST = "published", "test"  # what the record says of the weights
# Numbers in a vector of each space, by checkpoint: vectors of a smaller model cannot pass for published ones.
_PHI3_WIDTHS = {"Phi-3 tower": 1024, "Phi-3 tokens": 3072}
_BASE, _LARGE = {"CLIP vector": 512, "CLIP tower": 768}, {"CLIP vector": 768, "CLIP tower": 1024}
WIDTHS = {name: _PHI3_WIDTHS for name in PUBLISHED_NAMES if "Phi-3" in name} | {
    name: _LARGE if "large" in name else _BASE for name in PUBLISHED_NAMES if "clip" in name
}
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Published:
    """Vectors of published checkpoints for a set of free photographs and their pieces.

    tables: for each space the vectors of all images, with the labels `photograph` and `piece` (whether it is
    a part of a photograph). queries: for each space with a text encoder the vectors of texts; the ids are
    the texts. credits: author, licence and source of each photograph. made: machine and versions.
    weights: "published", or "test" for a folder that a test has filled. checkpoints: of each one its name,
    revision (None if it was read from a folder) and the SHA-256 of its weight files.
    """

    folder: Path
    tables: dict[str, EmbeddingTable]
    queries: dict[str, EmbeddingTable]
    credits: dict[str, Credit]
    made: dict[str, Any]
    weights: str
    checkpoints: list[dict[str, Any]]

    def thumbnail(self, name: str) -> Image.Image:
        """Return the small picture of an image by its id; ValueError for another name."""
        ids = next(iter(self.tables.values())).ids
        if name not in ids:
            raise ValueError(f"there is no image {name!r}; there are {len(ids)}, such as {ids[0]!r}")
        with Image.open(self.folder / THUMBNAILS / f"{ids.index(name):04}.jpg") as picture:
            return picture.convert("RGB")


def published(folder: Path | None = None, *, test: bool = False) -> Published | None:
    """Return what `data/published` holds, or None where that folder is missing or holds no record.

    test: read vectors that a test computed with other weights, and no others; only from another folder.
    Raises ValueError, one sentence, for files that are damaged, changed or too large, and for vectors of any
    weights but those of PUBLISHED_NAMES.
    """
    folder = FOLDER if folder is None else Path(folder)
    if not (folder / RECORD).is_file():
        return None
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        _require_sound(record, folder)
        _require_weights(record, folder, test)
        return _assembled(record, _vectors(folder), folder)
    except (OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"{folder} is damaged ({error}): remove it, or run `make real` again") from error


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in the folder but the record, by its path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / RECORD)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_other_folder(folder: Path) -> None:
    """Raise ValueError if test vectors would be written to, or read from, the folder of published ones."""
    if Path(folder).resolve() == FOLDER.resolve():
        raise ValueError(f"{FOLDER} is for vectors of published weights only: use another folder in tests")


def _require_sound(record: dict[str, Any], folder: Path) -> None:
    if record["format"] != FORMAT:
        raise ValueError(f"{folder} has format {record['format']}, not {FORMAT}: run `make real` again")
    size = folder_bytes(folder)
    if size > MOST_BYTES:
        raise ValueError(f"{folder} has {size:,} bytes, at most {MOST_BYTES:,} are read: remove it")
    found, wanted = checksums(folder), record["files"]
    changed = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if changed:
        raise ValueError(
            f"{folder / changed[0]} is missing, added or changed since the folder was written: "
            f"remove the folder, or run `make real` again"
        )


def _require_weights(record: dict[str, Any], folder: Path, test: bool) -> None:
    weights = record["weights"]
    if test:
        require_other_folder(folder)
    if weights != (TEST if test else PUBLISHED):
        raise ValueError(f"{folder} holds vectors of {weights} weights, which are not published: remove it")
    if not test:
        _require_published(record, folder)


def _require_published(record: dict[str, Any], folder: Path) -> None:
    checkpoints = {one["name"]: one for one in record["checkpoints"]}
    for space, recipe in record["spaces"].items():
        name = recipe["model"]
        if name not in WIDTHS:
            raise ValueError(f"{folder} holds vectors of {name}, which is no published checkpoint: remove it")
        width = WIDTHS[name].get(space)
        if recipe["dimension"] != width:
            raise ValueError(
                f"{space} of {folder} has {recipe['dimension']} numbers, that of {name} has {width}: it was "
                f"computed with other weights; remove it"
            )
        files = checkpoints.get(name, {}).get("files")
        if not files or not all(_SHA256.fullmatch(one) for one in files.values()):
            raise ValueError(f"{folder} lacks the checksums of {name}: remove it, or run `make real` again")


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
        found = vectors[IMAGES + name].astype(np.float32)
        if found.shape[1] != recipe["dimension"]:
            raise ValueError(
                f"{name} of {folder} has {found.shape[1]} numbers, its record says {recipe['dimension']}"
            )
        tables[name] = EmbeddingTable(found, ids, labels, recipe)
        if TEXTS + name in vectors:
            queries[name] = EmbeddingTable(vectors[TEXTS + name].astype(np.float32), tuple(texts), {}, recipe)
    credits = {name: Credit(**fields) for name, fields in record["credits"].items()}
    return Published(
        folder, tables, queries, credits, record["made"], record["weights"], record["checkpoints"]
    )


def as_half(vectors: Any) -> np.ndarray:
    """Return vectors as float16, each scaled to length 1 first; ValueError for NaN, infinity or zero."""
    try:
        return exact_unit_rows(vectors).astype(np.float16)
    except ValueError as error:
        raise ValueError(f"{error}; nothing was written") from error


def rounding_error(width: int) -> float:
    """Return a bound on the change of a cosine by float16, for vectors of `width` numbers.

    Each number of a unit vector is rounded by at most 2^-11 of itself or, near zero, 2^-25; both vectors
    are.
    """
    return 2 * (2.0**-11 + math.sqrt(width) * 2.0**-25)
