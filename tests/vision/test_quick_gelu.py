"""CLIP's activation in pieces: equal to transformers', and no gradient or other tensor is lost."""

import pytest
import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.activations import QuickGELUActivation

from phi3lib.vision import quick_gelu
from phi3lib.vision.quick_gelu import QuickGelu, with_quick_gelu

NUMBERS = torch.linspace(-30, 30, 7 * 11).reshape(7, 11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("piece", [5, 2**16])
def test_it_is_that_of_transformers_in_place(monkeypatch, dtype, piece):
    monkeypatch.setattr(quick_gelu, "PIECE", piece)
    numbers = NUMBERS.to(dtype, copy=True)
    wanted = QuickGELUActivation()(numbers)
    with torch.no_grad():
        ours = QuickGelu(nn.Identity())(numbers)
    # Sums of vector instructions and of the numbers that are left over differ in the last bit.
    assert torch.allclose(ours, wanted, rtol=2 * torch.finfo(dtype).eps, atol=0)
    assert ours is numbers


def test_where_gradients_are_recorded_and_where_numbers_are_not_in_a_row_nothing_is_changed():
    numbers = NUMBERS.clone().requires_grad_()
    QuickGelu(nn.Identity())(numbers).sum().backward()
    slope = numbers.grad
    numbers.grad = None
    QuickGELUActivation()(numbers).sum().backward()
    assert torch.equal(numbers, NUMBERS) and torch.equal(numbers.grad, slope)
    with torch.no_grad():
        turned = NUMBERS.T
        assert (
            torch.equal(QuickGelu(nn.Identity())(turned), QuickGELUActivation()(turned))
            and turned[0, 0] == -30
        )


def test_networks_keep_their_parameters_and_compute_the_same():
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=28,
        patch_size=14,
    )  # fmt: skip
    network, pixels = CLIPVisionModel(config).eval(), torch.randn(2, 3, 28, 28)
    names = list(network.state_dict())
    with torch.inference_mode():
        before = network(pixels).last_hidden_state
        after = with_quick_gelu(network)(pixels).last_hidden_state
    assert any(isinstance(module, QuickGelu) for module in network.modules())
    assert list(network.state_dict()) == names
    assert torch.allclose(after, before, atol=1e-6)


def test_what_a_hook_keeps_of_the_layer_before_stays_as_it_was():
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    network, pixels, kept = CLIPVisionModel(config).eval(), torch.randn(1, 3, 224, 224), []
    layer = next(module for name, module in network.named_modules() if name.endswith("mlp.fc1"))
    layer.register_forward_hook(lambda _, __, output: kept.append(output))
    with torch.no_grad():
        network(pixels)
        with_quick_gelu(network)(pixels)
    assert torch.equal(kept[1], kept[0])
