"""Tables of vectors with a record of how they were made, and their Parquet files.

    table = EmbeddingTable.load("photos.parquet")
    table.vectors, table.ids, table.labels["kind"], table.recipe

A file holds the columns `id`, `vector` (a list of fixed size, float32) and one for each label; the recipe
is in the schema's metadata. pandas, datasets, DuckDB and Ray read it as it is. Pages and metadata carry
checksums, so that a damaged file is refused and never gives other vectors.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.files import replacing
from phi3lib.embeddings.knn import unit_rows
from phi3lib.embeddings.labels import RESERVED, as_column, labels_of
from phi3lib.vision.inputs import all_printable, as_list, as_numbers, as_path, is_missing, printable

RECIPE_KEY, ERRORS_KEY, NOTES_KEY = b"phi3lib.recipe", b"phi3lib.errors", b"phi3lib.notes"
DIGEST_KEY = b"phi3lib.digest"
OWN_KEYS = b"phi3lib."
# A file that claims more than LARGE and more than so many times its own size is refused: vectors and names of
# images do not repeat so often.
VALUE_BYTES, MOST_UNFOLDED, LARGE = 4, 200, 2**28

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """Vectors (N, d) float32 with their ids and labels.

    vectors, ids and labels are converted: vectors of any float type to float32, labels by `labels_of`; every
    text becomes `printable`.
    recipe: how the vectors were made: model, revision, pooling, preprocessing, versions. errors: (id,
    reason) of the images that could not be read and have no row. notes: (name, what was lost or left out),
    for images with transparency or several frames and for files that are no images.

    Raises ValueError where lengths differ, ids repeat or are missing, a number is not finite in float32, or
    the recipe holds what JSON has no form for.
    """

    vectors: NDArray[np.float32]
    ids: tuple[str, ...]
    labels: dict[str, NDArray[Any]] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    errors: Pairs = ()
    notes: Pairs = ()

    def __post_init__(self) -> None:
        listed = as_list(self.ids, "ids")
        ids = tuple(printable(str(name)) for name in listed)
        if missing := [row for row, name in enumerate(listed) if is_missing(name)]:
            raise ValueError(f"the id of row {missing[0]} is missing; every row needs one of its own")
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "recipe", all_printable(_as_recipe(self.recipe)))
        for name in ("errors", "notes"):
            object.__setattr__(self, name, all_printable(_as_pairs(getattr(self, name), name)))
        object.__setattr__(
            self, "vectors", np.ascontiguousarray(as_numbers(self.vectors, "vectors", np.float32))
        )
        if self.vectors.ndim != 2 or len(self.vectors) != len(ids):
            raise ValueError(f"vectors of shape {self.vectors.shape} do not fit {len(ids)} ids")
        if len(set(ids)) != len(ids):
            twice, _ = Counter(ids).most_common(1)[0]
            raise ValueError(f"the id {twice!r} occurs in two rows; ids must be unique")
        object.__setattr__(self, "labels", labels_of(self.labels, ids, what="rows"))
        if not np.isfinite(self.vectors).all():
            bad = ids[int(np.flatnonzero(~np.isfinite(self.vectors).all(1))[0])]
            raise ValueError(f"the vector of {bad!r} holds NaN or infinity")

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        """Return whether another table holds the same of everything; missing labels are equal."""
        if not isinstance(other, EmbeddingTable):
            return NotImplemented
        return (
            (self.ids, self.errors, self.notes, list(self.labels))
            == (other.ids, other.errors, other.notes, list(other.labels))
            and _json(self.recipe) == _json(other.recipe)  # through JSON, as the one from a file has been
            and np.array_equal(self.vectors, other.vectors)
            and all(_is_same(values, other.labels[name]) for name, values in self.labels.items())
        )

    __hash__ = None  # type: ignore[assignment]  # arrays can be changed

    def __repr__(self) -> str:
        lines = [f"EmbeddingTable: {len(self)} vectors of {self.vectors.shape[1]} numbers"]
        lines += [f"  {name}: {_short(value)}" for name, value in shown_recipe(self.recipe).items()]
        if self.labels:
            lines.append(f"  labels: {', '.join(self.labels)}")
        if self.errors:
            lines.append(f"  not read: {len(self.errors)}, see .errors")
        if self.notes:
            lines.append(f"  notes: {len(self.notes)}, see .notes")
        return "\n".join(lines)

    def unit(self) -> NDArray[np.float32]:
        """Return the vectors divided by their lengths, (N, d) float32.

        Raises ValueError for a zero vector, which has no direction, and names its picture.
        """
        nothing = np.flatnonzero(~self.vectors.any(axis=1))
        if len(nothing):
            raise ValueError(f"the vector of {self.ids[nothing[0]]!r} is zero and has no direction")
        return unit_rows(self.vectors)

    def select(self, rows: Sequence[int] | NDArray[Any]) -> "EmbeddingTable":
        """Return the table of these rows, in this order; `rows` are numbers or one truth value for each row.

        Raises ValueError for rows that do not exist.
        """
        try:
            chosen = np.arange(len(self))[as_rows(rows)]
        except IndexError as error:
            raise ValueError(f"cannot select from {len(self)} rows: {error}") from error
        return EmbeddingTable(
            self.vectors[chosen],
            tuple(self.ids[row] for row in chosen),
            {name: values[chosen] for name, values in self.labels.items()},
            self.recipe,
            self.errors,
            self.notes,
        )

    def with_labels(self, labels: Any = None, /, **named: Any) -> "EmbeddingTable":
        """Return the same table with further labels: a mapping or frame as `labels_of` takes, or by name."""
        added = {**labels_of(labels, self.ids, what="rows"), **labels_of(named, self.ids, what="rows")}
        return EmbeddingTable(
            self.vectors, self.ids, {**self.labels, **added}, self.recipe, self.errors, self.notes
        )

    def to_pandas(self) -> Any:
        """Return a DataFrame with the ids as index and the labels as columns; without the vectors."""
        import pandas

        return pandas.DataFrame(dict(self.labels), index=pandas.Index(self.ids, name="id"))

    def save(self, path: str | os.PathLike[str], *, metadata: Mapping[bytes, bytes] | None = None) -> None:
        """Write a Parquet file through a temporary name: an interrupted write leaves the old file.

        metadata: more entries for the schema, beside recipe, errors and notes.
        """
        # Through an open file: Arrow itself cannot take paths with bytes that are no valid text.
        with replacing(path) as temporary, open(temporary, "wb") as file:
            self.write(file, metadata=metadata)

    def write(self, file: BinaryIO, *, metadata: Mapping[bytes, bytes] | None = None) -> None:
        """Write what `save` does into an open binary file."""
        import pyarrow.parquet

        columns = {"id": pyarrow.array(self.ids, pyarrow.string()), "vector": vector_array(self.vectors)}
        columns |= {name: arrow_column(values) for name, values in self.labels.items()}
        own = {
            RECIPE_KEY: _json(self.recipe),
            ERRORS_KEY: _json([list(error) for error in self.errors]),
            NOTES_KEY: _json([list(note) for note in self.notes]),
            **(metadata or {}),
        }
        table = pyarrow.table(columns).replace_schema_metadata({**own, DIGEST_KEY: _digest(own)})
        pyarrow.parquet.write_table(table, file, write_page_checksum=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, or the whole of a folder that `embed_at_scale` wrote.

        Raises FileNotFoundError; ValueError for another kind of file and for a damaged one.
        """
        if as_path(path).is_dir():
            from phi3lib.embeddings.shards import Shards

            whole = Shards.open(path).load()
            return cls(whole.vectors, whole.ids, whole.labels, whole.recipe, whole.errors, whole.notes)
        table, _ = cls.load_with_metadata(path)
        return table

    @classmethod
    def load_with_metadata(cls, path: str | os.PathLike[str]) -> tuple[Self, dict[bytes, bytes]]:
        """Read what `save` wrote, with all metadata of the schema; raises as `load` does."""
        file = as_path(path)
        if not file.exists():
            raise FileNotFoundError(f"there is no table {str(file)!r}")
        try:
            opened = open(file, "rb")  # noqa: SIM115
        except OSError as error:
            raise ValueError(f"{str(file)!r} is no file that can be opened: {error}") from error
        with opened:
            return cls.read(opened, str(file))

    @classmethod
    def read(cls, file: BinaryIO, name: str) -> tuple[Self, dict[bytes, bytes]]:
        """Read an open file that `write` wrote, with all metadata of the schema; `name`: for messages."""
        table = _read_arrow(file, name)
        metadata = dict(table.schema.metadata or {})
        _require_columns(table, name)
        head = header_of(metadata, name)
        labels = {
            label: column_of(label, table[label]) for label in table.column_names if label not in RESERVED
        }
        ids = tuple(table["id"].to_pylist())
        return cls(vectors_of(table["vector"]), ids, labels, head.recipe, head.errors, head.notes), metadata


@dataclass(frozen=True)
class Header:
    """What the metadata of a table's file say: how the vectors were made, what failed, what was lost."""

    recipe: dict[str, Any]
    errors: Pairs
    notes: Pairs


def header_of(metadata: Mapping[bytes, bytes], name: str) -> Header:
    """Return the header in a schema's metadata. ValueError if they are of another program, or damaged."""
    if RECIPE_KEY not in metadata:
        raise ValueError(f"{name!r} is no table of vectors of this package")
    if metadata.get(DIGEST_KEY, b"") != _digest(metadata):
        raise ValueError(f"{name!r} is damaged: its metadata does not fit its checksum")
    errors, notes = (
        tuple((name, reason) for name, reason in json.loads(metadata.get(key, b"[]")))
        for key in (ERRORS_KEY, NOTES_KEY)
    )
    return Header(json.loads(metadata[RECIPE_KEY]), errors, notes)


def _as_recipe(recipe: Any) -> dict[str, Any]:
    if recipe is None:
        return {}
    if not isinstance(recipe, Mapping):
        raise ValueError(f"recipe: expected a mapping, got a {type(recipe).__name__}")
    try:
        _json(recipe)
    except TypeError as error:
        raise ValueError(f"recipe: {error}; write it as a text or a number") from error
    return dict(recipe)


def _as_pairs(pairs: Any, what: str) -> Pairs:
    listed = (
        list(pairs.items()) if isinstance(pairs, Mapping) else as_list(() if pairs is None else pairs, what)
    )
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in listed):
        raise ValueError(f"{what}: expected pairs of a name and a reason")
    return tuple((str(name), str(reason)) for name, reason in listed)


def _is_same(first: NDArray[Any], second: NDArray[Any]) -> bool:
    return first.dtype.kind == second.dtype.kind and np.array_equal(
        first, second, equal_nan=first.dtype.kind in "fM"
    )


def as_rows(rows: Any) -> NDArray[Any]:
    """Return numbers of rows, or truth values, as an array. IndexError for anything else."""
    chosen = np.asarray(as_list(rows, "rows"))
    if not len(chosen):
        return np.zeros(0, dtype=np.intp)
    if chosen.ndim != 1 or chosen.dtype.kind not in "biu":
        raise IndexError("expected whole numbers, or one truth value for each row, of which none is missing")
    return chosen


def arrow_column(values: NDArray[Any]) -> Any:
    """Return a label's values as an Arrow array."""
    import pyarrow

    if values.dtype.kind == "O" and all(value is None for value in values):
        return pyarrow.array(values.tolist(), pyarrow.string())
    return pyarrow.array(values if values.dtype.kind == "M" else values.tolist())


def column_of(name: str, column: Any) -> NDArray[Any]:
    """Return the inverse of `arrow_column`."""
    import pyarrow

    is_date = pyarrow.types.is_timestamp(column.type) or pyarrow.types.is_date(column.type)
    return as_column(name, column.to_numpy() if is_date else column.to_pylist())


def _read_arrow(file: BinaryIO, name: str) -> Any:
    import pyarrow.parquet

    try:
        parquet = pyarrow.parquet.ParquetFile(file, page_checksum_verification=True)
        _require_content(parquet.metadata, file.seek(0, os.SEEK_END))
        table = parquet.read()
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, ValueError, UnicodeError) as error:
        raise ValueError(f"{name!r} is no Parquet file, or a damaged one: {error}") from error
    return table


def _require_content(metadata: Any, size: int) -> None:
    """Raise ValueError for far more values than a file of so many bytes holds, before they fill memory."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    if values * VALUE_BYTES > max(MOST_UNFOLDED * size, LARGE):
        raise ValueError(
            f"it has {size:,} bytes and claims {values:,} values, {values * VALUE_BYTES / 1e9:.1f} GB"
        )


def _require_columns(table: Any, name: str) -> None:
    import pyarrow

    if RECIPE_KEY not in (table.schema.metadata or {}) or not set(RESERVED) <= set(table.column_names):
        raise ValueError(f"{name!r} is no table of vectors of this package")
    arrow_type = table.schema.field("vector").type
    if not pyarrow.types.is_fixed_size_list(arrow_type) or arrow_type.value_type != pyarrow.float32():
        raise ValueError(
            f"the column 'vector' of {name!r} has the type {arrow_type}; expected a fixed_size_list of "
            "float32"
        )
    if table["vector"].null_count or table["id"].null_count:
        raise ValueError(f"{name!r} has rows without an id or a vector")


def _digest(metadata: Mapping[bytes, bytes]) -> bytes:
    """Return a checksum of this package's entries: pages have checksums of their own, metadata has none."""
    own = sorted((k, v) for k, v in metadata.items() if k.startswith(OWN_KEYS) and k != DIGEST_KEY)
    text = b"".join(len(part).to_bytes(8, "big") + part for entry in own for part in entry)
    return hashlib.blake2b(text, digest_size=16).hexdigest().encode()


def as_table(table: Any) -> EmbeddingTable:
    """Return what is a table. ValueError for anything else, such as the vectors alone."""
    if not isinstance(table, EmbeddingTable):
        raise ValueError(
            f"expected an EmbeddingTable, got a {type(table).__name__}; make one of vectors by "
            f"EmbeddingTable(vectors, ids)"
        )
    return table


def require_same_ids(tables: Iterable[EmbeddingTable]) -> None:
    """Raise ValueError unless all tables hold the same pictures in the same order."""
    if len({table.ids for table in tables}) != 1:
        raise ValueError("the tables must hold the same pictures in the same order")


def vector_array(vectors: NDArray[np.float32]) -> Any:
    """Return (N, d) vectors as an Arrow array of lists of d float32."""
    import pyarrow

    flat = pyarrow.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    return pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def vectors_of(column: Any) -> NDArray[np.float32]:
    """Return the inverse of `vector_array`, for a column in chunks."""
    width = column.type.list_size
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    return flat.reshape(-1, width).astype(np.float32)


def same_recipe(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Describe the differences between two recipes; library versions are ignored."""
    names = sorted({*first, *second} - {"versions"})
    # Through JSON, as the one from a file has been.
    pairs = {name: (_json(first.get(name)), _json(second.get(name))) for name in names}
    return [
        f"{name}: {_short(first.get(name))} against {_short(second.get(name))}"
        for name, (a, b) in pairs.items()
        if a != b
    ]


def shown_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe for display: for a model in a folder the name of the folder, without its path."""
    model = recipe.get("model")
    shown = {"model": Path(model).name} if isinstance(model, str) and Path(model).is_absolute() else {}
    return {**recipe, **shown}


def _json(value: Any) -> bytes:
    return json.dumps(all_printable(value), ensure_ascii=False, sort_keys=True, default=_plain).encode()


def _plain(value: Any) -> Any:
    """Return a number of NumPy as Python's, a path as a text. TypeError for other things."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 90 else f"{text[:87]}…"
