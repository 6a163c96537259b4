"""Checkpoint folders and names on the hub to transformers' models, with every tensor accounted for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3lib.loading import cache, hub
from phi3lib.loading.claims import layers_in, require_depth, require_shapes, require_size
from phi3lib.loading.defaults import CLIP_TYPE, locate, require_model_type
from phi3lib.loading.errors import damage_in
from phi3lib.loading.progress import without_progress_bars
from phi3lib.loading.safetensors_io import (
    CheckpointError,
    first_line,
    read_json,
    require_finite,
    require_floating,
    tensors_of_folder,
)

if TYPE_CHECKING:
    import torch


def model_type_of(name: str | Path | None, revision: str | None) -> str:
    """Return `model_type` of a checkpoint's config.json, before its weights are fetched.

    name: as in `checkpoint_folder`. Raises CheckpointError where there is no such checkpoint or entry.
    """
    where = locate(name, CLIP_TYPE)
    if isinstance(where, Path):
        config = read_json(where / "config.json")
    else:
        hub_model = hub.find_model(where, revision, allow_conversion=True)
        config = config_on_hub(hub_model)
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise CheckpointError(f"config.json of {where} names no model_type, so its family is unknown")
    return model_type


def checkpoint_folder(
    name: str | Path | None, revision: str | None, model_type: str | None = None
) -> tuple[Path, str, str | None]:
    """Return (folder, name, commit) of a checkpoint, fetched from the hub if it is not on this machine.

    name: a folder, or a name on the hub; None: the default CLIP. model_type: the kind that it must be, if
    only one will do; on the hub another kind is refused before anything large is fetched. Raises
    CheckpointError, for damaged files too.
    """
    where = locate(name, CLIP_TYPE)
    if isinstance(where, Path):
        folder, commit = where, None
    else:
        hub_model = hub.find_model(where, revision, allow_conversion=True)
        if model_type is not None:
            require_type_on_hub(hub_model, model_type)
        folder, commit = cache.whole_folder(hub_model), hub_model.commit
    if model_type is not None:
        require_model_type(read_json(folder / "config.json"), model_type, where=str(where))
    # A damaged or truncated file is reported here, in one sentence.
    infos = tensors_of_folder(folder)
    require_floating(infos, where=str(where))
    require_depth(read_json(folder / "config.json"), 2 * layers_in(infos), where=str(where))
    return folder, str(where), commit


def require_type_on_hub(hub_model: hub.HubModel, model_type: str) -> None:
    """Raise CheckpointError for another kind of checkpoint, before anything large is fetched."""
    require_model_type(config_on_hub(hub_model), model_type, where=hub_model.name)


def config_on_hub(hub_model: hub.HubModel) -> dict:
    """Return config.json of a checkpoint on the hub."""
    return read_json(cache.file_of(hub_model, "config.json"))


def require_device(device: "torch.device | str | None") -> None:
    """Raise torch's own error for a device that this machine does not have, before anything is read."""
    import torch

    torch.empty(0, device=device)


def float_dtype(dtype: "torch.dtype | str | None") -> "torch.dtype | None":
    """Return a floating-point dtype, which may be given by its name; None, the default, for None and "auto".

    Raises ValueError for others, before anything is read.
    """
    import torch

    if dtype is None or dtype == "auto":
        return None
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"dtype is {dtype!r}; it must be a floating-point type such as torch.bfloat16")
    return found


def load_network(
    model_class: Any,
    folder: Path,
    *,
    where: str,
    device: "torch.device | str | None" = None,
    dtype: "torch.dtype | None" = None,
) -> Any:
    """Return a model of a class of transformers from a folder, in evaluation mode; float32 by default.

    Raises CheckpointError where the folder cannot be read, or lacks tensors, or holds others.
    """
    import torch

    require_device(device)
    dtype = float_dtype(dtype)
    infos = tensors_of_folder(folder)

    def build() -> Any:
        return model_class(model_class.config_class.from_pretrained(folder, local_files_only=True))

    with checkpoint_errors(where):
        require_size(build, read_json(folder / "config.json"), infos, where=where)
        try:
            with without_progress_bars():
                model, info = model_class.from_pretrained(
                    folder,
                    dtype=dtype or torch.float32,
                    use_safetensors=True,
                    local_files_only=True,
                    output_loading_info=True,
                )
        except RuntimeError:
            require_shapes(build, infos, where=where)  # transformers only logs their names
            raise
        require_loaded(info, where=where)
        require_finite(model.state_dict(), where=where)
    return model.to(device).eval()


def require_loaded(info: Mapping[str, Any], *, where: str) -> None:
    """Raise CheckpointError where `from_pretrained` filled in or left out tensors.

    info: what it returns with `output_loading_info=True`. Position numbers of old files count as nothing.
    """
    for problem, keys in (
        ("lacks tensors", info["missing_keys"]),
        ("holds tensors that its config.json does not provide for", info["unexpected_keys"]),
    ):
        names = sorted(name for name in keys if not name.endswith("position_ids"))
        if names:
            raise CheckpointError(f"{where} {problem}: {len(names)}, such as {names[0]}")


@contextmanager
def checkpoint_errors(where: str) -> Iterator[None]:
    """Turn what transformers raises for a checkpoint's files into a CheckpointError of one sentence."""
    with damage_in(where):
        try:
            yield
        except CheckpointError:
            raise
        except (OSError, ImportError) as error:
            raise CheckpointError(f"{where} cannot be read: {first_line(error)}") from error
