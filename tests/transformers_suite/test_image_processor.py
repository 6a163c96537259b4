"""The mixin for image processors, on `Phi3VImageProcessor`."""

import unittest
from typing import Any

from transformers_tests.test_image_processing_common import ImageProcessingTester, ImageProcessingTestMixin

from phi3lib.vision.image_processing import Phi3VImageProcessor
from tests.transformers_suite.tiny import PATCH, TILE


class TinyImageProcessing(ImageProcessingTester):
    def __init__(self, parent: Any) -> None:
        super().__init__(
            parent, num_crops=4, tile_size=TILE, patch_size=PATCH, num_img_tokens=1, batch_size=4
        )

    def _get_image_processing_classes(self) -> dict[str, type]:
        return {"pil": Phi3VImageProcessor}

    def prepare_image_processor_dict(self) -> dict[str, Any]:
        names = ("num_crops", "tile_size", "patch_size", "num_img_tokens")
        return {name: getattr(self, name) for name in names}

    def expected_output_image_shape(self, images: Any) -> tuple[int, ...]:
        processor = Phi3VImageProcessor(**self.prepare_image_processor_dict())
        return tuple(processor(images, return_tensors="pt").pixel_values.shape[1:])


class Phi3VImageProcessingTest(ImageProcessingTestMixin, unittest.TestCase):
    image_processor_tester_class = TinyImageProcessing
    test_cast_dtype = True
