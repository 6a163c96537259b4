"""Checkpoints of SigLIP, SigLIP 2 and DINOv2 with the published layout: files, names, settings; widths small.

The weights are random numbers: for tests of reading and loading, never for results.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tests.real_layout import random_tensors, write_json

_WIDTH, _MLP, _LAYERS = 16, 32, 2
_SMALL = {
    "hidden_size": _WIDTH,
    "intermediate_size": _MLP,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": 2,
}
_WORDS = "a photo of cat dog two red this is picture drawing".split()
# preprocessor_config.json of google/siglip-base-patch16-224.
SIGLIP_PREPROCESSOR: dict[str, Any] = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SiglipImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "SiglipProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 224},
}
# preprocessor_config.json of google/siglip2-base-patch16-naflex.
NAFLEX_PREPROCESSOR: dict[str, Any] = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "Siglip2ImageProcessor",
    "image_std": [0.5, 0.5, 0.5],
    "max_num_patches": 64,
    "patch_size": 16,
    "processor_class": "Siglip2Processor",
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
}
# preprocessor_config.json of facebook/dinov2-small.
DINO_PREPROCESSOR: dict[str, Any] = {
    "crop_size": {"height": 224, "width": 224},
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_processor_type": "BitImageProcessor",
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 256},
}


# ------------------------------------------------------------------------------------------- SigLIP


def make_siglip_checkpoint(folder: Path, *, version: int = 1, naflex: bool = False) -> None:
    """A small SigLIP, or (version=2) a SigLIP 2: the same network with Gemma's tokenizer, or its NaFlex."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = "siglip2" if naflex else "siglip"
    tokenizer = _gemma_tokenizer() if version == 2 else _siglip_tokenizer()
    text: dict[str, Any] = {**_SMALL, "vocab_size": tokenizer.get_vocab_size(), "max_position_embeddings": 64}
    text |= {"projection_size": _WIDTH, "model_type": f"{kind}_text_model"}
    vision: dict[str, Any] = {**_SMALL, "patch_size": 16, "model_type": f"{kind}_vision_model"}
    vision |= {"num_patches": 64} if naflex else {"image_size": 224}
    config: dict[str, Any] = {
        "architectures": ["Siglip2Model" if naflex else "SiglipModel"],
        "model_type": kind,
    }
    config |= {"initializer_factor": 1.0, "text_config": text, "vision_config": vision}
    config |= {"torch_dtype": "float32", "transformers_version": "4.37.0.dev0"}
    tensors = random_tensors(_siglip_shapes(text, naflex=naflex), dtype=torch.float32)
    tensors["logit_scale"], tensors["logit_bias"] = torch.tensor([4.7]), torch.tensor([-12.9])
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", NAFLEX_PREPROCESSOR if naflex else SIGLIP_PREPROCESSOR)
    _save_tokenizer(folder, tokenizer, version)


def _siglip_shapes(text: Mapping[str, Any], *, naflex: bool) -> dict[str, tuple[int, ...]]:
    width, patch = _WIDTH, (_WIDTH, 3 * 16 * 16) if naflex else (_WIDTH, 3, 16, 16)
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (1,),
        "logit_bias": (1,),
        "text_model.embeddings.token_embedding.weight": (text["vocab_size"], width),
        "text_model.embeddings.position_embedding.weight": (64, width),
        "vision_model.embeddings.patch_embedding.weight": patch,
        "vision_model.embeddings.patch_embedding.bias": (width,),
        "vision_model.embeddings.position_embedding.weight": (64 if naflex else 196, width),
        "vision_model.head.probe": (1, 1, width),
        "vision_model.head.attention.in_proj_weight": (3 * width, width),
        "vision_model.head.attention.in_proj_bias": (3 * width,),
        **_linear("text_model.head", width, width),
        **_linear("vision_model.head.attention.out_proj", width, width),
        **_linear("vision_model.head.mlp.fc1", width, _MLP),
        **_linear("vision_model.head.mlp.fc2", _MLP, width),
    }
    norms = ["text_model.final_layer_norm", "vision_model.post_layernorm", "vision_model.head.layernorm"]
    for side in ("text_model", "vision_model"):
        for number in range(_LAYERS):
            layer = f"{side}.encoder.layers.{number}."
            norms += [layer + "layer_norm1", layer + "layer_norm2"]
            shapes |= _linear(layer + "mlp.fc1", width, _MLP) | _linear(layer + "mlp.fc2", _MLP, width)
            for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
                shapes |= _linear(layer + f"self_attn.{projection}", width, width)
    return shapes | _norms(norms)


def _siglip_tokenizer() -> Tokenizer:
    """A unigram model behind lower case without punctuation, as in SigLIP's tokenizer.json."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789▁"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"▁{word}", -1.0 - 0.01 * n) for n, word in enumerate(_WORDS)]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((letter, -9.0) for letter in letters)], unk_id=2))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"""), ""),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def _gemma_tokenizer() -> Tokenizer:
    """A byte-pair model that keeps upper case, as in SigLIP 2's tokenizer.json."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?▁"
    names = ["<pad>", "<eos>", "<bos>", "<unk>", *letters, "ca", "cat", "do", "dog"]
    merges = [("c", "a"), ("ca", "t"), ("d", "o"), ("do", "g")]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Replace("▁", " ")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return tokenizer


def _save_tokenizer(folder: Path, tokenizer: Tokenizer, version: int) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    eos, pad = ("<eos>", "<pad>") if version == 2 else ("</s>", "</s>")
    special = {"eos_token": eos, "pad_token": pad, "unk_token": "<unk>"}
    special |= {"bos_token": "<bos>"} if version == 2 else {}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        {**special, "model_max_length": 64, "model_input_names": ["input_ids"]}
        | {"tokenizer_class": "GemmaTokenizer" if version == 2 else "SiglipTokenizer"},
    )


# ------------------------------------------------------------------------------------------- DINOv2


def make_dino_checkpoint(folder: Path, *, registers: int = 0) -> None:
    """A small DINOv2 with the layout of facebook/dinov2-small, or of its variant with registers."""
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {
        "architectures": ["Dinov2WithRegistersModel" if registers else "Dinov2Model"],
        "hidden_act": "gelu",
        "hidden_size": _WIDTH,
        "image_size": 518,
        "layer_norm_eps": 1e-06,
        "layerscale_value": 1.0,
        "mlp_ratio": 4,
        "model_type": "dinov2_with_registers" if registers else "dinov2",
        "num_attention_heads": 2,
        "num_channels": 3,
        "num_hidden_layers": _LAYERS,
        "patch_size": 14,
        "qkv_bias": True,
        "torch_dtype": "float32",
        "transformers_version": "4.32.0.dev0",
        "use_swiglu_ffn": False,
    }
    if registers:
        config["num_register_tokens"] = registers
    tensors = random_tensors(_dino_shapes(registers), dtype=torch.float32)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", DINO_PREPROCESSOR)


def _dino_shapes(registers: int) -> dict[str, tuple[int, ...]]:
    width = _WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, width),
        "embeddings.mask_token": (1, width),
        "embeddings.position_embeddings": (1, 1 + (518 // 14) ** 2, width),
        "embeddings.patch_embeddings.projection.weight": (width, 3, 14, 14),
        "embeddings.patch_embeddings.projection.bias": (width,),
    }
    if registers:
        shapes["embeddings.register_tokens"] = (1, registers, width)
    norms = ["layernorm"]
    for number in range(_LAYERS):
        layer = f"encoder.layer.{number}."
        norms += [layer + "norm1", layer + "norm2"]
        for name in ("query", "key", "value"):
            shapes |= _linear(layer + f"attention.attention.{name}", width, width)
        shapes |= _linear(layer + "attention.output.dense", width, width)
        shapes |= _linear(layer + "mlp.fc1", width, 4 * width) | _linear(layer + "mlp.fc2", 4 * width, width)
        shapes[layer + "layer_scale1.lambda1"] = shapes[layer + "layer_scale2.lambda1"] = (width,)
    return shapes | _norms(norms)


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {name + ".weight": (outputs, inputs), name + ".bias": (outputs,)}


def _norms(names: list[str]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (_WIDTH,) for name in names for part in ("weight", "bias")}
