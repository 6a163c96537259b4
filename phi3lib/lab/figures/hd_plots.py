"""Figures of the HD transform: grids, crops, tokens and the ribbon, in the colors of the course."""

from typing import Any

from matplotlib.patches import Rectangle
from PIL import Image

from phi3lib.lab.figures import plots
from phi3lib.moved import old_names
from phi3lib.vision.hd_transform import HDGrid, pad_picture, resize_picture
from phi3lib.vision.token_map import TokenKind, padded_box_of_token, token_at

COLORS = {
    TokenKind.CROP: plots.CROP,
    TokenKind.GLOBAL: plots.GLOBAL_VIEW,
    TokenKind.ROW_SEPARATOR: plots.ROW_SEPARATOR,
    TokenKind.VIEW_SEPARATOR: plots.VIEW_SEPARATOR,
}


def padded_picture(picture: Image.Image, grid: HDGrid) -> Image.Image:
    """Return the resized picture on its white canvas, `grid.padded_size` pixels."""
    return pad_picture(resize_picture(picture, grid), grid)


def draw_grid(axes: Any, picture: Image.Image, grid: HDGrid) -> None:
    """Draw the padded picture with the borders of crops, their numbers, and hatched padding."""
    plots.picture_axes(axes, padded_picture(picture, grid).reduce(2))
    scale, tile = 0.5, grid.tile.tile_size
    for box in padding_boxes(grid):
        corner, width, height = (box[0] * scale, box[1] * scale), box[2] * scale, box[3] * scale
        axes.add_patch(
            Rectangle(corner, width, height, fill=False, hatch="////", edgecolor=plots.PADDING, lw=0)
        )
    for crop in range(grid.rows * grid.cols):
        row, col = divmod(crop, grid.cols)
        corner = (col * tile * scale, row * tile * scale)
        axes.add_patch(
            Rectangle(corner, tile * scale, tile * scale, fill=False, edgecolor=plots.CROP, lw=1.5)
        )
        axes.text(
            corner[0] + 8,
            corner[1] + 8,
            str(crop),
            va="top",
            color="white",
            bbox={"facecolor": plots.CROP, "edgecolor": "none", "pad": 1.5},
        )


def padding_boxes(grid: HDGrid) -> list[tuple[int, int, int, int]]:
    """Return (left, top, width, height) of the white strips, in pixels of the padded picture."""
    width, height = grid.padded_size
    left, top, right, bottom = grid.padding
    strips = [
        (0, 0, left, height),
        (width - right, 0, right, height),
        (0, 0, width, top),
        (0, height - bottom, width, bottom),
    ]
    return [strip for strip in strips if strip[2] and strip[3]]


def runs(grid: HDGrid, order: str = "sub_glb") -> list[tuple[int, int, TokenKind]]:
    """Return (start, length, kind) of each stretch of equal tokens in the sequence."""
    found: list[tuple[int, int, TokenKind]] = []
    for index in range(grid.num_image_tokens):
        kind = token_at(grid, index, order).kind
        if found and found[-1][2] is kind:
            start, length, _ = found[-1]
            found[-1] = (start, length + 1, kind)
        else:
            found.append((index, 1, kind))
    return found


def draw_ribbon(axes: Any, grid: HDGrid, order: str = "sub_glb", here: int | None = None) -> None:
    """Draw the token sequence as one ribbon; separators are longer: of rows thin, of views thick."""
    lines = {TokenKind.VIEW_SEPARATOR: (-0.4, 1.4, 2.5), TokenKind.ROW_SEPARATOR: (-0.25, 1.25, 1.0)}
    for start, length, kind in runs(grid, order):
        if kind in lines:  # one token of many hundreds: a line of even width, wider than the token
            low, high, width = lines[kind]
            axes.vlines(
                start + length / 2, low, high, color=COLORS[kind], lw=width, zorder=2 + width, snap=False
            )
            continue
        axes.fill_between(
            [start, start + length],
            0.0,
            1.0,
            facecolor=COLORS[kind],
            edgecolor="white",
            hatch=plots.HATCHES[COLORS[kind]],
            lw=0,
            zorder=2,
        )
    if here is not None:
        axes.annotate(
            f"token {here}",
            (here + 0.5, 1.1),
            (here + 0.5, 1.9),
            color=plots.HERE,
            ha="center",
            arrowprops={"arrowstyle": "->", "color": plots.HERE},
        )
    axes.set_xlim(0, grid.num_image_tokens)
    axes.set_ylim(-0.4, 2.4 if here is not None else 1.4)
    axes.set_yticks([])
    axes.set_xlabel("place in the token sequence")
    axes.set_ylabel(" ")


def ribbon_legend(fig: Any) -> None:
    """Draw the legend of the four colors of a ribbon."""
    handles = [
        Rectangle(
            (0, 0), 1, 1, facecolor=color, hatch=plots.HATCHES[color], edgecolor="white", label=str(kind)
        )
        for kind, color in COLORS.items()
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)


def grid_and_ribbon(picture: Image.Image, grid: HDGrid, *, alt: str, order: str = "sub_glb") -> None:
    """Draw crops and padding of a picture above the ribbon of its tokens."""
    fig, (above, below) = plots.figure(2, 1, height=4.2, height_ratios=[4, 1])
    draw_grid(above, picture, grid)
    draw_ribbon(below, grid, order)
    ribbon_legend(fig)
    plots.show(fig, alt=alt)


def microscope_still(
    picture: Image.Image, grid: HDGrid, index: int, sentence: str, order: str
) -> plots.Still:
    """Draw the token microscope: the token on the padded picture and in the sequence."""
    fig, axes = plots.figure(2, 2, height=4.4, height_ratios=[4, 1], width_ratios=[2, 1])
    draw_grid(axes[0, 0], picture, grid)
    plots.picture_axes(axes[0, 1], padded_picture(picture, grid).resize((336, 336)), "global view")
    plots.frame(axes[0, 1])
    box = padded_box_of_token(grid, index, order)
    if box is not None:
        crop = token_at(grid, index, order).kind is TokenKind.CROP
        _mark(axes[0, 0], box, 0.5, lw=2.5 if crop else 1.5)
        width, height = grid.padded_size
        _mark(axes[0, 1], box, (336 / width, 336 / height), lw=1.5 if crop else 2.5)
    spec = axes[1, 0].get_gridspec()
    for ax in axes[1]:
        ax.remove()
    draw_ribbon(fig.add_subplot(spec[1, :]), grid, order, here=index)
    ribbon_legend(fig)
    return plots.still(fig, alt=f"Token microscope, still picture. {sentence}")


def _mark(axes: Any, box: Any, scale: Any, lw: float) -> None:
    across, down = scale if isinstance(scale, tuple) else (scale, scale)
    corner = (box.left * across, box.top * down)
    size = ((box.right - box.left) * across, (box.bottom - box.top) * down)
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=plots.HERE, lw=lw, zorder=5))


def grid_still(grid: HDGrid, sentence: str) -> plots.Still:
    """Draw the outline of a picture of this size: tiles, resized picture, padding, number of tokens."""
    fig, (left, right) = plots.figure(1, 2, height=3.2)
    width, height = grid.padded_size
    tile = grid.tile.tile_size
    for box in padding_boxes(grid):
        left.add_patch(
            Rectangle(box[:2], box[2], box[3], facecolor="white", edgecolor=plots.PADDING, hatch="////", lw=0)
        )
    corner = grid.padding[:2]
    left.add_patch(Rectangle(corner, *grid.resized_size, facecolor=plots.SKY, alpha=0.35))
    for row in range(grid.rows):
        for col in range(grid.cols):
            left.add_patch(
                Rectangle((col * tile, row * tile), tile, tile, fill=False, edgecolor=plots.CROP, lw=1.5)
            )
    left.set_xlim(-20, width + 20)
    left.set_ylim(height + 20, -20)
    left.set_aspect("equal")
    left.set_xlabel("padded width in pixels")
    left.set_ylabel("padded height in pixels")
    bill = token_bill(grid)
    colors = [COLORS[kind] for kind in bill]
    bars = right.barh([str(kind) for kind in bill], list(bill.values()), color=colors)
    right.bar_label(bars, padding=3)
    right.margins(x=0.2)
    right.set_xlabel("tokens")
    right.set_ylabel(" ")
    plots.write_title(right, f"{grid.num_image_tokens} tokens")
    return plots.still(fig, alt=f"Grid of crops and token bill. {sentence}")


def token_bill(grid: HDGrid) -> dict[TokenKind, int]:
    """Return the number of tokens of each kind the sequence has."""
    counts = dict.fromkeys(COLORS, 0)
    for _, length, kind in runs(grid):
        counts[kind] += length
    return counts


__getattr__ = old_names(__name__, {"COLOURS": "COLORS"})  # changed in 0.2.0
