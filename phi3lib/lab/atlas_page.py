"""What the explorer's page is given: numbers as bytes, thumbnails as sprite sheets; and the page on its own.

The same JavaScript draws in the notebook and in an exported file. Places are whole numbers of two bytes, as
finer ones could not be told apart on a screen.
"""

import base64
import hashlib
import html
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from phi3lib.lab import plots
from phi3lib.lab.atlas_state import MOST_POINTS, AtlasState, Settings, sample_rows
from phi3lib.vectors.sources import read_upright

SCRIPT = Path(__file__).with_name("atlas.js")
SHEET = 32  # thumbnails on a side of a sprite sheet
NO_PICTURE = (200, 200, 200)
SHADE = 96  # cells of the shade behind a sample, on a side
UNKNOWN = 255  # a share that there is not


def page_data(state: AtlasState, pictures: Sequence[Any] | None) -> dict[str, Any]:
    """All that the page draws, for all settings that there are."""
    rows = sample_rows(len(state.ids), MOST_POINTS)
    kinds, codes = np.unique(state.labels, return_inverse=True)
    side = 64 if len(rows) <= 1_500 else 48 if len(rows) <= 6_000 else 32
    shown = None if pictures is None else [pictures[row] for row in rows]
    return {
        "spec": {
            "names": state.names,
            "count": len(rows),
            "all": len(state.ids),
            "rows": rows.tolist() if len(rows) < len(state.ids) else None,
            "ids": [state.ids[row] for row in rows],
            "label": state.label_name,
            "kinds": kinds.tolist(),
            "codes": codes[rows].tolist(),
            "k": state.k,
            "settings": [asdict(settings) for settings in state.settings],
            "trust": [
                [state.trustworthiness(name, settings) for settings in state.settings] for name in state.names
            ],
            "wobbles": [state.wobble(name) is not None for name in state.names],
            "colours": list(plots.CLASSES),
            "thumb": side,
            "sheet": SHEET,
            "finds": state.model is not None and state.search_table() is not None,
            "through": state.search_table(),
            "card": state.card(),
        },
        "places": b"".join(
            _whole(state.layout(name, settings).places[rows])
            for name in state.names
            for settings in state.settings
        ),
        "shade": _shades(state) if len(rows) < len(state.ids) else b"",
        "near": _near(state, rows).astype("<u4").tobytes(),
        "shares": _shares(state, rows).tobytes(),
        "sheets": sprite_sheets(shown, side) if shown is not None else [],
    }


def _whole(places: NDArray[np.float32]) -> bytes:
    """Places (n, 2) on a square of 65,535, the same scale for both axes: little-endian, two bytes each."""
    low, span = places.min(0), float(np.ptp(places, axis=0).max()) or 1.0
    margin = (span - np.ptp(places, axis=0)) / 2
    return np.round((places - low + margin) / span * 65_535).astype("<u2").tobytes()


def _shades(state: AtlasState) -> bytes:
    """For each map and setting how many of all pictures stand in each cell, the most as 255: bytes."""
    parts = []
    for name in state.names:
        for settings in state.settings:
            places = np.frombuffer(_whole(state.layout(name, settings).places), "<u2").reshape(-1, 2)
            edges = np.linspace(0, 65_536, SHADE + 1)
            counts, _, _ = np.histogram2d(places[:, 1], places[:, 0], bins=(edges, edges))
            parts.append((255 * np.sqrt(counts / counts.max())).astype(np.uint8).tobytes())
    return b"".join(parts)


def _near(state: AtlasState, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """True neighbours of each drawn point, as places among the drawn ones: (maps, n, k).

    Where a sample is drawn, neighbours outside it are left out; a point's own place stands for "none".
    """
    place_of = np.full(len(state.ids), -1)
    place_of[rows] = np.arange(len(rows))
    own = np.arange(len(rows))[:, None]
    found = [place_of[state.spaces[name].indices[rows, : state.k]] for name in state.names]
    return np.stack([np.where(of < 0, own, of) for of in found])


def _shares(state: AtlasState, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Shares in hundredths: kept of each map and setting, then wobble of each map, then between and moved."""

    def whole(shares: NDArray[np.float64] | None) -> NDArray[np.uint8]:
        if shares is None:
            return np.full(len(rows), UNKNOWN, np.uint8)
        return np.clip(np.round(100 * shares[rows]), 0, 100).astype(np.uint8)

    kept = [whole(state.kept(name, settings)) for name in state.names for settings in state.settings]
    wobble = [whole(state.wobble(name)) for name in state.names]
    if len(state.names) < 2:
        return np.stack([*kept, *wobble])
    moved = [whole(state.moved(settings)) for settings in state.settings]
    return np.stack([*kept, *wobble, whole(state.between), *moved])


def sprite_sheets(pictures: Sequence[Any], side: int) -> list[str]:
    """Thumbnails on square sheets of SHEET × SHEET, as data URIs; what cannot be read becomes grey."""
    sheets = []
    for start in range(0, len(pictures), SHEET**2):
        part = pictures[start : start + SHEET**2]
        lines = -(-len(part) // SHEET)
        sheet = Image.new("RGB", (SHEET * side, lines * side), NO_PICTURE)
        for place, picture in enumerate(part):
            sheet.paste(_thumbnail(picture, side), ((place % SHEET) * side, (place // SHEET) * side))
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=80)
        sheets.append("data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode())
    return sheets


def _thumbnail(picture: Any, side: int) -> Image.Image:
    if not isinstance(picture, Image.Image):
        try:
            picture = read_upright(Path(picture))
        except ValueError:
            return Image.new("RGB", (side, side), NO_PICTURE)
    return ImageOps.pad(picture.convert("RGB"), (side, side), color=(255, 255, 255))


def whole_page(data: dict[str, Any], chosen: Settings, title: str) -> str:
    """One HTML file that holds everything and may load nothing: its policy allows its own script alone."""
    script = SCRIPT.read_text(encoding="utf-8").replace("export default", "const atlas =") + _START
    style = "body{margin:1rem;font-family:system-ui,sans-serif}"
    packed = {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in data.items()
    }
    packed["chosen"] = asdict(chosen)
    # In a script element nothing ends the data but "</script": no "<" is left to begin it.
    body = json.dumps(packed, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    policy = (
        "default-src 'none'; img-src data:; "
        f"script-src 'sha256-{_sha256(script)}'; style-src 'sha256-{_sha256(style)}'; base-uri 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style></head>\n"
        f'<body><main><h1>{html.escape(title)}</h1><div id="atlas"></div></main>\n'
        f'<script type="application/json" id="data">{body}</script>\n'
        f"<script>{script}</script></body></html>\n"
    )


# A stand-in for the notebook's model: it holds the same values and has no one to send them to.
_START = """
(() => {
  const values = JSON.parse(document.getElementById("data").textContent);
  for (const name of ["places", "near", "shares", "shade"]) {
    const bytes = Uint8Array.from(atob(values[name]), (letter) => letter.charCodeAt(0));
    values[name] = new DataView(bytes.buffer);
  }
  const listeners = {};
  const model = {
    alone: true,
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; (listeners["change:" + name] || []).forEach((f) => f()); },
    save_changes: () => {},
    send: () => {},
    on: (name, f) => { (listeners[name] = listeners[name] || []).push(f); },
    off: () => {},
  };
  values.selected = []; values.found = {}; values.status = "";
  atlas.render({ model, el: document.getElementById("atlas") });
})();
"""


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
