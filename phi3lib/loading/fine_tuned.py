"""Fine-tuned weights: which kind a folder holds, and how an adapter is merged into its base model."""

import warnings
from pathlib import Path
from typing import Any

from phi3lib.loading.hub import phi3lib_home
from phi3lib.loading.safetensors_io import (
    PICKLES,
    CheckpointError,
    first_line,
    only_pickles,
    read_json,
    tensors_of_file,
)

ADAPTER_CONFIG, ADAPTER_FILE = "adapter_config.json", "adapter_model.safetensors"


def default_folder() -> Path:
    """Return the folder that `fine_tuned=True` loads: $PHI3LIB_HOME/fine-tuned."""
    return phi3lib_home() / "fine-tuned"


def fine_tuned_folder(fine_tuned: str | Path | bool | None) -> Path | None:
    """Return the folder of `fine_tuned=`; None for None or False. Raises CheckpointError."""
    if fine_tuned is None or fine_tuned is False:
        return None
    folder = default_folder() if fine_tuned is True else Path(fine_tuned).expanduser()
    if folder.is_dir():
        return folder
    if fine_tuned is True:
        raise CheckpointError(
            f"there is no fine-tuned model in {folder}: save one there with model.save_pretrained, "
            f"or give fine_tuned= the folder of yours"
        )
    raise CheckpointError(f"there is no folder {folder} with fine-tuned weights: correct the path")


def adapter_base(folder: Path) -> str | None:
    """Return the base model that a peft adapter folder names, or None.

    Raises CheckpointError where the adapter's weights are missing or pickled.
    """
    if not (folder / ADAPTER_FILE).is_file():
        if any(file.suffix in PICKLES for file in folder.iterdir()):
            raise CheckpointError(only_pickles(str(folder)))
        raise CheckpointError(
            f"{folder} holds {ADAPTER_CONFIG} but no {ADAPTER_FILE}: save the adapter again"
        )
    return read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path") or None


def is_adapter(folder: Path) -> bool:
    """Return whether this is the folder of a peft adapter."""
    return (folder / ADAPTER_CONFIG).is_file()


def merge_adapter(model: Any, folder: Path) -> Any:
    """Return `model` with the adapter of `folder` merged into its weights; the model itself is changed.

    Raises ImportError without peft, CheckpointError where adapter and model do not belong together.
    """
    try:
        from peft import PeftModel
    except ImportError as error:
        raise ImportError(
            f"{folder} is a peft adapter: install peft (pip install peft) to load it"
        ) from error
    _require_ranks(folder)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"the adapter {folder} does not fit its base model: {first_line(error)}"
        ) from error
    # peft only warns when weights of the adapter match no layer, or a layer got no weights.
    if lacking := [str(warning.message) for warning in said if "adapter keys" in str(warning.message)]:
        raise CheckpointError(f"the adapter {folder} does not fit its base model: {first_line(lacking[0])}")
    return adapted.merge_and_unload()


def _require_ranks(folder: Path) -> None:
    """Raise CheckpointError where adapter_config.json claims larger ranks than any tensor has.

    peft makes weights of the ranks that are claimed before it reads those of the file.
    """
    config = read_json(folder / ADAPTER_CONFIG)
    longest = max(
        (side for info in tensors_of_file(folder / ADAPTER_FILE).values() for side in info.shape), default=0
    )
    pattern = config.get("rank_pattern")
    for rank in (config.get("r"), *(pattern.values() if isinstance(pattern, dict) else ())):
        if isinstance(rank, int) and rank > longest:
            raise CheckpointError(
                f"{ADAPTER_CONFIG} of {folder} claims a rank of {rank:,}, but no tensor of {ADAPTER_FILE} "
                f"is longer than {longest:,}: save the adapter again"
            )
