"""Old name of `picturebook.colors`, which works for one more release: it warns and gives the new one."""

import warnings

from picturebook.colors import COLORS as COLOURS
from picturebook.colors import Color as Colour
from picturebook.colors import contrast, luminance

__all__ = ["COLOURS", "Colour", "contrast", "luminance"]

warnings.warn(
    "the module picturebook.colours is now picturebook.colors; the old name goes with the next release",
    DeprecationWarning,
    stacklevel=2,
)
