"""Notebook 03's grid explorer: a picture's size and number of crops, the grid and the tokens that follow."""

from typing import Any

from phi3lib.lab.figures import hd_plots, plots
from phi3lib.lab.widgets.base import PanelInstrument
from phi3lib.lab.widgets.panel import Control, slider
from phi3lib.lab.widgets.without_kernel.form import Form
from phi3lib.vision.hd_transform import HDGrid, hd_grid

SIDES = range(16, 2001, 16)  # pixels that the sliders offer


class GridState:
    """A picture's size and the number of crops, and the grid that follows. Plain state; holds no widget."""

    def __init__(self, width: int = 640, height: int = 427, num_crops: int = 16) -> None:
        self.width, self.height, self.num_crops = width, height, num_crops

    @property
    def grid(self) -> HDGrid:
        """Raises ValueError for sizes too extreme, as `hd_grid` does."""
        return hd_grid(self.width, self.height, self.num_crops)

    def sentence(self) -> str:
        """Describe grid, padding and token bill."""
        grid = self.grid
        padded = grid.padded_size[0] * grid.padded_size[1]
        white = 1 - grid.resized_size[0] * grid.resized_size[1] / padded
        return (
            f"{self.width} × {self.height} pixels with at most {self.num_crops} crops: "
            f"{grid.rows} × {grid.cols} crops, {grid.padded_size[0]} × {grid.padded_size[1]} pixels, "
            f"{white:.0%} padding, {grid.num_image_tokens} tokens."
        )


class GridExplorer(PanelInstrument):
    """Sliders for a picture's size and its crops; the grid, the padding and the token bill follow."""

    title = "Grid explorer"

    def __init__(self, width: int = 640, height: int = 427, num_crops: int = 16) -> None:
        super().__init__()
        self.state = GridState(width, height, num_crops)

    def still(self) -> plots.Still:
        """Return a still picture of the explorer in its current state."""
        return hd_plots.grid_still(self.state.grid, self.state.sentence())

    def controls(self) -> list[Control]:
        """Return the controls: width, height, and the number of crops."""
        state = self.state
        return [
            slider("width", "Width (pixels)", SIDES, state.width),
            slider("height", "Height (pixels)", SIDES, state.height),
            slider("num_crops", "Crops at most", range(1, 17), state.num_crops),
        ]

    def without_kernel(self) -> Form:
        """Return the form; its page computes the grid itself."""
        controls = self.controls()
        values = {
            "title": self.title,
            "controls": [one.for_page() for one in controls],
            "values": {one.name: one.to_page(one.value) for one in controls},
        }
        return Form("panel", "grid", values, {"offered": {one.name: list(one.values) for one in controls}})

    def take(self, chosen: dict[str, Any]) -> None:
        """Set width, height and number of crops; ValueError for extreme sizes, which change nothing."""
        hd_grid(*chosen.values())
        for name, value in chosen.items():
            setattr(self.state, name, value)
