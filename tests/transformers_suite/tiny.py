"""Our classes made tiny, and inputs for them, as the mixins ask for them."""

from typing import Any

import torch
from transformers.testing_utils import torch_device

from phi3lib.vision.image_processing import Phi3VImageProcessor
from phi3lib.vision.modeling import Phi3VConfig, Phi3VForCausalLM, Phi3VModel, register_auto_classes
from phi3lib.vision.tokenizer import Phi3VTokenizer
from tests.tiny_tokenizer import make_tiny_tokenizer

register_auto_classes()

# Tiles of 28 pixels with patches of 14 have one token: an image of one crop has 1 + 1 visual tokens and
# 1 + 2 separators.
TILE, PATCH = 28, 14
IMAGE_TOKENS = 5
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": TILE,
    "patch_size": PATCH,
}


def tiny_options() -> dict[str, Any]:
    """Return the options of a configuration with the structure of the published one."""
    return {
        "vocab_size": 99,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "original_max_position_embeddings": 512,
        "sliding_window": None,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "image_token_id": 80,
        "attention_dropout": 0.0,
        "embd_pdrop": 0.0,
        "resid_pdrop": 0.0,
        "embd_layer": {
            "embedding_cls": "image",
            "hd_transform_order": "sub_glb",
            "projection_cls": "mlp",
            "use_hd_transform": True,
            "with_learnable_separator": True,
        },
        "img_processor": {
            "image_dim_out": TOWER["hidden_size"],
            "name": "clip_vision_model",
            "num_img_tokens": 1,
            "layer_idx": -2,
            "vision_config": TOWER,
        },
    }


class TinyPhi3V:
    """What transformers' mixins call a model tester: a small configuration, and inputs for it."""

    base_model_class = Phi3VModel
    causal_lm_class = Phi3VForCausalLM
    batch_size = 7  # the mixin fills smaller batches up with rows that have no image
    seq_length = 12
    num_hidden_layers = 2
    num_attention_heads = 4
    hidden_size = 32
    is_training = True

    def __init__(self, parent: Any) -> None:
        self.parent = parent

    def get_config(self) -> Phi3VConfig:
        """Return a new configuration."""
        return Phi3VConfig(**tiny_options())

    def prepare_config_and_inputs_for_common(self) -> tuple[Phi3VConfig, dict[str, Any]]:
        """Return a configuration and one batch: each row has one image, between words."""
        config = self.get_config()
        generator = torch.Generator().manual_seed(0)
        ids = torch.randint(3, 80, (self.batch_size, self.seq_length), generator=generator)
        ids[:, 1 : 1 + IMAGE_TOKENS] = config.image_token_id
        pixels = torch.randn(self.batch_size, 2, 3, TILE, TILE, generator=generator)
        inputs = {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "pixel_values": pixels,
            "image_sizes": torch.full((self.batch_size, 2), TILE),
        }
        return config, {name: value.to(torch_device) for name, value in inputs.items()}


def tiny_image_processor(**options: Any) -> Phi3VImageProcessor:
    """An image processor for the tiny model."""
    return Phi3VImageProcessor(
        **{"num_crops": 4, "tile_size": TILE, "patch_size": PATCH, "num_img_tokens": 1, **options}
    )


def tiny_tokenizer() -> Phi3VTokenizer:
    """The published kind of tokenizer, of our class."""
    tokenizer = make_tiny_tokenizer()
    return Phi3VTokenizer(tokenizer_object=tokenizer.backend_tokenizer, **tokenizer.init_kwargs)
