"""Notebook 01: what a CLIP says of photographs, in the words that it is asked about."""

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch.nn.functional import normalize

from phi3lib.lab.figures import plots
from phi3lib.lab.photographs import photograph

MOST = 4  # words that are shown for a photograph


def best_words(
    clip: Any, image: Image.Image, words: Sequence[str], *, most: int = MOST
) -> list[tuple[str, float]]:
    """Return the most probable words for an image with their zero-shot probabilities, the best first.

    clip: a model of `load_clip`; it is asked with "a picture of a WORD", at the scale that it learned.
    """
    texts = normalize(clip.text_features([f"a picture of a {one}" for one in words]), dim=-1)
    vector = normalize(clip.image_features([image]), dim=-1)
    scale = clip.model.logit_scale.detach().exp()
    probabilities = (scale * (vector @ texts.T))[0].softmax(0)
    order = probabilities.argsort(descending=True, stable=True)[:most]
    return [(words[place], float(probabilities[place])) for place in order.tolist()]


def show_words(clip: Any, names: Sequence[str], words: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
    """Show photographs of scikit-learn beside their most probable words, and return these words by name."""
    found = {name: best_words(clip, photograph(name), words) for name in names}
    fig, axes = plots.figure(len(names), 2, height=2.1 * len(names), squeeze=False, width_ratios=(1, 1.4))
    for (left, right), (name, guesses) in zip(axes, found.items(), strict=True):
        plots.picture_axes(left, photograph(name), f"{name}.jpg")
        positions = range(len(guesses))
        right.barh(positions, [probability for _, probability in guesses], color=plots.BLUE)
        right.set_yticks(positions, labels=[word for word, _ in guesses])
        right.invert_yaxis()
        right.set(xlim=(0, 1), xlabel="zero-shot probability", ylabel="word")
    plots.show(fig, alt="Photographs beside their most probable words. " + " ".join(_said(found)))
    return found


def _said(found: dict[str, list[tuple[str, float]]]) -> list[str]:
    return [
        f"{name}: " + ", ".join(f"{word} {probability:.0%}" for word, probability in guesses) + "."
        for name, guesses in found.items()
    ]
