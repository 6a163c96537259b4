"""The vision tower: a CLIP image encoder, read at the layer that is asked for and run no further."""

from typing import Any

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from phi3lib.vision.float32 import fast_products

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

# Tiles that go through the tower at once. More than a few gain nothing on a CPU, where the activations
# then leave the cache; a GPU wants its cores filled.
TILES_AT_ONCE_CPU = 4
TILES_AT_ONCE_GPU = 64


class VisionTower(nn.Module):
    """A CLIP vision model under the name that Phi-3-vision's checkpoints give it.

    Parameters are called `vision_model.…` as in the published files, whatever names transformers uses in
    its own CLIP classes. All layers are kept, the last one and `post_layernorm` too: checkpoints hold
    them, though Phi-3-vision never runs them.
    """

    def __init__(self, config: CLIPVisionConfig):
        super().__init__()
        self.config = config
        self.vision_model = CLIPVisionModel(config)

    def forward(self, tiles: torch.Tensor, layer: int = -1) -> torch.Tensor:
        """Features of `tiles` (n, 3, size, size) behind `layer`: (n, 1 + patches², C), CLS first.

        `layer` counts as in transformers' `hidden_states`: 0 is the input of the first layer, -1 the
        output of the last one, -2 the penultimate layer that Phi-3-vision reads. Later layers are not
        run and earlier states not kept.

        Raises ValueError for a layer that the tower does not have, or tiles of another size.
        """
        depth = self.layers_to_run(layer)
        self._require_tiles(tiles)
        size = TILES_AT_ONCE_CPU if tiles.device.type == "cpu" else TILES_AT_ONCE_GPU
        with fast_products(next(self.parameters()), self.config.hidden_size):
            features = [self._encode(some, depth) for some in tiles.split(size)]
        return features[0] if len(features) == 1 else torch.cat(features)

    def layers_to_run(self, layer: int) -> int:
        """How many encoder layers must run for the hidden state with index `layer`."""
        states = self.config.num_hidden_layers + 1
        if not -states <= layer < states:
            raise ValueError(
                f"layer {layer}: a tower of {states - 1} layers has hidden states 0 to {states - 1}, "
                f"or -{states} to -1 counted from the end"
            )
        return layer % states

    def _encode(self, tiles: torch.Tensor, depth: int) -> torch.Tensor:
        tower = self.vision_model
        hidden = tower.pre_layrnorm(tower.embeddings(tiles))  # (n, 1 + patches², C)
        for encoder_layer in tower.encoder.layers[:depth]:
            hidden = encoder_layer(hidden, attention_mask=None)
        return hidden

    def _require_tiles(self, tiles: torch.Tensor) -> None:
        size = self.config.image_size
        if tiles.ndim != 4 or tuple(tiles.shape[1:]) != (self.config.num_channels, size, size):
            raise ValueError(
                f"the vision tower takes tiles of shape (n, {self.config.num_channels}, {size}, {size}), "
                f"got {tuple(tiles.shape)}"
            )
        if len(tiles) == 0:
            raise ValueError("the vision tower was given no tiles")


def vision_config_of(img_processor: dict[str, Any]) -> CLIPVisionConfig:
    """The tower's configuration from a model's `config.img_processor`.

    Its entry `vision_config` holds fields of `CLIPVisionConfig`; without it the tower is ViT-L/14-336.
    """
    return CLIPVisionConfig(**{**CLIP_VIT_L_14_336, **img_processor.get("vision_config", {})})
