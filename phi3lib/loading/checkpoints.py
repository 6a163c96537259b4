"""Loading models: CLIP, and Phi-3-vision whole or its vision part alone.

    clip = load_clip()                               the default models: see phi3lib.loading.defaults
    phi3 = load_phi3_model()                         the vision part: pictures to visual tokens
    phi3 = load_phi3_model(language_model=True)      the whole model: pictures and text to answers
    inputs = process_for_phi3_model(images)
    features = phi3.get_image_features(inputs)

A model is a folder, or a name on the hub such as "microsoft/Phi-3.5-vision-instruct". Weights are read from
safetensors only; nothing is unpickled and no code of a checkpoint is run. Where something is missing or
wrong, a `CheckpointError` says in one sentence what and what to do.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from phi3lib.loading import cache, hub
from phi3lib.loading import phi3 as phi3_weights
from phi3lib.loading.defaults import (
    CLIP_TYPE,
    PHI3_TYPE,
    default_models,
    locate,
    on_hub,
    set_default_models,
)
from phi3lib.loading.errors import damage_in
from phi3lib.loading.fine_tuned import adapter_base, fine_tuned_folder, is_adapter, merge_adapter
from phi3lib.loading.log import tell
from phi3lib.loading.networks import (
    checkpoint_folder,
    config_on_hub,
    float_dtype,
    require_device,
    require_type_on_hub,
)
from phi3lib.loading.phi3 import PROCESSOR_FILES, VISION_PREFIX, Checkpoint
from phi3lib.loading.safetensors_io import (
    CheckpointError,
    require_finite,
    tensors_of_folder,
)

if TYPE_CHECKING:  # both take seconds to import; the functions below do so when they need them
    import torch
    from transformers import BatchFeature

    from phi3lib.vision.clip import Clip
    from phi3lib.vision.image_embedding import Phi3ImageEmbedding
    from phi3lib.vision.modeling import Phi3VForCausalLM
    from phi3lib.vision.pictures import Pictures

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "default_models",
    "download",
    "load_clip",
    "load_phi3_model",
    "process_for_phi3_model",
    "set_default_models",
]


# ------------------------------------------------------------------------------- CLIP


def load_clip(
    name: str | Path | None = None,
    *,
    revision: str | None = None,
    device: "torch.device | str | None" = None,
    dtype: "torch.dtype | None" = None,
) -> "Clip":
    """Load a CLIP model for features of pictures and texts.

    name: a folder or a name on the hub, e.g. "openai/clip-vit-base-patch32"; None: the default.
    revision: branch, tag or commit on the hub. device: default the CPU. dtype: default float32.
    Every tensor of the model must be in the checkpoint, and nothing else. Raises CheckpointError.
    """
    from phi3lib.loading.clip import clip_from_folder

    require_device(device)
    dtype = float_dtype(dtype)

    def load() -> "Clip":
        folder, where, commit = checkpoint_folder(name, revision, CLIP_TYPE)
        return clip_from_folder(folder, name=where, revision=commit, device=device, dtype=dtype)

    return cache.repairing(load, on_hub(name, CLIP_TYPE), revision)


# ------------------------------------------------------------------------------- Phi-3-vision


@overload
def load_phi3_model(
    name: str | Path | None = None,
    *,
    fine_tuned: str | Path | bool | None = None,
    language_model: Literal[False] = False,
    revision: str | None = None,
    device: "torch.device | str | None" = None,
    dtype: "torch.dtype | None" = None,
) -> "Phi3ImageEmbedding": ...


@overload
def load_phi3_model(
    name: str | Path | None = None,
    *,
    fine_tuned: str | Path | bool | None = None,
    language_model: Literal[True],
    revision: str | None = None,
    device: "torch.device | str | None" = None,
    dtype: "torch.dtype | None" = None,
) -> "Phi3VForCausalLM": ...


@overload
def load_phi3_model(
    name: str | Path | None = None,
    *,
    fine_tuned: str | Path | bool | None = None,
    language_model: bool,
    revision: str | None = None,
    device: "torch.device | str | None" = None,
    dtype: "torch.dtype | None" = None,
) -> "Phi3ImageEmbedding | Phi3VForCausalLM": ...


def load_phi3_model(
    name: str | Path | None = None,
    *,
    fine_tuned: str | Path | bool | None = None,
    language_model: bool = False,
    revision: str | None = None,
    device: "torch.device | str | None" = None,
    dtype: "torch.dtype | None" = None,
) -> Any:
    """Load Phi-3-vision: its vision part (`Phi3ImageEmbedding`), or all of it (`Phi3VForCausalLM`).

    name: a folder or a name on the hub; None: the default model.
    fine_tuned: a folder with a full checkpoint, with some tensors that replace those of `name`, or with a
        peft adapter (its base is `name`, else the one the adapter names; the whole model is then read, even
        for the vision part). True: the folder where the course saves its own, $PHI3LIB_HOME/fine-tuned.
    language_model: False reads the tensors of the vision part alone, 0.65 of 8.3 GB in the published models.
    revision: branch, tag or commit on the hub. device: default the CPU.
    dtype: default for the vision part float32 on the CPU (bfloat16 is slow or missing on many), else the
        checkpoint's own; for the whole model always the checkpoint's own, since float32 doubles 8.3 GB.

    The model comes in evaluation mode, with `.processor` (for the vision part Phi3VImageProcessor, for the
    whole Phi3VProcessor) and `.checkpoint` (a `Checkpoint`). Raises CheckpointError; ImportError where an
    adapter needs peft and it is not installed.
    """
    require_device(device)
    dtype = float_dtype(dtype)
    tuned = fine_tuned_folder(fine_tuned)
    adapter = tuned if tuned is not None and is_adapter(tuned) else None
    base = adapter_base(adapter) if adapter and name is None else name

    def load() -> Any:
        with damage_in(tuned or name):
            if adapter is not None:
                model = _load_adapted(base, adapter, language_model, revision, device, dtype)
            elif language_model:
                model = _load_whole(base, tuned, revision, device, dtype)
            else:
                model = _load_vision_part(base, tuned, revision, device, dtype)
            require_finite(model.state_dict(), where=_where(model.checkpoint))
        return model.eval()

    return cache.repairing(load, on_hub(base, PHI3_TYPE), revision)


def process_for_phi3_model(images: "Pictures", *, model: Any = None) -> "BatchFeature":
    """Return pictures as a Phi-3 model takes them: BatchFeature of pixel_values, image_sizes, num_img_tokens.

    images: one or a list of what `read_upright` reads; a camera's orientation is applied.
    model: the model that they are for, from `load_phi3_model`: its processor is used, and the tensors are on
        its device. None: the processor of the default checkpoint, whatever was loaded before, and tensors on
        the CPU, which `get_image_features` moves to its model.
    Raises CheckpointError where there is no default checkpoint, ValueError for a model without a processor.
    """
    if model is None:
        folder, _ = _local_folder(None, None, whole=False)
        return phi3_weights.image_processor(folder)(_upright(images), return_tensors="pt")
    processor = getattr(model, "processor", None)
    if processor is None:
        raise ValueError(
            f"this {type(model).__name__} has no processor; load the model with load_phi3_model, or set "
            f"model.processor = Phi3VImageProcessor.from_pretrained(folder)"
        )
    processor = getattr(processor, "image_processor", processor)
    return processor(_upright(images), return_tensors="pt").to(next(model.parameters()).device)


def _upright(images: "Pictures") -> list:
    from phi3lib.vision.pictures import flatten_pictures, naming_picture, read_upright

    pictures = flatten_pictures(images)
    upright = []
    for number, picture in enumerate(pictures):
        with naming_picture(number, len(pictures)):
            upright.append(read_upright(picture))
    return upright


def download(name: str | None = None, *, language_model: bool = False, revision: str | None = None) -> Path:
    """Fetch a model ahead, for offline use; says first how much it is. Returns its folder.

    name: on the hub, CLIP or Phi-3-vision; None: the default Phi-3 model. language_model: all of
    Phi-3-vision and not its vision part alone. Files that are in the cache already are checked against
    their hashes, and damaged ones fetched again. Raises CheckpointError.
    """
    where = locate(name, PHI3_TYPE)
    if isinstance(where, Path):
        tell(f"{where} is already on this machine")
        return where
    hub_model = hub.find_model(where, revision, allow_conversion=True)
    cache.remove_damaged(hub_model)
    if not language_model and config_on_hub(hub_model).get("model_type") == PHI3_TYPE:
        return cache.cached_part(hub_model, VISION_PREFIX) or _fetch_vision_part(hub_model)
    tell(
        f"{where}: {cache.gigabytes(cache.bytes_to_fetch(hub_model))} to the cache of huggingface_hub "
        "(HF_HOME)"
    )
    return cache.whole_folder(hub_model)


# ------------------------------------------------------------------------------- the three ways to load


def _where(checkpoint: Checkpoint) -> str:
    tuned = checkpoint.fine_tuned
    return f"{checkpoint.name} with {tuned}" if tuned not in (None, checkpoint.name) else checkpoint.name


def _load_vision_part(
    name: str | Path | None,
    tuned: Path | None,
    revision: str | None,
    device: "torch.device | str | None",
    dtype: "torch.dtype | None",
) -> Any:
    own = phi3_weights.vision_tensors(tuned) if tuned is not None else {}
    if tuned is not None and not own:
        raise CheckpointError(f"{tuned} holds no tensor of Phi-3-vision's vision part")
    embedding, base, hub_model, infos = None, None, None, own
    if tuned is not None and (tuned / "config.json").is_file():
        embedding = phi3_weights.empty_vision_part(tuned)
        own = infos = phi3_weights.named_as_in(embedding, own)
    if embedding is None or not set(embedding.state_dict()) <= set(own):
        base, hub_model = _local_folder(name, revision, whole=False)
        embedding = embedding or phi3_weights.empty_vision_part(base)
        infos = {**phi3_weights.vision_tensors(base), **own}
    phi3_weights.fill_vision_part(
        embedding,
        infos,
        where=str(tuned or (hub_model.name if hub_model else base)),
        device=device,
        dtype=dtype,
    )
    model: Any = embedding
    model.processor = phi3_weights.image_processor(tuned, base or _base_if_here(name))
    phi3_weights.require_fitting_tiles(model, model.processor, where=tuned or base)
    model.checkpoint = phi3_weights.record(base, hub_model, tuned, list(infos.values()))
    return model


def _load_whole(
    name: str | Path | None,
    tuned: Path | None,
    revision: str | None,
    device: "torch.device | str | None",
    dtype: "torch.dtype | None",
) -> Any:
    own = tensors_of_folder(tuned) if tuned is not None else {}
    base, hub_model = None, None
    if tuned is None or not phi3_weights.is_whole(tuned, own):
        base, hub_model = _local_folder(name, revision, whole=True)
    folder: Path = base or tuned  # type: ignore[assignment]  # a base, or `tuned`, which then is whole
    in_folder = tensors_of_folder(folder)
    model = phi3_weights.whole_model(folder, device=device, dtype=dtype)
    overriding = own if base is not None else {}
    if overriding:
        phi3_weights.override(model, overriding, where=str(tuned))
    model.processor = phi3_weights.text_processor(tuned, base or _base_if_here(name))
    phi3_weights.agree_on_image_token(model.config, model.processor)
    embedding, images = model.model.vision_embed_tokens, model.processor.image_processor
    phi3_weights.require_fitting_tiles(embedding, images, where=tuned or base)
    model.checkpoint = phi3_weights.record(
        base, hub_model, tuned, [*in_folder.values(), *overriding.values()]
    )
    return model


def _load_adapted(
    name: str | Path | None,
    tuned: Path,
    language_model: bool,
    revision: str | None,
    device: "torch.device | str | None",
    dtype: "torch.dtype | None",
) -> Any:
    """Load the whole model with an adapter merged in, or its vision part."""
    adapter_base(tuned)  # refuses an adapter without weights before gigabytes of its base are read
    whole = _load_whole(name, None, revision, None, dtype if language_model else None)
    processor, checkpoint = whole.processor, replace(whole.checkpoint, fine_tuned=str(tuned))
    model = merge_adapter(whole, tuned)
    if not language_model:
        model = model.model.vision_embed_tokens
        model.wte = None  # the rest of the model is released
        model = model.to(dtype=dtype or phi3_weights.vision_dtype(device))
        processor = processor.image_processor
    model = model.requires_grad_(True).to(device=device)
    model.processor, model.checkpoint = processor, checkpoint
    return model


# ------------------------------------------------------------------------------- folders


def _local_folder(
    name: str | Path | None, revision: str | None, *, whole: bool
) -> tuple[Path, hub.HubModel | None]:
    """Return a local folder with the checkpoint or its vision part, fetched if necessary."""
    where = locate(name, PHI3_TYPE)
    if isinstance(where, Path):
        return where, None
    hub_model = hub.find_model(where, revision)
    if whole:
        require_type_on_hub(hub_model, PHI3_TYPE)
        return cache.whole_folder(hub_model), hub_model
    return cache.cached_part(hub_model, VISION_PREFIX) or _fetch_vision_part(hub_model), hub_model


def _base_if_here(name: str | Path | None) -> Path | None:
    """Return the local folder of the base model, for files that a fine-tuned folder lacks, or None."""
    try:
        where = locate(name, PHI3_TYPE)
    except CheckpointError:
        return None
    return where if isinstance(where, Path) else None


def _fetch_vision_part(hub_model: hub.HubModel) -> Path:
    if hub_model.unreachable:
        return cache.whole_folder(hub_model)
    require_type_on_hub(hub_model, PHI3_TYPE)
    with hub.plain_errors(hub_model.name):
        infos = hub_model.tensor_infos(VISION_PREFIX)
    if not infos:
        raise CheckpointError(f"{hub_model.name} holds no vision part of Phi-3-vision ({VISION_PREFIX}…)")
    size = sum(info.size for info in infos)
    whole = sum(size for file, size in hub_model.sizes.items() if file.endswith(".safetensors"))
    tell(f"{hub_model.name}: fetching the vision part, {cache.gigabytes(size)} of {cache.gigabytes(whole)}")
    small = [file for file in ("config.json", *PROCESSOR_FILES) if file in hub_model.sizes]
    return cache.fetch_part(hub_model, infos, small)
