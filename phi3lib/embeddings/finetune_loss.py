"""Contrastive losses that never count a right pair as wrong, and their gradients in little memory."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

Inputs = Mapping[str, Tensor]


def right_elsewhere(image_ids: Tensor, text_ids: Tensor) -> Tensor:
    """Return (n, n) bool: off the diagonal, which images and texts belong together nevertheless.

    image_ids, text_ids: (n,) of the pairs of a batch. Image i and text j of different pairs belong together
    if both pairs have the same text, or the same image with two captions.

    >>> right_elsewhere(torch.tensor([0, 1, 1]), torch.tensor([5, 5, 6])).int().tolist()
    [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    """
    same = (image_ids[:, None] == image_ids[None]) | (text_ids[:, None] == text_ids[None])
    return same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)


def softmax_loss(images: Tensor, texts: Tensor, scale: Tensor, right: Tensor) -> Tensor:
    """Return CLIP's symmetric loss, a number: the mean of both directions' cross-entropies.

    images, texts: (n, d) of pairs, of any length. scale: what cosines are multiplied by. right: of
    `right_elsewhere`; these entries are left out of the softmax.
    """
    logits = scale * cosines(images, texts)
    logits = logits.masked_fill(right, float("-inf"))  # (n, n)
    wanted = torch.arange(len(logits), device=logits.device)
    both = functional.cross_entropy(logits, wanted) + functional.cross_entropy(logits.T, wanted)
    return both / 2


def sigmoid_loss(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, right: Tensor) -> Tensor:
    """Return SigLIP's loss, a number: each of the n × n pairs is a yes-or-no question (Zhai et al. 2023).

    As in `softmax_loss`; entries of `right` are left out. The sum is divided by n, as in the paper.
    """
    logits = scale * cosines(images, texts) + bias
    sign = 2 * torch.eye(len(logits), device=logits.device) - 1  # 1 for a pair, −1 for all others
    return -functional.logsigmoid(sign * logits).masked_fill(right, 0.0).sum() / len(logits)


def cosines(images: Tensor, texts: Tensor) -> Tensor:
    """Return (n, m) float32 cosines of the rows."""
    return functional.normalize(images.float(), dim=-1) @ functional.normalize(texts.float(), dim=-1).T


# ------------------------------------------------------------------------------- little memory


class Contrastive(Protocol):
    """What `cached_backward` asks of a model."""

    def image_vectors(self, inputs: Inputs) -> Tensor:
        """Return vectors (n, d) of images."""
        ...

    def text_vectors(self, inputs: Inputs) -> Tensor:
        """Return vectors (n, d) of texts."""
        ...

    def loss(self, images: Tensor, texts: Tensor, right: Tensor) -> Tensor:
        """Return the loss of a batch of vectors."""
        ...


def cached_backward(
    model: Contrastive,
    batch: Mapping[str, Any],
    chunk: int,
    *,
    backward: Callable[[Tensor], None] = Tensor.backward,
    autocast: Callable[[], AbstractContextManager[Any]] = torch.enable_grad,
) -> Tensor:
    """Add the gradients of a batch's loss with the activations of `chunk` pairs at a time; return the loss.

    GradCache (Gao et al. 2021): vectors of all chunks without gradients; the loss of the whole batch and its
    gradient with respect to the vectors; then each chunk again, with that gradient. All pairs of the batch
    are negatives of each other, as without chunks, and the gradients are the same; the towers run once more.

    batch: "images", "texts" (inputs of the model, one row each) and "right". backward: how the loss's
    gradients are computed, for scaled losses. Random numbers (dropout) are the same in both runs of a chunk.
    """
    sides = ((model.image_vectors, batch["images"]), (model.text_vectors, batch["texts"]))
    sides_vectors, states = [], []
    for encode, inputs in sides:
        parts = []
        for part in chunks(inputs, chunk):
            states.append(random_state())
            with torch.no_grad(), autocast():
                parts.append(encode(part).detach())
        sides_vectors.append(torch.cat(parts).requires_grad_())
    images, texts = sides_vectors
    loss = model.loss(images, texts, batch["right"])
    backward(loss)
    later, resume = random_state(), iter(states)
    for (encode, inputs), vectors in zip(sides, sides_vectors, strict=True):
        gradients = vectors.grad.split(chunk) if vectors.grad is not None else ()
        for part, gradient in zip(chunks(inputs, chunk), gradients, strict=True):
            set_random_state(next(resume))
            with autocast(), torch.enable_grad():
                again = encode(part)
            if again.requires_grad:
                again.backward(gradient)
    set_random_state(later)
    return loss.detach()


def chunks(inputs: Inputs, size: int) -> Iterator[dict[str, Tensor]]:
    """Yield the inputs of `size` rows at a time."""
    count = len(next(iter(inputs.values())))
    for start in range(0, count, size):
        yield {name: values[start : start + size] for name, values in inputs.items()}


def random_state() -> tuple[Tensor, list[Tensor]]:
    """Return the state of torch's random numbers on the CPU and on all GPUs in use."""
    on_gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return torch.get_rng_state(), on_gpu


def set_random_state(state: tuple[Tensor, list[Tensor]]) -> None:
    """Continue torch's random numbers where `random_state` was asked."""
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])
