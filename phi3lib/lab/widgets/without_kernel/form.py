"""What an instrument gives to a page that has no kernel."""

from dataclasses import asdict, dataclass, field
from typing import Any

from phi3lib.lab.figures.shown_text import readable


@dataclass(frozen=True)
class Form:
    """An instrument for a page without a kernel, as JSON values.

    view: the script that draws it, as in a notebook: "panel" or "microscope". answers: the script of this
    folder that takes Python's place, such as "frames". values: what the view shows at first. data: what the
    answering script needs. limits: a sentence about what a reader can do only with a kernel; "" for nothing.
    """

    view: str
    answers: str
    values: dict[str, Any]
    data: dict[str, Any] = field(default_factory=dict)
    limits: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the form as JSON values, with readable texts."""
        form: dict[str, Any] = readable(asdict(self))
        return form


@dataclass(frozen=True)
class WholePage:
    """An instrument that is an HTML page of its own, which loads nothing else.

    limits: as in `Form`.
    """

    title: str
    html: str
    limits: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the page as JSON values."""
        return asdict(self)
