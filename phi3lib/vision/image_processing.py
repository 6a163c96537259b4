"""From pictures to pixel tensors: `Phi3VImageProcessor`.

Pillow, NumPy and torch do the whole work; torchvision is not needed. Values are those of the published
preprocessing code of Phi-3-vision-128k-instruct and Phi-3.5-vision-instruct, bit for bit. Reading pictures
is in `phi3lib.vision.pictures`, their geometry in `phi3lib.vision.hd_transform`; prompts come in with
`phi3lib.vision.text_processing`.
"""

import json
import math
import numbers
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.processing_utils import ImagesKwargs

from phi3lib.moved import old_names
from phi3lib.vision.hd_transform import HDGrid, TileGeometry, hd_grid, pad_picture, resize_picture, tiles_of
from phi3lib.vision.options import LOADER_OPTIONS, nearest, require_known
from phi3lib.vision.pictures import Picture, Pictures, flatten_pictures, naming_picture, read_picture

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
RESCALE_FACTOR = 1 / 255
MOST_PIXELS = 100_000_000  # of all crops of a picture: 1.2 GB; 885 crops of the published size
# Options of a processor: arguments of the constructor and keys of preprocessor_config.json. Other keys of
# that file (auto_map, processor_class, …) speak to loaders, not to the processor.
OPTIONS = (
    "num_crops",
    "image_mean",
    "image_std",
    "num_img_tokens",
    "tile_size",
    "patch_size",
    "pad_to_num_crops",
    "do_convert_rgb",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
)
# Options of one call: those of the processor except the sizes of the model's tower, and return_tensors.
CALL_OPTIONS = (
    *(name for name in OPTIONS if name not in ("num_img_tokens", "tile_size", "patch_size")),
    "input_data_format",
    "return_tensors",
    "device",
)


class Phi3VImageProcessorKwargs(ImagesKwargs, total=False):  # type: ignore[call-arg]  # a TypedDict, unread
    """Options of `Phi3VImageProcessor` beside those of all image processors.

    transformers' processors read here which options of a call go to the image processor.
    """

    num_crops: int | None
    num_img_tokens: int | None
    tile_size: int | None
    patch_size: int | None
    pad_to_num_crops: bool | None


def hd_picture(picture: Image.Image, grid: HDGrid) -> Image.Image:
    """Resize and pad an RGB picture to its grid: what the crops are cut from, `grid.padded_size` pixels."""
    return pad_picture(resize_picture(picture, grid), grid)


def normalize(
    picture: Image.Image,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    *,
    rescale_factor: float | None = RESCALE_FACTOR,
) -> torch.Tensor:
    """RGB picture → (3, height, width) float32, (value · rescale_factor - mean) / std in each channel.

    Without `rescale_factor`, or without `mean` and `std`, that step is left out.
    """
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).to(torch.float32)
    # One operation after the other in float32, as published: folding them changes the last bits, and so
    # does a multiplication in place of the division.
    if rescale_factor == RESCALE_FACTOR:
        pixels.div_(255)
    elif rescale_factor is not None:
        pixels.mul_(rescale_factor)
    if mean is not None and std is not None:
        pixels.sub_(torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        pixels.div_(torch.tensor(std, dtype=torch.float32).view(3, 1, 1))
    return pixels


# ------------------------------------------------------------------------------------ the processor


class Phi3VImageProcessor(BaseImageProcessor):
    """Prepare pictures for Phi-3-vision: grid, resize, white padding, global view, crops.

    num_crops: the most crops a picture is cut into (16 in Phi-3-vision's files, 4 in Phi-3.5-vision's).
        The default is 16, as the first model was published; the published class says 1, which no model
        uses and which feeds the tower the same view twice.
    image_mean, image_std: three numbers each, CLIP's by default.
    tile_size, patch_size: pixels of the vision tower's input and of its patches.
    num_img_tokens: tokens of one tile; only checked against the two sizes (144 = (336 / 14 / 2)²).
    pad_to_num_crops: give every batch room for num_crops + 1 tiles, as the published code does, instead
        of only as much as its largest picture takes.
    do_convert_rgb: convert images of other modes to RGB; if False, such an image raises ValueError.
    do_rescale, rescale_factor, do_normalize: multiply pixels by a factor (1/255), subtract the mean and
        divide by the standard deviation. All are on, as the published models need them.

    EXIF orientation is not applied, transparency is dropped (see `read_picture`).

    >>> processor = Phi3VImageProcessor(num_crops=4)
    >>> batch = processor(Image.new("RGB", (640, 480)), return_tensors="pt")
    >>> tuple(batch.pixel_values.shape), batch.image_sizes.tolist(), batch.num_img_tokens.tolist()
    ((1, 5, 3, 336, 336), [[672, 672]], [757])
    """

    model_input_names = ["pixel_values", "image_sizes"]
    valid_kwargs = Phi3VImageProcessorKwargs

    def __init__(
        self,
        num_crops: int = 16,
        image_mean: Iterable[float] = CLIP_MEAN,
        image_std: Iterable[float] = CLIP_STD,
        num_img_tokens: int = 144,
        tile_size: int = 336,
        patch_size: int = 14,
        pad_to_num_crops: bool = False,
        *,
        do_convert_rgb: bool = True,
        do_rescale: bool = True,
        rescale_factor: float = RESCALE_FACTOR,
        do_normalize: bool = True,
        **others: Any,
    ) -> None:
        require_known(others, OPTIONS, type(self).__name__)
        super().__init__()
        self.num_crops = _whole_number("num_crops", num_crops)
        self.num_img_tokens = _whole_number("num_img_tokens", num_img_tokens)
        self.tile_size = _whole_number("tile_size", tile_size)
        self.patch_size = _whole_number("patch_size", patch_size)
        if self.num_crops * self.tile_size**2 > MOST_PIXELS:
            raise ValueError(
                f"num_crops is {num_crops:,} and tile_size {tile_size:,}; the crops of a picture may have at "
                f"most {MOST_PIXELS:,} pixels"
            )
        expected = self.tile.tokens_per_tile
        if num_img_tokens != expected:
            raise ValueError(
                f"num_img_tokens is {num_img_tokens}, but tiles of {tile_size} pixels with patches of "
                f"{patch_size} have {expected} tokens after the 2×2 merge"
            )
        self.image_mean = _three_numbers("image_mean", image_mean)
        self.image_std = _divisors("image_std", image_std)
        self.pad_to_num_crops = _truth("pad_to_num_crops", pad_to_num_crops)
        self.do_convert_rgb = _truth("do_convert_rgb", do_convert_rgb)
        self.do_rescale = _truth("do_rescale", do_rescale)
        self.rescale_factor = _number("rescale_factor", rescale_factor)
        self.do_normalize = _truth("do_normalize", do_normalize)

    @classmethod
    def from_dict(cls, image_processor_dict: Mapping[str, Any], **kwargs: Any) -> Any:
        """Build from the content of a preprocessor_config.json; `kwargs` override it.

        None: the default. Keys of the file that are no options of the class are for others
        (auto_map, processor_class) and left alone, with a warning if such a key is likely a mistyped option.
        Raises UnknownOptionError for such a name in `kwargs`, unless return_unused_kwargs=True asks for those
        back beside the processor.
        """
        return_unused = kwargs.pop("return_unused_kwargs", False)
        unused = {name: value for name, value in kwargs.items() if name not in OPTIONS}
        if not return_unused:
            given = [name for name in unused if name not in LOADER_OPTIONS and not name.startswith("_")]
            require_known(given, OPTIONS, cls.__name__)
        for name in image_processor_dict:
            if name not in OPTIONS and (meant := nearest(name, OPTIONS)):
                warnings.warn(f"key {name!r} is ignored; did the file mean {meant!r}?", stacklevel=2)
        options = {**image_processor_dict, **kwargs}
        processor = cls(**{name: options[name] for name in OPTIONS if options.get(name) is not None})
        return (processor, unused) if return_unused else processor

    @classmethod
    def from_json_file(cls, json_file: str | os.PathLike[str]) -> Self:
        """Build from one JSON file, such as a published preprocessor_config.json."""
        with open(json_file, encoding="utf-8") as file:
            return cls.from_dict(json.load(file))

    @property
    def tile(self) -> TileGeometry:
        """Sizes of a tile in pixels, patches and tokens."""
        return TileGeometry(self.tile_size, self.patch_size)

    def grid(self, width: int, height: int) -> HDGrid:
        """How a picture of this size is cut. Raises ValueError as `hd_grid` does."""
        return hd_grid(width, height, self.num_crops, tile=self.tile)

    def calc_num_image_tokens_from_image_size(self, width: int, height: int) -> int:
        """Tokens of a picture of this size, separators included. Raises ValueError as its pixels would."""
        return self.grid(width, height).num_image_tokens

    def calc_num_image_tokens(self, images: Pictures) -> list[int]:
        """Tokens of each picture of a (nested) list, separators included."""
        pictures = flatten_pictures(images)
        counts = []
        for number, picture in enumerate(pictures):
            with naming_picture(number, len(pictures)):
                counts.append(self.calc_num_image_tokens_from_image_size(*read_picture(picture).size))
        return counts

    def __call__(self, images: Pictures, **options: Any) -> BatchFeature:
        """Prepare one picture or (nested) lists of pictures; see `preprocess`."""
        return self.preprocess(images, **options)

    def preprocess(self, images: Pictures, **options: Any) -> BatchFeature:
        """Prepare one picture or (nested) lists of pictures, N in all.

        options: num_crops, pad_to_num_crops, image_mean, image_std, do_convert_rgb, do_rescale,
            rescale_factor, do_normalize: in place of the processor's own; None: its own.
        return_tensors: "pt" for torch, "np" for NumPy; None for lists with one entry a picture
            (pixel_values: torch tensors of equal shape).
        device: where torch tensors go; they are computed on the CPU, where the values are the published ones.
        input_data_format: "channels_first" or "channels_last", for arrays and tensors that are laid out
            otherwise than `read_picture` expects.

        Returns pixel_values (N, 1 + crops of the largest picture, 3, tile, tile) float32: the global view,
        the crops row by row, zeros; image_sizes (N, 2) int64: [height, width] of the padded picture;
        num_img_tokens (N,) int64.

        Raises UnknownOptionError for other names, and ValueError for an empty list and for a picture that
        cannot be read or is too extreme in shape; the message counts pictures from 0.
        """
        require_known(options, CALL_OPTIONS, f"a call of {type(self).__name__}")
        asked = {name: options.pop(name, None) for name in ("input_data_format", "return_tensors", "device")}
        require_tensor_type(asked["return_tensors"])
        own = {name: getattr(self, name) for name in OPTIONS}
        changes = {name: value for name, value in options.items() if value is not None}
        settings = type(self)(**{**own, **changes})
        pictures = [_laid_out(picture, asked["input_data_format"]) for picture in flatten_pictures(images)]
        data = settings._prepare(pictures)
        if asked["device"] is not None:
            if asked["return_tensors"] == "np":
                raise ValueError("device needs return_tensors='pt'; NumPy arrays are always in main memory")
            data = {name: tensor.to(asked["device"]) for name, tensor in data.items()}
        return BatchFeature(
            {name: _as_tensor_type(tensor, asked["return_tensors"]) for name, tensor in data.items()}
        )

    def _prepare(self, pictures: list[Picture]) -> dict[str, torch.Tensor]:
        """All that `preprocess` returns, with this processor's own options."""
        if not pictures:
            raise ValueError("no images found: images is an empty list; pass at least one")
        mean, std = (self.image_mean, self.image_std) if self.do_normalize else (None, None)
        factor = self.rescale_factor if self.do_rescale else None
        grids, prepared = self._hd_pictures(pictures)
        num_tiles = [1 + grid.rows * grid.cols for grid in grids]
        room = 1 + self.num_crops if self.pad_to_num_crops else max(num_tiles)
        pixel_values = torch.empty(len(pictures), room, 3, self.tile_size, self.tile_size)
        for target, picture, used in zip(pixel_values, prepared, num_tiles, strict=True):
            target[:used] = tiles_of(normalize(picture, mean, std, rescale_factor=factor), self.tile)
            target[used:] = 0
        sizes = torch.tensor([grid.image_size for grid in grids])
        tokens = torch.tensor([grid.num_image_tokens for grid in grids])
        return {"pixel_values": pixel_values, "image_sizes": sizes, "num_img_tokens": tokens}

    def _hd_pictures(self, pictures: list[Picture]) -> tuple[list[HDGrid], list[Image.Image]]:
        """Grid and padded picture of each; one original at a time is held in memory."""
        grids, prepared = [], []
        for number, picture in enumerate(pictures):
            with naming_picture(number, len(pictures)):
                if not self.do_convert_rgb:
                    _require_rgb(picture)
                rgb = read_picture(picture)
                grid = self.grid(*rgb.size)
            grids.append(grid)
            prepared.append(hd_picture(rgb, grid))
        return grids, prepared


# ------------------------------------------------------------------------------------ checks


def _whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{name} is {value!r}; it must be a whole number, at least 1")
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; it must be a finite number")
    return float(value)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; it must be True or False")
    return value


def _three_numbers(name: str, values: Any) -> list[float]:
    if not isinstance(values, Iterable) or isinstance(values, str | Mapping):
        raise ValueError(f"{name} is {values!r}; it must be three numbers, one for red, green and blue")
    given = list(values)
    if len(given) != 3:
        raise ValueError(f"{name} is {given}; it must be three numbers, one for red, green and blue")
    return [_number(f"an entry of {name}", value) for value in given]


def _divisors(name: str, values: Any) -> list[float]:
    given = _three_numbers(name, values)
    if 0.0 in given:
        raise ValueError(f"{name} is {given}; pixels are divided by it, so no entry may be 0")
    return given


def _require_rgb(picture: Picture) -> None:
    mode = getattr(picture, "mode", None)
    if mode not in (None, "RGB"):
        raise ValueError(f"its mode is {mode}, and do_convert_rgb=False asks for RGB; convert it first")


def _laid_out(picture: Picture, data_format: str | None) -> Picture:
    """Return an array with its channels last, a tensor with them first, as `read_picture` takes them."""
    if data_format is None:
        return picture
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            f"input_data_format is {data_format!r}; it must be 'channels_first' or 'channels_last'"
        )
    if isinstance(picture, np.ndarray) and picture.ndim == 3 and data_format == "channels_first":
        return np.moveaxis(picture, 0, -1)
    if isinstance(picture, torch.Tensor) and picture.ndim == 3 and data_format == "channels_last":
        return picture.permute(2, 0, 1)
    return picture


def require_tensor_type(return_tensors: str | None) -> None:
    """Raise ValueError unless `return_tensors` is "pt", "np" or None."""
    if return_tensors not in (None, "pt", "np"):
        raise ValueError(f"return_tensors is {return_tensors!r}; it must be 'pt', 'np' or None")


def _as_tensor_type(tensor: torch.Tensor, return_tensors: str | None) -> Any:
    """Return a tensor as "pt", as an array for "np", or for None as a list with one entry a picture."""
    if return_tensors == "pt":
        return tensor
    if return_tensors == "np":
        return tensor.numpy()
    return list(tensor) if tensor.is_floating_point() else tensor.tolist()


__getattr__ = old_names(
    __name__, {"normalise": "normalize", "require_kind": "require_tensor_type"}
)  # changed in 0.2.0
