"""What the small CLIP can do, on pictures that were never trained."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from phi3lib import load_clip
from phi3lib.embeddings.compare import linear_probe
from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.embeddings.finetune import fine_tune
from phi3lib.embeddings.finetune_pairs import make_pairs
from phi3lib.embeddings.knn import unit_rows
from phi3lib.embeddings.search import class_vectors
from phi3lib.vision.clip import Clip
from picturebook import captions, french
from picturebook.colors import COLORS
from picturebook.kinds import KINDS
from picturebook.pages.digits import NAMES, TEST_DIGITS, TRAIN_DIGITS, handwritten_digit
from picturebook.pages.words import HELD_OUT_WORDS, TRAINED_WORDS
from picturebook.pictures import SIDE, Picture, draw_picture, draw_word

PICTURES = 1980  # for a classification: ten of every kind
PAIRS = 500
BATCH = 100
FRENCH_FIRST, FRENCH_EACH = 400_000, 10  # pictures of the training split, and how many of each kind
FRENCH_STEPS, FRENCH_BATCH = 300, 96
IN_FRENCH = "zero-shot, kind, French prompts (no French was trained)"

Vectors = NDArray[np.float32]


def evaluate_clip(folder: Path, sample: int | None = None) -> dict[str, Estimate]:
    """Return all scores of the model in `folder`, by name.

    sample: how many pictures each score is measured on, drawn from those of the full evaluation; all of them
    by default. Retrieval is always measured in full: its difficulty depends on the number of candidates.
    """
    clip = load_clip(folder)
    vectors, wanted = _of_every_kind(clip, sample)
    return {
        **_kinds(clip, vectors, wanted),
        **_after_french(clip, vectors, wanted),
        **_held_out(clip, sample),
        **_retrieval(clip),
        **_words(clip, sample),
        **_digits(clip, sample),
    }


def _some(numbers: Sequence[int] | NDArray[np.integer], sample: int | None) -> list[int]:
    """Return `sample` of the numbers, in their order and the same in every run, or all of them."""
    if sample is None or sample >= len(numbers):
        return list(numbers)
    chosen = np.random.default_rng(0).choice(len(numbers), sample, replace=False)
    return [numbers[place] for place in sorted(chosen)]


def picture_vectors(clip: Clip, images: list[Image.Image]) -> Vectors:
    """(N, d) float32 of length one."""
    parts = [clip.image_features(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return unit_rows(torch.cat(parts).numpy())


def text_vectors(clip: Clip, texts: list[str]) -> Vectors:
    """(N, d) float32 of length one."""
    return unit_rows(clip.text_features(texts).numpy())


def _images(pictures: list[Picture]) -> list[Image.Image]:
    return [picture.image for picture in pictures]


def _of_every_kind(clip: Clip, sample: int | None) -> tuple[Vectors, NDArray[np.intp]]:
    """Return the vectors of pictures of every kind, and the place of each kind in KINDS."""
    kinds = list(KINDS.values())
    numbers = _some(range(PICTURES), sample)
    pictures = [draw_picture(number, split="test", kind=kinds[number % len(kinds)]) for number in numbers]
    return picture_vectors(clip, _images(pictures)), np.array(numbers) % len(kinds)


def _kinds(clip: Clip, vectors: Vectors, wanted: NDArray[np.intp]) -> dict[str, Estimate]:
    """Zero-shot over all kinds, in English and in French."""
    kinds = list(KINDS.values())
    english = class_vectors(clip, [captions.class_phrase(kind) for kind in kinds])
    in_french = text_vectors(clip, [captions.french_phrase(kind) for kind in kinds])
    order = np.argsort(-vectors @ english.T, axis=1)
    chance = 1 / len(kinds)
    return {
        "zero-shot, kind": of_mean(order[:, 0] == wanted, chance),
        "zero-shot, kind among the first five": of_mean((order[:, :5] == wanted[:, None]).any(1), 5 * chance),
        IN_FRENCH: of_mean((vectors @ in_french.T).argmax(1) == wanted, chance),
    }


def _after_french(clip: Clip, vectors: Vectors, wanted: NDArray[np.intp]) -> dict[str, Estimate]:
    """Zero-shot in both languages after the text tower was trained on French captions.

    The image tower stays as it is, so `vectors`, of pictures that are not trained on, stay the same.
    """
    kinds, rng = list(KINDS.values()), np.random.default_rng(8)
    numbers = range(FRENCH_EACH * len(kinds))
    pictures = [draw_picture(FRENCH_FIRST + number, kind=kinds[number % len(kinds)]) for number in numbers]
    pairs = make_pairs(_images(pictures), [french.caption(picture, rng) for picture in pictures])
    tuned = fine_tune(
        clip, pairs, train=["text"], steps=FRENCH_STEPS, batch_size=FRENCH_BATCH, progress=False
    )
    scores = _kinds(tuned.model, vectors, wanted)
    after = f"after {FRENCH_STEPS} steps of French captions"
    return {
        f"zero-shot, kind, French prompts, {after}": scores[IN_FRENCH],
        f"zero-shot, kind, English prompts, {after}": scores["zero-shot, kind"],
    }


def _held_out(clip: Clip, sample: int | None) -> dict[str, Estimate]:
    """Kind and colour both right, among all pairs, where this pair was never trained."""
    pairs = [(kind, color) for kind in KINDS.values() if kind.takes_color for color in COLORS]
    classes = class_vectors(clip, [captions.class_phrase(kind, color) for kind, color in pairs])
    place = {(kind.name, color): index for index, (kind, color) in enumerate(pairs)}
    scores = {}
    for split in ("test", "held-out"):
        numbers = _some(range(2 * PICTURES), sample and 2 * sample)  # about half of them fit
        pictures = [draw_picture(number, split=split) for number in numbers]
        pictures = [p for p in pictures if len(p.things) == 1 and p.kind.takes_color][:PICTURES]
        wanted = np.array([place[p.kind.name, p.things[0].look.color.name] for p in pictures])
        found = (picture_vectors(clip, _images(pictures)) @ classes.T).argmax(1)
        which = "trained pairs" if split == "test" else "pairs never trained"
        scores[f"zero-shot, kind and colour, {which}"] = of_mean(found == wanted, 1 / len(pairs))
    return scores


def _retrieval(clip: Clip) -> dict[str, Estimate]:
    """The right one among 500, both ways; equal captions are drawn once."""
    by_caption: dict[str, Picture] = {}
    number = 10_000
    while len(by_caption) < PAIRS:
        picture = draw_picture(number, split="test")
        by_caption.setdefault(picture.caption, picture)
        number += 1
    likeness = (
        picture_vectors(clip, _images(list(by_caption.values()))) @ text_vectors(clip, list(by_caption)).T
    )
    wanted = np.arange(PAIRS)
    return {
        "R@1 of 500, picture to text": of_mean(likeness.argmax(1) == wanted, 1 / PAIRS),
        "R@1 of 500, text to picture": of_mean(likeness.argmax(0) == wanted, 1 / PAIRS),
    }


def _words(clip: Clip, sample: int | None) -> dict[str, Estimate]:
    """The word on a sign, among the trained words, and for unseen words among those."""
    scores = {}
    for split, words in (("test", TRAINED_WORDS), ("held-out", HELD_OUT_WORDS)):
        pictures = [draw_word(number, split=split) for number in _some(range(1000), sample)]
        classes = class_vectors(clip, [f'a sign saying "{word}"' for word in words])
        found = (picture_vectors(clip, _images(pictures)) @ classes.T).argmax(1)
        right = [words[index] == p.things[0].facts["text"] for index, p in zip(found, pictures, strict=True)]
        which = "trained words" if split == "test" else "words never trained"
        scores[f"word on a sign, {which}"] = of_mean(right, 1 / len(words))
    return scores


def _digits(clip: Clip, sample: int | None) -> dict[str, Estimate]:
    """scikit-learn's handwritten digits: the half that no training saw."""
    values, vectors = {}, {}
    for name, rows in (("train", TRAIN_DIGITS), ("test", _some(TEST_DIGITS, sample))):
        drawn = [digit_picture(int(row)) for row in rows]
        vectors[name] = picture_vectors(clip, [image for image, _ in drawn])
        values[name] = np.array([value for _, value in drawn])
    classes = class_vectors(clip, [f"a handwritten digit {name}" for name in NAMES])
    probe = linear_probe().fit(vectors["train"], values["train"])
    return {
        "real digits, zero-shot": of_mean((vectors["test"] @ classes.T).argmax(1) == values["test"], 0.1),
        "real digits, linear probe": of_mean(probe.predict(vectors["test"]) == values["test"], 0.1),
    }


def digit_picture(row: int) -> tuple[Image.Image, int]:
    """A scan in black on white, as large as in the training pictures, and its value."""
    value = int(_scans().target[row])
    mask = handwritten_digit(value, row, round(0.75 * SIDE))
    image = Image.new("RGB", (SIDE, SIDE), "white")
    image.paste((24, 24, 26), ((SIDE - mask.width) // 2, (SIDE - mask.height) // 2), mask)
    return image, value


@cache
def _scans() -> Any:
    from sklearn.datasets import load_digits

    return load_digits()
