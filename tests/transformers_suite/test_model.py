"""The mixins for models and for generation, on `Phi3VModel` and `Phi3VForCausalLM`."""

import unittest
from typing import Any

from transformers_tests import test_modeling_common
from transformers_tests.generation.test_utils import GenerationTesterMixin
from transformers_tests.test_modeling_common import ModelTesterMixin

from phi3lib.vision.modeling import Phi3VForCausalLM, Phi3VModel
from tests.transformers_suite.tiny import TinyPhi3V

# The mixin looks our classes up by name among those that transformers itself holds for each task.
_values_of_task = test_modeling_common.get_values
_OURS = {
    id(test_modeling_common.MODEL_MAPPING_NAMES): [Phi3VModel.__name__],
    id(test_modeling_common.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES): [Phi3VForCausalLM.__name__],
}
test_modeling_common.get_values = lambda mapping: [*_values_of_task(mapping), *_OURS.get(id(mapping), [])]


class Phi3VModelTest(ModelTesterMixin, GenerationTesterMixin, unittest.TestCase):
    all_model_classes = (Phi3VModel, Phi3VForCausalLM)
    # The published models take the last layer but one of the tower, so its last layer gets no gradient.
    test_all_params_have_gradient = False
    additional_model_inputs = ("pixel_values", "image_sizes")

    def setUp(self) -> None:
        self.model_tester = TinyPhi3V(self)

    def _image_features_prepare_config_and_inputs(self) -> tuple[Any, dict[str, Any]]:
        config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        return config, {name: inputs[name] for name in ("pixel_values", "image_sizes")}
