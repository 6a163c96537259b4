"""From many features to one vector: the recipes, each named, and what a model can do.

A recipe takes a model and pictures and gives one vector each. CLIP was trained to have one ("projected");
Phi-3-vision has hundreds of tokens for a picture and no such vector, so that every recipe is a choice.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from phi3lib.vision.hd_transform import TileGeometry, grid_shape, hd_sequence
from phi3lib.vision.precision import precision_of

# One word each, so that pictures and texts end in states of one kind: E5-V, Jiang et al. 2024.
INSTRUCTION, INSTRUCTION_TEXT = "Describe the picture in one word.", "Describe the text in one word."
Pictures = Sequence[Image.Image]


@dataclass(frozen=True)
class Recipe:
    """How one vector is made of a picture: a name, what it is, where it comes from, and the code."""

    name: str
    says: str
    source: str
    encode: Callable[[Any, Pictures], torch.Tensor]  # (n, d) in the model's dtype
    width: Callable[[Any], int]  # d
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
    return clip.model.vision_model(pixel_values=clip.pixel_values(pictures))


def _clip_width(clip: Any) -> int:
    return clip.model.config.projection_dim


def _clip_tower_width(clip: Any) -> int:
    return clip.model.config.vision_config.hidden_size


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
    return _last_states(model, [prompt] * len(pictures), list(pictures))


def phi3_last_token_of_texts(model: Any, texts: Sequence[str]) -> torch.Tensor:
    """The language model's last state behind a text and an instruction of the same kind (as E5-V has it)."""
    return _last_states(
        model, [f"<|user|>\n{text}\n{INSTRUCTION_TEXT}<|end|>\n<|assistant|>\n" for text in texts]
    )


def _last_states(model: Any, prompts: list[str], pictures: list[Image.Image] | None = None) -> torch.Tensor:
    inputs = model.processor(prompts, pictures, padding=True).to(_device(model))
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


def _width(model: Any) -> int:
    config = _embedding(model).config
    return config.n_embd if hasattr(config, "n_embd") else config.hidden_size


def _tower_width(model: Any) -> int:
    return _embedding(model).image_dim_out


def _embedding(model: Any) -> Any:
    """The vision part, of the whole model or on its own."""
    return model.model.vision_embed_tokens if is_whole(model) else model


def is_whole(model: Any) -> bool:
    """Whether this is Phi-3-vision with its language model."""
    return hasattr(model, "lm_head")


def _device(model: Any) -> torch.device:
    return next(model.parameters()).device


def _inputs(model: Any, pictures: Pictures) -> Any:
    inputs = image_processor_of(model)(list(pictures), return_tensors="pt").to(_device(model))
    tower = next(_embedding(model).img_processor.parameters())
    inputs["pixel_values"] = inputs["pixel_values"].to(tower.dtype)
    return inputs


# --------------------------------------------------------------------------- the list

RADFORD = "Radford et al. 2021"
CLIP_RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("projected", "CLIP's vector, in the space of texts", RADFORD, clip_projected, _clip_width),
        Recipe("cls", "class token of the tower, not projected", RADFORD, clip_tower_cls, _clip_tower_width),
        Recipe(
            "patches",
            "mean of the tower's patches",
            "common practice",
            clip_tower_patches,
            _clip_tower_width,
        ),
    )
}
PHI3_RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "mean",
            "mean of all visual tokens, without separators",
            "common practice",
            phi3_mean,
            _width,
        ),
        Recipe("global", "mean of the global view's tokens", "common practice", phi3_global, _width),
        Recipe("crops", "mean of the crops' tokens", "common practice", phi3_crops, _width),
        Recipe(
            "tower",
            "mean of the tower's patches in the global view",
            "common practice",
            phi3_tower,
            _tower_width,
        ),
        Recipe("cls", "class token of the tower in the global view", RADFORD, phi3_tower_cls, _tower_width),
        Recipe(
            "last token",
            "the language model's last state behind an instruction",
            "VLM2Vec, Jiang et al. 2024",
            phi3_last_token,
            _width,
            whole_model=True,
        ),
    )
}
DEFAULT = {"clip": "projected", "phi3": "mean"}
WITH_TEXTS = {"clip": "projected", "phi3": "last token"}  # whose space texts share


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


def describe_texts(model: Any) -> dict[str, Any]:
    """`describe` for the vectors of texts. ValueError for a model that has none."""
    if family_of(model) == "clip":
        of_pictures = describe(model, CLIP_RECIPES["projected"])
        return {**of_pictures, "pooling": "text: end-of-text token, projected"}
    if not is_whole(model):
        raise ValueError(
            "the vision part of Phi-3-vision has no common space of pictures and texts: use a model of "
            "load_clip, or load_phi3_model(language_model=True)"
        )
    of_pictures = describe(model, PHI3_RECIPES["last token"])
    said = "the language model's last state behind a text and an instruction"
    return {**of_pictures, "pooling": f"last token: {said}", "instruction": INSTRUCTION_TEXT}


def describe(model: Any, recipe: Recipe) -> dict[str, Any]:
    """All that tells these vectors from others: to be kept beside them."""
    import transformers

    said = _describe_clip(model) if family_of(model) == "clip" else _describe_phi3(model, recipe)
    return {
        **said,
        "pooling": f"{recipe.name}: {recipe.says}",
        "dimension": recipe.width(model),
        "weights": _mark_of_weights(model, recipe),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }


def _describe_clip(clip: Any) -> dict[str, Any]:
    return {name: value for name, value in clip.recipe.items() if name != "versions"}


def _describe_phi3(model: Any, recipe: Recipe) -> dict[str, Any]:
    processor, checkpoint = image_processor_of(model), model.checkpoint
    return {
        "model": checkpoint.name,
        "revision": checkpoint.revision,
        "fine_tuned": checkpoint.fine_tuned,
        "family": "phi3",
        "layer": _embedding(model).layer_idx,
        "pooling": recipe.name,
        "instruction": INSTRUCTION if recipe.whole_model else None,
        "normalisation": "none",
        "preprocessing": {
            "num_crops": processor.num_crops,
            "tile_size": processor.tile_size,
            "patch_size": processor.patch_size,
        },
        "dtype": precision_of(_embedding(model)),
    }


def image_processor_of(model: Any) -> Any:
    """Phi-3-vision's image processor, of the whole model or of the vision part."""
    return getattr(model.processor, "image_processor", model.processor)


def _mark_of_weights(model: Any, recipe: Recipe) -> str:
    """Eight letters that change with the weights: a model that was trained on, or replaced in its folder."""
    network = (
        model.model if family_of(model) == "clip" else model if recipe.whole_model else _embedding(model)
    )
    mark = 0
    for name, weight in network.named_parameters():
        # Training moves all numbers: the first of each tensor will do. The vision part may lack the words.
        if recipe.whole_model or not name.startswith("wte."):
            mark = zlib.crc32(weight.detach().flatten()[:256].float().cpu().numpy().tobytes(), mark)
    return f"{mark:08x}"
