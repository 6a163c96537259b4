"""Put the instruments of the notebooks, working, into the pages of a built site.

`notebooks/run.py --write` has recorded what they show without a kernel (notebooks/instruments/NAME.json, by
the key of the still picture that stands in the notebook). A page then loads three files: the scripts of all
instruments, their style sheet, and what its own instruments show. The still pictures stay in the page for
browsers without JavaScript. Instruments that need a kernel stay pictures, with a sentence that says so.
"""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phi3lib.lab.figures import palette
from phi3lib.lab.widgets import without_kernel
from phi3lib.lab.widgets.scripts import instrument_styles, joined

ROOT = Path(__file__).resolve().parents[1]
RECORDED = ROOT / "notebooks" / "instruments"
SCRIPTS = Path(without_kernel.__file__).parent
# In the order in which they need each other.
PARTS = ("svg", "hd_grid", "drawing", "frames", "grid_explorer", "temperature", "tokens", "stand_in")
NAMES = {"panel": "panel.js", "microscope": "microscope.js"}  # a form's view: its script
SCRIPT, STYLES = "docs/assets/instruments.js", "docs/assets/instruments.css"
MOST_BYTES = 3_000_000  # that a page loads for its instruments
IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
TWIN = re.compile(r'<div class="phi3lib-twin (phi3lib-twin-[0-9a-f]{12})">.*?</div>', re.DOTALL)
NEEDS_KERNEL = (
    "This is a picture of an instrument that needs a kernel. To use it, run the notebook in JupyterLab."
)
WORKS = "You can use this instrument here, without a kernel."


def whole_script() -> str:
    """Return the scripts of all instruments as one script that every browser loads from a disk, too.

    A module cannot be loaded from a disk, so the parts become one function without imports and exports.
    """
    parts = [(SCRIPTS / f"{part}.js").read_text(encoding="utf-8") for part in PARTS]
    code = "\n".join(IMPORT.sub("", part).replace("\nexport ", "\n") for part in parts)
    views = ",\n".join(
        f"{name}: (() => {{\n{joined(script).replace('export default', 'return')}\n}})()"
        for name, script in NAMES.items()
    )
    return (
        f'"use strict";\n(() => {{\n{palette.script()}\n{code}\nconst VIEWS = {{ {views} }};\n'
        "globalThis.phi3libInstruments = (forms) => mountAll(forms, VIEWS, document);\n})();\n"
    )


def recorded(name: str) -> dict[str, Any]:
    """Return what the instruments of a notebook show without a kernel, by key."""
    path = RECORDED / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def add_instruments(site: Path) -> Iterator[str]:
    """Add the instruments to the pages of a built site; yield a problem for each that is out of date.

    A recording of a picture that its notebook no longer shows is one, and so is a page that is too large.
    """
    (site / SCRIPT).write_text(whole_script(), encoding="utf-8")
    (site / STYLES).write_text(instrument_styles(), encoding="utf-8")
    for page in sorted((site / "notebooks").glob("*.html")):
        text = page.read_text(encoding="utf-8")
        keys = TWIN.findall(text)
        forms = recorded(page.stem)
        for key in sorted(set(forms) - set(keys)):
            yield f"notebooks/instruments/{page.stem}.json has {key}, which the notebook no longer shows"
        if keys:
            kept = {key: form for key, form in forms.items() if key in keys}
            size = _write(page, text, kept)
            if size > MOST_BYTES:
                yield f"{page.name} loads {size:,} bytes for instruments, at most {MOST_BYTES:,} are allowed"


def _write(page: Path, text: str, forms: dict[str, Any]) -> int:
    """Write a page with its instruments; return the bytes that it loads for them."""
    folder = page.parent / "instruments"
    folder.mkdir(exist_ok=True)
    scripted = {key: form for key, form in forms.items() if "view" in form}
    pages = {key: folder / f"{page.stem}_{key[-12:]}.html" for key, form in forms.items() if "html" in form}
    for key, path in pages.items():
        path.write_text(forms[key]["html"], encoding="utf-8")
    data = f"phi3libInstruments({json.dumps(scripted, ensure_ascii=False, separators=(',', ':'))});\n"
    (folder / f"{page.stem}.js").write_text(data, encoding="utf-8")

    def with_note(found: re.Match[str]) -> str:
        form, own_page = forms.get(found[1]), pages.get(found[1])
        if form is not None and own_page is not None:
            return _framed(found[0], form["title"], f"instruments/{own_page.name}", form["limits"])
        said = NEEDS_KERNEL if form is None else f"{WORKS} {form['limits']}".strip()
        return f'{found[0]}\n<p class="phi3lib-limits">{html.escape(said)}</p>'

    loaded = (
        f'<link rel="stylesheet" href="../{STYLES}"><script defer src="../{SCRIPT}"></script>'
        f'<script defer src="instruments/{page.stem}.js"></script>'
    )
    page.write_text(TWIN.sub(with_note, text).replace("</head>", f"{loaded}</head>", 1), encoding="utf-8")
    return len(data.encode()) + sum(path.stat().st_size for path in pages.values())


def _framed(still: str, title: str, address: str, limits: str) -> str:
    """Return an instrument that is a page of its own: in a frame where there is room, and behind a link."""
    name = html.escape(title, quote=True)
    return (
        f'<div class="phi3lib-framed">{still}<iframe src="{address}" title="Explorer: {name}" loading="lazy">'
        f'</iframe></div>\n<p class="phi3lib-limits">{WORKS} {html.escape(limits)} '
        f'<a href="{address}">Open the explorer “{name}” on a page of its own</a>.</p>'
    )
