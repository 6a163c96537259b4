"""The mixins for configurations, models, generation and training, on the classes of `vision.modeling`."""

import unittest
from collections.abc import Callable
from typing import Any

from transformers_tests import test_modeling_common
from transformers_tests.generation.test_utils import GenerationTesterMixin
from transformers_tests.test_configuration_common import ConfigTester
from transformers_tests.test_modeling_common import ModelTesterMixin
from transformers_tests.test_training_mixin import TrainingTesterMixin

from phi3lib.vision.modeling import Phi3VConfig, Phi3VForCausalLM, Phi3VModel
from tests.transformers_suite.tiny import TinyPhi3V, tiny_options

# The mixin looks our classes up by name among those that transformers itself holds for each task.
_values_of_task = test_modeling_common.get_values
_OURS = {
    id(test_modeling_common.MODEL_MAPPING_NAMES): [Phi3VModel.__name__],
    id(test_modeling_common.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES): [Phi3VForCausalLM.__name__],
}
test_modeling_common.get_values = lambda mapping: [*_values_of_task(mapping), *_OURS.get(id(mapping), [])]


class Phi3VConfigTest(unittest.TestCase):
    """Each check of `ConfigTester.run_common_tests` as a test of its own."""

    def setUp(self) -> None:
        self.model_tester = TinyPhi3V(self)


def _test_of(check: str) -> Callable[[Phi3VConfigTest], None]:
    return lambda self: getattr(ConfigTester(self, config_class=Phi3VConfig, **tiny_options()), check)()


for _check in [name for name in dir(ConfigTester) if name.startswith(("create_and_test_", "check_"))]:
    setattr(Phi3VConfigTest, f"test_{_check.removeprefix('create_and_test_')}", _test_of(_check))


class Phi3VModelTest(ModelTesterMixin, GenerationTesterMixin, TrainingTesterMixin, unittest.TestCase):
    all_model_classes = (Phi3VModel, Phi3VForCausalLM)
    # The published models take the last layer but one of the tower, so its last layer gets no gradient.
    test_all_params_have_gradient = False
    # last_hidden_state holds visual tokens, which are as wide as the language model and not as the tower.
    skip_test_image_features_output_shape = True
    additional_model_inputs = ("pixel_values", "image_sizes")

    model_tester = None  # the training mixin declares a property

    def setUp(self) -> None:
        self.model_tester = TinyPhi3V(self)

    def _image_features_prepare_config_and_inputs(self) -> tuple[Any, dict[str, Any]]:
        config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        return config, {name: inputs[name] for name in ("pixel_values", "image_sizes")}
