"""Pictures for the drawing pad's reader of strokes: drawings by people in other hands, outlines of kinds."""

import numpy as np
import torch
from numpy.random import Generator
from PIL import Image
from torch import Tensor

from phi3lib.lab.widgets.pad_reader import SIDE, for_pen
from phi3lib.vision.image_processing import CLIP_MEAN, CLIP_STD
from picturebook.colors import COLORS
from picturebook.drawings import HandDrawing, other_hand
from picturebook.kind import Kind
from picturebook.outlines import outline


def redrawn(drawing: HandDrawing, rng: Generator) -> Image.Image:
    """Return a person's drawing as another hand would draw it, as the pad hands it to the reader."""
    return for_pen(drawing.picture(SIDE, other_hand(rng)))


def outlined(kind: Kind, rng: Generator) -> Image.Image:
    """Return the outlines of a kind, as the pad hands them to the reader."""
    image = Image.new("RGB", (SIDE, SIDE), COLORS["white"].rgb)
    image.paste(COLORS["black"].rgb, (0, 0), outline(kind, SIDE, rng))
    return for_pen(image)


def to_pixels(images: list[Image.Image]) -> Tensor:
    """(N, 3, SIDE, SIDE) float32, normalized as the model's processor does it."""
    stacked = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
    mean, std = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    return (stacked.permute(0, 3, 1, 2).float() / 255 - mean) / std
