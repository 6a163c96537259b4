"""Train the small Phi-3-vision on the picture-book's scenes.

    python -m training.train_phi3_vision --clip data/models/clip-small --minutes 180 --processes 2 \\
        --run build/phi3 --out data/models/phi3-vision-small

The tower starts from the small CLIP's. First (`--tower` of the time) it learns alone to tell what every
patch shows, then tower, projector and language model learn together to answer. An interrupted run goes on
where it stopped; a finished one goes on when it is given more minutes.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from transformers import PreTrainedTokenizerFast

from phi3lib import Phi3VForCausalLM, Phi3VImageProcessor, Phi3VProcessor
from training.cards import record_training
from training.phi3_examples import draw_scenes, draw_tiles
from training.phi3_model import NUM_CROPS, PATCH, TILE, Phi3Learner, make_phi3, start_from_clip
from training.phi3_tokenizer import make_phi3_tokenizer
from training.runs import (
    Clock,
    Log,
    MixedAdamW,
    add_common_arguments,
    average,
    join,
    launch,
    learning_rate,
    load,
    over,
    save,
    save_half,
)

REPORT_STEPS = 50
KEEP_STEPS = 200
CURVE = ("minutes", "step", "patch loss", "right things sharp", "right print sharp", "right print blurred")
READS, LEVEL_STEP = 0.5, 0.004  # print gets smaller while this share of the characters is read
DENSE_WEIGHT = 0.5  # of the patches' loss beside that of the answers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, required=True, help="the folder of the small CLIP")
    add_common_arguments(parser, minutes=180, run=Path("build/phi3"))
    parser.add_argument("--tower", type=float, default=0.25, help="share of the time for the tower alone")
    parser.add_argument("--tiles", type=int, default=64, help="tiles of a step and process, tower alone")
    parser.add_argument("--scenes", type=int, default=12, help="scenes of a step and process")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    options.run.mkdir(parents=True, exist_ok=True)
    processor_of(options.run)
    launch(train, options)


def processor_of(run: Path) -> Phi3VProcessor:
    """The run's processor; its tokenizer is made at the first start."""
    folder = run / "tokenizer"
    if not folder.exists():
        make_phi3_tokenizer().save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokens = (TILE // PATCH // 2) ** 2
    images = Phi3VImageProcessor(NUM_CROPS, num_img_tokens=tokens, tile_size=TILE, patch_size=PATCH)
    return Phi3VProcessor(images, tokenizer)


def train(rank: int, options: argparse.Namespace) -> None:
    """One process of the training."""
    join(rank, options.processes, options.run)
    processor = processor_of(options.run)
    model = make_phi3(processor.tokenizer)
    start_from_clip(model, str(options.clip / "model.safetensors"))
    learner = Phi3Learner(model).to(torch.bfloat16)
    optimizer, step, clock, level = MixedAdamW(learner), 0, Clock(options.minutes), 0.0
    if kept := load(options.run / "checkpoint.pt"):
        optimizer.load(kept["optimizer"])
        step, clock, level = kept["step"], Clock(options.minutes, kept["seconds"]), kept["level"]
    logs = {stage: Log(options.run / f"{stage}.csv") for stage in ("tower", "answers")}
    means: dict[str, float] = {}
    while not over(clock):
        share = average({"share": clock.share})["share"]
        alone = share < options.tower
        stage = "tower" if alone else "answers"
        rate = learning_rate(step, clock.share, options.rate)
        if alone:
            measured = tower_step(rank, options, learner, optimizer, processor, step, rate, level)
            level = harder(level, means)
        else:
            measured = answer_step(rank, options, learner, optimizer, processor, step, rate, share)
        # A measure that is not of every step (what a mode or a style gives) keeps its last mean.
        means |= {name: 0.95 * means.get(name, value) + 0.05 * value for name, value in measured.items()}
        step += 1
        if rank == 0 and step % REPORT_STEPS == 0:
            logs[stage].write(
                step=step, minutes=clock.seconds / 60, level=level, **dict(sorted(means.items()))
            )
        if rank == 0 and step % KEEP_STEPS == 0:
            _keep(options, learner, optimizer, processor, step, clock, level)
    if rank == 0:
        _keep(options, learner, optimizer, processor, step, clock, level)
    if dist.is_initialized():
        dist.destroy_process_group()


def harder(level: float, means: dict[str, float]) -> float:
    """A little smaller print where the tower reads what it gets, else the same."""
    reads = means.get("patch first", 0.0) > READS
    return min(level + LEVEL_STEP, 1.0) if reads else level


def tower_step(
    rank: int,
    options: argparse.Namespace,
    learner: Phi3Learner,
    optimizer: MixedAdamW,
    processor: Phi3VProcessor,
    step: int,
    rate: float,
    level: float,
) -> dict[str, float]:
    """The tower alone: what does each patch show?"""
    start = (step * options.processes + rank) * options.tiles
    batch = draw_tiles(processor, start, options.tiles, level)
    loss, shares = learner.dense(learner.features(batch.pixels.to(torch.bfloat16)), batch.labels)
    loss.backward()
    optimizer.step(rate)
    return average(
        {f"patch {name}": float(value) for name, value in {"loss": loss.detach(), **shares}.items()}
    )


def answer_step(
    rank: int,
    options: argparse.Namespace,
    learner: Phi3Learner,
    optimizer: MixedAdamW,
    processor: Phi3VProcessor,
    step: int,
    rate: float,
    share: float,
) -> dict[str, float]:
    """All together: the answers, and beside them what each patch shows."""
    # Both processes draw other scenes of one style, mode and side, so that neither waits for the other.
    start = step * options.processes * options.scenes
    batch = draw_scenes(processor, start, options.scenes, offset=rank * options.scenes, share=share)
    count, tiles = batch.pixel_values.shape[:2]
    features = learner.features(batch.pixel_values.flatten(0, 1).to(torch.bfloat16))
    dense, _ = learner.dense(features, {name: plane.flatten(0, 1) for name, plane in batch.labels.items()})
    rows = batch.rows
    loss, right = learner.answers(
        features.view(count, tiles, *features.shape[1:]),
        batch.image_sizes,
        rows.input_ids,
        rows.mask,
        rows.positions,
        rows.is_answer,
    )
    (loss + DENSE_WEIGHT * dense).backward()
    optimizer.step(rate)
    measured = average(
        {"loss": float(loss.detach()), "right": float(right), "patch loss": float(dense.detach())}
    )
    # Print on fewer tiles is practice; what counts, and what the curve of the card shows, is print on three.
    practice = batch.style == "print" and batch.side < 3
    what = f"{batch.style} {f'on {batch.side} ' if practice else ''}{batch.mode}"
    return {
        "patch loss": measured["patch loss"],
        f"loss {what}": measured["loss"],
        f"right {what}": measured["right"],
    }


def _keep(
    options: argparse.Namespace,
    learner: Phi3Learner,
    optimizer: MixedAdamW,
    processor: Phi3VProcessor,
    step: int,
    clock: Clock,
    level: float,
) -> None:
    state: dict[str, Any] = {
        "optimizer": optimizer.state(),
        "step": step,
        "seconds": clock.seconds,
        "level": level,
    }
    save(state, options.run / "checkpoint.pt")
    if options.out is not None:
        export(learner.phi3, processor, options.out)
        if (log := options.run / "answers.csv").exists():
            record_training(
                options.out,
                log,
                minutes=clock.seconds / 60,
                processes=options.processes,
                program="training/train_phi3_vision.py",
                names=CURVE,
            )


def export(phi3: Phi3VForCausalLM, processor: Phi3VProcessor, folder: Path) -> None:
    """Write the model as transformers reads it: float16 safetensors, tokenizer, preprocessing."""
    save_half(phi3, folder)
    processor.tokenizer.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)


if __name__ == "__main__":
    main()
