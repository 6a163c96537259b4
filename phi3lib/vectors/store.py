"""The file of a table while it is made: shards beside it, what was read for each vector, and its recipe."""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.vectors.sources import Item
from phi3lib.vectors.table import EmbeddingTable, same_recipe

MARKS_KEY = b"phi3lib.marks"
# What a kill may cost, at the most: so many vectors, or what so many seconds of work have made.
SHARD, SHARD_SECONDS = 256, 30.0

Vectors = dict[str, NDArray[np.float32]]


class Store:
    """The file of a table, and beside it, while a run goes on, a folder of shards.

    A vector is taken up again only where the picture of this id is still the one that was read (`Item.mark`):
    another folder with the same file names, or a file that was changed, is computed anew.
    """

    def __init__(self, path: Path, items: Sequence[Item], recipe: dict[str, Any]) -> None:
        self.path, self.recipe = path, recipe
        self.folder = path.with_name(path.name + ".shards")
        self.marks = {item.id: item.mark() for item in items}
        self.waiting: Vectors = {}
        self.written = time.monotonic()

    def read(self) -> Vectors:
        """What earlier runs have computed of these pictures. ValueError where it was made in another way."""
        done: Vectors = {}
        for file in self._files():
            table = EmbeddingTable.load(file)
            if different := same_recipe(table.recipe, self.recipe):
                raise ValueError(
                    f"{str(self.path)!r} holds vectors of another recipe ({'; '.join(different)}): "
                    f"choose another out=, or delete it{self._and_the_shards()}"
                )
            marks = _marks_of(file)
            for name, vector in zip(table.ids, table.vectors, strict=True):
                if name in marks and marks[name] == self.marks.get(name):
                    done[name] = vector
        return done

    def add(self, vectors: Vectors) -> None:
        """Keep vectors; a full shard, or one that has waited long, is written."""
        self.waiting.update(vectors)
        if len(self.waiting) >= SHARD or time.monotonic() - self.written >= SHARD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is not yet on disk."""
        if self.waiting:
            number = len(list(self.folder.glob("*.parquet")))
            rows = np.stack(list(self.waiting.values()))
            table = EmbeddingTable(rows, tuple(self.waiting), recipe=self.recipe)
            self._save(table, self.folder / f"{number:06}.parquet")
            self.waiting = {}
        self.written = time.monotonic()

    def finish(self, table: EmbeddingTable) -> None:
        """Put the whole table in its place and remove the shards."""
        self._save(table, self.path)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _save(self, table: EmbeddingTable, path: Path) -> None:
        marks = {name: self.marks[name] for name in table.ids}
        table.save(path, metadata={MARKS_KEY: json.dumps(marks).encode()})

    def _files(self) -> list[Path]:
        """The table first: shards are younger."""
        return ([self.path] if self.path.exists() else []) + sorted(self.folder.glob("*.parquet"))

    def _and_the_shards(self) -> str:
        return f" and {self.folder.name!r} beside it" if self.folder.exists() else ""


def _marks_of(file: Path) -> dict[str, str]:
    """The marks of the pictures in a file of this package; none where a table was saved by hand."""
    import pyarrow.parquet

    metadata = pyarrow.parquet.read_schema(file).metadata or {}
    return json.loads(metadata.get(MARKS_KEY, b"{}"))
