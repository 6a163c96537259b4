"""What a checkpoint's settings may claim: no more than its weights hold.

A model is built as its config.json says, and a number there costs nothing to write. So numbers are compared
with the headers of the weight files before anything of their size is built.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from PIL import Image

from phi3lib.loading.safetensors_io import CheckpointError, TensorInfo

MOST_LAYERS = 1_000  # of a network that is built without memory
MOST_LABELS = 100_000  # transformers writes a name for each
SPARE = 1_000_000  # numbers that files leave out, such as those of positions
# Above these, a model is first built without memory: times the longest side of a tensor; pixels.
FAR_LONGER, LARGE_IMAGE = 8, 2_048
LARGEST_INPUT = 4  # times the size in the network's configuration: DINOv2 takes images of several sizes
_LAYER = re.compile(r"\blayers?\.(\d{1,6})\.")


def layers_in(infos: Mapping[str, TensorInfo]) -> int:
    """Return how many different layers the names of tensors count."""
    return len({match[1] for name in infos if (match := _LAYER.search(name))})


def require_depth(config: Mapping[str, Any], most: int, *, where: str) -> None:
    """Raise CheckpointError where config.json claims more than `most` layers, or very many labels."""
    for name, value in _whole_numbers(config):
        limit = MOST_LABELS if name == "num_labels" else most
        if (name == "num_labels" or name.endswith("layers")) and value > limit:
            raise CheckpointError(
                f"config.json of {where} claims {name} = {value:,}, where at most {limit:,} can be: copy or "
                f"fetch the whole checkpoint again"
            )


def require_size(
    build: Callable[[], Any], config: Mapping[str, Any], infos: Mapping[str, TensorInfo], *, where: str
) -> None:
    """Raise CheckpointError where config.json describes a far larger model than these tensors.

    build: makes the model. Without a number that is far larger than all tensors nothing is built here.
    """
    longest = max((side for info in infos.values() for side in info.shape), default=0)
    if any(
        value > (LARGE_IMAGE if name == "image_size" else FAR_LONGER * longest)
        for name, value in _whole_numbers(config)
    ):
        require_shapes(build, infos, where=where)


def require_shapes(build: Callable[[], Any], infos: Mapping[str, TensorInfo], *, where: str) -> None:
    """Raise CheckpointError where tensors have other shapes than those of the model that `build` makes.

    It is made without memory. Also where it has more than twice as many numbers as the files hold.
    """
    import torch

    with torch.device("meta"):
        model = build()
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name, info in infos.items():
        if info.shape != wanted.get(name, info.shape):
            raise CheckpointError(
                f"{name} of {where} has shape {info.shape}, its config.json asks for {wanted[name]}"
            )
    numbers = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    held = sum(math.prod(info.shape) for info in infos.values())
    if numbers > 2 * held + SPARE:
        raise CheckpointError(
            f"config.json of {where} describes a model of {numbers:,} numbers, but its files hold {held:,}"
        )


def require_input_size(processor: Any, size: int, *, where: str) -> None:
    """Raise CheckpointError where a processor makes far larger images than the network's.

    size: of the network's images, in pixels, or for NaFlex in patches.
    """
    claims = {"max_num_patches": getattr(processor, "max_num_patches", None)}
    for name in ("size", "crop_size") if claims["max_num_patches"] is None else ():
        sides = dict(getattr(processor, name, None) or {})
        claims |= {f"{name}.{side}": pixels for side, pixels in sides.items()}
    for name, claimed in claims.items():
        if isinstance(claimed, int) and claimed > LARGEST_INPUT * size:
            raise CheckpointError(
                f"preprocessor_config.json of {where} claims {name} = {claimed:,}, but the network takes "
                f"{size:,}"
            )


def require_fitting_images(processor: Any, size: int, *, least: int | None = None, where: str) -> None:
    """Raise CheckpointError where a processor's images are not those of a network of `size` pixels.

    least: of a network that takes several sizes, the smallest one. One small image is processed, as several
    settings decide together, once it is known not to become a large one.
    """
    require_input_size(processor, size, where=where)
    least, most = (size, size) if least is None else (least, LARGEST_INPUT * size)
    given = Image.new("RGB", (9, 7))
    height, width = processor(images=given, return_tensors="pt")["pixel_values"].shape[-2:]
    if not all(least <= side <= most for side in (height, width)):
        takes = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        raise CheckpointError(
            f"preprocessor_config.json of {where} makes an image of {width} × {height} pixels from one of "
            f"{given.width} × {given.height}, but the network takes {takes} pixels on each side"
        )


def require_pixel_values(processor: Any, *, where: str) -> None:
    """Raise CheckpointError where a processor's numbers would make all images equal, or NaN."""
    mean, std = (_each(getattr(processor, name, None)) for name in ("image_mean", "image_std"))
    factor = processor.rescale_factor
    if not (all(map(_is_finite, (*mean, *std))) and all(one > 0 for one in std)):
        raise CheckpointError(
            f"preprocessor_config.json of {where} claims image_mean {mean} and image_std {std}; expected "
            f"finite numbers, and positive ones to divide by"
        )
    if factor is not None and not (_is_finite(factor) and 0 < factor <= 1):
        raise CheckpointError(
            f"preprocessor_config.json of {where} claims rescale_factor = {factor}; expected a number above "
            f"0, at most 1, such as 1/255"
        )


def _each(values: Any) -> list[Any]:
    """Return numbers for all channels; one number stands for each of them."""
    if values is None:
        return []
    return list(values) if isinstance(values, list | tuple) else [values]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _whole_numbers(config: Any) -> Iterator[tuple[str, int]]:
    for name, value in config.items() if isinstance(config, Mapping) else ():
        if isinstance(value, Mapping):
            yield from _whole_numbers(value)
        elif isinstance(value, int):
            yield str(name), value
