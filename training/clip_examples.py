"""Batches of captioned pictures for the small CLIP, as hard as the model can bear."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from picturebook.colors import COLORS
from picturebook.kinds import KINDS
from picturebook.pages.words import TRAINED_WORDS
from picturebook.pictures import Picture, draw_picture, draw_word
from training.clip_model import MEAN, STD, Targets

WORDS_SHARE = 4  # every fourth picture is a word
DIGITS_SHARE = 3  # and every third of the others a digit: few hands have to teach what all have in common
_KIND = {name: place for place, name in enumerate(KINDS)}
_DIGITS = [kind for kind in KINDS.values() if kind.family == "digits"]
_COLOR = {name: place for place, name in enumerate(COLORS)}
_WORD = {word: place for place, word in enumerate(TRAINED_WORDS)}


@dataclass
class Pace:
    """How hard pictures and words are, 0 to 1: a step harder only while the model keeps up."""

    pictures: float = 0.0
    words: float = 0.0
    kinds_right: float = 0.0
    words_right: float = 0.0

    step = 0.004
    needed = 0.45
    memory = 0.95

    def learn(self, kinds_right: float, words_right: float) -> None:
        """Take note of what share of kinds and words was right."""
        self.kinds_right += (1 - self.memory) * (kinds_right - self.kinds_right)
        self.words_right += (1 - self.memory) * (words_right - self.words_right)
        if self.kinds_right > self.needed:
            self.pictures = min(self.pictures + self.step, 1.0)
        if self.words_right > self.needed:
            self.words = min(self.words + self.step, 1.0)


@dataclass
class Batch:
    """Tensors of one step: see `ClipLearner.forward`."""

    pixels: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    targets: Targets


def draw_batch(tokenizer: CLIPTokenizer, start: int, size: int, pace: Pace) -> Batch:
    """The pictures `start` to `start + size` of the training split; easier ones mixed in."""
    pictures, words = [], []
    for number in range(start, start + size):
        # One in five is easier than the pace, so that nothing is forgotten.
        ease = (number * 0.6180339887 % 1) if number % 5 == 0 else 1.0
        is_word = number % WORDS_SHARE == 0
        words.append(is_word)
        if is_word:
            pictures.append(draw_word(number, difficulty=pace.words * ease))
        else:
            kind = _DIGITS[number // DIGITS_SHARE % 10] if number % DIGITS_SHARE == 2 else None
            pictures.append(draw_picture(number, difficulty=pace.pictures * ease, kind=kind))
    texts = tokenizer([picture.caption for picture in pictures], padding=True, return_tensors="pt")
    return Batch(to_pixels(pictures), texts["input_ids"], texts["attention_mask"], _targets(pictures, words))


def to_pixels(pictures: list[Picture]) -> Tensor:
    """(N, 3, side, side) float32, normalised as CLIP's preprocessing does it."""
    stacked = torch.from_numpy(np.stack([np.asarray(picture.image) for picture in pictures]))
    pixels = stacked.permute(0, 3, 1, 2).float() / 255  # (N, 3, side, side)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (pixels - mean) / std


def _targets(pictures: list[Picture], words: list[bool]) -> Targets:
    def column(values: list[int]) -> Tensor:
        return torch.tensor(values)

    colors = [_COLOR[p.things[0].look.color.name] if p.kind.takes_color else -1 for p in pictures]
    said = [
        _WORD.get(str(p.things[0].facts.get("text")), -1) if w else -1
        for p, w in zip(pictures, words, strict=True)
    ]
    return Targets(
        # A word's picture is always a sign: its kind is no question.
        kind=column([-1 if w else _KIND[p.kind.name] for p, w in zip(pictures, words, strict=True)]),
        color=column(colors),
        background=column([_COLOR[p.background.name] for p in pictures]),
        count=column([len(p.things) - 1 for p in pictures]),
        word=column(said),
    )
