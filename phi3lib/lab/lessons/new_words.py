"""Notebook 08: French words for a CLIP trained in English, and its scores before and after."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.confidence import Estimate, difference, of_mean
from phi3lib.embeddings.finetune_pairs import Pairs, make_pairs
from phi3lib.embeddings.finetune_runs import weights_mark
from phi3lib.embeddings.knn import unit_rows
from phi3lib.encoders import as_encoder
from phi3lib.lab.figures import palette, plots
from phi3lib.lab.lessons.text_tables import in_parts
from picturebook import french
from picturebook.captions import class_phrase
from picturebook.colors import COLORS
from picturebook.kind import Kind
from picturebook.kinds import KINDS
from picturebook.pages.digits import NAMES, TEST_DIGITS, handwritten_digit
from picturebook.pictures import SIDE, Picture, colors_of, draw_picture

# Whose names are words of their own; those of letters and flags follow from other words.
_WITH_WORDS = ("shapes", "animals", "nature", "vehicles", "household", "clothes", "buildings", "food")
EVERY = 5  # such a kind is held out
FIRST_TRAINED = 20_000  # numbers of the pictures
PAIRED_KINDS = 24

TASKS = ("French, trained words", "French, new words", "French, new pairs", "English", "digits")
SHOWN = (
    "dog",
    "flower",
    "bus",
    "castle",
    "pear",
    "heart",
    "key",
    "umbrella",
    "fish",
    "crown",
    "cat",
    "house",
)

Scores = dict[str, Estimate]
Vectors = NDArray[np.float32]


# ------------------------------------------------------------------------------- what is learned


@dataclass(frozen=True)
class Words:
    """What the model is to learn: pictures of the trained words with captions, and words that are held out.

    trained, new: kinds with their French names. pictures: of trained ones. french, english: a caption each.
    """

    trained: tuple[Kind, ...]
    new: tuple[Kind, ...]
    pictures: tuple[Picture, ...]
    french: tuple[str, ...]
    english: tuple[str, ...]

    @property
    def images(self) -> list[Image.Image]:
        """The pictures' images."""
        return [one.image for one in self.pictures]


def split_kinds() -> tuple[tuple[Kind, ...], tuple[Kind, ...]]:
    """Return (trained, new) kinds; digits are in neither: they are the unrelated task.

    No word of a new kind is part of another kind's name, as "nuage" is of "nuage de points".
    """
    uses = Counter(word for kind in KINDS.values() for word in set(kind.french.split()))
    own = [
        kind
        for kind in KINDS.values()
        if kind.family in _WITH_WORDS and all(uses[word] == 1 for word in kind.french.split())
    ]
    new = tuple(own[EVERY // 2 :: EVERY])
    trained = tuple(kind for kind in KINDS.values() if kind not in new and kind.family != "digits")
    return trained, new


def french_words(each: int = 3) -> Words:
    """Return `each` pictures of every trained word, of the split "train", with captions in two languages."""
    trained, new = split_kinds()
    rng = np.random.default_rng(8)
    pictures = tuple(
        draw_picture(FIRST_TRAINED + number, kind=trained[number % len(trained)])
        for number in range(each * len(trained))
    )
    captions = tuple(french.caption(one, rng) for one in pictures)
    return Words(trained, new, pictures, captions, tuple(one.caption for one in pictures))


# ------------------------------------------------------------------------------- what it knows


@dataclass
class Exam:
    """Pictures of the splits "test" and "held-out" with what is right, and the words to choose from.

    kinds, of_kinds: pictures of all kinds but digits, and their indices in `candidates`. pairs, of_pairs:
    pictures of kinds in colors with which they were never trained, in English either. digits, of_digits:
    handwritten.
    """

    trained: tuple[Kind, ...]
    candidates: tuple[Kind, ...]
    kinds: list[Image.Image]
    of_kinds: NDArray[np.intp]
    pairs: list[Image.Image]
    of_pairs: NDArray[np.intp]
    pair_candidates: list[tuple[Kind, str]]
    digits: list[Image.Image]
    of_digits: NDArray[np.intp]
    _hidden: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)

    def vectors(self, model: Any) -> tuple[Vectors, Vectors, Vectors]:
        """Return the unit vectors of kinds, pairs and digits; an image tower is run once."""
        clip = as_encoder(model).clip
        mark = weights_mark(clip.model.vision_model)
        if mark not in self._hidden:
            encoder = as_encoder(model)
            images = [*self.kinds, *self.pairs, *self.digits]
            parts = [
                encoder.encode(images[at : at + 64], encoder.recipes.choose("cls"))
                for at in range(0, len(images), 64)
            ]
            self._hidden[mark] = torch.cat(parts)
        with torch.no_grad():
            found = unit_rows(clip.model.visual_projection(self._hidden[mark]).float().cpu().numpy())
        ends = np.cumsum([len(self.kinds), len(self.pairs)])
        first, second, third = np.split(found, ends)
        return first, second, third

    def held_out_pairs(self) -> Pairs:
        """Return one picture of each trained kind with its French words, for scores during the training."""
        rows = range(len(self.trained))  # the first pictures, a kind each; trained kinds come first
        return make_pairs([self.kinds[row] for row in rows], [french.phrase(kind) for kind in self.trained])

    def leaked(self, new: Sequence[Kind]) -> tuple[list[Image.Image], list[str]]:
        """Return copies of the pictures of these kinds, saved again as JPEG, with their French words."""
        rows = [row for row, index in enumerate(self.of_kinds) if self.candidates[index] in new]
        said = [french.phrase(self.candidates[self.of_kinds[row]]) for row in rows]
        return [_saved_again(self.kinds[row]) for row in rows], said

    def ask(self, model: Any) -> Scores:
        """Return the share right in each of the `TASKS`, with intervals and chance."""
        kinds, pairs, digits = self.vectors(model)

        def texts(phrases: Sequence[str]) -> Vectors:
            return unit_rows(as_encoder(model).encode_texts(list(phrases)).numpy())

        said = texts([french.phrase(kind) for kind in self.candidates])
        right = (kinds @ said.T).argmax(1) == self.of_kinds
        trained = np.array([self.candidates[index] in self.trained for index in self.of_kinds])
        english = texts([class_phrase(kind) for kind in self.candidates])
        colored = texts([french.phrase(kind, COLORS[color]) for kind, color in self.pair_candidates])
        named = texts([class_phrase(KINDS[f"digit {name}"]) for name in NAMES])
        among = 1 / len(self.candidates)
        answers = (
            (right[trained], among),
            (right[~trained], among),
            ((pairs @ colored.T).argmax(1) == self.of_pairs, 1 / len(self.pair_candidates)),
            ((kinds @ english.T).argmax(1) == self.of_kinds, among),
            ((digits @ named.T).argmax(1) == self.of_digits, 1 / len(NAMES)),
        )
        return {task: of_mean(*answer) for task, answer in zip(TASKS, answers, strict=True)}


def make_exam(words: Words, *, each: int = 2, pairs: int = 120, digits: int = 100, first: int = 0) -> Exam:
    """Return an exam with `each` pictures of every kind, and so many of pairs and digits.

    first: number of the first picture and digit; two exams whose numbers do not overlap share no picture.
    """
    candidates = words.trained + words.new
    kinds = [
        draw_picture(first + number, split="test", kind=candidates[number % len(candidates)])
        for number in range(each * len(candidates))
    ]
    paired = [kind for kind in words.trained if kind.family in _WITH_WORDS and colors_of(kind, "held-out")]
    paired = paired[:: max(len(paired) // PAIRED_KINDS, 1)][:PAIRED_KINDS]
    drawn = [draw_picture(first + n, split="held-out", kind=paired[n % len(paired)]) for n in range(pairs)]
    choices = [(kind, color) for kind in paired for color in COLORS]
    index = {(kind.name, color): number for number, (kind, color) in enumerate(choices)}
    written = [_digit(int(row)) for row in TEST_DIGITS[first : first + digits]]
    return Exam(
        trained=words.trained,
        candidates=candidates,
        kinds=[one.image for one in kinds],
        of_kinds=np.arange(len(kinds)) % len(candidates),
        pairs=[one.image for one in drawn],
        of_pairs=np.array([index[one.kind.name, one.things[0].look.color.name] for one in drawn]),
        pair_candidates=choices,
        digits=[image for image, _ in written],
        of_digits=np.array([value for _, value in written]),
    )


def _saved_again(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return Image.open(buffer).convert("RGB")


def _digit(row: int) -> tuple[Image.Image, int]:
    """Return a handwritten digit, black on white, and its value."""
    from sklearn.datasets import load_digits

    value = int(load_digits().target[row])
    mask = handwritten_digit(value, row, round(0.7 * SIDE))
    image = Image.new("RGB", (SIDE, SIDE), "white")
    image.paste("black", ((SIDE - mask.width) // 2, (SIDE - mask.height) // 2), mask)
    return image, value


# ------------------------------------------------------------------------------- watching


class Snapshots:
    """What `fine_tune(watch=…)` calls: keeps the vectors of some French words at each step.

    words: how figures call them; those that are never trained are marked. steps: at which it was called.
    texts: for each step unit vectors (words, d).
    """

    def __init__(self, new: Sequence[Kind], names: Sequence[str] = SHOWN) -> None:
        kinds = [KINDS[name] for name in names]
        self.phrases = [french.phrase(kind) for kind in kinds]
        self.words = [f"{kind.french} (new)" if kind in new else kind.french for kind in kinds]
        self.steps: list[int] = []
        self.texts: list[Vectors] = []

    def __call__(self, step: int, encoder: Any) -> None:
        """Keep the words' vectors."""
        self.steps.append(step)
        self.texts.append(unit_rows(encoder.encode_texts(self.phrases).numpy()))


def image_centers(exam: Exam, model: Any, names: Sequence[str] = SHOWN) -> Vectors:
    """Return for each kind the unit mean of its test pictures' vectors: (names, d)."""
    vectors = exam.vectors(model)[0]
    indices = [exam.candidates.index(KINDS[name]) for name in names]
    return unit_rows(np.stack([vectors[exam.of_kinds == index].mean(0) for index in indices]))


# ------------------------------------------------------------------------------- tables and figures


def score_lines(scores: Mapping[str, Scores], tasks: Sequence[str] = TASKS) -> str:
    """Return a table: a line for each model, the share right in each task with its interval, then chance."""
    rows: dict[str, list[str]] = {"": list(tasks)}
    for name, by_task in scores.items():
        rows[name] = [
            f"{by_task[task].value:.2f} ({by_task[task].low:.2f} to {by_task[task].high:.2f})"
            for task in tasks
        ]
    any_model = next(iter(scores.values()))
    rows["by chance"] = [f"{any_model[task].chance or 0:.3f}" for task in tasks]
    return in_parts(rows, width=21)


def change_lines(before: Scores, after: Scores) -> str:
    """Return a line for each task: how much it changed, picture by picture, with the interval."""
    changes = {task: difference(before[task], after[task]) for task in before}
    return "\n".join(
        f"{task:21} {one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f}; {one.count} pictures)"
        for task, one in changes.items()
    )


def show_learning(tuned: Any, *, alt: str) -> None:
    """Show loss of training and held-out pairs, and recall of the held-out ones, by step."""
    fig, (left, right) = plots.figure(1, 2, height=2.6)
    left.plot(*tuned.curve("loss"), color=plots.SKY, lw=1, label="training batches")
    left.plot(*tuned.curve("eval_loss"), color=plots.BLUE, marker="o", label="held-out pairs")
    left.set(xlabel="step", ylabel="contrastive loss")
    for name, color, mark in (("image_to_text", plots.ORANGE, "s"), ("text_to_image", plots.GREEN, "^")):
        right.plot(*tuned.curve(f"eval_{name}"), color=color, marker=mark, label=name.replace("_", " "))
    right.set(xlabel="step", ylabel="recall@1, held-out pairs", ylim=(0, 1))
    for axes in (left, right):
        axes.legend()
    plots.show(fig, alt=alt)


def show_before_after(
    before: Vectors,
    after: Vectors,
    images: Vectors,
    names: Sequence[str],
    scores: Sequence[Scores],
    *,
    alt: str,
) -> None:
    """Draw the summary figure: where words move among the images, gains and losses of the five tasks."""
    from phi3lib.lab.widgets.scrubber import plane_of

    fig, (left, right) = plots.figure(1, 2, height=4.2, width_ratios=[1.25, 1])
    plane = plane_of(images, after)
    stars, starts, ends = plane.images(images), plane.texts(before), plane.texts(after)
    left.scatter(*stars.T, marker="*", s=90, color=plots.ORANGE, label="pictures of the kind (mean)")
    left.scatter(*starts.T, marker="o", s=14, facecolors="none", edgecolors=plots.BLACK, label="word before")
    new = np.array([name.endswith("(new)") for name in names])
    left.scatter(*ends[~new].T, marker="o", s=22, color=plots.BLUE, label="word after")
    left.scatter(*ends[new].T, marker="D", s=34, color=plots.VERMILION, label="new word after", zorder=3)
    for start, end in zip(starts, ends, strict=True):
        left.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": palette.MOVE, "lw": 0.8})
    across, down = np.stack([ends, stars]).transpose(2, 0, 1)  # each (2 ends, words)
    left.plot(across, down, color=plots.ORANGE, ls=":", lw=0.9, zorder=0)
    _name_points(left, names, stars, ends)
    left.set_xticks([])
    left.set_yticks([])
    left.margins(0.12)
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=2, fontsize=7, columnspacing=0.8)
    plots.write_title(left, "All French words move, the new ones too")
    _bars(right, scores)
    plots.show(fig, alt=alt)


def _name_points(axes: Any, names: Sequence[str], stars: Vectors, ends: Vectors) -> None:
    """Write each kind's name at its star, and at the word itself where the word is new."""
    near = 0.15 * float(np.ptp(stars, axis=0).max())  # two names at the same height would overlap here
    for row, (name, star) in enumerate(zip(names, stars, strict=True)):
        crowded = (np.linalg.norm(stars[:row] - star, axis=1) < near).any()
        said = name.removesuffix(" (new)")
        at: Any = {"textcoords": "offset points", "fontsize": 7.5}
        axes.annotate(said, star, xytext=(4, -12 if crowded else 5), **at)
        if said != name:
            axes.annotate(name, ends[row], xytext=(5, -9), color=plots.VERMILION, **at)


def _bars(axes: Any, scores: Sequence[Scores]) -> None:
    for shift, by_task, name, color in (
        (-0.19, scores[0], "before", plots.SKY),
        (0.19, scores[1], "after", plots.BLUE),
    ):
        values = [by_task[task] for task in TASKS]
        ends = [[one.value - one.low for one in values], [one.high - one.value for one in values]]
        positions = np.arange(len(TASKS)) + shift
        axes.barh(
            positions, [one.value for one in values], 0.36, xerr=ends, capsize=2, color=color, label=name
        )
    axes.set_yticks(range(len(TASKS)), labels=[task.replace(", ", ",\n") for task in TASKS])
    axes.invert_yaxis()
    axes.set(xlabel="share right, 95 % interval", ylabel=" ", xlim=(0, 1.02))
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.13), ncols=2, fontsize=7.5)
    plots.write_title(axes, "What is gained and lost")


def show_line(shares: Sequence[float], scores: Sequence[Scores], *, alt: str) -> None:
    """Show French and English along the line between the two models, with bands."""
    fig, axes = plots.figure(height=2.8)
    for number, task in enumerate(("French, trained words", "French, new pairs", "English")):
        estimates = [one[task] for one in scores]
        color = plots.CLASSES[number]
        axes.fill_between(
            shares, [one.low for one in estimates], [one.high for one in estimates], color=color, alpha=0.2
        )
        axes.plot(
            shares, [one.value for one in estimates], color=color, marker=plots.MARKERS[number], label=task
        )
    axes.set(
        xlabel="share of the way from the old weights to the new ones", ylabel="share right", ylim=(0, 1)
    )
    axes.legend()
    plots.show(fig, alt=alt)
