"""Notebook 09, questions: scenes and pages with their answers, several images in a prompt, crops by topic."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.lab.figures import plots
from phi3lib.loading.defaults import BUNDLED_FOLDER
from phi3lib.vision.answers import CROPS, answer
from picturebook.colors import COLORS
from picturebook.pages.charts import CHARTS
from picturebook.pages.documents import DOCUMENTS
from picturebook.pages.ink import draw_text, readable_ink
from picturebook.questions import Question, questions_of
from picturebook.scenes import Scene, draw_scene

FIRST = 30_000  # other scenes than those of the bundled model's card and of notebook 03
SMALL, LARGE = (2, 2), (3, 3)  # grids of crops: for things, and for print and pages
MOST_TRIED = 2000


@dataclass(frozen=True)
class Item:
    """An image with a question about it and its right answer."""

    image: Image.Image
    question: Question
    grid: tuple[int, int]
    scene: Scene

    @property
    def num_crops(self) -> int:
        """Return how many crops the image was drawn for."""
        return self.grid[0] * self.grid[1]


def tile_of(phi3: Any) -> int:
    """Return the side of a crop in pixels."""
    return int(phi3.processor.image_processor.tile.tile_size)


def items_about(
    topic: str, count: int, tile: int, *, style: str = "things", split: str = "test", least_things: int = 0
) -> list[Item]:
    """Return one question of a topic from each of `count` scenes that have one, always the same scenes.

    style: "things", "print" or "page". Print is words, because some single letters can be told apart without
    detail; in the split "held-out" they are words that were never trained.
    least_things: leave out scenes with fewer things, and questions that are not about one of them. Raises
    ValueError where such scenes have no question of this topic.
    """
    found = (
        one
        for one in _items(topic, tile, style, split)
        if least_things == 0 or (len(one.scene.things) >= least_things and one.question.box is not None)
    )
    items = list(islice(found, count))
    if len(items) < count:
        raise ValueError(
            f"{len(items)} of {MOST_TRIED} scenes of style {style!r} have a question of {topic!r}"
        )
    return items


def _items(topic: str, tile: int, style: str, split: str) -> Iterator[Item]:
    grid = SMALL if style == "things" else LARGE
    kind = "word" if style == "print" else None
    for number in range(FIRST, FIRST + MOST_TRIED):
        scene = draw_scene(number, split=split, style=style, tile=tile, grid=grid, print_kind=kind)
        asked = questions_of(scene, np.random.default_rng(number))
        question = next((one for one in asked if one.topic == topic), None)
        if question is not None:
            yield Item(scene.image, question, grid, scene)


def asked(phi3: Any, items: Sequence[Item], crops: str = "sharp") -> list[str]:
    """Return the model's answers; all items are drawn for the same number of crops."""
    return answer(
        phi3,
        [one.image for one in items],
        [one.question.text for one in items],
        num_crops=items[0].num_crops,
        crops=crops,
    )


def right(items: Sequence[Item], said: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each item whether the answer is right word for word."""
    return np.array([one.question.answer == text for one, text in zip(items, said, strict=True)])


def card_topics() -> dict[str, float]:
    """Return the share right of each topic about things on the bundled model's card, the lowest first."""
    measured = json.loads((BUNDLED_FOLDER / "phi3-vision-small" / "evaluation.json").read_text("utf-8"))
    things = {
        name.partition(",")[0]: round(one["value"], 3)
        for name, one in measured.items()
        if "2×2 crops" in name and not name.startswith("caption")  # which has several topics in one sentence
    }
    return dict(sorted(things.items(), key=lambda item: item[1]))


def by_crops(phi3: Any, items: Sequence[Item]) -> dict[str, NDArray[np.bool_]]:
    """Return which items are answered right with sharp crops, with blurred ones, and with none."""
    return {crops: right(items, asked(phi3, items, crops)) for crops in CROPS}


# ------------------------------------------------------------------------------- several images


@dataclass(frozen=True)
class Pair:
    """Two scenes without a common kind, and a question about the color of a thing in one of them.

    about: 0 or 1, the scene that holds the thing.
    """

    images: tuple[Image.Image, Image.Image]
    question: str
    answer: str
    about: int


def pairs(count: int, tile: int) -> list[Pair]:
    """Return so many pairs; the questions are about the first and the second scene in turn."""
    items = (one for one in _items("colour", tile, "things", "test") if one.question.box is not None)
    return [_pair(next(items), next(items), number % 2, items) for number in range(count)]


def _pair(first: Item, second: Item, about: int, more: Iterator[Item]) -> Pair:
    while _kinds(first) & _kinds(second):
        second = next(more)
    chosen = (first, second)[about].question
    return Pair((first.image, second.image), chosen.text, chosen.answer, about)


def _kinds(item: Item) -> set[str]:
    return {thing.kind.name for thing in item.scene.things}


def pair_scores(phi3: Any, asked_pairs: Sequence[Pair]) -> dict[str, Estimate]:
    """Return the shares right with both images, with the one that holds the thing, and with the other one."""
    texts, wanted = [one.question for one in asked_pairs], [one.answer for one in asked_pairs]
    shown: dict[str, Callable[[Pair], list[Image.Image]]] = {
        "both images": lambda one: list(one.images),
        "its own image": lambda one: [one.images[one.about]],
        "the other image": lambda one: [one.images[1 - one.about]],
    }
    scores = {}
    for name, images_of in shown.items():
        said = answer(phi3, [images_of(one) for one in asked_pairs], texts)
        hits = [text == answer_ for text, answer_ in zip(said, wanted, strict=True)]
        scores[name] = of_mean(hits, 1 / len(COLORS))
    return scores


# ---------------------------------------------------------------------------- pages and limits


def commonest(said: Sequence[str]) -> tuple[str, Estimate]:
    """Return the answer that is given most often, and the share of the questions that get it."""
    text, _ = Counter(said).most_common(1)[0]
    return text, of_mean([one == text for one in said])


def page_scores(items: Sequence[Item], said: Sequence[str]) -> Estimate:
    """Return the share right of a topic of pages; with chance where only few answers are possible."""
    topic = items[0].question.topic
    chance = None
    if topic == "kind":
        chance = 1 / (len(CHARTS) + len(DOCUMENTS))
    elif topic == "highest":  # one of the bars
        chance = float(np.mean([1 / len(one.scene.facts["categories"]) for one in items]))  # type: ignore[arg-type]
    return of_mean(right(items, said), chance)


def small_words(phi3: Any, count: int, tile: int) -> dict[str, tuple[list[Item], list[str]]]:
    """Return questions about words in small print and the answers: words that were trained, and others.

    Both are drawn by one program in the same sizes, so only the words differ.
    """
    splits = {"trained word": "test", "unseen word": "held-out"}
    words = {
        name: items_about("print", count, tile, style="print", split=split) for name, split in splits.items()
    }
    return {name: (items, asked(phi3, items)) for name, items in words.items()}


def wrong_ones(items: Sequence[Item], said: Sequence[str], most: int = 3) -> str:
    """Return up to `most` wrong answers, each beside the right one, in words."""
    wrong = [
        f"{text!r} for {one.question.answer!r}"
        for one, text in zip(items, said, strict=True)
        if text != one.question.answer
    ]
    return ", ".join(wrong[:most]) or "none"


def share_of_letters(wanted: str, said: str) -> float:
    """Return the share of the letters of `wanted` that `said` has in the same place."""
    return sum(one == other for one, other in zip(wanted, said, strict=False)) / max(len(wanted), 1)


def typed(text: str, tile: int, *, cap_height: int = 11, background: str = "blue") -> Image.Image:
    """Return an image of 3 × 3 crops with your text as small print in the top left quarter.

    Raises ValueError for an empty text and for one that is too long.
    """
    board = COLORS[background].rgb
    if not text.strip():
        raise ValueError("the text is empty: type at least one letter")
    ink = draw_text(text.strip(), cap_height, "sans bold", readable_ink(board))
    side = LARGE[0] * tile
    if ink.width > side // 2:
        raise ValueError(
            f"{text!r} is {ink.width} pixels wide, and there is room for {side // 2}: shorten it"
        )
    image = Image.new("RGB", (side, side), board)
    image.paste(ink, (side // 8, side // 8), ink)
    return image


def in_words(scores: dict[str, Estimate]) -> str:
    """Return scores as text, for the description of a figure."""
    return ", ".join(f"{name} {score.value:.2f}" for name, score in scores.items())


def show_scores(scores: dict[str, Estimate], *, alt: str, xlabel: str = "share right") -> None:
    """Show shares as bars with their intervals; a mark stands at the level of chance where there is one."""
    fig, axes = plots.figure(height=0.7 + 0.34 * len(scores))
    for row, score in enumerate(scores.values()):
        axes.barh(row, score.value, color=plots.SKY, height=0.65)
        axes.plot([score.low, score.high], [row, row], color=plots.BLACK, lw=1.6)
        if score.chance is not None:
            axes.plot(score.chance, row, marker="D", color=plots.VERMILION, ms=5, ls="none")
    axes.set_yticks(range(len(scores)), labels=[f"{name} ({one.count})" for name, one in scores.items()])
    axes.invert_yaxis()
    has_chance = any(score.chance is not None for score in scores.values())
    legend = "; line: 95 % interval" + ("; diamond: chance" if has_chance else "")
    axes.set(xlim=(0, 1.01), xlabel=xlabel + legend, ylabel=" ")
    plots.show(fig, alt=alt)
