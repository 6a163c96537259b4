"""Our tests of `torch.export`, on what transformers' own mixin of this name is about.

The source distribution of transformers holds no `tests/exporters`.
"""

from typing import Any

import torch
from transformers import set_seed


class ExportTesterMixin:
    """An exported model computes what the model computes."""

    def _assert_exports(self, model: Any, inputs: dict[str, Any]) -> None:
        wanted = model(**inputs, use_cache=False)[0]
        program = torch.export.export(model, (), {**inputs, "use_cache": False})
        torch.testing.assert_close(program.module()(**inputs, use_cache=False)[0], wanted)

    def test_torch_export_text(self) -> None:
        for model_class in self.all_model_classes:
            config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
            set_seed(0)
            words = inputs["input_ids"][:, -5:]
            with torch.no_grad():
                self._assert_exports(model_class(config).eval(), {"input_ids": words})

    def test_torch_export_images(self) -> None:
        for model_class in self.all_model_classes:
            config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
            set_seed(0)
            # Sizes of images decide the shapes of a graph, so they are plain numbers for it.
            inputs["image_sizes"] = inputs["image_sizes"].tolist()
            with torch.no_grad():
                self._assert_exports(model_class(config).eval(), inputs)
