"""The file of a table while it is computed: its shards, the fingerprint of each image, and the recipe."""

import itertools
import json
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.files import keep_copy, remove_leftovers
from phi3lib.embeddings.folders import LOCK, PREVIOUS, SHARDS
from phi3lib.embeddings.labels import as_column
from phi3lib.embeddings.sources import Mark
from phi3lib.embeddings.table import EmbeddingTable, same_recipe

MARKS_KEY = b"phi3lib.marks"
# The most that is lost if the process is killed: so many vectors, or what so many seconds of work have made.
SHARD, SHARD_SECONDS = 256, 30.0

Vectors = dict[str, NDArray[np.float32]]
Notes = dict[str, tuple[str, ...]]


@dataclass
class Kept:
    """What is known of some images by id: vectors, marks, and notes on what was lost."""

    vectors: Vectors = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    notes: Notes = field(default_factory=dict)

    def add(self, other: "Kept") -> None:
        """Add the entries of another one."""
        self.vectors |= other.vectors
        self.marks |= other.marks
        self.notes |= other.notes


@contextmanager
def open_store(path: Path, recipe: Mapping[str, Any]) -> Iterator["Store"]:
    """Open the file of a table for one run; vectors are on disk at the end, also after an error.

    Raises ValueError if another process is writing it, if `path` is a folder or no table of this package, and
    if it holds vectors of another recipe.
    """
    from filelock import FileLock, Timeout

    if path.is_dir():
        raise ValueError(
            f"{str(path)!r} is a folder; give out= the name of a file, such as 'vectors.parquet'"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = path.with_name(path.name + LOCK)
    try:
        with FileLock(lock_file, timeout=0):
            for file in (path, _previous(path)):
                remove_leftovers(file)
            store = Store(path, dict(recipe))
            try:
                yield store
            finally:
                store.flush()
                lock_file.unlink(missing_ok=True)
    except Timeout:
        raise ValueError(
            f"another process is writing {str(path)!r}; wait until it ends, or choose another out="
        ) from None


def stored_marks(path: Path, recipe: Mapping[str, Any]) -> dict[str, Mark]:
    """Return the marks of the images that the file of a table and its shards hold, by id; change nothing.

    Raises ValueError if they hold vectors of another recipe.
    """
    return Store(path, dict(recipe), keep_damaged=True).kept.marks


def stored_recipe(path: Path | None) -> dict[str, Any] | None:
    """Return the recipe of the vectors that the file of a table or its shards hold; None for no vectors."""
    if path is None:
        return None
    for file in (path, *_shards(path)):
        try:
            return EmbeddingTable.load(file).recipe
        except (FileNotFoundError, ValueError):  # missing or damaged: a run says so
            continue
    return None


def _shards(path: Path) -> list[Path]:
    return sorted(path.with_name(path.name + SHARDS).glob("*.parquet"))


class Store:
    """The file of a table, and beside it, during a run, a folder of shards.

    A stored vector is reused only if the file's fingerprint is unchanged (`Mark`): another folder with the
    same file names, or a file that was changed, is computed again.
    """

    def __init__(self, path: Path, recipe: dict[str, Any], *, keep_damaged: bool = False) -> None:
        self.path, self.recipe, self.keep_damaged = path, recipe, keep_damaged
        self.folder = path.with_name(path.name + SHARDS)
        self.waiting = Kept()
        self.written = time.monotonic()
        self.before: EmbeddingTable | None = None
        in_table = Kept()
        if path.exists():
            self.before, in_table = self._load(path)
        self.marks_before = dict(in_table.marks)
        self.kept = self._with_shards(in_table)

    def _with_shards(self, kept: Kept) -> Kept:
        """Return what the table and interrupted runs contain. ValueError if their recipe is another one."""
        for shard in _shards(self.path):  # younger than the table
            try:
                kept.add(self._load(shard)[1])
            except _Damaged as error:
                if not self.keep_damaged:
                    warnings.warn(f"{error}; its images are computed again", stacklevel=5)
                    shard.unlink()
        return kept

    def _load(self, file: Path) -> tuple[EmbeddingTable, Kept]:
        try:
            table, metadata = EmbeddingTable.load_with_metadata(file)
        except ValueError as error:
            raise _Damaged(str(error)) from error
        if different := same_recipe(table.recipe, self.recipe):
            raise ValueError(
                f"{str(self.path)!r} holds vectors of another recipe ({'; '.join(different)}): "
                f"choose another out=, or delete it{self._and_the_shards()}"
            )
        width = self.recipe.get("dimension", table.vectors.shape[1])
        if table.vectors.shape[1] != width:
            raise ValueError(
                f"{str(file)!r} holds vectors of {table.vectors.shape[1]} numbers, but this recipe makes "
                f"vectors of {width}: choose another out=, or delete it"
            )
        notes: Notes = {}
        for name, note in table.notes:
            notes[name] = (*notes.get(name, ()), note)
        return table, Kept(dict(zip(table.ids, table.vectors, strict=True)), marks_of(metadata), notes)

    def add(self, new: Kept) -> None:
        """Keep vectors; a full shard, or one that has waited long, is written."""
        self.waiting.add(new)
        if len(self.waiting.vectors) >= SHARD or time.monotonic() - self.written >= SHARD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is not yet on disk."""
        if self.waiting.vectors:
            numbers = [int(file.stem) for file in self.folder.glob("*.parquet") if file.stem.isdigit()]
            ids = tuple(self.waiting.vectors)
            notes = tuple(
                (name, note) for name, image_notes in self.waiting.notes.items() for note in image_notes
            )
            rows = np.stack(list(self.waiting.vectors.values()))
            shard = EmbeddingTable(rows, ids, recipe=self.recipe, notes=notes)
            self._save(shard, self.folder / f"{max(numbers, default=-1) + 1:06}.parquet", self.waiting.marks)
            self.waiting = Kept()
        self.written = time.monotonic()

    def finish(self, table: EmbeddingTable, marks: Mapping[str, Mark]) -> EmbeddingTable:
        """Put the whole table in its place and remove the shards; return it as it is written.

        Labels of the table before that are not given now are kept for images whose content is the same. If
        the table before held other images, it stays beside the new one under another name, and a warning
        says so.
        """
        before = self.marks_before
        unchanged = {
            one for one, mark in marks.items() if one in before and mark.content == before[one].content
        }
        table = self._with_earlier_labels(table, unchanged)
        self._keep_previous(table, unchanged)
        self._save(table, self.path, marks)
        self.waiting = Kept()
        shutil.rmtree(self.folder, ignore_errors=True)
        return table

    def _with_earlier_labels(self, table: EmbeddingTable, unchanged: set[str]) -> EmbeddingTable:
        before = self.before
        if before is None:
            return table
        row_of = {name: row for row, name in enumerate(before.ids) if name in unchanged}
        earlier = {
            name: as_column(name, [values[row_of[one]] if one in row_of else None for one in table.ids])
            for name, values in before.labels.items()
            if name not in table.labels and any(one in row_of for one in table.ids)
        }
        return table.with_labels(earlier)

    def _keep_previous(self, table: EmbeddingTable, unchanged: set[str]) -> None:
        if self.before is None:
            return
        gone = set(self.before.ids) - set(table.ids)
        changed = set(self.before.ids) & set(table.ids) - unchanged
        if not gone and not changed:
            return
        previous = _free_previous(self.path, set(self.before.ids))
        keep_copy(self.path, previous)
        warnings.warn(
            f"{str(self.path)!r} held {len(gone)} images that are not in this run and {len(changed)} that "
            f"have changed; the earlier table is kept as {previous.name!r}",
            stacklevel=4,
        )

    def _save(self, table: EmbeddingTable, path: Path, marks: Mapping[str, Mark]) -> None:
        table.save(path, metadata=marks_entry({name: marks[name] for name in table.ids if name in marks}))

    def _and_the_shards(self) -> str:
        return f" and {self.folder.name!r} beside it" if self.folder.exists() else ""


def _previous(path: Path) -> Path:
    """Return the name under which an earlier table is kept."""
    return path.with_name(path.name + PREVIOUS)


def _free_previous(path: Path, ids: set[str]) -> Path:
    """Return the name under which a table with these ids is kept: no file that holds others is replaced."""
    names = (f"{path.name}.{number}{PREVIOUS}" for number in itertools.count(2))
    for file in itertools.chain([_previous(path)], map(path.with_name, names)):
        try:
            if set(EmbeddingTable.load(file).ids) <= ids:
                return file
        except FileNotFoundError:
            return file
        except ValueError:  # damaged: not ours to remove
            continue
    raise AssertionError("there is always a further number")


class _Damaged(ValueError):
    """A file of this package that cannot be read."""


def marks_entry(marks: Mapping[str, Mark]) -> dict[bytes, bytes]:
    """Return the fingerprints of images as an entry for a schema's metadata."""
    return {
        MARKS_KEY: json.dumps({name: [one.identity, one.content] for name, one in marks.items()}).encode()
    }


def marks_of(metadata: Mapping[bytes, bytes]) -> dict[str, Mark]:
    """Return the fingerprints of the images in a file; none where a table was saved by hand."""
    marks = json.loads(metadata.get(MARKS_KEY, b"{}"))
    return {name: Mark(*mark) for name, mark in marks.items() if isinstance(mark, list) and len(mark) == 2}
