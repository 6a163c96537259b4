"""The contrastive losses against transformers', equal pairs, and gradients in chunks."""

import math

import pytest
import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from phi3lib.embeddings.finetune_loss import (
    cached_backward,
    cosines,
    random_state,
    right_elsewhere,
    set_random_state,
    sigmoid_loss,
    softmax_loss,
)

SCALE, BIAS = torch.tensor(7.0), torch.tensor(-2.0)


def vectors(count=6, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, width, generator=generator)


def none_right(count):
    return torch.zeros(count, count, dtype=torch.bool)


def test_equal_texts_or_equal_images_are_right_elsewhere():
    right = right_elsewhere(torch.tensor([0, 1, 2, 0]), torch.tensor([7, 8, 7, 9]))
    assert {tuple(place) for place in right.nonzero().tolist()} == {(0, 2), (2, 0), (0, 3), (3, 0)}


TINY = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}


def answer_of(config_class, model_class):
    """What a small random model of transformers says of six images and texts, its loss among it."""
    torch.manual_seed(0)
    text = {**TINY, "vocab_size": 9, "max_position_embeddings": 5, "projection_size": 8, "eos_token_id": 8}
    vision = {**TINY, "image_size": 8, "patch_size": 4}
    model = model_class(config_class(text_config=text, vision_config=vision)).eval()
    ids = torch.randint(0, 8, (6, 5))
    with torch.no_grad():
        return model, model(input_ids=ids, pixel_values=torch.randn(6, 3, 8, 8), return_loss=True)


def test_without_equal_pairs_it_is_the_loss_of_transformers():
    model, answer = answer_of(CLIPConfig, CLIPModel)
    found = softmax_loss(answer.image_embeds, answer.text_embeds, model.logit_scale.exp(), none_right(6))
    assert found.item() == pytest.approx(answer.loss.item(), rel=1e-5)


def test_sigmoid_loss_is_that_of_siglip():
    model, answer = answer_of(SiglipConfig, SiglipModel)
    scale, bias = model.logit_scale.exp(), model.logit_bias
    found = sigmoid_loss(answer.image_embeds, answer.text_embeds, scale, bias, none_right(6))
    assert found.item() == pytest.approx(answer.loss.item(), rel=1e-5)


def test_equal_similarities_cost_the_logarithm_of_their_number():
    same = torch.ones(8, 3)
    assert softmax_loss(same, same, SCALE, none_right(8)) == pytest.approx(math.log(8), rel=1e-6)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_no_gradient_pushes_equal_pairs_apart(loss):
    images, texts = vectors(2)
    texts = texts.requires_grad_()
    right = right_elsewhere(torch.tensor([0, 1]), torch.tensor([3, 3]))
    value = (
        softmax_loss(images, texts, SCALE, right)
        if loss == "softmax"
        else sigmoid_loss(images, texts, SCALE, BIAS, right)
    )
    value.backward()
    closer = texts - 0.01 * texts.grad
    before, after = cosines(images, texts), cosines(images, closer)
    if loss == "softmax":  # no wrong answers are left: the loss is zero
        assert value == 0 and torch.equal(before, after)
    else:
        assert (after.diagonal() > before.diagonal()).all()


class Pair(nn.Module):
    """Two small towers with dropout."""

    def __init__(self, dropout):
        super().__init__()
        self.image, self.text = (
            nn.Sequential(nn.Linear(5, 4), nn.Dropout(dropout), nn.Linear(4, 3)) for _ in range(2)
        )
        self.scale = nn.Parameter(torch.tensor(1.0))

    def image_vectors(self, inputs):
        return self.image(inputs["x"])

    def text_vectors(self, inputs):
        return self.text(inputs["y"])

    def loss(self, images, texts, right):
        return softmax_loss(images, texts, self.scale.exp(), right)


@pytest.mark.parametrize("chunk", [1, 2, 4, 7, 9])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_chunks_have_the_gradients_of_the_whole_batch(chunk, dropout):
    torch.manual_seed(0)
    model, (x, y) = Pair(dropout), vectors(7, 5)
    right = right_elsewhere(torch.arange(7), torch.tensor([0, 1, 2, 3, 4, 5, 0]))
    start = random_state()
    images = torch.cat([model.image_vectors({"x": part}) for part in x.split(chunk)])
    texts = torch.cat([model.text_vectors({"y": part}) for part in y.split(chunk)])
    loss = model.loss(images, texts, right)
    loss.backward()
    wanted = [weight.grad.clone() for weight in model.parameters()]
    model.zero_grad()
    set_random_state(start)
    found = cached_backward(model, {"images": {"x": x}, "texts": {"y": y}, "right": right}, chunk)
    assert found == pytest.approx(loss.item(), rel=1e-6)
    for weight, gradient in zip(model.parameters(), wanted, strict=True):
        assert torch.allclose(weight.grad, gradient, atol=1e-6)


def test_a_side_without_gradients_is_left_alone():
    model, (x, y) = Pair(0.0), vectors(4, 5)
    model.image.requires_grad_(False)
    cached_backward(model, {"images": {"x": x}, "texts": {"y": y}, "right": none_right(4)}, 2)
    assert all(weight.grad is None for weight in model.image.parameters())
    assert all(weight.grad is not None for weight in model.text.parameters())


class DrawsInItsLoss(Pair):
    """Whose loss draws random numbers, too."""

    def loss(self, images, texts, right):
        return super().loss(nn.functional.dropout(images, 0.5), texts, right)


def test_after_chunks_random_numbers_go_on_behind_those_of_the_loss():
    torch.manual_seed(0)
    model, (x, y) = DrawsInItsLoss(0.5), vectors(4, 5)
    start = random_state()
    model.loss(model.image_vectors({"x": x}), model.text_vectors({"y": y}), none_right(4))
    wanted = torch.rand(3)
    set_random_state(start)
    cached_backward(model, {"images": {"x": x}, "texts": {"y": y}, "right": none_right(4)}, 4)
    assert torch.equal(torch.rand(3), wanted)
