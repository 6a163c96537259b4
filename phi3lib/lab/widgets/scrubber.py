"""Notebook 08's instrument: scrub through a training, or along the line between two models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.knn import unit_rows
from phi3lib.lab.figures import palette, plots
from phi3lib.lab.widgets.base import PanelInstrument, drawable
from phi3lib.lab.widgets.panel import Control, slider
from phi3lib.moved import old_keyword

Vectors = NDArray[np.floating]


@dataclass(frozen=True)
class Plane:
    """The two directions in which images differ most; texts and images each around a mean of their own.

    The plane stays the same in all states, so that a word moves only where its vector does.
    """

    directions: Vectors
    image_mean: Vectors
    text_mean: Vectors

    def images(self, vectors: Vectors) -> Vectors:
        """Return the coordinates (n, 2) of images."""
        return (vectors - self.image_mean) @ self.directions.T

    def texts(self, vectors: Vectors) -> Vectors:
        """Return the coordinates (n, 2) of texts."""
        return (vectors - self.text_mean) @ self.directions.T


def plane_of(images: Vectors, texts: Vectors) -> Plane:
    """Return the plane of the images' two principal components; texts: around whose mean all texts are."""
    middle = images.mean(0)
    directions = np.linalg.svd(images - middle, full_matrices=False)[2][:2]
    return Plane(directions, middle, texts.mean(0))


@old_keyword("places", "positions")
class ScrubberState:
    """Vectors of words in several states of a model, and fixed images. Plain state; holds no widget.

    positions: a number for each state, such as its step, rising. texts: for each state (words, d). images:
    (words, d), of the kind that each word names. curves: for each name a value for each state. ValueError
    where the numbers of states, words or values differ.
    """

    def __init__(
        self,
        positions: Sequence[float],
        texts: Sequence[Any],
        images: Any,
        words: Sequence[str],
        curves: Mapping[str, Sequence[float]],
        what: str = "step",
    ) -> None:
        self.positions, self.words, self.what = tuple(positions), tuple(words), what
        self.texts, self.images = [unit_rows(one) for one in texts], unit_rows(images)
        self.curves = {name: tuple(values) for name, values in curves.items()}
        counts = {len(self.texts), *(len(values) for values in self.curves.values())}
        if counts != {len(self.positions)} or not self.positions:
            raise ValueError(
                f"{len(self.positions)} states, but vectors and curves have {sorted(counts)}: give one of "
                f"each for every state"
            )
        if {len(self.images), *map(len, self.texts)} != {len(self.words)}:
            raise ValueError(f"{len(self.words)} words need as many images, and texts in every state")
        if list(self.positions) != sorted(set(self.positions)):
            raise ValueError(f"states are in rising order, each once; these are {self.positions}")
        self.plane, self.chosen = plane_of(self.images, self.texts[-1]), self.positions[-1]

    @property
    def number(self) -> int:
        """Which state is chosen, counted from 0."""
        return self.positions.index(self.chosen)

    def cosines(self) -> Vectors:
        """Return the matrix (words, images) of the chosen state."""
        return self.texts[self.number] @ self.images.T

    def found(self) -> int:
        """Return how many words have their own images as the most similar ones."""
        return int((self.cosines().argmax(1) == np.arange(len(self.words))).sum())

    def sentence(self) -> str:
        """Describe the state in one sentence (used as alt text)."""
        said = ", ".join(f"{name} {values[self.number]:.2f}" for name, values in self.curves.items())
        return (
            f"{self.what.capitalize()} {self.chosen:g}: {self.found()} of {len(self.words)} words have their "
            f"own pictures as the most similar ones; {said}."
        )


@old_keyword("places", "positions")
class Scrubber(PanelInstrument):
    """Move through the states: map, matrix and curves show the one that is chosen."""

    title = "Training scrubber"

    def __init__(
        self,
        positions: Sequence[float],
        texts: Sequence[Any],
        images: Any,
        words: Sequence[str],
        curves: Mapping[str, Sequence[float]],
        *,
        what: str = "step",
        chosen: float | None = None,
    ) -> None:
        self.state = ScrubberState(positions, texts, images, words, curves, what)
        if chosen is not None:
            self.take({"state": chosen})

    def still(self) -> plots.Still:
        """Return the chosen state as a picture."""
        state = self.state
        fig, (left, middle, right) = plots.figure(1, 3, height=3.0, width_ratios=[1.2, 1.1, 0.9])
        self._map(left)
        middle.imshow(state.cosines(), cmap=plots.MAGNITUDE, vmin=-0.2, vmax=0.9, aspect="auto")
        middle.set_xticks([])
        middle.set_yticks(range(len(state.words)), [drawable(word, 18) for word in state.words], fontsize=6.5)
        middle.set(xlabel="pictures, same order", ylabel=" ")
        plots.write_title(middle, f"cosines, {state.what} {state.chosen:g}")
        for number, (name, values) in enumerate(state.curves.items()):
            right.plot(state.positions, values, color=plots.CLASSES[number], label=name)
            right.plot(state.chosen, values[state.number], marker=plots.MARKERS[number], color=plots.HERE)
        right.axvline(state.chosen, color=plots.HERE, lw=1, ls="--")
        right.set(xlabel=state.what, ylabel=" ")
        right.legend(fontsize=7)
        return plots.still(fig, alt=state.sentence())

    def _map(self, axes: Any) -> None:
        state = self.state
        stars = state.plane.images(state.images)
        paths = np.stack([state.plane.texts(texts) for texts in state.texts[: state.number + 1]])
        axes.scatter(*stars.T, marker="*", s=60, color=plots.ORANGE)
        axes.plot(paths[..., 0], paths[..., 1], color=palette.TRACE, lw=0.7)
        axes.scatter(*paths[-1].T, s=16, color=plots.BLUE)
        everything = np.concatenate([stars, *(state.plane.texts(texts) for texts in state.texts)])
        low, high = everything.min(0), everything.max(0)
        reach = 0.08 * (high - low).max()
        axes.set(xlim=(low[0] - reach, high[0] + reach), ylim=(low[1] - reach, high[1] + reach))
        axes.set_xticks([])
        axes.set_yticks([])
        plots.write_title(axes, "words (dots) and pictures (stars)")

    def controls(self) -> list[Control]:
        """Return the slider over all states."""
        state = self.state
        label = state.what.capitalize()
        return [slider("state", label, state.positions, state.chosen, lambda position: f"{position:g}")]

    def take(self, chosen: dict[str, Any]) -> None:
        """Show the chosen state. ValueError where there is none."""
        if chosen["state"] not in self.state.positions:
            raise ValueError(f"there is no {self.state.what} {chosen['state']}")
        self.state.chosen = chosen["state"]
