"""What the explorer's page is given: numbers as bytes, thumbnails as sprite sheets; and the page on its own.

The same JavaScript draws in the notebook and in an exported file. Coordinates are whole numbers up to 4,095,
for many pictures up to 65,535, so that zooming in separates unequal points; whole numbers also compress well.
"""

import base64
import hashlib
import html
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.maps import MIN_DIST, curve, sample_rows
from phi3lib.lab.atlas.columns import for_axes, for_page
from phi3lib.lab.atlas.queries import ranked_by
from phi3lib.lab.atlas.selection_maps import MOST_IN_PAGE, SelectionMap, reduced
from phi3lib.lab.atlas.state import MOST_POINTS, AtlasState
from phi3lib.lab.atlas.thumbnails import COARSE, SHEET, sheet_order, sheets_with_shapes, thumbnail_side
from phi3lib.lab.atlas.thumbnails import sprite_sheets as sprite_sheets
from phi3lib.lab.atlas.trust import Shares, said_trust, whole_percents
from phi3lib.lab.figures import palette
from phi3lib.lab.figures.shown_text import readable
from phi3lib.lab.widgets.scripts import instrument_styles, joined

SCRIPTS = Path(__file__).parent / "js"
STYLES = Path(__file__).parent / "atlas.css"
SQL_STYLES = Path(__file__).parent / "sql.css"
SQLITE = Path(__file__).parent / "sqlite" / "sqlite3.wasm"
START = Path(__file__).parent / "start.js"
PARTS = (
    "dom",
    "sheets",
    "data",
    "colorings",
    "axes",
    "plane",
    "umap",
    "selection_map",
    "filters",
    "where",
    "names",
    "density",
    "picks",
    "link",
    "notable",
    "marks",
    "writing",
    "scales",
    "map",
    "gestures",
    "legend",
    "facets",
    "detail",
    "lists",
    "named",
    "address",
    "conditions",
    "sqlite",
    "query",
    "lay_out",
    "controls",
    "main",
    "render",
)
SQL_PARTS = {"sqlite", "query"}  # only where queries in SQL can be asked
LAYOUT_PARTS = {"umap", "selection_map", "lay_out"}  # only where new maps of a selection can be made
# Grid points on a side of a map: more than a screen has; finer above COARSE pictures.
GRID, FINE_GRID = 4_095, 65_535
MOST_THUMBS = 30_000  # beyond, a picture is shown when it is opened
MOST_PLAIN = 20_000  # characters of a description that a page holds as plain JSON; longer ones are packed
OPENED = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".avif"}  # what browsers show
SHADE = 96  # cells of the shade behind a sample, on a side


def page_data(
    state: AtlasState,
    pictures: Sequence[Any] | None,
    *,
    compact: bool = False,
    queries: Sequence[str] = (),
) -> dict[str, Any]:
    """Return all that the page draws, for all settings that there are.

    Thumbnails have 128 pixels for at most 400 pictures, 96 for 1,500, 64 for 6,000, 40 for 30,000; beyond,
    there are none. compact: as `sheets_with_shapes`. queries: texts by which all rows are ranked here, for a
    page without a model.
    """
    rows = sample_rows(len(state.ids), MOST_POINTS)
    square = GRID if len(rows) <= COARSE else FINE_GRID
    shares, lines = _shares(state, rows)
    components = [for_axes(*state.components(name), rows) for name in state.names]
    about_pictures, thumbnails = _thumbnails(state, rows, pictures, compact)
    return {
        "spec": _identity(state, rows)
        | _known(state, rows, queries)
        | _worth(state)
        | about_pictures
        | {
            "square": square,
            "lines": lines,
            "components": [about for _, about in components],
            "layouts": None,  # `add_new_maps` has them
        },
        "places": b"".join(
            _whole(state.layout(name, settings).coordinates[rows], square)
            for name in state.names
            for settings in state.settings
        ),
        "shade": _shades(state) if len(rows) < len(state.ids) else b"",
        "near": _near(state, rows).astype("<u2" if len(rows) <= 65_535 else "<u4").tobytes(),
        "cosines": _cosines(state, rows).tobytes(),
        "shares": shares.tobytes(),
        "components": b"".join(steps for steps, _ in components),
        **thumbnails,
    }


def _identity(state: AtlasState, rows: NDArray[np.intp]) -> dict[str, Any]:
    """Return which pictures and maps there are, and what they are called."""
    return {
        "names": state.names,
        "named": state.named,
        "count": len(rows),
        "all": len(state.ids),
        "rows": rows.tolist() if len(rows) < len(state.ids) else None,
        "ids": [state.shown_names[row] for row in rows],
        "keys": None if state.shown_names is state.ids else [state.ids[row] for row in rows],
    }


def _known(state: AtlasState, rows: NDArray[np.intp], queries: Sequence[str]) -> dict[str, Any]:
    """Return what is known of the pictures: columns, the label, and what texts find."""
    found, cosines = ranked_by(state, queries)
    return {
        "columns": [for_page(name, one, rows) for name, one in (state.columns | cosines).items()],
        "queries": found,
        "finds": state.search_table() is not None,
        "label": state.label_name,
        "kinds": state.kinds,
        "codes": state.codes[rows].tolist(),
    }


def _worth(state: AtlasState) -> dict[str, Any]:
    """Return the settings of the maps and how faithful these are, in words."""
    count = len(state.ids)
    return {
        "k": state.k,
        "recall": [f"{state.prefix(name)}neighbors are {said}." for name, said in state.recall.items()],
        "settings": [asdict(settings) for settings in state.settings],
        "trust_words": [
            [said_trust(state.trust(name, settings), count) for settings in state.settings]
            for name in state.names
        ],
        "card": state.card(),
    }


def _thumbnails(
    state: AtlasState, rows: NDArray[np.intp], pictures: Sequence[Any] | None, compact: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the page has to know of thumbnails, and these: on sheets, and each one's place there."""
    side = thumbnail_side(len(rows))
    thumbs = None if len(rows) > MOST_THUMBS else pictures
    order = rows[:0] if thumbs is None else sheet_order(state.layout(state.names[0]).coordinates[rows])
    in_order = [] if thumbs is None else [thumbs[row] for row in rows[order]]
    sheets, shapes = sheets_with_shapes(in_order, side, compact=compact)
    about = {
        "large": pictures is not None,
        "thumb": side,
        "sheet": SHEET,
        "shapes": _by_point(shapes, order),
    }
    return about, {"sheets": sheets, "slots": np.argsort(order).astype("<u2").tobytes()}


def add_new_maps(data: dict[str, Any], state: AtlasState) -> None:
    """Add what a page without Python lays out a selection by: limits, curves of UMAP, vectors."""
    rows = sample_rows(len(state.ids), MOST_POINTS)
    found = [reduced(t.vectors, state.spaces[name], state.k, rows) for name, t in state.tables.items()]
    distances = sorted({MIN_DIST, *(one.min_dist for one in state.settings)})
    curves = [[distance, *curve(distance)] for distance in distances]
    data["spec"]["layouts"] = {
        "most": MOST_IN_PAGE,
        "curves": curves,
        "vectors": [about for about, _ in found],
    }
    data["vectors"] = b"".join(numbers for _, numbers in found)


def selection_map_data(made: SelectionMap | None) -> dict[str, Any]:
    """Return new maps of a selection as the page has them; nothing where none were made."""
    if made is None:
        return {}
    return {
        "rows": made.rows.tolist(),
        "settings": asdict(made.settings),
        "k": made.k,
        "trust_words": [said_trust(made.trust[name], len(made.rows)) for name in made.layouts],
        "kept_means": [100 * float(made.kept(name).mean()) for name in made.layouts],
        "kept": b"".join(whole_percents(made.kept(name)).astype(np.uint8).tobytes() for name in made.layouts),
        "notes": list(made.notes),
        "places": b"".join(_whole(one.coordinates, FINE_GRID) for one in made.layouts.values()),
        "near": b"".join(one.indices[:, : made.k].astype("<u4").tobytes() for one in made.spaces.values()),
    }


def _by_point(values: Sequence[int], order: NDArray[np.intp]) -> list[int]:
    """Return values that come in the order of the thumbnails in that of the points."""
    found = np.empty(len(order), dtype=np.intp)
    found[order] = values
    return found.tolist()


def linked_files(
    pictures: Sequence[Any] | None, rows: Sequence[int] | None, folder: Path
) -> list[str | None] | None:
    """Return for each drawn picture the address of its file, from a page in this folder; None without any.

    Only image files in the folder and below have one: they can be moved together, and it tells nothing about
    the rest of the disk.
    """
    if pictures is None:
        return None
    home = os.path.abspath(folder)
    found = [_address(pictures[row], home) for row in (range(len(pictures)) if rows is None else rows)]
    return found if any(found) else None


def _address(picture: Any, home: str) -> str | None:
    if not isinstance(picture, str | os.PathLike) or os.path.splitext(picture)[1].lower() not in OPENED:
        return None
    file = os.path.abspath(picture)
    inside = os.path.relpath(file, home) if file.startswith(os.path.join(home, "")) else ""
    return "./" + quote(inside.replace(os.sep, "/"), errors="surrogateescape") if inside else None


def _whole(coordinates: NDArray[np.float32], square: int = GRID) -> bytes:
    """Return coordinates (n, 2) on a square, the same scale for both axes: little-endian, two bytes each."""
    low, span = coordinates.min(0), float(np.ptp(coordinates, axis=0).max()) or 1.0
    margin = (span - np.ptp(coordinates, axis=0)) / 2
    return np.round((coordinates - low + margin) / span * square).astype("<u2").tobytes()


def _shades(state: AtlasState) -> bytes:
    """For each map and setting how many of all pictures stand in each cell, the most as 255: bytes."""
    parts = []
    for name in state.names:
        for settings in state.settings:
            coordinates = np.frombuffer(_whole(state.layout(name, settings).coordinates), "<u2").reshape(
                -1, 2
            )
            edges = np.linspace(0, GRID + 1, SHADE + 1)
            counts, _, _ = np.histogram2d(coordinates[:, 1], coordinates[:, 0], bins=(edges, edges))
            parts.append((255 * np.sqrt(counts / counts.max())).astype(np.uint8).tobytes())
    return b"".join(parts)


def _near(state: AtlasState, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the true neighbors of each drawn point, as indices of drawn points: (maps, n, k).

    Where a sample is drawn, neighbors outside it are left out; a point's own index means "none".
    """
    index_of = np.full(len(state.ids), -1)
    index_of[rows] = np.arange(len(rows))
    own = np.arange(len(rows))[:, None]
    found = [index_of[state.spaces[name].indices[rows, : state.k]] for name in state.names]
    return np.stack([np.where(indices < 0, own, indices) for indices in found])


def _cosines(state: AtlasState, rows: NDArray[np.intp]) -> NDArray[np.int8]:
    """Return each drawn point's cosines with its true neighbors, in hundredths: (maps, n, k)."""
    found = [state.spaces[name].distances[rows, : state.k] for name in state.names]
    return np.clip(np.round(100 * (1 - np.stack(found))), -100, 100).astype(np.int8)


def _shares(state: AtlasState, rows: NDArray[np.intp]) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """(shares in hundredths, one line for each picture's worth; which line each measure has).

    The lines by measure, map and setting; None where there is no such number.
    """
    lines: list[NDArray[np.uint8]] = []
    index_of: dict[int, int] = {}

    def line(shares: Shares | None) -> int | None:
        if shares is None:
            return None
        if id(shares) not in index_of:  # the state makes each once, so equal numbers are one object
            index_of[id(shares)] = len(lines)
            lines.append(whole_percents(shares[rows]).astype(np.uint8))
        return index_of[id(shares)]

    names, settings = state.names, state.settings
    found: dict[str, Any] = {"kept": [[line(state.kept(name, one)) for one in settings] for name in names]}
    wobbles = [[line(state.wobble(name, one)) for one in settings] for name in names]
    if any(one is not None for map_numbers in wobbles for one in map_numbers):
        found["wobble"] = wobbles
    if len(names) > 1:
        found["between"] = [[line(state.between)] * len(settings)]
        found["moved"] = [[line(state.moved(one)) for one in settings]]
    return np.stack(lines), found


def script(*, sql: bool = True, selection_maps: bool = True) -> str:
    """Return the page's JavaScript, all parts in one module; with those for queries and for new maps."""
    left_out = (set() if sql else SQL_PARTS) | (set() if selection_maps else LAYOUT_PARTS)
    parts = [part for part in PARTS if part not in left_out]
    return joined(*(SCRIPTS / f"{part}.js" for part in parts)) + "\nexport default { render };\n"


def styles(*, panel: bool = False, sql: bool = True) -> str:
    """Return the page's style sheet; with that of every instrument's panel for a notebook."""
    own = palette.theme_styles(".phi3lib-atlas") + STYLES.read_text(encoding="utf-8")
    own += SQL_STYLES.read_text(encoding="utf-8") if sql else ""
    return f"{instrument_styles()}\n{own}" if panel else own


def whole_page(data: dict[str, Any], title: str, *, sql: bool = False, selection_maps: bool = False) -> str:
    """Return one HTML file that holds everything and may load nothing: its policy allows its own scripts.

    The explorer's script is packed like its data, a third of its size, and put on the page by a short one.
    sql: with SQLite, whose WebAssembly the policy then allows to be compiled. selection_maps: with UMAP.
    """
    title, start = readable(title), _without_comments(START.read_text(encoding="utf-8"))
    code = _without_comments(script(sql=sql, selection_maps=selection_maps)).replace(
        "export default", "const atlas ="
    )
    sheets = data["sheets"]
    body = _json(_packed(data | {"sheets": len(sheets)}) | {"code": _dense(code.encode())})
    style = _STYLE + styles(sql=sql)
    beside = " 'self'" if any(data.get("files") or ()) else ""  # the pictures' own files, for a large view
    wasm = " 'wasm-unsafe-eval'" if sql else ""
    policy = (
        f"default-src 'none'; img-src data:{beside}; form-action 'none'; base-uri 'none'; "
        f"script-src 'sha256-{_sha256(start)}' 'sha256-{_sha256(code)}'{wasm}; "
        f"style-src 'sha256-{_sha256(style)}'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style></head>\n"
        f'<body><main><h1>{html.escape(title)}</h1><div id="atlas"></div></main>\n'
        f'<script type="application/json" id="data">{body}</script>\n'
        f"<script>{start}</script>\n{''.join(_inert(f'sheet-{n}', one) for n, one in enumerate(sheets))}"
        f"{_inert('sqlite', _sqlite()) if sql else ''}</body></html>\n"
    )


def _inert(name: str, text: str) -> str:
    """Return a text, such as a sheet of thumbnails, that the browser does not decode before it is needed."""
    return f'<script type="text/plain" id="{name}">{text}</script>\n'


def _sqlite() -> str:
    packed = zlib.compress(SQLITE.read_bytes(), 9)
    return f"data:application/wasm;base64,{base64.b64encode(packed).decode()}"


def _json(values: Any) -> str:
    """Return JSON for a script element: "</script" would end it, so no "<" is left to begin that."""
    text = json.dumps(readable(values), ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _packed(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data for JSON, with bytes packed as text."""

    def letters(name: str, value: bytes) -> str:
        wide = name == "near" and data["spec"]["count"] > 65_535
        if name in ("places", "components", "near", "slots") and not wide:
            # All low bytes, then all high ones: a sixth less.
            value = np.frombuffer(value, np.uint8).reshape(-1, 2).T.tobytes()
        return _dense(value)

    packed = {name: letters(name, value) for name, value in data.items() if isinstance(value, bytes)}
    plain = {name: value for name, value in data.items() if name not in packed}
    text = _json(plain)
    return packed | (plain if len(text) <= MOST_PLAIN else {"plain": _dense(text.encode())})


def _without_comments(code: str) -> str:
    """JavaScript without lines of comment and without indentation; no text in it has several lines."""
    lines = (line.strip() for line in code.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _dense(value: bytes) -> str:
    """Return packed bytes as text of base 85, a sixteenth shorter than base 64; "." stands for its "<"."""
    return base64.b85encode(zlib.compress(value, 9)).decode().replace("<", ".")


_STYLE = f"""
:root {{ color-scheme: light dark; background: {palette.LIGHT["page"]}; }}
body {{ margin: 0; padding: 14px 18px; font-family: system-ui, sans-serif; }}
h1 {{ margin: 0 0 10px; font-size: 18px; overflow-wrap: anywhere; }}
@media (prefers-color-scheme: dark) {{
  :root {{ background: {palette.DARK["page"]}; color: {palette.DARK["text"]}; }}
}}
@media (max-width: 500px) {{ body {{ padding: 10px; }} }}
"""


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
