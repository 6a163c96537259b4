"""One table in many Parquet files, for more vectors than one file or one memory should hold.

    shards = Shards.open("vectors/")
    len(shards), shards.errors
    shards.sample(2000, seed=0)          # an EmbeddingTable of 2,000 rows, drawn uniformly
    for table in shards.tables(): ...    # one EmbeddingTable after another

Each file is an `EmbeddingTable`. Its name is a checksum of the ids, sizes and times of its images, so that a
run finds out by the names alone what an earlier run has finished, and a file that is written twice is the
same file. `_table.json` lists the files in their order. It is written last: without it a run is unfinished.
"""

import hashlib
import io
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from phi3lib.embeddings.files import TEMPORARY
from phi3lib.embeddings.labels import Column, as_column
from phi3lib.embeddings.locations import Entry, Location, location_of
from phi3lib.embeddings.table import EmbeddingTable, Header, Pairs, as_rows, header_of
from phi3lib.moved import old_attribute
from phi3lib.vision.inputs import as_seed, as_whole

MANIFEST = "_table.json"
SUPERSEDED = "_superseded"
FILE = re.compile(r"part-[0-9a-f]{24}\.parquet")
# What a process that was killed has left; this package ends the name of a file with it while it is written.
UNFINISHED = re.compile(rf"(part-[0-9a-f]{{24}}\.parquet|{MANIFEST})\.\d+{TEMPORARY}")


@dataclass(frozen=True)
class Shard:
    """A file of a table: its name, its rows, and how many images could not be read."""

    file: str
    rows: int
    errors: int


def cut(entries: Sequence[Entry], size: int) -> Iterator[list[Entry]]:
    """Yield the entries in groups of about `size`, of half to twice as many.

    Where a group ends depends on the ids near it, not on their positions: an image that is added or removed
    changes the group that it falls into, and hardly ever others.
    """
    least, most = max(size // 2, 1), max(2 * size, 1)
    group: list[Entry] = []
    for entry in entries:
        group.append(entry)
        ends_here = int.from_bytes(_digest([entry.id]), "big") % least == 0
        if len(group) >= most or (len(group) >= least and ends_here):
            yield group
            group = []
    if group:
        yield group


def file_name(entries: Iterable[Entry]) -> str:
    """Return the name of the file with the vectors of these images."""
    return f"part-{_digest([text for one in entries for text in (one.id, one.identity)]).hex()}.parquet"


def _digest(texts: Iterable[str]) -> bytes:
    digest = hashlib.blake2b(digest_size=12)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


@dataclass(frozen=True)
class Shards:
    """A finished table in a folder or bucket.

    location: where its files are. files: in their order, which is that of the images' paths. recipe: as of an
    `EmbeddingTable`. outside: (name, reason) of names in the source that gave no image.
    """

    location: Location
    files: tuple[Shard, ...]
    recipe: dict[str, Any] = field(default_factory=dict)
    unreadable: Pairs = ()
    left_out: Pairs = ()

    place = old_attribute("place", "location")  # changed in 0.2.0

    @classmethod
    def open(cls, where: Any) -> "Shards":
        """Return the table in a folder, a URI or (file system, path).

        Raises FileNotFoundError if there is none, ValueError if a run into it is unfinished or if its list
        of files is damaged.
        """
        location = location_of(where)
        there = location.files()
        if MANIFEST not in there:
            finished = len(finished_files(there))
            if finished:
                raise ValueError(
                    f"{str(location)!r} holds {finished} files of an unfinished run; resume it by the same "
                    f"call of embed_at_scale"
                )
            raise FileNotFoundError(f"there is no table in {str(location)!r}")
        with location.open(f"{location.path}/{MANIFEST}") as file:
            return _from_json(location, file.read())

    def __len__(self) -> int:
        return sum(one.rows for one in self.files)

    def __repr__(self) -> str:
        failed = sum(one.errors for one in self.files) + len(self.unreadable)
        return f"Shards: {len(self):,} vectors in {len(self.files):,} files, {failed:,} images not read"

    @property
    def errors(self) -> Pairs:
        """(id, reason) of all images that could not be read; asks the files that have some."""
        heads = (header(self.location, one.file)[0] for one in self.files if one.errors)
        return (*(error for head in heads for error in head.errors), *self.unreadable)

    @property
    def notes(self) -> Pairs:
        """(name, note) of what was lost or left out; asks all files, but reads no vectors."""
        heads = (header(self.location, one.file)[0] for one in self.files)
        return (*(note for head in heads for note in head.notes), *self.left_out)

    def tables(self) -> Iterator[EmbeddingTable]:
        """Yield the files as tables, one after another. Raises ValueError for a damaged one."""
        for one in self.files:
            yield read(self.location, one.file)

    def load(self) -> EmbeddingTable:
        """Return all rows as one table; it must fit into memory."""
        return self._joined(self.tables())

    def sample(self, count: int, *, seed: int = 0) -> EmbeddingTable:
        """Return `count` rows, drawn uniformly without replacement, in their order; all if there are fewer.

        Only files that hold one of them are read.
        """
        count = as_whole(count, "count", 1)
        chosen = np.random.default_rng(as_seed(seed)).choice(len(self), min(count, len(self)), replace=False)
        return self.select(np.sort(chosen))

    def select(self, rows: Sequence[int] | Column) -> EmbeddingTable:
        """Return the table of these rows, in this order; `rows` as in `EmbeddingTable.select`.

        Raises ValueError for rows that do not exist.
        """
        wanted = self._numbers(rows)
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise ValueError(f"rows from {wanted.min()} to {wanted.max()} of a table of {len(self)} rows")
        order = np.argsort(wanted, kind="stable")
        stops = np.cumsum([one.rows for one in self.files])
        file_of = np.searchsorted(stops, wanted[order], side="right")
        parts = []
        for number in np.unique(file_of):
            one = self.files[number]
            within = wanted[order][file_of == number] - (stops[number] - one.rows)
            parts.append(read(self.location, one.file).select(within))
        return self._joined(parts).select(np.argsort(order, kind="stable"))

    def _numbers(self, rows: Any) -> Column:
        try:
            given = as_rows(rows)
        except IndexError as error:
            raise ValueError(f"cannot select from {len(self)} rows: {error}") from error
        if given.dtype.kind != "b":
            return given.astype(np.int64)
        if len(given) != len(self):
            raise ValueError(f"{len(given)} truth values for {len(self)} rows; give one for each row")
        return np.flatnonzero(given)

    def _joined(self, tables: Iterable[EmbeddingTable]) -> EmbeddingTable:
        parts = list(tables)
        names = dict.fromkeys(name for part in parts for name in part.labels)
        labels = {
            name: as_column(name, [value for part in parts for value in _values(part, name)])
            for name in names
        }
        return EmbeddingTable(
            np.concatenate([part.vectors for part in parts])
            if parts
            else np.zeros((0, self.recipe["dimension"]), np.float32),
            tuple(one for part in parts for one in part.ids),
            labels,
            self.recipe,
            (*(one for part in parts for one in part.errors), *self.unreadable),
            (*(one for part in parts for one in part.notes), *self.left_out),
        )


def _values(part: EmbeddingTable, name: str) -> Iterable[Any]:
    return part.labels[name] if name in part.labels else [None] * len(part)


# --------------------------------------------------------------------------- files


def finished_files(names: Iterable[str]) -> set[str]:
    """Return those names that are files of a table; what is still being written has another name."""
    return {name for name in names if FILE.fullmatch(name)}


def read(location: Location, file: str) -> EmbeddingTable:
    """Return one file as a table. Raises ValueError for a damaged one."""
    return read_with_metadata(location, file)[0]


def read_with_metadata(location: Location, file: str) -> tuple[EmbeddingTable, dict[bytes, bytes]]:
    """Return one file as a table, and all metadata of its schema."""
    with location.open(f"{location.path}/{file}") as opened:
        return EmbeddingTable.read(opened, f"{location}/{file}")


def header(location: Location, file: str) -> tuple[Header, int]:
    """Return the header of a file and its number of rows, without reading its columns."""
    import pyarrow
    import pyarrow.parquet

    name = f"{location}/{file}"
    try:
        with location.open(f"{location.path}/{file}") as opened:
            parquet = pyarrow.parquet.ParquetFile(opened)
            return header_of(parquet.schema_arrow.metadata or {}, name), parquet.metadata.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"{name!r} is no Parquet file, or a damaged one: {error}") from error


def write(location: Location, file: str, table: EmbeddingTable, metadata: dict[bytes, bytes]) -> None:
    """Write a file of a table, whole or not at all."""
    buffer = io.BytesIO()
    table.write(buffer, metadata=metadata)
    location.write(file, buffer.getvalue())


def commit(shards: Shards) -> None:
    """Write the list of files, and put files of earlier states of the source into a folder of their own."""
    content = {"format": 1, **asdict(shards)}
    del content["location"]
    shards.location.write(MANIFEST, json.dumps(content, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    there = shards.location.files()
    shards.location.remove(name for name in there if UNFINISHED.fullmatch(name))
    others = finished_files(there) - {one.file for one in shards.files}
    if others:
        shards.location.move(sorted(others), SUPERSEDED)
        warnings.warn(
            f"{len(others)} files of {str(shards.location)!r} hold images that were changed or removed, or "
            f"are in another file now; they are kept in {SUPERSEDED!r}",
            stacklevel=3,
        )


def _from_json(location: Location, data: bytes) -> Shards:
    try:
        content = json.loads(data)
        files = tuple(
            Shard(str(one["file"]), int(one["rows"]), int(one["errors"])) for one in content["files"]
        )
        pairs = [tuple((str(a), str(b)) for a, b in content[key]) for key in ("unreadable", "left_out")]
        shards = Shards(location, files, dict(content["recipe"]), *pairs)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{f'{location}/{MANIFEST}'!r} is damaged: {error}") from error
    strange = [one.file for one in files if not FILE.fullmatch(one.file) or one.rows < 0]
    if strange:
        raise ValueError(f"{f'{location}/{MANIFEST}'!r} is damaged: it names {strange[0]!r}")
    return shards
