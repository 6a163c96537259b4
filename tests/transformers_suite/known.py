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

# What should work and does not yet.
FAULTS: dict[str, str] = {}
