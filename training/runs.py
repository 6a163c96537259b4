"""What long trainings share: a schedule by the clock, mixed precision, checkpoints, a log."""

import argparse
import copy
import csv
import json
import math
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from phi3lib.embeddings.files import replacing

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}
CHECKPOINT = "checkpoint.safetensors"
Now = Callable[[], float]  # tells the time in seconds
MEETING = "meeting"  # the file over which the processes of a run find each other


def launch(train: Callable[[int, Any], None], options: Any) -> None:
    """Run `train(rank, options)` in `options.processes` processes; with one, in this one."""
    (options.run / MEETING).unlink(missing_ok=True)
    if options.processes == 1:
        train(0, options)
    else:
        # A launcher that is terminated ends as any other program, and its workers, as daemons, end with it.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        mp.spawn(train, (options,), options.processes, daemon=True)


def add_common_arguments(parser: argparse.ArgumentParser, *, minutes: float, run: Path) -> None:
    """The options that every training has."""
    parser.add_argument("--minutes", type=float, default=minutes, help="of training, all starts together")
    parser.add_argument("--processes", type=int, default=1, help="one for each core, or for each GPU")
    parser.add_argument("--workers", type=int, default=0, help="that draw pictures, for each process")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="of the model while it learns")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--run", type=Path, default=run, help="checkpoint and log")
    parser.add_argument("--out", type=Path, default=None, help="where the trained model is written")


def join(rank: int, processes: int, run: Path) -> None:
    """Make this process one of a run: one thread, one seed, and the others within reach."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if processes > 1:
        store = f"file://{(run / MEETING).resolve()}"
        dist.init_process_group("gloo", init_method=store, rank=rank, world_size=processes)


def device_of(name: str, rank: int) -> torch.device:
    """Where a process computes: "cuda" gives each a GPU of its own, in turn."""
    if name == "cuda":
        return torch.device("cuda", rank % torch.cuda.device_count())
    return torch.device(name)


def moved(batch: Any, device: torch.device) -> Any:
    """A dataclass of tensors, or of such dataclasses, with all its tensors on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, dict):
        return {name: moved(value, device) for name, value in batch.items()}
    if not is_dataclass(batch) or isinstance(batch, type):
        return batch
    return replace(batch, **{f.name: moved(getattr(batch, f.name), device) for f in fields(batch)})


@dataclass
class Clock:
    """The time of a run, which continues where an interrupted one stopped."""

    minutes: float
    spent: float = 0.0  # seconds, before this start
    now: Now = time.monotonic

    def __post_init__(self) -> None:
        self._start = self.now()

    @property
    def seconds(self) -> float:
        """Seconds of training so far, all starts together."""
        return self.spent + self.now() - self._start

    @property
    def share(self) -> float:
        """The share of the time that is over, 0 to 1."""
        return min(self.seconds / (60 * self.minutes), 1.0)


def over(clock: Clock) -> bool:
    """Whether the time is over; all processes agree."""
    return average({"over": float(clock.share >= 1)})["over"] > 0


def learning_rate(step: int, share: float, peak: float, warm_up: int = 30) -> float:
    """A short warm-up by steps, then a cosine by the clock down to a hundredth of the peak."""
    cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share))
    return peak * min(1.0, (step + 1) / warm_up) * cosine


class MixedMuon:
    """Muon and AdamW on float32 masters of a model; gradients are averaged over processes.

    Muon (Jordan 2024; the scale of Liu et al. 2025, arXiv:2502.16982, so that both take one rate) turns the
    matrices of the layers; word embeddings, classifiers and everything that is no matrix are AdamW's. In
    three minutes on the same scenes the loss of the small Phi-3 fell much further than with AdamW alone.
    """

    def __init__(self, model: nn.Module, weight_decay: float = 0.05) -> None:
        matrices = {id(weight) for weight in layer_matrices(model)}
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.masters = [weight.detach().float().clone() for weight in self.weights]
        turned: list[Tensor] = []
        rest: list[Tensor] = []
        for weight, master in zip(self.weights, self.masters, strict=True):
            (turned if id(weight) in matrices else rest).append(master)
        groups = [
            {"params": [m for m in rest if m.ndim >= 2], "weight_decay": weight_decay},
            {"params": [m for m in rest if m.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizers: list[torch.optim.Optimizer] = []
        if rest:
            self.optimizers.append(torch.optim.AdamW(groups, betas=(0.9, 0.98), lr=0.0, eps=1e-6))
        if turned:
            muon = torch.optim.Muon(turned, lr=0.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            self.optimizers.append(muon)
        self._publish()

    def step(self, rate: float, clip: float = 1.0) -> float:
        """One step from the gradients of the model's weights; the norm of the gradient before clipping."""
        grads = [
            torch.zeros_like(master) if weight.grad is None else weight.grad.float()
            for weight, master in zip(self.weights, self.masters, strict=True)
        ]
        grads = averaged(grads)
        norm = torch.nn.utils.get_total_norm(grads)
        scale = min(1.0, clip / (float(norm) + 1e-6))
        for master, grad, weight in zip(self.masters, grads, self.weights, strict=True):
            master.grad = grad * scale
            weight.grad = None
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        self._publish()
        return float(norm)

    @torch.no_grad()
    def _publish(self) -> None:
        for weight, master in zip(self.weights, self.masters, strict=True):
            weight.copy_(master)

    def state(self) -> dict[str, Tensor]:
        """All that a later start needs: the masters, and what is kept for each."""
        tensors = {f"master.{place}": master for place, master in enumerate(self.masters)}
        for place, master in enumerate(self.masters):
            for optimizer in self.optimizers:
                kept = optimizer.state.get(master, {})
                tensors |= {f"{name}.{place}": value for name, value in kept.items()}
        return tensors

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Go on from `state()`."""
        kept: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            what, _, place = name.rpartition(".")
            kept.setdefault(place, {})[what] = value
        for number, master in enumerate(self.masters):
            own = kept[str(number)]
            master.copy_(own.pop("master"))
            if own:
                # AdamW counts its steps on the CPU; everything else lies where the weight does.
                there = {what: v if what == "step" else v.to(master.device) for what, v in own.items()}
                self._optimizer_of(master).state[master] = there
        self._publish()

    def _optimizer_of(self, master: Tensor) -> torch.optim.Optimizer:
        return next(
            optimizer
            for optimizer in self.optimizers
            if any(master is weight for group in optimizer.param_groups for weight in group["params"])
        )


# Classifiers: each of their rows is an answer of its own.
HEADS = ("lm_head", "heads", "dense", "places", "sketches")


def layer_matrices(model: nn.Module) -> list[Tensor]:
    """The matrices that turn one layer's features into the next one's, as far as they learn."""
    linear = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    return [
        module.weight
        for name, module in linear
        if module.weight.requires_grad and not set(name.split(".")) & set(HEADS)
    ]


def averaged(grads: list[Tensor]) -> list[Tensor]:
    """The gradients averaged over all processes, in one message."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return grads
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = flat.split([grad.numel() for grad in grads])
    return [part.view_as(grad) for part, grad in zip(parts, grads, strict=True)]


def average(values: dict[str, float]) -> dict[str, float]:
    """Plain numbers averaged over all processes."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return values
    flat = torch.tensor(list(values.values()), dtype=torch.float64)
    dist.all_reduce(flat)
    return dict(zip(values, (flat / dist.get_world_size()).tolist(), strict=True))


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands: plain values, and tensors in named groups."""

    facts: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]

    def save(self, run: Path) -> None:
        """Write it; an interrupted write leaves the old one."""
        flat = {f"{g}/{n}": t.contiguous() for g, group in self.tensors.items() for n, t in group.items()}
        with replacing(run / CHECKPOINT) as temporary:
            save_file(flat, temporary, metadata={"facts": json.dumps(self.facts)})

    @classmethod
    def load(cls, run: Path) -> "Checkpoint | None":
        """That of a run, or None where there is none yet."""
        if not (run / CHECKPOINT).exists():
            return None
        tensors: dict[str, dict[str, Tensor]] = {}
        with safe_open(run / CHECKPOINT, "pt") as file:
            facts = json.loads(file.metadata()["facts"])
            for name in file.keys():  # noqa: SIM118
                group, _, own = name.partition("/")
                tensors.setdefault(group, {})[own] = file.get_tensor(name)
        return cls(facts, tensors)


def smoothed(means: dict[str, float], measured: dict[str, float]) -> dict[str, float]:
    """Running means of what was measured; a measure that is not of this step, or NaN, keeps its last mean."""
    known = {name: value for name, value in measured.items() if not math.isnan(value)}
    return means | {name: 0.95 * means.get(name, value) + 0.05 * value for name, value in known.items()}


def save_half(model: Any, folder: Path) -> None:
    """Write a model in transformers' layout: float16 on disk, float32 once it is loaded."""
    copy.deepcopy(model).to(torch.float16).save_pretrained(folder)
    # CPUs compute slowly in float16, so that the configuration asks for float32.
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


class Log:
    """A CSV file with one row for each report, which later starts go on with."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, **row: float) -> None:
        """Append a row; names that are new get a column of their own, empty in the rows before."""
        rows: list[dict[str, str]] = []
        if self.path.exists():
            with self.path.open(newline="") as file:
                rows = list(csv.DictReader(file))
        rows.append({name: f"{value:.6g}" for name, value in row.items()})
        names = list(dict.fromkeys(name for each in rows for name in each))
        with replacing(self.path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, names, restval="")
            writer.writeheader()
            writer.writerows(rows)
        print("  ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
