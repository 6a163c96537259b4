"""Train the small CLIP on the picture-book.

    python -m training.train_clip --minutes 150 --processes 2 --run build/clip --out data/models/clip

An interrupted run goes on where it stopped; a finished one goes on when it is given more minutes. With
`--earlier FOLDER` a new run goes on from the weights of an earlier one, on pictures as hard as they get. The
weights in `--out` are float16 safetensors in transformers' layout.
"""

import argparse
import random
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch.distributed as dist
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

from picturebook.pictures import SIDE
from training.cards import machine, record_training
from training.clip_examples import Batch, Pace, draw_batch
from training.clip_model import MEAN, PATCH, STD, ClipLearner, make_clip
from training.drawing import Ahead
from training.runs import (
    DTYPES,
    Checkpoint,
    Clock,
    Log,
    MixedMuon,
    Now,
    add_common_arguments,
    average,
    device_of,
    join,
    launch,
    learning_rate,
    moved,
    over,
    save_half,
    smoothed,
)
from training.tokenizer import make_tokenizer

REPORT_STEPS = 50
KEEP_STEPS = 250
CURVE = ("minutes", "pictures", "loss", "pair", "kind", "color", "word", "hard", "hard_words")
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


def train(rank: int, options: argparse.Namespace, now: Now = time.monotonic) -> None:
    """Run one process of the training. now: tells the time, in seconds."""
    join(rank, options.processes, options.run)
    tokenizer = tokenizer_of(options.run, options.earlier)
    model, pace = first_model(tokenizer, options.earlier)
    learner = ClipLearner(model).to(device_of(options.device, rank), DTYPES[options.dtype])
    run = Run(rank, options, tokenizer, learner, pace, now)
    if kept := Checkpoint.load(options.run):
        run.go_on(kept)
    while not over(run.clock):
        run.one_step()
    run.batches.close()
    if rank == 0:
        run.keep()
    if dist.is_initialized():
        dist.destroy_process_group()


class Run:
    """One process of a training: model, optimizer, pace, clock and log."""

    def __init__(
        self,
        rank: int,
        options: argparse.Namespace,
        tokenizer: CLIPTokenizer,
        learner: ClipLearner,
        pace: Pace,
        now: Now = time.monotonic,
    ) -> None:
        self.rank, self.options, self.tokenizer, self.learner = rank, options, tokenizer, learner
        self.optimizer, self.pace, self.step = MixedMuon(learner), pace, 0
        self.clock, self.log = Clock(options.minutes, now=now), Log(options.run / "log.csv")
        self.batches: Ahead[Batch] = Ahead(partial(draw_batch, tokenizer), options.workers)
        self.means: dict[str, float] = {}

    def go_on(self, kept: Checkpoint) -> None:
        """Go on from what `keep` wrote."""
        self.optimizer.load(kept.tensors["optimizer"])
        self.pace, self.step = Pace(**kept.facts["pace"]), kept.facts["step"]
        self.clock = replace(self.clock, spent=kept.facts["seconds"])

    def one_step(self) -> None:
        """Draw, learn, and say now and then what was right."""
        share = self.clock.share
        measured = self.gradients(share)
        self.optimizer.step(learning_rate(self.step, share, self.options.rate))
        self.pace.learn(measured["kind"], measured.get("word", 0.0))
        self.means = smoothed(self.means, measured)
        self.step += 1
        if self.rank == 0 and self.step % REPORT_STEPS == 0:
            self.report()
        if self.rank == 0 and self.step % KEEP_STEPS == 0:
            self.keep()

    def gradients(self, share: float) -> dict[str, float]:
        """Gradients of one batch; the loss and what share of each task was right, over all processes."""
        weight, size = next(self.learner.parameters()), self.options.batch
        batch = self.batches.take(
            self.step, lambda step: ((step * self.options.processes + self.rank) * size, size, self.pace)
        )
        batch = moved(batch, weight.device)
        # All patches in the last fifth: until then about half of them is enough to learn from.
        keep = PATCHES if share > 0.8 else random.Random(self.step).randint(PATCHES // 3, PATCHES * 2 // 3)
        loss, shares = self.learner(
            batch.pixels.to(weight.dtype), batch.input_ids, batch.attention_mask, batch.targets, keep
        )
        loss.backward()
        return average(
            {"loss": float(loss.detach()), **{name: float(value) for name, value in shares.items()}}
        )

    def report(self) -> None:
        """A row in the log."""
        self.log.write(
            step=self.step,
            minutes=self.clock.seconds / 60,
            pictures=self.step * self.options.batch * self.options.processes,
            hard=self.pace.pictures,
            hard_words=self.pace.words,
            **self.means,
        )

    def keep(self) -> None:
        """Write the checkpoint, and the model as it is now."""
        facts = {"pace": asdict(self.pace), "step": self.step, "seconds": self.clock.seconds}
        Checkpoint(facts, {"optimizer": self.optimizer.state()}).save(self.options.run)
        if self.options.out is not None:
            export(self.learner.clip, self.tokenizer, self.options.out)
            record_training(
                self.options.out,
                self.log.path,
                minutes=self.clock.seconds / 60,
                earlier=self.options.earlier,
                machine=machine(next(self.learner.parameters()).device, self.options.processes),
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
