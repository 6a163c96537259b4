"""The explorer's page on its own: one HTML file with its script, its data and its thumbnails, packed.

The same JavaScript draws in the notebook and in an exported file.
"""

import base64
import hashlib
import html
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

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
MOST_PLAIN = 20_000  # characters of a description that a page holds as plain JSON; longer ones are packed


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
