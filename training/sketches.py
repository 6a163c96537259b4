"""Batches of drawings by people, from which the tower of the small Phi-3-vision learns strokes."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from phi3lib.lab.widgets.pad_reader import averaged
from picturebook.drawings import HandDrawing, read_drawings
from training.pad_examples import redrawn, to_pixels

DROPPED = 0.3  # of the features, while it learns


@dataclass
class SketchBatch:
    """Tiles of drawings (N, 3, side, side), and the places of their categories in `categories` (N,)."""

    pixels: Tensor
    wanted: Tensor


@lru_cache(maxsize=1)
def training_sketches(folder: Path) -> list[HandDrawing]:
    """Return the drawings that models are trained on."""
    return read_drawings(folder, "train")


@lru_cache(maxsize=1)
def categories(folder: Path) -> list[str]:
    """Return the names of all categories among the training drawings, in order."""
    return sorted({drawing.name for drawing in training_sketches(folder)})


def draw_sketches(folder: Path, start: int, size: int) -> SketchBatch:
    """Return `size` training drawings, each as another hand would draw it; `start` decides which."""
    rng = np.random.default_rng([13, start])
    drawings, names = training_sketches(folder), categories(folder)
    chosen = [drawings[int(place)] for place in rng.integers(len(drawings), size=size)]
    wanted = torch.tensor([names.index(drawing.name) for drawing in chosen])
    return SketchBatch(to_pixels([redrawn(drawing, rng) for drawing in chosen]), wanted)


class SketchHead(nn.Module):
    """A classifier of drawings on the tower's features, averaged over 2 × 2 patches. It is not kept."""

    def __init__(self, width: int, patches: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(width * (patches // 2) ** 2, classes)

    def forward(self, features: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """features (N, patches², C), wanted (N,): the loss, and the share that was right."""
        logits = self.head(nn.functional.dropout(averaged(features), DROPPED)).float()
        right = (logits.argmax(1) == wanted).float().mean()
        return nn.functional.cross_entropy(logits, wanted, label_smoothing=0.05), right
