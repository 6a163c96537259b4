"""Which precision is fastest on this machine: a trial of about a second on a few images.

Fewer bits are not always faster: on a processor without instructions for bfloat16 its products take longer
than those of float32. So each precision is measured in turn, and the vectors are compared.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from phi3lib.embeddings.sources import Item
from phi3lib.encoders import ImageEncoder, Recipe
from phi3lib.loading.log import tell
from phi3lib.vision.precision import PRECISIONS, Agreement, agreement, precision_of

AUTO = "auto"
NAMES = {"float32": "fp32", "bfloat16": "bf16", "int8": "int8"}  # by the result of `precision_of`
GAIN = 0.9  # another precision must take at most this part of the time: less is noise
CLOSE = 0.99  # and its vectors must have at least this cosine to those of the unchanged model
ROUNDS, SECONDS = 5, 1.0  # of all candidates together, after one pass of each that is not counted
IMAGES, TILES, SHORTEST = 8, 8, 64  # of a trial: images, tiles, the side in pixels below which none is halved
MOST_WEIGHTS = 1_000_000_000  # a copy in float32 is 4 GB; larger models stay unchanged


@dataclass(frozen=True)
class Trial:
    """What a trial found.

    chosen: the precision, None for the unchanged model. seconds: the least time of one pass over the images
    by precision, the unchanged model first. agreements: of the others with it.
    """

    chosen: str | None
    seconds: Mapping[str, float]
    agreements: Mapping[str, Agreement]

    def __str__(self) -> str:
        if not self.seconds:
            return "precision: unchanged; no trial was made"
        (came, reference), *others = self.seconds.items()
        speeds = [f"{name} {reference / seconds:.2f} ×" for name, seconds in others]
        return f"precision: {self.chosen or came} (speed against {came}, in a trial: {', '.join(speeds)})"


def precision_for(
    encoder: Any, recipe: Recipe, items: Sequence[Item], stored: Mapping[str, Any] | None
) -> str | None:
    """Return the precision for a run over these items; None for that of the encoder.

    It is the one of the vectors that are stored already, if `stored` is their recipe, or else the fastest on
    some of the images; what the trial found is logged.
    """
    if stored is not None:
        dtype = str(stored.get("dtype"))
        return None if dtype == precision_of(encoder.network) else NAMES.get(dtype)
    trial = try_precisions(encoder, recipe, _few(encoder, _readable(items[:IMAGES])))
    tell(str(trial))
    return trial.chosen


def _readable(items: Sequence[Item]) -> Iterator[Image.Image]:
    """Yield the images of items; what cannot be read is left to the run, which reports it."""
    for item in items:
        with suppress(ValueError, MemoryError):
            reading = item.load().reading
            if reading is not None:
                yield reading.picture


def try_precisions(
    encoder: Any,
    recipe: Recipe,
    pictures: Sequence[Image.Image],
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Trial:
    """Return the precision that computes vectors of these images fastest and close enough, with its reasons.

    A few tiles are enough: speed and agreement hardly depend on the size of an image. Without images, for a
    model that is too large to be copied, and for an encoder that has no `in_precision`, nothing is tried.
    "int8" is for CPUs and not tried elsewhere.
    """
    weights = sum(weight.numel() for weight in encoder.network.parameters())
    if not pictures or weights > MOST_WEIGHTS or not hasattr(encoder, "in_precision"):
        return Trial(None, {}, {})
    candidates = _candidates(encoder)
    vectors = {name: _encode(candidate, recipe, pictures) for name, candidate in candidates.items()}
    seconds = _time(candidates, recipe, pictures, clock)
    came, *others = candidates
    agreements = {name: agreement(vectors[came], vectors[name], came) for name in others}
    return Trial(fastest(seconds, agreements), seconds, agreements)


def fastest(seconds: Mapping[str, float], agreements: Mapping[str, Agreement]) -> str | None:
    """Return the fastest precision whose vectors are close; None for the first one, the unchanged model."""
    came = next(iter(seconds))
    close = [name for name, found in agreements.items() if found.least >= CLOSE]
    best = min(close, key=seconds.__getitem__, default=came)
    return best if best != came and seconds[best] <= GAIN * seconds[came] else None


def _candidates(encoder: Any) -> dict[str, ImageEncoder]:
    """Return the encoder and its copies in other precisions, by name."""
    dtype = precision_of(encoder.network)
    came = NAMES.get(dtype, dtype)
    device = next(encoder.network.parameters()).device.type
    others = [name for name in PRECISIONS if name != came and (name != "int8" or device == "cpu")]
    return {came: encoder} | {name: encoder.in_precision(name) for name in others}


def _few(encoder: ImageEncoder, pictures: Iterable[Image.Image]) -> list[Image.Image]:
    """Return the first images that make a few tiles, large ones made smaller; no further ones are read."""
    few: list[Image.Image] = []
    tiles = 0
    for picture in pictures:
        while encoder.tiles(*picture.size) > TILES and min(picture.size) >= 2 * SHORTEST:
            picture = picture.reduce(2)
        tiles += encoder.tiles(*picture.size)
        if few and tiles > TILES:
            break
        few.append(picture)
        if tiles >= TILES:
            break
    return few


@torch.inference_mode()
def _encode(encoder: ImageEncoder, recipe: Recipe, pictures: Sequence[Image.Image]) -> torch.Tensor:
    return encoder.encode(pictures, recipe).float().cpu()


def _time(
    candidates: Mapping[str, ImageEncoder],
    recipe: Recipe,
    pictures: Sequence[Image.Image],
    clock: Callable[[], float],
) -> dict[str, float]:
    """Return the least seconds of a pass; candidates take turns, so that a busy moment affects all."""
    least = dict.fromkeys(candidates, float("inf"))
    began = clock()
    for _ in range(ROUNDS):
        for name, candidate in candidates.items():
            start = clock()
            _encode(candidate, recipe, pictures)
            least[name] = min(least[name], clock() - start)
        if clock() - began >= SECONDS:
            break
    return least
