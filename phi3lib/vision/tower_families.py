"""The vision networks that can be Phi-3-vision's tower: those of CLIP, SigLIP and DINOv2.

`config.img_processor["name"]` says which one, as transformers' `model_type`: "clip_vision_model" in the
published files, "siglip_vision_model", "dinov2" or "dinov2_with_registers" after `swap_vision_tower`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedConfig

from phi3lib.vision.quick_gelu import with_quick_gelu

# openai/clip-vit-large-patch14-336, the tower of both published models. Their config.json names it
# without its sizes.
CLIP_VIT_L_14_336: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
    "projection_dim": 768,
}


@dataclass(frozen=True)
class TowerFamily:
    """How one kind of vision network is built and run.

    network, config: names of transformers' classes, which are imported when they are used. class_token:
    whether the features begin with a class token. positions: the parameter that holds the position
    embeddings; antialias: how the network interpolates them. run: (network, tiles, layers to run) →
    (n, prefix + patches², C). fixed: settings that `img_processor.vision_config` need not name.
    """

    network: str
    config: str
    class_token: bool
    positions: str
    antialias: bool
    run: Callable[[Any, torch.Tensor, int], torch.Tensor]
    fixed: dict[str, Any]

    def make_config(self, fields: dict[str, Any]) -> Any:
        """Return transformers' configuration of the network."""
        return getattr(import_module("transformers"), self.config)(**{**self.fixed, **fields})

    def make_network(self, config: Any) -> nn.Module:
        """Return the untrained network."""
        network = getattr(import_module("transformers"), self.network)(config)
        return with_quick_gelu(getattr(network, "vision_model", network))

    def num_prefix_tokens(self, config: Any) -> int:
        """Return how many tokens stand before the patches: the class token, and registers."""
        return int(self.class_token) + int(getattr(config, "num_register_tokens", 0))


def _run_clip(network: Any, tiles: torch.Tensor, depth: int) -> torch.Tensor:
    return _through(network.encoder.layers[:depth], network.pre_layrnorm(network.embeddings(tiles)))


def _run_siglip(network: Any, tiles: torch.Tensor, depth: int) -> torch.Tensor:
    return _through(network.encoder.layers[:depth], network.embeddings(tiles))


def _through(layers: Any, hidden: torch.Tensor) -> torch.Tensor:
    for layer in layers:
        hidden = layer(hidden, attention_mask=None)
    return hidden


def _run_dino(network: Any, tiles: torch.Tensor, depth: int) -> torch.Tensor:
    hidden = network.embeddings(tiles)
    for layer in network.encoder.layer[:depth]:
        hidden = layer(hidden)
    return hidden


TOWER_FAMILIES: dict[str, TowerFamily] = {
    "clip_vision_model": TowerFamily(
        "CLIPVisionModel",
        "CLIPVisionConfig",
        class_token=True,
        positions="embeddings.position_embedding.weight",
        antialias=False,
        run=_run_clip,
        fixed=CLIP_VIT_L_14_336,
    ),
    "siglip_vision_model": TowerFamily(
        "SiglipVisionModel",
        "SiglipVisionConfig",
        class_token=False,
        positions="embeddings.position_embedding.weight",
        antialias=False,
        run=_run_siglip,
        fixed={"vision_use_head": False},  # the pooled vector, which Phi-3-vision does not read
    ),
    "dinov2": TowerFamily(
        "Dinov2Model",
        "Dinov2Config",
        class_token=True,
        positions="embeddings.position_embeddings",
        antialias=False,
        run=_run_dino,
        fixed={},
    ),
    "dinov2_with_registers": TowerFamily(
        "Dinov2WithRegistersModel",
        "Dinov2WithRegistersConfig",
        class_token=True,
        positions="embeddings.position_embeddings",
        antialias=True,
        run=_run_dino,
        fixed={},
    ),
}


def family_of(config: Any) -> TowerFamily:
    """Return the family of a vision network's configuration. Raises ValueError for other networks."""
    model_type = getattr(config, "model_type", None)
    if model_type not in TOWER_FAMILIES:
        raise ValueError(
            f"a network of type {model_type!r} cannot be Phi-3-vision's tower; there are: "
            f"{', '.join(map(repr, TOWER_FAMILIES))}"
        )
    return TOWER_FAMILIES[model_type]


def vision_config_of(img_processor: dict[str, Any]) -> Any:
    """Return the tower's configuration from a model's `config.img_processor`.

    Its `name` says which network; its entry `vision_config` holds fields of that configuration. Without
    both, the tower is CLIP's ViT-L/14-336, as published. Raises ValueError for other names.
    """
    name = img_processor.get("name", "clip_vision_model")
    if name not in TOWER_FAMILIES:
        raise ValueError(
            f"img_processor has the name {name!r}; there are: {', '.join(map(repr, TOWER_FAMILIES))}"
        )
    family = TOWER_FAMILIES[name]
    return family.make_config(img_processor.get("vision_config", {}))


# transformers names the attention of DINOv2 differently in memory (since 5.20) and in files.
_DINO_FILES = {
    ".attention.attention.query.": ".attention.q_proj.",
    ".attention.attention.key.": ".attention.k_proj.",
    ".attention.attention.value.": ".attention.v_proj.",
    ".attention.output.dense.": ".attention.o_proj.",
}


def name_in_memory(name: str, known: Collection[str]) -> str:
    """Return the parameter of a tower that a name in a file means; the name itself where it is `known`."""
    if name in known:
        return name
    for in_file, in_memory in _DINO_FILES.items():
        if (renamed := name.replace(in_file, in_memory)) in known:
            return renamed
    return name


def fields_of(config: Any) -> dict[str, Any]:
    """Return the fields of a vision configuration for `img_processor.vision_config`, plain and complete."""
    fields = config.to_dict()
    housekeeping = set(PreTrainedConfig().to_dict()) | {"model_type", "transformers_version", "dtype"}
    return {name: value for name, value in fields.items() if name not in housekeeping}
