"""The JavaScript of the instruments' pages."""

from pathlib import Path

FOLDER = Path(__file__).parent


def joined(*parts: str | Path) -> str:
    """Return JavaScript files as one script behind `live_view.js`; plain names are of this folder."""
    return "\n".join((FOLDER / part).read_text(encoding="utf-8") for part in ("live_view.js", *parts))
