"""The mixin for tokenizers, on `Phi3VTokenizer`."""

import tempfile
import unittest

from transformers_tests.test_tokenization_common import TokenizerTesterMixin

from phi3lib.vision.tokenizer import Phi3VTokenizer
from tests.transformers_suite.tiny import tiny_tokenizer


class Phi3VTokenizationTest(TokenizerTesterMixin, unittest.TestCase):
    tokenizer_class = Phi3VTokenizer

    @classmethod
    def setUpClass(cls) -> None:
        # Not the mixin's own, which reads a text file that the source distribution lacks.
        cls._data = cls.integration_test_input_string
        cls.tmpdirname = tempfile.mkdtemp()
        tiny_tokenizer().save_pretrained(cls.tmpdirname)
        cls.tokenizers_list = [(cls.tokenizer_class, cls.tmpdirname, {})]
