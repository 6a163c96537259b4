"""The two towers of CLIP and SigLIP as fine-tuning sees them: what is trained, what is computed once, LoRA.

A side (images or texts) is a tower, which makes hidden vectors of inputs, and a head, which makes vectors of
the common space of them. A tower that is not trained gives the same hidden vectors in every step: they are
computed once.
"""

import copy
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from phi3lib.embeddings.finetune_loss import Inputs, sigmoid_loss, softmax_loss
from phi3lib.encoders import as_encoder
from phi3lib.vision.clip import Clip

PARTS = ("text", "image", "projections", "temperature")
LARGEST_SCALE = 100.0  # CLIP's limit of exp(logit_scale) (Radford et al. 2021)
TEXTS_AT_ONCE = 16  # at least, on a CPU
HIDDEN = "hidden"  # the name of hidden vectors among the inputs of a side


class Towers(nn.Module):
    """A CLIP or SigLIP for the Trainer: `forward` returns the loss of a batch of pairs.

    encoder: of `as_encoder`; its network is trained in place. Subclasses are the families.
    """

    # The starts of the names of weights that belong to each part; the first that fits decides.
    prefixes: Mapping[str, tuple[str, ...]] = {}

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.network = encoder.network
        self._encoder = (encoder,)  # in a tuple, so that torch does not take it for a part

    @property
    def encoder(self) -> Any:
        """The encoder around the network in its present state."""
        return self._encoder[0]

    def forward(self, images: Inputs, texts: Inputs, right: Tensor) -> dict[str, Tensor]:
        """Return {"loss"} of a batch; see `softmax_loss` for `right`."""
        return {"loss": self.loss(self.image_vectors(images), self.text_vectors(texts), right)}

    def image_vectors(self, inputs: Inputs) -> Tensor:
        """Return vectors (n, d) of images, from pixels or from hidden vectors."""
        return self.image_head(inputs[HIDDEN] if HIDDEN in inputs else self.image_hidden(inputs))

    def text_vectors(self, inputs: Inputs) -> Tensor:
        """Return vectors (n, d) of texts, from token ids or from hidden vectors."""
        return self.text_head(inputs[HIDDEN] if HIDDEN in inputs else self.text_hidden(inputs))

    def image_hidden(self, inputs: Inputs) -> Tensor:
        """Return the image tower's output for pixels, before the head."""
        return self.network.vision_model(**inputs).pooler_output

    def image_head(self, hidden: Tensor) -> Tensor:
        """Return vectors in the common space."""
        raise NotImplementedError

    def text_hidden(self, inputs: Inputs) -> Tensor:
        """Return the text tower's output for token ids, before the head."""
        raise NotImplementedError

    def text_head(self, hidden: Tensor) -> Tensor:
        """Return vectors in the common space."""
        raise NotImplementedError

    def loss(self, images: Tensor, texts: Tensor, right: Tensor) -> Tensor:
        """Return the loss with which this family was trained."""
        raise NotImplementedError

    def limit_temperature(self) -> None:
        """Keep a trained temperature in the family's limits, after each step."""

    def image_inputs(self, images: Sequence[Any]) -> dict[str, Tensor]:
        """Return the network's inputs for upright images."""
        raise NotImplementedError

    def text_inputs(self, texts: list[str]) -> dict[str, Tensor]:
        """Return the network's inputs for texts."""
        raise NotImplementedError

    def part_of(self, name: str) -> str:
        """Return the part that a weight of the network belongs to, by its name."""
        return next(part for part, starts in self.prefixes.items() if name.startswith(starts))


class ClipTowers(Towers):
    """CLIP: both sides end in a projection without bias."""

    prefixes = {
        "projections": ("visual_projection.", "text_projection."),
        "temperature": ("logit_scale",),
        "image": ("vision_model.",),
        "text": ("text_model.",),
    }

    def image_head(self, hidden: Tensor) -> Tensor:
        """Return vectors in the common space."""
        return self.network.visual_projection(hidden)

    def text_hidden(self, inputs: Inputs) -> Tensor:
        """Return the end-of-text token (n, C) after the last norm."""
        if inputs["input_ids"].device.type != "cpu":
            return self.network.text_model(**inputs).pooler_output
        groups = by_length(inputs["attention_mask"])
        hidden = [self.network.text_model(**_shortened(inputs, rows)).pooler_output for rows in groups]
        return torch.cat(hidden)[torch.cat(groups).argsort()]

    def text_head(self, hidden: Tensor) -> Tensor:
        """Return vectors in the common space."""
        return self.network.text_projection(hidden)

    def loss(self, images: Tensor, texts: Tensor, right: Tensor) -> Tensor:
        """Return the symmetric softmax loss."""
        return softmax_loss(images, texts, self.network.logit_scale.exp(), right)

    @torch.no_grad()
    def limit_temperature(self) -> None:
        """Keep the scale at 100 or less. In the loss, a limit would stop all gradients of published models,
        whose scale is 100."""
        if self.network.logit_scale.requires_grad:
            self.network.logit_scale.clamp_(max=math.log(LARGEST_SCALE))

    def image_inputs(self, images: Sequence[Any]) -> dict[str, Tensor]:
        """Return {"pixel_values"}."""
        return {"pixel_values": self.encoder.clip.pixel_values(images)}

    def text_inputs(self, texts: list[str]) -> dict[str, Tensor]:
        """Return token ids and mask."""
        return dict(self.encoder.clip.text_inputs(texts))


class SiglipTowers(Towers):
    """SigLIP and SigLIP 2: texts end in a linear layer; the pooling of images is part of their tower."""

    prefixes = {
        "projections": ("text_model.head.",),
        "temperature": ("logit_scale", "logit_bias"),
        "image": ("vision_model.",),
        "text": ("text_model.",),
    }

    def image_head(self, hidden: Tensor) -> Tensor:
        """Return the vectors as they are."""
        return hidden

    def text_hidden(self, inputs: Inputs) -> Tensor:
        """Return the last token (n, C) after the last norm."""
        return self.network.text_model(**inputs).last_hidden_state[:, -1]

    def text_head(self, hidden: Tensor) -> Tensor:
        """Return vectors in the common space."""
        return self.network.text_model.head(hidden)

    def loss(self, images: Tensor, texts: Tensor, right: Tensor) -> Tensor:
        """Return the sigmoid loss."""
        return sigmoid_loss(images, texts, self.network.logit_scale.exp(), self.network.logit_bias, right)

    def image_inputs(self, images: Sequence[Any]) -> dict[str, Tensor]:
        """Return pixels; of NaFlex with mask and shapes."""
        return dict(self.encoder.inputs(images))

    def text_inputs(self, texts: list[str]) -> dict[str, Tensor]:
        """Return token ids."""
        return dict(self.encoder.text_inputs(texts))


_FAMILIES: dict[str, Callable[[Any], Towers]] = {"clip": ClipTowers, "siglip": SiglipTowers}


def towers_of(model: Any) -> Towers:
    """Return the towers of a model; ValueError where it has none, or no float32 weights.

    model: of `load_clip`, or a CLIP or SigLIP of `load_encoder`.
    """
    encoder = as_encoder(model)
    if encoder.family not in _FAMILIES:
        raise ValueError(
            f"a model of the family {encoder.family!r} has no text tower to fine-tune with; use a CLIP or a "
            f"SigLIP"
        )
    dtypes = {weight.dtype for weight in encoder.network.parameters()}
    if dtypes != {torch.float32}:
        raise ValueError(
            f"weights of {', '.join(sorted(map(str, dtypes)))} lose small updates; load the model with "
            f"dtype=torch.float32 (and train in mixed precision by trainer_options={{'bf16': True}})"
        )
    return _FAMILIES[encoder.family](encoder)


def by_length(mask: Tensor) -> list[Tensor]:
    """Return the numbers of rows (n, length) in groups of similar length, about TEXTS_AT_ONCE in each.

    mask: 1 for tokens, 0 for the padding behind them. Together, all rows would be as long as the longest one.
    """
    order = mask.sum(1).argsort(stable=True)
    return list(order.tensor_split(max(len(order) // TEXTS_AT_ONCE, 1)))


def _shortened(inputs: Inputs, rows: Tensor) -> dict[str, Tensor]:
    """Return these rows of a text tower's inputs, without the padding that they have in common."""
    longest = int(inputs["attention_mask"][rows].sum(1).max())
    return {name: one[rows, :longest] for name, one in inputs.items()}


# ------------------------------------------------------------------------------- copies


def with_network(model: Any, network: nn.Module, name: str) -> Any:
    """Return the model, of the same type, around another network and with another name."""
    if isinstance(model, Clip):
        return replace(model, name=name, model=network, recipe={**model.recipe, "model": name})
    if hasattr(model, "clip"):
        return type(model)(with_network(model.clip, network, name))
    changed = copy.copy(model)
    changed.network, changed.name = network, name
    return changed


def copied(model: Any, name: str) -> Any:
    """Return a copy of the model with weights of its own."""
    return with_network(model, copy.deepcopy(as_encoder(model).network), name)


def average_weights(before: Any, after: Any, share: float) -> Any:
    """Return the model whose weights lie on the line between two models: before + share · (after − before).

    WiSE-FT (Wortsman et al. 2022): between a model and its fine-tuned copy there is often a point that keeps
    most of both abilities. share: 0 is `before`, 1 is `after`. Returns the type of `before`. Raises
    ValueError where the names or shapes of their weights differ.
    """
    first, second = (as_encoder(model).network.state_dict() for model in (before, after))
    shapes = [{name: weight.shape for name, weight in one.items()} for one in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError("the two models have different weights; pass a model and its own fine-tuned copy")
    model = copied(before, f"{as_encoder(before).name}, {share:.2f} of the way to its fine-tuned copy")
    mixed = {
        name: weight.lerp(second[name].to(weight), share) if weight.is_floating_point() else weight
        for name, weight in first.items()
    }
    as_encoder(model).network.load_state_dict(mixed)
    return model


# ------------------------------------------------------------------------------- what is trained


@dataclass(frozen=True)
class Trained:
    """Which parts are trained, and how: `lora` is the rank of adapters, None for the weights themselves."""

    parts: tuple[str, ...]
    lora: int | None = None

    def __post_init__(self) -> None:
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            raise ValueError(
                f"train= got {self.parts!r}; choose one or more of {', '.join(map(repr, PARTS))}"
            )
        if self.lora is not None and (self.lora < 1 or not {"text", "image"} & set(self.parts)):
            raise ValueError(
                f"lora={self.lora} with train={self.parts!r}: the rank is at least 1, and adapters are for "
                f"the layers of 'text' or 'image'"
            )


def set_trained(towers: Towers, trained: Trained) -> Any:
    """Make the chosen parts trainable and all else not; return peft's model around the network, or None.

    With LoRA the towers' own weights stay as they are; projections and temperature, if chosen, are trained
    themselves. Raises ImportError without peft.
    """
    adapted = _add_adapters(towers, trained) if trained.lora else None
    for name, weight in towers.network.named_parameters():
        part = towers.part_of(name)
        by_adapter = trained.lora is not None and part in ("text", "image")
        weight.requires_grad_("lora_" in name if by_adapter else part in trained.parts)
    return adapted


def _add_adapters(towers: Towers, trained: Trained) -> Any:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ImportError("lora= needs peft: pip install peft") from error
    parts = {"text", "image"} & set(trained.parts)
    names = [
        name
        for name, module in towers.network.named_modules()
        # Not within MultiheadAttention, which reads the weights of its layers without calling them. The
        # table of word pieces is adapted too: new words are made of pieces that meant little until now.
        if (type(module) is nn.Linear or name.endswith("token_embedding"))
        and towers.part_of(f"{name}.") in parts
    ]
    config = LoraConfig(
        r=trained.lora, lora_alpha=2 * (trained.lora or 1), lora_dropout=0.0, bias="none",
        target_modules="|".join(re.escape(name) for name in names),
    )  # fmt: skip
    with warnings.catch_warnings():
        # peft asks models for a property that transformers 5.23 has given another name.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return get_peft_model(towers.network, config)


def trained_weights(towers: Towers) -> int:
    """Return how many numbers are trained."""
    return sum(weight.numel() for weight in towers.parameters() if weight.requires_grad)


def is_trained(towers: Towers, names: Iterable[str]) -> bool:
    """Tell whether any weight of these parts is trained."""
    wanted = set(names)
    return any(
        weight.requires_grad and towers.part_of(name) in wanted
        for name, weight in towers.network.named_parameters()
    )
