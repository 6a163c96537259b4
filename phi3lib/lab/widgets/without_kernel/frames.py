"""The form of an instrument with few states: Python makes all of them in advance, the page shows one.

A state is a picture, or what `drawing.py` describes.
"""

import io
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from PIL import Image

from phi3lib.lab.figures.stills import Still
from phi3lib.lab.widgets.panel import Control
from phi3lib.lab.widgets.without_kernel.drawing import palettes, small_pictures
from phi3lib.lab.widgets.without_kernel.form import Form

MOST_PICTURES = 200  # states that are drawn: about a minute
MOST_DRAWINGS = 4_000  # states that are described
MOST_BYTES = 1_500_000  # of all states of one instrument
PHOTO_QUALITY = 72


class Panel(Protocol):
    """What `frames` asks of an instrument; a `PanelInstrument` has it."""

    title: str

    def controls(self) -> Sequence[Control]:
        """Return the controls with the current values of the state."""

    def take(self, chosen: dict[str, Any]) -> None:
        """Set the state to the chosen values."""

    def still(self) -> Still:
        """Return the instrument as it stands."""

    def drawing(self) -> dict[str, Any] | None:
        """Return the state as `described` makes it; None: the still picture is shown."""

    def drawn_pictures(self) -> Sequence[Image.Image]:
        """Return the pictures that `drawing` names by their numbers."""


def frames(panel: Panel, offered: Mapping[str, Sequence[Any]] | None = None, limits: str = "") -> Form:
    """Return the form with every state of an instrument, which stands as before afterwards.

    offered: for a control the values to keep, by its name; the current value is added. The other controls
    keep all values, and a text field its text alone. ValueError for too many states, or too many bytes.
    """
    controls = [narrowed(one, (offered or {}).get(one.name)) for one in panel.controls()]
    first = {one.name: one.value for one in controls}
    is_described = panel.drawing() is not None
    states = list(itertools.product(*(one.values for one in controls)))
    _require_few(panel.title, "states", len(states), MOST_DRAWINGS if is_described else MOST_PICTURES)
    shown: dict[str, int] = {}  # each panel once, as JSON
    numbers = []
    for state in states:
        made = json.dumps(_state(panel, dict(zip(first, state, strict=True))), ensure_ascii=False)
        numbers.append(shown.setdefault(made, len(shown)))
    panel.take(first)
    data: dict[str, Any] = {"frames": numbers, "panels": [json.loads(one) for one in shown]}
    if is_described:
        small = small_pictures(panel.drawn_pictures())
        data["pictures"], data["sizes"] = (
            [smallest(one).data_uri for one in small],
            [one.size for one in small],
        )
        data["palettes"] = palettes()
    _require_few(panel.title, "bytes", sum(map(len, [*shown, *data.get("pictures", ())])), MOST_BYTES)
    values = {
        "title": panel.title,
        "controls": [one.for_page() for one in controls],
        "values": {one.name: one.to_page(one.value) for one in controls},
    }
    return Form("panel", "frames", values, data, limits)


def _require_few(title: str, what: str, count: int, most: int) -> None:
    if count > most:
        raise ValueError(
            f"{title} has {count} {what} without a kernel, at most {most} are kept: narrow "
            f"`offered_without_kernel`"
        )


def _state(panel: Panel, chosen: dict[str, Any]) -> dict[str, Any]:
    """Return sentence and picture, or drawing, of a state; the sentence alone where it is refused."""
    try:
        panel.take(chosen)
        drawing = panel.drawing()
        if drawing is not None:
            return drawing
        still = panel.still()
    except ValueError as error:
        return {"sentence": f"Not applied: {error}."}
    shown: dict[str, Any] = {"sentence": still.alt, "picture": smallest(still).data_uri}
    return shown | ({"lines": True} if still.drawing else {})


def narrowed(control: Control, kept: Sequence[Any] | None) -> Control:
    """Return a control that offers a finite number of values, in the order of the control's own.

    Of a text field, a drop-down list.
    """
    if control.kind == "tick":
        return Control("tick", control.name, control.label, control.value, (False, True), ("no", "yes"))
    if control.kind == "text":
        texts = tuple(dict.fromkeys([control.value, *(kept or ())]))
        shown = tuple(text or "(empty)" for text in texts)
        return Control("choice", control.name, control.label, control.value, texts, shown)
    if kept is None:
        return control
    pairs = zip(control.values, control.texts, strict=True)
    stay = [(value, text) for value, text in pairs if value == control.value or value in kept]
    values, texts = zip(*stay, strict=True)
    return Control(control.kind, control.name, control.label, control.value, values, texts)


def smallest(still: Still) -> Still:
    """Return a still in the fewest bytes: WebP, without loss unless it is a photograph's JPEG."""
    packed = io.BytesIO()
    with Image.open(io.BytesIO(still.data)) as image:
        photo = still.mime == "image/jpeg"
        options = {"quality": PHOTO_QUALITY} if photo else {"lossless": True, "quality": 80}
        image.convert("RGB").save(packed, "WEBP", method=4, **options)
    if packed.tell() >= len(still.data):
        return still
    return Still(packed.getvalue(), "image/webp", still.alt, still.size)
