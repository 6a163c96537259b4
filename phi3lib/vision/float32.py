"""Float32 products of linear layers by oneDNN, in this thread alone: up to twice as fast on AMD processors.

PyTorch multiplies float32 matrices by Intel's MKL, which on processors of other makers uses narrower
instructions than they have. oneDNN uses what is there. PyTorch's own way to oneDNN is a switch for the whole
process, which also allows bfloat16; other threads would compute differently while it is set. Here linear
layers are handed to the operator of oneDNN in float32, by a mode that PyTorch keeps for each thread.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

LEAST_WIDTH = 512  # in narrower networks the products are too small to gain anything


@contextmanager
def fast_products(weight: torch.Tensor, width: int) -> Iterator[None]:
    """Within, linear layers of float32 networks of this width are computed by oneDNN where that is faster.

    Only calls of this thread are affected, and only linear layers with float32 tensors on the CPU: nothing
    changes for other dtypes and devices, nor while gradients are recorded.

    weight: one of the network's; width: its hidden size.
    """
    usable = weight.device.type == "cpu" and weight.dtype == torch.float32 and width >= LEAST_WIDTH
    if torch.is_grad_enabled() or not usable or not _is_faster():
        yield
        return
    with _OneDnnLinear():
        yield


class _OneDnnLinear(TorchFunctionMode):
    """Hand `linear` to oneDNN. Modes belong to the thread that entered them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.nn.functional.linear and _takes(args, kwargs or {}):
            features, weight, bias = (*args, None)[:3]
            return torch.ops.mkldnn._linear_pointwise(features, weight, bias, "none", [], "")
        return func(*args, **(kwargs or {}))


def _takes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether oneDNN's operator takes the arguments of a `linear`: plain float32 tensors on the CPU."""
    return not kwargs and all(
        argument is None
        or (type(argument) in (torch.Tensor, torch.nn.Parameter) and _is_plain(argument) and argument.numel())
        for argument in args
    )


def _is_plain(tensor: torch.Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and tensor.layout == torch.strided


@lru_cache(maxsize=1)
def _is_faster() -> bool:
    """Whether oneDNN can be had, and this is a processor on which MKL leaves half of it unused."""
    operator = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return operator is not None and wide and "AuthenticAMD" in _processor()


def _processor() -> str:
    """Return what the system says of its processors; the maker's name is in it on Linux and Windows."""
    try:
        return Path("/proc/cpuinfo").read_text()[:4096]
    except OSError:
        return platform.processor()
