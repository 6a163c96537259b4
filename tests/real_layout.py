"""Checkpoints with the published layout: every file, name and setting as published, the widths small.

The weights are random numbers: for tests of reading and loading, never for results.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

VISION = "model.vision_embed_tokens."
_TOWER = VISION + "img_processor.vision_model."

# config.json of microsoft/Phi-3.5-vision-instruct. Phi-3-vision-128k-instruct differs in its RoPE factors,
# sliding_window 131072, and has no pad_token_id, embd_pdrop, resid_pdrop.
PHI35_CONFIG: dict[str, Any] = {
    "_name_or_path": "Phi-3.5-vision-instruct",
    "architectures": ["Phi3VForCausalLM"],
    "attention_dropout": 0.0,
    "auto_map": {
        "AutoConfig": "configuration_phi3_v.Phi3VConfig",
        "AutoModelForCausalLM": "modeling_phi3_v.Phi3VForCausalLM",
    },
    "bos_token_id": 1,
    "embd_layer": {
        "embedding_cls": "image",
        "hd_transform_order": "sub_glb",
        "projection_cls": "mlp",
        "use_hd_transform": True,
        "with_learnable_separator": True,
    },
    "embd_pdrop": 0.0,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 3072,
    "img_processor": {
        "image_dim_out": 1024,
        "model_name": "openai/clip-vit-large-patch14-336",
        "name": "clip_vision_model",
        "num_img_tokens": 144,
    },
    "initializer_range": 0.02,
    "intermediate_size": 8192,
    "max_position_embeddings": 131072,
    "model_type": "phi3_v",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "original_max_position_embeddings": 4096,
    "pad_token_id": 32000,
    "resid_pdrop": 0.0,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {"long_factor": [1.08] * 48, "short_factor": [1.05] * 48, "type": "su"},
    "rope_theta": 10000.0,
    "sliding_window": 262144,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.38.1",
    "use_cache": True,
    "vocab_size": 32064,
    "_attn_implementation": "flash_attention_2",
}
PHI35_PREPROCESSOR: dict[str, Any] = {
    "auto_map": {
        "AutoImageProcessor": "processing_phi3_v.Phi3VImageProcessor",
        "AutoProcessor": "processing_phi3_v.Phi3VProcessor",
    },
    "do_convert_rgb": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_processor_type": "Phi3VImageProcessor",
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "num_crops": 4,
    "num_img_tokens": 144,
    "processor_class": "Phi3VProcessor",
}
VIT_L_14_336 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}


def small_phi3_config(**changes: Any) -> dict[str, Any]:
    """The published config.json with small widths; the tower's go into img_processor.vision_config."""
    config = copy.deepcopy(PHI35_CONFIG)
    config.update(hidden_size=32, intermediate_size=64, num_hidden_layers=2, vocab_size=1024, pad_token_id=0)
    config.update(num_attention_heads=4, num_key_value_heads=4)
    config["rope_scaling"].update(long_factor=[1.08] * 4, short_factor=[1.05] * 4)
    config["img_processor"].update(
        image_dim_out=16,
        vision_config={**VIT_L_14_336, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3}
        | {"num_attention_heads": 2},
    )
    return {**config, **changes}


def phi3_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors that a published checkpoint with this config.json holds."""
    width, mlp, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    head = width // config["num_attention_heads"]
    qkv = (config["num_attention_heads"] + 2 * config["num_key_value_heads"]) * head
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocab, width),
        "model.norm.weight": (width,),
        "lm_head.weight": (vocab, width),
    }
    for number in range(config["num_hidden_layers"]):
        layer = f"model.layers.{number}."
        shapes[layer + "input_layernorm.weight"] = shapes[layer + "post_attention_layernorm.weight"] = (
            width,
        )
        shapes[layer + "self_attn.qkv_proj.weight"] = (qkv, width)
        shapes[layer + "self_attn.o_proj.weight"] = (width, width)
        shapes[layer + "mlp.gate_up_proj.weight"] = (2 * mlp, width)
        shapes[layer + "mlp.down_proj.weight"] = (width, mlp)
    return {**shapes, **_vision_shapes(config)}


def _vision_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    tower = {**VIT_L_14_336, **config["img_processor"].get("vision_config", {})}
    width, hidden, mlp = tower["hidden_size"], config["hidden_size"], tower["intermediate_size"]
    patches = (tower["image_size"] // tower["patch_size"]) ** 2
    shapes: dict[str, tuple[int, ...]] = {
        VISION + "glb_GN": (1, 1, 4 * width),
        VISION + "sub_GN": (1, 1, 1, 4 * width),
        VISION + "img_projection.0.weight": (hidden, 4 * width),
        VISION + "img_projection.0.bias": (hidden,),
        VISION + "img_projection.2.weight": (hidden, hidden),
        VISION + "img_projection.2.bias": (hidden,),
        _TOWER + "embeddings.class_embedding": (width,),
        _TOWER + "embeddings.patch_embedding.weight": (width, 3, tower["patch_size"], tower["patch_size"]),
        _TOWER + "embeddings.position_embedding.weight": (patches + 1, width),
    }
    norms = ["pre_layrnorm", "post_layernorm"]
    for number in range(tower["num_hidden_layers"]):
        layer = f"encoder.layers.{number}."
        norms += [layer + "layer_norm1", layer + "layer_norm2"]
        shapes |= _linear(_TOWER + layer + "mlp.fc1", width, mlp)
        shapes |= _linear(_TOWER + layer + "mlp.fc2", mlp, width)
        for projection in "qkv":
            shapes |= _linear(_TOWER + layer + f"self_attn.{projection}_proj", width, width)
        shapes |= _linear(_TOWER + layer + "self_attn.out_proj", width, width)
    for norm in norms:
        shapes[_TOWER + norm + ".weight"] = shapes[_TOWER + norm + ".bias"] = (width,)
    return shapes


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {name + ".weight": (outputs, inputs), name + ".bias": (outputs,)}


def random_tensors(
    shapes: Mapping[str, tuple[int, ...]], *, seed: int = 0, dtype: torch.dtype = torch.bfloat16
) -> dict[str, torch.Tensor]:
    """Small normal numbers, the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (torch.randn(shape, generator=generator) * 0.1).to(dtype)
        for name, shape in sorted(shapes.items())
    }


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def write_shards(folder: Path, tensors: Mapping[str, torch.Tensor], shards: list[list[str]]) -> None:
    """Shards and their index, named as transformers names them; `shards` lists the names in each."""
    weight_map: dict[str, str] = {}
    for number, names in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file({name: tensors[name] for name in names}, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(names, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))},
    )


def make_phi3_checkpoint(
    folder: Path,
    *,
    config: dict[str, Any] | None = None,
    seed: int = 0,
    spread: bool = False,
    single_file: bool = False,
    tokenizer: bool = False,
) -> dict[str, torch.Tensor]:
    """A small Phi-3-vision checkpoint; returns its tensors, by published name.

    spread: every other tensor in the other shard, so that the vision part lies in many pieces; else, as
    published, the first shard holds the vision part and half of the layers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = config or small_phi3_config()
    tensors = random_tensors(phi3_shapes(config), seed=seed)
    names = sorted(tensors)
    if single_file:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    elif spread:
        write_shards(folder, tensors, [names[::2], names[1::2]])
    else:
        late = [n for n in names if n.startswith(("model.layers.1.", "model.norm", "lm_head"))]
        write_shards(folder, tensors, [[n for n in names if n not in late], late])
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", PHI35_PREPROCESSOR)
    if tokenizer:
        from tests.tiny_tokenizer import make_tiny_tokenizer

        make_tiny_tokenizer().save_pretrained(folder)
    return tensors


# ------------------------------------------------------------------------------------------- CLIP

# preprocessor_config.json of openai/clip-vit-base-patch32, in the spelling of 2021.
CLIP_PREPROCESSOR: dict[str, Any] = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": 224,
}
_SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def make_clip_checkpoint(
    folder: Path, *, seed: int = 0, position_ids: bool = True, pickled: bool = False
) -> dict[str, torch.Tensor]:
    """A small CLIP checkpoint with the layout of openai/clip-vit-base-patch32; returns its tensors.

    position_ids: with the buffers that files of that time hold. pickled: weights as pytorch_model.bin alone,
    as that model's main revision has them (the file is no real pickle: nobody may read it).
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = _clip_vocabulary()
    ids = {"bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1}
    text = {**_SMALL, **ids, "vocab_size": len(vocabulary), "max_position_embeddings": 77}
    vision = {**_SMALL, "image_size": 224, "patch_size": 32}
    config = {
        "architectures": ["CLIPModel"],
        "initializer_factor": 1.0,
        "logit_scale_init_value": 2.6592,
        "model_type": "clip",
        "projection_dim": 8,
        "text_config": {**text, "model_type": "clip_text_model", "projection_dim": 8},
        "text_config_dict": None,
        "vision_config": {**vision, "model_type": "clip_vision_model", "projection_dim": 8},
        "vision_config_dict": None,
        "torch_dtype": "float32",
        "transformers_version": "4.16.0.dev0",
    }
    tensors = random_tensors(_clip_shapes(text, vision), seed=seed, dtype=torch.float32)
    tensors["logit_scale"] = torch.tensor(4.6052)
    if position_ids:
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        tensors["vision_model.embeddings.position_ids"] = torch.arange(50)[None]
    if pickled:
        (folder / "pytorch_model.bin").write_bytes(b"this must never be unpickled")
    else:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", CLIP_PREPROCESSOR)
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    write_json(folder / "special_tokens_map.json", {**special, "pad_token": "<|endoftext|>"})
    write_json(
        folder / "tokenizer_config.json",
        {**special, "pad_token": "<|endoftext|>", "do_lower_case": True, "model_max_length": 77}
        | {"tokenizer_class": "CLIPTokenizer", "add_prefix_space": False, "errors": "replace"},
    )
    return tensors


def _clip_shapes(text: Mapping[str, Any], vision: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    width = 16
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "text_projection.weight": (8, width),
        "visual_projection.weight": (8, width),
        "text_model.embeddings.position_embedding.weight": (77, width),
        "text_model.embeddings.token_embedding.weight": (text["vocab_size"], width),
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, 32, 32),
        "vision_model.embeddings.position_embedding.weight": (50, width),
    }
    norms = ["text_model.final_layer_norm", "vision_model.pre_layrnorm", "vision_model.post_layernorm"]
    for side, numbers in (("text_model", text), ("vision_model", vision)):
        for number in range(numbers["num_hidden_layers"]):
            layer = f"{side}.encoder.layers.{number}."
            norms += [layer + "layer_norm1", layer + "layer_norm2"]
            shapes |= _linear(layer + "mlp.fc1", width, 32) | _linear(layer + "mlp.fc2", 32, width)
            for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
                shapes |= _linear(layer + f"self_attn.{projection}", width, width)
    for norm in norms:
        shapes[norm + ".weight"] = shapes[norm + ".bias"] = (width,)
    return shapes


def _clip_vocabulary() -> tuple[dict[str, int], list[str]]:
    """CLIP's byte alphabet, with and without end of word, a few merges and the two special tokens."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in visible]
    letters = [chr(byte) for byte in visible] + [chr(256 + n) for n in range(len(hidden))]
    merges = ["c a", "ca t</w>", "d o", "do g</w>"]
    made = [merge.replace(" ", "") for merge in merges]
    pieces = [*letters, *(letter + "</w>" for letter in letters), *made, "<|startoftext|>", "<|endoftext|>"]
    return {piece: number for number, piece in enumerate(pieces)}, merges
