"""From pictures to pixel tensors: `Phi3VImageProcessor`.

Pillow, NumPy and torch do the whole work; torchvision is not needed. Values are those of the published
preprocessing code of Phi-3-vision-128k-instruct and Phi-3.5-vision-instruct, bit for bit. Reading pictures
is in `phi3lib.vision.pictures`, their geometry in `phi3lib.vision.hd_transform`; prompts come in with
`phi3lib.vision.text_processing`.
"""

import json
import math
import os
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor

from phi3lib.vision.hd_transform import HDGrid, TileGeometry, hd_grid, pad_picture, resize_picture, tiles_of
from phi3lib.vision.pictures import Picture, Pictures, flatten_pictures, naming_picture, read_picture

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
# What a preprocessor_config.json may set. Other keys of the file (auto_map, processor_class, …) speak to
# loaders, not to the processor.
OPTIONS = (
    "num_crops",
    "image_mean",
    "image_std",
    "num_img_tokens",
    "tile_size",
    "patch_size",
    "pad_to_num_crops",
)


def hd_picture(picture: Image.Image, grid: HDGrid) -> Image.Image:
    """Resize and pad an RGB picture to its grid: what the crops are cut from, `grid.padded_size` pixels."""
    return pad_picture(resize_picture(picture, grid), grid)


def normalise(picture: Image.Image, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """RGB picture → (3, height, width) float32, (value / 255 - mean) / std in each channel."""
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).to(torch.float32)
    # One operation after the other in float32, as published: folding them changes the last bits.
    pixels.div_(255)
    pixels.sub_(torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
    return pixels.div_(torch.tensor(std, dtype=torch.float32).view(3, 1, 1))


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

    EXIF orientation is not applied, transparency is dropped (see `read_picture`).

    >>> processor = Phi3VImageProcessor(num_crops=4)
    >>> batch = processor(Image.new("RGB", (640, 480)), return_tensors="pt")
    >>> tuple(batch.pixel_values.shape), batch.image_sizes.tolist(), batch.num_img_tokens.tolist()
    ((1, 5, 3, 336, 336), [[672, 672]], [757])
    """

    model_input_names = ["pixel_values", "image_sizes"]

    def __init__(
        self,
        num_crops: int = 16,
        image_mean: Iterable[float] = CLIP_MEAN,
        image_std: Iterable[float] = CLIP_STD,
        num_img_tokens: int = 144,
        tile_size: int = 336,
        patch_size: int = 14,
        pad_to_num_crops: bool = False,
    ) -> None:
        super().__init__()
        if num_crops < 1:
            raise ValueError(f"num_crops is {num_crops}; it must be at least 1")
        expected = TileGeometry(tile_size, patch_size).tokens_per_tile
        if num_img_tokens != expected:
            raise ValueError(
                f"num_img_tokens is {num_img_tokens}, but tiles of {tile_size} pixels with patches of "
                f"{patch_size} have {expected} tokens after the 2×2 merge"
            )
        self.num_crops = num_crops
        self.image_mean = _three_numbers("image_mean", image_mean)
        self.image_std = _three_numbers("image_std", image_std)
        if 0.0 in self.image_std:
            raise ValueError(f"image_std is {self.image_std}; pixels are divided by it, so no entry may be 0")
        self.num_img_tokens = num_img_tokens
        self.tile_size = tile_size
        self.patch_size = patch_size
        self.pad_to_num_crops = pad_to_num_crops

    @classmethod
    def from_dict(cls, image_processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Build from the content of a preprocessor_config.json; `kwargs` override it.

        Keys that are no options of the class are for others (the file's auto_map, a loader's revision) and
        left alone; with return_unused_kwargs=True those of `kwargs` are returned as well.
        """
        return_unused = kwargs.pop("return_unused_kwargs", False)
        options = {**image_processor_dict, **kwargs}
        processor = cls(**{name: options[name] for name in OPTIONS if name in options})
        unused = {name: value for name, value in kwargs.items() if name not in OPTIONS}
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

    def __call__(
        self,
        images: Pictures,
        *,
        num_crops: int | None = None,
        pad_to_num_crops: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Prepare one picture or (nested) lists of pictures; see `preprocess`."""
        return self.preprocess(
            images, num_crops=num_crops, pad_to_num_crops=pad_to_num_crops, return_tensors=return_tensors
        )

    def preprocess(
        self,
        images: Pictures,
        *,
        num_crops: int | None = None,
        pad_to_num_crops: bool | None = None,
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """Prepare one picture or (nested) lists of pictures, N in all.

        Returns pixel_values (N, 1 + crops of the largest picture, 3, tile, tile) float32: the global view,
        the crops row by row, zeros; image_sizes (N, 2) int64: [height, width] of the padded picture;
        num_img_tokens (N,) int64. `return_tensors`: "pt" for torch, "np" for NumPy; None for lists with
        one entry a picture (pixel_values: torch tensors of equal shape).

        Raises ValueError for an empty list, and for a picture that cannot be read or is too extreme in
        shape; the message counts pictures from 0.
        """
        require_kind(return_tensors)
        limit = self.num_crops if num_crops is None else num_crops
        fixed = self.pad_to_num_crops if pad_to_num_crops is None else pad_to_num_crops
        pictures = flatten_pictures(images)
        if not pictures:
            raise ValueError("no pictures came: images is an empty list")
        grids, prepared = self._hd_pictures(pictures, limit)
        num_tiles = [1 + grid.rows * grid.cols for grid in grids]
        room = 1 + limit if fixed else max(num_tiles)
        pixel_values = torch.empty(len(pictures), room, 3, self.tile_size, self.tile_size)
        for place, picture, used in zip(pixel_values, prepared, num_tiles, strict=True):
            place[:used] = tiles_of(normalise(picture, self.image_mean, self.image_std), self.tile)
            place[used:] = 0
        sizes = torch.tensor([grid.image_size for grid in grids])
        tokens = torch.tensor([grid.num_image_tokens for grid in grids])
        data = {"pixel_values": pixel_values, "image_sizes": sizes, "num_img_tokens": tokens}
        return BatchFeature({name: _as_kind(tensor, return_tensors) for name, tensor in data.items()})

    def _hd_pictures(self, pictures: list[Picture], num_crops: int) -> tuple[list[HDGrid], list[Image.Image]]:
        """Grid and padded picture of each; one original at a time is held in memory."""
        grids, prepared = [], []
        for number, picture in enumerate(pictures):
            with naming_picture(number, len(pictures)):
                rgb = read_picture(picture)
                grid = hd_grid(*rgb.size, num_crops, tile=self.tile)
            grids.append(grid)
            prepared.append(hd_picture(rgb, grid))
        return grids, prepared


def _three_numbers(name: str, values: Iterable[float]) -> list[float]:
    numbers = [float(value) for value in values]
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{name} is {numbers}; it must be three numbers, one for red, green and blue")
    return numbers


def require_kind(return_tensors: str | None) -> None:
    if return_tensors not in (None, "pt", "np"):
        raise ValueError(f"return_tensors is {return_tensors!r}; it must be 'pt', 'np' or None")


def _as_kind(tensor: torch.Tensor, return_tensors: str | None) -> Any:
    """A tensor as "pt", as an array for "np", or for None as a list with one entry a picture."""
    if return_tensors == "pt":
        return tensor
    if return_tensors == "np":
        return tensor.numpy()
    return list(tensor) if tensor.is_floating_point() else tensor.tolist()
