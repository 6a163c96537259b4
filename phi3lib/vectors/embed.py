"""Folders of pictures to tables of vectors: in batches, read ahead, resumable, broken files reported.

    table = embed_images("photos/", model=load_clip(), out="photos.parquet")
    table.errors

With `out=` finished vectors go to disk shard by shard. A run that was interrupted goes on where it stopped,
and one over a folder that has grown computes only what is new.
"""

import contextlib
import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from phi3lib.vectors.pooling import Recipe, describe, family_of, recipe_of
from phi3lib.vectors.sources import Item, check_labels, items_of
from phi3lib.vectors.table import EmbeddingTable, same_recipe
from phi3lib.vision.hd_transform import hd_grid
from phi3lib.vision.precision import agreement, in_precision

# Tiles that are computed together: pictures of one CLIP batch, or crops and global views of Phi-3.
TILES_AT_ONCE = 32
SHARD = 256  # vectors that a kill may cost, at the most
READ_AHEAD = 3  # batches
COMPARED = 8  # pictures on which a precision is compared with float32

Vectors = NDArray[np.float32]


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
    if precision is not None:
        model = _in_precision(model, precision, recipe, items)
    check_labels(labels or {}, len(items))
    store = _Store(Path(out)) if out is not None else None
    described = describe(model, recipe, _dimension(model, recipe))
    done = store.read(described) if store is not None else {}
    missing = [item for item in items if item.id not in done]
    errors: dict[str, str] = {}
    try:
        for vectors in _encode(model, recipe, missing, errors, progress=progress):
            done.update(vectors)
            if store is not None:
                store.add(vectors, described)
    finally:
        # After Ctrl-C, too: what is computed is kept.
        if store is not None:
            store.flush(described)
    table = _table(items, done, errors, labels or {}, described)
    if store is not None:
        store.finish(table)
    return table


def embed_texts(texts: Sequence[str], *, model: Any = None) -> EmbeddingTable:
    """One vector for each text, in the space of CLIP's "projected" pictures; the ids are the texts.

    model: from `load_clip`; None: the default CLIP. ValueError for no texts, for a text that comes twice, and
    for Phi-3-vision, which has no such space.
    """
    model = model if model is not None else _default_model()
    if family_of(model) != "clip":
        raise ValueError("Phi-3-vision has no common space of pictures and texts: use a model of load_clip")
    listed = [texts] if isinstance(texts, str) else list(texts)
    vectors = model.text_features(listed).numpy()
    recipe = {**model.recipe, "pooling": "text: end-of-text token, projected", "dimension": vectors.shape[1]}
    return EmbeddingTable(vectors, tuple(listed), recipe=recipe)


def _default_model() -> Any:
    from phi3lib.vision.checkpoints import load_clip

    return load_clip()


@torch.inference_mode()
def _in_precision(model: Any, precision: str, recipe: Recipe, items: list[Item]) -> Any:
    """The model in this precision; prints its agreement with the model as it came."""
    quick = in_precision(model, precision)
    pictures: list[Image.Image] = []
    for item in items:
        if len(pictures) == COMPARED:
            break
        with contextlib.suppress(ValueError):  # what cannot be read is reported when its turn comes
            pictures.append(item.read())
    if pictures:
        exact, rounded = (recipe.encode(one, pictures).float().cpu() for one in (model, quick))
        print(f"{precision}: {agreement(exact, rounded)}")
    return quick


@torch.inference_mode()
def _dimension(model: Any, recipe: Recipe) -> int:
    """The width of the vectors, from one small picture."""
    return int(recipe.encode(model, [Image.new("RGB", (32, 32))]).shape[1])


def _table(
    items: list[Item],
    done: dict[str, Vectors],
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
) -> Iterator[dict[str, Vectors]]:
    """The vectors of the readable ones, batch by batch; the others go into `errors`."""
    from tqdm.auto import tqdm

    with tqdm(total=len(items), unit="picture", disable=not progress or not items) as bar:
        for read in _read_ahead(_batches(model, items)):
            good = {name: picture for name, picture in read.items() if isinstance(picture, Image.Image)}
            errors.update({name: str(reason) for name, reason in read.items() if name not in good})
            if good:
                yield _encode_batch(model, recipe, good, errors)
            bar.update(len(read))


@torch.inference_mode()
def _encode_batch(
    model: Any, recipe: Recipe, pictures: dict[str, Image.Image], errors: dict[str, str]
) -> dict[str, Vectors]:
    try:
        vectors = recipe.encode(model, list(pictures.values())).float().cpu().numpy()
    except ValueError as error:
        if len(pictures) == 1:
            errors[next(iter(pictures))] = str(error)
            return {}
        # One of them cannot be taken (too extreme a shape): one by one, so that the others go on.
        alone = [_encode_batch(model, recipe, {name: picture}, errors) for name, picture in pictures.items()]
        return {name: vector for one in alone for name, vector in one.items()}
    return dict(zip(pictures, vectors, strict=True))


def _batches(model: Any, items: list[Item]) -> list[list[Item]]:
    """Items in batches of about as many tiles; pictures of as many tiles stand together."""
    costs = [_tiles(model, item) for item in items]
    batches: list[list[Item]] = []
    room = 0
    for place in sorted(range(len(items)), key=lambda place: costs[place]):
        if costs[place] > room:
            batches.append([])
            room = max(TILES_AT_ONCE, costs[place])
        batches[-1].append(items[place])
        room -= costs[place]
    return batches


def _tiles(model: Any, item: Item) -> int:
    if family_of(model) == "clip":
        return 1
    processor = getattr(model.processor, "image_processor", model.processor)
    try:
        grid = hd_grid(*item.size(), processor.num_crops, tile=processor.tile)
    except Exception:  # reading it will say what is wrong
        return 1
    return 1 + grid.rows * grid.cols


def _read_ahead(batches: list[list[Item]]) -> Iterator[dict[str, Image.Image | str]]:
    """The pictures of each batch, or why not, read while the batch before is computed."""
    waiting: deque[Future[dict[str, Image.Image | str]]] = deque()
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(_read, batch))
                if len(waiting) > READ_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _read(batch: list[Item]) -> dict[str, Image.Image | str]:
    read: dict[str, Image.Image | str] = {}
    for item in batch:
        try:
            read[item.id] = item.read()
        except (ValueError, OSError) as error:
            read[item.id] = str(error)
    return read


# --------------------------------------------------------------------------- on disk


class _Store:
    """The file of a table, and beside it, while a run goes on, a folder of shards."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.with_name(path.name + ".shards")
        self.waiting: dict[str, Vectors] = {}

    def read(self, recipe: dict[str, Any]) -> dict[str, Vectors]:
        """What earlier runs have computed. ValueError where it was made in another way."""
        files = ([self.path] if self.path.exists() else []) + sorted(self.folder.glob("*.parquet"))
        done: dict[str, Vectors] = {}
        for file in files:
            table = EmbeddingTable.load(file)
            if different := same_recipe(table.recipe, recipe):
                raise ValueError(
                    f"{str(self.path)!r} holds vectors of another recipe ({'; '.join(different)}): "
                    f"choose another out=, or delete it"
                )
            done.update(zip(table.ids, table.vectors, strict=True))
        return done

    def add(self, vectors: dict[str, Vectors], recipe: dict[str, Any]) -> None:
        """Keep vectors; a full shard is written."""
        self.waiting.update(vectors)
        if len(self.waiting) >= SHARD:
            self.flush(recipe)

    def flush(self, recipe: dict[str, Any]) -> None:
        """Write what is not yet on disk."""
        if self.waiting:
            number = len(list(self.folder.glob("*.parquet")))
            table = EmbeddingTable(np.stack(list(self.waiting.values())), tuple(self.waiting), recipe=recipe)
            table.save(self.folder / f"{number:06}.parquet")
            self.waiting = {}

    def finish(self, table: EmbeddingTable) -> None:
        """Put the whole table in its place and remove the shards."""
        table.save(self.path)
        shutil.rmtree(self.folder, ignore_errors=True)
