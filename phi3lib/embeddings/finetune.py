"""Contrastive fine-tuning of CLIP and SigLIP on pairs of image and text, by transformers' Trainer.

    tuned = fine_tune(load_clip(), dataset, held_out=other, train=("text",), steps=300)
    tuned.history, tuned.model.text_features(["une tasse rouge"])
    tuned.save_pretrained("my-clip")          # load_clip("my-clip") loads it

Pairs come from a `datasets.Dataset`, a folder with a captions file, or two lists (`make_pairs`).
"""

import json
import math
import warnings
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3lib.embeddings.finetune_pairs import Pairs, make_pairs
from phi3lib.embeddings.finetune_runs import (
    checkpoint_folder,
    digest,
    own_random_numbers,
    resume_point,
    weights_mark,
)
from phi3lib.embeddings.finetune_towers import (
    Trained,
    average_weights,
    copied,
    set_trained,
    towers_of,
    trained_weights,
)
from phi3lib.encoders import as_encoder
from phi3lib.loading.progress import without_progress_bars
from phi3lib.vision.inputs import as_number, as_path, as_seed, as_whole

if TYPE_CHECKING:
    from phi3lib.embeddings.finetune_trainer import PairTrainer, Watch

__all__ = ["FineTuned", "Pairs", "average_weights", "fine_tune", "make_pairs"]
POINTS = 500  # of the training loss in the history, at most


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned model, and how it came about.

    model: of the type that was given, in evaluation mode. history: rows in order of their steps, with "step"
    and either "loss" (mean since the last such row) and "learning_rate", or "eval_loss",
    "eval_image_to_text" and "eval_text_to_image" (recall@1 of the held-out pairs). steps: how many were
    taken; fewer than asked for where it stopped early. best_step: whose weights `model` has; None where
    these are the last. trained: how many numbers were trained. errors: images that could not be read, with
    the reason.
    """

    model: Any
    history: list[dict[str, float]]
    steps: int
    best_step: int | None
    trained: int
    errors: dict[str, str]

    def curve(self, name: str) -> tuple[list[int], list[float]]:
        """Return (steps, values) of one column of the history, such as "loss" or "eval_loss"."""
        rows = [row for row in self.history if name in row]
        return [int(row["step"]) for row in rows], [row[name] for row in rows]

    def save_pretrained(self, folder: str | Path) -> Path:
        """Save the model in its published layout (adapters merged), with tokenizer and preprocessing.

        `load_clip(folder)` or `load_encoder(folder)` loads it. Returns the folder.
        """
        path = as_path(folder)
        encoder = as_encoder(self.model)
        feed = getattr(encoder, "clip", encoder)
        with without_progress_bars():
            encoder.network.save_pretrained(path)
        feed.tokenizer.save_pretrained(path)
        feed.processor.save_pretrained(path)
        return path


def fine_tune(
    model: Any,
    pairs: Any,
    *,
    held_out: Any = None,
    train: Sequence[str] = ("text",),
    lora: int | None = None,
    steps: int = 300,
    batch_size: int = 96,
    chunk_size: int | None = None,
    learning_rate: float | None = None,
    warmup: float = 0.1,
    weight_decay: float = 0.0,
    evaluate_every: int = 50,
    patience: int | None = None,
    out: str | Path | None = None,
    watch: "Watch | None" = None,
    cache: MutableMapping[str, Any] | None = None,
    seed: int = 0,
    progress: bool = True,
    trainer_options: Mapping[str, Any] | None = None,
) -> FineTuned:
    """Fine-tune a copy of a model on pairs of image and text; return it with its history.

    model: of `load_clip`, or a CLIP or SigLIP of `load_encoder`, in float32; it stays unchanged. The loss is
        that of its family: CLIP's symmetric softmax or SigLIP's sigmoid. Pairs with equal texts or equal
        images are never counted as wrong.
    pairs, held_out: a `datasets.Dataset`, a folder with a captions file, or `make_pairs(images, texts)`.
        held_out is scored before the first step and every `evaluate_every` steps.
    train: parts that are trained: "text" and "image" (the towers), "projections", "temperature". A tower
        that is not trained runs once for each image or text. lora: rank of adapters (peft) that are trained
        in place of the towers' weights; needs peft.
    batch_size: pairs of a step, all negatives of each other. chunk_size: pairs whose activations are in
        memory together; fewer need less memory and more time, and give the same gradients.
    learning_rate: at its highest; None: 1e-3 for lora, 5e-4 for models of this course's size and 1e-5 for
        published ones. It rises for the share `warmup` of the steps and then falls as a cosine.
    patience: stop after so many scores in a row without a lower held-out loss, and return the best weights.
    out: a folder for checkpoints, every `evaluate_every` steps; the same call again resumes from the last
        complete one, to the same losses. watch: called with (step, encoder) at these steps.
    cache: a dict that keeps the outputs of an image tower that is not trained; pass the same one
        to several calls, and each image is encoded once.
    trainer_options: more of transformers' TrainingArguments, such as {"bf16": True}.

    The caller's random numbers stay as they are. Raises ValueError for unknown parts, fewer pairs than a
    batch, models that cannot be trained so, and an `out` that belongs to another run.
    """
    chosen = Trained(tuple([train] if isinstance(train, str) else train), lora)
    _require_sizes(steps, batch_size, chunk_size, evaluate_every)
    _require_course(warmup, patience, held_out)
    weight_decay, seed = as_number(weight_decay, "weight_decay", 0), as_seed(seed)
    learning_rate = None if learning_rate is None else as_number(learning_rate, "learning_rate", 0)
    sources = [make_pairs(pairs)] + ([] if held_out is None else [make_pairs(held_out)])
    towers_of(model)  # refused before the copy
    with own_random_numbers(seed):
        tuned = copied(model, f"{as_encoder(model).name}, fine-tuned")
        run = _Run(tuned, sources, chosen, batch_size, {} if cache is None else cache)
        options = {
            "max_steps": steps, "learning_rate": run.rate(learning_rate), "weight_decay": weight_decay,
            "warmup_steps": math.ceil(warmup * steps), "per_device_train_batch_size": batch_size,
            "eval_steps": evaluate_every, "seed": seed, "disable_tqdm": not progress,
            **(trainer_options or {}),
        }  # fmt: skip
        with checkpoint_folder(out) as folder:
            trainer = run.trainer(folder, options, chunk_size, patience, watch, keep=out is not None)
            run.train(trainer, resume_point(folder, run.marks(options | {"patience": patience})))
            return run.result(trainer, model)


def _require_sizes(steps: int, batch: int, chunk: int | None, every: int) -> None:
    for name, value in {"steps": steps, "batch_size": batch, "evaluate_every": every}.items():
        as_whole(value, name)
    if chunk is not None:
        as_whole(chunk, "chunk_size")
    if steps < 1 or batch < 2 or every < 1 or (chunk is not None and chunk < 1):
        raise ValueError(
            f"steps={steps}, batch_size={batch}, evaluate_every={every}, chunk_size={chunk}: each is at "
            f"least 1, and batch_size at least 2, since a pair alone has no negatives"
        )


def _require_course(warmup: float, patience: int | None, held_out: Any) -> None:
    as_number(warmup, "warmup", 0, 1)
    if patience is not None and (as_whole(patience, "patience") < 1 or held_out is None):
        raise ValueError(
            f"patience={patience}: stopping early needs held_out= pairs and a patience of 1 or more"
        )


def _trainer_options(options: Mapping[str, Any], *, scored: bool, saved: bool, best: bool) -> dict[str, Any]:
    """Return the Trainer's options that follow from those of a run.

    scored: held-out pairs are scored. saved: checkpoints are written. best: the best weights are loaded.
    """
    return {
        "report_to": [], "remove_unused_columns": False, "dataloader_drop_last": True,
        "lr_scheduler_type": "cosine", "dataloader_pin_memory": False,
        "logging_steps": max(options["max_steps"] // POINTS, 1), "logging_first_step": True,
        "eval_strategy": "steps" if scored else "no",
        "save_strategy": "steps" if saved else "no", "save_steps": options["eval_steps"],
        "save_total_limit": 2, "load_best_model_at_end": best,
        "metric_for_best_model": "eval_loss" if scored else None, "greater_is_better": False,
    }  # fmt: skip


def _usual_rate(network: Any, chosen: Trained) -> float:
    if chosen.lora:
        return 1e-3
    small = sum(weight.numel() for weight in network.parameters()) < 20_000_000
    return 5e-4 if small else 1e-5


class _Run:
    """One call of `fine_tune`: the towers, what is trained of them, and the pairs."""

    def __init__(
        self,
        tuned: Any,
        sources: list[Pairs],
        chosen: Trained,
        batch_size: int,
        cache: MutableMapping[str, Any],
    ) -> None:
        from phi3lib.embeddings.finetune_trainer import PairBatches

        self._tuned, self.towers, self._chosen = tuned, towers_of(tuned), chosen
        self._mark = weights_mark(self.towers)  # before adapters are added
        self._adapted = set_trained(self.towers, chosen)
        self.trained = trained_weights(self.towers)
        self._pairs = [PairBatches(source, self.towers, cache) for source in sources]
        if len(self._pairs[0]) < batch_size:
            raise ValueError(
                f"{len(self._pairs[0])} readable pairs are fewer than batch_size={batch_size}; pass more "
                f"pairs or a smaller batch_size"
            )
        self._scored = len(self._pairs) > 1
        self.errors = {name: why for one in self._pairs for name, why in one.errors.items()}
        if self.errors:
            example, why = next(iter(self.errors.items()))
            warnings.warn(
                f"{len(self.errors)} images could not be read and were left out; the first: {example!r} "
                f"({why})",
                stacklevel=3,
            )

    def rate(self, asked: float | None) -> float:
        """Return the learning rate: the one asked for, or what is usual for such a model."""
        return _usual_rate(self.towers.network, self._chosen) if asked is None else asked

    def trainer(
        self,
        folder: Path,
        options: Mapping[str, Any],
        chunk: int | None,
        patience: int | None,
        watch: "Watch | None",
        *,
        keep: bool,
    ) -> "PairTrainer":
        """Return the Trainer of this run."""
        from transformers import PrinterCallback

        from phi3lib.embeddings.finetune_trainer import OneDeviceArguments, PairTrainer

        stops = patience is not None
        fixed = _trainer_options(options, scored=self._scored, saved=keep or stops, best=stops)
        fixed["use_cpu"] = next(self.towers.parameters()).device.type == "cpu"
        arguments = OneDeviceArguments(**{"output_dir": str(folder), **fixed, **options})
        trainer = PairTrainer(
            model=self.towers,
            args=arguments,
            train_dataset=self._pairs[0],
            eval_dataset=self._pairs[1] if self._scored else None,
            data_collator=self._pairs[0].collate,
            callbacks=self._callbacks(options["eval_steps"], patience, watch),
            chunk_size=chunk,
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    def _callbacks(self, every: int, patience: int | None, watch: "Watch | None") -> list[Any]:
        from transformers import EarlyStoppingCallback

        from phi3lib.embeddings.finetune_trainer import Limits, Watching

        callbacks: list[Any] = [Limits(self.towers)]
        if watch is not None:
            callbacks.append(Watching(self.towers, watch, every))
        if patience is not None:
            callbacks.append(EarlyStoppingCallback(early_stopping_patience=patience))
        return callbacks

    def train(self, trainer: "PairTrainer", start: Path | None) -> None:
        """Train from a checkpoint on, or from the beginning, where held-out pairs are scored first."""
        trainer.args.eval_on_start = self._scored and start is None
        trainer.args.restore_callback_states_from_checkpoint = start is not None  # patience, so far
        trainer.train(resume_from_checkpoint=None if start is None else str(start))

    def marks(self, options: Mapping[str, Any]) -> dict[str, str]:
        """Return checksums of what a run consists of: equal for two runs that give the same losses."""
        data = "\n".join(line for pairs in self._pairs for line in pairs.content)
        named = {name: value for name, value in options.items() if name != "disable_tqdm"}
        said = json.dumps(named | asdict(self._chosen), sort_keys=True, default=str)
        return {"weights": self._mark, "pairs": digest(data), "options": said}

    def result(self, trainer: "PairTrainer", before: Any) -> FineTuned:
        """Return the trained model with its history, adapters merged, everything trainable again."""
        best = trainer.state.best_model_checkpoint if trainer.args.load_best_model_at_end else None
        network = self.towers.network if self._adapted is None else self._adapted.merge_and_unload()
        network.to(next(as_encoder(before).network.parameters()).device).requires_grad_(True).eval()
        history = [_row(row) for row in trainer.state.log_history if "loss" in row or "eval_loss" in row]
        return FineTuned(
            model=self._tuned,
            history=history,
            steps=trainer.state.global_step,
            best_step=None if best is None else int(best.rpartition("-")[2]),
            trained=self.trained,
            errors=self.errors,
        )


def _row(row: Mapping[str, float]) -> dict[str, float]:
    kept = ("step", "loss", "learning_rate", "eval_loss", "eval_image_to_text", "eval_text_to_image")
    return {name: row[name] for name in kept if name in row}
