"""The token microscope in JupyterLab, in a real browser: drawn, moved by keys, clicks and slider."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    # A cold kernel behind a cold browser can outlast any sensible limit on shared cores.
    pytest.mark.skipif("PHI3LIB_BROWSER" not in os.environ, reason="asked for by `make test-browser`"),
]


@pytest.fixture
def jupyterlab(tmp_path):
    """JupyterLab on a free port, with one notebook that shows the microscope."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(
            "from phi3lib import lab\n"
            "microscope = lab.widgets.TokenMicroscope(lab.photograph('china'), index=700)\nmicroscope"
        )
    ]
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "microscope.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}"]
    options = ["--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.port_retries=0"]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    server = subprocess.Popen(
        [*command, *options, f"--ServerApp.root_dir={tmp_path}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_up(address)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_up(address: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2)
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise TimeoutError("JupyterLab did not start")


def test_the_microscope_in_jupyterlab(jupyterlab):
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        outside, errors = [], []
        page.on(
            "request",
            lambda r: outside.append(r.url) if re.match(r"https?://(?!127\.0\.0\.1)", r.url) else None,
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{jupyterlab}/lab/tree/microscope.ipynb")
        page.locator(".jp-Notebook").wait_for(timeout=60_000)
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        canvas = page.locator("canvas[aria-label^='Token microscope']")
        canvas.wait_for(timeout=90_000)
        words = page.locator("[role=status]", has_text="Token ")
        expect(words).to_contain_text("Token 700 of", timeout=30_000)
        painted = canvas.evaluate(
            "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            " let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"
        )
        assert painted > 100_000
        canvas.focus()
        page.keyboard.press("ArrowRight")
        expect(words).to_contain_text("Token 701 of")
        page.keyboard.press("ArrowDown")
        expect(words).to_contain_text("Token 750 of")  # 4 crops × 12 tokens and a separator further
        page.keyboard.press("Home")
        expect(words).to_contain_text("Token 0 of")
        box = canvas.bounding_box()
        canvas.click(position={"x": box["width"] * 0.2, "y": box["height"] * 0.4})
        expect(words).to_contain_text("It sees pixels")
        first = words.inner_text()
        canvas.click(position={"x": box["width"] * 0.2, "y": box["height"] * 0.4})
        expect(words).not_to_have_text(first)
        shots = ROOT / "build" / "screenshots"
        shots.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=shots / "microscope.png")
        browser.close()
    assert not errors
    assert not outside
