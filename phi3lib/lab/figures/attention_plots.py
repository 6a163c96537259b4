"""Figures of prompts and attention: which tokens a prompt holds, and which of them a head reads."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray
from PIL import Image

from phi3lib.lab.figures import hd_plots, plots
from phi3lib.lab.figures.palette import WORD
from phi3lib.vision.evidence import AskedQuestion, PlacedPicture
from phi3lib.vision.token_map import TokenKind, indices_of_view, padded_box_of_token, token_at

Weights = NDArray[np.floating]


def view_of_weights(placed: PlacedPicture, weights: Any, view: TokenKind) -> Weights:
    """Return the weights of one view as a grid (rows, columns); weights: (length,) over the prompt."""
    columns = placed.start + np.array(indices_of_view(placed.grid, view, placed.order))
    return np.asarray(weights, dtype=float)[columns]


def draw_attention(
    axes: Any,
    image: Image.Image,
    placed: PlacedPicture,
    weights: Any,
    *,
    view: TokenKind = TokenKind.CROP,
    title: str = "",
    hidden: Iterable[int] = (),
    box: Sequence[int] | None = None,
) -> None:
    """Draw the weights of one view over the padded image in grey; yellow is the largest of both views.

    weights: (length,) over the prompt. hidden: columns that are drawn hatched. box: left, top, right, bottom
    in pixels of the image, drawn as a frame.
    """
    grid = placed.grid
    width, height = grid.padded_size
    padded = hd_plots.padded_picture(image, grid).convert("L")
    padded.thumbnail((240, 240))
    heat = view_of_weights(placed, weights, view)
    views = (TokenKind.CROP, TokenKind.GLOBAL)
    largest = max(float(view_of_weights(placed, weights, one).max()) for one in views) or 1.0
    where: dict[str, Any] = {"extent": (0, width, height, 0)}
    axes.imshow(np.asarray(padded), cmap="gray", vmin=0, vmax=255, **where)
    axes.imshow(heat, cmap=plots.MAGNITUDE, vmin=0, vmax=largest, alpha=0.6, interpolation="nearest", **where)
    for column in hidden:
        _hatch(axes, placed, column, view)
    if box is not None:
        _frame(axes, grid, box)
    axes.set_axis_off()
    plots.write_title(axes, title)


def _hatch(axes: Any, placed: PlacedPicture, column: int, view: TokenKind) -> None:
    if column not in placed.columns:
        return
    index = column - placed.start
    area = padded_box_of_token(placed.grid, index, placed.order)
    if area is None or token_at(placed.grid, index, placed.order).kind is not view:
        return
    size = (area.right - area.left, area.bottom - area.top)
    axes.add_patch(Rectangle(area[:2], *size, fill=False, hatch="xxx", edgecolor=plots.HERE, lw=0))


def _frame(axes: Any, grid: Any, box: Sequence[int]) -> None:
    scale = grid.resized_size[0] / grid.width
    left, top = box[0] * scale + grid.padding[0], box[1] * scale + grid.padding[1]
    size = ((box[2] - box[0]) * scale, (box[3] - box[1]) * scale)
    axes.add_patch(Rectangle((left, top), *size, fill=False, edgecolor=plots.HERE, lw=1.8))


def draw_prompt(axes: Any, asked: AskedQuestion, hidden: Iterable[int] = ()) -> None:
    """Draw the prompt as a strip of its tokens, colored by kind; hidden ones are crossed out."""
    length = len(asked.input_ids)
    for start, count, kind in _runs(asked):
        color = WORD if kind is None else hd_plots.COLORS[kind]
        axes.add_patch(
            Rectangle((start, 0), count, 1, facecolor=color, edgecolor="white", lw=0, hatch=_hatch_of(color))
        )
    for column in hidden:
        axes.add_patch(
            Rectangle((column, 0.25), 1, 0.5, facecolor="white", edgecolor=plots.HERE, lw=0.4, hatch="xxxx")
        )
    axes.set(xlim=(0, length), ylim=(0, 1), xlabel="place in the prompt")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _runs(asked: AskedQuestion) -> list[tuple[int, int, TokenKind | None]]:
    """(start, count, kind) of equal neighbors along the prompt; kind None for text."""
    kinds: list[TokenKind | None] = [None] * len(asked.input_ids)
    for placed in asked.pictures:
        for index in range(placed.grid.num_image_tokens):
            kinds[placed.start + index] = token_at(placed.grid, index, placed.order).kind
    runs: list[tuple[int, int, TokenKind | None]] = []
    for column, kind in enumerate(kinds):
        if runs and runs[-1][2] is kind:
            start, count, _ = runs[-1]
            runs[-1] = (start, count + 1, kind)
        else:
            runs.append((column, 1, kind))
    return runs


def prompt_legend(figure: Any) -> None:
    """Add the legend of `draw_prompt` below a figure."""
    entries = [Patch(color=WORD, label="text")]
    entries += [
        Patch(facecolor=color, edgecolor="white", lw=0, hatch=_hatch_of(color), label=str(kind))
        for kind, color in hd_plots.COLORS.items()
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=len(entries))


def _hatch_of(color: str) -> str:
    return plots.HATCHES.get(color, "")


def show_prompt(asked: AskedQuestion, *, alt: str) -> None:
    """Show a prompt as a strip of its tokens."""
    fig, axes = plots.figure(height=1.25)
    draw_prompt(axes, asked)
    prompt_legend(fig)
    plots.show(fig, alt=alt)


def show_heads(
    image: Image.Image,
    placed: PlacedPicture,
    attention: Any,
    *,
    alt: str,
    box: Sequence[int] | None = None,
    inside: Sequence[int] = (),
) -> None:
    """Show the weights of every layer and head on the crops: attention (layers, heads, length).

    inside: the columns of what the frame `box` is around; the title of each map gives the weight on them.
    """
    attention = np.asarray(attention, dtype=float)
    layers, heads = min(len(attention), 4), min(attention.shape[1], 4)
    fig, axes = plots.figure(layers, heads, width=5.2, height=1.25 * layers, squeeze=False)
    for layer, head in np.ndindex(layers, heads):
        on_it = f"\n{attention[layer, head, list(inside)].sum():.2f} on the thing" if len(inside) else ""
        draw_attention(
            axes[layer, head],
            image,
            placed,
            attention[layer, head],
            title=f"layer {layer}, head {head}{on_it}",
            box=box,
        )
    plots.show(fig, alt=alt)
