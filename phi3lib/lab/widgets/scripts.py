"""The JavaScript and the style sheet of the instruments' pages, after the colors that they use."""

from pathlib import Path

from phi3lib.lab.figures import palette

FOLDER = Path(__file__).parent


def joined(*parts: str | Path) -> str:
    """Return JavaScript files as one script, after their common code; plain names are of this folder."""
    code = [(FOLDER / part).read_text(encoding="utf-8") for part in ("elements.js", "live_view.js", *parts)]
    return "\n".join((palette.script(), *code))


def instrument_styles() -> str:
    """Return the style sheet of every instrument's panel."""
    colors = palette.instrument_styles(".phi3lib, .phi3lib-notice")
    return colors + (FOLDER / "panel.css").read_text(encoding="utf-8")
