"""Notebook 06: the same pictures in several spaces, and what each space knows of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.compare import principal_parts, probe_accuracy, shared_neighbors
from phi3lib.embeddings.confidence import Estimate, clearly_better
from phi3lib.embeddings.embed import embed_recipes
from phi3lib.embeddings.knn import Neighbors, nearest
from phi3lib.embeddings.maps import Layout
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.figures import palette, plots
from phi3lib.moved import old_names
from picturebook.kind import Kind
from picturebook.kinds import KINDS
from picturebook.pictures import Picture, draw_picture, draw_word
from picturebook.scenes import draw_scene

# What is compared: a name, whose model, which pooling recipe.
SPACES = {
    "CLIP vector": ("clip", "projected"),
    "CLIP tower": ("clip", "patches"),
    "Phi-3 tower": ("phi3", "tower"),
    "Phi-3 global": ("phi3", "global"),
    "Phi-3 tokens": ("phi3", "mean"),
    "Phi-3 answer": ("phi3", "last token"),
}
KIND_NAMES = (
    "cat", "fish", "rocket", "house", "apple", "star", "tree", "cup", "chess knight", "heart", "key", "car",
)  # fmt: skip
# What differs between two spaces of Phi-3-vision that follow each other: one step of the computation.
STEPS = {
    "projector": ("Phi-3 tower", "Phi-3 global"),
    "crops in the mean": ("Phi-3 global", "Phi-3 tokens"),
    "language model": ("Phi-3 tokens", "Phi-3 answer"),
}
COLOR_NAMES = ("red", "blue", "green", "yellow", "purple", "orange")
SIGN_WORDS = ("EXIT", "OPEN", "STOP", "TAXI", "BANK", "SALE", "MENU", "HOTEL", "PARK", "SHOP")
SIDE = 224  # pixels of a picture: two tiles of the small Phi-3-vision
CLEAR = 0.06  # of the side: how far from the midlines a thing stands to be in a quarter

Tables = Mapping[str, Mapping[str, EmbeddingTable]]
Scores = dict[str, dict[str, Estimate]]


@dataclass(frozen=True)
class PictureSet:
    """Pictures with their labels: for each question one for each picture."""

    pictures: list[Image.Image]
    labels: dict[str, NDArray[np.str_]]


def comparison_sets(size: int = 240) -> dict[str, PictureSet]:
    """Return three sets of new pictures: single things (kind, color, position), groups (count), signs."""
    things = list(islice(_things_in_quarters(), size))
    labels = {
        "kind": np.array([one.kind.name for one in things]),
        "colour": np.array([one.things[0].look.color.name for one in things]),
        "position": np.array([_quarter(one) for one in things]),
    }
    groups = [draw_scene(n, split="test", style="things", tile=SIDE // 2) for n in range(size)]
    counted = np.array([str(len(scene.things)) for scene in groups])
    signs = [
        draw_word(n, split="test", side=SIDE, words=[SIGN_WORDS[n % len(SIGN_WORDS)]]) for n in range(size)
    ]
    written = np.array([str(one.things[0].facts["text"]) for one in signs])
    return {
        "things": PictureSet([one.image for one in things], labels),
        "groups": PictureSet([scene.image for scene in groups], {"count": counted}),
        "signs": PictureSet([one.image for one in signs], {"word": written}),
    }


def _things_in_quarters() -> Iterator[Picture]:
    """Single things that stand clearly in one quarter of the picture; six colours; kinds equally often."""
    numbers = count(20_000)
    while True:
        for name in KIND_NAMES:
            yield next(thing for n in numbers if (thing := _thing_in_quarter(n, KINDS[name])))


def _thing_in_quarter(number: int, kind: Kind) -> Picture | None:
    """Return the picture of this number, or None if its colour or its position does not fit."""
    # Most do not fit, and a small sketch, which costs little, tells most of them.
    sketch = draw_picture(number, split="test", side=SIDE // 4, kind=kind)
    if sketch.things[0].look.color.name not in COLOR_NAMES or _from_midlines(sketch) < CLEAR / 2:
        return None
    picture = draw_picture(number, split="test", side=SIDE, kind=kind)
    return picture if _quarter(picture) else None


def _center(picture: Picture) -> tuple[float, float]:
    """How far right of and below the middle the thing's own middle is, in shares of the side."""
    left, top, right, bottom = picture.things[0].box
    return (left + right) / 2 / picture.image.width - 0.5, (top + bottom) / 2 / picture.image.height - 0.5


def _from_midlines(picture: Picture) -> float:
    return min(map(abs, _center(picture)))


def _quarter(picture: Picture) -> str:
    """Return the quarter that contains the object's center, or "" if it is ambiguous."""
    if _from_midlines(picture) < CLEAR:
        return ""
    across, down = _center(picture)
    return f"{'top' if down < 0 else 'bottom'} {'left' if across < 0 else 'right'}"


def embed_sets(sets: Mapping[str, PictureSet], clip: Any, phi3: Any) -> dict[str, dict[str, EmbeddingTable]]:
    """Return for each space and set a table; phi3 is the whole model."""
    tables: dict[str, dict[str, EmbeddingTable]] = {space: {} for space in SPACES}
    for name, one in sets.items():
        for whose, model in (("clip", clip), ("phi3", phi3)):
            spaces = {pooling: space for space, (owner, pooling) in SPACES.items() if owner == whose}
            made = embed_recipes(one.pictures, list(spaces), model=model, progress=False)
            for pooling, table in made.items():
                tables[spaces[pooling]][name] = table
    return tables


def probe_scores(tables: Tables, sets: Mapping[str, PictureSet], *, width: int | None = None) -> Scores:
    """Return for each space and question what a linear probe gets right on held-out folds.

    width: reduce every space to so many directions of largest variance first, so that none has more numbers
    than another.
    """
    scores: Scores = {}
    for space, by_set in tables.items():
        scores[space] = {}
        for name, one in sets.items():
            vectors = by_set[name].vectors
            vectors = principal_parts(vectors, width) if width is not None else vectors
            for question, labels in one.labels.items():
                scores[space][question] = probe_accuracy(vectors, labels)
    return scores


def score_lines(scores: Scores) -> str:
    """Return a line for each question: the best space, and those that are not clearly behind it.

    All spaces answered for the same pictures, so a paired test decides, not whether intervals overlap.
    """
    lines = []
    for question in next(iter(scores.values())):
        by_space = {space: scores[space][question] for space in scores}
        best = max(by_space, key=lambda space: by_space[space].value)
        tied = [
            space
            for space, one in by_space.items()
            if space != best and not clearly_better(one, by_space[best])
        ]
        beside = f"; not clearly behind: {', '.join(tied)}" if tied else ""
        lines.append(f"{question:9} {best} {by_space[best]}{beside}")
    return "\n".join(lines)


def show_scores(scores: Scores, *, alt: str) -> None:
    """Draw a panel for each question: scores of the spaces with intervals, chance as a dashed line."""
    questions = list(next(iter(scores.values())))
    fig, axes = plots.figure(1, len(questions), height=2.4, sharey=True)
    for ax, question in zip(axes, questions, strict=True):
        for row, (space, by_question) in enumerate(scores.items()):
            one = by_question[question]
            ax.errorbar(
                one.value,
                row,
                xerr=[[max(one.value - one.low, 0)], [max(one.high - one.value, 0)]],
                color=plots.CLASSES[row],
                marker=plots.MARKERS[row],
                capsize=3,
                label=space,
            )
        ax.axvline(next(iter(scores.values()))[question].chance or 0.0, color=palette.GUIDE, ls="--", lw=1)
        ax.set(xlim=(0, 1.08), xlabel="share right", ylabel=" ")
        ax.set_xticks([0, 0.5, 1], labels=["0", "0.5", "1"])
        ax.set_yticks(range(len(scores)), labels=list(scores))
        ax.grid(axis="x", alpha=0.3)
        plots.write_title(ax, question)
    axes[0].invert_yaxis()
    plots.show(fig, alt=alt)


def show_linked_maps(
    layouts: Mapping[str, Layout],
    spaces: Mapping[str, Neighbors],
    labels: NDArray[np.str_],
    chosen: int,
    *,
    k: int = 6,
    alt: str,
) -> None:
    """Draw maps of the same pictures, with lines from one picture to its nearest in each space.

    The nearest are ringed. Full lines lead to neighbors that both spaces have, dotted ones to those of one
    space alone.
    """
    fig, axes = plots.figure(1, len(layouts), height=3.6)
    near = {name: set(space.indices[chosen, :k].tolist()) for name, space in spaces.items()}
    both = set.intersection(*near.values())
    for ax, (name, layout) in zip(axes, layouts.items(), strict=True):
        plots.map_axes(ax, layout.coordinates, labels, name, size=9)
        for row in near[name]:
            ends = layout.coordinates[[chosen, row]]
            ax.plot(*ends.T, color=plots.BLACK, lw=1.4, ls="-" if row in both else ":", zorder=3)
            ax.plot(
                *layout.coordinates[row], marker="o", ms=8, mfc="none", mec=plots.BLACK, mew=0.8, zorder=4
            )
        ax.plot(*layout.coordinates[chosen], marker="o", ms=12, mfc="none", mec=plots.BLACK, mew=2, zorder=4)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=7)
    plots.show(fig, alt=alt)


def most_disputed(first: EmbeddingTable, second: EmbeddingTable, k: int = 6) -> int:
    """Return the row with the fewest nearest neighbors in common; the first of several."""
    return int(shared_neighbors(first.vectors, second.vectors, k).argmin())


def half_shared(
    first: EmbeddingTable, second: EmbeddingTable, layouts: Mapping[str, Layout], k: int = 6
) -> int:
    """Return a row whose k nearest two spaces share about half; of several, that with the longest line.

    The lines lead from a picture to its k nearest in each space, measured on that space's map in shares of
    the map's width. layouts: one map for each of the two tables, in their order.
    """
    apart = np.abs(shared_neighbors(first.vectors, second.vectors, k) - 0.5)
    longest = np.max(
        [
            _longest_line(table, layout, k)
            for table, layout in zip((first, second), layouts.values(), strict=True)
        ],
        axis=0,
    )
    return int(np.where(apart == apart.min(), longest, -1.0).argmax())


def _longest_line(table: EmbeddingTable, layout: Layout, k: int) -> NDArray[np.float64]:
    near = nearest(table.vectors, k).indices
    lines = layout.coordinates[near] - layout.coordinates[:, None]
    return np.linalg.norm(lines, axis=2).max(1) / np.ptp(layout.coordinates, axis=0).max()


__getattr__ = old_names(__name__, {"COLOUR_NAMES": "COLOR_NAMES"})  # changed in 0.2.0
