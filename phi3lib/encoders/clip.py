"""CLIP (Radford et al. 2021), as an encoder of images and texts: around a `Clip` of `load_clip`."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch

from phi3lib.encoders.encoder import (
    Encoder,
    Images,
    Recipe,
    Recipes,
    TowerParts,
    recipe,
    recipes_of,
    tower_parts,
)
from phi3lib.vision.float32 import fast_products
from phi3lib.vision.precision import in_precision

FAMILY, MODEL_TYPES = "clip", ("clip",)
RADFORD = "Radford et al. 2021"
CLIP_RECIPES = recipes_of(FAMILY)


class ClipFeatures:
    """Features of a batch of n images by CLIP; each is computed once, when a recipe needs it."""

    def __init__(self, clip: Any, images: Images) -> None:
        self._clip, self._images = clip, images

    @cached_property
    def _tower(self) -> Any:
        network, pixels = self._clip.model, self._clip.pixel_values(self._images)
        with fast_products(next(network.parameters()), network.config.vision_config.hidden_size):
            return network.vision_model(pixel_values=pixels)

    @property
    def cls(self) -> torch.Tensor:
        """The class token after the last layer and its norm: (n, C)."""
        return self._tower.pooler_output

    @property
    def patches(self) -> torch.Tensor:
        """The patches after the last layer: (n, patches, C)."""
        return self._tower.last_hidden_state[:, 1:]

    @property
    def projected(self) -> torch.Tensor:
        """CLIP's own vector, in the space of texts: (n, d)."""
        return self._clip.model.visual_projection(self.cls)


def _projection_width(encoder: "ClipEncoder") -> int:
    return encoder.network.config.projection_dim


def _tower_width(encoder: "ClipEncoder") -> int:
    return encoder.network.config.vision_config.hidden_size


@recipe(
    "projected",
    family=FAMILY,
    says="CLIP's vector, in the space of texts",
    source=RADFORD,
    size=_projection_width,
)
def _projected(features: ClipFeatures) -> torch.Tensor:
    return features.projected


@recipe(
    "cls",
    family=FAMILY,
    says="class token of the tower, not projected",
    source=RADFORD,
    size=_tower_width,
)
def _cls(features: ClipFeatures) -> torch.Tensor:
    return features.cls


@recipe(
    "patches",
    family=FAMILY,
    says="mean of the tower's patches",
    source="common practice",
    size=_tower_width,
)
def _patches(features: ClipFeatures) -> torch.Tensor:
    return features.patches.mean(1)


class ClipEncoder(Encoder):
    """A `Clip` of `load_clip` as an encoder."""

    family = FAMILY

    def __init__(self, clip: Any) -> None:
        # Any object with `text_features` may replace a `Clip`; it needs only the attributes that are used.
        super().__init__(getattr(clip, "name", "CLIP"), revision=getattr(clip, "revision", None))
        self.network: Any = getattr(clip, "model", None)
        self.clip = clip

    @classmethod
    def wrap(cls, model: Any) -> "ClipEncoder | None":
        """Return the encoder of a model of `load_clip`; None for other objects."""
        return cls(model) if hasattr(model, "text_features") else None

    @classmethod
    def load(cls, name: Any, **options: Any) -> "ClipEncoder":
        """Load a checkpoint; see `load_clip`."""
        from phi3lib.loading.checkpoints import load_clip

        return cls(load_clip(name, **options))

    @property
    def recipes(self) -> Recipes:
        """The recipes of CLIP; "projected" vectors are in the space of texts."""
        return Recipes(CLIP_RECIPES, default="projected", shared_with_text="projected")

    def features(self, images: Images) -> ClipFeatures:
        """Return class token, patches and projected vectors of one batch."""
        return ClipFeatures(self.clip, images)

    def tower(self) -> TowerParts:
        """Return the vision network, without the projection to the space of texts."""
        network = self.network.vision_model
        return tower_parts(network, self.clip.processor, size=network.config.image_size)

    def in_precision(self, precision: str) -> "ClipEncoder":
        """Return a copy that computes at this precision."""
        return ClipEncoder(in_precision(self.clip, precision))

    def details(self, recipe: Recipe) -> dict[str, Any]:
        """Return the recipe of the `Clip`, without versions."""
        return {name: value for name, value in self.clip.recipe.items() if name != "versions"}

    # ------------------------------------------------------------------------ texts

    def encode_texts(self, texts: str | Sequence[str]) -> torch.Tensor:
        """Return vectors (n, d) of texts, in the space of the "projected" images."""
        return self.clip.text_features(texts)

    def class_probabilities(self, similarities: torch.Tensor) -> torch.Tensor:
        """Return the softmax of the scaled cosines (n, classes); each row sums to 1."""
        scale = float(self.network.logit_scale.detach().exp())
        return (scale * similarities).double().softmax(-1)

    def text_provenance(self) -> dict[str, Any]:
        """Return `provenance` for the vectors of texts."""
        image_provenance = self.provenance(CLIP_RECIPES["projected"])
        return {**image_provenance, "pooling": "text: end-of-text token, projected"}
