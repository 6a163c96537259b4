"""The JavaScript of the instruments' pages."""

from pathlib import Path

FOLDER = Path(__file__).parent


def joined(*parts: str) -> str:
    """Return the JavaScript files of these names as one script, behind that of `live_view`."""
    return "\n".join((FOLDER / f"{part}.js").read_text(encoding="utf-8") for part in ("live_view", *parts))
