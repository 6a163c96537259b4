"""Run the project's JavaScript modules with data from Python: in node, or where there is none in Chromium."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from phi3lib.lab.figures import palette
from phi3lib.lab.widgets import without_kernel
from tests.jupyterlab import CHROMIUM, headless_chromium
from tools.site_instruments import IMPORT, PARTS

NODE = shutil.which("node")
SCRIPTS = Path(without_kernel.__file__).parent
needs_javascript = pytest.mark.skipif(
    NODE is None and CHROMIUM is None, reason="neither node nor Chromium is installed"
)


def computed(body: str, given: Any) -> Any:
    """Return what a function body returns for `given`; it sees all names of the modules. Both are JSON."""
    parts = [(SCRIPTS / f"{part}.js").read_text(encoding="utf-8") for part in PARTS]
    modules = "\n".join(IMPORT.sub("", part).replace("\nexport ", "\n") for part in parts)
    code = f'"use strict"; {palette.script()}\n{modules}\nreturn ((given) => {{ {body} }})(given);'
    if NODE is None:
        with headless_chromium() as browser:
            page = browser.new_page()
            return page.evaluate("([code, given]) => Function('given', code)(given)", [code, given])
    program = (
        "let text = ''; process.stdin.on('data', (part) => (text += part));"
        "process.stdin.on('end', () => { const [code, given] = JSON.parse(text);"
        "process.stdout.write(JSON.stringify(Function('given', code)(given))); });"
    )
    ran = subprocess.run(
        [NODE, "-e", program],
        input=json.dumps([code, given]),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout)
