"""The palette: the one place where a color of the course has a number, for figures, JavaScript and CSS.

Figures use the names of this module, most of them through `plots`. `script` gives the colors to JavaScript as
the constant PALETTE, and `theme_styles` and `instrument_styles` give them to CSS as custom properties. Colors
of generated images are not here: they are content, and `picturebook` has them.
"""

import json
from typing import Any

# Okabe and Ito (2008): eight colors that stay apart under the common kinds of color-vision deficiency.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
CLASSES = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, YELLOW, BLACK)
MAGNITUDE = "cividis"
DIVERGING = "RdBu_r"  # only around a meaningful zero
ORDERED = ("#0B4F8A", "#5B93C7", "#BBD3EA", "#FFFFFF")  # a few ordered classes, the first one the strongest

# What a color means in the whole course. Each also has its own hatch or marker.
CROP = BLUE
GLOBAL_VIEW = ORANGE
ROW_SEPARATOR = GREEN
VIEW_SEPARATOR = PURPLE
PADDING = "#707070"  # as far from the others as it gets, with every kind of color vision
WORD = "#BBBBBB"  # tokens of text
HERE = VERMILION  # the token, patch or pixel that is spoken of
FOUND = YELLOW  # the place of a query
MISSING = "#9A9A9A"  # a point whose value is not known
NO_PICTURE = "#C8C8C8"  # in the place of an unreadable image

# Figures have white paper: on a dark page they are inverted as a whole (`stills`).
PAPER = "#FFFFFF"
INK = "#1A1A1A"
OUTLINE = "#333333"  # of a mark on a map
GUIDE = "#555555"  # lines and arrows that are read beside the data
MOVE = "#777777"  # an arrow from one place to another
TRACE = "#AAAAAA"  # a path behind the data
HATCHED = "#8C8C8C"  # lines of a hatched area
NEUTRAL = "#767676"  # a border without a meaning

# A page, light and dark: the same names in both, and each is a custom property of the style sheets.
LIGHT = {
    "page": "#FFFFFF",  # around the explorer, where it is a page of its own
    "paper": "#FFFFFF",
    "panel": "#F6F7F9",
    "line": "#D9DCE1",
    "edge": "#767676",
    "text": "#1A1C20",
    "quiet": "#595F69",
    "accent": "#0063A3",
    "pressed": "#DCEBF7",
    "warn": "#B34700",
    "ink": INK,  # lines and letters on a map
    "outline": OUTLINE,
    "shade": "#B8B8B8",  # where many images lie behind a sample of them
    "black": BLACK,  # the class that would vanish on dark paper
    "print": "#000000",
}
DARK = {
    "page": "#101215",
    "paper": "#16181C",
    "panel": "#1F2228",
    "line": "#3A3F48",
    "edge": "#868C96",
    "text": "#E7E9EC",
    "quiet": "#A8AEB8",
    "accent": "#7CC0F0",
    "pressed": "#1C3D56",
    "warn": "#FF9D5C",
    "ink": "#E8E8E8",
    "outline": "#E8E8E8",
    "shade": "#6A6A6A",
    "black": "#FFFFFF",
    "print": "#000000",
}
# An instrument takes text and paper from Jupyter's theme; these colors are legible on both.
INSTRUMENT = {"accent": BLUE, "border": "#808080", "notice": VERMILION}


def with_alpha(color: str, alpha: float) -> str:
    """Return a color as CSS writes it with an opacity: `with_alpha("#D55E00", 0.15)`."""
    red, green, blue = bytes.fromhex(color[1:])
    return f"rgba({red}, {green}, {blue}, {alpha:g})"


def as_data() -> dict[str, Any]:
    """Return the colors that the JavaScript of the lab uses, by its names for them."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return {
        "classes": CLASSES,
        "magnitude": [to_hex(colormaps[MAGNITUDE](step / 9)) for step in range(10)],
        "missing": MISSING,
        "here": HERE,
        "hereVeil": with_alpha(HERE, 0.15),
        "found": FOUND,
        "bar": BLUE,
        "secondBar": SKY,
        "kinds": {
            "crop": CROP,
            "global view": GLOBAL_VIEW,
            "row separator": ROW_SEPARATOR,
            "view separator": VIEW_SEPARATOR,
        },
        "hatched": HATCHED,
        "figurePaper": PAPER,
        "figureInk": INK,
        "paperVeil": with_alpha(PAPER, 0.45),
        "black": BLACK,
        "light": LIGHT,
        "dark": DARK,
    }


def script() -> str:
    """Return the line of JavaScript that goes before every script of the lab."""
    return f"const PALETTE = {json.dumps(as_data(), separators=(',', ':'))};"


def theme_styles(selector: str) -> str:
    """Return CSS that gives an element LIGHT as custom properties; DARK with `data-theme="dark"`."""
    return f'{selector} {{ {_properties(LIGHT)} }}\n{selector}[data-theme="dark"] {{ {_properties(DARK)} }}\n'


def instrument_styles(selector: str) -> str:
    """Return CSS that gives an element the colors of INSTRUMENT as custom properties."""
    return f"{selector} {{ {_properties(INSTRUMENT)} }}\n"


def _properties(colors: dict[str, str]) -> str:
    return " ".join(f"--{name}: {color};" for name, color in colors.items())
