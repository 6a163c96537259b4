"""Whether an image shows anything, and whether it is sharp: two numbers from its pixels, without a model."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.run_time import usable_cores
from phi3lib.vision.pictures import read_small

SIDE = 512  # pixels of the longer side at which images are measured: comparable, and quick for photographs
WINDOW = 9  # of the low-pass filter, as in the reference
EMPTY = 4.0  # standard deviation of a channel, values 0 to 255: below it nothing can be seen
# Of `blur`: 300 sharp images, photographs and flat drawings, had at most 0.69, and two photographs with a
# Gaussian blur of a hundredth of their width at least 0.72.
BLURRED = 0.7


@dataclass(frozen=True)
class Quality:
    """What was measured of an image.

    spread: largest standard deviation of a color channel, 0 to 127.5. blur: 0 (sharp) to 1; see `blur_of`.
    """

    spread: float
    blur: float

    @property
    def is_empty(self) -> bool:
        """Whether the image is nearly one tone."""
        return self.spread < EMPTY

    @property
    def is_blurred(self) -> bool:
        """Whether the image shows something, but nothing sharp."""
        return not self.is_empty and self.blur > BLURRED


def qualities(images: Sequence[Any]) -> list[Quality]:
    """Return the quality of each image: files, or anything that `read_upright` takes.

    JPEG files are decoded at a fraction of their size, on all cores. Raises ValueError for an image that
    cannot be read.
    """
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(quality_of, images))


def quality_of(image: Any) -> Quality:
    """Return the quality of one image."""
    small = _small(image)
    spread = np.asarray(small, dtype=np.float32).std((0, 1)).max()
    return Quality(float(spread), blur_of(np.asarray(small.convert("L"), dtype=np.float32)))


def _small(image: Any) -> Image.Image:
    """Return an RGB image whose longer side is at most SIDE."""
    small = read_small(image, SIDE)
    scale = SIDE / max(small.size)
    if scale < 1:
        width, height = (max(round(side * scale), 1) for side in small.size)
        small = small.resize((width, height), Image.Resampling.BOX)
    return small


def blur_of(gray: NDArray[np.floating]) -> float:
    """Return how blurred a gray image (height, width) is, from 0 (sharp) to 1.

    The share of the differences between neighboring pixels that remains after the image is blurred once
    more: blurring changes a sharp image, but hardly one that is already blurred. The worse of the two
    directions counts; an image of one tone has 1. Crete et al. 2007, "The blur effect".
    """
    from scipy.ndimage import uniform_filter1d

    shares = []
    for axis in (0, 1):
        before = np.abs(np.diff(gray, axis=axis))
        after = np.abs(np.diff(uniform_filter1d(gray, WINDOW, axis=axis, mode="nearest"), axis=axis))
        total = float(before.sum())
        lost = float(np.maximum(before - after, 0).sum())
        shares.append(1.0 if total == 0 else 1 - lost / total)
    return max(shares)
