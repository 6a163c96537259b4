"""Notebook A2: what the published checkpoints weigh and where they fit, counted from their shapes.

Nothing is loaded or downloaded: the networks are built on PyTorch's meta device, which has shapes and no
memory. What this counts is exact for weights and for the cache of an answer. What the activations of a run
add is not counted; `Device.usable` leaves room for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from phi3lib.lab.figures import plots
from phi3lib.moved import old_attribute

# Bytes of a weight. int8 here is that of `phi3lib.vision.precision`: linear layers in one byte a weight, and
# everything else (word embeddings, norms, biases) in float32; what a small model packs for speed is left out.
BYTES = {"fp32": 4, "bf16": 2}
PRECISIONS = ("fp32", "bf16", "int8")
GB = 1e9
ADAM_BYTES = 16  # a trained weight: bf16 weight and gradient, float32 copy and both moments of Adam

PHI3_TOWER = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
PHI3_SETTINGS: dict[str, Any] = {  # the rest is the default of the class
    "embd_layer": {
        "embedding_cls": "image",
        "hd_transform_order": "sub_glb",
        "projection_cls": "mlp",
        "use_hd_transform": True,
        "with_learnable_separator": True,
    },
    "img_processor": {
        "name": "clip_vision_model",
        "model_name": "openai/clip-vit-large-patch14-336",
        "image_dim_out": 1024,
        "num_img_tokens": 144,
    },
}
CLIP_L_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
PUBLISHED_BYTES = 8_293_242_880  # `total_size` in the index of microsoft/Phi-3.5-vision-instruct
PUBLISHED_TENSORS = 592
CACHE_SHAPE = (32, 32, 96)  # layers, heads and the size of a head in Phi-3-vision's language model


@dataclass(frozen=True)
class Counted:
    """A published checkpoint, or the part of one that is loaded.

    linear: weights of linear layers; other: all other weights. stored: the precision of the files. license:
    its name, and where its authors state it. tensors: their number in the files.
    """

    name: str
    part: str
    license: str
    stored: str
    linear: int
    other: int
    tensors: int

    licence = old_attribute("licence", "license")  # changed in 0.2.0

    @property
    def parameters(self) -> int:
        """All weights."""
        return self.linear + self.other

    @property
    def file_bytes(self) -> int:
        """What is downloaded and stored on the disk, without the small files."""
        return self.parameters * BYTES[self.stored]

    def weight_bytes(self, precision: str) -> int:
        """Return the memory of the weights at "fp32", "bf16" or "int8"; ValueError for another name."""
        if precision not in PRECISIONS:
            raise ValueError(f"no precision {precision!r}; there are: {', '.join(map(repr, PRECISIONS))}")
        if precision == "int8":
            return self.linear + self.other * BYTES["fp32"]
        return self.parameters * BYTES[precision]


@cache
def published() -> tuple[Counted, ...]:
    """Return CLIP ViT-B/32 and ViT-L/14-336, Phi-3.5-vision's vision part, and all of it, smallest first."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    from phi3lib.vision.modeling import Phi3VConfig, Phi3VForCausalLM

    large = CLIPConfig(text_config=CLIP_L_TEXT, vision_config=PHI3_TOWER, projection_dim=768)
    with torch.device("meta"):
        base_clip, large_clip = CLIPModel(CLIPConfig()), CLIPModel(large)  # the default is ViT-B/32
        phi3 = Phi3VForCausalLM(Phi3VConfig(**PHI3_SETTINGS))
    name = "microsoft/Phi-3.5-vision-instruct"
    openai, microsoft = "MIT, github.com/openai/CLIP/blob/main/LICENSE", f"MIT, huggingface.co/{name}"
    vision = phi3.model.vision_embed_tokens
    found = (
        _counted("openai/clip-vit-base-patch32", "all of it", openai, "fp32", base_clip),
        _counted("openai/clip-vit-large-patch14-336", "all of it", openai, "fp32", large_clip),
        _counted(name, "vision part", microsoft, "bf16", vision),
        _counted(name, "all of it", microsoft, "bf16", phi3),
    )
    return tuple(sorted(found, key=lambda one: one.file_bytes))


def _counted(name: str, part: str, license: str, stored: str, network: Any) -> Counted:
    from torch import nn

    linear = sum(m.weight.numel() for m in network.modules() if isinstance(m, nn.Linear))
    weights = list(network.parameters())
    other = sum(weight.numel() for weight in weights) - linear
    return Counted(name, part, license, stored, linear, other, len(weights))


def whole_phi3() -> Counted:
    """Return the costs of all of Phi-3.5-vision."""
    return next(one for one in published() if one.name.startswith("microsoft") and one.part == "all of it")


def vision_part() -> Counted:
    """Return the vision part of Phi-3.5-vision."""
    return next(one for one in published() if one.part == "vision part")


def cache_bytes(tokens: int) -> int:
    """Return the memory of the keys and values of so many tokens in Phi-3-vision, in bfloat16."""
    layers, heads, head_size = CACHE_SHAPE
    return 2 * layers * heads * head_size * BYTES["bf16"] * tokens


def show_sizes() -> None:
    """Print a table of `published()`: weights, what is downloaded, memory at each precision, licence."""
    print(f"{'checkpoint':36}{'part':13}{'weights':>9}{'files':>9}{'fp32':>9}{'bf16':>9}{'int8':>9}")
    for one in published():
        memory = "".join(f"{one.weight_bytes(p) / GB:6.2f} GB" for p in PRECISIONS)
        millions = f"{one.parameters / 1e6:,.0f} M"
        print(f"{one.name:36}{one.part:13}{millions:>9}{one.file_bytes / GB:6.2f} GB{memory}")
    for name in dict.fromkeys(one.name for one in published()):
        license = next(one.license for one in published() if one.name == name)
        print(f"licence of {name}: {license}")


# ------------------------------------------------------------------------------- where they fit


@dataclass(frozen=True)
class Device:
    """A machine: its memory in bytes, and the share that a model may take.

    The rest is for the system and other programs, and for the activations of a run.
    """

    name: str
    memory: float
    share: float

    @property
    def usable(self) -> float:
        """Bytes that weights, cache and training state may take together."""
        return self.memory * self.share


DEVICES = (
    Device("8 GB GPU", 8 * GB, 0.8),
    Device("16 GB laptop", 16 * GB, 0.6),
    Device("80 GB GPU", 80 * GB, 0.9),
)


@dataclass(frozen=True)
class Use:
    """Something to do with a checkpoint. weights, cache, training: bytes, computed and not measured."""

    name: str
    weights: int
    cache: int = 0
    training: int = 0

    @property
    def total(self) -> int:
        """Bytes in all."""
        return self.weights + self.cache + self.training

    def fits(self, device: Device) -> bool:
        """Return whether it fits in what is usable of a device."""
        return self.total <= device.usable


MOST_VISUAL_TOKENS, WORDS = 2653, 512  # of a picture at 16 crops at most; of a question and its answer


def lora_weights(rank: int) -> int:
    """Return how many weights LoRA adds to `qkv_proj` and `o_proj` of all 32 layers."""
    width, layers = 3072, 32
    return layers * (rank * (width + 3 * width) + rank * (width + width))


def uses() -> tuple[Use, ...]:
    """Return typical uses, from small to large."""
    models = published()
    clip, large = (next(o for o in models if o.name == f"openai/{n}") for n in _CLIP_NAMES)
    part, whole = vision_part(), whole_phi3()
    answer = cache_bytes(MOST_VISUAL_TOKENS + WORDS)
    bf16 = whole.weight_bytes("bf16")
    return (
        Use("CLIP ViT-B/32, vectors, fp32", clip.weight_bytes("fp32")),
        Use("Phi-3 vision part, vectors, bf16", part.weight_bytes("bf16")),
        Use("Phi-3 vision part, vectors, fp32", part.weight_bytes("fp32")),
        Use("CLIP ViT-L/14-336, vectors, fp32", large.weight_bytes("fp32")),
        Use("Phi-3 whole, answers, int8", whole.weight_bytes("int8"), answer),
        Use("Phi-3 whole, answers, bf16", bf16, answer),
        Use("Phi-3 whole, LoRA, bf16", bf16, 0, lora_weights(16) * ADAM_BYTES),
        Use("Phi-3 whole, 131,072 tokens, bf16", bf16, cache_bytes(131_072)),
        Use("Phi-3 whole, all weights trained", bf16, 0, whole.parameters * (ADAM_BYTES - BYTES["bf16"])),
    )


def most_tokens(device: Device, precision: str) -> int:
    """Return how many tokens fit the cache beside all weights of Phi-3-vision on a device; at least 0."""
    return max(0, int(device.usable - whole_phi3().weight_bytes(precision)) // cache_bytes(1))


_CLIP_NAMES = ("clip-vit-base-patch32", "clip-vit-large-patch14-336")
_PARTS = (
    ("weights", plots.BLUE, ""),
    ("cache", plots.ORANGE, "..."),
    ("training state", plots.GREEN, "///"),
)


def show_where_it_fits(chosen: Sequence[Use], *, alt: str) -> None:
    """Show a bar for each use and a line for each device, in GB; `alt` as in `plots.show`."""
    plots.display_still(still_of_uses(chosen, alt=alt))


def still_of_uses(chosen: Sequence[Use], *, alt: str) -> plots.Still:
    """Return the picture of `show_where_it_fits`; beside each bar stands where it fits."""
    fig, axes = plots.figure(height=1.3 + 0.32 * len(chosen))
    for device, side in zip(DEVICES, ("right", "left", "center"), strict=True):
        axes.axvline(device.usable / GB, color=plots.BLACK, linestyle="--", linewidth=0.8, zorder=0)
        axes.text(device.usable / GB, -0.75, device.name, ha=side, va="bottom")
    for row, use in enumerate(chosen):
        start = 0.0
        for (label, color, hatch), size in zip(_PARTS, (use.weights, use.cache, use.training), strict=True):
            named = label if row == 0 else None
            axes.barh(row, size / GB, left=start, color=color, hatch=hatch, edgecolor="white", label=named)
            start += size / GB
        white = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.text(start + 0.8, row, f"{start:.1f} GB · {_where(use)}", va="center", bbox=white)
    axes.set_yticks(range(len(chosen)), labels=[use.name for use in chosen])
    axes.set_ylim(len(chosen) - 0.5, -0.7)
    axes.set_xlim(0, max(112.0, 1.6 * max(use.total for use in chosen) / GB))
    axes.set_xlabel("memory in GB, computed; dashed: what is usable on each machine")
    axes.set_ylabel(" ")
    axes.legend(loc="center right")
    return plots.still(fig, alt=alt)


def _where(use: Use) -> str:
    names = [device.name for device in DEVICES if use.fits(device)]
    if len(names) == len(DEVICES):
        return "fits all"
    return f"fits: {', '.join(names)}" if names else "fits none"
