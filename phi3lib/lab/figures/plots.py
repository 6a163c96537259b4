"""Figures: one way to make them, one meaning for each color.

    figure, axes = plots.figure(width=8, height=3)
    axes.bar(...)
    plots.show(figure, alt="What it shows, and what to notice.")

A figure becomes an `<img>` with its alternative text inside the notebook, because JupyterLab shows no
alternative text for plain `image/png` outputs. An `image/png` copy is for exports to LaTeX and PDF.
pyplot is not used, so nothing is drawn twice and no figure lingers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage, BboxImage
from matplotlib.patches import Rectangle
from PIL import Image

from phi3lib.lab.figures.palette import (  # noqa: F401  # public names of this module, too
    BLACK,
    BLUE,
    CLASSES,
    CROP,
    DIVERGING,
    GLOBAL_VIEW,
    GREEN,
    HERE,
    MAGNITUDE,
    ORANGE,
    OUTLINE,
    PADDING,
    PURPLE,
    ROW_SEPARATOR,
    SKY,
    VERMILION,
    VIEW_SEPARATOR,
    YELLOW,
)
from phi3lib.lab.figures.shown_text import artists_of, readable, take_literally
from phi3lib.lab.figures.stills import Still, encode
from phi3lib.moved import old_keyword

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # beside CLASSES: never color alone
HATCHES = {CROP: "", GLOBAL_VIEW: "...", ROW_SEPARATOR: "---", VIEW_SEPARATOR: "xxx", PADDING: "////"}

MAX_WIDTH = 8.0  # inches
DPI = 100
STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def figure(
    rows: int = 1, cols: int = 1, *, width: float = MAX_WIDTH, height: float = 3.0, **grid: Any
) -> Any:
    """Return (figure, axes) of `width` × `height` inches, at most 8 wide; options as in `Figure.subplots`."""
    if width > MAX_WIDTH:
        raise ValueError(f"a figure may be at most {MAX_WIDTH:g} inches wide, not {width:g}")
    import matplotlib

    with matplotlib.rc_context(STYLE):
        fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(fig)
        return fig, fig.subplots(rows, cols, **grid)


def show(fig: Figure, *, alt: str) -> None:
    """Show a figure in the notebook. `alt` says what it shows and what to notice."""
    display_still(still(fig, alt=alt))


def display_still(picture: Still) -> None:
    """Show a finished picture below the cell."""
    from IPython.display import display

    display(picture)


def still(fig: Figure, *, alt: str) -> Still:
    """Turn a figure into a picture. Raises ValueError without `alt`, and for axes without labels."""
    alt = " ".join(readable(alt or "").split())
    if not alt:
        raise ValueError("alt is empty: say in a sentence what the figure shows and what to notice")
    _require_labels(fig)
    image = drawn(fig)
    data, mime = encode(image, keep=(*CLASSES, PADDING))
    has_image = any(isinstance(artist, AxesImage | BboxImage) for artist in artists_of(fig))
    return Still(data, mime, alt, image.size, drawing=not has_image)


def drawn(fig: Figure) -> Image.Image:
    """Return a figure on white, as `savefig` draws it; that draws twice, once for the layout alone."""
    import matplotlib

    canvas = fig.canvas if isinstance(fig.canvas, FigureCanvasAgg) else FigureCanvasAgg(fig)
    own = fig.get_facecolor()
    with matplotlib.rc_context(STYLE):
        take_literally(fig)
        fig.set_facecolor("white")
        try:
            canvas.draw()
        finally:
            fig.set_facecolor(own)
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def write_png(fig: Figure, file: Any, **options: Any) -> None:
    """Write a figure as PNG; its texts are shown as they are, dollar signs too. Options as in `savefig`."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        take_literally(fig)
        fig.savefig(file, format="png", facecolor="white", **options)


def _require_labels(fig: Figure) -> None:
    for axes in fig.axes:
        if axes.axison and axes.get_label() != "<colorbar>":
            for axis in (axes.xaxis, axes.yaxis):
                if axis.get_visible() and len(axis.get_ticklocs()) and not axis.get_label_text():
                    raise ValueError(
                        f"the {axis.axis_name} axis of {axes.get_title() or 'a plot'!r} has ticks but no "
                        f"label; label it, or switch it off: set_axis_off() or set_{axis.axis_name}ticks([])"
                    )


# --------------------------------------------------------------------- ready-made figures


def picture_axes(axes: Axes, picture: Any, title: str = "", *, smooth: bool = True) -> Axes:
    """Draw a picture (PIL, or an array of height × width (× 3)) without axes; pixels stay square."""
    axes.imshow(np.asarray(picture), interpolation="antialiased" if smooth else "nearest")
    axes.set_axis_off()
    return write_title(axes, title)


def frame(axes: Axes) -> None:
    """Draw a thin line around a picture."""
    around = Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, edgecolor=PADDING, clip_on=False)
    around.set_linewidth(0.8)
    axes.add_patch(around)


def write_title(axes: Axes, text: str, *, loc: Any = "center") -> Axes:
    """Write a title in the course's size; matplotlib takes its own default outside `figure`."""
    # Above ticks matplotlib looks for the title's place; it would make the ticks of axes without any.
    y = None if axes.axison else 1.0
    axes.set_title(text, loc=loc, y=y, fontsize=STYLE["axes.titlesize"])
    return axes


def pictures(
    items: Sequence[Any],
    titles: Sequence[str],
    *,
    alt: str,
    height: float = 2.6,
    cols: int = 0,
    framed: bool = False,
) -> None:
    """Draw pictures side by side, each under its title; `cols` a row (default: all in one row).

    framed: with a thin line around each, so that white edges show on the white page.
    """
    if len(items) != len(titles):
        raise ValueError(f"{len(items)} pictures but {len(titles)} titles")
    cols = cols or len(items)
    rows = -(-len(items) // cols)
    fig, axes = figure(rows, cols, height=height * rows, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, item, title in zip(axes.flat, items, titles, strict=False):
        picture_axes(ax, item, title)
        if framed:
            frame(ax)
    show(fig, alt=alt)


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    *,
    alt: str,
    xlabel: str,
    ylabel: str = "",
    color: str = BLUE,
) -> None:
    """Draw horizontal bars, the first on top, with their values written beside them."""
    fig, axes = figure(height=0.6 + 0.32 * len(labels))
    positions = range(len(labels))
    drawn = axes.barh(positions, values, color=color, height=0.7)
    axes.bar_label(drawn, padding=3, fmt=lambda value: f"{value:,.4g}")
    axes.set_yticks(positions, labels=labels)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel or " ")
    show(fig, alt=alt)


def matrix(
    values: Any,
    *,
    alt: str,
    rows: Sequence[str],
    cols: Sequence[str],
    xlabel: str,
    ylabel: str,
    diverging: bool = False,
    fmt: str = ".2f",
) -> None:
    """Draw a matrix as colored squares with their values; diverging colors only around a meaningful zero."""
    values = np.asarray(values, dtype=float)
    fig, axes = figure(width=min(MAX_WIDTH, 2.6 + 0.75 * len(cols)), height=1.2 + 0.5 * len(rows))
    limit = float(np.abs(values).max()) or 1.0
    scale: dict[str, Any] = (
        {"cmap": DIVERGING, "vmin": -limit, "vmax": limit} if diverging else {"cmap": MAGNITUDE}
    )
    image = axes.imshow(values, aspect="auto", **scale)
    for (row, col), value in np.ndenumerate(values):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        axes.text(col, row, format(value, fmt), ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(cols)), labels=cols, rotation=25 if max(map(len, cols)) > 8 else 0)
    axes.set_yticks(range(len(rows)), labels=rows)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    show(fig, alt=alt)


@old_keyword("places", "coordinates")
def map_axes(axes: Axes, coordinates: Any, labels: Any = None, title: str = "", *, size: float = 14) -> Axes:
    """Draw points (N, 2) in the plane, each label with a color and a mark of its own; no ticks.

    Distances on such a map have no unit, so the axes carry none. The legend is the caller's:
    `figure.legend(*axes.get_legend_handles_labels())`.
    """
    coordinates = np.asarray(coordinates)
    names = np.zeros(len(coordinates), dtype=int) if labels is None else np.asarray(labels)
    for number, name in enumerate(np.unique(names)):
        chosen = names == name
        axes.scatter(
            coordinates[chosen, 0],
            coordinates[chosen, 1],
            s=size,
            color=CLASSES[number % len(CLASSES)],
            marker=MARKERS[(number + number // len(CLASSES)) % len(MARKERS)],
            linewidths=0.3,
            edgecolors=OUTLINE,
            label=None if labels is None else str(name),
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    return write_title(axes, title)


def picture_matrix(
    values: Any, items: Sequence[Any], captions: Sequence[str], *, alt: str, fmt: str = ".2f"
) -> None:
    """Draw a matrix (captions × pictures) with its pictures and captions; the diagonal is framed."""
    values = np.asarray(values, dtype=float)
    if values.shape != (len(captions), len(items)):
        raise ValueError(
            f"values {values.shape} do not fit {len(captions)} captions and {len(items)} pictures"
        )
    fig, axes = figure(height=1.3 + 0.42 * len(captions))
    axes.imshow(values, aspect="auto", cmap=MAGNITUDE, extent=(0, len(items), len(captions), 0))
    middle = (values.max() + values.min()) / 2
    for (row, col), value in np.ndenumerate(values):
        ink = "black" if value > middle else "white"
        axes.text(col + 0.5, row + 0.5, format(value, fmt), ha="center", va="center", color=ink, fontsize=8)
    for index in range(min(values.shape)):
        axes.add_patch(Rectangle((index, index), 1, 1, fill=False, edgecolor=HERE, lw=2))
    axes.set_yticks([row + 0.5 for row in range(len(captions))], labels=captions)
    axes.set_xticks([])
    axes.set_ylabel(" ")
    for col, item in enumerate(items):
        ax = axes.inset_axes((col, -1.9, 1, 1.7), transform=axes.transData)
        picture_axes(ax, item)
    show(fig, alt=alt)


def vector_strip(
    vectors: Any, labels: Sequence[str], *, alt: str, xlabel: str = "place in the vector"
) -> None:
    """Draw vectors as colored strips, one under the other, on one scale around zero."""
    vectors = np.atleast_2d(np.asarray(vectors, dtype=float))
    fig, axes = figure(height=0.9 + 0.42 * len(vectors))
    limit = float(np.abs(vectors).max()) or 1.0
    image = axes.imshow(
        vectors, aspect="auto", cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest"
    )
    axes.set_yticks(range(len(vectors)), labels=labels)
    axes.set_ylabel(" ")
    axes.set_xlabel(xlabel)
    fig.colorbar(image, ax=axes, label="value", fraction=0.05, pad=0.01)
    show(fig, alt=alt)
