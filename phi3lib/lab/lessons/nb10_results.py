"""Notebook 10: figures and tables of what was measured, and what alignment costs at full size."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from phi3lib.lab.checks.nb10 import STATEMENTS
from phi3lib.lab.figures import plots
from phi3lib.lab.lessons.nb10_alignment import CHANCE, LORA_TARGETS, TOPICS
from phi3lib.lab.lessons.nb10_towers import TOWERS, measured

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
    spots = list(axes.flat)
    for spot, topic in zip(spots, TOPICS, strict=False):
        for tower in dict.fromkeys([*towers, "untrained"]):
            color, line, mark = LOOKS[tower]
            scenes, share, low, high = curve_of(tower, stage, topic)
            spot.plot(scenes, share, line, marker=mark, color=color, label=tower, markersize=4, lw=1.4)
            if tower in ("clip", "untrained"):  # bands of all would hide each other
                spot.fill_between(scenes, low, high, color=color, alpha=0.12, lw=0)
        spot.axhline(CHANCE[topic], color=plots.PADDING, ls=":", lw=1.2, label="chance")
        spot.set_ylim(-0.03, 1.03)
        plots.write_title(spot, topic)
        spot.set_xlabel("scenes seen")
        spot.set_ylabel("right answers")
    spots[-1].set_axis_off()
    spots[-1].legend(*spots[0].get_legend_handles_labels(), loc="center")
    plots.show(fig, alt=alt)


def final_table(parts: Mapping[str, str], crops: str = "sharp") -> str:
    """Return a text table: for each part of the training program its score in each topic, with interval.

    parts: names as in data/models/towers/curves.json, with what they are called in the table.
    """
    width = max(map(len, parts.values()))
    lines = [" ".join([" " * width, *(f"{topic:>15}" for topic in TOPICS)])]
    for part, name in parts.items():
        final = measured()[part]["final"][crops]
        cells = (
            f"{final[t]['value']:4.0%} ({final[t]['low']:.0%} to {final[t]['high']:.0%})".rjust(15)
            for t in TOPICS
        )
        lines.append(" ".join([name.ljust(width), *cells]))
    lines.append(" ".join(["chance".ljust(width), *(f"{CHANCE[t]:.0%}".rjust(15) for t in TOPICS)]))
    return "\n".join(lines)


def mean_score(part: str, crops: str = "sharp") -> float:
    """Return the mean over the topics of one part's final scores."""
    final = measured()[part]["final"][crops]
    return float(np.mean([final[topic]["value"] for topic in TOPICS]))


def final_score(part: str, topic: str, crops: str = "sharp") -> dict[str, float]:
    """Return `value`, `low` and `high` of one part's final score in a topic."""
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
    """Return parts of the training program with what their towers are, for `final_table`."""
    return {f"{name}-{stage}": f"{name} ({TOWERS[name].split(':')[0].split(',')[0]})" for name in towers}


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
    from accelerate import init_empty_weights

    from phi3lib.vision.configuration import Phi3VConfig
    from phi3lib.vision.modeling import Phi3VForCausalLM

    options = {"projection_cls": "mlp", "use_hd_transform": True, "with_learnable_separator": True}
    config = Phi3VConfig(embd_layer=options, img_processor=PUBLISHED[tower])
    with init_empty_weights():
        model = Phi3VForCausalLM(config)
    return _costs(model, lora_rank)


def _costs(model: Any, lora_rank: int) -> dict[str, float]:
    every = sum(weight.numel() for weight in model.parameters())
    embedding = model.model.vision_embed_tokens
    of_tower = sum(weight.numel() for weight in embedding.img_processor.parameters())
    projector = sum(weight.numel() for weight in embedding.parameters()) - of_tower
    lora = sum(
        lora_rank * sum(module.weight.shape)
        for name, module in model.named_modules()
        if re.fullmatch(LORA_TARGETS, name)
    )
    trained = {"projector": projector, "lora": lora, "both": projector + lora}
    costs: dict[str, float] = {"all": every, "tower": of_tower, **trained}
    for stage, count in trained.items():
        frozen = every - (count if stage == "projector" else projector * (stage == "both"))
        costs[f"{stage} GB"] = (FROZEN_BYTES * frozen + TRAINED_BYTES * count) / 1e9
    return costs


def show_costs() -> None:
    """Print the costs of every tower of PUBLISHED as a table."""
    print(f"{'':34} {'tower':>7} {'projector':>10} {'LoRA':>6} {'memory of a stage, GB':>24}")
    print(f"{'':34} {'million parameters':>25} {'projector':>12} {'LoRA':>6} {'both':>6}")
    for name in PUBLISHED:
        cost = published_costs(name)
        million = (f"{cost[part] / 1e6:.0f}" for part in ("tower", "projector", "lora"))
        memory = (f"{cost[f'{stage} GB']:.1f}" for stage in ("projector", "lora", "both"))
        first, second, third = million
        a, b, c = memory
        print(f"{name:34} {first:>7} {second:>10} {third:>6} {a:>12} {b:>6} {c:>6}")
