"""Train the small CLIP on the picture-book.

    python -m training.train_clip --minutes 150 --processes 2 --run build/clip --out data/models/clip

An interrupted run goes on where it stopped; a finished one goes on when it is given more minutes. With
`--earlier FOLDER` a new run goes on from the weights of an earlier one, on pictures as hard as they get. The
weights in `--out` are float16 safetensors in transformers' layout.
"""

import argparse
import random
from dataclasses import asdict
from pathlib import Path

import torch
import torch.distributed as dist
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from phi3lib.picturebook.pictures import SIDE
from training.cards import minutes_of, record_training
from training.clip_examples import Pace, draw_batch
from training.clip_model import MEAN, PATCH, STD, ClipLearner, make_clip
from training.runs import (
    Checkpoint,
    Clock,
    Log,
    MixedMuon,
    add_common_arguments,
    average,
    join,
    launch,
    learning_rate,
    over,
    save_half,
)
from training.tokenizer import make_tokenizer

REPORT_STEPS = 50
KEEP_STEPS = 250
CURVE = ("minutes", "pictures", "loss", "pair", "kind", "colour", "word", "hard", "hard_words")
PATCHES = (SIDE // PATCH) ** 2


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common_arguments(parser, minutes=150, run=Path("build/clip"))
    parser.add_argument("--earlier", type=Path, default=None, help="a CLIP whose training goes on")
    parser.add_argument("--batch", type=int, default=96, help="pictures of a step and process")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    options.run.mkdir(parents=True, exist_ok=True)
    tokenizer_of(options.run, options.earlier)
    launch(train, options)


def tokenizer_of(run: Path, earlier: Path | None) -> CLIPTokenizer:
    """The run's tokenizer: that of an earlier run, or made at the first start."""
    if earlier is not None:
        return CLIPTokenizer.from_pretrained(earlier)
    folder = run / "tokenizer"
    if not folder.exists():
        make_tokenizer().save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def first_model(tokenizer: CLIPTokenizer, earlier: Path | None) -> tuple[CLIPModel, Pace]:
    """The model that a run begins with, and how hard its pictures are."""
    model = make_clip(tokenizer)
    if earlier is None:
        return model, Pace()
    model.load_state_dict(CLIPModel.from_pretrained(earlier).state_dict())
    return model, Pace(pictures=1.0, words=1.0)


def train(rank: int, options: argparse.Namespace) -> None:
    """One process of the training."""
    join(rank, options.processes, options.run)
    tokenizer = tokenizer_of(options.run, options.earlier)
    model, pace = first_model(tokenizer, options.earlier)
    learner = ClipLearner(model).to(torch.bfloat16)
    optimizer, step, clock = MixedMuon(learner), 0, Clock(options.minutes)
    if kept := Checkpoint.load(options.run):
        optimizer.load(kept.tensors["optimizer"])
        pace, step = Pace(**kept.facts["pace"]), kept.facts["step"]
        clock = Clock(options.minutes, kept.facts["seconds"])
    log = Log(options.run / "log.csv")
    means: dict[str, float] = {}
    while not over(clock):
        measured = one_step(rank, options, learner, optimizer, tokenizer, pace, step, clock.share)
        pace.learn(measured["kind"], measured.get("word", 0.0))
        means = {name: 0.95 * means.get(name, value) + 0.05 * value for name, value in measured.items()}
        step += 1
        if rank == 0 and step % REPORT_STEPS == 0:
            pictures = step * options.batch * options.processes
            log.write(
                step=step,
                minutes=clock.seconds / 60,
                pictures=pictures,
                hard=pace.pictures,
                hard_words=pace.words,
                **means,
            )
        if rank == 0 and (step % KEEP_STEPS == 0):
            _keep(options, learner, optimizer, tokenizer, pace, step, clock)
    if rank == 0:
        _keep(options, learner, optimizer, tokenizer, pace, step, clock)
    if dist.is_initialized():
        dist.destroy_process_group()


def one_step(
    rank: int,
    options: argparse.Namespace,
    learner: ClipLearner,
    optimizer: MixedMuon,
    tokenizer: CLIPTokenizer,
    pace: Pace,
    step: int,
    share: float,
) -> dict[str, float]:
    """Draw, learn, and say what was right."""
    start = (step * options.processes + rank) * options.batch
    batch = draw_batch(tokenizer, start, options.batch, pace)
    # All patches in the last fifth: until then about half of them is enough to learn from.
    keep = PATCHES if share > 0.8 else random.Random(step).randint(PATCHES // 3, PATCHES * 2 // 3)
    loss, shares = learner(
        batch.pixels.to(torch.bfloat16), batch.input_ids, batch.attention_mask, batch.targets, keep
    )
    loss.backward()
    optimizer.step(learning_rate(step, share, options.rate))
    return average({"loss": float(loss.detach()), **{name: float(value) for name, value in shares.items()}})


def _keep(
    options: argparse.Namespace,
    learner: ClipLearner,
    optimizer: MixedMuon,
    tokenizer: CLIPTokenizer,
    pace: Pace,
    step: int,
    clock: Clock,
) -> None:
    facts = {"pace": asdict(pace), "step": step, "seconds": clock.seconds}
    Checkpoint(facts, {"optimizer": optimizer.state()}).save(options.run)
    if options.out is not None:
        export(learner.clip, tokenizer, options.out)
        if (log := options.run / "log.csv").exists():
            record_training(
                options.out,
                log,
                minutes=clock.seconds / 60,
                before=minutes_of(options.earlier) if options.earlier else 0.0,
                processes=options.processes,
                program="training/train_clip.py",
                names=CURVE,
            )


def export(clip: CLIPModel, tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Write the model as transformers reads it: float16 safetensors, tokenizer, preprocessing."""
    save_half(clip, folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=MEAN,
        image_std=STD,
    ).save_pretrained(folder)


if __name__ == "__main__":
    main()
