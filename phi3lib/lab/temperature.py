"""Notebook 01's instrument: captions that you write and a temperature that you turn."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.lab import plots
from phi3lib.lab.widgets import _as_png, _Instrument
from phi3lib.vectors.neighbours import unit_rows

GREATEST_SCALE = 200.0


class TemperatureState:
    """One of several pictures, captions, and the scale of their cosines. No widget inside.

    vectors: (N, d), a row for each picture. encode: captions → (M, d).
    """

    def __init__(
        self,
        vectors: Any,
        captions: Sequence[str],
        encode: Callable[[list[str]], Any],
        scale: float,
        chosen: int = 0,
    ) -> None:
        self.vectors, self.encode = unit_rows(vectors), encode
        self.scale, self.chosen = scale, chosen
        self.write(captions)

    def write(self, captions: Sequence[str]) -> None:
        """Take these captions; empty ones and repeated ones are left out. Nothing changes without any."""
        kept = list(dict.fromkeys(text.strip() for text in captions if text.strip()))
        if kept:
            self.captions, self._texts = kept, unit_rows(self.encode(kept))

    def cosines(self) -> NDArray[np.float32]:
        """Of the chosen picture with each caption: (M,)."""
        return self._texts @ self.vectors[self.chosen]

    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the scaled cosines: (M,)."""
        logits = self.scale * self.cosines().astype(np.float64)
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()

    def entropy(self) -> float:
        """How undecided that is, in bits: 0 for certain, log2 M for equal."""
        p = self.probabilities()
        return float(-(p * np.log2(np.maximum(p, 1e-300))).sum()) + 0.0

    def sentence(self) -> str:
        """The same in words."""
        p = self.probabilities()
        best = int(p.argmax())
        return (
            f"Picture {self.chosen}, scale {self.scale:.1f}: “{self.captions[best]}” with p = {p[best]:.2f}; "
            f"entropy {self.entropy():.2f} of at most {np.log2(len(p)):.2f} bits."
        )


class TemperatureBoard(_Instrument):
    """Choose a picture, write captions, turn the scale: cosines and probabilities follow."""

    def __init__(
        self,
        pictures: Sequence[Any],
        captions: Sequence[str],
        clip: Any,
        *,
        scale: float | None = None,
        chosen: int = 0,
    ) -> None:
        self.pictures = list(pictures)
        own = float(clip.model.logit_scale.detach().exp())
        self.state = TemperatureState(
            clip.image_features(self.pictures).numpy(),
            captions,
            lambda texts: clip.text_features(texts).numpy(),
            own if scale is None else scale,
            chosen,
        )
        self._widget: Any = None

    def still(self) -> plots.Still:
        """The board as it stands, as a picture."""
        state = self.state
        height = max(1.9, 0.7 + 0.36 * len(state.captions))
        fig, (left, middle, right) = plots.figure(1, 3, height=height, width_ratios=[1, 1.6, 1.6])
        plots.picture_axes(left, self.pictures[state.chosen], f"picture {state.chosen}")
        places = np.arange(len(state.captions))
        middle.barh(places, state.cosines(), color=plots.SKY)
        middle.set_yticks(places, labels=state.captions)
        middle.set_xlabel("cosine")
        bars = right.barh(places, state.probabilities(), color=plots.BLUE)
        right.bar_label(bars, fmt="%.2f", padding=2)
        right.set_yticks([])
        right.set_xlim(0, 1.18)
        right.set_xlabel(f"probability at scale {state.scale:.1f}")
        for axes in (middle, right):
            axes.invert_yaxis()
            axes.set_ylabel(" ")
        return plots.still(fig, alt=state.sentence())

    def live(self) -> Any:
        """The widget; made once."""
        if self._widget is None:
            self._widget = _make_board(self)
        return self._widget


def _make_board(board: TemperatureBoard) -> Any:
    import ipywidgets

    state, wide = board.state, {"description_width": "7em"}
    picture = ipywidgets.Dropdown(
        options=range(len(board.pictures)), value=state.chosen, description="Picture", style=wide
    )
    scale = ipywidgets.FloatLogSlider(
        value=min(state.scale, GREATEST_SCALE),
        base=10,
        min=0,
        max=np.log10(GREATEST_SCALE),
        step=0.02,
        description="Scale",
        readout_format=".1f",
        style=wide,
    )
    scale.continuous_update = False
    texts = [
        ipywidgets.Text(value=text, description=f"Caption {number}", continuous_update=False, style=wide)
        for number, text in enumerate([*state.captions, ""], 1)
    ]
    for text in texts:
        text.layout = ipywidgets.Layout(width="36em")
    image, words = ipywidgets.Image(layout=ipywidgets.Layout(max_width="100%")), ipywidgets.Label()

    def redraw(*_: Any) -> None:
        state.chosen, state.scale = picture.value, scale.value
        state.write([text.value for text in texts])
        words.value = state.sentence()
        image.value = _as_png(board.still())

    for control in (picture, scale, *texts):
        control.observe(redraw, "value")
    redraw()
    return ipywidgets.VBox([picture, scale, *texts, words, image])
