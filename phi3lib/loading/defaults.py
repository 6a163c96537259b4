"""The switch from small to real checkpoints: the models that are loaded if none is named.

PHI3LIB_MODELS, or `set_default_models` (which `lab.start(models=...)` calls), is one of
    bundled   the small models in the project's data/models; the default
    real      microsoft/Phi-3.5-vision-instruct and openai/clip-vit-base-patch32 from the hub. Of the two
              published Phi-3-vision models the newer one; the CLIP that the original cookbook page uses
    a path    a checkpoint folder, or a folder of checkpoint folders named as on the hub, with or without
              the owner: for offline use, and for your own models
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from phi3lib.loading.safetensors_io import CheckpointError, NotDamagedError, read_json

ENVIRONMENT_VARIABLE = "PHI3LIB_MODELS"
_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel holds the project's folder data/ within the package (see setup.py), a checkout beside it.
DATA_FOLDER = next(
    (f for f in (_PACKAGE / "data", _PACKAGE.parent / "data") if f.is_dir()), _PACKAGE / "data"
)
BUNDLED_FOLDER = DATA_FOLDER / "models"
PHI3_TYPE, CLIP_TYPE = "phi3_v", "clip"

# The first is what `real` means; all are looked for, in this order, where the switch is a folder.
PHI3_NAMES = (
    "microsoft/Phi-3.5-vision-instruct",
    "microsoft/Phi-3-vision-128k-instruct",
    "phi3-vision-small",
)
CLIP_NAMES = (
    "openai/clip-vit-base-patch32",
    "openai/clip-vit-base-patch16",
    "openai/clip-vit-large-patch14",
    "openai/clip-vit-large-patch14-336",
    "clip-small",
)
BUNDLED_NAMES = {PHI3_TYPE: "phi3-vision-small", CLIP_TYPE: "clip-small"}

_chosen: str | None = None


@dataclass(frozen=True)
class DefaultModels:
    """The setting of the switch.

    choice: "bundled", "real" or a path. phi3, clip: what `load_phi3_model()` and `load_clip()` load, a
    folder or a name on the hub; None where the chosen folder holds no such model.
    """

    choice: str
    phi3: str | None
    clip: str | None


def set_default_models(models: str | Path | None) -> DefaultModels:
    """Choose "bundled", "real" or a folder for the rest of this program; None: the environment variable.

    Returns what is now chosen. Raises CheckpointError for a folder that is not there or holds no model;
    the choice is then unchanged.
    """
    global _chosen
    resolved = _resolve(_from_environment() if models is None else str(models))
    _chosen = None if models is None else str(models)
    return resolved


def default_models() -> DefaultModels:
    """Return the models that are loaded by default; see the module's docstring."""
    return _resolve(_chosen or _from_environment())


def locate(name: str | Path | None, model_type: str) -> Path | str:
    """Return a model's location: its folder, as a Path, or its name on the hub, as a str.

    name: a folder, a name on the hub (looked for in the chosen folder first, if a folder is chosen), or
    None for the default. Raises CheckpointError, one sentence, where that cannot be.
    """
    defaults = default_models()
    if name is None:
        name = defaults.phi3 if model_type == PHI3_TYPE else defaults.clip
        if name is None:
            family = "Phi-3-vision" if model_type == PHI3_TYPE else "CLIP"
            raise CheckpointError(
                f"{defaults.choice} holds no {family} checkpoint: name one, or copy one into that folder"
            )
    if not str(name):
        raise CheckpointError("the model's name is empty: give a folder, owner/name, or None for the default")
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if defaults.choice not in ("bundled", "real"):
        in_chosen = _find(Path(defaults.choice).expanduser(), [str(name)])
        if in_chosen is not None:
            return in_chosen
    if folder == BUNDLED_FOLDER / BUNDLED_NAMES[model_type]:
        raise CheckpointError(
            f"the small model {folder} is missing: install phi3lib from its wheel or a whole checkout, which "
            f"hold it, or set {ENVIRONMENT_VARIABLE}=real for the published models"
        )
    if isinstance(name, Path) or not _could_be_on_hub(str(name)):
        raise CheckpointError(
            f"there is no folder {name}: correct the path, or give a name such as owner/name"
        )
    return str(name)


def on_hub(name: str | Path | None, model_type: str) -> str | None:
    """Return a model's name on the hub; None for a folder, and where there is no such model."""
    try:
        where = locate(name, model_type)
    except CheckpointError:
        return None
    return where if isinstance(where, str) else None


def model_type_of(folder: Path) -> str | None:
    """Return `model_type` in a folder's config.json; None where there is no readable one."""
    try:
        model_type = read_json(folder / "config.json").get("model_type")
    except CheckpointError:
        return None
    return model_type if isinstance(model_type, str) else None


def require_model_type(config: dict, wanted: str, *, where: str) -> None:
    """Raise CheckpointError where a checkpoint's configuration is that of another kind of model."""
    actual = config.get("model_type")
    if actual == wanted:
        return
    family = "Phi-3-vision (phi3_v)" if wanted == PHI3_TYPE else "CLIP (clip)"
    other = {PHI3_TYPE: "; use load_phi3_model", CLIP_TYPE: "; use load_clip"}.get(str(actual), "")
    raise NotDamagedError(f"{where} is a checkpoint of type {actual!r}, not of {family}{other}")


def _from_environment() -> str:
    return os.environ.get(ENVIRONMENT_VARIABLE) or "bundled"


def _resolve(choice: str) -> DefaultModels:
    if choice == "bundled":
        bundled = {model_type: str(BUNDLED_FOLDER / name) for model_type, name in BUNDLED_NAMES.items()}
        return DefaultModels(choice, bundled[PHI3_TYPE], bundled[CLIP_TYPE])
    if choice == "real":
        return DefaultModels(choice, PHI3_NAMES[0], CLIP_NAMES[0])
    folder = Path(choice).expanduser()
    if not folder.is_dir():
        raise CheckpointError(
            f"{choice!r} is no folder: {ENVIRONMENT_VARIABLE} and models= take bundled, real or a folder"
        )
    itself = model_type_of(folder)
    phi3 = folder if itself == PHI3_TYPE else _find(folder, PHI3_NAMES)
    clip = folder if itself == CLIP_TYPE else _find(folder, CLIP_NAMES)
    if phi3 is None and clip is None:
        raise CheckpointError(
            f"{choice} is no checkpoint and holds none named as on the hub, such as {PHI3_NAMES[0]}"
        )
    return DefaultModels(choice, str(phi3) if phi3 else None, str(clip) if clip else None)


def _find(folder: Path, names: Sequence[str]) -> Path | None:
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            continue
        for candidate in (folder / name, folder / Path(name).name):
            if (candidate / "config.json").is_file():
                return candidate
    return None


def _could_be_on_hub(name: str) -> bool:
    return name.count("/") <= 1 and not name.startswith((".", "/", "~")) and "\\" not in name
