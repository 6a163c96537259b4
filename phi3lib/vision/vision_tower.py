"""The vision tower: an image encoder, run up to the requested layer."""

from typing import Any

import torch
from torch import nn

from phi3lib.vision.float32 import fast_products
from phi3lib.vision.tower_families import CLIP_VIT_L_14_336, family_of, vision_config_of

__all__ = ["CLIP_VIT_L_14_336", "VisionTower", "vision_config_of"]

# Tiles that go through the tower at once. On a CPU more than a dozen small ones gain nothing, and large ones
# should have activations of BLOCK bytes at most, three tiles of ViT-L/14-336: glibc gets larger blocks from
# the system anew each time, and that costs a few percent. A GPU wants its cores filled.
TILES_AT_ONCE_CPU = 12
BLOCK = 2**25
TILES_AT_ONCE_GPU = 64


class VisionTower(nn.Module):
    """A vision network under the name that Phi-3-vision's checkpoints give it.

    config: transformers' CLIPVisionConfig, as in the published models, or that of another network (see
    `phi3lib.vision.tower_families`). Parameters are called `vision_model.…` as in the published files. All
    layers are kept, the last one and its norm too: checkpoints hold them, though Phi-3-vision never runs
    them. Raises ValueError for other networks.
    """

    def __init__(self, config: Any):
        super().__init__()
        self.config = config
        self.family = family_of(config)
        self.vision_model = self.family.make_network(config)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        # `to_empty` gives buffers memory without values, and no file holds the numbers of the positions.
        empty = [name for name, buffer in self.named_buffers() if buffer.is_meta]
        super()._apply(fn, recurse)
        for name in empty:
            buffer = self.get_buffer(name)
            if not buffer.is_meta:
                buffer.copy_(torch.arange(buffer.numel()).view_as(buffer))
        return self

    def fill_positions(self) -> None:
        """Give the numbers of positions memory, in a tower that was built without."""
        for module in self.modules():
            for name, buffer in module.named_buffers(recurse=False):
                if buffer.is_meta:
                    module.register_buffer(
                        name, torch.arange(buffer.numel()).view_as(buffer), persistent=False
                    )

    @property
    def has_class_token(self) -> bool:
        """Return whether the features begin with a class token."""
        return self.family.class_token

    @property
    def num_class_tokens(self) -> int:
        """Return 1 where the features begin with a class token, else 0."""
        return int(self.family.class_token)

    @property
    def num_prefix_tokens(self) -> int:
        """Return how many features stand before those of the patches: class token and registers."""
        return self.family.num_prefix_tokens(self.config)

    def forward(self, tiles: torch.Tensor, layer: int = -1) -> torch.Tensor:
        """Return the features of `tiles` (n, 3, size, size) after `layer`: (n, prefix + patches², C).

        The prefix is the class token, where the network has one, and then its registers. `layer` counts as in
        transformers' `hidden_states`: 0 is the input of the first layer, -1 the output of the last one
        (before the network's last norm), -2 the penultimate layer that Phi-3-vision reads. Later layers are
        not run and earlier states not kept.

        Raises ValueError for a layer that the tower does not have, or tiles of another size.
        """
        depth = self.layers_to_run(layer)
        self._require_tiles(tiles)
        at_once = self._tiles_at_once_on_cpu() if tiles.device.type == "cpu" else TILES_AT_ONCE_GPU
        parts = tiles.tensor_split(-(-len(tiles) // at_once))
        with fast_products(next(self.parameters()), self.config.hidden_size):
            features = [self.family.run(self.vision_model, some, depth) for some in parts]
        return features[0] if len(features) == 1 else torch.cat(features)

    def _tiles_at_once_on_cpu(self) -> int:
        patches = (self.config.image_size // self.config.patch_size) ** 2
        widest = getattr(self.config, "intermediate_size", 4 * self.config.hidden_size)
        bytes_of_a_tile = 4 * (patches + self.num_prefix_tokens) * widest
        return min(max(BLOCK // bytes_of_a_tile, 1), TILES_AT_ONCE_CPU)

    def layers_to_run(self, layer: int) -> int:
        """How many encoder layers must run for the hidden state with index `layer`."""
        states = self.config.num_hidden_layers + 1
        if not -states <= layer < states:
            raise ValueError(
                f"layer {layer}: a tower of {states - 1} layers has hidden states 0 to {states - 1}, "
                f"or -{states} to -1 counted from the end"
            )
        return layer % states

    def _require_tiles(self, tiles: torch.Tensor) -> None:
        size = self.config.image_size
        if tiles.ndim != 4 or tuple(tiles.shape[1:]) != (self.config.num_channels, size, size):
            raise ValueError(
                f"the vision tower takes tiles of shape (n, {self.config.num_channels}, {size}, {size}), "
                f"got {tuple(tiles.shape)}"
            )
        if len(tiles) == 0:
            raise ValueError("the vision tower was given no tiles")
