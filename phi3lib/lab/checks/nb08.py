"""The checks of notebook 08: the loss with equal captions, freezing, and learning without forgetting."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from phi3lib.embeddings.confidence import Estimate, difference, of_mean
from phi3lib.embeddings.knn import unit_rows
from phi3lib.lab.checks.base import EMPTY, Verdict, ask, exercise, guarded, not_yet, told
from phi3lib.lab.checks.reading import first_wrong_number, whole
from phi3lib.lab.checks.registry import check_of
from picturebook import french
from picturebook.captions import class_phrase
from picturebook.kind import Kind
from picturebook.kinds import KINDS
from picturebook.pictures import draw_picture

Matrix = NDArray[np.floating]

# ------------------------------------------------------------------------- 08.1 loss of pairs


def _equal(captions: Sequence[str]) -> NDArray[np.bool_]:
    """(N, N): where the captions of different pairs are equal."""
    names = np.asarray(captions)
    return (names[:, None] == names[None]) & ~np.eye(len(names), dtype=bool)


def _one_way(logits: Matrix, left_out: NDArray[np.bool_], value: float = -np.inf) -> NDArray[np.floating]:
    """Return the cross-entropy of each row, whose diagonal is right, without the excluded entries."""
    masked = np.where(left_out, value, logits)
    return np.log(np.exp(masked).sum(1)) - np.diag(logits)


def pair_loss_of(logits: Matrix, captions: Sequence[str]) -> float:
    """Return the symmetric loss in which equal captions do not count as wrong."""
    left_out = _equal(captions)
    return float((_one_way(logits, left_out).mean() + _one_way(logits.T, left_out).mean()) / 2)


def _no_mask(logits: Matrix, captions: Sequence[str]) -> float:
    return pair_loss_of(logits, [str(number) for number in range(len(captions))])


def _with_zeros(logits: Matrix, captions: Sequence[str]) -> float:
    left_out = _equal(captions)
    return float((_one_way(logits, left_out, 0.0).mean() + _one_way(logits.T, left_out, 0.0).mean()) / 2)


_PAIR_LOSS_SLIPS: Mapping[str, Callable[[Matrix, Sequence[str]], float]] = {
    "an equal caption counts as a wrong answer": _no_mask,
    "equal captions get the logit 0, which still takes a share of the softmax; −∞ takes none": _with_zeros,
    "only one direction is in it; CLIP's loss is the mean of both": (
        lambda logits, captions: float(_one_way(logits, _equal(captions)).mean())
    ),
    "only the direction from texts to images is in it; CLIP's loss is the mean of both": (
        lambda logits, captions: float(_one_way(logits.T, _equal(captions)).mean())
    ),
    "both directions are added; their mean is wanted": lambda logits, captions: (
        2 * pair_loss_of(logits, captions)
    ),
    "the pairs are added up; their mean is wanted": lambda logits, captions: (
        len(logits) * pair_loss_of(logits, captions)
    ),
}


@check_of("08.1", "A loss for equal captions", "lab.checks.pair_loss(my_pair_loss)")
@exercise
def pair_loss(function: Callable[[Matrix, list[str]], float]) -> Verdict:
    """Check exercise 08.1: `function(logits, captions)`, an (N, N) matrix and N captions → the loss."""
    rng = np.random.default_rng(8)
    cases = []
    for captions in (["a", "b", "c"], ["a", "a", "b"], list("abca"), list("aabbc"), list("aaaa")):
        shown = f"the captions {', '.join(captions)} and random logits"
        cases.append((shown, rng.normal(size=(len(captions),) * 2) * 2, captions))
    wrong = first_wrong_number(function, cases, pair_loss_of, _PAIR_LOSS_SLIPS)
    return wrong or Verdict(True, "A second picture of a cup is no mistake for the caption “a cup”.")


# ------------------------------------------------------------------------- 08.2 freezing

PARTS = ("text_model", "vision_model", "text_projection", "visual_projection", "logit_scale")


class SmallTowers(nn.Module):
    """Two towers with the names of CLIP's parts, whose numbers of weights differ."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(8)
        self.text_model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4))
        self.vision_model = nn.Sequential(nn.Linear(7, 9), nn.Tanh(), nn.Linear(9, 4))
        self.text_projection, self.visual_projection = nn.Linear(4, 3, False), nn.Linear(4, 2 + 1, False)
        self.logit_scale = nn.Parameter(torch.tensor(1.0))
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.5)

    def forward(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, n) of images and texts."""
        return self.logit_scale.exp() * (
            self.visual_projection(self.vision_model(images)) @ self.text_projection(self.text_model(texts)).T
        )


def _part(name: str) -> str:
    return name.partition(".")[0]


def _parts_that_change(network: SmallTowers) -> set[str]:
    """Return the parts whose weights one step of training changes."""
    generator = torch.Generator().manual_seed(0)
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    logits = network(torch.randn(6, 7, generator=generator), torch.randn(6, 5, generator=generator))
    loss = nn.functional.cross_entropy(logits, torch.arange(6))
    if loss.requires_grad:
        loss.backward()
        torch.optim.SGD([weight for weight in network.parameters() if weight.grad is not None], 0.1).step()
    return {
        _part(name) for name, weight in network.named_parameters() if not torch.equal(weight, before[name])
    }


@check_of("08.2", "Freeze all but the text tower", "lab.checks.freeze(my_freeze)")
@exercise
def freeze(function: Callable[[nn.Module], int]) -> Verdict:
    """Check exercise 08.2: `function(network)` freezes all but the text tower → trainable numbers."""
    network = SmallTowers()
    shown = "a small network with CLIP's parts"
    answer = ask(function, network, shown=shown, copied=False)
    changed = _parts_that_change(network)
    if changed != {"text_model"}:
        return Verdict(False, slip := _wrong_parts(changed), slip)
    sizes = dict.fromkeys(PARTS, 0)
    for name, weight in network.named_parameters():
        sizes[_part(name)] += weight.numel()
    count, wanted = whole(answer, shown), sizes["text_model"]
    if count == wanted:
        return Verdict(True, f"After a step only the text tower has changed: {wanted} numbers are trained.")
    return Verdict(False, f"The right part is trained, but {_wrong_count(network, count, sizes)}.")


def _wrong_parts(changed: set[str]) -> str:
    if not changed:
        return "After a step of training nothing has changed: everything is frozen, the text tower too."
    if changed == set(PARTS):
        return "After a step of training all parts have changed: nothing is frozen (requires_grad_(False))."
    if "text_model" not in changed:
        return f"After a step the text tower is as before, and {', '.join(sorted(changed))} changed."
    others = ", ".join(sorted(changed - {"text_model"}))
    return f"After a step of training {others} changed too; only text_model should."


def _wrong_count(network: nn.Module, count: int, sizes: Mapping[str, int]) -> str:
    tensors = sum(1 for name, _ in network.named_parameters() if _part(name) == "text_model")
    if count == tensors:
        return f"{count} is the number of its tensors; its numbers are wanted (weight.numel())"
    if count == sum(sizes.values()):
        return f"{count} counts all numbers of the network, the frozen ones too"
    return f"you count {count} numbers, and {sizes['text_model']} are trained"


# ------------------------------------------------------------------------- 08.3 learn and keep

GAIN, LOSS = 0.35, 0.03  # French up by at least, English down by at most
EACH = 2  # hidden pictures of a kind
HIDDEN = 70_000  # the first one's number


@lru_cache(maxsize=1)
def hidden_pictures() -> tuple[tuple[Kind, ...], list[Image.Image]]:
    """Return kinds and pictures that the notebook does not show: `EACH` of each kind, in turn."""
    kinds = tuple(kind for kind in KINDS.values() if kind.family != "digits")
    numbers = range(EACH * len(kinds))
    return kinds, [draw_picture(HIDDEN + n, split="test", kind=kinds[n % len(kinds)]).image for n in numbers]


def _shares(model: Any) -> tuple[Estimate, Estimate]:
    """(French, English): the share of the hidden pictures whose word is found."""
    kinds, pictures = hidden_pictures()
    vectors = unit_rows(model.image_features(pictures).numpy())
    wanted = np.arange(len(pictures)) % len(kinds)
    found = []
    for phrase in (french.phrase, class_phrase):
        words = unit_rows(model.text_features([phrase(kind) for kind in kinds]).numpy())
        found.append(of_mean((vectors @ words.T).argmax(1) == wanted, 1 / len(kinds)))
    return found[0], found[1]


@check_of("08.3", "Learn and keep", "lab.checks.learn_and_keep(my_model)")
@guarded
def learn_and_keep(model: Any, before: Any = None) -> Verdict:
    """Check exercise 08.3: a model that learned French and kept its English, on pictures that you do not see.

    before: the model that it is compared with; by default the one that the course comes with.
    """
    if model is None or model is ...:
        return EMPTY
    if hasattr(model, "history") and hasattr(model, "model"):
        return not_yet("This is the result of fine_tune", "pass its .model")
    if not (hasattr(model, "text_features") and hasattr(model, "image_features")):
        return Verdict(False, f"A model such as load_clip() returns is wanted, not {told(model)}.")
    from phi3lib import load_clip

    first, now = _shares(before or load_clip()), _shares(model)
    gain, change = (difference(one, other).value for one, other in zip(first, now, strict=True))
    said = (
        f"On {now[0].count} hidden pictures French goes from {first[0].value:.2f} to {now[0].value:.2f}, "
        f"English from {first[1].value:.2f} to {now[1].value:.2f}"
    )
    if gain == change == 0:
        return not_yet(said, "this is the model before training")
    if gain < GAIN:
        return not_yet(said, f"French is to rise by {GAIN} or more; train longer or faster")
    if change < -LOSS:
        return not_yet(
            said,
            f"English is to fall by {LOSS} at most; mix in English captions, average the weights, or "
            f"train at a lower rate",
        )
    return Verdict(True, f"{said}.")
