"""Models that compute with fewer bits: faster on CPUs, and a little off. How much, `agreement` measures.

quick = in_precision(load_clip(), "int8")
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from phi3lib.vision.clip import Clip

PRECISIONS = ("fp32", "bf16", "int8")
MOST_HELD_TWICE = 1_000_000_000  # weights in int8; of a language model memory counts more than speed


def in_precision(model: Any, precision: str) -> Any:
    """Return a copy of a loaded model that computes at this precision; the original model is unchanged.

    "fp32" and "bf16" are the dtype of all weights. "int8": the linear layers hold whole numbers of eight
    bits, one scale for each row of weights, and their inputs are rounded as they come (dynamic
    quantisation); all else stays float32. On processors with VNNI, networks of at most a billion weights hold
    these numbers twice, the second time in the order of a faster product. ValueError for other names, and for
    "int8" on another device than the CPU, for which PyTorch itself has no such layers.
    """
    if isinstance(model, Clip):
        network = network_in_precision(model.model, precision)
        return replace(model, model=network, recipe={**model.recipe, "dtype": precision_of(network)})
    return network_in_precision(model, precision)


def network_in_precision(network: nn.Module, precision: str) -> nn.Module:
    """Return a copy of a network that computes at this precision; see `in_precision`."""
    if precision not in PRECISIONS:
        raise ValueError(f"no precision {precision!r}; there are: {', '.join(map(repr, PRECISIONS))}")
    device = next(network.parameters()).device
    if precision == "int8" and device.type != "cpu":
        raise ValueError(
            f"precision 'int8' computes on the CPU only, and the model is on {device}: use 'bf16' there, or "
            f"load the model with device='cpu'"
        )
    if precision == "bf16":
        return copy.deepcopy(network).to(torch.bfloat16)
    plain = copy.deepcopy(network).to(torch.float32)
    return _quantized(plain) if precision == "int8" else plain


def _quantized(network: nn.Module) -> nn.Module:
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    # A patch embedding is read by transformers for the dtype of its weight, which then would be a method.
    linear = [
        name
        for name, module in network.named_modules()
        if name and type(module) is nn.Linear and not name.endswith("patch_embedding")
    ]
    with warnings.catch_warnings(), _packed_for_this_processor(network):
        # PyTorch wants to move this to torchao, which is one more package, bound to torch's exact version.
        warnings.filterwarnings("ignore", message=r".*(quantiz|ao\.quantization).*")
        return quantize_dynamic(
            network.eval(), dict.fromkeys(linear, per_channel_dynamic_qconfig), inplace=True
        )


@contextmanager
def _packed_for_this_processor(network: nn.Module) -> Iterator[None]:
    """Within, weights are packed for oneDNN where its int8 products are faster than those of FBGEMM.

    They are on processors with VNNI, which multiply and add four pairs of bytes at once. oneDNN keeps the
    weights themselves beside the packed ones. The engine is a setting of the process, which decides how
    weights are packed and no longer how they are multiplied: what other threads compute does not change.
    Another engine than PyTorch's own choice, "x86", stays in force.
    """
    engines = torch.backends.quantized
    usable = engines.engine == "x86" and "onednn" in engines.supported_engines and _has_vnni()
    if not usable or sum(weight.numel() for weight in network.parameters()) > MOST_HELD_TWICE:
        yield
        return
    engines.engine = "onednn"
    try:
        yield
    finally:
        engines.engine = "x86"


def _has_vnni() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_vnni") or capabilities.get("avx_vnni"))


def precision_of(network: nn.Module) -> str:
    """ "int8" for a network of `in_precision(…, "int8")`, else the dtype of its first weight.

    Without weights: "float32".
    """
    if any("quantized" in type(module).__module__ for module in network.modules()):
        return "int8"
    dtype = next((weight.dtype for weight in network.parameters()), torch.float32)
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True)
class Agreement:
    """How close vectors of two precisions are: the mean and the least cosine, and of how many pictures.

    reference: the precision of the exact ones.
    """

    mean: float
    least: float
    count: int
    reference: str = "float32"

    def __str__(self) -> str:
        cosines = f"{self.mean:.5f} on average, {self.least:.5f} at least"
        return f"cosine to {self.reference} {cosines} ({self.count} pictures)"


def agreement(exact: torch.Tensor, quick: torch.Tensor, reference: str = "float32") -> Agreement:
    """Of vectors (N, d) of the same pictures. ValueError where the shapes differ."""
    if exact.shape != quick.shape:
        raise ValueError(
            f"vectors of {tuple(exact.shape)} and {tuple(quick.shape)} are not of the same pictures"
        )
    cosines = torch.cosine_similarity(exact.double(), quick.double())
    return Agreement(float(cosines.mean()), float(cosines.min()), len(cosines), reference)
