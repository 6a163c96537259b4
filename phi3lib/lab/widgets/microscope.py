"""Notebook 03's token microscope: from a token to its pixels, and back."""

from typing import Any

from PIL import Image

from phi3lib.lab.figures import hd_plots, plots
from phi3lib.lab.widgets.base import Instrument
from phi3lib.lab.widgets.scripts import joined
from phi3lib.lab.widgets.without_kernel.form import Form
from phi3lib.lab.widgets.without_kernel.frames import smallest
from phi3lib.vision.hd_transform import HDGrid, hd_grid
from phi3lib.vision.token_map import (
    TokenKind,
    padded_box_of_token,
    pixels_of_token,
    token_at,
    tokens_at_pixel,
)


class MicroscopeState:
    """One token of a picture's sequence, and the ways to another one. Plain state; holds no widget."""

    def __init__(self, grid: HDGrid, order: str = "sub_glb", index: int = 0) -> None:
        self.grid = grid
        self.order = order
        self.go_to(index)

    def go_to(self, index: int) -> None:
        """Look at token `index`; beyond the ends of the sequence, at the last one there."""
        self.index = min(max(int(index), 0), self.grid.num_image_tokens - 1)

    def move(self, step: int) -> None:
        """Go `step` tokens along the sequence."""
        self.go_to(self.index + step)

    def move_row(self, step: int) -> None:
        """Go `step` rows of tokens down (or, if negative, up) within the sequence."""
        kind = token_at(self.grid, self.index, self.order).view
        across = self.grid.cols if kind is TokenKind.CROP else 1
        self.move(step * (across * self.grid.tile.tokens_per_side + 1))

    def look_at(self, x: int, y: int) -> None:
        """Look at the tokens that see pixel (x, y) of the picture; again at the same pixel: the next."""
        tokens = tokens_at_pixel(self.grid, x, y, self.order)
        here = tokens.index(self.index) if self.index in tokens else -1
        self.index = tokens[(here + 1) % len(tokens)]

    def sentence(self) -> str:
        """Describe the token's position and the pixels that it sees."""
        token = token_at(self.grid, self.index, self.order)
        where = f"Token {self.index} of 0 to {self.grid.num_image_tokens - 1}: "
        if token.kind is TokenKind.VIEW_SEPARATOR:
            return f"{where}the view separator. It represents no pixels."
        if token.kind is TokenKind.ROW_SEPARATOR:
            view = "the crops" if token.view is TokenKind.CROP else "the global view"
            return f"{where}a row separator, after row {token.row} of {view}. It represents no pixels."
        if token.kind is TokenKind.CROP:
            row, col = divmod(token.crop or 0, self.grid.cols)
            where += f"crop {token.crop} (row {row}, column {col})"
        else:
            where += "global view"
        where += f", token row {token.row}, column {token.col} of {self._extent(token.kind)}. "
        seen = pixels_of_token(self.grid, self.index, self.order)
        if seen is None:
            return f"{where}It represents padding only."
        across, down = f"x {seen.left} to {seen.right - 1}", f"y {seen.top} to {seen.bottom - 1}"
        return f"{where}It represents pixels {across}, {down}."

    def _extent(self, kind: TokenKind) -> str:
        """Return in which grid rows and columns of tokens are counted."""
        side, grid = self.grid.tile.tokens_per_side, self.grid
        if kind is TokenKind.CROP:
            return f"the {grid.rows * side} × {grid.cols * side} of all crops"
        return f"{side} × {side}"


class TokenMicroscope(Instrument):
    """Slide along a picture's tokens and see their pixels; click a pixel and see its tokens.

    By keyboard: left and right go along the sequence, up and down by rows of tokens, Page Up and Page Down
    by rows of crops, Home and End to its ends. Under the pointer the cells of crop and global view show.
    """

    def __init__(
        self, picture: Image.Image, *, num_crops: int = 16, order: str = "sub_glb", index: int = 0
    ) -> None:
        super().__init__()
        self.picture = picture
        self.state = MicroscopeState(hd_grid(*picture.size, num_crops), order, index)

    def still(self) -> plots.Still:
        """Return a still picture of the microscope in its current state."""
        state = self.state
        return hd_plots.microscope_still(self.picture, state.grid, state.index, state.sentence(), state.order)

    def live(self) -> Any:
        """Return the widget, created once so that all views show the same token."""
        if self._widget is None:
            self._widget = _make_microscope(self)
        return self._widget

    def scene(self) -> dict[str, Any]:
        """Return what the canvas draws, in pixels of the padded picture."""
        state, grid = self.state, self.state.grid
        box = padded_box_of_token(grid, state.index, state.order)
        return {
            "index": state.index,
            "kind": str(token_at(grid, state.index, state.order).kind),
            "box": None if box is None else list(box),
            "sentence": state.sentence(),
        }

    def without_kernel(self) -> Form:
        """Return the form; its page computes tokens and pixels itself."""
        grid = self.state.grid
        values = {"layout_": self.fixed_parts(), "scene": self.scene(), "picture": self.padded_uri()}
        data = {
            "width": grid.width,
            "height": grid.height,
            "num_crops": grid.num_crops,
            "order": self.state.order,
        }
        return Form("microscope", "tokens", values, data)

    def padded_uri(self) -> str:
        """Return the padded picture, at most 900 pixels wide and high, as a data URI."""
        canvas = hd_plots.padded_picture(self.picture, self.state.grid)
        canvas.thumbnail((900, 900))
        data, mime = plots.encode(canvas)
        return smallest(plots.Still(data, mime, "", canvas.size)).data_uri

    def fixed_parts(self) -> dict[str, Any]:
        """Return what does not depend on the token: sizes, padding, ribbon, colors."""
        grid = self.state.grid
        return {
            "rows": grid.rows,
            "cols": grid.cols,
            "size": list(grid.padded_size),
            "resized": list(grid.resized_size),
            "padding": list(grid.padding),
            "original": [grid.width, grid.height],
            "count": grid.num_image_tokens,
            "runs": [[s, n, str(kind)] for s, n, kind in hd_plots.runs(grid, self.state.order)],
            "colors": {str(kind): color for kind, color in hd_plots.COLORS.items()},
            "paddingColor": plots.PADDING,
            "here": plots.HERE,
            "tokens": grid.tile.tokens_per_side,
        }

    def answer(self, message: dict[str, Any]) -> None:
        """Do what the page asks for; requests that make no sense change nothing."""
        state, value = self.state, message.get("value")
        steps = {"go": state.go_to, "move": state.move, "row": state.move_row}
        step = steps.get(str(message.get("do")))
        if step is not None and isinstance(value, int):
            step(value)
        elif message.get("do") == "look" and isinstance(value, list) and len(value) == 2:
            x, y = value
            grid = state.grid
            if x in range(grid.width) and y in range(grid.height):
                state.look_at(x, y)


def _make_microscope(instrument: TokenMicroscope) -> Any:
    import traitlets

    from phi3lib.lab.widgets.live_view import LiveView

    class Microscope(LiveView):
        _esm = joined("microscope.js")
        layout_ = traitlets.Dict().tag(sync=True)
        scene = traitlets.Dict().tag(sync=True)
        picture = traitlets.Unicode().tag(sync=True)

    widget = Microscope(
        layout_=instrument.fixed_parts(), scene=instrument.scene(), picture=instrument.padded_uri()
    )

    def receive(_: Any, message: dict[str, Any], __: Any) -> None:
        instrument.answer(message)
        widget.scene = instrument.scene()

    widget.on_msg(receive)
    return widget
