"""Tests of transformers that fail on our classes, with the reason of each.

A listed test must fail: one that passes or is skipped fails the suite, so that its entry is removed.
Names are those of the class and the method in this folder.
"""

_MODEL = "Phi3VModelTest.test_"
_PROCESSOR = "Phi3VProcessorTest.test_"
_IMAGES = "Phi3VImageProcessingTest.test_"

_STOPS = "the tower stops at the layer that is read; `vision_tower(tiles, layer=k)` gives its hidden states"

# What the test asks for is not wanted here.
DOES_NOT_APPLY: dict[str, str] = {
    "Phi3VConfigTest.test_config_from_and_save_pretrained_composite": "as published, the file "
    "holds the tower's configuration within img_processor, not under vision_config",
    _MODEL + "get_image_features_attentions": _STOPS,
    _MODEL + "get_image_features_hidden_states": _STOPS,
    _MODEL
    + "get_image_features_pooler_output": "pooler_output holds one vector an image, by which notebooks "
    "compare images; `tokens` holds the matrices, and beams are expanded by a method of our own",
    _IMAGES + "call_numpy_4_channels": "the vision tower takes three channels; a fourth one is dropped",
    _IMAGES
    + "new_models_require_torchvision_backend": "torchvision is not used: its wheels break a CPU torch",
    _IMAGES
    + "pil_can_run_without_torchvision": "it loads the class in a process that has not imported phi3lib; "
    "tests/vision/test_image_processing.py does so after register_auto_classes()",
}

_NEGATIVE = "negative placeholder ids cannot index an embedding"
_FIXED = "Phi3VProcessor.__call__ takes a fixed list of keywords"
_FIXED_TEMPLATE = "apply_chat_template takes a fixed list of keywords"

# What should work and does not yet.
FAULTS: dict[str, str] = {
    _MODEL + "inputs_embeds": _NEGATIVE,
    _MODEL + "inputs_embeds_matches_input_ids": _NEGATIVE,
    _PROCESSOR + "apply_chat_template_assistant_mask": _FIXED_TEMPLATE,
    _PROCESSOR + "apply_chat_template_image_0": _FIXED_TEMPLATE,
    _PROCESSOR + "apply_chat_template_image_1": _FIXED_TEMPLATE,
    _PROCESSOR + "chat_template_jinja_kwargs": _FIXED_TEMPLATE,
    _PROCESSOR + "chat_template_save_loading": "a legacy chat_template.json is ignored",
    _PROCESSOR + "args_overlap_kwargs": "from_pretrained passes options to both loaders and drops others",
    _PROCESSOR + "call_arguments_default_none": _FIXED,
    _PROCESSOR + "call_arguments_not_in_processor_kwargs": _FIXED,
    _PROCESSOR + "doubly_passed_kwargs_0_images": _FIXED,
    _PROCESSOR + "flat_kwarg_applied_when_modality_dict_lacks_it": _FIXED,
    _PROCESSOR + "kwargs_overrides_default_subprocessor_kwargs_0_images": _FIXED,
    _PROCESSOR + "subprocessor_defaults_preserved_by_kwargs_0_images": "the tokenizer's own padding and "
    "max_length are ignored",
    _PROCESSOR + "overlapping_text_image_kwargs_handling_0_images": _FIXED,
    _PROCESSOR + "structured_kwargs_nested_from_dict_0_images": _FIXED,
    _PROCESSOR + "unstructured_kwargs_0_images": _FIXED,
    _PROCESSOR + "unstructured_kwargs_batched_0_images": _FIXED,
}
