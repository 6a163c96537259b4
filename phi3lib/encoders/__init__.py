"""Encoders: models that embed images, and texts, one file per family.

May import `loading` and `vision`; `embeddings` and the lab use models only through this package.

    encoder = load_encoder("facebook/dinov2-small")
    table = embed_images("photos/", model=encoder)

A family is a module of this package with `MODEL_TYPES`, the values of model_type in config.json that it
loads, and one subclass of `Encoder` with `load`. Modules are discovered: a new family is one new
file.
"""

import inspect
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from phi3lib.encoders.encoder import Encoder, ImageEncoder, TextEncoder
from phi3lib.encoders.recipes import Recipe, Recipes, joined, recipe, recipes_of
from phi3lib.loading.cache import repairing
from phi3lib.loading.defaults import CLIP_TYPE, on_hub
from phi3lib.loading.networks import model_type_of
from phi3lib.loading.safetensors_io import CheckpointError

if TYPE_CHECKING:
    import torch

__all__ = [
    "Encoder",
    "ImageEncoder",
    "Recipe",
    "Recipes",
    "TextEncoder",
    "as_encoder",
    "joined",
    "load_encoder",
    "recipe",
    "recipes_of",
    "text_encoder",
]
_PARTS = ("name", "revision", "family", "recipes", "network", "tiles", "encode", "provenance")


def load_encoder(
    name: str | Path | None = None,
    *,
    revision: str | None = None,
    device: "torch.device | str | None" = None,
    dtype: "torch.dtype | None" = None,
) -> Any:
    """Load an encoder of any known family: CLIP, SigLIP and SigLIP 2, DINOv2, Phi-3-vision (its vision part).

    name: a folder or a name on the hub, such as "google/siglip2-base-patch16-224",
        "google/siglip-base-patch16-224" or "facebook/dinov2-small"; None: the default CLIP. The family is
        that of model_type in config.json.
    revision: branch, tag or commit on the hub. device: default the CPU. dtype: default float32; for
        Phi-3-vision see `load_phi3_model`.

    Returns an `ImageEncoder`, which `embed_images(model=…)`, `search`, `zero_shot` and `Atlas` take.
    Weights are read from safetensors only, and every tensor must be in the checkpoint. Raises
    CheckpointError.
    """
    known = {model_type: family for family, model_types in load_families() for model_type in model_types}

    def load() -> Any:
        model_type = model_type_of(name, revision)
        if model_type not in known:
            families = ", ".join(sorted(known))
            raise CheckpointError(
                f"{name} is a checkpoint of type {model_type!r}; load_encoder knows {families}"
            )
        return known[model_type].load(name, revision=revision, device=device, dtype=dtype)

    return repairing(load, on_hub(name, CLIP_TYPE), revision)


def as_encoder(model: Any) -> Any:
    """Return the encoder of what users pass as `model=`: of `load_clip`, `load_phi3_model` or an encoder.

    Raises ValueError for other objects, with what they lack.
    """
    if isinstance(model, ImageEncoder):
        return model
    for family, _ in load_families():
        if (encoder := family.wrap(model)) is not None:
            return encoder
    lacking = [part for part in _PARTS if not hasattr(model, part)]
    raise ValueError(
        f"model= got a {type(model).__name__}, which is no model of load_encoder, load_clip or "
        f"load_phi3_model; as a custom encoder it lacks {', '.join(lacking)}: see "
        f"phi3lib.encoders.Encoder"
    )


def text_encoder(model: Any) -> Any:
    """Return the encoder of a model, which makes vectors of texts. Raises ValueError where it makes none."""
    encoder = as_encoder(model)
    if not isinstance(encoder, TextEncoder):
        raise ValueError(
            f"a model of the family {encoder.family!r} makes no vectors of texts: use a CLIP or a SigLIP"
        )
    return encoder


@cache
def load_families() -> list[tuple[Any, tuple[str, ...]]]:
    """Import all families; return (encoder class, model types) for each module that defines `MODEL_TYPES`."""
    found = []
    for entry in iter_modules(__path__):
        module = import_module(f"{__name__}.{entry.name}")
        if hasattr(module, "MODEL_TYPES"):
            own = [
                one
                for one in vars(module).values()
                if inspect.isclass(one) and issubclass(one, Encoder) and one.__module__ == module.__name__
            ]
            found += [(one, module.MODEL_TYPES) for one in own]
    return found
