"""Linear layers by oneDNN: right to float32, and nothing outside of the thread that asks for it changes."""

import threading

import pytest
import torch
from torch.overrides import _get_current_function_mode_stack

from phi3lib.vision import float32
from phi3lib.vision.float32 import LEAST_WIDTH, fast_products

WEIGHT = torch.zeros(4)
WITH_ONEDNN = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch was built without oneDNN"
)


def in_effect() -> bool:
    return any(isinstance(mode, float32._OneDnnLinear) for mode in _get_current_function_mode_stack())


@pytest.fixture
def faster(monkeypatch):
    """A processor on which oneDNN is faster."""
    monkeypatch.setattr(float32, "_is_faster", lambda: True)


def test_it_is_in_effect_inside_and_not_afterwards(faster):
    with torch.inference_mode(), fast_products(WEIGHT, LEAST_WIDTH):
        assert in_effect()
    assert not in_effect()
    with pytest.raises(RuntimeError, match="inside"), torch.no_grad(), fast_products(WEIGHT, LEAST_WIDTH):
        raise RuntimeError("inside")
    assert not in_effect()


def test_other_threads_and_the_settings_of_the_process_are_left_alone(faster):
    """A switch of the whole process stayed set for ever where two threads overlapped."""
    settings = torch.backends.mkldnn.matmul.fp32_precision
    entered, leave, seen = threading.Event(), threading.Event(), []

    def compute() -> None:
        with torch.no_grad(), fast_products(WEIGHT, LEAST_WIDTH):
            seen.append(in_effect())
            entered.set()
            leave.wait()

    thread = threading.Thread(target=compute)
    thread.start()
    entered.wait()
    try:
        assert not in_effect()
        assert torch.backends.mkldnn.matmul.fp32_precision == settings
    finally:
        leave.set()
        thread.join()
    assert seen == [True]
    assert torch.backends.mkldnn.matmul.fp32_precision == settings


@pytest.mark.parametrize(
    ("weight", "width"),
    [
        (WEIGHT, LEAST_WIDTH - 1),
        (WEIGHT.to(torch.bfloat16), LEAST_WIDTH),
        (WEIGHT.to("meta"), LEAST_WIDTH),
    ],
)
def test_other_networks_are_left_alone(faster, weight, width):
    with torch.inference_mode(), fast_products(weight, width):
        assert not in_effect()


def test_training_is_left_alone(faster):
    with fast_products(WEIGHT, LEAST_WIDTH):
        assert not in_effect()


def test_other_processors_are_left_alone(monkeypatch):
    monkeypatch.setattr(float32, "_is_faster", lambda: False)
    with torch.inference_mode(), fast_products(WEIGHT, LEAST_WIDTH):
        assert not in_effect()


@pytest.mark.parametrize(
    ("capability", "processor", "is_faster"),
    [
        ("AVX512", "vendor_id : AuthenticAMD", True),
        ("AVX512", "vendor_id : GenuineIntel", False),
        ("AVX2", "vendor_id : AuthenticAMD", False),
    ],
)
@WITH_ONEDNN
def test_wide_processors_of_amd_gain(monkeypatch, capability, processor, is_faster):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(float32, "_processor", lambda: processor)
    assert float32._is_faster.__wrapped__() is is_faster


@pytest.mark.parametrize("bias", [True, False])
@WITH_ONEDNN
def test_products_are_right_to_float32(faster, monkeypatch, bias):
    torch.manual_seed(0)
    takes, taken = float32._takes, []
    monkeypatch.setattr(float32, "_takes", lambda *call: taken.append(takes(*call)) or taken[-1])
    layer, features = torch.nn.Linear(768, 640, bias=bias), torch.randn(2, 150, 768)
    with torch.inference_mode(), fast_products(layer.weight, 768):
        ours = layer(features)
        empty = layer(features[:0])
        wider = torch.nn.functional.linear(features.double(), layer.weight.double())
    true = layer.double()(features.double()).detach()
    # Sums of 768 products: a thousandth of what bfloat16 inside of them would give.
    assert ours.dtype == torch.float32 and (ours - true).abs().max() < 1e-5 * true.abs().max()
    assert taken == [True, False, False]
    assert empty.shape == (0, 150, 640) and wider.dtype == torch.float64
