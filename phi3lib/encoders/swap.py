"""Another encoder inside Phi-3-vision: `swap_vision_tower`.

    phi3 = load_phi3_model(language_model=True)
    swapped = swap_vision_tower(phi3, load_encoder("google/siglip-base-patch16-224"), projector="new")
    ...                                    # train the projector: untrained, its tokens mean nothing
    swapped.save_pretrained("phi3-siglip")
    swapped.processor.save_pretrained("phi3-siglip")
    load_phi3_model("phi3-siglip", language_model=True)

The settings that depend on the tower change with it: width, tile and patch size, tokens of a tile, mean and
standard deviation of the pixels. The language model, its words and the HD transform stay.
"""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from phi3lib.encoders import as_encoder, load_encoder
from phi3lib.encoders.encoder import TowerParts
from phi3lib.vision.image_embedding import Phi3ImageEmbedding
from phi3lib.vision.image_processing import OPTIONS, Phi3VImageProcessor
from phi3lib.vision.inputs import as_seed, as_whole
from phi3lib.vision.tower_families import family_of, fields_of
from phi3lib.vision.vision_tower import VisionTower

PROJECTORS = ("keep", "new")


def swap_vision_tower(
    phi3: Any,
    encoder: Any,
    *,
    projector: str = "keep",
    layer: int | None = None,
    tile_size: int | None = None,
    copy_weights: bool = True,
    seed: int = 0,
) -> Any:
    """Return a Phi-3-vision model with the vision tower of another encoder.

    phi3: a model of `load_phi3_model`, whole or its vision part alone; it is not modified.
    encoder: of `load_encoder`, `load_clip` or `load_phi3_model`, or a name for `load_encoder`: CLIP, SigLIP
        and SigLIP 2 (of a fixed size), DINOv2 with and without registers, the tower of another Phi-3-vision.
    projector: "keep" uses the projector and the separators of `phi3`, which must be made for the same width;
        "new" makes an untrained projector, drawn with `seed`, and separators of zeros. Either has to be
        trained before answers can be expected.
    layer: which hidden state is read, as in transformers' `hidden_states` (-2: penultimate, before the last
        norm); None: the same index as in `phi3`.
    tile_size: the side of a tile in pixels; None: the encoder's own input size. For another size, position
        embeddings are interpolated (bicubic, as in transformers).
    copy_weights: False shares the tensors of the language model (and of a kept projector) with `phi3`, so
        that they take no memory twice; training one model then trains the other.

    The result has the device and dtype of `phi3`, is in evaluation mode, and has a `.processor` of its own
    for the tower's tiles, mean and standard deviation. `save_pretrained` and `load_phi3_model` keep it in the
    published layout; `config.img_processor` names the network and its sizes.

    Raises ValueError where the geometry cannot work: an odd number of patches a side, a width that a kept
    projector was not made for, a missing class token where `type_feature` is "cls_patch", a layer that the
    network does not have.
    """
    if projector not in PROJECTORS:
        raise ValueError(f"projector is {projector!r}; it must be 'keep' or 'new'")
    layer = None if layer is None else as_whole(layer, "layer")
    tile_size = None if tile_size is None else as_whole(tile_size, "tile_size")
    seed = as_seed(seed)
    encoder = load_encoder(encoder) if isinstance(encoder, str | Path) else as_encoder(encoder)
    parts, old = encoder.tower(), vision_part(phi3)
    img_processor = _img_processor(old, parts, encoder, layer, tile_size)
    new = _new_embedding(old, parts, img_processor, projector, seed)
    if projector == "keep":
        _keep_projector(new, old, encoder, reuse=not copy_weights)
    swapped = _with_embedding(phi3, old, new, reuse=not copy_weights)
    swapped.processor = _adapted(phi3.processor, new, parts)
    if hasattr(phi3, "checkpoint"):
        name = f"{phi3.checkpoint.name} with the vision tower of {called(encoder)}"
        swapped.checkpoint = replace(phi3.checkpoint, name=name)
    return swapped.eval()


def vision_part(phi3: Any) -> Phi3ImageEmbedding:
    """Return the `Phi3ImageEmbedding` of a Phi-3-vision model, whole or not.

    Raises ValueError for other objects, and for a model without a processor.
    """
    part = getattr(getattr(phi3, "model", phi3), "vision_embed_tokens", phi3)
    if not isinstance(part, Phi3ImageEmbedding) or not hasattr(phi3, "processor"):
        raise ValueError(
            f"phi3 is a {type(phi3).__name__}; pass a model of load_phi3_model, with its processor"
        )
    return part


def called(encoder: Any) -> str:
    """Return an encoder's name on the hub, or the last part of the path of its folder."""
    name = str(encoder.name)
    return Path(name).name if Path(name).expanduser().is_dir() else name


# ------------------------------------------------------------------------------- configuration


def _img_processor(
    old: Phi3ImageEmbedding, parts: TowerParts, encoder: Any, layer: int | None, tile_size: int | None
) -> dict[str, Any]:
    """Return the entry `img_processor` of the configuration; ValueError if the tower does not fit."""
    config: Any = parts.network.config
    family = family_of(config)  # raises ValueError for other networks
    size = parts.size if tile_size is None else tile_size
    _require_even_patches(encoder, size, config.patch_size)
    if getattr(config, "num_channels", 3) != 3:
        raise ValueError(
            f"the tower of {called(encoder)} takes {config.num_channels} channels; images have 3"
        )
    if old.type_feature == "cls_patch" and not family.class_token:
        raise ValueError(
            f"type_feature of this Phi-3-vision is 'cls_patch', but the tower of {called(encoder)} has no "
            f"class token: use a CLIP or a DINOv2, or a Phi-3-vision with type_feature 'patch'"
        )
    side = size // config.patch_size
    return {
        **old.config.img_processor,
        "name": config.model_type,
        "model_name": called(encoder),
        "image_dim_out": config.hidden_size,
        "num_img_tokens": (side // 2) ** 2,
        "layer_idx": old.layer_idx if layer is None else layer,
        "vision_config": {**fields_of(config), **_changed(config), "image_size": size},
    }


def _changed(config: Any) -> dict[str, Any]:
    # SigLIP's pooled vector is not read, so its weights are left out.
    return {"vision_use_head": False} if hasattr(config, "vision_use_head") else {}


def even_tile_size(encoder: Any) -> int:
    """Return the tile size for `swap_vision_tower`: the encoder's own input size where that works.

    Otherwise the nearest size with an even number of patches a side. Raises ValueError for encoders without
    such a network.
    """
    parts = as_encoder(encoder).tower()
    network: Any = parts.network
    return _nearest_even(parts.size, network.config.patch_size)


def _nearest_even(size: int, patch: int) -> int:
    step = 2 * patch
    return max(step, round(size / step) * step)


def _require_even_patches(encoder: Any, size: int, patch: int) -> None:
    if size > 0 and size % (2 * patch) == 0:
        return
    raise ValueError(
        f"the tower of {called(encoder)} has tiles of {size} pixels and patches of {patch}: "
        f"{size / patch:.3g} patches a side; the HD transform merges 2×2 patches, so it must be an even "
        f"whole number: pass "
        f"tile_size={_nearest_even(size, patch)}, for which its position embeddings are interpolated"
    )


# ------------------------------------------------------------------------------- modules


def _new_embedding(
    old: Phi3ImageEmbedding, parts: TowerParts, img_processor: dict[str, Any], projector: str, seed: int
) -> Phi3ImageEmbedding:
    """Return a vision part with the new tower, on the device and in the dtype of the old one."""
    config = copy.deepcopy(old.config)
    config.img_processor = img_processor
    config.__dict__.pop("_vision_config", None)  # follows from `img_processor`
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # modules draw their weights from the global generator
        new = Phi3ImageEmbedding(
            config,
            None,
            use_hd_transform=old.use_hd_transform,
            with_learnable_separator=old.with_learnable_separator,
            hd_transform_order=old.hd_transform_order,
            projection_cls=old.projection_cls,
            embedding_cls=old.embedding_cls,
        )
    _fill_tower(new.img_processor, parts.network)
    weight = next(old.img_projection.parameters())
    dtype = weight.dtype if weight.is_floating_point() else next(old.img_processor.parameters()).dtype
    return new.to(weight.device, dtype)


def _fill_tower(tower: VisionTower, network: nn.Module) -> None:
    """Copy the network's weights into the tower; position embeddings are interpolated to its size."""
    there = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    wanted = tower.vision_model.state_dict()
    positions = tower.family.positions
    there[positions] = resized_positions(
        there[positions],
        wanted[positions].shape,
        tower.num_class_tokens,
        antialias=tower.family.antialias,
    )
    tower.vision_model.load_state_dict({name: there[name] for name in wanted}, strict=True)


def resized_positions(
    positions: torch.Tensor, shape: torch.Size, prefix: int, *, antialias: bool = False
) -> torch.Tensor:
    """Return position embeddings for another number of patches, bicubic, as transformers does in a forward.

    positions (..., prefix + n², C) and shape (..., prefix + m², C); the `prefix` rows are kept.
    """
    if positions.shape == shape:
        return positions
    rows = positions.reshape(-1, positions.shape[-1]).float()
    side = round((len(rows) - prefix) ** 0.5)
    new_side = round((shape[-2] - prefix) ** 0.5)
    grid = rows[prefix:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = functional.interpolate(
        grid, size=(new_side, new_side), mode="bicubic", align_corners=False, antialias=antialias
    )
    resized = torch.cat([rows[:prefix], grid[0].flatten(1).T])
    return resized.reshape(shape).to(positions.dtype)


def _keep_projector(new: Phi3ImageEmbedding, old: Phi3ImageEmbedding, encoder: Any, *, reuse: bool) -> None:
    if new.image_dim_out != old.image_dim_out:
        raise ValueError(
            f"the tower of {called(encoder)} is {new.image_dim_out} wide and the projector was made for "
            f"{old.image_dim_out}: pass projector='new' and train it"
        )
    new.img_projection = old.img_projection if reuse else copy.deepcopy(old.img_projection)
    if new.with_learnable_separator:
        for name in ("glb_GN", "sub_GN"):
            tensor = getattr(old, name)
            setattr(new, name, tensor if reuse else nn.Parameter(tensor.detach().clone()))


def _with_embedding(phi3: Any, old: Phi3ImageEmbedding, new: Phi3ImageEmbedding, *, reuse: bool) -> Any:
    """Return a copy of the model with the new vision part; with `reuse`, it uses the tensors of `phi3`."""
    if phi3 is old:
        new.wte = old.wte if reuse else copy.deepcopy(old.wte)
        return new
    # Objects in the memo are not copied: the new parts replace the old ones.
    memo: dict[int, Any] = {id(old): new, id(old.config): new.config, id(phi3.processor): None}
    if reuse:
        memo |= {id(tensor): tensor for tensor in phi3.parameters()}
    swapped = copy.deepcopy(phi3, memo)
    inner = getattr(swapped, "model", swapped)
    inner.vision_embed_tokens = new
    inner._show_words()
    return swapped


def _adapted(processor: Any, new: Phi3ImageEmbedding, parts: TowerParts) -> Any:
    """Return the model's processor for the new tower's tiles and pixels."""
    images = getattr(processor, "image_processor", processor)
    own = {name: getattr(images, name) for name in OPTIONS}
    tile = new.tile
    fitting = Phi3VImageProcessor(
        **{
            **own,
            "image_mean": parts.mean,
            "image_std": parts.std,
            "rescale_factor": parts.rescale_factor,
            "do_rescale": True,
            "do_normalize": True,
            "tile_size": tile.tile_size,
            "patch_size": tile.patch_size,
            "num_img_tokens": tile.tokens_per_tile,
        }
    )
    if images is processor:
        return fitting
    adapted = copy.deepcopy(processor)
    adapted.image_processor = fitting
    return adapted
