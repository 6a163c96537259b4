"""Folders of pictures to tables of vectors: in batches, read ahead, resumable, broken files reported.

    table = embed_images("photos/", model=load_clip(), out="photos.parquet")
    table.errors

With `out=` finished vectors go to disk shard by shard. A run that was interrupted goes on where it stopped,
and one over a folder that has grown computes only what is new or was changed. Models of a real size tell
before the start how long it will take.
"""

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from phi3lib.vectors.memory import Trimmer
from phi3lib.vectors.pooling import (
    Recipe,
    describe,
    describe_texts,
    family_of,
    image_processor_of,
    phi3_last_token_of_texts,
    recipe_of,
)
from phi3lib.vectors.sources import Item, check_labels, items_of
from phi3lib.vectors.store import Store, Vectors
from phi3lib.vectors.table import EmbeddingTable
from phi3lib.vision.hd_transform import hd_grid
from phi3lib.vision.precision import agreement, in_precision, precision_of

# Tiles that are computed together: pictures of one CLIP batch, or crops and global views of Phi-3.
TILES_AT_ONCE = 32
PIXELS_AT_ONCE = 32_000_000  # of the pictures of a batch: 96 MB, so that photographs do not fill the memory
TEXTS_AT_ONCE = 16
READ_AHEAD = 3  # batches
COMPARED, TILES_COMPARED = 8, 20  # of which a precision is compared: pictures, or as many tiles and no more
LARGE = 20_000_000  # weights of the smallest published model are several times as many, of ours far fewer
BRIEF = 2.0  # seconds


def embed_images(
    images: Any,
    *,
    model: Any = None,
    pooling: str | None = None,
    out: str | os.PathLike[str] | None = None,
    labels: dict[str, Sequence[Any]] | None = None,
    precision: str | None = None,
    progress: bool = True,
) -> EmbeddingTable:
    """One vector for each picture, in the order of the pictures.

    images: a folder, files, pictures, arrays or a `datasets.Dataset`; see `items_of`. A camera's EXIF
    orientation is honoured. model: from `load_clip` or `load_phi3_model`; None: the default CLIP.
    pooling: the name of a recipe (`phi3lib.vectors.pooling`); None: the model's own. out: a Parquet file that
    is written and gone on with. labels: a sequence of one value for each picture, by name. precision: "bf16"
    or "int8" to compute faster with fewer bits; how far the vectors of a few pictures are then from those of
    the model as it came is printed. None: as it came.

    Pictures that cannot be read are in `.errors` of the table with their reasons. ValueError where nothing
    can be read at all, where labels do not fit, and where `out` was made with another recipe.
    """
    model = model if model is not None else _default_model()
    recipe = recipe_of(model, pooling)
    items = items_of(images)
    check_labels(labels or {}, len(items))
    quick = model if precision is None else in_precision(model, precision)
    described = describe(quick, recipe)
    store = Store(Path(out), items, described) if out is not None else None
    done = store.read() if store is not None else {}
    missing = [item for item in items if item.id not in done]
    if missing and precision is not None:
        _show_agreement(model, quick, precision, recipe, missing)
    errors: dict[str, str] = {}
    memory = Trimmer()
    try:
        for vectors in _encode(quick, recipe, missing, errors, progress=progress):
            done.update(vectors)
            memory.now_and_then()
            if store is not None:
                store.add(vectors)
    finally:
        # After Ctrl-C, too: what is computed is kept.
        if store is not None:
            store.flush()
    table = _table(items, done, errors, labels or {}, described)
    if store is not None:
        store.finish(table)
    return table


def embed_texts(texts: Sequence[str], *, model: Any = None) -> EmbeddingTable:
    """One vector for each text; the ids are the texts.

    model: from `load_clip`, which gives the space of its "projected" pictures; None: the default CLIP. Or the
    whole of Phi-3-vision, which gives the space of its "last token" pictures: nothing but the language model
    itself brought the two together there. ValueError for no texts, for a text that comes twice, and for the
    vision part of Phi-3-vision alone.
    """
    model = model if model is not None else _default_model()
    listed = [texts] if isinstance(texts, str) else list(texts)
    if not listed:
        raise ValueError("no texts came")
    recipe = describe_texts(model)
    return EmbeddingTable(_vectors_of_texts(model, listed), tuple(listed), recipe=recipe)


@torch.inference_mode()
def _vectors_of_texts(model: Any, texts: list[str]) -> NDArray[np.float32]:
    if family_of(model) == "clip":
        return model.text_features(texts).numpy()
    batches = (texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE))
    return torch.cat([phi3_last_token_of_texts(model, batch).float().cpu() for batch in batches]).numpy()


def _default_model() -> Any:
    from phi3lib.vision.checkpoints import load_clip

    return load_clip()


@torch.inference_mode()
def _show_agreement(model: Any, quick: Any, precision: str, recipe: Recipe, items: list[Item]) -> None:
    """Print how close the quick model's vectors of a few pictures are to those of the model as it came."""
    pictures = _first_pictures(model, items)
    found = [list(_encode_batch(one, recipe, pictures, {}).values()) for one in (model, quick)]
    if found[0]:
        exact, rounded = (torch.from_numpy(np.stack(vectors)) for vectors in found)
        print(f"{precision}: {agreement(exact, rounded, precision_of(_network(model)))}")


def _first_pictures(model: Any, items: list[Item]) -> dict[str, Image.Image]:
    """A few that can be read, of not too many tiles: of the others is told when their turn comes."""
    pictures: dict[str, Image.Image] = {}
    tiles = 0
    for item in items:
        if len(pictures) == COMPARED or tiles >= TILES_COMPARED:
            break
        with contextlib.suppress(ValueError, OSError):
            picture = item.read()
            tiles += _tiles(model, picture.size)
            pictures[item.id] = picture
    return pictures


def _network(model: Any) -> torch.nn.Module:
    return model.model if family_of(model) == "clip" else model


def _is_large(model: Any) -> bool:
    """Whether this is a model of a real size, whose runs take minutes to days."""
    return sum(weight.numel() for weight in _network(model).parameters()) >= LARGE


def _table(
    items: list[Item],
    done: Vectors,
    errors: dict[str, str],
    labels: dict[str, Sequence[Any]],
    recipe: dict[str, Any],
) -> EmbeddingTable:
    rows = [place for place, item in enumerate(items) if item.id in done]
    if not rows:
        name, reason = next(iter(errors.items()))
        raise ValueError(f"none of {len(items)} pictures could be read; the first, {name!r}: {reason}")
    return EmbeddingTable(
        np.stack([done[items[row].id] for row in rows]),
        tuple(items[row].id for row in rows),
        {name: np.asarray([values[row] for row in rows]) for name, values in labels.items()},
        recipe,
        tuple(errors.items()),
    )


# --------------------------------------------------------------------------- computing


def _encode(
    model: Any, recipe: Recipe, items: list[Item], errors: dict[str, str], *, progress: bool
) -> Iterator[Vectors]:
    """The vectors of the readable ones, batch by batch; the others go into `errors`."""
    from tqdm.auto import tqdm

    batches = _batches(model, items)
    tiles, pictures = sum(batch.tiles for batch in batches), len(items)
    to_tell = progress and bool(items) and _is_large(model)
    if to_tell:
        batches = _first_alone(batches)
    unit = "picture" if tiles == pictures else "tile"
    with tqdm(total=tiles, unit=unit, disable=not progress or not items) as bar:
        for batch, read in _read_ahead(batches):
            good = {name: picture for name, picture in read.items() if isinstance(picture, Image.Image)}
            errors.update({name: str(reason) for name, reason in read.items() if name not in good})
            tiles, pictures = tiles - batch.tiles, pictures - len(batch.items)
            if good:
                if to_tell:
                    seconds, vectors = _timed(model, recipe, good, errors)
                    bar.write(estimate(pictures, tiles, seconds / batch.tiles))
                    to_tell = False
                else:
                    vectors = _encode_batch(model, recipe, good, errors)
                yield vectors
            bar.update(batch.tiles)


def estimate(pictures: int, tiles: int, seconds_per_tile: float) -> str:
    """How long the rest will take, as a sentence."""
    seconds = tiles * seconds_per_tile
    hours, minutes = divmod(round(seconds / 60), 60)
    shown = f"{seconds:.0f} s" if seconds < 90 else f"{hours} h {minutes} min" if hours else f"{minutes} min"
    of_tiles = "" if tiles == pictures else f" of {tiles:,} tiles"
    return f"about {shown} for {pictures:,} pictures{of_tiles}, by the first of them"


def _timed(
    model: Any, recipe: Recipe, pictures: dict[str, Image.Image], errors: dict[str, str]
) -> tuple[float, Vectors]:
    """The vectors of a batch, and how many seconds they took."""
    start = time.perf_counter()
    vectors = _encode_batch(model, recipe, pictures, errors)
    seconds = time.perf_counter() - start
    if seconds < BRIEF:  # the first call also makes room and plans: once more
        start = time.perf_counter()
        vectors = _encode_batch(model, recipe, pictures, errors)
        seconds = time.perf_counter() - start
    return seconds, vectors


@torch.inference_mode()
def _encode_batch(
    model: Any, recipe: Recipe, pictures: dict[str, Image.Image], errors: dict[str, str]
) -> Vectors:
    if not pictures:
        return {}
    try:
        vectors = recipe.encode(model, list(pictures.values())).float().cpu().numpy()
    except ValueError as error:
        if len(pictures) == 1:
            errors[next(iter(pictures))] = str(error)
            return {}
        # One of them cannot be taken (too extreme a shape): one by one, so that the others go on.
        alone = [_encode_batch(model, recipe, {name: picture}, errors) for name, picture in pictures.items()]
        return {name: vector for one in alone for name, vector in one.items()}
    finite = np.isfinite(vectors).all(1)
    named = list(zip(pictures, vectors, finite, strict=True))
    errors.update({name: "its vector holds NaN or infinity" for name, _, good in named if not good})
    return {name: vector for name, vector, good in named if good}


@dataclass(frozen=True)
class Batch:
    """Items that are computed together, and how many tiles they are."""

    items: list[Item]
    tiles: int


def _batches(model: Any, items: list[Item]) -> list[Batch]:
    """Items in batches of about as many tiles and not too many pixels; equally costly ones stand together."""
    sizes = [_size(item) for item in items]
    costs = [_tiles(model, size) for size in sizes]
    batches: list[Batch] = []
    some: list[Item] = []
    tiles = pixels = 0
    for place in sorted(range(len(items)), key=lambda place: costs[place]):
        area = sizes[place][0] * sizes[place][1]
        if some and (tiles + costs[place] > TILES_AT_ONCE or pixels + area > PIXELS_AT_ONCE):
            batches.append(Batch(some, tiles))
            some, tiles, pixels = [], 0, 0
        some.append(items[place])
        tiles, pixels = tiles + costs[place], pixels + area
    return [*batches, Batch(some, tiles)] if some else batches


def _first_alone(batches: list[Batch]) -> list[Batch]:
    """The same, with the first picture in a batch of its own."""
    first, count = batches[0], len(batches[0].items)
    alone = Batch(first.items[:1], first.tiles // count)
    rest = Batch(first.items[1:], first.tiles - alone.tiles)
    return [alone, *([rest] if rest.items else []), *batches[1:]]


def _size(item: Item) -> tuple[int, int]:
    try:
        return item.size()
    except Exception:  # reading it will say what is wrong
        return 1, 1


def _tiles(model: Any, size: tuple[int, int]) -> int:
    if family_of(model) == "clip":
        return 1
    processor = image_processor_of(model)
    try:
        grid = hd_grid(*size, processor.num_crops, tile=processor.tile)
    except ValueError:  # too extreme a shape: computing it will say so
        return 1
    return 1 + grid.rows * grid.cols


Read = dict[str, Image.Image | str]


def _read_ahead(batches: list[Batch]) -> Iterator[tuple[Batch, Read]]:
    """The pictures of each batch, or why not, read while the batch before is computed."""
    waiting: deque[tuple[Batch, Future[Read]]] = deque()
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(_read, batch)))
                if len(waiting) > READ_AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _read(batch: Batch) -> Read:
    read: Read = {}
    for item in batch.items:
        try:
            read[item.id] = item.read()
        except (ValueError, OSError) as error:
            read[item.id] = str(error)
    return read
