"""Float32 matrix products on CPUs by oneDNN, where they are true float32: up to twice as fast there."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch

LEAST_WIDTH = 512  # in narrower networks the products are too small to gain anything
_SIDE = 512  # of the product by which a processor is tried
_ROUNDING = 1e-5  # float32 sums of 512 products differ by less; bfloat16 ones by a thousandth


@contextmanager
def fast_products(weight: torch.Tensor, width: int) -> Iterator[None]:
    """Inside, products of float32 networks of this width take oneDNN's way on a CPU, if it is as exact.

    PyTorch reaches oneDNN's float32 products by one switch only, which allows bfloat16 inside of them.
    Processors without matrix units for bfloat16 compute them in float32 all the same, faster than the usual
    way; those with such units round. So one product is tried first, and the switch is left alone where its
    result is off by more than rounding. It is put back at the end. Nothing happens for other dtypes and
    devices, and where gradients are recorded.

    weight: one of the network's; width: its hidden size.
    """
    usable = weight.device.type == "cpu" and weight.dtype == torch.float32 and width >= LEAST_WIDTH
    if torch.is_grad_enabled() or not usable or not _is_exact():
        yield
        return
    with _switched():
        yield


@contextmanager
def _switched() -> Iterator[None]:
    backend: Any = torch.backends.mkldnn  # its settings are made at run time: no type says what it has
    products = backend.matmul
    before = products.fp32_precision
    products.fp32_precision = "bf16"
    try:
        yield
    finally:
        products.fp32_precision = before


@lru_cache(maxsize=1)
def _is_exact() -> bool:
    """Whether a product with the switch set is right to float32's rounding on this processor."""
    if not torch.backends.mkldnn.is_available():
        return False
    numbers = torch.Generator().manual_seed(0)
    first, second = (torch.randn(_SIDE, _SIDE, generator=numbers) for _ in range(2))
    with _switched(), torch.inference_mode():
        product = torch.nn.functional.linear(first, second)
    true = first.double() @ second.double().T
    return bool((product - true).abs().max() < _ROUNDING * true.abs().max())
