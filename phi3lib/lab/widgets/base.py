"""The base of all instruments: a live widget, and a still picture of its state as a separate output."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import traitlets
from ipywidgets import VBox
from PIL import Image

from phi3lib.lab.figures import plots
from phi3lib.lab.figures.shown_text import readable, shortened
from phi3lib.lab.widgets.panel import Control, make_panel, values_of_page
from phi3lib.lab.widgets.without_kernel.form import Form, WholePage
from phi3lib.lab.widgets.without_kernel.frames import frames
from phi3lib.lab.widgets.without_kernel.recording import record

VIEW = "application/vnd.jupyter.widget-view+json"


class Instrument(VBox):
    """Shows a live widget, and below it a still picture that the widget hides while it is connected.

    The two are separate outputs: a notebook that is saved and opened again without its kernel has the still
    picture, and so has every export. An instrument is an ipywidget, a box with the live widget: it can be
    put into an `HBox` or a `Tab`.
    """

    title = ""  # of the instrument, as a listener hears it
    _widget: Any = None

    def __init__(self) -> None:
        super().__init__()

    def open(self) -> None:
        """Open no connection to the page yet: the live widget is made when it is first shown."""

    @property
    def model_id(self) -> str:
        """The id by which a page finds the box; asking for it opens the connection."""
        if self.comm is None:
            self.children = (self.live(),)
            super().open()
        return super().model_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def still(self) -> plots.Still:
        """Return the instrument as it stands, as a picture."""
        raise NotImplementedError

    def live(self) -> Any:
        """Return the widget; it is made once, so that all its views show the same."""
        raise NotImplementedError

    def without_kernel(self) -> Form | WholePage | None:
        """Return the form for a page that has no kernel; None if the instrument cannot work there."""
        return None

    def _ipython_display_(self) -> None:
        from IPython.display import display

        still, widget = self._still_and_live()
        record(self, still.key)
        widget.hide_while_connected(still.key)
        data, metadata = _view_of(widget)
        display(data, metadata=metadata, raw=True)
        display({**still._repr_mimebundle_(), "text/html": still.to_twin_html(self.title)}, raw=True)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """Return view and still as one bundle, for front ends that do not ask IPython to display."""
        still, widget = self._still_and_live()
        data, metadata = _view_of(widget)
        bundle = {**still._repr_mimebundle_(), **data}
        return (bundle, metadata) if metadata else bundle

    def _still_and_live(self) -> tuple[plots.Still, Any]:
        return self.still(), self.live()


def _view_of(widget: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (data, metadata) of a widget's view alone; Colab finds its widget manager in the metadata."""
    bundle = widget._repr_mimebundle_()
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
    return ({VIEW: data[VIEW]} if VIEW in data else {}), dict(metadata)


class PanelInstrument(Instrument):
    """An instrument of labelled controls above one picture and its sentence.

    `controls` says what can be set, `take` gives what was set to the state; the rest is here. `values` has
    the values of the controls by name; it can be observed, linked and set. On a page without a kernel, all
    states are pictures that were drawn in advance; `offered_without_kernel` names controls with the values
    to keep where there are too many, and `limits_without_kernel` says so in a sentence.
    """

    offered_without_kernel: ClassVar[Mapping[str, Sequence[Any]]] = {}
    limits_without_kernel = ""
    _controls: Sequence[Control] = ()
    values: Any = traitlets.Dict()

    def controls(self) -> Sequence[Control]:
        """Return the controls with the current values of the state."""
        raise NotImplementedError

    def take(self, chosen: dict[str, Any]) -> None:
        """Set the state to the chosen values, by the names of the controls. ValueError: said on the page."""
        raise NotImplementedError

    def without_kernel(self) -> Form | WholePage | None:
        """Return the form with a picture of each state."""
        return frames(self, self.offered_without_kernel, self.limits_without_kernel)

    def drawing(self) -> dict[str, Any] | None:
        """Return the state as `without_kernel.drawing.described` makes it; None: the still is shown there.

        The pictures are those of `drawn_pictures`, by their numbers.
        """
        return None

    def drawn_pictures(self) -> Sequence[Image.Image]:
        """Return the pictures that `drawing` names by their numbers."""
        return list(getattr(self, "pictures", ()))

    def live(self) -> Any:
        """Return the widget; it is made once, so that all its views show the same."""
        if self._widget is None:
            self._make_panel(self.still())
        return self._widget

    def _still_and_live(self) -> tuple[plots.Still, Any]:
        still = self.still()
        if self._widget is None:  # a new panel shows the same picture: it is drawn once
            self._make_panel(still)
        return still, self._widget

    def _make_panel(self, first: plots.Still) -> None:
        self._controls = self.controls()
        self._widget = make_panel(self.title, self._controls, self._take, self.still, first)

    def choose(self, **chosen: Any) -> None:
        """Set controls by name, as the page does: `choose(layer=3)`. ValueError for what is not offered."""
        widget = self.live()
        widget.values = {**widget.values, **values_of_page(self._controls, chosen)}

    def _take(self, chosen: dict[str, Any]) -> None:
        self.take(chosen)
        self.values = chosen

    @traitlets.default("values")
    def _first_values(self) -> dict[str, Any]:
        self.live()
        return {control.name: control.value for control in self._controls}

    @traitlets.observe("values")
    def _follow_values(self, change: Any) -> None:
        self.choose(**change["new"])


def number_among(count: int, number: int, what: str) -> int:
    """Return `number` counted from 0; negative ones count from the end. ValueError where there is none."""
    if not -count <= number < count:
        raise ValueError(f"there is no {what} {number}: they are numbered 0 to {count - 1}")
    return number % count


def drawable(text: str, longest: int = 40) -> str:
    """Return a reader's text as one short line for a figure; too long ones lose their middle."""
    return shortened(" ".join(readable(text).split()), longest)


def middle_square(picture: Image.Image) -> Image.Image:
    """Return the part of a picture that CLIP receives: the largest central square."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))
