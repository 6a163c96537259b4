"""Notebook 08: which words are found, what happens first, how far texts turn, and the search for leaks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from phi3lib.embeddings.knn import unit_rows
from phi3lib.encoders import as_encoder
from phi3lib.lab.lessons.new_words import TASKS, Exam, Scores, Snapshots, Vectors
from picturebook import french
from picturebook.captions import class_phrase

NEAR = 0.98  # cosine of near duplicates, as in notebooks 07 and 11


def new_words_found(exam: Exam, scores: Scores) -> list[str]:
    """Return the held-out French words that were right for at least one of their pictures, in order."""
    new = [index for index in exam.of_kinds if exam.candidates[index] not in exam.trained]
    right = scores[TASKS[1]].values
    if right is None or len(right) != len(new):
        raise ValueError("these scores are not of this exam: use what exam.ask(model) returns")
    found = [exam.candidates[index].french for index, hit in zip(new, right, strict=True) if hit]
    return sorted(set(found), key=found.index)


def learning_lines(tuned: Any, snapshots: Snapshots, centers: Vectors) -> str:
    """Return a line for each scored step: held-out loss, recall@1, and shown words that find their pictures.

    tuned: of `fine_tune` with `watch=snapshots`. centers: of `image_centers`. A word finds its pictures if no
    other kind's mean vector is more similar: its value on the matrix's diagonal is the largest of its row.
    """
    steps, losses = tuned.curve("eval_loss")
    recalls = tuned.curve("eval_image_to_text")[1]
    lines = [f"{'step':>4}  {'held-out loss':>13}  {'recall@1':>8}  words on the diagonal"]
    for step, loss, recall, texts in zip(steps, losses, recalls, snapshots.texts, strict=True):
        on_it = int(((texts @ centers.T).argmax(1) == np.arange(len(centers))).sum())
        lines.append(f"{step:4}  {loss:13.2f}  {recall:8.2f}  {on_it} of {len(centers)}")
    return "\n".join(lines)


def share_of_change(values: Sequence[float], at: int) -> float:
    """Return which share of the change from the first to the last value has happened at place `at`."""
    return (values[at] - values[0]) / (values[-1] - values[0])


def text_cosines(exam: Exam, before: Any, after: Any) -> dict[str, float]:
    """Return the mean cosine between the vectors that two models have of a phrase, by language.

    The phrases name every third trained kind of the exam. 1: the vectors point in the same direction.
    """
    kinds = exam.trained[::3]
    phrases = {
        "French": [french.phrase(kind) for kind in kinds],
        "English": [class_phrase(kind) for kind in kinds],
    }
    return {language: _mean_cosine(texts, before, after) for language, texts in phrases.items()}


def _mean_cosine(texts: list[str], before: Any, after: Any) -> float:
    first, second = (unit_rows(as_encoder(model).encode_texts(texts).numpy()) for model in (before, after))
    return float((first * second).sum(1).mean())


def near_copies(exam: Exam, images: Sequence[Image.Image], model: Any, least: float = NEAR) -> int:
    """Return how many images have a cosine of `least` or more with one of the exam's pictures of kinds."""
    vectors = unit_rows(model.image_features(list(images)).numpy())
    return int(((vectors @ exam.vectors(model)[0].T).max(1) >= least).sum())


def weights_moved(before: Any, after: Any) -> float:
    """Return how far the text side moved: the length of the change of its weights, relative to their own."""
    old, new = (_text_weights(model) for model in (before, after))
    return float((new - old).norm() / old.norm())


def _text_weights(model: Any) -> torch.Tensor:
    network = as_encoder(model).network
    parts = [*network.text_model.parameters(), *network.text_projection.parameters()]
    return torch.cat([weight.detach().flatten() for weight in parts])
