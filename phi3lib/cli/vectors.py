"""From the arguments of a command to tables of vectors: models, labels, files, estimate, summary."""

import contextlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from phi3lib.cli.terminal import Terminal, shown
from phi3lib.embeddings.costs import Cost, estimate_cost
from phi3lib.embeddings.embed import embed_images
from phi3lib.embeddings.labels import KEYS
from phi3lib.embeddings.run_time import in_words
from phi3lib.embeddings.sources import find_items
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.encoders import as_encoder, load_encoder
from phi3lib.vision.inputs import as_path

SHORT_RUN = 32  # images: fewer are embedded without an estimate


@dataclass(frozen=True)
class Embedded:
    """A table of vectors with where it came from.

    name: of the model, as maps are labelled. encoder: None until it is needed, where a file of vectors was
    given. file: the Parquet file. folder: of the images; None where it is not known.
    """

    name: str
    table: EmbeddingTable
    file: Path
    folder: Path | None
    encoder: Any = None

    def with_encoder(self) -> Any:
        """Return the encoder that made the table, loaded by the name in its recipe if it is not here."""
        if self.encoder is not None:
            return self.encoder
        model = self.table.recipe.get("model")
        if not isinstance(model, str):
            raise ValueError(f"{str(self.file)!r} does not name its model; pass --model")
        return load(model, self.table.recipe.get("revision"))


def load(name: str | None, revision: str | None = None) -> Any:
    """Return the encoder of what --model names."""
    if name in (None, "clip"):
        return load_encoder()
    if name == "phi3":
        from phi3lib.loading.checkpoints import load_phi3_model

        return as_encoder(load_phi3_model())
    return load_encoder(name, revision=revision)


def embedded(asked: Any, terminal: Terminal) -> list[Embedded] | None:
    """Return a table for each model that is asked for; None if only an estimate was wanted, and given."""
    source = as_path(asked.source)
    if source.suffix == ".parquet" and not source.is_dir():
        return [_from_file(source, asked)]
    if not source.is_dir():
        what = f"{asked.source!r} is a file" if source.exists() else f"there is no folder {asked.source!r}"
        raise ValueError(f"{what}; give a folder of images, or a .parquet file of vectors")
    names = asked.model or [None]
    if len(set(names)) != len(names):
        raise ValueError(f"--model names {max(names, key=names.count)!r} twice; name each model once")
    if len(names) > 1 and (asked.vectors or asked.pooling):
        raise ValueError("--vectors and --pooling are for one model; with several, leave them out")
    labels = _labels(asked.labels, source)
    runs = [_Run(asked, source, load(name)) for name in names]
    costs = [run.estimate(terminal) for run in runs]
    if asked.estimate:
        _say_estimates(runs, costs, terminal, with_maps=asked.command == "atlas")
        return None
    return [run.embed(labels, terminal) for run in runs]


class _Run:
    """One model over one folder."""

    def __init__(self, asked: Any, folder: Path, encoder: Any) -> None:
        self.folder, self.encoder, self.pooling = folder, encoder, asked.pooling
        self.only_estimate, self.draft = asked.estimate, asked.draft
        self.name = re.sub(r"[^\w.+-]+", "_", Path(encoder.name).name) or "model"
        self.file = as_path(asked.vectors) if asked.vectors else self._usual_file()

    def _usual_file(self) -> Path:
        folder = self.folder.resolve().name or "images"
        return Path(".".join(filter(None, (folder, self.name, self.pooling, "parquet"))))

    def estimate(self, terminal: Terminal) -> Cost | None:
        """Measure a few images and say how long all take; None for a few images."""
        if not self.only_estimate and len(find_items(self.folder, own=self.file).items) < SHORT_RUN:
            return None
        cost = estimate_cost(
            self.folder, model=self.encoder, pooling=self.pooling, out=self.file, draft=self.draft
        )
        terminal.say(f"{self.name}: {cost}; the table takes {cost.megabytes:.1f} MB")
        return cost

    def seconds_for_maps(self, count: int) -> float:
        """Return how long the maps of so many images will take, if all can be read."""
        from phi3lib.lab.atlas.stages import Costs

        width = self.encoder.recipes.choose(self.pooling).width(self.encoder)
        return Costs(max(count, 4), width).all()

    def embed(self, labels: Any, terminal: Terminal) -> Embedded:
        """Compute what is not stored yet, and say what was left out."""
        terminal.interrupted = (
            f"Interrupted. Finished vectors are kept beside {str(self.file)!r}: run the same command again "
            f"to resume."
        )
        terminal.say(f"{self.name}: embedding {str(self.folder)!r} into {str(self.file)!r}")
        # Messages of the run belong to standard error: standard output is for results.
        with contextlib.redirect_stdout(sys.stderr):
            table = embed_images(
                self.folder,
                model=self.encoder,
                pooling=self.pooling,
                out=self.file,
                labels=labels,
                draft=self.draft,
                progress=terminal.shows_progress,
            )
        terminal.interrupted = (
            f"Interrupted. All vectors are in {str(self.file)!r}: the same command starts from there."
        )
        terminal.say(f"{self.name}: {len(table):,} vectors of {table.vectors.shape[1]} numbers")
        terminal.say_left_out("not read", table.errors)
        terminal.say_left_out("note", table.notes)
        return Embedded(self.name, table, self.file, self.folder, self.encoder)


def _say_estimates(
    runs: list[_Run], costs: list[Cost | None], terminal: Terminal, *, with_maps: bool
) -> None:
    found = {run.name: cost for run, cost in zip(runs, costs, strict=True) if cost is not None}
    lines = [f"{shown(name)}: {cost}" for name, cost in found.items()]
    data: dict[str, Any] = {"estimates": {name: vars(cost) for name, cost in found.items()}}
    if with_maps:
        seconds = sum(run.seconds_for_maps(found[run.name].images) for run in runs if run.name in found)
        lines.append(f"maps, afterwards: about {in_words(seconds)}")
        data["maps_seconds"] = seconds
    terminal.result(lines, data)


def _from_file(file: Path, asked: Any) -> Embedded:
    table = EmbeddingTable.load(file)
    if asked.estimate or asked.vectors or asked.draft:
        raise ValueError(
            f"{asked.source!r} holds vectors already; --estimate, --vectors and --draft need a folder"
        )
    names = asked.model or []
    encoder = load(names[0]) if names else None
    if asked.labels not in ("folders", "none"):
        table = table.with_labels(_labels_file(as_path(asked.labels)))
    name = Path(str(table.recipe.get("model", "vectors"))).name
    return Embedded(name, table, file, None, encoder)


# --------------------------------------------------------------------------- labels


def _labels(choice: str, folder: Path) -> Any:
    """Return `labels=` of `embed_images`: names of subfolders, a file's columns, or None."""
    if choice == "none":
        return None
    if choice != "folders":
        return _labels_file(as_path(choice))
    ids = [item.id for item in find_items(folder).items]
    return folder_labels(ids)


def folder_labels(ids: list[str]) -> dict[str, list[str | None]] | None:
    """Return the label "folder": the subfolder of each id, None at the top; None if no id has a subfolder.

    >>> folder_labels(["cats/a.png", "b.png"])
    {'folder': ['cats', None]}
    """
    folders = [str(PurePosixPath(name).parent) for name in ids]
    if all(folder == "." for folder in folders):
        return None
    return {"folder": [None if folder == "." else folder for folder in folders]}


def _labels_file(file: Path) -> Any:
    """Return the columns of a CSV or TSV file as a frame with a column of file names."""
    import pandas

    if not file.is_file():
        raise ValueError(f"there is no file of labels {str(file)!r}; pass a CSV file, `folders` or `none`")
    separator = "\t" if file.suffix.lower() in (".tsv", ".tab") else ","
    try:
        how = {"sep": separator, "encoding": "utf-8-sig", "index_col": False}
        names = pandas.read_csv(file, nrows=0, **how).columns
        keys = [name for name in names if name.lower() in KEYS]
        frame = pandas.read_csv(file, dtype=dict.fromkeys(keys, str), **how)
    except (ValueError, OSError) as error:  # what pandas raises for damaged files are ValueErrors
        raise ValueError(f"{str(file)!r} cannot be read as labels: {error}") from error
    if not keys:
        raise ValueError(
            f"{str(file)!r} has the columns {', '.join(map(repr, frame.columns))}; one of them must be named "
            f"file_name and hold the names of the images"
        )
    return frame
