"""Tests of transformers that fail on our classes, with the reason of each.

A listed test must fail: one that passes or is skipped fails the suite, so that its entry is removed.
Names are those of the class and the method in this folder.
"""

_MODEL = "Phi3VModelTest.test_"
_PROCESSOR = "Phi3VProcessorTest.test_"
_IMAGES = "Phi3VImageProcessingTest.test_"

# What the test asks for is not wanted here.
DOES_NOT_APPLY: dict[str, str] = {
    _IMAGES
    + "new_models_require_torchvision_backend": "torchvision is not used: its wheels break a CPU torch",
    _IMAGES
    + "pil_can_run_without_torchvision": "it loads the class in a process that has not imported phi3lib; "
    "tests/vision/test_image_processing.py does so after register_auto_classes()",
}

_META = "to_empty(): embed_tokens is one module under two names and stays on meta"
_TOWER_ATTENTION = "attn_implementation does not reach the vision tower"
_CHECKS = "checks of input_ids depend on their values, which breaks a compiled graph"
_CACHE = "generate replaces the caller's cache by one of its own"
_FEATURES = "get_image_features takes no options and returns a class of its own"
_NEGATIVE = "negative placeholder ids cannot index an embedding"
_FIXED = "Phi3VProcessor.__call__ takes a fixed list of keywords"
_FIXED_TEMPLATE = "apply_chat_template takes a fixed list of keywords"
_NO_RESCALE = "Phi3VImageProcessor has no do_rescale, do_normalize, do_convert_rgb"

# What should work and does not yet.
FAULTS: dict[str, str] = {
    _MODEL + "all_tensors_are_parameter_or_buffer": _META,
    _MODEL + "init_weights_can_init_buffers": _META,
    _MODEL + "model_weights_reload_no_missing_tied_weights": "embed_tokens counts as tied, so a checkpoint "
    "without it loads without an error",
    _MODEL + "can_set_attention_dynamically": _TOWER_ATTENTION,
    _MODEL + "sdpa_can_dispatch_non_composite_models": _TOWER_ATTENTION,
    _MODEL + "forward_compiles_without_graph_break": _CHECKS,
    _MODEL + "torch_export_text": _CHECKS,
    _MODEL + "torch_export_images": _CHECKS,
    _MODEL + "generate_from_inputs_embeds": "generate takes no inputs_embeds",
    _MODEL + "generate_from_inputs_embeds_beams": "generate takes no inputs_embeds",
    _MODEL + "generate_keeps_the_callers_cache": _CACHE,
    _MODEL + "generate_with_static_cache": _CACHE,
    _MODEL + "get_image_features_attentions": _FEATURES,
    _MODEL + "get_image_features_hidden_states": _FEATURES,
    _MODEL + "get_image_features_output_0": _FEATURES,
    _MODEL + "get_image_features_output_1": _FEATURES,
    _MODEL + "get_image_features_output_2": _FEATURES,
    _MODEL + "get_image_features_pooler_output": _FEATURES,
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
    _PROCESSOR + "overlapping_text_image_kwargs_handling_0_images": _FIXED,
    _PROCESSOR + "structured_kwargs_nested_from_dict_0_images": _FIXED,
    _PROCESSOR + "unstructured_kwargs_0_images": _FIXED,
    _PROCESSOR + "unstructured_kwargs_batched_0_images": _FIXED,
    _PROCESSOR + "save_load_pretrained_additional_features": _NO_RESCALE,
    _PROCESSOR + "subprocessor_defaults_preserved_by_kwargs_0_images": _NO_RESCALE,
    _IMAGES + "call_numpy_4_channels": _NO_RESCALE,
    _IMAGES + "image_processor_from_dict_with_kwargs_has_attributes": _NO_RESCALE,
}
