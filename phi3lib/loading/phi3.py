"""Phi-3-vision from folders on this machine: building the modules and filling them with their tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phi3lib.loading.claims import (
    MOST_LAYERS,
    layers_in,
    require_depth,
    require_pixel_values,
    require_shapes,
    require_size,
)
from phi3lib.loading.defaults import PHI3_TYPE, require_model_type
from phi3lib.loading.hub import HubModel
from phi3lib.loading.networks import require_loaded
from phi3lib.loading.progress import without_progress_bars
from phi3lib.loading.safetensors_io import (
    PART_FILE,
    CheckpointError,
    TensorInfo,
    first_line,
    header_bytes,
    read_json,
    read_tensors,
    require_floating,
    tensors_of_file,
    tensors_of_folder,
)
from phi3lib.moved import old_names

if TYPE_CHECKING:
    import torch

    from phi3lib.vision.image_embedding import Phi3ImageEmbedding

VISION_PREFIX = "model.vision_embed_tokens."
WORDS = "model.embed_tokens.weight"  # files may hold it in the vision part too, as wte.weight
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model")


@dataclass(frozen=True)
class Checkpoint:
    """Where a loaded model came from, and what was read for it.

    name: the folder or the name on the hub. revision: the hub's commit, None for folders. fine_tuned: the
    folder of fine-tuned weights. tensors_read, bytes_read: what was read of the weight files, headers
    included. bytes_fetched: what ranged reads brought over the network, 0 when it was already here.
    """

    name: str
    revision: str | None
    folder: str
    fine_tuned: str | None
    tensors_read: int
    bytes_read: int
    bytes_fetched: int


def record(
    base: Path | None, hub_model: HubModel | None, tuned: Path | None, infos: Sequence[TensorInfo]
) -> Checkpoint:
    """Return the `Checkpoint` of a model read from these tensors; `base` is None if `tuned` is whole."""
    headers = header_bytes({info.file for info in infos})
    return Checkpoint(
        name=hub_model.name if hub_model else str(base or tuned),
        revision=hub_model.commit if hub_model else None,
        folder=str(base or tuned),
        fine_tuned=str(tuned) if tuned else None,
        tensors_read=len(infos),
        bytes_read=sum(info.size for info in infos) + headers,
        bytes_fetched=hub_model.bytes_read if hub_model else 0,
    )


# ------------------------------------------------------------------------------- the vision part


def vision_tensors(folder: Path) -> dict[str, TensorInfo]:
    """Return the vision part's tensors by their names in `Phi3ImageEmbedding`.

    The prefix may be missing, as it is in files made from the embedding's own state_dict. Left out: the word
    embedding, which fine-tuned checkpoints may repeat here, and the position numbers of old files.
    """
    if (folder / PART_FILE).is_file():
        infos = tensors_of_file(folder / PART_FILE)
    else:
        infos = tensors_of_folder(folder, VISION_PREFIX)
    if not infos:
        own = ("glb_GN", "sub_GN", "img_projection.", "img_processor.")
        infos = {name: p for name, p in tensors_of_folder(folder).items() if name.startswith(own)}
    short = {name.removeprefix(VISION_PREFIX): info for name, info in infos.items()}
    return {
        name: p for name, p in short.items() if name != "wte.weight" and not name.endswith("position_ids")
    }


def empty_vision_part(folder: Path) -> "Phi3ImageEmbedding":
    """Return the vision part that a folder's config.json describes, on the meta device.

    Names and shapes without memory. Raises CheckpointError.
    """
    import torch

    from phi3lib.vision.image_embedding import Phi3ImageEmbedding
    from phi3lib.vision.modeling import Phi3VConfig

    require_phi3(folder)
    require_depth(read_json(folder / "config.json"), MOST_LAYERS, where=str(folder))
    try:
        config = Phi3VConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            return Phi3ImageEmbedding(config, wte=None, **(config.embd_layer or {}))
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"config.json of {folder} is not one of Phi-3-vision: {first_line(error)}"
        ) from error


def fill_vision_part(
    embedding: "Phi3ImageEmbedding",
    infos: Mapping[str, TensorInfo],
    *,
    where: str,
    device: "torch.device | str | None",
    dtype: "torch.dtype | None",
) -> None:
    """Read tensors (`infos` by the embedding's names) into it, in place of its empty parameters.

    Raises CheckpointError for missing, unknown or wrongly shaped tensors before any of them is read.
    """
    infos = named_as_in(embedding, infos)
    _require_fitting(embedding, infos, where=where)
    require_floating(infos, where=where)
    tensors = read_tensors(infos.values(), dtype=dtype or vision_dtype(device), device=device)
    by_short_name = {short: tensors[info.name] for short, info in infos.items()}
    embedding.load_state_dict(by_short_name, strict=True, assign=True)
    embedding.img_processor.fill_positions()
    embedding.to(device)  # the buffers


def named_as_in(embedding: "Phi3ImageEmbedding", infos: Mapping[str, TensorInfo]) -> dict[str, TensorInfo]:
    """Return `infos` by the names that the embedding's tower has in memory, where files have others."""
    from phi3lib.vision.tower_families import name_in_memory

    known = set(embedding.state_dict())
    return {name_in_memory(name, known): info for name, info in infos.items()}


def _require_fitting(embedding: "Phi3ImageEmbedding", infos: Mapping[str, TensorInfo], *, where: str) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in embedding.state_dict().items()}
    missing = sorted(set(shapes) - set(infos))
    unknown = sorted(set(infos) - set(shapes))
    if missing:
        raise CheckpointError(
            f"{where} lacks {len(missing)} of the {len(shapes)} tensors of Phi-3-vision's vision part, "
            f"such as {VISION_PREFIX}{missing[0]}"
        )
    if unknown:
        raise CheckpointError(
            f"{where} holds tensors that its config.json does not provide for, such as {unknown[0]}"
        )
    for name, info in infos.items():
        if info.shape != shapes[name]:
            raise CheckpointError(
                f"{info.name} of {where} has shape {info.shape}, its config.json asks for {shapes[name]}"
            )


def vision_dtype(device: "torch.device | str | None") -> "torch.dtype | None":
    """Return the default dtype of the vision part: float32 on the CPU, elsewhere as stored (None)."""
    import torch

    return torch.float32 if device is None or torch.device(device).type == "cpu" else None


# ------------------------------------------------------------------------------- the whole model


def is_whole(folder: Path, infos: Mapping[str, TensorInfo]) -> bool:
    """Return whether a folder of fine-tuned weights has a language model, so that it needs no base."""
    return (folder / "config.json").is_file() and "model.norm.weight" in infos


def whole_model(folder: Path, *, device: "torch.device | str | None", dtype: "torch.dtype | None") -> Any:
    """Load `Phi3VForCausalLM` from a folder, in `dtype`, or else as stored; raises CheckpointError."""
    from phi3lib.vision.modeling import Phi3VForCausalLM, register_auto_classes

    require_phi3(folder)
    config, infos = read_json(folder / "config.json"), tensors_of_folder(folder)
    require_floating(infos, where=str(folder))
    require_depth(config, 2 * layers_in(infos), where=str(folder))
    register_auto_classes()

    def build() -> Any:
        return Phi3VForCausalLM(Phi3VForCausalLM.config_class.from_pretrained(folder, local_files_only=True))

    try:
        require_size(build, config, infos, where=str(folder))
        with without_progress_bars():
            model, info = Phi3VForCausalLM.from_pretrained(
                folder,
                dtype=dtype or "auto",
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                **({} if device is None else {"device_map": {"": device}}),
            )
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        if isinstance(error, RuntimeError):
            require_shapes(build, infos, where=str(folder))
        raise CheckpointError(f"{folder} cannot be read as Phi-3-vision: {first_line(error)}") from error
    require_loaded(info, where=str(folder))
    return model


def override(model: Any, infos: Mapping[str, TensorInfo], *, where: str) -> None:
    """Replace some of a whole model's tensors, named as published or, for the vision part, without prefix.

    Raises CheckpointError for names or shapes that the model does not have.
    """
    import torch

    from phi3lib.vision.tower_families import name_in_memory

    require_floating(infos, where=where)
    in_model = model.state_dict()
    tensors = read_tensors(infos.values())
    for name, tensor in tensors.items():
        published = WORDS if name in (VISION_PREFIX + "wte.weight", "wte.weight") else name
        published = name_in_memory(published, in_model)
        mine = in_model.get(published, in_model.get(name_in_memory(VISION_PREFIX + name, in_model)))
        if mine is None or mine.shape != tensor.shape:
            raise CheckpointError(
                f"the base model has no tensor {name} of the shape {tuple(tensor.shape)}, as {where} does"
            )
        with torch.no_grad():
            mine.copy_(tensor)


# ------------------------------------------------------------------------------- configuration, processors


def require_phi3(folder: Path) -> None:
    """Raise CheckpointError where a folder's config.json is missing or that of another kind of model."""
    require_model_type(read_json(folder / "config.json"), PHI3_TYPE, where=str(folder))


def require_fitting_tiles(embedding: Any, processor: Any, *, where: Path | None) -> None:
    """CheckpointError where the processor, perhaps of another base, cuts other tiles than the tower takes."""
    takes, cuts = embedding.tile, processor.tile
    if takes == cuts:
        return
    own = where is not None and any((where / name).is_file() for name in PROCESSOR_FILES)
    source = "its preprocessor_config.json" if own else "it has no preprocessor_config.json, and its base's"
    raise CheckpointError(
        f"{where}: {source} cuts tiles of {cuts.tile_size} pixels, but the tower takes {takes.tile_size}: "
        f"add the file that belongs to it, or name its base, load_phi3_model(NAME, fine_tuned=...)"
    )


def image_processor(*folders: Path | None) -> Any:
    """Load the first folder's `Phi3VImageProcessor` that has the settings of one; raises CheckpointError."""
    from phi3lib.vision.image_processing import Phi3VImageProcessor

    folder = _folder_with(folders, PROCESSOR_FILES)
    processor = Phi3VImageProcessor.from_pretrained(folder, local_files_only=True)
    require_pixel_values(processor, where=str(folder))
    return processor


def text_processor(*folders: Path | None) -> Any:
    """Load the first folder's `Phi3VProcessor` that has tokenizer and settings; raises CheckpointError."""
    from phi3lib.vision.text_processing import Phi3VProcessor

    folder = _folder_with(folders, PROCESSOR_FILES, TOKENIZER_FILES)
    processor = Phi3VProcessor.from_pretrained(folder, local_files_only=True)
    require_pixel_values(processor.image_processor, where=str(folder))
    return processor


def agree_on_image_token(config: Any, processor: Any) -> None:
    """Make model and processor use the same id for the image token; negative ids if the vocabulary has none.

    The tokenizer decides: a config.json that is as published does not name the id.
    """
    if processor.image_token_id is not None and processor.image_token_id < config.vocab_size:
        config.image_token_id = processor.image_token_id
    else:
        processor.negative_ids = True


def _folder_with(folders: Sequence[Path | None], *groups: Sequence[str]) -> Path:
    there = [folder for folder in folders if folder is not None]
    for folder in there:
        if all(any((folder / file).is_file() for file in group) for group in groups):
            return folder
    wanted = " and ".join(group[0] for group in groups)
    raise CheckpointError(f"{there[0]} has no {wanted}: copy them there from the model it was made from")


__getattr__ = old_names(__name__, {"vision_places": "vision_tensors"})  # changed in 0.2.0
