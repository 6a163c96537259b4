"""Checkpoint folders and names on the hub to transformers' models, with every tensor accounted for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from phi3lib.loading import cache, hub
from phi3lib.loading.checkpoints import damage_in, require_device
from phi3lib.loading.defaults import CLIP_TYPE, locate
from phi3lib.loading.phi3 import require_loaded
from phi3lib.loading.progress import without_progress_bars
from phi3lib.loading.safetensors_io import (
    CheckpointError,
    first_line,
    read_json,
    require_finite,
    tensors_of_folder,
)


def model_type_of(name: str | Path | None, revision: str | None) -> str:
    """Return `model_type` of a checkpoint's config.json, before its weights are fetched.

    name: as in `checkpoint_folder`. Raises CheckpointError where there is no such checkpoint or entry.
    """
    where = locate(name, CLIP_TYPE)
    if isinstance(where, Path):
        config = read_json(where / "config.json")
    else:
        found = hub.find_model(where, revision, allow_conversion=True)
        config = read_json(cache.file_of(found, "config.json"))
    found_type = config.get("model_type")
    if not isinstance(found_type, str):
        raise CheckpointError(f"config.json of {where} names no model_type, so its family is unknown")
    return found_type


def checkpoint_folder(name: str | Path, revision: str | None) -> tuple[Path, str, str | None]:
    """Return (folder, name, commit) of a checkpoint, fetched from the hub if it is not on this machine.

    name: a folder, or a name on the hub. Raises CheckpointError, for damaged files too.
    """
    where = locate(name, CLIP_TYPE)
    if isinstance(where, Path):
        folder, commit = where, None
    else:
        found = hub.find_model(where, revision, allow_conversion=True)
        folder, commit = cache.whole_folder(found), found.commit
    tensors_of_folder(folder)  # a damaged or truncated file is reported here, in one sentence
    return folder, str(where), commit


def load_network(
    model_class: Any,
    folder: Path,
    *,
    where: str,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Any:
    """Return a model of a class of transformers from a folder, in evaluation mode; float32 if not asked else.

    Raises CheckpointError where the folder cannot be read, or lacks tensors, or holds others.
    """
    require_device(device)
    with plain_errors(where):
        with without_progress_bars():
            model, info = model_class.from_pretrained(
                folder,
                dtype=dtype or torch.float32,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
        require_loaded(info, where=where)
        require_finite(model.state_dict(), where=where)
    return model.to(device).eval()


@contextmanager
def plain_errors(where: str) -> Iterator[None]:
    """Turn what transformers raises for a checkpoint's files into a CheckpointError of one sentence."""
    with damage_in(where):
        try:
            yield
        except CheckpointError:
            raise
        except (OSError, ImportError) as error:
            raise CheckpointError(f"{where} cannot be read: {first_line(error)}") from error
