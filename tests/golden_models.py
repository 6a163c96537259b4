"""Our classes with the golden weights, and the inputs of the golden cases for them."""

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from transformers.initialization import no_init_weights

from phi3lib import Phi3ImageEmbedding, Phi3VConfig, Phi3VForCausalLM
from tests.golden_inputs import GOLDEN, golden_json, synth_pixels

# Names that the golden cases use for fields of the configuration.
_OVERRIDES = {
    "orig": "original_max_position_embeddings",
    "maxpos": "max_position_embeddings",
    "kv": "num_key_value_heads",
    "sw": "sliding_window",
}
WTE = "model.vision_embed_tokens.wte.weight"


def small_tower() -> dict[str, Any]:
    """The golden cases' vision tower: three layers, 64 wide, real tile and patch size."""
    return golden_json("embedding.json")["clip"]


def small_config(**img_processor: Any) -> SimpleNamespace:
    """A configuration for `Phi3ImageEmbedding` with the golden sizes."""
    tower = {
        "name": "clip_vision_model",
        "model_name": "openai/clip-vit-large-patch14-336",
        "image_dim_out": 64,
        "num_img_tokens": 144,
        "vision_config": small_tower(),
    }
    return SimpleNamespace(
        hidden_size=96, vocab_size=512, embd_pdrop=0.0, img_processor={**tower, **img_processor}
    )


def golden_weights(name: str) -> dict[str, torch.Tensor]:
    """Weights are stored as float16 without loss; the golden outputs were computed in float32."""
    return {key: value.float() for key, value in load_file(GOLDEN / name).items()}


def golden_embedding(order: str = "sub_glb") -> Phi3ImageEmbedding:
    """The HD embedding with golden weights."""
    embedding = Phi3ImageEmbedding(
        small_config(),
        wte=nn.Embedding(512, 96),
        use_hd_transform=True,
        with_learnable_separator=True,
        hd_transform_order=order,
        projection_cls="mlp",
    )
    embedding.load_state_dict(golden_weights("embedding_state.safetensors"))
    return embedding.eval()


def golden_plain_embedding(projection_cls: str) -> Phi3ImageEmbedding:
    """The embedding without HD transform, with golden weights."""
    embedding = Phi3ImageEmbedding(
        small_config(num_img_tokens=576), wte=nn.Embedding(512, 96), projection_cls=projection_cls
    )
    embedding.load_state_dict(golden_weights(f"embedding_nonhd_{projection_cls}_state.safetensors"))
    return embedding.eval()


def golden_config(overrides: dict[str, Any] | None = None) -> Phi3VConfig:
    """The golden language model's configuration, with a case's `cfg_overrides`."""
    overrides = overrides or {}
    fields = copy.deepcopy(golden_json("lm.json")["config"])
    fields.update({name: overrides[short] for short, name in _OVERRIDES.items() if short in overrides})
    fields["rope_scaling"]["type"] = overrides.get("rs", fields["rope_scaling"]["type"])
    fields["img_processor"]["vision_config"] = small_tower()
    return Phi3VConfig(**fields)


def golden_lm(overrides: dict[str, Any] | None = None) -> Phi3VForCausalLM:
    """The whole model with golden weights."""
    with no_init_weights():  # all of them are read from a file
        model = Phi3VForCausalLM(golden_config(overrides))
    name = "lm_gqa_state.safetensors" if (overrides or {}).get("kv") == 2 else "lm_state.safetensors"
    result = model.load_state_dict(golden_weights(name), strict=False)
    if result.missing_keys or result.unexpected_keys:
        raise ValueError(f"golden weights do not fit: {result}")
    return model.eval()


def pictures(sizes: list[list[int]], tiles: int, seed: int) -> dict[str, torch.Tensor]:
    """pixel_values and image_sizes of a golden case: tiles past the real ones are zero."""
    pixels = np.stack([synth_pixels(tiles, seed=seed + i) for i in range(len(sizes))])
    for i, (height, width) in enumerate(sizes):
        pixels[i, 1 + (height // 336) * (width // 336) :] = 0
    return {"pixel_values": torch.from_numpy(pixels), "image_sizes": torch.tensor(sizes)}


def lm_inputs(case: dict[str, Any], arrays: Any) -> dict[str, torch.Tensor]:
    """All model inputs of a golden language-model case."""
    name = case["case"]
    inputs = {"input_ids": torch.from_numpy(arrays[f"{name}/input_ids"]).long()}
    for key in ("attention_mask", "position_ids"):
        if f"{name}/{key}" in arrays:
            inputs[key] = torch.from_numpy(arrays[f"{name}/{key}"]).long()
    if case["image_sizes_hw"]:
        inputs |= pictures(case["image_sizes_hw"], case["pixel_values"]["shape"][1], seed=50)
    return inputs


def preferring(model: Any, scores: dict[int, float]) -> None:
    """Make a model whose logits are `scores` of these ids, and 0 of all others, whatever it reads."""
    model.lm_head = nn.Linear(model.config.hidden_size, model.config.vocab_size)
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.bias.zero_()
        model.lm_head.bias[list(scores)] = torch.tensor(list(scores.values()))


def with_labels(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return inputs with labels: the ids, and -100 in place of placeholders."""
    return {**inputs, "labels": inputs["input_ids"].masked_fill(inputs["input_ids"] < 0, -100)}


def train(model: nn.Module, inputs: dict[str, torch.Tensor], *, rate: float, steps: int = 6) -> list[float]:
    """Train what is not frozen on one batch; return the loss of each step."""
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    losses = []
    for _ in range(steps):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses
