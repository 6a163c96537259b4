"""Notebook 10: figures and tables of what was measured, and what alignment costs at full size."""

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from phi3lib.embeddings.confidence import LEVEL, Estimate, difference
from phi3lib.lab.checks.nb10 import STATEMENTS
from phi3lib.lab.figures import plots
from phi3lib.lab.lessons.nb10_alignment import (
    CHANCE,
    LORA_RANK,
    LORA_TARGETS,
    TEST_SCENES,
    TOPICS,
    asked_scenes,
)
from phi3lib.lab.lessons.nb10_towers import STAGE_NAMES, measured
from phi3lib.lab.lessons.text_tables import in_parts

CROPS = ("sharp", "blurred")  # the ways in which final scores are stored
# One color and one line for a tower, through the whole notebook; the untrained one is the control.
LOOKS = {
    "clip": (plots.BLUE, "-", "o"),
    "clip-new": (plots.SKY, "-", "v"),
    "labels": (plots.GREEN, "-", "s"),
    "masked": (plots.PURPLE, "-", "D"),
    "pixels": (plots.ORANGE, "-", "^"),
    "untrained": (plots.BLACK, "--", "x"),
}


def curve_of(tower: str, stage: str, topic: str) -> tuple[list[int], list[float], list[float], list[float]]:
    """Return scenes seen, share of right answers, and both ends of its interval, along a stage."""
    points = measured()[f"{tower}-{stage}"]["curve"]
    values = [point[topic] for point in points]
    return (
        [point["scenes"] for point in points],
        [value["value"] for value in values],
        [value["low"] for value in values],
        [value["high"] for value in values],
    )


def show_curves(towers: Sequence[str], stage: str = "projector", *, alt: str) -> None:
    """Show one small figure for each topic: every tower's curve, the untrained tower's, and chance."""
    fig, axes = plots.figure(2, 3, height=4.6, sharey=True)
    panels = list(axes.flat)
    for ax, topic in zip(panels, TOPICS, strict=False):
        for tower in dict.fromkeys([*towers, "untrained"]):
            color, line, mark = LOOKS[tower]
            scenes, share, low, high = curve_of(tower, stage, topic)
            ax.plot(scenes, share, line, marker=mark, color=color, label=tower, markersize=4, lw=1.4)
            if tower in ("clip", "untrained"):  # bands of all would hide each other
                ax.fill_between(scenes, low, high, color=color, alpha=0.12, lw=0)
        ax.axhline(CHANCE[topic], color=plots.PADDING, ls=":", lw=1.2, label="chance")
        ax.set_ylim(-0.03, 1.03)
        plots.write_title(ax, topic)
        ax.set_xlabel("scenes seen")
        ax.set_ylabel("right answers")
    panels[-1].set_axis_off()
    panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center")
    plots.show(fig, alt=alt)


def final_table(parts: Mapping[str, str], crops: str = "sharp") -> str:
    """Return a text table: scores in each topic with their intervals, chance, and numbers of questions.

    parts: names as in data/models/towers/curves.json, with what they are called in the table. The last column
    is small print, which no alignment was trained on.
    """
    topics = [*TOPICS, "print"]
    scores = {name: [final_score(part, topic, crops) for topic in topics] for part, name in parts.items()}
    rows = {"": topics}
    for name, row in scores.items():
        rows[name] = [with_interval(one) for one in row]
    rows["chance"] = [f"{CHANCE[topic]:.0%}" for topic in topics]
    rows["questions"] = [str(one["count"]) for one in next(iter(scores.values()))]
    return in_parts(rows, width=19)


def single_answers(part: str, topic: str) -> list[int]:
    """Return for each question of a topic whether a part answered it right: 1 or 0, in the same order."""
    return [int(mark) for mark in measured()[part]["answers"][topic]]


def gains(before: str, after: str) -> dict[str, Estimate]:
    """Return how many more answers are right in one part than in another, in pairs: each topic, and "all"."""
    answers = {topic: (single_answers(before, topic), single_answers(after, topic)) for topic in TOPICS}
    every = tuple(list(itertools.chain.from_iterable(side)) for side in zip(*answers.values(), strict=True))
    return {topic: difference(*pair) for topic, pair in {**answers, "all": every}.items()}


def gain_table(pairs: Mapping[str, tuple[str, str]]) -> str:
    """Return a text table of `gains` with their intervals. pairs: (before, after) by the name of the line."""
    rows = {"": [*TOPICS, "all"]}
    for name, (before, after) in pairs.items():
        every = gains(before, after).values()
        rows[name] = [f"{one.value:+.2f} ({one.low:+.2f} to {one.high:+.2f})" for one in every]
    return in_parts(rows, width=22)


def excluding_zero(pairs: Mapping[str, tuple[str, str]]) -> str:
    """Return which intervals of `gain_table` exclude 0, in words; how many would by chance; and "all"."""
    found = {name: gains(*parts) for name, parts in pairs.items()}
    outside = [
        f"{name} at {topic} ({one.value:+.2f})"
        for name, row in found.items()
        for topic, one in row.items()
        if topic != "all" and (one.low > 0 or one.high < 0)
    ]
    overall = [name for name, row in found.items() if row["all"].low > 0 or row["all"].high < 0]
    count = len(pairs) * len(TOPICS)
    return (
        f"of {count} intervals of single topics, these exclude 0: {', '.join(outside) or 'none'} "
        f"(by chance, {(1 - LEVEL) * count:.1f} on average)\n"
        f"over all topics, these exclude 0: {', '.join(overall) or 'none'}"
    )


def crops_table(parts: Mapping[str, str]) -> str:
    """Return a text table: each part's share right with sharp crops → with blurred ones, by topic."""
    topics = [*TOPICS, "print"]
    rows = {"": topics}
    for part, name in parts.items():
        ends = [[final_score(part, topic, crops)["value"] for crops in CROPS] for topic in topics]
        rows[name] = [f"{sharp:.0%} → {blurred:.0%}" for sharp, blurred in ends]
    return in_parts(rows, width=11, most=len(topics))


def with_interval(score: Mapping[str, float]) -> str:
    """Return a score with its interval, in percent."""
    return f"{score['value']:.0%} ({score['low']:.0%} to {score['high']:.0%})"


def curve_counts() -> str:
    """Return how many questions of each topic a point of the curves was measured on, as a line of text."""
    point = measured()["clip-projector"]["curve"][0]
    counts = ", ".join(f"{topic} {point[topic]['count']}" for topic in TOPICS)
    return f"questions for each point of the curves: {counts}"


def curve_against_others(part: str) -> str:
    """Return a part's final scores on the questions of its curve and on the others, as a line of text.

    The scenes of the curves are the first ones of those that the final scores are measured on.
    """
    point, said = measured()[part]["curve"][-1], []
    for topic in TOPICS:
        answers, count = single_answers(part, topic), point[topic]["count"]
        said.append(f"{topic} {np.mean(answers[:count]):.0%} / {np.mean(answers[count:]):.0%}")
    return ", ".join(said)


def commonest_right(topic: str) -> str:
    """Return the most frequent right answer to a topic's questions of the curves and its share, in words."""
    count = measured()["clip-projector"]["curve"][0][topic]["count"]
    scenes = (asked_scenes(1, split="test", first=number)[0] for number in itertools.count(TEST_SCENES))
    wanted = (one.answer for scene in scenes for one in scene.questions if one.topic == topic)
    answer, hits = Counter(itertools.islice(wanted, count)).most_common(1)[0]
    return f"{answer!r}, {hits / count:.2f} of {count} questions"


def stage_table(tower: str) -> str:
    """Return a text table: what each stage of a tower trained, and scenes and CPU seconds that it took."""
    lines = [f"{'stage':25}{'scenes':>8}{'numbers trained':>17}{'LoRA rank':>11}{'CPU seconds':>13}"]
    for stage, name in STAGE_NAMES.items():
        part = measured()[f"{tower}-{stage}"]
        rank = str(LORA_RANK) if stage in ("lora", "both") else "–"
        scenes, seconds = part["curve"][-1]["scenes"], part["cpu seconds"]
        lines.append(f"{name:25}{scenes:8}{part['trainable']:17,}{rank:>11}{seconds:13.0f}")
    return "\n".join(lines)


def share_returned(
    original: Mapping[str, Estimate], lost: Mapping[str, Estimate], back: Mapping[str, Estimate]
) -> dict[str, float]:
    """Return the share of what the swap took that came back, for each topic that lost something."""
    taken = {topic: original[topic].value - lost[topic].value for topic in lost}
    return {
        topic: (back[topic].value - lost[topic].value) / taken[topic] for topic in lost if taken[topic] > 0
    }


def final_score(part: str, topic: str, crops: str = "sharp") -> dict[str, float]:
    """Return `value`, `low`, `high` and `count` of one part's final score in a topic, or in "print"."""
    if topic == "print":
        return measured()["print"][part][crops]
    return measured()[part]["final"][crops][topic]


def trainable(tower: str, stage: str) -> int:
    """Return how many numbers a stage trained."""
    return measured()[f"{tower}-{stage}"]["trainable"]


def curves_for_exercise(tower: str) -> tuple[dict[str, list[tuple[int, float]]], dict[str, float]]:
    """Return `curves` and `before` of exercise 10.2, as measured for the projector of a tower."""
    curves = {}
    for topic in TOPICS:
        scenes, share, _, _ = curve_of(tower, "projector", topic)
        curves[topic] = list(zip(scenes, share, strict=True))
    return curves, {topic: final_score("original", topic)["value"] for topic in TOPICS}


def tower_names(towers: Sequence[str], stage: str) -> dict[str, str]:
    """Return {part of the training program: tower}, for `final_table`."""
    return {f"{name}-{stage}": name for name in towers}


def statements() -> dict[str, str]:
    """Return the statements of exercise 10.3 by their letters."""
    return dict(STATEMENTS)


# ------------------------------------------------------------------------------- full size

PUBLISHED: dict[str, dict[str, Any]] = {
    "CLIP ViT-L/14, 336 (as published)": {
        "name": "clip_vision_model",
        "image_dim_out": 1024,
        "num_img_tokens": 144,
    },
    "CLIP ViT-B/32 at 256": {
        "name": "clip_vision_model",
        "image_dim_out": 768,
        "num_img_tokens": 16,
        "vision_config": {
            "hidden_size": 768,
            "intermediate_size": 3072,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "image_size": 256,
            "patch_size": 32,
        },
    },
    "SigLIP so400m/14 at 392": {
        "name": "siglip_vision_model",
        "image_dim_out": 1152,
        "num_img_tokens": 196,
        "vision_config": {
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 27,
            "num_attention_heads": 16,
            "image_size": 392,
            "patch_size": 14,
        },
    },
    "DINOv2 ViT-L/14 at 224": {
        "name": "dinov2",
        "image_dim_out": 1024,
        "num_img_tokens": 64,
        "vision_config": {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "image_size": 224,
            "patch_size": 14,
        },
    },
}
FROZEN_BYTES, TRAINED_BYTES = 2, 16  # bfloat16; and float32 weight, gradient and the two moments of AdamW


def published_costs(tower: str, *, lora_rank: int = 16) -> dict[str, float]:
    """Return what each stage trains of Phi-3.5-vision with a tower of PUBLISHED, and the memory it needs.

    Parameters are counted on modules without memory, from configurations alone. "… GB" is the memory of
    weights, gradients and AdamW's moments, without activations. lora_rank: on all matrices of the language
    model's layers.
    """
    return dict(_published_costs(tower, lora_rank))


@cache
def _published_costs(tower: str, lora_rank: int) -> dict[str, float]:
    from accelerate import init_empty_weights
    from transformers.initialization import no_init_weights

    from phi3lib.vision.configuration import Phi3VConfig
    from phi3lib.vision.modeling import Phi3VForCausalLM

    options = {"projection_cls": "mlp", "use_hd_transform": True, "with_learnable_separator": True}
    config = Phi3VConfig(embd_layer=options, img_processor=PUBLISHED[tower])
    with init_empty_weights(), no_init_weights():
        model = Phi3VForCausalLM(config)
    return _costs(model, lora_rank)


def _costs(model: Any, lora_rank: int) -> dict[str, float]:
    every = sum(weight.numel() for weight in model.parameters())
    embedding = model.model.vision_embed_tokens
    tower_weights = sum(weight.numel() for weight in embedding.img_processor.parameters())
    projector = sum(weight.numel() for weight in embedding.parameters()) - tower_weights
    lora = sum(
        lora_rank * sum(module.weight.shape)
        for name, module in model.named_modules()
        if re.fullmatch(LORA_TARGETS, name)
    )
    trained = {"projector": projector, "lora": lora, "both": projector + lora}
    costs: dict[str, float] = {"all": every, "tower": tower_weights, **trained}
    for stage, count in trained.items():
        frozen = every - (count if stage == "projector" else projector * (stage == "both"))
        costs[f"{stage} GB"] = (FROZEN_BYTES * frozen + TRAINED_BYTES * count) / 1e9
    return costs


def show_costs(*, lora_rank: int = 16) -> None:
    """Print the costs of every tower of PUBLISHED as a table."""
    lora = f"LoRA {lora_rank}"
    print(f"{'':34} {'million parameters':^27}  {'tokens':>7} {'memory of a stage, GB':>24}")
    columns = f"{'a tile':>7} {'projector':>10} {'LoRA':>6} {'both':>6}"
    print(f"{'':34} {'tower':>7} {'projector':>10} {lora:>8}  {columns}")
    for name, settings in PUBLISHED.items():
        cost = published_costs(name, lora_rank=lora_rank)
        tower, projector, adapters = (f"{cost[part] / 1e6:.0f}" for part in ("tower", "projector", "lora"))
        a, b, c = (f"{cost[f'{stage} GB']:.1f}" for stage in ("projector", "lora", "both"))
        tokens = settings["num_img_tokens"]
        print(f"{name:34} {tower:>7} {projector:>10} {adapters:>8}  {tokens:>7} {a:>10} {b:>6} {c:>6}")


def costs_rise_with_tokens(steps: Sequence[Mapping[str, Any]], *, lora_rank: int = 16) -> bool:
    """Return whether measured steps cost more for towers with more tokens a tile, and more than on paper.

    steps: of `measured_costs(GPU_TABLE)["towers"]`. Seconds and peaks of each stage are compared between
    towers, and each peak with what `published_costs` says of the same stage.
    """
    by_tokens = sorted(PUBLISHED, key=lambda name: int(PUBLISHED[name]["num_img_tokens"]))
    paper = {tower: published_costs(tower, lora_rank=lora_rank) for tower in by_tokens}
    rows = {(step["tower"], step["stage"]): step for step in steps}
    for stage in ("projector", "lora", "both"):
        measured_steps = [rows[tower, stage] for tower in by_tokens]
        for cost in ("step_seconds", "bytes"):
            costs = [step[cost] for step in measured_steps]
            if any(larger <= smaller for smaller, larger in itertools.pairwise(costs)):
                return False
        if any(rows[tower, stage]["bytes"] <= 1e9 * paper[tower][f"{stage} GB"] for tower in by_tokens):
            return False
    return True
