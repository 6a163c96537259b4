"""Notebook 01's instrument: captions that you write and a temperature that you turn."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.knn import unit_rows
from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import PanelInstrument, drawable, number_among
from phi3lib.lab.widgets.panel import Control, choice, slider, text
from phi3lib.lab.widgets.without_kernel.drawing import small_pictures
from phi3lib.lab.widgets.without_kernel.form import Form
from phi3lib.lab.widgets.without_kernel.frames import narrowed, smallest
from picturebook.colors import COLORS
from picturebook.kinds import KINDS

SCALES = tuple(float(f"{scale:.3g}") for scale in np.geomspace(1, 200, 80))
# Captions to choose from on a page without a kernel, beside those that are given.
CAPTIONS = (
    *(f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in KINDS),
    *(f"a {color} thing" for color in COLORS),
)
LONGEST = 32  # letters of a caption in the figure


class TemperatureState:
    """One of several pictures, captions, and the scale of their cosines. Plain state; holds no widget.

    vectors: (N, d), a row for each picture. encode: captions → (M, d). ValueError for a scale that is not
    above zero, for no such picture, and without captions.
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
        if not 0 < scale < np.inf:
            raise ValueError(f"a scale is above zero, not {scale}")
        self.scale, self.chosen = scale, number_among(len(self.vectors), chosen, "picture")
        self.captions: list[str] = []
        self.write(captions)
        if not self.captions:
            raise ValueError("give at least one caption")

    def write(self, captions: Sequence[str]) -> None:
        """Take these captions; empty ones and repeated ones are left out. Nothing changes without any."""
        kept = list(dict.fromkeys(text.strip() for text in captions if text.strip()))
        if kept and kept != self.captions:
            self.captions, self._texts = kept, unit_rows(self.encode(kept))

    def cosines(self) -> NDArray[np.float32]:
        """Return the chosen picture's cosine with each caption: (M,)."""
        return self._texts @ self.vectors[self.chosen]

    def probabilities(self) -> NDArray[np.float64]:
        """Return the softmax of the scaled cosines: (M,)."""
        logits = self.scale * self.cosines().astype(np.float64)
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()

    def entropy(self) -> float:
        """Return the entropy of the probabilities in bits: 0 for certain, log2 M for equal."""
        p = self.probabilities()
        return float(-(p * np.log2(np.maximum(p, 1e-300))).sum()) + 0.0

    def sentence(self) -> str:
        """Describe the state in one sentence (used as alt text)."""
        p = self.probabilities()
        best = int(p.argmax())
        return (
            f"Picture {self.chosen}, scale {self.scale:.1f}: “{self.captions[best]}” with p = {p[best]:.2f}; "
            f"entropy {self.entropy():.2f} of at most {np.log2(len(p)):.2f} bits."
        )


class TemperatureBoard(PanelInstrument):
    """Choose a picture, write captions, turn the scale: cosines and probabilities follow."""

    title = "Temperature board"

    def __init__(
        self,
        pictures: Sequence[Any],
        captions: Sequence[str],
        clip: Any,
        *,
        scale: float | None = None,
        chosen: int = 0,
    ) -> None:
        super().__init__()
        self.pictures = list(pictures)
        own = float(clip.model.logit_scale.detach().exp())
        self.state = TemperatureState(
            clip.image_features(self.pictures).numpy(),
            captions,
            lambda texts: clip.text_features(texts).numpy(),
            own if scale is None else scale,
            chosen,
        )

    def still(self) -> plots.Still:
        """Return a still picture of the board in its current state."""
        state = self.state
        height = max(1.9, 0.7 + 0.36 * len(state.captions))
        fig, (left, middle, right) = plots.figure(1, 3, height=height, width_ratios=[1, 1.6, 1.6])
        plots.picture_axes(left, self.pictures[state.chosen], f"picture {state.chosen}")
        positions = np.arange(len(state.captions))
        middle.barh(positions, state.cosines(), color=plots.SKY)
        middle.set_yticks(positions, labels=[drawable(caption, LONGEST) for caption in state.captions])
        middle.set_xlabel("cosine")
        bars = right.barh(positions, state.probabilities(), color=plots.BLUE)
        right.bar_label(bars, fmt="%.2f", padding=2)
        right.set_yticks([])
        right.set_xlim(0, 1.18)
        right.set_xlabel(f"probability at scale {state.scale:.1f}")
        most = np.log2(len(positions))
        plots.write_title(right, f"entropy {state.entropy():.2f} of at most {most:.2f} bits")
        for axes in (middle, right):
            axes.invert_yaxis()
            axes.set_ylabel(" ")
        return plots.still(fig, alt=state.sentence())

    def controls(self) -> list[Control]:
        """Return the controls: picture, scale, and a line for each caption and one more."""
        state = self.state
        names = [f"picture {number}" for number in range(len(self.pictures))]
        return [
            choice("picture", "Picture", range(len(names)), state.chosen, names),
            slider("scale", "Scale (1 / temperature)", SCALES, state.scale, lambda scale: f"{scale:.1f}"),
            *(
                text(f"caption_{number}", f"Caption {number}", caption)
                for number, caption in enumerate([*state.captions, ""], 1)
            ),
        ]

    def without_kernel(self) -> Form:
        """Return the form with the cosines of all pictures with many captions; its page computes the rest."""
        state = self.state
        captions = list(dict.fromkeys([*state.captions, "", *CAPTIONS]))
        controls = [narrowed(one, captions) if one.kind == "text" else one for one in self.controls()]
        written = [caption for caption in captions if caption]
        cosines = state.vectors @ unit_rows(state.encode(written)).T
        values = {
            "title": self.title,
            "controls": [one.for_page() for one in controls],
            "values": {one.name: one.to_page(one.value) for one in controls},
        }
        data = {
            "offered": {one.name: list(one.values) for one in controls},
            "captions": written,
            "cosines": cosines.astype(float).tolist(),
            "pictures": [smallest(one).data_uri for one in small_pictures(self.pictures)],
        }
        limits = "The captions of these lists can be chosen here. Your own captions need a kernel."
        return Form("panel", "temperature", values, data, limits)

    def take(self, chosen: dict[str, Any]) -> None:
        """Set picture and scale, and the captions that are not empty."""
        self.state.chosen, self.state.scale = chosen["picture"], chosen["scale"]
        self.state.write([value for name, value in chosen.items() if name.startswith("caption")])
