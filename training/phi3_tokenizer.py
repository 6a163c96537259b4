"""The small Phi-3-vision's tokenizer: made as the published one, with a vocabulary of the picture-book.

Words in capitals and numbers are kept out of the merges: they are spelled, letter by letter, so that words
which were never trained can be read out.
"""

import json
import re
from collections.abc import Iterator

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from picturebook.questions import questions_of
from picturebook.scenes import close_up, draw_scene
from training.published_tokenizer import make_published_kind

SCENES = 6_000
MERGES = 800


def make_phi3_tokenizer(scenes: int = SCENES) -> PreTrainedTokenizerFast:
    """Learn the merges from the questions and answers of this many scenes; about 1,200 ids."""
    return make_published_kind(_merges(scenes), model_max_length=4096)


def _merges(scenes: int) -> list[tuple[str, str]]:
    learner = Tokenizer(models.BPE())
    # ▁ in front of every word, and none of the characters that are to be spelled.
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    learner.train_from_iterator(
        _texts(scenes), trainers.BpeTrainer(vocab_size=100 + MERGES, show_progress=False)
    )
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]


def _texts(scenes: int) -> Iterator[str]:
    rng = np.random.default_rng(0)
    for number in range(scenes):
        if number % 4 == 0:
            scene = close_up(number)
        else:
            scene = draw_scene(number, tile=112, grid=(2, 2) if number % 2 else (3, 3))
        for question in questions_of(scene, rng):
            for text in (question.text, question.answer):
                yield "".join(f"▁{word}" for word in text.split() if not re.search(r"[A-Z]{2}|[0-9]", word))
