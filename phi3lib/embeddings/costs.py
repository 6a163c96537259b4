"""What embedding a folder will cost, measured on a few of its images before the run.

cost = estimate_cost("photos/", model=clip)
print(cost)                      # about 4 min for 2,000 images, by 8 of them
estimate_cost("photos/", model=clip, count=5_000).seconds
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from phi3lib.embeddings.confidence import of_mean
from phi3lib.embeddings.drafts import described, least_size
from phi3lib.embeddings.embed import TILES_AT_ONCE, encoder_of
from phi3lib.embeddings.reading import PIXELS_AT_ONCE
from phi3lib.embeddings.run_time import in_words, usable_cores
from phi3lib.embeddings.sources import Item, find_items
from phi3lib.embeddings.store import stored_marks
from phi3lib.encoders import ImageEncoder, Recipe
from phi3lib.vision.inputs import as_path, as_truth, as_whole
from phi3lib.vision.pictures import Least

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """The expected cost of a run.

    images: in all. pending: of them, not stored yet. measured: how many were read and computed to find out.
    seconds, low, high: expected duration of the pending ones with its 95 % interval. reading, computing:
    seconds for one image; reading runs ahead of computing, so that the slower of the two counts where there
    are two cores. tiles: inputs of the network for one image, on average. megabytes: of the table.
    """

    images: int
    pending: int
    measured: int
    seconds: float
    low: float
    high: float
    reading: float
    computing: float
    tiles: float
    megabytes: float

    def __str__(self) -> str:
        stored = self.images - self.pending
        if not self.pending:
            return f"all {self.images:,} images are stored already"
        stored_note = f" ({stored:,} of {self.images:,} are stored already)" if stored else ""
        if not self.measured:
            return f"{self.pending:,} images to compute{stored_note}; none of those sampled could be read"
        tiles = "" if self.tiles == 1 else f" of {self.tiles:.1f} tiles each"
        ends = f"{in_words(self.low)} to {in_words(self.high)}"
        # Computed in one batch, all images of one size take equally long: no spread says nothing of the run.
        known = self.pending != self.measured and in_words(self.low) != in_words(self.high)
        interval = f" ({ends})" if known else ""
        return (
            f"about {in_words(self.seconds)}{interval} for {self.pending:,} images{tiles}{stored_note}, "
            f"measured on {self.measured} of them"
        )


def estimate_cost(
    images: Any,
    *,
    model: Any = None,
    pooling: str | None = None,
    out: str | os.PathLike[str] | None = None,
    count: int | None = None,
    sample: int = 8,
    draft: bool = False,
) -> Cost:
    """Read and embed a few images, evenly spread over a source, and return what all of them will cost.

    images, model, pooling, out, draft: as for `embed_images`; images that are in `out` with an unchanged file
    cost nothing. count: the number of images to cost, if there are to be more than in this source. sample:
    how many to measure; images that cannot be read are not counted, and if all of them are unreadable,
    `measured` and all seconds are 0. Nothing is written. Raises ValueError as `embed_images` does.
    """
    sample, draft = as_whole(sample, "sample", 1), as_truth(draft, "draft")
    count = None if count is None else as_whole(count, "count", 1)
    target = None if out is None else as_path(out)
    items = find_items(images, own=target).items
    encoder = encoder_of(model)
    recipe = encoder.recipes.choose(pooling)
    made_by = described(encoder, recipe, draft=draft)
    marks = {} if target is None else stored_marks(target, made_by)
    pending = [item for item in items if not _is_stored(item, marks)]
    wanted = count if count is not None else len(items)
    left = wanted if count is not None else len(pending)
    megabytes = wanted * recipe.width(encoder) * FLOAT_BYTES / 1e6
    pictures, reading = _read(_spread(pending, sample), least_size(made_by) if draft else None)
    if not pictures:
        return Cost(wanted, left, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, megabytes)
    tiles = np.array([encoder.tiles(*picture.size) for picture in pictures], dtype=float)
    computing = np.concatenate(list(_computing(encoder, recipe, pictures, tiles)))
    each = of_mean(np.maximum(reading, computing) if usable_cores() > 1 else reading + computing)
    return Cost(
        images=wanted,
        pending=left,
        measured=len(reading),
        seconds=each.value * left,
        low=each.low * left,
        high=each.high * left,
        reading=float(reading.mean()),
        computing=float(computing.mean()),
        tiles=float(tiles.mean()),
        megabytes=megabytes,
    )


def _is_stored(item: Item, marks: dict[str, Any]) -> bool:
    mark = marks.get(item.id)
    return mark is not None and bool(mark.identity) and mark.identity == item.identity()


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """So many of the items, evenly spread: a folder is often sorted by camera or by size."""
    if not items:
        return []
    indices = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in dict.fromkeys(indices.tolist())]


def _read(items: Sequence[Item], least: Least | None) -> tuple[list[Image.Image], np.ndarray]:
    """Return the readable pictures, and the seconds that each took to read: (n,)."""
    pictures, seconds = [], []
    for item in items:
        start = time.perf_counter()
        try:
            loaded = item.load(least=least)
        except ValueError:  # the run will report it
            continue
        if loaded.reading is not None:
            seconds.append(time.perf_counter() - start)
            pictures.append(loaded.reading.picture)
    return pictures, np.array(seconds)


@torch.inference_mode()
def _computing(
    encoder: ImageEncoder, recipe: Recipe, pictures: Sequence[Image.Image], tiles: np.ndarray
) -> Iterator[np.ndarray]:
    """Seconds for each picture, in batches as `embed_images` makes them; the first call is not counted."""
    encoder.encode(pictures[:1], recipe)
    start = 0
    while start < len(pictures):
        stop = start + 1
        while stop < len(pictures) and _fits(pictures[start : stop + 1], tiles[start : stop + 1]):
            stop += 1
        began = time.perf_counter()
        encoder.encode(pictures[start:stop], recipe)
        seconds = time.perf_counter() - began
        yield seconds * tiles[start:stop] / tiles[start:stop].sum()
        start = stop


def _fits(pictures: Sequence[Image.Image], tiles: np.ndarray) -> bool:
    pixels = sum(picture.width * picture.height for picture in pictures)
    return tiles.sum() <= TILES_AT_ONCE and pixels <= PIXELS_AT_ONCE
