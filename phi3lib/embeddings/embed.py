"""Folders of images to tables of vectors: in batches, read ahead, resumable, broken files reported.

    table = embed_images("photos/", model=load_clip(), out="photos.parquet")
    table.errors

With `out=` finished vectors go to disk shard by shard. An interrupted run is resumed, and one over a folder
that has grown computes only what is new or was changed. Large models print a time estimate after the first
image.
"""

import os
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from phi3lib.embeddings.drafts import described, least_size
from phi3lib.embeddings.labels import Column, labels_of
from phi3lib.embeddings.memory import Trimmer
from phi3lib.embeddings.reading import Batch, batches
from phi3lib.embeddings.run_time import in_words
from phi3lib.embeddings.sources import Items, Mark, find_items
from phi3lib.embeddings.store import Kept, Store, Vectors, open_store, stored_recipe
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.embeddings.trial import AUTO, precision_for
from phi3lib.encoders import ImageEncoder, Recipe, as_encoder, joined, text_encoder
from phi3lib.loading.log import tell
from phi3lib.vision.inputs import as_file, as_texts, as_truth
from phi3lib.vision.pictures import Least
from phi3lib.vision.precision import agreement, precision_of

# Tiles that are computed together: pictures of one CLIP batch, or crops and global views of Phi-3.
TILES_AT_ONCE = 32
COMPARED, TILES_COMPARED = 8, 20  # of which a precision is compared: pictures, or as many tiles and no more
LARGE = 20_000_000  # weights of the smallest published model are several times as many, of ours far fewer
BRIEF = 2.0  # seconds


def embed_images(
    images: Any,
    *,
    model: Any = None,
    pooling: str | None = None,
    out: str | os.PathLike[str] | None = None,
    labels: Any = None,
    precision: str | None = None,
    draft: bool = False,
    progress: bool = True,
) -> EmbeddingTable:
    """Return one vector for each image, in the order of the images.

    images: a folder, files, images, bytes, arrays or a `datasets.Dataset`; see `find_items`, and
        `phi3lib.vision.pictures` for orientation, transparency and frames.
    model: of `load_encoder`, `load_clip` or `load_phi3_model`, or your own encoder
        (`phi3lib.encoders.encoder`); None: the default CLIP.
    pooling: the name of one of the model's recipes; None: its default.
    out: Parquet file to write; an existing one is resumed.
    labels: by name a sequence (one value for each image) or a mapping from file names, or a frame; see
        `labels_of`. Labels of an earlier run into `out` that are not given again are kept for images that
        have not changed.
    precision: "bf16" or "int8" to compute faster with fewer bits; the difference to the original model's
        vectors is measured on a few images and logged. "auto": the fastest here, by a trial of about a
        second; a resumed table keeps its own. None: that of the model.
    draft: decode JPEG files no larger than about twice the input of the model, which is several times faster
        for photographs; vectors then differ slightly, and the recipe of the table records it
        (`phi3lib.embeddings.drafts`).

    Images that cannot be read are in `.errors` of the table with their reasons; what was lost or left out
    (transparency, further frames, files that are no images) is in `.notes`, and a warning counts it.

    Raises ValueError before anything is computed if labels do not fit, if `out` was made with another recipe
    or is being written by another process; and ValueError if no image can be read.
    """
    target, draft = None if out is None else as_file(out), as_truth(draft, "draft")
    source = find_items(images, own=target)
    columns = labels_of(labels, [item.id for item in source.items])
    encoder = encoder_of(model)
    recipe = encoder.recipes.choose(pooling)
    if precision == AUTO:
        precision = precision_for(encoder, recipe, source.items, stored_recipe(target))
    quick = encoder if precision is None else encoder.in_precision(precision)
    made_by = described(quick, recipe, draft=draft)
    least = least_size(made_by) if draft else None
    with nullcontext() if target is None else open_store(target, made_by) as store:
        run = _Run(source, store)
        work = Work(quick, recipe, None if precision is None else _Comparison(encoder, precision), least)
        run.compute(work, progress=progress)
        return run.finish(columns, made_by)


def embed_recipes(
    images: Any, poolings: Sequence[str], *, model: Any = None, labels: Any = None, progress: bool = True
) -> dict[str, EmbeddingTable]:
    """Return a table for each of several recipes of one model, computed in one pass over the images.

    The vectors are those of `embed_images`, with everything that recipes share computed once. An image for
    which one recipe fails is missing in all tables. The arguments are those of `embed_images`; raises
    ValueError like it.
    """
    source = find_items(images)
    columns = labels_of(labels, [item.id for item in source.items])
    encoder = encoder_of(model)
    recipes = [encoder.recipes.choose(name) for name in as_texts(poolings, "poolings")]
    run = _Run(source, None)
    run.compute(Work(encoder, joined(recipes)), progress=progress)
    together, tables, start = run.finish(columns, {}), {}, 0
    for recipe in recipes:
        stop = start + recipe.width(encoder)
        vectors = np.ascontiguousarray(together.vectors[:, start:stop])
        tables[recipe.name] = replace(together, vectors=vectors, recipe=encoder.provenance(recipe))
        start = stop
    return tables


@dataclass(frozen=True)
class _Comparison:
    """The encoder that vectors of another precision are compared with, once."""

    encoder: ImageEncoder
    precision: str


class _Run:
    """One run over a source: what is known of its images, what was computed, what failed."""

    def __init__(self, source: Items, store: Store | None) -> None:
        self.source, self.store = source, store
        self.kept = Kept()
        self.errors: dict[str, str] = {}

    def compute(self, work: "Work", *, progress: bool) -> None:
        """Compute what no earlier run has computed of the same image."""
        earlier = self.store.kept if self.store is not None else Kept()
        pending, expected = [], {}
        for item in self.source.items:
            mark = earlier.marks.get(item.id)
            if mark is not None and mark.identity and mark.identity == item.identity():
                self._take_over(item.id, mark)
                continue
            pending.append(item)
            if mark is not None:
                expected[item.id] = mark.content
        memory = Trimmer()
        for batch, vectors in work.results(pending, expected, self.errors, progress=progress):
            for name in batch.unchanged:
                self._take_over(name, batch.loaded[name].mark)
            self._add(batch, vectors)
            memory.now_and_then()

    def _take_over(self, name: str, mark: Mark) -> None:
        if self.store is None:
            return
        earlier = self.store.kept
        self.kept.vectors[name], self.kept.marks[name] = earlier.vectors[name], mark
        if name in earlier.notes:
            self.kept.notes[name] = earlier.notes[name]

    def _add(self, batch: Batch, vectors: Vectors) -> None:
        new = Kept(vectors, {name: batch.loaded[name].mark for name in vectors}, batch.notes(vectors))
        self.kept.add(new)
        if self.store is not None:
            self.store.add(new)

    def finish(self, columns: Mapping[str, Column], recipe: dict[str, Any]) -> EmbeddingTable:
        """Return the table of all readable images; write it if it has a file."""
        rows = [row for row, item in enumerate(self.source.items) if item.id in self.kept.vectors]
        if not rows:
            name, why = next(iter(self.errors.items()))
            count = len(self.source.items)
            raise ValueError(f"none of {count} pictures could be read; the first, {name!r}: {why}")
        ids = [self.source.items[row].id for row in rows]
        table = EmbeddingTable(
            np.stack([self.kept.vectors[name] for name in ids]),
            tuple(ids),
            {name: values[rows] for name, values in columns.items()},
            recipe,
            (*self.errors.items(), *((one.name, one.reason) for one in self.source.unreadable)),
            self._notes(),
        )
        _warn_of(table)
        return self.store.finish(table, self.kept.marks) if self.store is not None else table

    def _notes(self) -> tuple[tuple[str, str], ...]:
        lost = [(name, note) for name, notes in sorted(self.kept.notes.items()) for note in notes]
        return (*lost, *((one.name, one.reason) for one in self.source.left_out))


def _warn_of(table: EmbeddingTable) -> None:
    """One warning for each kind of thing that was lost, with its count."""
    ids = set(table.ids)
    for note, count in Counter(note for name, note in table.notes if name in ids).items():
        warnings.warn(f"{count} of {len(table)} images: {note}; see .notes of the table", stacklevel=4)


def embed_texts(texts: Any, *, model: Any = None) -> EmbeddingTable:
    """Return one vector for each text of a sequence (one string is one text); the ids are the texts.

    model: a CLIP or SigLIP, for texts in the space of the images of its default recipe; None: the default
    CLIP. Or the whole of Phi-3-vision, for texts in the space of its "last token" images, where the language
    model alone aligns both. ValueError for no texts, for repeated ones, and for a model without a text
    encoder.
    """
    listed = as_texts(texts)
    for text, count in Counter(listed).most_common(1):
        if count > 1:
            raise ValueError(
                f"the text {text[:60]!r} occurs {count} times, and the texts are the ids of the table; pass "
                f"each once: list(dict.fromkeys(texts))"
            )
    encoder = text_encoder(encoder_of(model))
    recipe = encoder.text_provenance()
    return EmbeddingTable(encoder.encode_texts(listed).numpy(), tuple(listed), recipe=recipe)


def encoder_of(model: Any) -> Any:
    """Return the encoder of what `model=` names: a loaded model or an encoder; None is the default CLIP."""
    if model is None:
        from phi3lib.loading.checkpoints import load_clip

        model = load_clip()
    return as_encoder(model)


def _is_large(encoder: ImageEncoder) -> bool:
    """Whether this is a model of a real size, whose runs take minutes to days."""
    return sum(weight.numel() for weight in encoder.network.parameters()) >= LARGE


# --------------------------------------------------------------------------- computing


@dataclass
class Work:
    """An encoder and a recipe at work on batches, with the progress that is shown."""

    encoder: ImageEncoder
    recipe: Recipe
    comparison: _Comparison | None = None
    least: Least | None = None
    estimates: bool = field(default=False, init=False)

    def results(
        self, pending: list[Any], expected: Mapping[str, str], errors: dict[str, str], *, progress: bool
    ) -> Iterator[tuple[Batch, Vectors]]:
        """Yield each batch with its vectors; what cannot be read or computed goes into `errors`."""
        from tqdm.auto import tqdm

        self.estimates = progress and bool(pending) and _is_large(self.encoder)
        with tqdm(total=len(pending), unit="image", disable=not progress or not pending) as bar:
            for batch in batches(
                pending,
                self.encoder.tiles,
                most_tiles=TILES_AT_ONCE,
                first_alone=self.estimates,
                expected=expected,
                least=self.least,
            ):
                errors.update(batch.errors)
                bar.update(len(batch))
                yield batch, self._vectors(batch, errors, bar)

    def _vectors(self, batch: Batch, errors: dict[str, str], bar: Any) -> Vectors:
        if not batch.pictures:
            return {}
        if self.comparison is not None:
            self._compare(self.comparison, batch)
        if not self.estimates:
            return _encode_batch(self.encoder, self.recipe, batch.pictures, errors)
        self.estimates = False
        seconds, vectors = _timed(self.encoder, self.recipe, batch.pictures, errors)
        left = bar.total - bar.n
        bar.write(estimate(left, left * batch.tiles // len(batch.pictures), seconds / batch.tiles))
        return vectors

    @torch.inference_mode()
    def _compare(self, comparison: _Comparison, batch: Batch) -> None:
        """Log how close this model's vectors of a few images are to those of the original one."""
        pictures = _few(self.encoder, batch.pictures)
        both = [
            list(_encode_batch(one, self.recipe, pictures, {}).values())
            for one in (comparison.encoder, self.encoder)
        ]
        if both[0]:
            exact, rounded = (torch.from_numpy(np.stack(vectors)) for vectors in both)
            close = agreement(exact, rounded, precision_of(comparison.encoder.network))
            tell(f"{comparison.precision}: {close}")
            self.comparison = None


def _few(encoder: ImageEncoder, pictures: Mapping[str, Image.Image]) -> dict[str, Image.Image]:
    """Return the first images, limited in number and in tiles."""
    few: dict[str, Image.Image] = {}
    tiles = 0
    for name, picture in pictures.items():
        if len(few) == COMPARED or tiles >= TILES_COMPARED:
            break
        few[name] = picture
        tiles += encoder.tiles(*picture.size)
    return few


def estimate(pictures: int, tiles: int, seconds_per_tile: float) -> str:
    """Return how long the rest will take, as a sentence."""
    duration = in_words(tiles * seconds_per_tile)
    tiles_note = "" if tiles == pictures else f" of {tiles:,} tiles"
    return f"about {duration} for {pictures:,} pictures{tiles_note}, estimated from the first one"


def _timed(
    encoder: ImageEncoder, recipe: Recipe, pictures: dict[str, Image.Image], errors: dict[str, str]
) -> tuple[float, Vectors]:
    """Return the vectors of a batch, and the seconds that they took."""
    start = time.perf_counter()
    vectors = _encode_batch(encoder, recipe, pictures, errors)
    seconds = time.perf_counter() - start
    if seconds < BRIEF:  # the first call also allocates memory: measure again
        start = time.perf_counter()
        vectors = _encode_batch(encoder, recipe, pictures, errors)
        seconds = time.perf_counter() - start
    return seconds, vectors


@torch.inference_mode()
def _encode_batch(
    encoder: ImageEncoder, recipe: Recipe, pictures: dict[str, Image.Image], errors: dict[str, str]
) -> Vectors:
    if not pictures:
        return {}
    try:
        vectors = encoder.encode(list(pictures.values()), recipe).float().cpu().numpy()
    except (ValueError, MemoryError, RuntimeError) as error:
        if not isinstance(error, ValueError) and not _is_out_of_memory(error):
            raise
        if len(pictures) == 1:
            errors[next(iter(pictures))] = str(error) or "not enough memory to compute it"
            return {}
        # One of them fails (too extreme a shape, say): compute them one by one, to keep the others.
        alone = [
            _encode_batch(encoder, recipe, {name: picture}, errors) for name, picture in pictures.items()
        ]
        return {name: vector for one in alone for name, vector in one.items()}
    finite = np.isfinite(vectors).all(1)
    named = list(zip(pictures, vectors, finite, strict=True))
    errors.update({name: "its vector holds NaN or infinity" for name, _, good in named if not good})
    return {name: vector for name, vector, good in named if good}


def _is_out_of_memory(error: BaseException) -> bool:
    """On a device torch has a class for it, on a CPU only a text."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or "allocate memory" in str(error)
