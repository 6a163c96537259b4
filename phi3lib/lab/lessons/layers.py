"""Notebook 02: what the layers of a vision tower hold, and the instrument that walks through them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.knn import unit_rows
from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import PanelInstrument, middle_square, number_among
from phi3lib.lab.widgets.panel import Control, choice, slider
from phi3lib.lab.widgets.without_kernel.drawing import described, line, tile
from phi3lib.moved import old_names

Features = NDArray[np.float32]


@torch.inference_mode()
def layer_features(clip: Any, pictures: Sequence[Image.Image]) -> list[Features]:
    """Return the class token and all patches after every layer: for each layer (N, 1 + patches, width).

    Number 0 is what enters the first layer, the last one what leaves the last layer.
    """
    parts = []
    for start in range(0, len(pictures), 32):
        pixels = clip.pixel_values(pictures[start : start + 32])
        states = clip.model.vision_model(pixel_values=pixels, output_hidden_states=True).hidden_states
        parts.append([state.float().cpu().numpy() for state in states])
    return [np.concatenate(layer) for layer in zip(*parts, strict=True)]


def patch_colors(patches: Features) -> NDArray[np.float64]:
    """Return patches (N, patches, width) as colors (N, rows, cols, 3): their first three principal parts.

    One PCA for all pictures, so that equal colours mean equal features; each component fills 0 to 1.
    """
    count, number, width = patches.shape
    flat = patches.reshape(-1, width).astype(np.float64)
    centered = flat - flat.mean(0)
    _, _, directions = np.linalg.svd(centered[:: max(len(centered) // 4000, 1)], full_matrices=False)
    shown = centered @ directions[:3].T
    low, high = np.percentile(shown, [1, 99], axis=0)
    side = round(number**0.5)
    return np.clip((shown - low) / (high - low), 0, 1).reshape(count, side, side, 3)


def show_layers(
    picture: Image.Image, colors: Sequence[NDArray[np.float64]], titles: Sequence[str], *, alt: str
) -> None:
    """Draw a picture and, beside it, the patch colors of several layers."""
    fig, axes = plots.figure(1, 1 + len(colors), height=1.7)
    plots.picture_axes(axes[0], picture, "the picture")
    for ax, color, title in zip(axes[1:], colors, titles, strict=True):
        plots.picture_axes(ax, color, title, smooth=False)
    plots.show(fig, alt=alt)


def alike_across(patches: Features, on_thing: Any) -> dict[str, float]:
    """Return mean cosines of patches of different pictures: "backgrounds", "things", "one of each".

    patches: (N, patches, width), at least two pictures. on_thing: (N, patches) bool, the patches that show
    the thing; the others show the background.
    """
    count, number, width = patches.shape
    units = unit_rows(patches.reshape(-1, width))
    cosines, thing = units @ units.T, np.asarray(on_thing, dtype=bool).ravel()
    picture = np.repeat(np.arange(count), number)
    elsewhere = picture[:, None] != picture

    def mean(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
        return float(cosines[np.outer(first, second) & elsewhere].mean())

    return {
        "backgrounds": mean(~thing, ~thing),
        "things": mean(thing, thing),
        "one of each": mean(thing, ~thing),
    }


class LayerState:
    """A layer and a patch of a picture, and the most similar patches of the other pictures.

    Plain state; holds no widget. features: for each layer (N, 1 + patches, width), as `layer_features` gives
    them. layer: negative ones count from the last. ValueError for a layer, picture or patch that does not
    exist.
    """

    def __init__(self, features: Sequence[Features], layer: int, picture: int = 0, patch: int = 0) -> None:
        self.units = [
            unit_rows(np.concatenate(list(states[:, 1:]))).reshape(len(states), -1, states.shape[2])
            for states in features
        ]
        self.layer = number_among(len(self.units), layer, "layer")
        pictures, patches, _ = self.units[0].shape
        self.picture = number_among(pictures, picture, "picture")
        self.patch = number_among(patches, patch, "patch")

    @property
    def side(self) -> int:
        """Patches along a side."""
        return round(self.units[0].shape[1] ** 0.5)

    def likeness(self) -> NDArray[np.float32]:
        """Return the cosine of the chosen patch with all patches of all pictures: (N, side, side)."""
        units = self.units[self.layer]
        return (units @ units[self.picture, self.patch]).reshape(len(units), self.side, self.side)

    def best_elsewhere(self, count: int = 5) -> list[tuple[int, int, float]]:
        """Return the most similar patch of each other picture, the best first: (picture, patch, cosine)."""
        likeness = self.likeness().reshape(len(self.units[0]), -1)
        best = [
            (row, int(cosines.argmax()), float(cosines.max()))
            for row, cosines in enumerate(likeness)
            if row != self.picture
        ]
        return sorted(best, key=lambda found: -found[2])[:count]

    def sentence(self) -> str:
        """Describe the state in one sentence (used as alt text)."""
        row, col = divmod(self.patch, self.side)
        found = ", ".join(f"{picture} ({cosine:.2f})" for picture, _, cosine in self.best_elsewhere())
        return (
            f"Layer {self.layer}, picture {self.picture}, patch in row {row}, column {col}; most similar "
            f"patches in pictures, with cosines: {found or 'there is no other picture'}."
        )


class LayerExplorer(PanelInstrument):
    """Choose a layer, a picture and a patch; the most similar patches of the other pictures show."""

    title = "Layer and patch explorer"
    offered_without_kernel: ClassVar[Mapping[str, Sequence[Any]]] = {"picture": (0, 1, 2)}
    limits_without_kernel = "Three of the pictures can be chosen here. The others need a kernel."

    def __init__(
        self,
        pictures: Sequence[Image.Image],
        features: Sequence[Features],
        *,
        layer: int,
        picture: int = 0,
        patch: int = 0,
    ) -> None:
        super().__init__()
        self.pictures = [middle_square(picture) for picture in pictures]
        if len(self.pictures) != len(features[0]):
            raise ValueError(f"{len(self.pictures)} pictures but features of {len(features[0])}")
        self.state = LayerState(features, layer, picture, patch)

    def still(self) -> plots.Still:
        """Return a still picture of the explorer in its current state."""
        state = self.state
        found = state.best_elsewhere()
        fig, axes = plots.figure(1, 2 + len(found), height=1.6)
        chosen = self.pictures[state.picture]
        plots.picture_axes(axes[0], chosen, f"picture {state.picture}\nyour patch")
        plots.picture_axes(axes[1], np.zeros((state.side, state.side)), "similarity\n(yellow: highest)")
        likeness = state.likeness()[state.picture]
        axes[1].imshow(likeness, cmap=plots.MAGNITUDE, extent=(0, chosen.width, chosen.height, 0))
        for ax in axes[:2]:
            _frame_patch(ax, chosen, state.patch, state.side)
        for ax, (picture, patch, cosine) in zip(axes[2:], found, strict=True):
            plots.picture_axes(ax, self.pictures[picture], f"picture {picture}\n{cosine:.2f}")
            _frame_patch(ax, self.pictures[picture], patch, state.side)
        return plots.still(fig, alt=state.sentence())

    def drawing(self) -> dict[str, Any]:
        """Return the picture with its patch, the likeness of its patches, and the best of the others."""
        state, side = self.state, self.state.side

        def position(patch: int) -> tuple[int, int, int]:
            return (*divmod(patch, side), side)

        found = [
            tile(picture, f"picture {picture}\n{cosine:.2f}", patch=position(patch))
            for picture, patch, cosine in state.best_elsewhere()
        ]
        chosen, here = f"picture {state.picture}\nyour patch", position(state.patch)
        likeness = tile(
            None, "similarity\n(yellow: highest)", patch=here, heat=state.likeness()[state.picture]
        )
        return described(state.sentence(), line([tile(state.picture, chosen, patch=here), likeness, *found]))

    def controls(self) -> list[Control]:
        """Return the controls: layer, picture, and the row and column of the patch."""
        state = self.state
        row, col = divmod(state.patch, state.side)
        names = [f"picture {number}" for number in range(len(self.pictures))]
        return [
            slider("layer", "Layer", range(len(state.units)), state.layer),
            choice("picture", "Picture", range(len(names)), state.picture, names),
            slider("row", "Patch row", range(state.side), row),
            slider("column", "Patch column", range(state.side), col),
        ]

    def take(self, chosen: dict[str, Any]) -> None:
        """Set layer, picture, and the patch in this row and column."""
        self.state.layer, self.state.picture = chosen["layer"], chosen["picture"]
        self.state.patch = chosen["row"] * self.state.side + chosen["column"]


def _frame_patch(axes: Any, picture: Image.Image, patch: int, side: int) -> None:
    row, col = divmod(patch, side)
    width, height = picture.width / side, picture.height / side
    for color, thickness in (("white", 4), (plots.HERE, 2)):
        frame = Rectangle((col * width, row * height), width, height, fill=False)
        frame.set(edgecolor=color, linewidth=thickness)
        axes.add_patch(frame)


def check_of_layers(states: Sequence[Features], kept: Any, shape: Any, color: Any) -> Any:
    """Return the check of exercise 02.3 for these features: where colour leads shape the most.

    states: for each layer (N, 1 + patches, width), the first being layer 1, of which the class token is read;
    kept: which pictures count; shape, color: their labels.
    """
    from phi3lib.embeddings.compare import probe_hits
    from phi3lib.lab.checks.nb02 import best_layer

    tokens = [state[kept][:, 0] for state in states]
    shape_hits, color_hits = (
        {layer: list(probe_hits(read, labels[kept], folds=3)) for layer, read in enumerate(tokens, 1)}
        for labels in (shape, color)
    )
    return best_layer(color_hits, shape_hits, names=("colour", "shape"))


__getattr__ = old_names(__name__, {"patch_colours": "patch_colors"})  # changed in 0.2.0
