"""Notebook 10: towers of different trainings, for `swap_vision_tower`, and what was measured of them.

The bundled ones are made by `training/align_towers.py` and are in data/models/towers, with their card.
"""

import json
from functools import cache
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

from phi3lib import load_clip, load_phi3_model, swap_vision_tower
from phi3lib.encoders.encoder import Encoder, TowerParts, checksum
from phi3lib.lab.lessons.nb10_alignment import apply_adapter
from phi3lib.loading.defaults import BUNDLED_FOLDER
from phi3lib.vision.image_processing import CLIP_MEAN, CLIP_STD, RESCALE_FACTOR

FOLDER = BUNDLED_FOLDER / "towers"
TILE, PATCH = 112, 14
SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "image_size": TILE,
    "patch_size": PATCH,
    "hidden_act": "gelu",
}
# What was trained: every stage but the first continues from the first.
STAGE_NAMES = {
    "projector": "projector",
    "further": "projector, then projector",
    "lora": "projector, then LoRA",
    "both": "projector, then both",
}
# Each tower and how it came to see; the small ones have one architecture and the same first weights.
TOWERS = {
    "original": "the tower that was trained inside this Phi-3-vision",
    "clip": "the small CLIP's: trained with captions, for hours",
    "clip-new": "the small CLIP's with a new projector: begins like the small towers",
    "labels": "small, trained with a label for every patch, for minutes",
    "masked": "small, trained without labels: masked patches are rebuilt",
    "untrained": "small, random weights",
    "pixels": "no tower: each patch as 7 × 7 pixels",
}
PIXELS_PER_SIDE = 7  # of a patch of 14 pixels, for "pixels"


class TowerOnly(Encoder):
    """A vision network with the pixels of CLIP, for `swap_vision_tower` alone."""

    family = "tower"

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__(name, network=network)

    def tower(self) -> TowerParts:
        """Return the network."""
        return TowerParts(self.network, TILE, CLIP_MEAN, CLIP_STD, RESCALE_FACTOR)


def untrained_network(seed: int = 0) -> nn.Module:
    """Return the small network with random weights, the same on every machine."""
    network = CLIPVisionModel(CLIPVisionConfig(**SMALL))
    network = getattr(network, "vision_model", network)
    rng = np.random.default_rng(seed)
    weights = {name: _drawn(name, tensor.shape, rng) for name, tensor in sorted(network.state_dict().items())}
    network.load_state_dict(weights, strict=True)
    return network.eval()


def _drawn(name: str, shape: torch.Size, rng: np.random.Generator) -> Tensor:
    """Ones for norms, zeros for biases, normal numbers for what is left: each row as long as 1."""
    if name.endswith("bias"):
        return torch.zeros(shape)
    if "norm" in name:
        return torch.ones(shape)
    inputs = int(np.prod(shape[1:])) if len(shape) > 1 else shape[0]
    scale = 1.0 if "position" in name or "class" in name else inputs**-0.5
    return torch.from_numpy(rng.normal(0, scale, tuple(shape)).astype(np.float32))


def pixel_network() -> nn.Module:
    """Return a network without layers whose features are the pixels of each patch, averaged 2×2 by 2×2."""
    width, step = 3 * PIXELS_PER_SIDE**2, PATCH // PIXELS_PER_SIDE
    config = SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=1,
        num_hidden_layers=0,
        num_attention_heads=1,
        image_size=TILE,
        patch_size=PATCH,
        vision_use_head=False,
    )
    network = SiglipVisionModel(config)
    network = getattr(network, "vision_model", network)
    kernel = torch.zeros(3, PIXELS_PER_SIDE, PIXELS_PER_SIDE, 3, PATCH, PATCH)
    for channel in range(3):
        for row in range(PIXELS_PER_SIDE):
            for col in range(PIXELS_PER_SIDE):
                down, across = (slice(step * place, step * (place + 1)) for place in (row, col))
                kernel[channel, row, col, channel, down, across] = step**-2
    with torch.no_grad():
        network.embeddings.patch_embedding.weight.copy_(kernel.reshape(width, 3, PATCH, PATCH))
        network.embeddings.patch_embedding.bias.zero_()
        network.embeddings.position_embedding.weight.zero_()
    return network.eval()


def small_phi3() -> Any:
    """Return the small Phi-3-vision of the course, whichever models were chosen."""
    return load_phi3_model(BUNDLED_FOLDER / "phi3-vision-small", language_model=True)


def weights_of(phi3: Any) -> str:
    """Return eight letters that change with the weights that adapters were trained for."""
    return checksum(phi3)


def bundled_tower(name: str) -> Any:
    """Return a tower of TOWERS as `swap_vision_tower` takes it. Raises ValueError for other names."""
    if name not in TOWERS:
        raise ValueError(f"no tower {name!r}; there are: {', '.join(TOWERS)}")
    if name == "original":
        return load_phi3_model(BUNDLED_FOLDER / "phi3-vision-small")
    if name in ("clip", "clip-new"):
        return load_clip(BUNDLED_FOLDER / "clip-small")
    if name == "pixels":
        return TowerOnly(name, pixel_network())
    network = untrained_network()
    if name != "untrained":
        stored = load_file(FOLDER / f"{name}.safetensors")
        network.load_state_dict({key: tensor.float() for key, tensor in stored.items()}, strict=True)
    return TowerOnly(name, network)


def with_tower(phi3: Any, name: str, adapters: tuple[str, ...] = ()) -> Any:
    """Return the small Phi-3-vision with a tower of TOWERS, and with what was trained for it.

    adapters: names of stages whose adapters are beside the towers, applied in this order.
    """
    keep = name in ("original", "clip")  # as wide as the projector was made for
    swapped = swap_vision_tower(
        phi3,
        bundled_tower(name),
        projector="keep" if keep else "new",
        layer=0 if name == "pixels" else None,
    )
    for stage in adapters:
        apply_adapter(swapped, load_file(FOLDER / f"{name}-{stage}.safetensors"))
    return swapped


@cache
def measured() -> dict[str, Any]:
    """Return what the training program measured: curves and final scores of each tower and stage."""
    return json.loads((FOLDER / "curves.json").read_text(encoding="utf-8"))


def stages_of(tower: str) -> dict[str, tuple[str, ...]]:
    """Return the stages of a tower by what was trained, each with the adapters that it needs."""
    stages: dict[str, tuple[str, ...]] = {"nothing": ()}
    if (FOLDER / f"{tower}-projector.safetensors").exists():
        stages["projector"] = ("projector",)
        for stage, said in STAGE_NAMES.items():
            if stage != "projector" and (FOLDER / f"{tower}-{stage}.safetensors").exists():
                stages[said] = ("projector", stage)
    return stages
