"""DINOv2 (Oquab et al. 2023), as an encoder of images. Trained without texts, it has no text encoder."""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from phi3lib.encoders.encoder import Encoder, Images, TowerParts, recipe, tower_parts
from phi3lib.loading.claims import require_fitting_images, require_pixel_values
from phi3lib.loading.networks import checkpoint_errors, checkpoint_folder, load_network
from phi3lib.vision.clip import central_part
from phi3lib.vision.float32 import fast_products
from phi3lib.vision.pictures import read_upright

FAMILY, MODEL_TYPES = "dino", ("dinov2", "dinov2_with_registers")
OQUAB = "Oquab et al. 2023"


class DinoFeatures:
    """Features of a batch of n images by DINOv2; each is computed once, when a recipe needs it."""

    def __init__(self, encoder: "DinoEncoder", images: Images) -> None:
        self._encoder, self._images = encoder, images

    @cached_property
    def _states(self) -> torch.Tensor:
        network, pixels = self._encoder.network, self._encoder.pixel_values(self._images)
        with fast_products(next(network.parameters()), network.config.hidden_size):
            return network(pixel_values=pixels).last_hidden_state

    @property
    def cls(self) -> torch.Tensor:
        """The class token after the last layer and its norm: (n, d)."""
        return self._states[:, 0]

    @property
    def patches(self) -> torch.Tensor:
        """The patches after the last layer and its norm: (n, patches, d)."""
        registers = getattr(self._encoder.network.config, "num_register_tokens", 0)
        return self._states[:, 1 + registers :]


def _width(encoder: "DinoEncoder") -> int:
    return encoder.network.config.hidden_size


@recipe("cls", family=FAMILY, says="class token behind the last layer", source=OQUAB, size=_width)
def _cls(features: DinoFeatures) -> torch.Tensor:
    return features.cls


@recipe("patches", family=FAMILY, says="mean of the patches", source=OQUAB, size=_width)
def _patches(features: DinoFeatures) -> torch.Tensor:
    return features.patches.mean(1)


class DinoEncoder(Encoder):
    """A DINOv2 of `load_encoder`.

    network: transformers' Dinov2Model, or Dinov2WithRegistersModel (Darcet et al. 2023). processor:
    BitImageProcessorPil.
    """

    family = FAMILY

    def __init__(self, name: str, *, network: Any, processor: Any, revision: str | None) -> None:
        super().__init__(name, network=network, revision=revision)
        self.network: Any = network
        self.processor = processor

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> "DinoEncoder":
        """Load a checkpoint; see `load_encoder`."""
        from transformers import AutoConfig, Dinov2Model, Dinov2WithRegistersModel
        from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

        folder, where, commit = checkpoint_folder(name, revision)
        with checkpoint_errors(where):
            registers = "register" in AutoConfig.from_pretrained(folder, local_files_only=True).model_type
            processor = BitImageProcessorPil.from_pretrained(folder, local_files_only=True)
        network = load_network(
            Dinov2WithRegistersModel if registers else Dinov2Model,
            folder,
            where=where,
            device=device,
            dtype=dtype,
        )
        require_pixel_values(processor, where=where)
        size, patch = network.config.image_size, network.config.patch_size
        with checkpoint_errors(where):
            require_fitting_images(processor, size, least=patch, where=where)
        return cls(where, network=network, processor=processor, revision=commit)

    def features(self, images: Images) -> DinoFeatures:
        """Return class token and patches of one batch."""
        return DinoFeatures(self, images)

    def pixel_values(self, images: Images) -> torch.Tensor:
        """Return images as the network takes them, (n, 3, size, size), on its device and in its dtype."""
        upright = [central_part(read_upright(image)) for image in images]
        inputs = self.processor(images=upright, return_tensors="pt")
        return inputs["pixel_values"].to(self.network.device, self.network.dtype)

    def tower(self) -> TowerParts:
        """Return the network, with the input size of its image processor (224 pixels as published)."""
        return tower_parts(self.network, self.processor, size=self.processor.crop_size["height"])

    def preprocessing(self) -> dict[str, Any]:
        """Return the size of the short side and of the central square that is cut out."""
        return {"size": dict(self.processor.size), "crop_size": dict(self.processor.crop_size)}
