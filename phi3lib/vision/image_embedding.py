"""`Phi3ImageEmbedding`: token ids and pictures in, the language model's input vectors out.

The class keeps the signature, the attributes and the parameter names of the published one (Phi-3-vision's
image embedding, as Microsoft's Phi-3 cookbook prints it), so that published weights load by name. In
short: tiles → vision tower → 2×2 merge and separators → projector → visual tokens, which replace the image
tokens (`image_token_id`, or negative ids) of the sequence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from transformers.modeling_outputs import BaseModelOutputWithPooling

from phi3lib.vision.embedding_checks import (
    ImageSizes,
    WordEmbedding,
    grid_shapes,
    require_consistent_options,
    require_img_processor,
    require_no_placeholders,
    require_words,
)
from phi3lib.vision.hd_transform import TileGeometry, count_image_tokens, hd_sequence
from phi3lib.vision.placeholders import find_placeholders, may_read, placeholders_in_graph
from phi3lib.vision.token_map import SEPARATOR, token_views
from phi3lib.vision.tower_families import vision_config_of
from phi3lib.vision.vision_tower import VisionTower


@dataclass
class Phi3ImageFeatures(BaseModelOutputWithPooling):
    """Visual tokens of N pictures.

    last_hidden_state: (N, most tokens, hidden_size), separators included, in the sequence's order; zeros
    after the tokens of smaller pictures. num_img_tokens: how many each picture has.
    pooler_output: (N, hidden_size), the mean of each picture's tokens without its separators. The published
    models have no pooled picture vector of their own; the name is the one that transformers uses.
    """

    num_img_tokens: list[int] | None = None

    @property
    def tokens(self) -> list[torch.Tensor]:
        """Return the tokens of each picture: N tensors (num_img_tokens, hidden_size)."""
        counts = self.num_img_tokens or []
        return [tokens[:n] for tokens, n in zip(self.last_hidden_state, counts, strict=True)]


class Phi3ImageEmbedding(nn.Module):
    """Input embedding of Phi-3-vision: words from `wte`, pictures from a vision tower and a projector.

    config: needs `hidden_size` (or `n_embd`), `vocab_size` and `img_processor`, a dict with
        `name` "clip_vision_model", `image_dim_out` (the tower's width C), `num_img_tokens`, and optionally
        `layer_idx` (default -2), `type_feature` ("patch" or "cls_patch") and `vision_config` (fields of
        CLIPVisionConfig; without it the tower is ViT-L/14-336). Other names stand for other networks:
        see `phi3lib.vision.tower_families`.
    wte: the language model's word embedding; shared, not copied. Without it the class turns pictures into
        tokens (`get_image_features`) but cannot embed text.
    The options are those of `config.embd_layer`, which also gives the ones that are left out here. If
    neither says anything: no HD transform, a linear projector, and the published order "sub_glb".

    Raises ValueError for configurations that could not run.
    """

    # Of the models that `load_phi3_model` returns: their image processor, and where they came from.
    processor: Any
    checkpoint: Any

    def __init__(
        self,
        config: Any,
        wte: nn.Module | None = None,
        *,
        use_hd_transform: bool | None = None,
        with_learnable_separator: bool | None = None,
        hd_transform_order: str | None = None,
        projection_cls: str | None = None,
        embedding_cls: str = "image",
    ) -> None:
        super().__init__()
        img_processor = require_img_processor(config)
        from_config = getattr(config, "embd_layer", None) or {}
        self.config = config
        self.wte = wte
        self.image_dim_out: int = img_processor["image_dim_out"]
        self.num_img_tokens: int = img_processor["num_img_tokens"]
        self.layer_idx: int = img_processor.get("layer_idx", -2)
        self.type_feature: str = img_processor.get("type_feature", "patch")
        self.use_hd_transform: bool = _first_given(
            use_hd_transform, from_config.get("use_hd_transform"), False
        )
        self.with_learnable_separator: bool = _first_given(
            with_learnable_separator, from_config.get("with_learnable_separator"), False
        )
        self.hd_transform_order: str = _first_given(
            hd_transform_order, from_config.get("hd_transform_order"), "sub_glb"
        )
        self.projection_cls: str = _first_given(projection_cls, from_config.get("projection_cls"), "linear")
        self.embedding_cls = embedding_cls

        # A model's configuration hands out one object, through which transformers sets the attention.
        tower = getattr(config, "vision_config", None) or vision_config_of(img_processor)
        self.img_processor = VisionTower(tower)
        require_consistent_options(self)
        width = self.image_dim_out * 4 if self.use_hd_transform else self.image_dim_out
        if self.with_learnable_separator:
            self.glb_GN = nn.Parameter(torch.zeros(1, 1, width))  # between the two views
            self.sub_GN = nn.Parameter(torch.zeros(1, 1, 1, width))  # after each row of tokens
        hidden_size = config.n_embd if hasattr(config, "n_embd") else config.hidden_size
        self.img_projection = _make_projector(self.projection_cls, width, hidden_size)
        self.drop = _make_dropout(config)

        self.img_features: torch.Tensor | None = None
        self.img_sizes: ImageSizes | None = None

    # ------------------------------------------------------------------------ the original's methods

    def set_img_features(self, img_features: torch.Tensor) -> None:
        """Keep pictures (or 3-D ready features) for the next forward call, and for that one alone."""
        self.img_features = img_features

    def set_img_sizes(self, img_sizes: ImageSizes) -> None:
        """Keep `image_sizes` for the next forward call, and for that one alone."""
        self.img_sizes = img_sizes

    def get_img_features(self, img_embeds: torch.Tensor) -> torch.Tensor:
        """Return features of tiles: (n, patches², C), or with "cls_patch" (n, 1 + patches², C)."""
        return self.img_features_of(self.img_processor(img_embeds, layer=self.layer_idx))

    def img_features_of(self, features: torch.Tensor) -> torch.Tensor:
        """Return what `get_img_features` returns, of the tower's features (n, prefix + patches², C)."""
        patches = features[:, self.img_processor.num_prefix_tokens :]
        if self.type_feature == "patch":
            return patches
        return torch.cat([features[:, :1], patches], dim=1)  # registers, where there are any, are left out

    def forward(
        self,
        input_ids: torch.Tensor | None,
        pixel_values: torch.Tensor | None = None,
        image_sizes: ImageSizes | None = None,
        *,
        wte: WordEmbedding | None = None,
    ) -> Any:
        """Embed a batch of token ids, with the pictures of its placeholders.

        input_ids (batch, length): `config.image_token_id` represents one token of a picture, and the pictures
            come in the order in which they appear. Published negative ids are accepted, too: id -k is
            one token of the picture with tag k, and the distinct tags of a row, in ascending order, are that
            row's pictures. Rows follow each other in the list of pictures. Never modified.
        pixel_values: (N, 1 + crops, 3, size, size) with the HD transform, the global view first; else
            (N, 3, size, size). Features that the tower has already made do too: (N, 1 + crops, patches, C)
            and (N, tokens, C).
        image_sizes: (N, 2), [height, width] of each padded picture; with the HD transform only.
        wte: the word embedding to use; None: the one that the class was made with.
        Returns (batch, length, hidden_size) in the dtype of `wte`; for None in place of ids, the output of
        `get_image_features`.

        Raises ValueError, with the numbers, where ids, pictures and sizes do not fit together.
        """
        if input_ids is None:
            if pixel_values is None:
                raise ValueError("no input_ids and no pixel_values; pass one of them, or both")
            return self.get_image_features(pixel_values, image_sizes)
        pixel_values, image_sizes = self._take_kept_inputs(pixel_values, image_sizes)
        wte = require_words(input_ids, self.wte if wte is None else wte, self.vocab_size)
        words = wte(input_ids.clamp(min=0))  # (batch, length, hidden_size)
        if pixel_values is not None:
            words = self.write_pictures(words, input_ids, pixel_values, image_sizes)
        elif may_read(input_ids):
            require_no_placeholders(input_ids)
        return words if self.drop is None else self.drop(words)

    def write_pictures(
        self,
        words: torch.Tensor,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor,
        image_sizes: ImageSizes | None = None,
    ) -> torch.Tensor:
        """Return a copy of `words` with visual tokens at the positions that `input_ids` reserve for them.

        words: (batch, length, hidden_size). Gradients reach both. ValueError as in `forward`.
        """
        tokens = self.image_tokens(pixel_values, image_sizes)  # N × (n_i, hidden_size)
        placeholders = _placeholders_for(input_ids, [len(t) for t in tokens], self.image_token_id)
        return words.index_put(placeholders, torch.cat(tokens).to(words.device, words.dtype))

    # ------------------------------------------------------------------------ pictures to tokens

    def get_image_features(
        self, pixel_values: torch.Tensor | Mapping[str, torch.Tensor], image_sizes: ImageSizes | None = None
    ) -> Phi3ImageFeatures:
        """Visual tokens and one vector for each picture; needs no text and no `wte`.

        pixel_values: as in `forward`, or everything that the image processor returned.
        """
        if isinstance(pixel_values, Mapping):
            image_sizes = pixel_values.get("image_sizes")
            pixel_values = pixel_values["pixel_values"]
        tokens = self.image_tokens(pixel_values, image_sizes)
        patches = tokens
        if self.use_hd_transform:
            shapes = self._grid_shapes(pixel_values, image_sizes)
            patches = [
                picture[self._patches_among(rows, cols).to(picture.device)]
                for picture, (rows, cols) in zip(tokens, shapes, strict=True)
            ]
        return Phi3ImageFeatures(
            last_hidden_state=pad_sequence(tokens, batch_first=True),
            pooler_output=torch.stack([picture.mean(0) for picture in patches]),
            num_img_tokens=[len(picture) for picture in tokens],
        )

    def image_tokens(
        self, pixel_values: torch.Tensor, image_sizes: ImageSizes | None = None
    ) -> list[torch.Tensor]:
        """Each picture's visual tokens (num_image_tokens, hidden_size), as they enter the language model."""
        if self.use_hd_transform:
            sequences = self._hd_sequences(pixel_values, self._grid_shapes(pixel_values, image_sizes))
        else:
            sequences = list(self._plain_features(pixel_values))
        projected = self.img_projection(torch.cat(sequences))  # (all tokens, hidden_size)
        return list(projected.split([len(s) for s in sequences]))

    def _hd_sequences(self, pixel_values: torch.Tensor, shapes: list[tuple[int, int]]) -> list[torch.Tensor]:
        """Tiles of N pictures → N sequences (num_image_tokens, 4C), ready for the projector."""
        counts = [1 + rows * cols for rows, cols in shapes]
        # Padding tiles never reach the tower; the tiles of all pictures do so together.
        tiles = torch.cat([picture[:n] for picture, n in zip(pixel_values, counts, strict=True)])
        features = (
            self.get_img_features(tiles) if pixel_values.ndim == 5 else tiles
        )  # (all tiles, patches², C)
        features = features.to(self.sub_GN.device, self.sub_GN.dtype)
        return [
            hd_sequence(
                picture_features,
                rows,
                cols,
                row_separator=self.sub_GN,
                view_separator=self.glb_GN,
                order=self.hd_transform_order,
            )
            for picture_features, (rows, cols) in zip(features.split(counts), shapes, strict=True)
        ]

    def _plain_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """(N, tokens, C) without the HD transform: from pictures, or ready features as they are."""
        if pixel_values.ndim == 4:
            pixel_values = self.get_img_features(pixel_values)
        if pixel_values.ndim != 3 or pixel_values.shape[-1] != self.image_dim_out:
            raise ValueError(
                f"without the HD transform pixel_values must be pictures (N, 3, size, size) or features "
                f"(N, tokens, {self.image_dim_out}), got {tuple(pixel_values.shape)}"
            )
        weight = next(self.img_projection.parameters())
        # Quantised projectors keep whole numbers; the features then stay in the tower's dtype.
        dtype = weight.dtype if weight.is_floating_point() else pixel_values.dtype
        return pixel_values.to(weight.device, dtype)

    # ------------------------------------------------------------------------ sizes

    @property
    def vocab_size(self) -> int:
        """Ids from here on do not exist; follows the configuration when embeddings are resized."""
        return self.config.vocab_size

    @property
    def image_token_id(self) -> int | None:
        """The id of one token of a picture; None if only negative ids are used."""
        return getattr(self.config, "image_token_id", None)

    @property
    def tile(self) -> TileGeometry:
        """Tile and patch size, from the tower's configuration."""
        vision = self.img_processor.config
        return TileGeometry(tile_size=vision.image_size, patch_size=vision.patch_size)

    def num_tokens(self, pixel_values: torch.Tensor, image_sizes: ImageSizes | None = None) -> list[int]:
        """How many visual tokens each picture has, without computing them."""
        if self.use_hd_transform:
            shapes = self._grid_shapes(pixel_values, image_sizes)
            return [count_image_tokens(rows, cols, self.tile) for rows, cols in shapes]
        if pixel_values.ndim == 3:
            return [pixel_values.shape[1]] * len(pixel_values)
        return [self.tile.patches_per_side**2 + (self.type_feature == "cls_patch")] * len(pixel_values)

    def _grid_shapes(
        self, pixel_values: torch.Tensor, image_sizes: ImageSizes | None
    ) -> list[tuple[int, int]]:
        """(rows, cols) of each picture; raises ValueError where they do not fit `pixel_values`."""
        return grid_shapes(pixel_values, image_sizes, tile=self.tile, width=self.image_dim_out)

    def _patches_among(self, rows: int, cols: int) -> torch.Tensor:
        """Return which tokens of a picture represent patches, not separators: (num_image_tokens,) bool."""
        return token_views(rows, cols, self.tile, self.hd_transform_order) != SEPARATOR

    def _take_kept_inputs(
        self, pixel_values: torch.Tensor | None, image_sizes: ImageSizes | None
    ) -> tuple[torch.Tensor | None, ImageSizes | None]:
        """Return the inputs of this call, or those of the setters, which are then cleared."""
        kept_features, self.img_features = self.img_features, None
        kept_sizes, self.img_sizes = self.img_sizes, None
        return _first_given(pixel_values, kept_features), _first_given(image_sizes, kept_sizes)


# ---------------------------------------------------------------------------- small steps


def _placeholders_for(
    input_ids: torch.Tensor, counts: list[int], image_token_id: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns of the placeholders of pictures with so many tokens; ValueError for other ids."""
    if not may_read(input_ids):
        return placeholders_in_graph(input_ids, sum(counts), image_token_id)
    placeholders = find_placeholders(input_ids, counts, image_token_id)
    return placeholders.rows, placeholders.cols


def _make_projector(projection_cls: str, width: int, hidden_size: int) -> nn.Module:
    """(…, width) → (…, hidden_size). The indices 0 and 2 of the MLP are names in the checkpoints."""
    if projection_cls == "linear":
        return nn.Linear(width, hidden_size)
    if projection_cls == "mlp":
        return nn.Sequential(nn.Linear(width, hidden_size), nn.GELU(), nn.Linear(hidden_size, hidden_size))
    raise ValueError(f"projection_cls is {projection_cls!r}; it must be 'linear' or 'mlp'")


def _make_dropout(config: Any) -> nn.Dropout | None:
    for name in ("embd_pdrop", "embed_pdrop"):
        if hasattr(config, name):
            return nn.Dropout(getattr(config, name))
    return None


def _first_given(*options: Any) -> Any:
    """Return the first option that is not None, or None."""
    return next((option for option in options if option is not None), None)
