"""Small print read with sharp crops, with blurred ones and without: what the HD transform is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.vision.answers import answer
from picturebook.pages.words import TRAINED_WORDS
from picturebook.questions import Question, questions_of
from picturebook.scenes import draw_scene

FIRST = 20_000  # other scenes than those by which the bundled model's card is written
GRID = (3, 3)
# Guessing without looking: one letter of 26, one word of those that are trained; a number is never hit.
_CHANCE = {"letter": 1 / 26, "word": 1 / len(TRAINED_WORDS), "number": 0.0}


@dataclass(frozen=True)
class SmallPrint:
    """A scene of three by three crops with small print, and a question about one piece of it."""

    image: Image.Image
    question: Question
    kind: str
    box: tuple[int, int, int, int]


def small_print(count: int, tile: int) -> list[SmallPrint]:
    """Return scenes for crops of `tile` pixels, from a split that no model was trained on."""
    return [_one(number, tile) for number in range(FIRST, FIRST + count)]


def _one(number: int, tile: int) -> SmallPrint:
    scene = draw_scene(number, split="test", style="print", tile=tile, grid=GRID)
    asked = questions_of(scene, np.random.default_rng(number))
    question = next(question for question in asked if question.topic == "print")
    piece = next(
        piece
        for piece in scene.prints
        if piece.text == question.answer and (len(scene.prints) == 1 or piece.place in question.text)
    )
    return SmallPrint(scene.image, question, piece.kind, piece.box)


def readings(phi3: Any, prints: Sequence[SmallPrint], crops: str) -> list[str]:
    """Return what the model reads with "sharp", "blurred" or "none" crops."""
    return answer(
        phi3,
        [one.image for one in prints],
        [one.question.text for one in prints],
        num_crops=GRID[0] * GRID[1],
        crops=crops,
    )


def score(prints: Sequence[SmallPrint], said: Sequence[str]) -> Estimate:
    """Return the share of exact matches with its interval and the chance level."""
    right = [one.question.answer == text for one, text in zip(prints, said, strict=True)]
    return of_mean(right, float(np.mean([_CHANCE[one.kind] for one in prints])))


def two_views(one: SmallPrint, around: int = 24) -> list[Image.Image]:
    """Return the print as in a sharp crop and as in the global view, enlarged to the same size."""
    left, top, right, bottom = one.box
    box = (left - around, top - around, right + around, bottom + around)
    small = one.image.resize(
        (one.image.width // GRID[1], one.image.height // GRID[0]), Image.Resampling.BICUBIC
    )
    blurred = small.resize(one.image.size, Image.Resampling.BICUBIC)
    return [image.crop(box) for image in (one.image, blurred)]
