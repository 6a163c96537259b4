"""What the small Phi-3-vision can do, on scenes that were never trained; sharp crops against blurred ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phi3lib import load_phi3_model
from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.vision.answers import answer
from picturebook.captions import PLACES
from picturebook.colors import COLORS
from picturebook.pages.words import TRAINED_WORDS
from picturebook.questions import Question, questions_of
from picturebook.scenes import PRINT_KINDS, SCENE_KINDS, Scene, close_up, draw_scene

SCENES = 200  # of each kind that is scored
FIRST = 200_000  # the number of the first scene: those before were looked at while the training was planned
NUM_CROPS = {"things": 4, "close-up": 4, "print": 9, "page": 9}  # the grids that the scenes are drawn for
SHARP = "with sharp crops"
MODES = {
    SHARP: "sharp",
    "with crops rebuilt from the blurred global view": "blurred",
    "global view only": "none",
}
# Guessing without looking: one of so many answers.
CHANCE = {
    "kind": 1 / len(SCENE_KINDS), "colour": 1 / len(COLORS), "where": 1 / 9, "side": 1 / 2, "count": 1 / 4,
    "relation": 1 / len(SCENE_KINDS),
    "letter": 1 / 26, "number": 0.0, "word": 1 / len(TRAINED_WORDS),
    "title": 0.0, "highest": 1 / 3, "total": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """One question about one scene."""

    scene: Scene
    question: Question


def evaluate_phi3(folder: Path, scenes: int = SCENES) -> dict[str, Estimate]:
    """All scores of the model in `folder`, by name."""
    model = load_phi3_model(folder, language_model=True, dtype=torch.float32)
    tile = model.processor.image_processor.tile_size
    scores: dict[str, Estimate] = {}
    for topic, asked in _about_things(tile, scenes):
        scores[f"{topic}, 2×2 crops"] = _ask(model, asked, CHANCE[topic])
    scores |= _captions(model, tile, scenes)
    for kind in PRINT_KINDS:
        scores |= _small_print(model, tile, scenes, kind)
    scores |= _held_out_words(model, tile, scenes)
    for topic, asked in _about_pages(tile, scenes):
        scores[f"{topic} of a page"] = _ask(model, asked, CHANCE[topic])
    return scores


def _about_things(tile: int, scenes: int) -> Iterator[tuple[str, list[Asked]]]:
    """For each topic one question of each scene that has one."""
    rng = np.random.default_rng(1)
    drawn = [
        draw_scene(FIRST + n, split="test", style="things", tile=tile, grid=(2, 2)) for n in range(2 * scenes)
    ]
    for topic in ("kind", "colour", "where", "side", "count", "relation"):
        if asked := _one_each(drawn, topic, rng)[:scenes]:  # a few scenes may hold no such question
            yield topic, asked


def _captions(model: Any, tile: int, scenes: int) -> dict[str, Estimate]:
    """Captions of several things, and of one thing close up, of any kind."""
    rng = np.random.default_rng(5)
    several = [
        draw_scene(FIRST + n, split="test", style="things", tile=tile, grid=(2, 2)) for n in range(scenes)
    ]
    asked = _one_each(several, "caption", rng)
    said = list(zip(_answers(model, asked, SHARP), [item.question.answer for item in asked], strict=True))
    near = _one_each(
        [close_up(FIRST + n, split="test", side=2 * tile) for n in range(scenes)], "caption", rng
    )
    return {
        "caption, 2×2 crops": of_mean([objects_of(a) == objects_of(b) for a, b in said], 0.0),
        "caption with every place, 2×2 crops": of_mean([a == b for a, b in said], 0.0),
        "caption, close up": _ask(model, near, 0.0),
    }


def objects_of(caption: str) -> list[str]:
    """What a caption names, each with its colour, in alphabetical order and without the places.

    >>> objects_of("a red cat on the left and a blue dog on the right")
    ['a blue dog', 'a red cat']
    """
    for place in PLACES.values():
        caption = caption.replace(f" {place}", "")
    return sorted(part.strip() for part in caption.replace(" and ", ",").split(","))


def _about_pages(tile: int, scenes: int) -> Iterator[tuple[str, list[Asked]]]:
    """For each topic of pages one question of each scene that has one."""
    rng = np.random.default_rng(2)
    drawn = [
        draw_scene(FIRST + n, split="test", style="page", tile=tile, grid=(3, 3)) for n in range(3 * scenes)
    ]
    for topic in ("title", "highest", "total"):
        if asked := _one_each(drawn, topic, rng)[:scenes]:  # a few scenes may hold no such question
            yield topic, asked


def _one_each(scenes: list[Scene], topic: str, rng: np.random.Generator) -> list[Asked]:
    asked = []
    for scene in scenes:
        fitting = [question for question in questions_of(scene, rng) if question.topic == topic]
        if fitting:
            asked.append(Asked(scene, fitting[0]))
    return asked


def _small_print(model: Any, tile: int, scenes: int, kind: str) -> dict[str, Estimate]:
    """One kind of print on 3×3 crops, in all three modes on the same scenes."""
    rng = np.random.default_rng(3)
    drawn = [
        draw_scene(FIRST + n, split="test", style="print", tile=tile, grid=(3, 3), print_kind=kind)
        for n in range(scenes)
    ]
    asked = _one_each(drawn, "print", rng)
    return {f"small print, {kind}s, {mode}": _ask(model, asked, CHANCE[kind], mode) for mode in MODES}


def _held_out_words(model: Any, tile: int, scenes: int) -> dict[str, Estimate]:
    """Words that were never trained: the whole word, and the letters at their places."""
    rng = np.random.default_rng(4)
    drawn = [
        draw_scene(FIRST + n, split="held-out", style="print", tile=tile, grid=(3, 3), print_kind="word")
        for n in range(scenes)
    ]
    asked = _one_each(drawn, "print", rng)
    answers = _answers(model, asked, SHARP)
    wanted = [item.question.answer for item in asked]
    letters = [
        np.mean([a == b for a, b in zip(word, answer.ljust(len(word)), strict=False)])
        for word, answer in zip(wanted, answers, strict=True)
    ]
    whole = [answer == word for answer, word in zip(answers, wanted, strict=True)]
    return {
        "words never trained, whole word, with sharp crops": of_mean(whole, 0.0),
        "words never trained, letters right, with sharp crops": of_mean(letters, 1 / 26),
    }


def _ask(model: Any, asked: list[Asked], chance: float, mode: str = SHARP) -> Estimate:
    answers = _answers(model, asked, mode)
    return of_mean([a == item.question.answer for a, item in zip(answers, asked, strict=True)], chance)


def _answers(model: Any, asked: list[Asked], mode: str) -> list[str]:
    """The model's greedy answers in one of MODES; all scenes are of one style."""
    return answer(
        model,
        [item.scene.image for item in asked],
        [item.question.text for item in asked],
        num_crops=NUM_CROPS[asked[0].scene.style],
        crops=MODES[mode],
    )
