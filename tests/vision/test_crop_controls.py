"""The control of the HD transform: crops that hold no more than the global view."""

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib import Phi3VImageProcessor
from phi3lib.vision.crop_controls import blurred_crops


def test_blurred_crops_hold_the_global_view_and_no_more():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (300, 500, 3), dtype=np.uint8))
    processor = Phi3VImageProcessor(num_crops=6)
    batch = processor([noise, noise.crop((0, 0, 300, 300))], return_tensors="pt")
    pixels = batch["pixel_values"]
    kept = pixels.clone()
    blurred = blurred_crops(pixels, batch["image_sizes"], processor.tile)
    assert blurred.shape == pixels.shape
    assert torch.equal(pixels, kept)  # the caller's tensor is left as it was
    assert torch.equal(blurred[:, 0], pixels[:, 0])
    rows, cols = (int(side) // 336 for side in batch["image_sizes"][0])
    shift = (pixels[0, 1:] - blurred[0, 1:]).abs().mean()
    assert shift > 0.2  # the noise is gone
    whole = torch.nn.functional.interpolate(pixels[0, :1], scale_factor=(rows, cols), mode="bicubic")
    assert torch.allclose(blurred[0, 1], whole[0, :, :336, :336], atol=1e-5)
    assert torch.allclose(blurred[0, cols], whole[0, :, :336, -336:], atol=1e-5)


def test_sizes_of_other_pictures_are_refused():
    processor = Phi3VImageProcessor(num_crops=1)
    batch = processor([Image.new("RGB", (336, 336))] * 2, return_tensors="pt")
    with pytest.raises(ValueError):
        blurred_crops(batch["pixel_values"], batch["image_sizes"][:1], processor.tile)


def test_a_picture_without_detail_stays_as_it_is():
    processor = Phi3VImageProcessor(num_crops=4)
    batch = processor(Image.new("RGB", (400, 400), "teal"), return_tensors="pt")
    blurred = blurred_crops(batch["pixel_values"], batch["image_sizes"], processor.tile)
    assert torch.allclose(blurred, batch["pixel_values"], atol=1e-5)
