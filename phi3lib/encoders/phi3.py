"""Phi-3-vision as an encoder: the vision part alone, or the whole model of `load_phi3_model`.

Phi-3-vision has hundreds of tokens for an image and was not trained to have one vector: every recipe is a
choice. Recipes of one batch share what they need: the tower runs once over all tiles, and once more over the
global views alone for the recipes that need no crops.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

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
from phi3lib.vision.answers import prompt_of
from phi3lib.vision.hd_transform import grid_shape, hd_grid
from phi3lib.vision.inputs import as_texts
from phi3lib.vision.precision import precision_of
from phi3lib.vision.prompts import encode_prompt, one_turn
from phi3lib.vision.token_map import CROP, GLOBAL, token_views
from phi3lib.vision.token_map import SEPARATOR as SEPARATOR  # tests and notebooks know it from here
from phi3lib.vision.token_rows import padded

FAMILY, MODEL_TYPES = "phi3", ("phi3_v",)
COMMON = "common practice"
PHI3_RECIPES = recipes_of(FAMILY)
# One word each, so that images and texts end in comparable states: E5-V, Jiang et al. 2024.
INSTRUCTION, INSTRUCTION_TEXT = "Describe the picture in one word.", "Describe the text in one word."
PROMPT, PROMPT_TEXT = prompt_of(INSTRUCTION), one_turn(f"{{}}\n{INSTRUCTION_TEXT}")
TEXTS_AT_ONCE = 16
NO_TEXTS = (
    "the vision part of Phi-3-vision has no common space of pictures and texts: use a model of "
    "load_clip, or load_phi3_model(language_model=True)"
)


class Phi3Features:
    """Features of a batch of n images by Phi-3-vision; each is computed once, when a recipe needs it."""

    def __init__(self, encoder: "Phi3Encoder", images: Images) -> None:
        self._encoder, self._embedding, self._images = encoder, encoder.part(), images

    @cached_property
    def inputs(self) -> Any:
        """The image processor's output on the model's device: pixel_values, image_sizes, num_img_tokens."""
        inputs = self._encoder.image_processor(list(self._images), return_tensors="pt")
        inputs = inputs.to(self._encoder.device)
        tower = next(self._embedding.img_processor.parameters())
        inputs["pixel_values"] = inputs["pixel_values"].to(tower.dtype)
        return inputs

    @cached_property
    def grids(self) -> list[tuple[int, int]]:
        """Rows and columns of each image's crops."""
        sizes = self.inputs["image_sizes"].tolist()
        return [grid_shape(height, width, self._embedding.tile) for height, width in sizes]

    @property
    def num_prefix_tokens(self) -> int:
        """How many of `global_patches` are no patches: class token and registers."""
        return self._embedding.img_processor.num_prefix_tokens

    @cached_property
    def global_patches(self) -> torch.Tensor:
        """The tower's features of the global views, its class token first: (n, prefix + patches, C)."""
        tiles = self.inputs["pixel_values"][:, 0]
        return self._embedding.img_processor(tiles, layer=self._embedding.layer_idx)

    @cached_property
    def tile_patches(self) -> torch.Tensor:
        """The tower's features of all tiles, padded with zeros: (n, 1 + most crops, patches, C)."""
        counts = [rows * cols for rows, cols in self.grids]
        crops = [tiles[1 : 1 + n] for tiles, n in zip(self.inputs["pixel_values"], counts, strict=True)]
        # The global views are not computed again for them: a recipe may have asked for those alone.
        views = self._embedding.img_features_of(self.global_patches)
        features = self._embedding.get_img_features(torch.cat(crops)).split(counts)
        images = [torch.cat([view[None], some]) for view, some in zip(views, features, strict=True)]
        return pad_sequence(images, batch_first=True)

    @cached_property
    def visual(self) -> Any:
        """The `Phi3ImageFeatures`: `.tokens`, one (tokens, d) for each image, and `.pooler_output`."""
        return self._embedding.get_image_features(self.tile_patches, self.inputs["image_sizes"])

    def mean_of_view(self, view: int) -> torch.Tensor:
        """Return the mean of the tokens of CROP or GLOBAL: (n, d)."""
        tile, order = self._embedding.tile, self._embedding.hd_transform_order
        means = []
        for tokens, (rows, cols) in zip(self.visual.tokens, self.grids, strict=True):
            views = token_views(rows, cols, tile, order)
            means.append(tokens[(views == view).to(tokens.device)].mean(0))
        return torch.stack(means)

    @cached_property
    def last_states(self) -> torch.Tensor:
        """The language model's last state after each image and an instruction: (n, d)."""
        processor, device = self._encoder.network.processor, self._encoder.device
        # The same ids as the processor's, without preparing the pixels again.
        image_token_id = None if processor.negative_ids else processor.image_token_id
        rows = [
            encode_prompt(processor.tokenizer, PROMPT, [count], image_token_id=image_token_id)
            for count in self.inputs["num_img_tokens"].tolist()
        ]
        length = max(map(len, rows))
        mask = padded([[1] * len(row) for row in rows], length, 0)
        return self._encoder.last_states(
            input_ids=torch.tensor(padded(rows, length, processor.tokenizer.pad_token_id), device=device),
            attention_mask=torch.tensor(mask, device=device),
            pixel_values=self.tile_patches,
            image_sizes=self.inputs["image_sizes"],
        )


# ------------------------------------------------------------------------------- recipes


def _token_width(encoder: "Phi3Encoder") -> int:
    config = encoder.part().config
    return config.n_embd if hasattr(config, "n_embd") else config.hidden_size


def _tower_width(encoder: "Phi3Encoder") -> int:
    return encoder.part().image_dim_out


@recipe(
    "mean",
    family=FAMILY,
    says="mean of all visual tokens, without separators",
    source=COMMON,
    size=_token_width,
)
def _mean(features: Phi3Features) -> torch.Tensor:
    return features.visual.pooler_output


@recipe("global", family=FAMILY, says="mean of the global view's tokens", source=COMMON, size=_token_width)
def _global(features: Phi3Features) -> torch.Tensor:
    return features.mean_of_view(GLOBAL)


@recipe("crops", family=FAMILY, says="mean of the crops' tokens", source=COMMON, size=_token_width)
def _crops(features: Phi3Features) -> torch.Tensor:
    return features.mean_of_view(CROP)


@recipe(
    "tower",
    family=FAMILY,
    says="mean of the tower's patches in the global view",
    source=COMMON,
    size=_tower_width,
)
def _tower(features: Phi3Features) -> torch.Tensor:
    return features.global_patches[:, features.num_prefix_tokens :].mean(1)


@recipe(
    "cls",
    family=FAMILY,
    says="class token of the tower in the global view",
    source="Radford et al. 2021",
    size=_tower_width,
)
def _cls(features: Phi3Features) -> torch.Tensor:
    return features.global_patches[:, 0]


@recipe(
    "last token",
    family=FAMILY,
    says="the language model's last state behind an instruction",
    source="VLM2Vec, Jiang et al. 2024",
    size=_token_width,
    whole_model=True,
)
def _last_token(features: Phi3Features) -> torch.Tensor:
    return features.last_states


# ------------------------------------------------------------------------------- the encoder


class Phi3Encoder(Encoder):
    """A model of `load_phi3_model`, whole or its vision part, as an encoder.

    The whole model embeds texts too: in the space of "last token", images and texts are aligned by the
    language model alone.
    """

    family = FAMILY

    def __init__(self, model: Any) -> None:
        super().__init__(model.checkpoint.name, network=model, revision=model.checkpoint.revision)
        self.network: Any = model

    @classmethod
    def wrap(cls, model: Any) -> "Phi3Encoder | None":
        """Return the encoder of a model of `load_phi3_model`; None for other objects."""
        known = hasattr(model, "lm_head") or hasattr(model, "img_processor")
        return cls(model) if known and hasattr(model, "processor") else None

    @classmethod
    def load(cls, name: Any, **options: Any) -> "Phi3Encoder":
        """Load the vision part of a checkpoint, or all of it; see `load_phi3_model`."""
        from phi3lib.loading.checkpoints import load_phi3_model

        return cls(load_phi3_model(name, **options))

    @property
    def is_whole(self) -> bool:
        """Whether the language model is there."""
        return hasattr(self.network, "lm_head")

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.network.parameters()).device

    @property
    def image_processor(self) -> Any:
        """The image processor, of the whole model or of the vision part."""
        processor = self.network.processor
        return getattr(processor, "image_processor", processor)

    @property
    def recipes(self) -> Recipes:
        """The recipes of Phi-3-vision; those that read the language model, if it is there."""
        absent = {}
        if not self.part().img_processor.has_class_token:
            absent["cls"] = "needs a class token, which the vision tower of this model does not have"
        if self.is_whole:
            return Recipes(PHI3_RECIPES, default="mean", shared_with_text="last token", absent=absent)
        reason = "needs the language model: load_phi3_model(language_model=True)"
        absent |= {name: reason for name, one in PHI3_RECIPES.items() if one.whole_model}
        return Recipes(PHI3_RECIPES, default="mean", absent=absent)

    def tower(self) -> TowerParts:
        """Return this model's own vision tower, with what its image processor does."""
        tower = self.part().img_processor
        return tower_parts(tower.vision_model, self.image_processor, size=tower.config.image_size)

    def part(self) -> Any:
        """Return the vision part, a `Phi3ImageEmbedding`."""
        return self.network.model.vision_embed_tokens if self.is_whole else self.network

    def features(self, images: Images) -> Phi3Features:
        """Return visual tokens, tower features and last states of one batch."""
        return Phi3Features(self, images)

    def tiles(self, width: int, height: int) -> int:
        """Return the global view and the crops of an image of this size."""
        processor = self.image_processor
        try:
            grid = hd_grid(width, height, processor.num_crops, tile=processor.tile)
        except ValueError:  # too extreme a shape: computing it raises the error
            return 1
        return 1 + grid.rows * grid.cols

    def details(self, recipe: Recipe) -> dict[str, Any]:
        """Return what distinguishes vectors of this model from others."""
        processor, model = self.image_processor, self.network
        return {
            "model": self.name,
            "revision": self.revision,
            "fine_tuned": model.checkpoint.fine_tuned,
            "family": FAMILY,
            "layer": self.part().layer_idx,
            "pooling": recipe.name,
            "instruction": INSTRUCTION if recipe.whole_model else None,
            "normalisation": "none",
            "preprocessing": {
                "num_crops": processor.num_crops,
                "tile_size": processor.tile_size,
                "patch_size": processor.patch_size,
            },
            "dtype": precision_of(self.part()),
        }

    # ------------------------------------------------------------------------ texts

    def last_states(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the last hidden state after each row of model inputs: (n, d)."""
        # Rows are padded on the left, so that the last place is everyone's last token.
        return self.network.model(**inputs, use_cache=False).last_hidden_state[:, -1]

    @torch.no_grad()
    def encode_texts(self, texts: str | Sequence[str]) -> torch.Tensor:
        """Return the last states (n, d) after texts and an instruction of the same kind (as in E5-V)."""
        self._require_texts()
        prompts = [PROMPT_TEXT.format(text) for text in as_texts(texts)]
        vectors = []
        for start in range(0, len(prompts), TEXTS_AT_ONCE):
            inputs = self.network.processor(prompts[start : start + TEXTS_AT_ONCE], padding=True)
            vectors.append(self.last_states(**inputs.to(self.device)).float().cpu())
        return torch.cat(vectors)

    def class_probabilities(self, similarities: torch.Tensor) -> torch.Tensor:
        """Raise ValueError: no scale of cosines was trained in Phi-3-vision."""
        raise ValueError(
            "Phi-3-vision has no trained scale that turns cosines into probabilities: use a model of "
            "load_clip, or rank the classes by their cosines"
        )

    def text_provenance(self) -> dict[str, Any]:
        """Return `provenance` for the vectors of texts."""
        self._require_texts()
        image_provenance = self.provenance(PHI3_RECIPES["last token"])
        said = "the language model's last state behind a text and an instruction"
        return {**image_provenance, "pooling": f"last token: {said}", "instruction": INSTRUCTION_TEXT}

    def _require_texts(self) -> None:
        if not self.is_whole:
            raise ValueError(NO_TEXTS)
