"""The mixin for processors, on `Phi3VProcessor`."""

import unittest
from typing import Any

from transformers_tests.test_processing_common import ProcessorTesterMixin

from phi3lib.vision.text_processing import Phi3VProcessor
from tests.transformers_suite.tiny import tiny_image_processor, tiny_tokenizer


class Phi3VProcessorTest(ProcessorTesterMixin, unittest.TestCase):
    processor_class = Phi3VProcessor

    @classmethod
    def _setup_image_processor(cls) -> Any:
        return tiny_image_processor()

    @classmethod
    def _setup_tokenizer(cls) -> Any:
        return tiny_tokenizer()

    @classmethod
    def _setup_test_attributes(cls, processor: Any) -> None:
        cls.image_token = "<|image_1|>"
