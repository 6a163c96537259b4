"""What every instrument is: a still picture and a live widget of one state, shown as one output."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from phi3lib.lab import plots
from phi3lib.lab.panel import Control, make_panel, values_of_page


class Instrument:
    """Shows a live widget and its still twin as one output.

    Where the page has a kernel and shows widgets, it is live. In a saved notebook and elsewhere the still
    picture stands in its place: both travel in one output.
    """

    _widget: Any = None

    def still(self) -> plots.Still:
        """The instrument as it stands, as a picture."""
        raise NotImplementedError

    def live(self) -> Any:
        """The widget; made once, so that all its views show the same."""
        raise NotImplementedError

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.still()._repr_mimebundle_())
        view = self.live()._repr_mimebundle_()
        data = view[0] if isinstance(view, tuple) else view or {}
        key = "application/vnd.jupyter.widget-view+json"
        return {**bundle, key: data[key]} if key in data else bundle


class PanelInstrument(Instrument):
    """An instrument of labelled controls above one picture and its sentence.

    `controls` says what can be set, `take` gives what was set to the state; the rest is here.
    """

    title = ""
    _controls: Sequence[Control] = ()

    def controls(self) -> Sequence[Control]:
        """The controls with the values that the state has now."""
        raise NotImplementedError

    def take(self, chosen: dict[str, Any]) -> None:
        """Set the state to the chosen values, by the names of the controls. ValueError: said on the page."""
        raise NotImplementedError

    def live(self) -> Any:
        """The widget; made once, so that all its views show the same."""
        if self._widget is None:
            self._controls = self.controls()
            self._widget = make_panel(self.title, self._controls, self.take, self.still)
        return self._widget

    def choose(self, **chosen: Any) -> None:
        """Set controls by name, as the page does: `choose(layer=3)`. ValueError for what is not offered."""
        widget = self.live()
        widget.values = {**widget.values, **values_of_page(self._controls, chosen)}


def number_among(count: int, number: int, what: str) -> int:
    """`number` counted from 0; negative ones count from the end. ValueError where there is none."""
    if not -count <= number < count:
        raise ValueError(f"there is no {what} {number}: they are numbered 0 to {count - 1}")
    return number % count


def drawable(text: str, longest: int = 40) -> str:
    """A reader's text for a figure: dollar signs stay what they are, too long ones lose their middle."""
    line = " ".join(text.split())
    if len(line) > longest:
        line = f"{line[: longest - longest // 2 - 1]}…{line[-(longest // 2) :]}"
    return line.replace("$", r"\$")


def middle_square(picture: Image.Image) -> Image.Image:
    """The part of a picture that CLIP sees: the largest square around its middle."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))
