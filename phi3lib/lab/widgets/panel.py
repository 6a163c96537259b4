"""Labelled controls above one picture and one sentence: the page's half of most instruments.

The controls are the browser's own. Those of ipywidgets 8.1 give sliders no name and pictures no alternative
text for screen readers, cut long sentences and labels off, and let keys through to Jupyter's command mode.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi3lib.lab.figures.stills import Still
from phi3lib.lab.widgets.scripts import joined


@dataclass(frozen=True)
class Control:
    """One labelled control. kind: slider, choice, text or tick; value: what it has at first.

    values: what a slider or a choice offers; texts: how the page writes these.
    """

    kind: str
    name: str
    label: str
    value: Any
    values: tuple[Any, ...] = ()
    texts: tuple[str, ...] = ()

    def to_page(self, value: Any) -> Any:
        """Return a value for the page: its index in `values`, or the value itself."""
        if not self.values:
            return value
        if value not in self.values:
            raise ValueError(f"{self.label} offers {', '.join(map(str, self.values))}, not {value!r}")
        return self.values.index(value)

    def for_page(self) -> dict[str, Any]:
        """Return what the page needs to make the control."""
        return {"kind": self.kind, "name": self.name, "label": self.label, "texts": list(self.texts)}

    def from_page(self, sent: Any) -> Any:
        """Return the value that the page sent. ValueError if the control does not offer it."""
        if not self.values:
            return type(self.value)(sent)
        if type(sent) is not int or not 0 <= sent < len(self.values):
            raise ValueError(f"{self.label} has no position {sent!r}")
        return self.values[sent]


def slider(
    name: str, label: str, values: Iterable[Any], value: Any, write: Callable[[Any], str] = str
) -> Control:
    """Return a slider over increasing numbers; `value` is inserted if it is missing."""
    offered = tuple(sorted({*values, value}))
    return Control("slider", name, label, value, offered, tuple(map(write, offered)))


def choice(name: str, label: str, values: Iterable[Any], value: Any, texts: Iterable[Any] = ()) -> Control:
    """Return a drop-down list; `texts` are the names of the values, by default the values themselves."""
    offered = tuple(values)
    return Control("choice", name, label, value, offered, tuple(map(str, texts or offered)))


def text(name: str, label: str, value: str) -> Control:
    """Return a text field; it is applied with Enter or when it loses focus."""
    return Control("text", name, label, value)


def tick(name: str, label: str, value: bool) -> Control:
    """Return a checkbox."""
    return Control("tick", name, label, value)


def values_of_page(controls: Sequence[Control], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by name as the page knows them. ValueError for unknown names and values."""
    by_name = {control.name: control for control in controls}
    unknown = ", ".join(sorted(set(chosen) - set(by_name)))
    if unknown:
        raise ValueError(f"there is no control {unknown}; there are: {', '.join(by_name)}")
    return {name: by_name[name].to_page(value) for name, value in chosen.items()}


def make_panel(
    title: str,
    controls: Sequence[Control],
    take: Callable[[dict[str, Any]], None],
    still: Callable[[], Still],
    first: Still,
) -> Any:
    """Return a widget whose controls call `take`; then `still` is its picture with a description.

    first: the picture before a control was used.
    """
    import traitlets

    from phi3lib.lab.widgets.live_view import LiveView

    class Panel(LiveView):
        _esm = joined("panel.js")
        title = traitlets.Unicode().tag(sync=True)
        controls: Any = traitlets.List().tag(sync=True)
        values = traitlets.Dict().tag(sync=True)
        picture = traitlets.Unicode().tag(sync=True)
        sentence = traitlets.Unicode().tag(sync=True)
        drawing = traitlets.Bool().tag(sync=True)

    widget = Panel(
        title=title,
        controls=[one.for_page() for one in controls],
        values={one.name: one.to_page(one.value) for one in controls},
        picture=first.data_uri,
        sentence=first.alt,
        drawing=first.drawing,
    )

    def follow(_: Any) -> None:
        try:
            take({one.name: one.from_page(widget.values[one.name]) for one in controls})
            shown = still()
        except (ValueError, KeyError) as error:
            widget.sentence = f"Not applied: {error}."
            return
        with widget.hold_sync():
            widget.picture, widget.sentence, widget.drawing = shown.data_uri, shown.alt, shown.drawing

    widget.observe(follow, "values")
    return widget
