"""Names of `phi3lib.embeddings.pooling`, for one release: `as_encoder(model)` answers all of this now."""

from typing import Any

from phi3lib.encoders import Recipe, as_encoder
from phi3lib.encoders.clip import CLIP_RECIPES
from phi3lib.encoders.phi3 import (
    CROP,
    GLOBAL,
    INSTRUCTION,
    INSTRUCTION_TEXT,
    PHI3_RECIPES,
    SEPARATOR,
    token_views,
)

__all__ = [
    "CLIP_RECIPES",
    "CROP",
    "GLOBAL",
    "INSTRUCTION",
    "INSTRUCTION_TEXT",
    "PHI3_RECIPES",
    "SEPARATOR",
    "Recipe",
    "describe",
    "family_of",
    "phi3_crops",
    "phi3_global",
    "phi3_last_token",
    "phi3_mean",
    "phi3_tower",
    "recipe_of",
    "token_views",
]

phi3_mean, phi3_global = PHI3_RECIPES["mean"].encode, PHI3_RECIPES["global"].encode
phi3_crops, phi3_tower = PHI3_RECIPES["crops"].encode, PHI3_RECIPES["tower"].encode
phi3_last_token = PHI3_RECIPES["last token"].encode


def family_of(model: Any) -> str:
    """Return "clip" or "phi3"; now `as_encoder(model).family`."""
    return as_encoder(model).family


def recipe_of(model: Any, name: str | None = None) -> Recipe:
    """Return a recipe of a model, or its default; now `as_encoder(model).recipes.choose(name)`."""
    return as_encoder(model).recipes.choose(name)


def describe(model: Any, recipe: Recipe) -> dict[str, Any]:
    """Return all that distinguishes vectors from others; now `as_encoder(model).provenance(recipe)`."""
    return as_encoder(model).provenance(recipe)
