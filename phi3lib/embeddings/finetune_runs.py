"""Checkpoints of fine-tuning: which one a run resumes from, and how a run is recognized."""

import hashlib
import json
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phi3lib.embeddings.finetune_loss import random_state, set_random_state
from phi3lib.vision.inputs import as_path

RUN_FILE = "run.json"


@contextmanager
def checkpoint_folder(out: str | Path | None) -> Iterator[Path]:
    """Return the folder of checkpoints; a temporary one by default."""
    if out is not None:
        yield as_path(out)
        return
    with tempfile.TemporaryDirectory(prefix="phi3lib-fine-tune-") as temporary:
        yield Path(temporary)


def resume_point(folder: Path, marks: Mapping[str, str]) -> Path | None:
    """Return the checkpoint that this run resumes from, and note in the folder what the run consists of.

    Raises ValueError where the folder holds checkpoints of another run.
    """
    note, start = folder / RUN_FILE, _last_complete(folder)
    if start is not None:
        known = _read_note(note)
        if changed := [name for name, mark in marks.items() if known.get(name) != mark]:
            raise ValueError(
                f"{folder} holds checkpoints of a run with other {' and '.join(changed)}; pass another out=, "
                f"or delete the folder to start again"
            )
        return start
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(marks, indent=1), encoding="utf-8")
    return None


def _read_note(note: Path) -> dict[str, Any]:
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _last_complete(folder: Path) -> Path | None:
    """Return the last checkpoint with a readable state, which the Trainer writes last."""
    found = []
    for path in folder.glob("checkpoint-*"):
        try:
            found.append((int(json.loads((path / "trainer_state.json").read_text())["global_step"]), path))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # killed while it was written
    return max(found)[1] if found else None


def weights_mark(network: torch.nn.Module) -> str:
    """Return a checksum of all weights."""
    mark = hashlib.blake2b(digest_size=16)
    for weight in network.parameters():
        mark.update(weight.detach().cpu().numpy().tobytes())
    return mark.hexdigest()


def digest(text: str) -> str:
    """Return a checksum of a text."""
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Seed all sources of chance within the block; afterwards the caller's continue where they were."""
    # The Trainer seeds all of them.
    before = random.getstate(), np.random.get_state(), random_state()  # noqa: NPY002
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        set_random_state(before[2])
