"""From many features to one vector: the recipes, each named, and what a model can do.

A recipe takes a model and pictures and gives one vector each. CLIP was trained to have one ("projected");
Phi-3-vision has hundreds of tokens for a picture and no such vector, so that every recipe is a choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from phi3lib.vision.hd_transform import TileGeometry, grid_shape, hd_sequence
from phi3lib.vision.precision import precision_of

INSTRUCTION = "Describe the picture in one word."
Pictures = Sequence[Image.Image]


@dataclass(frozen=True)
class Recipe:
    """How one vector is made of a picture: a name, what it is, where it comes from, and the code."""

    name: str
    says: str
    source: str
    encode: Callable[[Any, Pictures], torch.Tensor]  # (n, d) float32
    whole_model: bool = False  # needs Phi-3-vision's language model


# --------------------------------------------------------------------------- CLIP


def clip_projected(clip: Any, pictures: Pictures) -> torch.Tensor:
    """CLIP's own vector: the class token of the last layer, projected into the space of texts."""
    return clip.image_features(list(pictures))


def clip_tower_cls(clip: Any, pictures: Pictures) -> torch.Tensor:
    """The class token behind the last layer and its norm, before the projection."""
    return _clip_tower(clip, pictures).pooler_output


def clip_tower_patches(clip: Any, pictures: Pictures) -> torch.Tensor:
    """The mean of the patches behind the last layer, without the class token."""
    return _clip_tower(clip, pictures).last_hidden_state[:, 1:].mean(1)


def _clip_tower(clip: Any, pictures: Pictures) -> Any:
    pixels = clip.processor(images=list(pictures), return_tensors="pt")["pixel_values"]
    return clip.model.vision_model(pixel_values=pixels.to(clip.model.device, clip.model.dtype))


# --------------------------------------------------------------------------- Phi-3-vision


def phi3_mean(model: Any, pictures: Pictures) -> torch.Tensor:
    """The mean of a picture's projected tokens, crops and global view alike, without separators."""
    inputs = _inputs(model, pictures)
    return _embedding(model).get_image_features(inputs).pooler_output


def phi3_global(model: Any, pictures: Pictures) -> torch.Tensor:
    """The mean of the projected tokens of the global view."""
    return _mean_of_view(model, pictures, GLOBAL)


def phi3_crops(model: Any, pictures: Pictures) -> torch.Tensor:
    """The mean of the projected tokens of the crops."""
    return _mean_of_view(model, pictures, CROP)


def phi3_tower(model: Any, pictures: Pictures) -> torch.Tensor:
    """The mean of the tower's patches in the global view: what the projector has not touched yet."""
    return _global_features(model, pictures)[:, 1:].mean(1)


def phi3_tower_cls(model: Any, pictures: Pictures) -> torch.Tensor:
    """The tower's class token of the global view, at the layer that Phi-3-vision reads and never uses."""
    return _global_features(model, pictures)[:, 0]


def phi3_last_token(model: Any, pictures: Pictures) -> torch.Tensor:
    """The language model's last state behind the picture and an instruction."""
    prompt = f"<|user|>\n<|image_1|>\n{INSTRUCTION}<|end|>\n<|assistant|>\n"
    inputs = model.processor([prompt] * len(pictures), list(pictures), padding=True).to(_device(model))
    # Prompts are padded on the left, so that the last place is everyone's last token.
    return model.model(**inputs, use_cache=False).last_hidden_state[:, -1]


SEPARATOR, CROP, GLOBAL = 0, 1, 2


def token_views(rows: int, cols: int, tile: TileGeometry, order: str) -> torch.Tensor:
    """SEPARATOR, CROP or GLOBAL for each token of a picture of rows × cols crops: (tokens,) int64."""
    # The real assembly, run on marks.
    marks = torch.full((1 + rows * cols, tile.patches_per_side**2, 1), float(CROP))
    marks[0] = GLOBAL
    sequence = hd_sequence(
        marks,
        rows,
        cols,
        row_separator=torch.zeros(1, 1, 1, 4),
        view_separator=torch.zeros(1, 1, 4),
        order=order,
    )
    return sequence[:, 0].long()


def _mean_of_view(model: Any, pictures: Pictures, view: int) -> torch.Tensor:
    embedding, inputs = _embedding(model), _inputs(model, pictures)
    tokens = embedding.get_image_features(inputs).tokens
    means = []
    for of_picture, (height, width) in zip(tokens, inputs["image_sizes"].tolist(), strict=True):
        rows, cols = grid_shape(height, width, embedding.tile)
        views = token_views(rows, cols, embedding.tile, embedding.hd_transform_order)
        means.append(of_picture[(views == view).to(of_picture.device)].mean(0))
    return torch.stack(means)


def _global_features(model: Any, pictures: Pictures) -> torch.Tensor:
    """The tower's features of the global views, the class token first: (n, 1 + patches², C)."""
    embedding = _embedding(model)
    tiles = _inputs(model, pictures)["pixel_values"][:, 0]
    return embedding.img_processor(tiles, layer=embedding.layer_idx)


def _embedding(model: Any) -> Any:
    """The vision part, of the whole model or on its own."""
    return model.model.vision_embed_tokens if is_whole(model) else model


def is_whole(model: Any) -> bool:
    """Whether this is Phi-3-vision with its language model."""
    return hasattr(model, "lm_head")


def _device(model: Any) -> torch.device:
    return next(model.parameters()).device


def _inputs(model: Any, pictures: Pictures) -> Any:
    processor = getattr(model.processor, "image_processor", model.processor)
    inputs = processor(list(pictures), return_tensors="pt").to(_device(model))
    tower = next(_embedding(model).img_processor.parameters())
    inputs["pixel_values"] = inputs["pixel_values"].to(tower.dtype)
    return inputs


# --------------------------------------------------------------------------- the list

CLIP_RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("projected", "CLIP's vector, in the space of texts", "Radford et al. 2021", clip_projected),
        Recipe("cls", "class token of the tower, not projected", "Radford et al. 2021", clip_tower_cls),
        Recipe("patches", "mean of the tower's patches", "common practice", clip_tower_patches),
    )
}
PHI3_RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("mean", "mean of all visual tokens, without separators", "common practice", phi3_mean),
        Recipe("global", "mean of the global view's tokens", "Abdin et al. 2024", phi3_global),
        Recipe("crops", "mean of the crops' tokens", "Abdin et al. 2024", phi3_crops),
        Recipe("tower", "mean of the tower's patches in the global view", "common practice", phi3_tower),
        Recipe("cls", "class token of the tower in the global view", "Radford et al. 2021", phi3_tower_cls),
        Recipe(
            "last token",
            "the language model's last state behind an instruction",
            "VLM2Vec, Jiang et al. 2024",
            phi3_last_token,
            whole_model=True,
        ),
    )
}
DEFAULT = {"clip": "projected", "phi3": "mean"}


def family_of(model: Any) -> str:
    """ "clip" or "phi3"."""
    return "clip" if hasattr(model, "text_features") else "phi3"


def recipe_of(model: Any, name: str | None = None) -> Recipe:
    """The recipe of this name, or the model's own. ValueError where this model has none of this name."""
    family = family_of(model)
    recipes = CLIP_RECIPES if family == "clip" else PHI3_RECIPES
    chosen = name or DEFAULT[family]
    if chosen not in recipes:
        raise ValueError(f"no pooling {chosen!r} for this model; there are: {', '.join(map(repr, recipes))}")
    if recipes[chosen].whole_model and not is_whole(model):
        raise ValueError(f"pooling {chosen!r} needs the language model: load_phi3_model(language_model=True)")
    return recipes[chosen]


def describe(model: Any, recipe: Recipe, dimension: int) -> dict[str, Any]:
    """All that tells these vectors from others: to be kept beside them."""
    import transformers

    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    if family_of(model) == "clip":
        described = {**model.recipe, "pooling": f"{recipe.name}: {recipe.says}"}
        return {**described, "dimension": dimension, "versions": versions}
    processor = getattr(model.processor, "image_processor", model.processor)
    checkpoint = model.checkpoint
    return {
        "model": checkpoint.name,
        "revision": checkpoint.revision,
        "fine_tuned": checkpoint.fine_tuned,
        "family": "phi3",
        "layer": _embedding(model).layer_idx,
        "pooling": f"{recipe.name}: {recipe.says}",
        "instruction": INSTRUCTION if recipe.whole_model else None,
        "normalisation": "none",
        "preprocessing": {
            "num_crops": processor.num_crops,
            "tile_size": processor.tile_size,
            "patch_size": processor.patch_size,
        },
        "dimension": dimension,
        "dtype": precision_of(_embedding(model)),
        "versions": versions,
    }
