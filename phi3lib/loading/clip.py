"""CLIP from a checkpoint folder."""

from pathlib import Path
from typing import Any

import torch

from phi3lib.loading.claims import require_fitting_images, require_pixel_values
from phi3lib.loading.networks import checkpoint_errors, load_network
from phi3lib.vision.clip import Clip


def clip_from_folder(
    folder: Path,
    *,
    name: str,
    revision: str | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> Clip:
    """Load CLIP from a checkpoint folder with every tensor accounted for; raises CheckpointError."""
    # The Pillow processor by its name: the general one prefers torchvision, which is not installed here.
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    from phi3lib.vision.quick_gelu import with_quick_gelu

    model = with_quick_gelu(load_network(CLIPModel, folder, where=name, device=device, dtype=dtype))
    with checkpoint_errors(name):
        processor = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        require_pixel_values(processor, where=name)
        require_fitting_images(processor, model.config.vision_config.image_size, where=name)
    return Clip(name, revision, model, processor, tokenizer, _recipe(model, processor, name, revision))


def _recipe(model: Any, processor: Any, name: str, revision: str | None) -> dict[str, Any]:
    import transformers

    return {
        "model": name,
        "revision": revision,
        "family": "clip",
        "layer": "last",
        "pooling": "CLS (pictures) or end-of-text token (texts), projected",
        "normalisation": "none",
        "preprocessing": {"size": dict(processor.size), "crop_size": dict(processor.crop_size)},
        "dimension": model.config.projection_dim,
        "dtype": str(model.dtype).removeprefix("torch."),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
