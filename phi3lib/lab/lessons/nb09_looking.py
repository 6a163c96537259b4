"""Notebook 09, attention: which heads read the asked thing, and whether the answer depends on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.lab.figures import attention_plots, plots
from phi3lib.lab.lessons.nb09_asking import Item
from phi3lib.vision.answers import CROPS
from phi3lib.vision.evidence import (
    AnswerTrace,
    AskedQuestion,
    answers_without,
    log_probabilities,
    logit_lens,
    prepare_question,
    trace_answer,
)
from phi3lib.vision.token_map import Box, TokenKind, indices_of_view, token_at, tokens_in_box

HIDDEN = 12  # tokens that are hidden at a time: fewer than most things have
LITTLE, MUCH = 0.1, 0.4  # shares of a head's weight on the asked thing
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Looked:
    """An item with its prompt, its answer, and the columns that see what the question is about."""

    item: Item
    asked: AskedQuestion
    trace: AnswerTrace
    inside: tuple[int, ...]

    @property
    def visual(self) -> list[int]:
        """Return the columns of the image's tokens."""
        return list(self.asked.pictures[0].columns)

    @property
    def attention(self) -> Numbers:
        """Return (layers, heads, length): the weights that predict the first word of the answer."""
        return self.trace.attention[:, :, 0].numpy().astype(np.float64)


def look(phi3: Any, item: Item, crops: str = "sharp") -> Looked:
    """Return an item's answer with its attention, and where the asked thing is in the prompt."""
    asked = prepared(phi3, item, crops)
    return Looked(item, asked, trace_answer(phi3, asked), columns_of_the_thing(asked, item))


def prepared(phi3: Any, item: Item, crops: str = "sharp") -> AskedQuestion:
    """Return the prompt of an item."""
    return prepare_question(phi3, [item.image], item.question.text, num_crops=item.num_crops, crops=crops)


def columns_of_the_thing(asked: AskedQuestion, item: Item, *, crops_only: bool = False) -> tuple[int, ...]:
    """Return the columns of all tokens that see the asked thing; crops_only: without the global view."""
    if item.question.box is None:
        return ()
    placed = asked.pictures[0]
    tokens = tokens_in_box(placed.grid, Box(*item.question.box), placed.order)
    if crops_only:
        tokens = tuple(
            index for index in tokens if token_at(placed.grid, index, placed.order).kind is TokenKind.CROP
        )
    return tuple(placed.start + index for index in tokens)


def columns_of_another_thing(one: Looked) -> tuple[int, ...]:
    """Return the columns that see the other thing of the scene that is closest in size to the asked one.

    Tokens that see the asked thing, too, are left out. Raises ValueError for a scene without another thing.
    """
    placed, asked = one.asked.pictures[0], set(one.inside)
    others = [
        tuple(placed.start + index for index in tokens_in_box(placed.grid, Box(*thing.box), placed.order))
        for thing in one.item.scene.things
        if thing.box != one.item.question.box
    ]
    if not others:
        raise ValueError("this scene has one thing only; take items with least_things=2 or more")
    kept = [tuple(column for column in columns if column not in asked) for columns in others]
    return min(kept, key=lambda columns: abs(len(columns) - len(asked)))


def weight_on_the_thing(looked: Sequence[Looked]) -> Numbers:
    """Return (layers, heads): the mean over all questions of the weight on the asked thing's tokens."""
    return np.mean([one.attention[:, :, list(one.inside)].sum(-1) for one in looked], axis=0)


def most_read(one: Looked, layer: int, head: int, count: int = HIDDEN) -> list[int]:
    """Return the visual columns with the largest weights of a head."""
    visual = np.array(one.visual)
    order = np.argsort(-one.attention[layer, head, visual], kind="stable")
    return visual[order[:count]].tolist()


def random_tokens(one: Looked, count: int, seed: int) -> list[int]:
    """Return so many different visual columns, drawn at random."""
    return np.random.default_rng(seed).choice(one.visual, min(count, len(one.visual)), replace=False).tolist()


# ----------------------------------------------------------------------------------- hiding


def changed_answers(
    phi3: Any, looked: Sequence[Looked], layer: int, head: int, *, draws: int = 5
) -> dict[str, Estimate]:
    """Return for each way of hiding the share of questions whose answer changes.

    The tokens that a head reads most and as many random ones; all tokens of the asked thing, as many random
    ones, and all tokens of another thing of about its size. Random sets are drawn several times; each
    question counts with its mean.
    """
    names = (
        f"{HIDDEN} tokens that it reads most",
        f"{HIDDEN} random tokens",
        "all tokens of the thing",
        "as many random tokens",
        "another thing of about its size",
    )
    changed: dict[str, list[float]] = {name: [] for name in names}
    for number, one in enumerate(looked):
        seeds = [1000 * number + draw for draw in range(draws)]
        groups = (
            [most_read(one, layer, head)],
            [random_tokens(one, HIDDEN, seed) for seed in seeds],
            [list(one.inside)],
            [random_tokens(one, len(one.inside), seed) for seed in seeds],
            [list(columns_of_another_thing(one))],
        )
        said = iter(answers_without(phi3, one.asked, [columns for group in groups for columns in group]))
        for name, group in zip(names, groups, strict=True):
            changed[name].append(float(np.mean([next(said) != one.trace.text for _ in group])))
    return {name: of_mean(values) for name, values in changed.items()}


def mean_sizes(looked: Sequence[Looked]) -> str:
    """Return how many tokens the asked thing has, and the other one that is hidden as a control, in words."""
    sizes = [(len(one.inside), len(columns_of_another_thing(one))) for one in looked]
    asked, other = np.mean(sizes, axis=0)
    return f"{asked:.1f} and {other:.1f}"


def drops_by_head(
    phi3: Any, looked: Sequence[Looked], *, most: int = 16
) -> tuple[list[tuple[int, int]], Numbers]:
    """Return heads, and by how much the answer's log-probability falls without what each of them reads most.

    The drops are (heads, questions), in nats. All heads where there are at most `most`, else those with the
    largest weight on the asked thing.
    """
    weights = weight_on_the_thing(looked)
    order = np.argsort(-weights, axis=None, kind="stable")[:most]
    heads = [divmod(int(index), weights.shape[1]) for index in np.sort(order)]
    drops = []
    for one in looked:
        sets = [[], *(most_read(one, layer, head) for layer, head in heads)]
        scores = log_probabilities(phi3, one.asked, one.trace.token_ids, sets).numpy()
        drops.append(scores[0] - scores[1:])
    return heads, np.array(drops, dtype=np.float64).T


def effects_by_weight(heads: Sequence[tuple[int, int]], weights: Numbers, drops: Numbers) -> str:
    """Return in words the mean falls of heads with little weight on the asked thing, and with much.

    The last line states whether the two ranges overlap, where there are heads of both kinds.
    """
    means = drops.mean(1)
    there = np.array([weights[one] for one in heads])
    groups = {f"below {LITTLE:g}": there < LITTLE, f"above {MUCH:g}": there > MUCH}
    lines = [
        f"weight on the thing {name} (heads: {int(chosen.sum())}): falls of {means[chosen].min():.2f} to "
        f"{means[chosen].max():.2f} nats"
        for name, chosen in groups.items()
        if chosen.any()
    ]
    if len(lines) == len(groups):
        little, much = (means[chosen] for chosen in groups.values())
        lines.append(
            "The ranges do not overlap: what each head of the second line reads has more effect than what "
            "any head of the first reads."
            if much.min() > little.max()
            else "The ranges overlap: what a head of the first line reads can have as much effect as what "
            "one of the second reads."
        )
    return "\n".join(lines)


def blind_answers(phi3: Any, items: Sequence[Item]) -> list[str]:
    """Return the answers with every visual token hidden: what the question alone suggests."""
    asked = [prepared(phi3, item) for item in items]
    return [answers_without(phi3, one, [one.pictures[0].columns])[0] for one in asked]


def show_weights_and_drops(
    heads: Sequence[tuple[int, int]], weights: Numbers, drops: Numbers, *, alt: str
) -> None:
    """Show each head as a point: its weight on the asked thing, and the drop without what it reads most."""
    fig, axes = plots.figure(width=6.5, height=3.6)
    layers = sorted({layer for layer, _ in heads})
    for number, layer in enumerate(layers):
        rows = [row for row, one in enumerate(heads) if one[0] == layer]
        axes.scatter(
            [weights[heads[row]] for row in rows],
            drops.mean(1)[rows],
            marker=plots.MARKERS[number % len(plots.MARKERS)],
            color=plots.CLASSES[number % len(plots.CLASSES)],
            label=f"layer {layer}",
            s=34,
        )
    means = drops.mean(1)
    for row, (layer, head) in enumerate(heads):
        weight, drop = float(weights[layer, head]), float(means[row])
        in_the_crowd = weight < LITTLE and drop < 0.05 * means.max()  # names would cover each other
        if len(heads) <= 16 and not in_the_crowd:
            axes.annotate(f"{layer}.{head}", (weight, drop), (4, 3), textcoords="offset points", fontsize=7.5)
    axes.set(
        xlabel="mean weight on the asked thing's tokens (labels: layer.head)",
        ylabel=f"fall of log-probability (nats) without\nthe {HIDDEN} tokens that the head reads most",
    )
    fig.legend(loc="outside right upper")
    plots.show(fig, alt=alt)


# --------------------------------------------------------------------------------- small print


def show_reading(phi3: Any, item: Item, layer: int, head: int, *, alt: str) -> dict[str, str]:
    """Show one print with sharp crops, blurred ones and none, with a head's weights; return the answers.

    Each title gives the head's weight on the print: in the crops, and in the global view.
    """
    fig, axes = plots.figure(2, len(CROPS), width=6.6, height=3.9, height_ratios=(1, 0.5))
    said = {}
    for (above, below), crops in zip(axes.T, CROPS, strict=True):
        one = look(phi3, item, crops)
        said[crops] = one.trace.text
        placed = one.asked.pictures[0]
        read = one.trace.text == item.question.answer
        verdict = "right" if read else "wrong"
        attention_plots.draw_attention(
            above,
            item.image,
            placed,
            one.attention[layer, head],
            title=f"crops: {crops}\n{_on_the_print(one, layer, head)}",
            box=item.question.box,
        )
        plots.picture_axes(below, _as_seen(item, crops), f"reads “{one.trace.text[:24]}” ({verdict})")
    plots.show(fig, alt=alt)
    return said


def _on_the_print(one: Looked, layer: int, head: int) -> str:
    """Return in words how much of a head's weight is on the print, by view."""
    crops = columns_of_the_thing(one.asked, one.item, crops_only=True)
    weights = one.attention[layer, head]
    in_crops = float(weights[list(crops)].sum())
    in_global = float(weights[list(one.inside)].sum()) - in_crops
    return f"weight: crops {in_crops:.2f}, global {in_global:.2f}"


def _as_seen(item: Item, crops: str, around: int = 20) -> Any:
    """Return the print as the crops show it: sharp, or rebuilt from the global view."""
    image = item.image
    if crops != "sharp":
        rows, cols = item.grid
        small = image.resize((image.width // cols, image.height // rows), Image.Resampling.BICUBIC)
        image = small.resize(
            image.size, Image.Resampling.BICUBIC if crops == "blurred" else Image.Resampling.NEAREST
        )
    left, top, right, bottom = item.question.box or (0, 0, *image.size)
    return image.crop((left - around, top - around, right + around, bottom + around))


# ---------------------------------------------------------------------------------- logit lens


def lens_at_the_answer(phi3: Any, looked: Sequence[Looked]) -> list[Estimate]:
    """Return for each layer how often the lens shows the answer's first word where it is predicted."""
    hits = []
    for one in looked:
        ids, _ = logit_lens(phi3, one.asked, [len(one.asked.input_ids) - 1])
        hits.append((ids[:, 0, 0] == one.trace.token_ids[0]).numpy())
    return [of_mean(layer) for layer in np.array(hits).T]


def lens_on_the_thing(phi3: Any, looked: Sequence[Looked]) -> list[Estimate]:
    """Return for each layer the share of the thing's crop tokens where the lens shows the answer's word."""
    shares = []
    for one in looked:
        ids, _ = logit_lens(phi3, one.asked, columns_of_the_thing(one.asked, one.item, crops_only=True))
        shares.append((ids[:, :, 0] == one.trace.token_ids[0]).numpy().mean(1))
    return [of_mean(layer) for layer in np.array(shares).T]


def thing_vectors(phi3: Any, items: Sequence[Item]) -> Numbers:
    """Return (items, hidden_size): the mean of the thing's crop tokens as they enter the language model."""
    vectors = []
    for item in items:
        asked = prepared(phi3, item)
        columns = list(columns_of_the_thing(asked, item, crops_only=True))
        vectors.append(asked.inputs_embeds[columns].float().mean(0).cpu().numpy())
    return np.array(vectors, dtype=np.float64)


def words_of_lens(phi3: Any, one: Looked, layer: int) -> list[list[str]]:
    """Return the likeliest word at each crop token behind a layer, as rows of the grid."""
    placed = one.asked.pictures[0]
    rows = indices_of_view(placed.grid, TokenKind.CROP, placed.order)
    ids, _ = logit_lens(phi3, one.asked, [placed.start + index for row in rows for index in row])
    words = [phi3.processor.tokenizer.decode([number]).strip() for number in ids[layer, :, 0].tolist()]
    width = len(rows[0])
    return [words[start : start + width] for start in range(0, len(words), width)]
