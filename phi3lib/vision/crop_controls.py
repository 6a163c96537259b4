"""Controls for the HD transform: the same picture with crops that hold no more than its global view.

When a model answers better with crops than without, that may be their detail, or only their number of
tokens and their magnification. With crops rebuilt from the global view everything stays the same but the
detail.
"""

import torch
from torch.nn import functional

from phi3lib.vision.hd_transform import TileGeometry, grid_shape, split_crops


def blurred_crops(pixel_values: torch.Tensor, image_sizes: torch.Tensor, tile: TileGeometry) -> torch.Tensor:
    """Pictures whose crops are rebuilt from their global view, of the same shape as `pixel_values`.

    pixel_values (N, 1 + crops, 3, size, size) and image_sizes (N, 2) as the image processor returns them.
    The global view is enlarged bicubically to the size of the padded picture and cut again.
    """
    blurred = pixel_values.clone()
    for picture, (height, width) in zip(blurred, image_sizes.tolist(), strict=True):
        rows, cols = grid_shape(height, width, tile)
        enlarged = functional.interpolate(
            picture[:1].float(), size=(height, width), mode="bicubic", align_corners=False
        )[0]  # (3, height, width)
        picture[1 : 1 + rows * cols] = split_crops(enlarged, tile).to(picture.dtype)
    return blurred
