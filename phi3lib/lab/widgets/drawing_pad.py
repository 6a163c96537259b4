"""Notebook 00's instrument: draw something, or open a picture, and see how the small models read it."""

import base64
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from phi3lib.embeddings.search import Hit, search
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.figures import plots
from phi3lib.lab.widgets.base import Instrument, drawable
from phi3lib.lab.widgets.pad_reader import PadReader, PadReading
from phi3lib.lab.widgets.scripts import joined
from phi3lib.loading.defaults import DATA_FOLDER
from phi3lib.vision.pictures import read_upright
from picturebook.colors import COLORS
from picturebook.drawings import HandDrawing, read_drawings

SIDE = 224  # pixels of the pad
LARGEST = 4_000_000  # characters of a picture that the page may send
# Drawings by people that a click loads: of the split "test", so that no model was trained on them.
EXAMPLES = ("house", "fish", "star", "cup", "flower", "happy face")
BLANK = "The pad is blank: there is nothing to describe and nothing to compare."
DECLINED = (
    "No caption: this is unlike the pictures that the small Phi-3-vision was trained on. "
    "Every picture has nearest pictures, even then."
)


class SketchState:
    """The picture on the pad, what it shows, and its neighbors in a table. Plain state; holds no widget.

    phi3: the whole model for captions; None: none are made.
    """

    def __init__(self, picture: Image.Image, table: EmbeddingTable, clip: Any, phi3: Any = None) -> None:
        self.table, self.clip, self.reader = table, clip, PadReader(phi3)
        self.look_at(picture)

    def look_at(self, picture: Image.Image) -> None:
        """Take another picture: caption and neighbors follow."""
        self.picture = picture
        self.reading: PadReading = self.reader.read(picture)
        blank = self.reading.verdict == "blank"
        self.hits: list[Hit] = [] if blank else search(self.table, self.clip, picture=picture, k=5)

    @property
    def caption(self) -> str:
        """The caption that is shown; empty for a blank or declined picture, or without a language model."""
        return self.reading.caption if self.reading.verdict == "caption" else ""

    def near(self) -> list[str]:
        """Describe the neighbors with their cosines."""
        kinds = self.table.labels.get("kind", self.table.ids)
        return [f"{kinds[hit.row]} ({hit.cosine:.2f})" for hit in self.hits]

    def sentence(self) -> str:
        """Return caption and neighbors in words, or why there are none."""
        if self.reading.verdict == "blank":
            return BLANK
        near = f"Nearest pictures by the small CLIP, with cosines: {', '.join(self.near())}."
        return f"{self._of_phi3()}{near}"

    def _of_phi3(self) -> str:
        if self.reading.verdict == "declined":
            return f"{DECLINED} "
        if not self.caption:
            return ""
        if self.reading.reader == "pen":
            by = "a classifier of strokes on the small Phi-3-vision's tower"
        else:
            by = "the small Phi-3-vision"
        return f"Caption by {by}: “{self.caption}”. "


@cache
def example_drawings() -> tuple[HandDrawing, ...]:
    """Return the first test drawing of each kind in EXAMPLES; none where the data is missing."""
    try:
        drawings = read_drawings(DATA_FOLDER / "drawings", "test")
    except FileNotFoundError:
        return ()
    return tuple(next(one for one in drawings if one.kind == kind) for kind in EXAMPLES)


class DrawingPad(Instrument):
    """A pad to draw on, or to open a picture of your own in; beside it the output of the models.

    By keyboard: the colors, the width, the buttons and the file chooser; drawing itself takes a pointer.
    """

    title = "Drawing pad"

    def __init__(
        self,
        picture: Image.Image,
        table: EmbeddingTable,
        pictures: Sequence[Image.Image],
        clip: Any,
        phi3: Any = None,
    ) -> None:
        super().__init__()
        if len(pictures) != len(table):
            raise ValueError(f"{len(pictures)} pictures for a table of {len(table)} rows")
        self.pictures = pictures
        self.state = SketchState(picture, table, clip, phi3)
        self._turn = 0

    def measured(self) -> str:
        """Return in words how often captions on the pad are right, wrong, or not given."""
        return self.state.reader.measured()

    def still(self) -> plots.Still:
        """Return the picture, its caption, and its neighbors."""
        state = self.state
        fig, drawn = plots.figure(1, 1 + len(state.hits), height=1.9)
        axes = np.atleast_1d(drawn)
        plots.picture_axes(axes[0], state.picture, "on the pad")
        for ax, hit, said in zip(axes[1:], state.hits, state.near(), strict=True):
            plots.picture_axes(ax, self.pictures[hit.row], drawable(said, 20))
        if state.caption:
            fig.suptitle(f"“{drawable(state.caption, 100)}”", fontsize=plots.STYLE["axes.titlesize"])
        return plots.still(fig, alt=state.sentence())

    def live(self) -> Any:
        """Return the widget, which is created once."""
        if self._widget is None:
            self._widget = _make_pad(self)
        return self._widget

    def findings(self) -> dict[str, Any]:
        """Return what the page shows: the sentence and the neighbors as pictures; each message is unique.

        An answer that equals the one before would not be sent, and the page would wait for it.
        """
        self._turn += 1
        pictures = [_data_uri(self.pictures[hit.row]) for hit in self.state.hits]
        near = [{"src": src, "text": text} for src, text in zip(pictures, self.state.near(), strict=True)]
        return {"turn": self._turn, "sentence": self.state.sentence(), "near": near, "taken": True}

    def answer(self, sent: str) -> dict[str, Any]:
        """Return the findings for a picture that the page sent, or the error message."""
        try:
            self.state.look_at(picture_of_page(sent))
        except ValueError as error:
            self._turn += 1
            return {"turn": self._turn, "sentence": f"Not applied: {error}.", "near": [], "taken": False}
        return self.findings()


def picture_of_page(sent: str) -> Image.Image:
    """Return the picture in a data URI that the page sent, RGB. ValueError for anything else."""
    head, _, body = sent.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or len(sent) > LARGEST:
        raise ValueError("the page sent no picture")
    try:
        return read_upright(base64.b64decode(body, validate=True))
    except ValueError as error:  # binascii.Error is one, too
        raise ValueError(f"the page sent no picture that can be read: {error}") from error


def _data_uri(picture: Image.Image, side: int = 96) -> str:
    small = picture.copy()
    small.thumbnail((side, side))
    data, mime = plots.encode(small)
    return plots.Still(data, mime, "", small.size).data_uri


def _make_pad(pad: DrawingPad) -> Any:
    import traitlets

    from phi3lib.lab.widgets.live_view import LiveView

    class Pad(LiveView):
        _esm = joined("drawing_pad.js")
        side = traitlets.Int(SIDE).tag(sync=True)
        colors = traitlets.Dict().tag(sync=True)
        picture = traitlets.Unicode().tag(sync=True)
        findings = traitlets.Dict().tag(sync=True)
        examples: Any = traitlets.List().tag(sync=True)
        measured = traitlets.Unicode().tag(sync=True)

    widget = Pad(
        colors={name: "rgb({}, {}, {})".format(*color.rgb) for name, color in COLORS.items()},
        picture=_data_uri(pad.state.picture, SIDE),
        findings=pad.findings(),
        examples=[
            {"src": _data_uri(one.picture(SIDE), SIDE), "text": one.kind} for one in example_drawings()
        ],
        measured=pad.measured(),
    )

    def receive(_: Any, message: dict[str, Any], __: Any) -> None:
        sent = str(message.get("picture", ""))
        answer = pad.answer(sent)
        with widget.hold_sync():
            widget.findings = answer
            if answer["taken"]:
                widget.picture = sent

    widget.on_msg(receive)
    return widget
