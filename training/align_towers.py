"""Put towers of different trainings into the small Phi-3-vision and align them.

    python -m training.align_towers --run build/towers --out data/models/towers

One part after the other, each a few hundred steps: scenes are drawn, the two small towers are trained (labels
for every patch; masked patches without labels), and for each tower the projector is trained with tower and
language model frozen, then LoRA on the language model, both, or the projector again. Every part leaves a file
in --run: an interrupted program repeats the part that was under way. --only names parts; --out is written
after each.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from phi3lib import load_phi3_model
from phi3lib.lab.lessons import nb10_towers
from phi3lib.lab.lessons.nb10_alignment import (
    BATCH,
    CHANCE,
    PRINT_GRID,
    TEST_SCENES,
    TOPICS,
    AskedScene,
    adapter_of,
    answered,
    asked_scenes,
    print_scenes,
    rows_of,
    scores,
    train,
)
from phi3lib.lab.lessons.nb10_towers import (
    PATCH,
    SMALL,
    TILE,
    small_phi3,
    untrained_network,
    weights_of,
    with_tower,
)
from phi3lib.loading.defaults import BUNDLED_FOLDER
from picturebook.colors import COLORS
from picturebook.kinds import KINDS
from picturebook.scenes import draw_scene
from training.cards import BEGIN, END
from training.dense_labels import dense_labels

SCENES = 1_900  # for training; every stage sees each of them at most once
TEST, TEST_CURVE = 100, 40  # scenes that final scores and points of curves are measured on
TEST_PRINT = 60  # scenes with small print, which no part is trained on
POINTS = (1 / 4, 1 / 2)  # of a stage: points of its curve between first and last
TOWER_STEPS, TOWER_BATCH = 240, 64
CROPS = ("sharp", "blurred")
PRINT = "print"  # the part that scores it, and the topic
PATCHES = TILE // PATCH
MASKED = 0.6  # of the patches
# "further" goes on with the projector alone, as long as "lora" and "both": what more steps do without LoRA.
STEPS = {"projector": SCENES // BATCH, "further": 60, "lora": 60, "both": 60}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=Path("build/towers"))
    parser.add_argument("--out", type=Path, default=BUNDLED_FOLDER / "towers")
    parser.add_argument("--only", nargs="*", default=None, help="names of parts, such as clip-projector")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    options.run.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)
    nb10_towers.FOLDER = options.out  # towers and adapters of earlier parts are read from there
    program = Program(options.run, options.out)
    for name, part in program.parts().items():
        if (options.only is None or name in options.only) and not (options.run / f"{name}.json").exists():
            started = time.process_time()
            facts = part()
            facts["cpu seconds"] = time.process_time() - started
            write_json(options.run / f"{name}.json", facts)
            print(name, json.dumps(facts)[:300], flush=True)
            program.collect()


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, facts: dict[str, Any]) -> None:
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def write_table(card: Path, facts: dict[str, Any]) -> None:
    """Put budgets and final scores into a card between its marks; without a card nothing is written."""
    if not card.exists():
        return
    text = card.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    card.write_text(before + BEGIN + table_of(facts) + END + rest.split(END)[1], encoding="utf-8")


def table_of(facts: dict[str, Any]) -> str:
    """Return the finished parts as Markdown tables: the towers' trainings, then scores with intervals."""
    towers = [f"| part | steps | tiles seen | CPU seconds |\n|{'---|' * 4}"]
    lines = [
        "Right answers about new scenes, word for word, with 95 % intervals (Wilson's). The seconds are CPU",
        "time of one core, with the measuring of the curve.",
        "",
        f"| part | scenes seen | numbers trained | CPU seconds | {' | '.join(TOPICS)} |",
        f"|{'---|' * (4 + len(TOPICS))}",
    ]
    for name, part in facts.items():
        if "tiles" in part:
            towers.append(f"| {name} | {part['steps']} | {part['tiles']:,} | {part['cpu seconds']:.0f} |")
        if "final" in part:
            scored = (part["final"]["sharp"][topic] for topic in TOPICS)
            cells = [f"{one['value']:.0%} ({one['low']:.0%} to {one['high']:.0%})" for one in scored]
            seen, trained = part.get("steps", 0) * BATCH, part.get("trainable", 0)
            lines.append(
                f"| {name} | {seen:,} | {trained:,} | {part['cpu seconds']:.0f} | {' | '.join(cells)} |"
            )
    chance = " | ".join(f"{CHANCE[topic]:.0%}" for topic in TOPICS)
    rows = [*towers, "", *lines, f"| chance | | | | {chance} |", *_print_lines(facts.get(PRINT, {}))]
    return "\n".join(rows) + "\n"


def _print_lines(facts: dict[str, Any]) -> list[str]:
    """Return a Markdown table of how words in small print are read; no line where this was not measured."""
    parts = {name: part for name, part in facts.items() if isinstance(part, dict)}
    if not parts:
        return []
    lines = [
        "",
        f"Words in small print, on {TEST_PRINT} new scenes of 3 × 3 tiles. No part was trained on print.",
        "",
        "| part | sharp crops | blurred crops |",
        "|---|---|---|",
    ]
    for name, part in parts.items():
        sharp, blurred = (
            f"{one['value']:.0%} ({one['low']:.0%} to {one['high']:.0%})"
            for one in (part["sharp"], part["blurred"])
        )
        lines.append(f"| {name} | {sharp} | {blurred} |")
    return [*lines, f"| chance | {CHANCE[PRINT]:.0%} | {CHANCE[PRINT]:.0%} |"]


class Program:
    """The parts of the program, by name, and what they share."""

    def __init__(self, run: Path, out: Path) -> None:
        self.run, self.out = run, out
        self._scenes: dict[str, list[AskedScene]] = {}

    def parts(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Return what is to be done, in order: each returns the facts of its JSON file."""
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "original": self.original,
            "clip-projector": partial(self.align, "clip", "projector"),
            "untrained-projector": partial(self.align, "untrained", "projector"),
            "labels": partial(self.pretrain, "labels"),
            "labels-projector": partial(self.align, "labels", "projector"),
            "masked": partial(self.pretrain, "masked"),
            "masked-projector": partial(self.align, "masked", "projector"),
            "pixels-projector": partial(self.align, "pixels", "projector"),
            "clip-new-projector": partial(self.align, "clip-new", "projector"),
        }
        for stage in ("further", "lora", "both"):  # of one tower: it compares stages, not towers
            parts[f"clip-{stage}"] = partial(self.align, "clip", stage)
        parts[PRINT] = self.small_print  # last: it scores what the others have left
        return parts

    def collect(self) -> None:
        """Write what all finished parts measured into one file beside the adapters."""
        done = {name: self.run / f"{name}.json" for name in self.parts()}
        facts = {name: read_json(path) for name, path in done.items() if path.exists()}
        base = read_json(BUNDLED_FOLDER / "phi3-vision-small" / "training.json")
        facts["base"] = {"weights": weights_of(small_phi3()), "minutes": base["minutes"] + base["before"]}
        write_json(self.out / "curves.json", facts)
        for file in self.out.glob("*.safetensors"):
            file.chmod(0o644)
        write_table(self.out / "README.md", facts)

    def scenes(self, split: str) -> list[AskedScene]:
        """Return the scenes of training ("train") or of measuring ("test")."""
        if split not in self._scenes:
            count, first = (SCENES, 0) if split == "train" else (TEST, TEST_SCENES)
            self._scenes[split] = asked_scenes(count, split=split, first=first)
        return self._scenes[split]

    # ------------------------------------------------------------------------ towers

    def pretrain(self, objective: str) -> dict[str, Any]:
        """Train a small tower alone and keep it; the curve is its loss."""
        tiles, labels = self.tiles, self.labels if objective == "labels" else None
        network = untrained_network().train()
        head = OBJECTIVES[objective]()
        optimizer = torch.optim.AdamW([*network.parameters(), *head.parameters()], weight_decay=0.01)
        rng, curve = np.random.default_rng(1), []
        for step in range(TOWER_STEPS):
            share = step / TOWER_STEPS
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min(1.0, share * 20 + 0.05) * (1 - share)
            chosen = torch.from_numpy(rng.choice(len(tiles), TOWER_BATCH, replace=False))
            loss = head(network, tiles[chosen], None if labels is None else labels[chosen], rng)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if step % 20 == 0 or step == TOWER_STEPS - 1:
                curve.append([step + 1, round(float(loss.detach()), 4)])
                print(objective, *curve[-1], flush=True)
        weights = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
        save_file(weights, self.out / f"{objective}.safetensors")
        return {"steps": TOWER_STEPS, "tiles": TOWER_STEPS * TOWER_BATCH, "loss": curve}

    @cached_property
    def tiles(self) -> Tensor:
        """All tiles of the training scenes: (n, 3, side, side)."""
        processor = load_phi3_model(BUNDLED_FOLDER / "phi3-vision-small").processor
        pixels = [
            processor(one.image, return_tensors="pt")["pixel_values"][0] for one in self.scenes("train")
        ]
        return torch.cat(pixels)

    @cached_property
    def labels(self) -> Tensor:
        """Kind and color of what each patch of `tiles` shows: (n, patches², 2)."""
        planes = []
        for number in range(SCENES):
            scene = draw_scene(number, style="things", tile=TILE, grid=(2, 2))
            whole = dense_labels(scene, PATCHES, PATCHES).tiles(PATCHES)
            parts = dense_labels(scene, 2 * PATCHES, 2 * PATCHES).tiles(PATCHES)
            both = [np.concatenate([whole[name], parts[name]]) for name in ("kind", "color")]
            planes.append(np.stack(both, -1))
        return torch.from_numpy(np.concatenate(planes))

    # ------------------------------------------------------------------------ alignment

    def original(self) -> dict[str, Any]:
        """Score the model as it is, with sharp and with blurred crops."""
        return self.final(small_phi3())

    def align(self, tower: str, stage: str) -> dict[str, Any]:
        """Train a stage for a tower; the others continue from "projector"."""
        before = () if stage == "projector" else ("projector",)
        model = with_tower(small_phi3(), tower, before)
        test = rows_of(model, self.scenes("test")[:TEST_CURVE])
        trained_on = rows_of(model, self.scenes("train"))
        steps = STEPS[stage]
        curve: list[dict[str, Any]] = []
        losses: list[float] = []
        points = {round(steps * share) for share in POINTS}

        def point(step: int) -> None:
            scored = scores(answered(model, test))
            curve.append({"step": step, "scenes": step * BATCH, **_plain(scored)})

        def each(step: int, loss: float) -> None:
            losses.append(loss)
            if step in points:
                point(step)

        point(0)
        learns = "projector" if stage == "further" else stage
        trained = train(model, trained_on, learns, steps=steps, seed=STAGE_SEEDS[stage], each=each)
        save_file(
            {key: tensor.contiguous() for key, tensor in adapter_of(trained).items()},
            self.out / f"{tower}-{stage}.safetensors",
        )
        point(steps)
        facts = {"steps": steps, "trainable": sum(weight.numel() for weight in trained.values())}
        tail = losses[-max(1, steps // 10) :]
        return {**facts, "loss": float(np.mean(tail)), "curve": curve, **self.final(model)}

    def small_print(self) -> dict[str, Any]:
        """Score how each finished stage reads words in small print: {part: {crops: score}}."""
        scenes = print_scenes(TEST_PRINT)
        finished = [name for name in self.parts() if "-" in name and (self.run / f"{name}.json").exists()]
        models = {"original": small_phi3()} | {name: _aligned(name) for name in finished}
        return {name: _print_scores(model, scenes) for name, model in models.items()}

    def final(self, model: Any) -> dict[str, Any]:
        """Return the scores on all test scenes, with sharp and with blurred crops, and the single answers.

        The answers with sharp crops are one string for each topic, "1" for a right one, in the order of the
        test scenes, so that parts can be compared question by question.
        """
        right = {crops: answered(model, rows_of(model, self.scenes("test"), crops=crops)) for crops in CROPS}
        single = {topic: "".join(map(str, map(int, values))) for topic, values in right["sharp"].items()}
        return {
            "final": {crops: _plain(scores(values)) for crops, values in right.items()},
            "answers": {topic: values for topic, values in single.items() if values},
        }


def _aligned(part: str) -> Any:
    """Return the model that a part such as "clip-new-projector" left."""
    tower, stage = part.rsplit("-", 1)
    stages = ("projector",) if stage == "projector" else ("projector", stage)
    return with_tower(small_phi3(), tower, stages)


def _print_scores(model: Any, scenes: list[AskedScene]) -> dict[str, Any]:
    num_crops = PRINT_GRID[0] * PRINT_GRID[1]
    rows = {crops: rows_of(model, scenes, crops=crops, num_crops=num_crops) for crops in CROPS}
    return {crops: _plain(scores(answered(model, one)))["print"] for crops, one in rows.items()}


STAGE_SEEDS = {"projector": 0, "further": 1, "lora": 1, "both": 1}


def _plain(scored: dict[str, Any]) -> dict[str, Any]:
    return {topic: estimate.as_dict() for topic, estimate in scored.items()}


# ------------------------------------------------------------------------------- objectives


class Labels(nn.Module):
    """Kind and colour of what each patch shows; patches with nothing count a tenth."""

    def __init__(self) -> None:
        super().__init__()
        width = SMALL["hidden_size"]
        self.heads = nn.ModuleList([nn.Linear(width, len(KINDS) + 1), nn.Linear(width, len(COLORS) + 1)])

    def forward(self, network: Any, tiles: Tensor, labels: Tensor, _: np.random.Generator) -> Tensor:
        """Return the sum of both cross-entropies."""
        patches = network(pixel_values=tiles).last_hidden_state[:, 1:]
        losses = []
        for number, head in enumerate(self.heads):
            wanted = labels[..., number].flatten()
            weight = torch.where(wanted == 0, 0.1, 1.0)
            each = nn.functional.cross_entropy(head(patches).flatten(0, 1), wanted, reduction="none")
            losses.append((each * weight).sum() / weight.sum())
        return torch.stack(losses).sum()


class Masked(nn.Module):
    """Most patches are painted gray, and their pixels are to be rebuilt from the others (as in SimMIM)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(SMALL["hidden_size"], 3 * PATCH * PATCH)

    def forward(self, network: Any, tiles: Tensor, _: Tensor | None, rng: np.random.Generator) -> Tensor:
        """Return the mean squared error of the hidden pixels."""
        hidden = torch.from_numpy(rng.random((len(tiles), PATCHES, PATCHES)) < MASKED)
        over = hidden.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[:, None]
        patches = network(pixel_values=tiles.masked_fill(over, 0.0)).last_hidden_state[:, 1:]
        wanted = nn.functional.unfold(tiles, PATCH, stride=PATCH).transpose(1, 2)  # (n, patches², 3·14·14)
        return nn.functional.mse_loss(self.head(patches)[hidden.flatten(1)], wanted[hidden.flatten(1)])


OBJECTIVES: dict[str, Callable[[], nn.Module]] = {"labels": Labels, "masked": Masked}

if __name__ == "__main__":
    main()
