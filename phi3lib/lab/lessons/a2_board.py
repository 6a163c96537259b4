"""Notebook A2's instrument: choose a model, a precision and a purpose, and see where it fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from phi3lib.lab.figures import plots
from phi3lib.lab.lessons.a2_sizes import (
    ADAM_BYTES,
    BYTES,
    DEVICES,
    GB,
    PRECISIONS,
    Counted,
    Use,
    cache_bytes,
    lora_weights,
    published,
    still_of_uses,
)
from phi3lib.lab.widgets.base import PanelInstrument
from phi3lib.lab.widgets.panel import Control, choice, slider

TOKENS = (0, 256, 757, 1024, 2048, 2653, 4096, 8192, 16_384, 32_768, 65_536, 131_072)
NOTHING, LORA, EVERYTHING = "nothing", "LoRA of rank 16", "all weights"
WHOLE = "all of it"


@dataclass
class MemoryState:
    """A checkpoint, the precision of its weights, tokens in the cache, and what is trained.

    Only all of Phi-3-vision has a cache and LoRA here; for the other checkpoints these count as nothing.
    """

    checkpoint: Counted
    precision: str = "bf16"
    tokens: int = 2653
    trained: str = NOTHING

    @property
    def is_language_model(self) -> bool:
        """Whether it reads tokens, so that it has a cache."""
        return self.checkpoint.part == WHOLE and self.checkpoint.name.startswith("microsoft")

    def use(self) -> Use:
        """Return what that takes, for `still_of_uses`."""
        weights = self.checkpoint.weight_bytes(self.precision)
        kept = cache_bytes(self.tokens) if self.is_language_model else 0
        return Use(f"{short_name(self.checkpoint)}, {self.precision}", weights, kept, self.training_bytes())

    def training_bytes(self) -> int:
        """Return the bytes that training adds to the weights."""
        if self.trained == EVERYTHING:
            return self.checkpoint.parameters * (ADAM_BYTES - BYTES["bf16"])
        return lora_weights(16) * ADAM_BYTES if self.trained == LORA and self.is_language_model else 0

    def sentence(self) -> str:
        """Describe the state in one sentence (used as alt text)."""
        use = self.use()
        where = [device.name for device in DEVICES if use.fits(device)]
        parts = [f"weights {use.weights / GB:.1f} GB"]
        parts += [f"cache of {self.tokens:,} tokens {use.cache / GB:.1f} GB"] if use.cache else []
        parts += [f"training state {use.training / GB:.1f} GB"] if use.training else []
        fits = f"it fits: {', '.join(where)}" if where else "it fits none of the three machines"
        return f"{use.name}: {', '.join(parts)}; {use.total / GB:.1f} GB in all, computed; {fits}."


def short_name(checkpoint: Counted) -> str:
    """Return a name for a list: the last part of the checkpoint's name, and the part that is meant."""
    name = checkpoint.name.split("/")[-1]
    return name if checkpoint.part == WHOLE else f"{name}, {checkpoint.part}"


class MemoryBoard(PanelInstrument):
    """Choose a checkpoint, a precision, the tokens in the cache and what is trained: the memory follows."""

    title = "Memory board"
    offered_without_kernel: ClassVar[Mapping[str, Sequence[Any]]] = {"tokens": (0, 8192, 32_768)}
    limits_without_kernel = "Some numbers of tokens can be chosen here. The others need a kernel."

    def __init__(self, model: str = "Phi-3.5-vision-instruct", **chosen: Any) -> None:
        self._checkpoints = {short_name(one): one for one in published()}
        if model not in self._checkpoints:
            raise ValueError(f"there is no checkpoint {model!r}; there are: {', '.join(self._checkpoints)}")
        self.state = MemoryState(self._checkpoints[model], **chosen)

    def still(self) -> plots.Still:
        """Return a still picture of the board in its current state."""
        return still_of_uses([self.state.use()], alt=self.state.sentence())

    def controls(self) -> list[Control]:
        """Checkpoint, precision, tokens, and what is trained."""
        state = self.state
        return [
            choice("model", "Checkpoint", self._checkpoints, short_name(state.checkpoint)),
            choice("precision", "Precision of the weights", PRECISIONS, state.precision),
            slider("tokens", "Tokens in the cache", TOKENS, state.tokens, lambda count: f"{count:,}"),
            choice("trained", "Trained", (NOTHING, LORA, EVERYTHING), state.trained),
        ]

    def take(self, chosen: dict[str, Any]) -> None:
        """Set all four."""
        self.state = MemoryState(
            self._checkpoints[chosen["model"]], chosen["precision"], chosen["tokens"], chosen["trained"]
        )
