"""The explorer on a notebook's page: what is synchronized with it, and what it asks Python for."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets

from phi3lib.lab.atlas.beside import Beside, Made, Tell, in_steps
from phi3lib.lab.atlas.fields import fields_of
from phi3lib.lab.atlas.page import script, styles
from phi3lib.lab.atlas.page_data import page_data, selection_map_data
from phi3lib.lab.atlas.selection_maps import SelectionMap
from phi3lib.lab.atlas.settings import Settings
from phi3lib.lab.atlas.shown import shown_by
from phi3lib.lab.atlas.sql import told
from phi3lib.lab.atlas.state import AtlasState, SearchResult
from phi3lib.lab.atlas.table_maps import NewMaps
from phi3lib.lab.atlas.where import rows_where
from phi3lib.vision.pictures import read_upright

if TYPE_CHECKING:
    from phi3lib.lab.atlas.widget import Atlas

LARGEST = 640  # pixels of a picture that is opened beside the map
WHOLE = 8_000  # and of one that is opened in a tab of its own


def standing(state: AtlasState) -> dict[str, Any]:
    """Return what is chosen, selected and found, and what has been selected under a name."""
    return {
        "chosen": asdict(state.chosen),
        "selected": state.selected,
        "selections": state.selections.pairs(),
        "found": _found(state),
    }


def _found(state: AtlasState) -> dict[str, Any]:
    found = state.found
    if found is None:
        return {}
    return asdict(found) | {"ids": [state.shown_names[row] for row in found.rows]}


def make_atlas(atlas: "Atlas") -> Any:
    """Return the widget of an Atlas: each follows the other."""
    state = atlas.state
    made = {
        "selection_map": selection_map_data(state.selection_map),
        "shown": {"anew": True} if state.shown else {},
    }
    widget = _widget_class()(**page_data(state, atlas.thumbnails), **standing(state), **made)
    _follow(atlas, widget)
    return widget


def _widget_class() -> Any:
    from phi3lib.lab.widgets.live_view import LiveView

    class AtlasWidget(LiveView):
        _esm = script()
        _css: Any = styles(panel=True)
        spec = traitlets.Dict().tag(sync=True)
        places = traitlets.Bytes().tag(sync=True)
        near = traitlets.Bytes().tag(sync=True)
        cosines = traitlets.Bytes().tag(sync=True)
        shares = traitlets.Bytes().tag(sync=True)
        shade = traitlets.Bytes().tag(sync=True)
        components = traitlets.Bytes().tag(sync=True)
        sheets: Any = traitlets.List().tag(sync=True)
        slots = traitlets.Bytes().tag(sync=True)
        chosen = traitlets.Dict().tag(sync=True)
        selected: Any = traitlets.List().tag(sync=True)
        selections: Any = traitlets.List().tag(sync=True)
        found = traitlets.Dict().tag(sync=True)
        selection_map = traitlets.Dict().tag(sync=True)
        shown = traitlets.Dict().tag(sync=True)
        status = traitlets.Unicode().tag(sync=True)
        progress = traitlets.Float(1.0).tag(sync=True)
        stoppable = traitlets.Bool(False).tag(sync=True)

        def __init__(self, **values: Any) -> None:
            super().__init__(**values)
            self.beside = Beside()

    return AtlasWidget


def _follow(atlas: "Atlas", widget: Any) -> None:
    """Take over what is chosen, selected, saved and asked for on the page."""
    state = atlas.state

    def take_selection(change: Any) -> None:
        if change["new"] == state.selected:
            return
        atlas.select(change["new"])
        for observer in atlas._observers:
            observer(atlas.selected)

    def take_selections(change: Any) -> None:
        try:
            atlas.selections.replace(dict(change["new"]))
        except (TypeError, ValueError) as error:
            widget.status = f"Not saved: {error}."
            widget.selections = state.selections.pairs()

    def take_settings(change: Any) -> None:
        state.chosen = Settings(**change["new"])

    def take_shown(change: Any) -> None:
        _show(state, widget, change["new"])

    def receive(_: Any, message: dict[str, Any], __: Any) -> None:
        widget.status = ""  # so that the same sentence is said again
        try:
            _answer(atlas, widget, message)
        except ValueError as error:
            _say_error(widget, error)

    widget.observe(take_selection, "selected")
    widget.observe(take_selections, "selections")
    widget.observe(take_settings, "chosen")
    widget.observe(take_shown, "shown")
    widget.on_msg(receive)


def _say_error(widget: Any, error: ValueError) -> None:
    widget.status = f"{str(error)[0].upper()}{str(error)[1:]}."


def _answer(atlas: "Atlas", widget: Any, message: dict[str, Any]) -> None:
    """Do what the page asks for; unknown requests change nothing."""
    state = atlas.state
    if "shown" in message:  # of the view that asks: what it tells of itself may come later
        _show(state, widget, message["shown"])
    if message.get("do") == "find":
        widget.found = {}
        found = state.find(str(message.get("text", "")))
        widget.status = _say_found(found)
        widget.found = _found(state)
    elif message.get("do") == "recompute":
        _start_recompute(state, widget, message)
    elif message.get("do") == "map of":
        _start_map_of(state, widget, message.get("rows"))
    elif message.get("do") == "stop":
        _stop(widget)
    elif message.get("do") == "where":
        rows = rows_where(str(message.get("text", "")), fields_of(state), len(state.ids))
        widget.send({"where": rows.tolist()})
    elif message.get("do") == "sql":
        widget.send({"sql": _told(state, str(message.get("text", "")))})
    elif message.get("do") == "picture":
        _send_picture(atlas, widget, message.get("row"), "picture", LARGEST)
    elif message.get("do") == "whole picture":
        _send_picture(atlas, widget, message.get("row"), "whole", WHOLE)


def _told(state: AtlasState, query: str) -> dict[str, Any]:
    try:
        return told(query, fields_of(state), state.ids)
    except ValueError as error:  # said beside the query
        return {"error": str(error)}


def _send_picture(atlas: "Atlas", widget: Any, row: Any, what: str, largest: int) -> None:
    """Send one picture, at most `largest` pixels wide and high; nothing where there is none.

    ValueError for an unreadable one, which the page says.
    """
    if atlas.pictures is None or not isinstance(row, int) or not 0 <= row < len(atlas.pictures):
        return
    picture = read_upright(atlas.pictures[row]).copy()  # the reader's own stays as it is
    picture.thumbnail((largest, largest))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    widget.send({what: row}, [buffer.getvalue()])


def _start_recompute(state: AtlasState, widget: Any, message: dict[str, Any]) -> None:
    """Compute maps of all pictures with other parameters, beside the kernel's loop, and show them."""
    n_neighbors, min_dist, seed = (_number(message, name) for name in ("n_neighbors", "min_dist", "seed"))
    settings, compute = state.new_maps(int(n_neighbors), min_dist, int(seed))

    def show(made: NewMaps) -> None:
        state.choose(settings, made)
        show_settings(state, widget)

    _start(widget, compute, show)


def _start(widget: Any, compute: Callable[[Tell], Made], show: Callable[[Made], None]) -> None:
    """Compute beside the kernel's loop: the page can stop it, and cells run meanwhile."""

    def tell(share: float) -> None:
        widget.progress = share

    def done(made: Made) -> None:
        _end_beside(widget)
        show(made)

    def failed(error: Exception) -> None:
        _end_beside(widget)
        if not isinstance(error, ValueError):
            raise error
        _say_error(widget, error)

    tell(0.0)
    widget.stoppable = True
    widget.beside.start(compute, tell=tell, done=done, failed=failed)


@contextmanager
def _progress(widget: Any) -> Iterator[Tell]:
    """Show on the page how far the body is, which tells it."""

    def tell(share: float) -> None:
        widget.progress = share

    tell(0.0)
    try:
        yield in_steps(tell)
    finally:
        tell(1.0)


# ------------------------------------------------------------------------------- what is shown


def _show(state: AtlasState, widget: Any, told: dict[str, Any]) -> None:
    """Take over what a page says it shows."""
    rows = widget.spec["rows"]
    drawn = np.arange(len(state.ids)) if rows is None else np.asarray(rows)
    state.shown = shown_by(told, state.names, drawn, len(state.ids), state.selection_map)


def show_map_of(state: AtlasState, widget: Any, rows: Any, **parameters: Any) -> SelectionMap:
    """Compute new maps of these rows alone, show and return them. ValueError as `map_of` of the state."""
    _end_beside(widget)
    with _progress(widget) as tell:
        made = state.map_of(rows, tell=tell, **parameters)
    _show_new(state, widget, made)
    return made


def show_all(state: AtlasState, widget: Any) -> None:
    """Show the map of all pictures again."""
    state.shown = None
    widget.shown = {}


def _start_map_of(state: AtlasState, widget: Any, rows: Any) -> None:
    """Do as `show_map_of` beside the kernel's loop."""
    _start(widget, state.new_map(rows), lambda made: _show_new(state, widget, made))


def _stop(widget: Any) -> None:
    if widget.stoppable:
        _end_beside(widget)
        widget.status = "Stopped: there is no new map"


def _end_beside(widget: Any) -> None:
    """Wait no longer for what is computed beside the loop, if it has not come."""
    widget.beside.stop()
    widget.stoppable, widget.progress = False, 1.0


def _show_new(state: AtlasState, widget: Any, made: SelectionMap) -> None:
    state.show_new(made)
    # With a number, so that the page shows the same map again.
    number = {"number": widget.selection_map.get("number", 0) + 1}
    with widget.hold_sync():
        widget.selection_map = selection_map_data(made) | number
        widget.shown = {"anew": True}


def show_settings(state: AtlasState, widget: Any) -> None:
    """Send all maps that there are now, and which one is chosen."""
    data = page_data(state, None)
    of_pictures = {name: widget.spec[name] for name in ("large", "shapes")}  # these are not sent again
    data["spec"] |= of_pictures
    with widget.hold_sync():
        for name in ("places", "near", "shares", "shade", "spec"):
            setattr(widget, name, data[name])
        widget.chosen = asdict(state.chosen)
        if state.shown is None:
            widget.shown = {}


def _number(message: dict[str, Any], name: str) -> float:
    """Return a number that was typed in. ValueError for anything else, and for an empty box."""
    try:
        return float(message[name])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{name} must be a number") from None


def _say_found(found: SearchResult) -> str:
    return (
        f"“{found.text}”: the best picture has a cosine of {found.cosines[0]:.2f}, "
        f"{found.standing:.1f} standard deviations above the mean of all. A search returns pictures even if "
        f"none fits."
    )
