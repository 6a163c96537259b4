"""What `Phi3ImageEmbedding` requires of its configuration, and of the ids, pictures and sizes of a call.

Each function returns what fits and raises ValueError for the rest, with the numbers.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from phi3lib.vision.hd_transform import TileGeometry, grid_shape, require_order
from phi3lib.vision.placeholders import find_negative_ids, may_read
from phi3lib.vision.tower_families import TOWER_FAMILIES

if TYPE_CHECKING:
    from phi3lib.vision.image_embedding import Phi3ImageEmbedding

ImageSizes = torch.Tensor | Sequence[Sequence[int]] | Sequence[int]
WordEmbedding = Callable[[torch.Tensor], torch.Tensor]


# ------------------------------------------------------------------------ the configuration


def require_img_processor(config: Any) -> dict[str, Any]:
    """Return `config.img_processor`; ValueError where it does not describe a vision tower."""
    img_processor = getattr(config, "img_processor", None)
    wanted = "a dict with name='clip_vision_model', image_dim_out and num_img_tokens"
    if not isinstance(img_processor, dict) or img_processor.get("name") not in TOWER_FAMILIES:
        raise ValueError(f"config.img_processor must be {wanted}, got {img_processor!r}")
    missing = [key for key in ("image_dim_out", "num_img_tokens") if key not in img_processor]
    if missing:
        raise ValueError(f"config.img_processor must be {wanted}; {' and '.join(missing)} missing")
    return img_processor


def require_consistent_options(embedding: "Phi3ImageEmbedding") -> None:
    """Raise ValueError for options of an embedding that could not run together."""
    vision = embedding.img_processor.config
    if vision.hidden_size != embedding.image_dim_out:
        raise ValueError(
            f"image_dim_out is {embedding.image_dim_out}, but the vision tower is {vision.hidden_size} wide"
        )
    if embedding.type_feature not in ("patch", "cls_patch"):
        raise ValueError(f"type_feature is {embedding.type_feature!r}; it must be 'patch' or 'cls_patch'")
    if embedding.type_feature == "cls_patch" and not embedding.img_processor.has_class_token:
        raise ValueError(
            f"type_feature is 'cls_patch', but a {vision.model_type} has no class token: use 'patch'"
        )
    if embedding.use_hd_transform != embedding.with_learnable_separator:
        raise ValueError(
            f"use_hd_transform is {embedding.use_hd_transform} and with_learnable_separator is "
            f"{embedding.with_learnable_separator}; the two go together"
        )
    embedding.img_processor.layers_to_run(embedding.layer_idx)  # raises where the tower has no such layer
    if embedding.use_hd_transform:
        _require_hd_options(embedding)


def _require_hd_options(embedding: "Phi3ImageEmbedding") -> None:
    require_order(embedding.hd_transform_order)
    if embedding.projection_cls == "linear":
        raise ValueError(
            f"projection_cls 'linear' maps {embedding.image_dim_out} numbers, but the HD transform merges "
            f"2×2 patches into {embedding.image_dim_out * 4}; use projection_cls='mlp'"
        )
    if embedding.type_feature == "cls_patch":
        patches = embedding.tile.patches_per_side**2
        raise ValueError(
            f"the HD transform needs a square of {patches} patch features; "
            f"type_feature 'cls_patch' gives {patches + 1}. Use 'patch'."
        )


# ------------------------------------------------------------------------ the inputs of a call


def require_words(input_ids: torch.Tensor, wte: WordEmbedding | None, vocab_size: int) -> WordEmbedding:
    """Return `wte`; raises ValueError where it is missing or has no such ids."""
    if wte is None:
        raise ValueError(
            "this embedding has no wte, so it cannot embed text; give wte=nn.Embedding(...), "
            "or ask for get_image_features"
        )
    if input_ids.ndim != 2:
        raise ValueError(f"input_ids must be (batch, length), got shape {tuple(input_ids.shape)}")
    if not may_read(input_ids) or not input_ids.numel():
        return wte
    if (highest := int(input_ids.max())) >= vocab_size:
        raise ValueError(f"input_ids hold id {highest}; the vocabulary ends at {vocab_size - 1}")
    return wte


def require_no_placeholders(input_ids: torch.Tensor) -> None:
    """Raise ValueError for placeholders of pictures that were not passed."""
    # The image token by itself is a word like any other, as in the published code.
    if pictures := len(find_negative_ids(input_ids).counts):
        raise ValueError(
            f"input_ids hold placeholders for {pictures} picture(s), but no pictures were passed: "
            f"pass pixel_values"
        )


def grid_shapes(
    pixel_values: torch.Tensor, image_sizes: ImageSizes | None, *, tile: TileGeometry, width: int
) -> list[tuple[int, int]]:
    """Return (rows, cols) of each picture for the HD transform.

    pixel_values, image_sizes: as in `Phi3ImageEmbedding.forward`. width: the vision tower's, which ready
    features have. ValueError where they do not fit each other or the tile.
    """
    ready = (tile.patches_per_side**2, width)
    if pixel_values.ndim != 5 and tuple(pixel_values.shape[2:]) != ready:
        raise ValueError(
            f"with the HD transform pixel_values must be (N, 1 + crops, 3, size, size) or ready features "
            f"(N, 1 + crops, {ready[0]}, {ready[1]}), got {tuple(pixel_values.shape)}"
        )
    tile_size = tile.tile_size
    if pixel_values.ndim == 5 and tuple(pixel_values.shape[3:]) != (tile_size, tile_size):
        raise ValueError(
            f"pixel_values hold crops of {pixel_values.shape[3]} × {pixel_values.shape[4]} pixels, and "
            f"this model takes crops of {tile_size}; use the model's own processor: "
            f"process_for_phi3_model(images, model=model)"
        )
    if image_sizes is None:
        raise ValueError(
            f"pixel_values of shape {tuple(pixel_values.shape)} need image_sizes, "
            f"(N, 2) with each padded picture's [height, width]"
        )
    sizes = size_pairs(image_sizes)
    if len(sizes) != len(pixel_values):
        raise ValueError(f"{len(pixel_values)} picture(s) in pixel_values, {len(sizes)} in image_sizes")
    shapes = [grid_shape(height, width, tile) for height, width in sizes]
    for number, (rows, cols) in enumerate(shapes):
        if 1 + rows * cols > pixel_values.shape[1]:
            raise ValueError(
                f"picture {number}: image_sizes say {rows}×{cols} crops and a global view, "
                f"but pixel_values hold only {pixel_values.shape[1]} tiles a picture"
            )
    return shapes


def size_pairs(image_sizes: ImageSizes) -> list[list[int]]:
    """Return [height, width] of each picture as plain numbers; a flat [height, width] means one picture.

    Numbers in lists stay plain, so that a graph can be made for them.
    """
    if not isinstance(image_sizes, list | tuple):
        return torch.as_tensor(image_sizes).reshape(-1, 2).tolist()
    numbers: list[int] = []
    for size in image_sizes:
        numbers += size if isinstance(size, list | tuple) else torch.as_tensor(size).flatten().tolist()
    if len(numbers) % 2:
        raise ValueError(
            f"image_sizes hold {len(numbers)} numbers; their shape must be (N, 2): heights and widths"
        )
    return [[height, width] for height, width in zip(numbers[::2], numbers[1::2], strict=True)]
