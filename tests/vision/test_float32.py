"""The quick way of float32 products: as exact as the usual one, and put back afterwards."""

import pytest
import torch

from phi3lib.vision import float32
from phi3lib.vision.float32 import LEAST_WIDTH, fast_products

WEIGHT = torch.zeros(4)


def switch() -> str:
    return torch.backends.mkldnn.matmul.fp32_precision


@pytest.fixture
def exact(monkeypatch):
    """A processor on which the quick way is as exact."""
    monkeypatch.setattr(float32, "_is_exact", lambda: True)


def test_the_switch_is_set_inside_and_put_back(exact):
    before = switch()
    with torch.inference_mode(), fast_products(WEIGHT, LEAST_WIDTH):
        assert switch() == "bf16"
    assert switch() == before
    with pytest.raises(RuntimeError, match="inside"), torch.no_grad(), fast_products(WEIGHT, LEAST_WIDTH):
        raise RuntimeError("inside")
    assert switch() == before


@pytest.mark.parametrize(
    ("weight", "width"),
    [
        (WEIGHT, LEAST_WIDTH - 1),
        (WEIGHT.to(torch.bfloat16), LEAST_WIDTH),
        (WEIGHT.to("meta"), LEAST_WIDTH),
    ],
)
def test_other_networks_are_left_alone(exact, weight, width):
    before = switch()
    with torch.inference_mode(), fast_products(weight, width):
        assert switch() == before


def test_training_is_left_alone(exact):
    before = switch()
    with fast_products(WEIGHT, LEAST_WIDTH):
        assert switch() == before


def test_a_processor_that_rounds_is_left_alone(monkeypatch):
    monkeypatch.setattr(float32, "_is_exact", lambda: False)
    before = switch()
    with torch.inference_mode(), fast_products(WEIGHT, LEAST_WIDTH):
        assert switch() == before


def test_a_product_that_rounds_to_bfloat16_is_noticed(monkeypatch):
    plain = torch.nn.functional.linear

    def rounded(a, b):
        return plain(a.to(torch.bfloat16).float(), b.to(torch.bfloat16).float())

    monkeypatch.setattr(torch.nn.functional, "linear", rounded)
    assert float32._is_exact.__wrapped__() is False


def test_products_are_right_to_float32():
    torch.manual_seed(0)
    first, second = torch.randn(300, 768), torch.randn(640, 768)
    with torch.inference_mode(), fast_products(first, 768):
        ours = torch.nn.functional.linear(first, second)
    true = first.double() @ second.double().T
    assert (ours - true).abs().max() < 1e-5 * true.abs().max()
