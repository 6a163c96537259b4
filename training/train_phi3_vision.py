"""Train the small Phi-3-vision on the picture-book's scenes.

    python -m training.train_phi3_vision --clip data/models/clip-small --minutes 180 --processes 2 \\
        --run build/phi3 --out data/models/phi3-vision-small

The tower starts from the small CLIP's, and the time has three parts. First (`--tower` of it) the tower learns
alone to tell what every patch shows. Then projector and language model learn to answer on a tower that stays
as it is, so that what it knows is not lost to answers that mean nothing yet. At last (`--together`) all of it
learns. Beside the answers, the language model learns where in the picture a visual token stands, and one of
its heads where to look.

An interrupted run goes on where it stopped; a finished one when it is given more minutes. With `--earlier
FOLDER` a new run goes on from all weights of an earlier one; give it `--tower 0` to leave the tower's own
part out. To teach it pages and strings without a meaning, on all weights together:

    python -m training.train_phi3_vision --clip data/models/clip-small \\
        --earlier data/models/phi3-vision-small --diet pages --tower 0 --together 1 --rate 3e-4 \\
        --minutes 120 --processes 2 --run build/pages --out build/phi3-pages

With --sketches FOLDER (see `training.pack_drawings`) the tower learns to tell drawings by people apart, too.
"""

import argparse
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from phi3lib import Phi3VForCausalLM, Phi3VImageProcessor, Phi3VProcessor
from training.cards import machine, record_training
from training.drawing import Ahead
from training.phi3_examples import DIETS, PRACTICE, SceneBatch, TileBatch, draw_scenes, draw_tiles
from training.phi3_model import (
    NUM_CROPS,
    PATCH,
    TILE,
    Answered,
    Phi3Learner,
    make_phi3,
    start_from_clip,
    start_from_phi3,
)
from training.phi3_tokenizer import make_phi3_tokenizer
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
from training.sketches import SketchBatch, SketchHead, categories, draw_sketches

REPORT_STEPS = 50
KEEP_STEPS = 200
HEAD_STEPS = 60
STAGES = ("tower", "answers", "together")
CURVE = (
    "minutes",
    "step",
    "patch kind",
    "patch first",
    "place",
    "right things sharp",
    "right things blurred",
    "right print sharp",
    "right print blurred",
    "right page sharp",
    "right sketches",
)
READS, LEVEL_STEP = 0.5, 0.004  # print gets smaller while this share of the characters is read
DENSE_WEIGHT = 0.5  # of the patches' loss beside that of the answers
PLACE_WEIGHT = 0.2  # of the loss of the visual tokens' places
LOOK_WEIGHT = 0.2  # of the loss of a head that does not look at what is asked about
SCENES_TO_SKETCHES = 8  # workers that draw scenes to one that draws sketches
SKETCH_WEIGHT = 0.5  # of the loss of the drawings by people


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, required=True, help="the folder of the small CLIP")
    parser.add_argument("--earlier", type=Path, default=None, help="a Phi-3-vision whose training goes on")
    add_common_arguments(parser, minutes=180, run=Path("build/phi3"))
    parser.add_argument("--tower", type=float, default=0.25, help="share of the time for the tower alone")
    parser.add_argument("--together", type=float, default=0.15, help="share of the time for all, at the end")
    parser.add_argument("--tiles", type=int, default=48, help="tiles of a step and process, tower alone")
    parser.add_argument("--diet", choices=DIETS, default="scenes", help="what the scenes show")
    parser.add_argument("--scenes", type=int, default=4, help="scenes of a step and process")
    parser.add_argument("--sketches", type=Path, default=None, help="drawings by people, for the tower")
    parser.add_argument("--hands", type=int, default=32, help="drawings of a step and process")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    options.run.mkdir(parents=True, exist_ok=True)
    processor_of(options.run, options.earlier)
    launch(train, options)


def processor_of(run: Path, earlier: Path | None = None) -> Phi3VProcessor:
    """The run's processor; its tokenizer is that of an earlier run, or made at the first start."""
    folder = earlier or run / "tokenizer"
    if not folder.exists():
        make_phi3_tokenizer().save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokens = (TILE // PATCH // 2) ** 2
    images = Phi3VImageProcessor(NUM_CROPS, num_img_tokens=tokens, tile_size=TILE, patch_size=PATCH)
    return Phi3VProcessor(images, tokenizer)


def train(rank: int, options: argparse.Namespace, now: Now = time.monotonic) -> None:
    """Run one process of the training. now: tells the time, in seconds."""
    join(rank, options.processes, options.run)
    processor = processor_of(options.run, options.earlier)
    model = make_phi3(processor.tokenizer)
    if options.earlier is None:
        start_from_clip(model, str(options.clip / "model.safetensors"))
    else:
        start_from_phi3(model, str(options.earlier / "model.safetensors"))
    folder = vars(options).get("sketches")
    learner = Phi3Learner(model, len(categories(folder)) if folder else 0).to(
        device_of(options.device, rank), DTYPES[options.dtype]
    )
    run = Run(rank, options, processor, learner, now)
    if kept := Checkpoint.load(options.run):
        run.go_on(kept)
    while not over(run.clock):
        run.one_step()
    run.close()
    if rank == 0:
        run.keep()
    if dist.is_initialized():
        dist.destroy_process_group()


def stage_of(share: float, options: argparse.Namespace) -> str:
    """What learns after this share of the time: "tower", "answers" or "together"."""
    if share < options.tower:
        return "tower"
    return "answers" if share < 1 - options.together else "together"


class Run:
    """One process of a training: model, optimizer, clock and logs."""

    def __init__(
        self,
        rank: int,
        options: argparse.Namespace,
        processor: Phi3VProcessor,
        learner: Phi3Learner,
        now: Now = time.monotonic,
    ) -> None:
        self.rank, self.options, self.processor, self.learner = rank, options, processor, learner
        weight = next(learner.parameters())
        self.device, self.dtype = weight.device, weight.dtype
        self.step, self.level, self.clock = 0, 0.0, Clock(options.minutes, now=now)
        self.tiles: Ahead[TileBatch] = Ahead(partial(draw_tiles, processor), options.workers)
        diet = vars(options).get("diet", "scenes")
        scenes = partial(draw_scenes, processor, diet=diet, dtype=self.dtype)
        self.drawn, self.scenes = 0, Ahead(scenes, options.workers)
        folder: Path | None = vars(options).get("sketches")
        self.sketches: Ahead[SketchBatch] | None = None
        if folder is not None:
            workers = -(-options.workers // SCENES_TO_SKETCHES)
            self.sketches = Ahead(partial(draw_sketches, folder), workers)
        self.log = Log(options.run / "log.csv")
        self.means: dict[str, float] = {}
        self.enter("tower")

    def enter(self, stage: str) -> None:
        """Begin a stage: its weights learn, with an optimizer of their own, and the others stay."""
        self.stage, self.entered = stage, self.step
        tower = {id(weight) for weight in self.learner.embedding.img_processor.parameters()}
        tower |= {id(weight) for weight in self.learner.dense.parameters()}
        for weight in self.learner.parameters():
            weight.requires_grad_(stage == "together" or (id(weight) in tower) == (stage == "tower"))
        self.optimizer = MixedMuon(self.learner)

    def go_on(self, kept: Checkpoint) -> None:
        """Go on from what `keep` wrote."""
        facts = kept.facts
        self.learner.load_state_dict(kept.tensors["model"])
        self.step, self.level, self.drawn = facts["step"], facts["level"], facts["drawn"]
        self.clock = replace(self.clock, spent=facts["seconds"])
        self.enter(facts["stage"])
        self.entered = facts["entered"]
        self.optimizer.load(kept.tensors["optimizer"])

    def one_step(self) -> None:
        """One step of the stage that the clock is in; now and then a report and a checkpoint."""
        share = average({"share": self.clock.share})["share"]
        if (stage := stage_of(share, self.options)) != self.stage:
            self.enter(stage)
        rate = learning_rate(self.step - self.entered, share, self.options.rate)
        steps = {"tower": self.tower_step, "answers": self.answer_step, "together": self.whole_step}
        # New heads say nothing yet: until they have learned, they must not change what an earlier run knows.
        self.learner.new_heads = self.options.earlier is not None and self.step < HEAD_STEPS
        measured = steps[self.stage](share)
        self.optimizer.step(rate)
        self.means = smoothed(self.means, measured)
        self.step += 1
        if self.rank == 0 and self.step % REPORT_STEPS == 0:
            self.report()
        if self.rank == 0 and self.step % KEEP_STEPS == 0:
            self.keep()

    def tower_step(self, _: float) -> dict[str, float]:
        """Gradients of the tower alone: what does each patch show?"""
        many = self.options.tiles
        batch = self.tiles.take(
            self.step, lambda step: ((step * self.options.processes + self.rank) * many, many, self.level)
        )
        batch = moved(batch, self.device)
        features = self.learner.features(batch.pixels.to(self.dtype))
        loss, shares = self.learner.dense(features, batch.labels)
        loss.backward()
        measured = average(
            {f"patch {name}": float(value) for name, value in {"loss": loss.detach(), **shares}.items()}
        )
        self.level = harder(self.level, self.means)
        return measured

    def answer_step(self, share: float) -> dict[str, float]:
        """Gradients of projector and language model, on features of a tower that stays as it is."""
        batch = self.fresh(share)
        with torch.no_grad():
            features = self.features(batch)
        loss, measured = self.answers(batch, features)
        loss.backward()
        return measured

    def whole_step(self, share: float) -> dict[str, float]:
        """Gradients of everything: the answers, and beside them what each patch shows."""
        batch = self.fresh(share)
        features = self.features(batch)
        labels = {name: plane.flatten(0, 1) for name, plane in batch.labels.items()}
        seen = features.detach() if self.learner.new_heads else features
        dense, _ = self.learner.dense(seen.flatten(0, 1), labels)
        loss, measured = self.answers(batch, features)
        loss = loss + DENSE_WEIGHT * dense
        if self.sketches is not None and self.learner.sketches is not None:
            sketch_loss, right = self.sketched(self.sketches, self.learner.sketches)
            loss = loss + SKETCH_WEIGHT * sketch_loss
            measured |= average({"right sketches": float(right)})
        loss.backward()
        return measured

    def sketched(self, sketches: Ahead[SketchBatch], head: SketchHead) -> tuple[Tensor, Tensor]:
        """The loss of this step's drawings by people, and the share whose category was told."""
        many, processes = self.options.hands, self.options.processes
        drawn = sketches.take(self.step, lambda step: (step * processes + self.rank, many))
        drawn = moved(drawn, self.device)
        features = self.learner.features(drawn.pixels.to(self.dtype))
        return head(features.detach() if self.learner.new_heads else features, drawn.wanted)

    def fresh(self, share: float) -> SceneBatch:
        """Fresh scenes; all processes draw others of one style, mode and side, so that none waits."""
        many = self.options.scenes
        if self.options.earlier is not None:
            share = max(share, PRACTICE)  # the earlier run has practised

        def arguments_of(number: int) -> tuple[object, ...]:
            return number * self.options.processes * many, many, self.rank * many, share

        batch = self.scenes.take(self.drawn, arguments_of)
        self.drawn += 1
        return moved(batch, self.device)

    def features(self, batch: SceneBatch) -> Tensor:
        """The tower's features of all tiles: (scenes, 1 + crops, patches², C)."""
        count, tiles = batch.pixel_values.shape[:2]
        features = self.learner.features(batch.pixel_values.flatten(0, 1).to(self.dtype))
        return features.view(count, tiles, *features.shape[1:])

    def answers(self, batch: SceneBatch, features: Tensor) -> tuple[Tensor, dict[str, float]]:
        """The loss of answers, places and looks, and what was right."""
        answered = self.learner.answers(features, batch.image_sizes, batch.rows)
        loss = answered.loss + PLACE_WEIGHT * answered.place_loss + LOOK_WEIGHT * answered.look_loss
        return loss, measures_of(batch, answered)

    def report(self) -> None:
        """A row in the log."""
        means = dict(sorted(self.means.items()))
        self.log.write(
            step=self.step,
            minutes=self.clock.seconds / 60,
            stage=STAGES.index(self.stage),
            level=self.level,
            **means,
        )

    def keep(self) -> None:
        """Write the checkpoint, and the model as it is now."""
        facts = {
            "stage": self.stage,
            "entered": self.entered,
            "step": self.step,
            "seconds": self.clock.seconds,
            "level": self.level,
            "drawn": self.drawn,
        }
        # The word embedding stands there under two names; in a file each needs numbers of its own.
        model = {name: tensor.clone() for name, tensor in self.learner.state_dict().items()}
        Checkpoint(facts, {"model": model, "optimizer": self.optimizer.state()}).save(self.options.run)
        if self.options.out is not None:
            export(self.learner.phi3, self.processor, self.options.out)
            record_training(
                self.options.out,
                self.log.path,
                minutes=self.clock.seconds / 60,
                earlier=self.options.earlier,
                machine=machine(self.device, self.options.processes),
                program="training/train_phi3_vision.py",
                names=CURVE,
            )

    def close(self) -> None:
        """End the workers."""
        for ahead in (self.tiles, self.scenes, self.sketches):
            if ahead is not None:
                ahead.close()


def measures_of(batch: SceneBatch, answered: Answered) -> dict[str, float]:
    """Loss and share of right tokens of one step, averaged over processes, by what was asked."""
    # Print on fewer tiles is practice; what counts, and what the curve of the card shows, is print on three.
    practice = batch.style == "print" and batch.side < 3
    what = f"{batch.style} {f'on {batch.side} ' if practice else ''}{batch.mode}"
    return average(
        {
            f"loss {what}": float(answered.loss.detach()),
            f"right {what}": float(answered.right),
            "place": float(answered.place_right),
            f"looks {batch.style}": float(answered.looks.detach()),
        }
    )


def harder(level: float, means: dict[str, float]) -> float:
    """A little smaller print where the tower reads what it gets, else the same."""
    reads = means.get("patch first", 0.0) > READS
    return min(level + LEVEL_STEP, 1.0) if reads else level


def export(phi3: Phi3VForCausalLM, processor: Phi3VProcessor, folder: Path) -> None:
    """Write the model as transformers reads it: float16 safetensors, tokenizer, preprocessing."""
    save_half(phi3, folder)
    processor.tokenizer.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)


if __name__ == "__main__":
    main()
