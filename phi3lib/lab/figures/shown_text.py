"""Text from outside, such as file names and labels, in a form that every page, file and figure can hold."""

import re
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, LogFormatterMathtext

REPLACEMENT = "\ufffd"
# Control characters, halves of a surrogate pair, and characters that turn the direction of what follows.
UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
LONGEST_LINE = 120  # characters of a line in a figure
LONGEST_NAME = 40  # characters of a tick label and of an entry in a legend


def readable(value: Any) -> Any:
    """Return a copy of `value` whose texts can be shown and stored; lists and dicts are searched.

    Characters that UTF-8, XML or a line of text cannot hold become U+FFFD. All else stays as it is.
    """
    if isinstance(value, str):
        return UNREADABLE.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {readable(name): readable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [readable(one) for one in value]
    return value


def shortened(text: str, longest: int) -> str:
    """Return `text` with its middle left out where it has more than `longest` characters."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - longest // 2 - 1]}…{text[-(longest // 2) :]}"


def take_literally(fig: Figure) -> None:
    """Read no text of a figure as mathematics, except the powers of ten that matplotlib writes itself.

    A file name with two dollar signs would otherwise be set as a formula, or end the drawing with an error.
    """
    drawn = artists_of(fig)
    names = {text for legend in drawn if isinstance(legend, Legend) for text in legend.get_texts()}
    powers: set[Text] = set()
    for axis in (one for one in drawn if isinstance(one, Axis)):
        labels = [*axis.get_ticklabels(), *axis.get_ticklabels(minor=True)]
        own = isinstance(axis.get_major_formatter(), LogFormatterMathtext)
        (powers if own else names).update(labels)
        if isinstance(axis.get_major_locator(), FixedLocator) and not own:
            # The labels are written anew when the figure is drawn, so the axis has to know them as well. They
            # come from the formatter: an inner panel of a shared axis shows no labels, yet sets those of all.
            written = axis.get_major_formatter().format_ticks(axis.get_majorticklocs().tolist())
            axis.set_ticklabels([_line(str(text), LONGEST_NAME) for text in written])
    for text in {one for one in artists_of(fig) if isinstance(one, Text)} - powers:
        text.set_parse_math(False)
        longest = LONGEST_NAME if text in names else LONGEST_LINE
        text.set_text("\n".join(_line(line, longest) for line in text.get_text().split("\n")))


def artists_of(artist: Artist) -> list[Artist]:
    """Return an artist and all that it consists of, but not the ticks of axes that are switched off.

    A figure makes its ticks when it is first asked for them, which takes longer than to draw a small picture.
    """
    parts = artist.get_children()
    if isinstance(artist, Axes) and not artist.axison:
        parts = [part for part in parts if not isinstance(part, Axis)]
    return [artist, *(one for part in parts for one in artists_of(part))]


def _line(text: str, longest: int) -> str:
    return shortened(readable(text), longest)
