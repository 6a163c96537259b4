"""CLIP from a checkpoint folder."""

from pathlib import Path
from typing import Any

import torch

from phi3lib.loading.phi3 import require_loaded
from phi3lib.loading.progress import without_progress_bars
from phi3lib.loading.safetensors_io import CheckpointError, first_line, require_finite
from phi3lib.vision.clip import Clip


def clip_from_folder(
    folder: Path,
    *,
    name: str,
    revision: str | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> Clip:
    """CLIP from a checkpoint folder with every tensor accounted for; raises CheckpointError."""
    # The Pillow processor by its name: the general one prefers torchvision, which is not installed here.
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    try:
        with without_progress_bars():
            model, info = CLIPModel.from_pretrained(
                folder,
                dtype=dtype or torch.float32,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
        require_loaded(info, where=name)
        require_finite(model.state_dict(), where=name)
        processor = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except CheckpointError:
        raise
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise CheckpointError(f"{name} cannot be read as CLIP: {first_line(error)}") from error
    model = model.to(device).eval()
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
