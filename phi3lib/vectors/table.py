"""Tables of vectors that know what made them, and their Parquet files.

    table = EmbeddingTable.load("photos.parquet")
    table.vectors, table.ids, table.labels["kind"], table.recipe

A file holds the columns `id`, `vector` (a list of fixed size, float32) and one for each label; the recipe
is in the schema's metadata. pandas, datasets, DuckDB and Ray read it as it is.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

RECIPE_KEY, ERRORS_KEY = b"phi3lib.recipe", b"phi3lib.errors"
RESERVED = ("id", "vector")


@dataclass(frozen=True)
class EmbeddingTable:
    """Vectors (N, d) float32 with their ids and labels.

    recipe: how the vectors were made: model, revision, pooling, preprocessing, versions. errors: (id,
    reason) of the pictures that could not be read and have no row.

    Raises ValueError where lengths differ, ids repeat, or a number is not finite.
    """

    vectors: NDArray[np.float32]
    ids: tuple[str, ...]
    labels: dict[str, NDArray[Any]] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    errors: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.ids):
            raise ValueError(f"vectors of shape {self.vectors.shape} do not fit {len(self.ids)} ids")
        if len(set(self.ids)) != len(self.ids):
            twice = next(name for name in self.ids if self.ids.count(name) > 1)
            raise ValueError(f"the id {twice!r} stands for two rows")
        for name, values in self.labels.items():
            if name in RESERVED or len(values) != len(self.ids):
                raise ValueError(f"the label {name!r} has {len(values)} values for {len(self.ids)} rows")
        if not np.isfinite(self.vectors).all():
            bad = self.ids[int(np.flatnonzero(~np.isfinite(self.vectors).all(1))[0])]
            raise ValueError(f"the vector of {bad!r} holds NaN or infinity")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        lines = [f"EmbeddingTable: {len(self)} vectors of {self.vectors.shape[1]} numbers"]
        lines += [f"  {name}: {_short(value)}" for name, value in shown_recipe(self.recipe).items()]
        if self.labels:
            lines.append(f"  labels: {', '.join(self.labels)}")
        if self.errors:
            lines.append(f"  not read: {len(self.errors)}, see .errors")
        return "\n".join(lines)

    def unit(self) -> NDArray[np.float32]:
        """The vectors divided by their lengths; a zero vector stays zero."""
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return (self.vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)

    def select(self, rows: Sequence[int] | NDArray[Any]) -> "EmbeddingTable":
        """The table of these rows, in this order; `rows` are numbers or one truth value for each row."""
        chosen = np.arange(len(self))[np.asarray(rows)]
        return EmbeddingTable(
            self.vectors[chosen],
            tuple(self.ids[row] for row in chosen),
            {name: values[chosen] for name, values in self.labels.items()},
            self.recipe,
            self.errors,
        )

    def with_labels(self, **labels: Sequence[Any] | NDArray[Any]) -> "EmbeddingTable":
        """The same table with further labels, one value for each row."""
        added = {name: np.asarray(values) for name, values in labels.items()}
        return EmbeddingTable(self.vectors, self.ids, {**self.labels, **added}, self.recipe, self.errors)

    def to_pandas(self) -> Any:
        """A DataFrame with the ids as index and the labels as columns; the vectors stay here."""
        import pandas

        return pandas.DataFrame(dict(self.labels), index=pandas.Index(self.ids, name="id"))

    def save(self, path: str | os.PathLike[str], *, metadata: Mapping[bytes, bytes] | None = None) -> None:
        """Write a Parquet file through a temporary name: an interrupted write leaves the old file.

        metadata: more entries for the schema, beside the recipe and the errors.
        """
        import pyarrow

        columns = {
            "id": pyarrow.array(list(self.ids), pyarrow.string()),
            "vector": vector_array(self.vectors),
        }
        for name, values in self.labels.items():
            columns[name] = pyarrow.array(values.tolist())
        own = {RECIPE_KEY: _json(self.recipe), ERRORS_KEY: _json([list(error) for error in self.errors])}
        _write_parquet(pyarrow.table(columns), Path(path), {**own, **(metadata or {})})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote. FileNotFoundError; ValueError for another kind of file."""
        import pyarrow.parquet

        if not Path(path).exists():
            raise FileNotFoundError(f"there is no table {os.fspath(path)!r}")
        try:
            table = pyarrow.parquet.read_table(path)
        except (pyarrow.ArrowException, OSError) as error:
            raise ValueError(f"{os.fspath(path)!r} is no Parquet file: {error}") from error
        metadata = table.schema.metadata or {}
        if RECIPE_KEY not in metadata or not set(RESERVED) <= set(table.column_names):
            raise ValueError(f"{os.fspath(path)!r} is no table of vectors of this package")
        labels = {
            name: np.asarray(table[name].to_pylist()) for name in table.column_names if name not in RESERVED
        }
        errors = tuple((name, reason) for name, reason in json.loads(metadata.get(ERRORS_KEY, b"[]")))
        recipe = json.loads(metadata[RECIPE_KEY])
        return cls(vectors_of(table["vector"]), tuple(table["id"].to_pylist()), labels, recipe, errors)


def require_same_ids(tables: Iterable[EmbeddingTable]) -> None:
    """ValueError unless all tables hold the same pictures in the same order."""
    if len({table.ids for table in tables}) != 1:
        raise ValueError("the tables must hold the same pictures in the same order")


def vector_array(vectors: NDArray[np.float32]) -> Any:
    """(N, d) as an Arrow array of lists of d float32."""
    import pyarrow

    flat = pyarrow.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    return pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def vectors_of(column: Any) -> NDArray[np.float32]:
    """The inverse of `vector_array`, for a column in chunks."""
    width = column.type.list_size
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    return flat.reshape(-1, width).astype(np.float32)


def _write_parquet(table: Any, path: Path, metadata: Mapping[bytes, bytes]) -> None:
    """Write an Arrow table with this metadata, through a temporary name in the same folder."""
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    pyarrow.parquet.write_table(table.replace_schema_metadata(dict(metadata)), temporary)
    os.replace(temporary, path)


def same_recipe(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """What differs between two recipes, in words; versions of libraries may differ."""
    names = sorted({*first, *second} - {"versions"})
    # Through JSON, as the one from a file has been.
    pairs = {name: (_json(first.get(name)), _json(second.get(name))) for name in names}
    return [
        f"{name}: {_short(first.get(name))} against {_short(second.get(name))}"
        for name, (a, b) in pairs.items()
        if a != b
    ]


def shown_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe to look at: of a model in a folder the folder's name, not where on this machine it lies."""
    model = recipe.get("model")
    shown = {"model": Path(model).name} if isinstance(model, str) and Path(model).is_absolute() else {}
    return {**recipe, **shown}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 90 else f"{text[:87]}…"
