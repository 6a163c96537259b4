"""Batches of scenes with questions for the small Phi-3-vision, and of single tiles for its tower."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from phi3lib.vision.crop_controls import blurred_crops
from phi3lib.vision.hd_transform import hd_grid
from phi3lib.vision.text_processing import Phi3VProcessor
from picturebook.page_questions import page_questions
from picturebook.questions import Question, questions_of
from picturebook.scenes import CAPS, STRINGS, Scene, close_up, draw_scene
from training.dense_labels import PLANES, dense_labels
from training.packing import PackedRows, pack
from training.phi3_model import PATCH, TILE

PATCHES = TILE // PATCH
MOST_QUESTIONS = 12
MODES = ("sharp", "blurred", "global")
# Of MODES: sharp and blurred crops equally often.
_MODE_SHARES = {"print": (0.45, 0.45, 0.1)}
_OTHER_MODE_SHARES = (0.4, 0.4, 0.2)
_ASKED_OF_PAGES = ("title", "highest", "lowest", "total")
# Things on 2×2 tiles, pages on 3×3; print on one to three tiles a side, see `print_side`.
_SIDES = {"things": 2, "close-up": 2, "page": 3}


@dataclass(frozen=True)
class Diet:
    """What a training sees: shares of the styles, and of numbers and strings among the scenes with print.

    No vocabulary helps to guess numbers and strings. details: pages come with questions about every printed
    part, nearly always with sharp crops, and half of them on 2×2 tiles, which cost half as much. bars: the
    share of batches of pages that are all charts with bars, because comparing is learned late. asked_first:
    in every second scene of things, the topics whose questions come before the others.
    """

    styles: Mapping[str, float]
    numbers: float
    strings: float = 0.0
    details: bool = False
    bars: float = 0.0
    asked_first: tuple[str, ...] = ("where", "side")  # they took longest to learn


DIETS = {
    "scenes": Diet({"things": 0.2, "close-up": 0.1, "print": 0.62, "page": 0.08}, numbers=0.4),
    "pages": Diet(
        {"things": 0.12, "close-up": 0.08, "print": 0.35, "page": 0.45},
        numbers=0.25,
        strings=0.45,
        details=True,
    ),
    "bars": Diet(
        {"things": 0.08, "close-up": 0.04, "print": 0.35, "page": 0.53},
        numbers=0.2,
        strings=0.4,
        details=True,
        bars=0.6,
    ),
    "balanced": Diet(
        {"things": 0.44, "close-up": 0.08, "print": 0.26, "page": 0.22},
        numbers=0.2,
        strings=0.4,
        details=True,
        bars=0.5,
        asked_first=("relation", "caption"),
    ),
}
_DETAILED_MODE_SHARES = (0.85, 0.1, 0.05)
PRACTICE = 0.5  # of the time: until then print is read on one tile more often than on three
_SCENES_OF_SIDE = {1: 4, 2: 2, 3: 1}  # so that all steps cost about the same


@dataclass
class SceneBatch:
    """Tensors of one step on scenes of side × side tiles; `labels` are those of their tiles, row by row."""

    pixel_values: Tensor
    image_sizes: Tensor
    rows: PackedRows
    labels: dict[str, Tensor]
    mode: str
    style: str
    side: int


def draw_scenes(
    processor: Phi3VProcessor,
    start: int,
    size: int,
    offset: int = 0,
    share: float = 1.0,
    diet: str = "scenes",
    dtype: torch.dtype = torch.float32,
) -> SceneBatch:
    """Scenes of the training split from `start + offset` on, `size` of them if they are large, else more.

    `start` decides their style, mode and side, `share` of the training how often print is small and cheap.
    diet: one of DIETS. dtype: of the pixels.
    """
    eaten = DIETS[diet]
    rng = np.random.default_rng([7, start])
    style = str(rng.choice(list(eaten.styles), p=list(eaten.styles.values())))
    detailed = eaten.details and style == "page"
    shares = _DETAILED_MODE_SHARES if detailed else _MODE_SHARES.get(style, _OTHER_MODE_SHARES)
    mode = str(rng.choice(MODES, p=shares))
    # A third of the print is larger than small print: reading is learned there, and then made smaller.
    caps = caps_at(rng.random()) if rng.random() < 0.33 else CAPS
    side = _SIDES[style] if style in _SIDES else print_side(share, rng)
    if detailed:
        side = int(rng.integers(2, 4))
    if side == 1:
        mode = "sharp"  # one crop and the global view are the same picture
    many = size * _SCENES_OF_SIDE[side]
    first = (start + offset) * max(_SCENES_OF_SIDE.values())
    print_kind = _print_kind(eaten, rng)
    page = "bar chart" if eaten.bars and rng.random() < eaten.bars else None
    scenes = [_draw(first + number, style, side, caps, print_kind, page) for number in range(many)]
    asked = [
        _details_of(scene, rng) if detailed else _asked_of(scene, eaten.asked_first, rng) for scene in scenes
    ]
    batch = scene_batch(processor, scenes, asked, mode, style, side)
    return replace(batch, pixel_values=batch.pixel_values.to(dtype))


def _print_kind(diet: Diet, rng: np.random.Generator) -> str | None:
    """Return the kind of all print of a batch; None for a mixture."""
    drawn = rng.random()
    if drawn < diet.numbers:
        return "number"
    return STRINGS if drawn < diet.numbers + diet.strings else None


def _details_of(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """MOST_QUESTIONS of a page in a chance order, in every second one those of the evaluation first."""
    questions = page_questions(scene, rng)
    if rng.random() < 0.5:
        questions.sort(key=lambda question: question.topic not in _ASKED_OF_PAGES)
    return questions[:MOST_QUESTIONS]


def _asked_of(scene: Scene, asked_first: tuple[str, ...], rng: np.random.Generator) -> list[Question]:
    """MOST_QUESTIONS of a scene in a chance order, in every second scene `asked_first` before the others."""
    questions = questions_of(scene, rng)
    if rng.random() < 0.5:
        questions.sort(key=lambda question: question.topic not in asked_first)
    return questions[:MOST_QUESTIONS]


def _draw(
    number: int, style: str, side: int, caps: tuple[int, int], print_kind: str | None, page: str | None
) -> Scene:
    if style == "close-up":
        return close_up(number, side=side * TILE)
    grid = (side, side)
    return draw_scene(number, style=style, tile=TILE, grid=grid, caps=caps, print_kind=print_kind, page=page)


def print_side(share: float, rng: np.random.Generator) -> int:
    """The tiles on a side of a scene with print: mostly one at first, mostly three at the end.

    Where to look and how to spell is learned on one tile, at a fifth of the cost; what it is learned for is
    print on three, where the global view is three times smaller than the crops.
    """
    one = 0.75 if share < PRACTICE else 0.3
    return int(rng.choice([1, 2, 3], p=[one, 0.1, 0.9 - one]))


def scene_batch(
    processor: Phi3VProcessor,
    scenes: list[Scene],
    asked: list[list[Question]],
    mode: str,
    style: str,
    side: int,
) -> SceneBatch:
    """Scenes of side × side tiles with their questions, as the tower and the language model take them."""
    images = processor.image_processor
    crops = 1 if mode == "global" else side * side
    batch = images([scene.image for scene in scenes], num_crops=crops, return_tensors="pt")
    pixels, sizes = batch["pixel_values"], batch["image_sizes"]
    if mode == "blurred":
        pixels = blurred_crops(pixels, sizes, images.tile)
    return SceneBatch(
        pixels,
        sizes,
        pack(processor, hd_grid(*scenes[0].image.size, crops, tile=images.tile), asked),
        scene_labels(scenes, 1 if mode == "global" else side, mode),
        mode,
        style,
        side,
    )


def scene_labels(scenes: list[Scene], side: int, mode: str) -> dict[str, Tensor]:
    """Labels of all tiles, the global view first: each (scenes, 1 + side², patches²).

    Where letters cannot be read, in the global view and in blurred crops, they are not asked for. Bars are
    compared in the global view only: no crop has all of them.
    """
    planes: dict[str, list[np.ndarray]] = {name: [] for name in PLANES}
    for scene in scenes:
        whole = dense_labels(scene, PATCHES, PATCHES).tiles(PATCHES)
        parts = dense_labels(scene, side * PATCHES, side * PATCHES).tiles(PATCHES)
        for name in PLANES:
            both = np.concatenate([whole[name], parts[name]])
            if name in ("first", "last") and not (mode == "sharp" and side == 1):
                unreadable = slice(None) if mode != "sharp" else slice(0, 1)
                both[unreadable] = 0
            if name == "bar" and side > 1:
                both[1:] = 0
            planes[name].append(both)
    return {name: torch.from_numpy(np.stack(values)) for name, values in planes.items()}


@dataclass
class TileBatch:
    """Single tiles (N, 3, side, side) with the labels of their patches (N, patches²)."""

    pixels: Tensor
    labels: dict[str, Tensor]


LARGE_CAPS = (20, 26)  # pixels: where reading begins


def caps_at(level: float) -> tuple[int, int]:
    """The heights of capitals at a level of difficulty, 0 (large) to 1 (small print)."""
    least, most = (round(a + (b - a) * level) for a, b in zip(LARGE_CAPS, CAPS, strict=True))
    return least, most


def draw_tiles(processor: Phi3VProcessor, start: int, size: int, level: float = 1.0) -> TileBatch:
    """Tiles for the tower alone: half of them full of print, half with things, whole or cut.

    level: how small the print is, 0 to 1; every fifth is easier.
    """
    images = processor.image_processor
    pixels: list[Tensor] = []
    planes: dict[str, list[np.ndarray]] = {name: [] for name in PLANES}
    for number in range(start, start + size):
        style, side = ("print", 1) if number % 2 else ("things", 1 if number % 4 else 2)
        ease = number * 0.6180339887 % 1 if number % 5 == 0 else 1.0
        scene = draw_scene(number, style=style, tile=TILE, grid=(side, side), caps=caps_at(level * ease))
        tiles = images(scene.image, num_crops=side * side, return_tensors="pt")["pixel_values"][0]
        chosen = number // 4 % (side * side)
        pixels.append(tiles[1 + chosen])
        labels = dense_labels(scene, side * PATCHES, side * PATCHES).tiles(PATCHES)
        for name in PLANES:
            planes[name].append(labels[name][chosen])
    return TileBatch(
        torch.stack(pixels), {name: torch.from_numpy(np.stack(rows)) for name, rows in planes.items()}
    )
