"""What one worker of `embed_at_scale` does: load the model, embed groups of images, write their files."""

import json
import os
import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from phi3lib.embeddings.embed import Work
from phi3lib.embeddings.labels import Column
from phi3lib.embeddings.locations import Entry, Location
from phi3lib.embeddings.memory import Trimmer
from phi3lib.embeddings.shards import write
from phi3lib.embeddings.sources import Item, Mark
from phi3lib.embeddings.store import Kept, marks_entry
from phi3lib.embeddings.table import EmbeddingTable, arrow_column, column_of, same_recipe
from phi3lib.encoders import as_encoder, load_encoder
from phi3lib.loading.defaults import default_models, set_default_models

ATTEMPTS = "_attempts"  # folder of what is known of groups whose worker died
PLAIN = 2  # attempts at a group before its images are computed one by one
BLAMED = 2  # times that a worker died at an image, so that the image is given up
MOST = 8  # attempts at a group, and some more for every image that is given up
NAMES = ("file", "id", "path", "identity")  # columns of a group; those of labels have a prefix
LABEL = "label:"


@dataclass(frozen=True)
class Group:
    """Images that are computed together: the name of their file, and their labels."""

    file: str
    entries: tuple[Entry, ...]
    labels: Mapping[str, Column] = field(default_factory=dict)

    def to_arrow(self) -> Any:
        """Return a table with one row for each image, to be sent to a worker."""
        import pyarrow

        columns = {
            "file": [self.file] * len(self.entries),
            **{name: [getattr(one, name) for one in self.entries] for name in NAMES[1:]},
        }
        arrays = {name: pyarrow.array(values, pyarrow.string()) for name, values in columns.items()}
        labels = {LABEL + name: arrow_column(values) for name, values in self.labels.items()}
        return pyarrow.table({**arrays, **labels})

    @classmethod
    def of_arrow(cls, table: Any) -> "Group":
        """Return the inverse of `to_arrow`."""
        files, *columns = (table[name].to_pylist() for name in NAMES)
        labels = {
            name.removeprefix(LABEL): column_of(name, table[name])
            for name in table.column_names
            if name.startswith(LABEL)
        }
        return cls(files[0], tuple(Entry(*row) for row in zip(*columns, strict=True)), labels)


@dataclass(frozen=True)
class Report:
    """The result of a group: its file, the number of rows in it and of unreadable images.

    started: when it was begun, in seconds since 1970. seconds: that it took. process, host: of the worker
    that computed it.
    """

    file: str
    rows: int
    errors: int
    started: float
    seconds: float
    process: int
    host: str


@dataclass(frozen=True)
class Job:
    """All that a worker needs. model: what `load_encoder` takes, or a function that returns a model.

    recipe: what the vectors of all workers must be made by; {}: not known yet.
    """

    source: Location
    out: Location
    model: Any
    pooling: str | None = None
    device: Any = None
    dtype: Any = None
    precision: str | None = None
    cpus: int = 1
    models: str = field(default_factory=lambda: default_models().choice)
    recipe: dict[str, Any] = field(default_factory=dict)

    def load(self) -> tuple[Any, Any]:
        """Return the encoder and its recipe."""
        if callable(self.model):
            encoder = as_encoder(self.model())
        else:
            encoder = load_encoder(self.model, device=self.device, dtype=self.dtype)
        if self.precision is not None:
            encoder = encoder.in_precision(self.precision)
        return encoder, encoder.recipes.choose(self.pooling)


class Worker:
    """A process that holds the model. Ray Data makes one for each worker and calls it with groups."""

    def __init__(self, job: Job) -> None:
        self.job = job
        set_default_models(job.models)
        self.encoder, self.recipe = job.load()
        if different := same_recipe(self.encoder.provenance(self.recipe), job.recipe):
            raise ValueError(
                f"the model on {platform.node()} differs from the one where the run was started "
                f"({'; '.join(different)}): give all machines the same files"
            )
        self.memory = Trimmer()

    def __call__(self, table: Any) -> dict[str, Any]:
        """Embed one group, which is one block of a dataset; return its report as text."""
        return {"report": np.array([json.dumps(asdict(self.embed(Group.of_arrow(table))))])}

    def embed(self, group: Group) -> Report:
        """Compute the vectors of a group and write its file."""
        started, start = time.time(), time.perf_counter()
        kept, errors = self._computed(group)
        ids = [one.id for one in group.entries]
        rows = [row for row, name in enumerate(ids) if name in kept.vectors]
        width = self.job.recipe["dimension"]
        vectors = np.array([kept.vectors[ids[row]] for row in rows], np.float32).reshape(len(rows), width)
        table = EmbeddingTable(
            vectors,
            tuple(ids[row] for row in rows),
            {name: values[rows] for name, values in group.labels.items()},
            self.job.recipe,
            tuple((name, errors[name]) for name in ids if name in errors),
            tuple((name, note) for name in ids for note in kept.notes.get(name, ())),
        )
        write(self.job.out, group.file, table, marks_entry(kept.marks))
        seconds = time.perf_counter() - start
        return Report(
            group.file, len(rows), len(table.errors), started, seconds, os.getpid(), platform.node()
        )

    def _computed(self, group: Group) -> tuple[Kept, dict[str, str]]:
        """Return vectors and errors; after two attempts that ended the process, one image at a time."""
        attempt = _Attempt(self.job.out / ATTEMPTS, group)
        kept, errors = Kept(), attempt.given_up()
        entries = [one for one in group.entries if one.id not in errors]
        if attempt.number <= PLAIN:
            self._add(entries, kept, errors)
        else:
            for one in entries:
                attempt.write(at=one.id)
                self._add([one], kept, errors)
        attempt.forget()
        return kept, errors

    def _add(self, entries: Sequence[Entry], kept: Kept, errors: dict[str, str]) -> None:
        identities = {one.id: one.identity for one in entries}
        items = [self._item(one) for one in entries]
        for batch, vectors in Work(self.encoder, self.recipe).results(items, {}, errors, progress=False):
            marks = {name: Mark(identities[name], batch.loaded[name].mark.content) for name in vectors}
            kept.add(Kept(vectors, marks, batch.notes(vectors)))
            self.memory.now_and_then()

    def _item(self, entry: Entry) -> Item:
        return Item(entry.id, lambda: self.job.source.open(entry.path))


class _Attempt:
    """One attempt at a group, written down before it begins: a process that dies can report nothing.

    A file may end every process that reads it (a fault in a decoder, memory that runs out). Without this it
    would be given to one worker after another.
    """

    def __init__(self, folder: Location, group: Group) -> None:
        self.folder, self.file = folder, f"{group.file}.json"
        before = self._read()
        self.number = int(before.get("number", 0)) + 1
        self.deaths = Counter(before.get("deaths", {}))
        if before.get("at"):
            self.deaths[before["at"]] += 1
        if self.number > MOST + BLAMED * len(self.given_up()):
            raise RuntimeError(
                f"{self.number - 1} workers died at the images {group.entries[0].id!r} to "
                f"{group.entries[-1].id!r}; give each worker more memory, or leave these images out"
            )
        self.write(at="")

    def _read(self) -> dict[str, Any]:
        if self.file not in self.folder.files():
            return {}
        with self.folder.open(f"{self.folder.path}/{self.file}") as file:
            return json.loads(file.read())

    def write(self, *, at: str) -> None:
        """Write down that this attempt runs; at: the image that is computed alone."""
        content = {"number": self.number, "deaths": self.deaths, "at": at}
        self.folder.write(self.file, json.dumps(content).encode())

    def given_up(self) -> dict[str, str]:
        """Return the images that are not tried again, with the reason."""
        ended = [name for name, times in self.deaths.items() if times >= BLAMED]
        return dict.fromkeys(ended, "reading or computing it ended the process, twice")

    def forget(self) -> None:
        """Remove what was written: all images of the group have a vector or a reason."""
        self.folder.remove([self.file])
