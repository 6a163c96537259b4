"""JupyterLab on a free port, opened in a headless Chromium that can reach nothing else."""

import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).resolve().parents[1]
SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# Chromium follows the last list alone: this one has what Playwright switches off, and the pages that each
# window loads for suggestions below its address line, half a CPU second. No test sees them.
WITHOUT = """
    AvoidUnnecessaryBeforeUnloadCheckSync DestroyProfileOnBrowserClose HttpsUpgrades
    HttpsFirstBalancedModeAutoEnable LensOverlay MediaRouter PaintHolding ThirdPartyStoragePartitioning
    AvoidCorsURLLoaderRestartOnRedirect TcpPortRandomizationWin OptimizationHints
    NetworkTimeServiceQuerying AimEnabled PreconnectToSearch
    WebUIOmniboxPopup WebUIOmniboxAimPopup
""".split()
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(WITHOUT)}",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
OURS = re.compile(r"(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|(data|blob|about):")
# Milliseconds; ends what hangs. It is no measure of speed: a busy machine may be ten times as slow.
PATIENCE = 1_200_000
# The same for one action or assertion on a page, where Playwright's own limits are 30 and 5 seconds.
WAIT = 120_000
# Milliseconds between two looks at a notebook that runs. By default a page looks in every frame that it
# draws, and reads all outputs each time: a second processor of work beside the kernel's.
LOOK_EVERY = 200
# The last one: a message came for a notebook that was closed a moment before; all share one page.
JUPYTERLABS_OWN = ("Failed to load resource", "Canceled future for ", "Disposed")
NOTEBOOK = "window.jupyterapp.shell.currentWidget"
CELLS = f"{NOTEBOOK}.content.widgets.filter(c => c.model.type === 'code')"
READY = (
    "window.jupyterapp?.shell?.currentWidget?.context?.path === path &&"
    " window.jupyterapp.shell.currentWidget.context.isReady &&"
    " window.jupyterapp.shell.currentWidget.sessionContext?.isReady &&"
    " window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
)
# A cell has a number, or its place shows that it waits for one.
BEGUN = f"{CELLS}.some(c => c.model.executionCount || c.node.innerText.includes('[*]'))"
TRIES, FIRST_PATIENCE = 5, 10_000  # of "run all", which JupyterLab drops at times where a kernel starts fast
OPEN = "async path => { await window.jupyterapp.commands.execute('docmanager:open', { path }); }"
# A disposed document, unlike a closed one, does not ask whether to save it.
CLOSE = (
    "async path => { for (const one of [...window.jupyterapp.shell.widgets('main')])"
    " if (one.context?.path === path) { await one.sessionContext.shutdown(); one.dispose(); } }"
)
VIEW = "application/vnd.jupyter.widget-view+json"
# JupyterLab hides what is beyond its window, so that axe-core takes all cells for invisible and reads neither
# their colors nor their sizes. This looks the same to a reader.
CLIPPED = "body, .jp-LabShell { overflow: clip !important; }"
# How many pixels of a canvas are not transparent.
PAINTED = (
    "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
    " let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"
)

# Rows of a table are alike: axe reads the first twenty and the first selected one of all, a millisecond each.
ALIKE = "tbody tr:nth-child(n + 21):not(:nth-child(1 of :has(:checked)))"
# Targets have 24 by 24 pixels: axe does not look by default. All that passes a rule is not listed: that would
# take longer than to find what does not.
FAULTS = """async ([selector, alike]) => {
    const context = { include: [selector], exclude: [alike] };
    const rules = { 'target-size': { enabled: true } };
    const options = { rules, resultTypes: ['violations'], elementRef: true };
    const { violations } = await axe.run(context, options);
    const cellOf = element => Number(element?.closest('.jp-Cell')?.dataset.windowedListIndex ?? -1);
    return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map(({ element, html }) => [cellOf(element), `${id}: ${html}`]));
}"""


class LabPage:
    """A page of a browser with JupyterLab in it, which has one notebook open at a time.

    Loading JupyterLab takes a browser five CPU seconds, opening a further notebook less than one.
    """

    def __init__(self, browser: Any, address: str, folder: Path) -> None:
        self._window = new_window(browser, viewport={"width": 1280, "height": 900})
        self.page = self._window.new_page()
        self.folder = folder
        self._address = address
        self._loaded = False
        self._opened: OpenNotebook | None = None

    def open(self, notebook: nbformat.NotebookNode, path: str, theme: str | None = "Light") -> "OpenNotebook":
        """Write a notebook to a path in the server's folder and open it; the one opened before is closed.

        theme: of JupyterLab; None: as it is, since a change takes the browser 0.4 CPU seconds.
        """
        if self._opened is not None:
            self._opened.close()
        (self.folder / path).parent.mkdir(exist_ok=True)
        nbformat.write(notebook, self.folder / path)
        self._opened = OpenNotebook(self.page, path)
        if self._loaded:
            self.page.evaluate(OPEN, path)
        else:
            self.page.goto(self.address_of(path))
            self._loaded = True
        self._opened.wait_until_ready()
        if theme is not None:
            self._opened.use_theme(theme)
        return self._opened

    def address_of(self, path: str, workspace: str = "tests") -> str:
        """The address of a notebook in a workspace of JupyterLab."""
        return f"{self._address}/lab/workspaces/{workspace}/tree/{path}"

    def close(self) -> None:
        """Close the notebook and the page."""
        if self._opened is not None:
            self._opened.close()
        self._window.close()


class OpenNotebook:
    """A notebook in JupyterLab, with what the page asked of other machines and its own errors since then."""

    def __init__(self, page: Any, path: str) -> None:
        self.page = page
        self.outside: list[str] = []
        self.errors: list[str] = []
        self._path = path
        self._listeners = {
            "request": lambda r: None if OURS.match(r.url) else self.outside.append(r.url),
            "pageerror": lambda error: self._note(str(error)),
            "console": lambda m: self._note(m.text) if m.type == "error" else None,
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)

    def _note(self, error: str) -> None:
        """Keep an error; JupyterLab's own about resources and about a kernel that ended are not ours."""
        if not any(own in error for own in JUPYTERLABS_OWN):
            self.errors.append(error)

    def wait_until_ready(self) -> None:
        """Wait for the notebook's cells and its kernel."""
        self.page.wait_for_function(f"path => {READY}", arg=self._path, timeout=PATIENCE, polling=LOOK_EVERY)
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE)
        self.page.add_style_tag(content=CLIPPED)

    def run_all(self) -> None:
        """Run all cells and wait until each of them has a number of its own and the kernel rests."""
        self._begin()
        done = f"{CELLS}.every(c => c.model.executionCount || !c.model.sharedModel.getSource().trim())"
        failed = f"{CELLS}.some(c => c.model.outputs.toJSON().some(o => o.output_type === 'error'))"
        # The outputs, which may be megabytes, are not read while a cell runs.
        rests = f"{NOTEBOOK}.sessionContext.session.kernel.status === 'idle'"
        self.page.wait_for_function(f"{rests} && ({done} || {failed})", timeout=PATIENCE, polling=LOOK_EVERY)

    def _begin(self) -> None:
        """Ask for all cells until one of them has begun."""
        from playwright.sync_api import TimeoutError as TooLate

        for _ in range(TRIES):
            # It is not awaited: it ends with the last cell.
            self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
            try:
                self.page.wait_for_function(BEGUN, timeout=FIRST_PATIENCE, polling=LOOK_EVERY)
            except TooLate:
                continue
            return
        raise AssertionError(f"no cell began, although JupyterLab was asked {TRIES} times to run all")

    def errors_of_cells(self) -> list[str]:
        """The errors that cells ended with."""
        return self.page.evaluate(
            f"{CELLS}.flatMap(c => c.model.outputs.toJSON()).filter(o => o.output_type === 'error')"
            ".map(o => o.ename + ': ' + o.evalue)"
        )

    def cell(self, number: int) -> Any:
        """Scroll to a cell and make it the active one, in command mode; its output, which is in view."""
        self.page.evaluate(
            f"(async () => {{ const content = {NOTEBOOK}.content; content.mode = 'command';"
            f" content.activeCellIndex = {number}; await content.scrollToItem({number}, 'start'); }})()"
        )
        return self.page.locator(f".jp-Cell[data-windowed-list-index='{number}'] .jp-Cell-outputWrapper")

    def live_cells(self) -> list[int]:
        """The numbers of the cells that hold a live widget."""
        return self.page.evaluate(
            f"{NOTEBOOK}.content.widgets.flatMap((c, n) => c.model.type === 'code' &&"
            f" c.model.outputs.toJSON().some(o => o.data && o.data['{VIEW}']) ? [n] : [])"
        )

    def serious_faults(self, cells: Iterable[int]) -> dict[int, list[str]]:
        """{cell: faults} in the outputs of these cells, from one run of axe-core: each reads the page."""
        outputs = {number: f"[data-windowed-list-index='{number}'] .jp-OutputArea-output" for number in cells}
        faults: dict[int, list[str]] = {number: [] for number in outputs}
        for cell, fault in _faults(self.page, ", ".join(outputs.values())):
            faults.setdefault(cell, []).append(fault)
        return faults

    def theme(self) -> str:
        """JupyterLab's theme: Light or Dark."""
        light = self.page.locator("body").get_attribute("data-jp-theme-light")
        return "Light" if light == "true" else "Dark"

    def use_theme(self, name: str) -> None:
        """Change JupyterLab's theme, if it is not this one: Light or Dark."""
        light = str(name == "Light").lower()
        if self.theme() != name:
            theme = {"theme": f"JupyterLab {name}"}
            self.page.evaluate(
                "theme => window.jupyterapp.commands.execute('apputils:change-theme', theme)", theme
            )
        # JupyterLab hides itself for a frame when it has told of the new theme.
        self.page.locator(f"body[data-jp-theme-light='{light}'] > #main").wait_for()

    def close(self) -> None:
        """End the kernel, which would keep its memory until all tests are done, and close the notebook."""
        if not self._listeners:
            return  # closed before
        self.page.evaluate(CLOSE, self._path)
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        self._listeners = {}

    def content(self) -> nbformat.NotebookNode:
        """Return the notebook as the page holds it, with all outputs."""
        model = self.page.evaluate(f"JSON.stringify({NOTEBOOK}.content.model.toJSON())")
        return nbformat.reads(model, as_version=4)

    def kernel_id(self) -> str:
        """Return the kernel's id, which its command line names."""
        return self.page.evaluate(f"{NOTEBOOK}.sessionContext.session.kernel.id")

    def screenshot(self, name: str) -> None:
        """Keep what the page shows as build/screenshots/<name>.png."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@contextmanager
def running_jupyterlab(folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, Path]]:
    """(address, folder) of a JupyterLab that serves a folder of its own, with this environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.ip=127.0.0.1"]
    options += ["--IdentityProvider.token=", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "lab", *options, "--LabApp.expose_app_in_browser=True"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**environment, "JUPYTER_CONFIG_DIR": str(folder / ".config")},
    )
    try:
        _wait_until_up(server, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", folder
    finally:
        server.terminate()
        server.wait()


def _wait_until_up(server: subprocess.Popen, address: str) -> None:
    """Wait for the server's first answer, however long a busy machine takes; raise if the server ends."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api", timeout=30)
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start: exit status {server.returncode}")


@contextmanager
def headless_chromium() -> Iterator[Any]:
    """A browser of playwright that can reach this machine alone."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def new_window(browser: Any, **options: Any) -> Any:
    """A window of a browser (a context of playwright) with these options, whose pages wait for WAIT."""
    window = browser.new_context(**options)
    window.set_default_timeout(WAIT)
    return window


def serious_faults(page: Any, selector: str) -> list[str]:
    """What axe-core finds serious or critical within the elements that fit, small targets too."""
    return [fault for _, fault in _faults(page, selector)]


def _faults(page: Any, selector: str) -> list[tuple[int, str]]:
    """(number of the cell in JupyterLab or -1, fault) of each element with a serious fault."""
    from axe_playwright_python.sync_playwright import Axe

    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(Axe().axe_script)
    return page.evaluate(FAULTS, [selector, ALIKE])


def is_drawn(element: Any) -> bool:
    """Wait for what is painted on a canvas in JupyterLab, or for a picture; return whether there is any."""
    from playwright.sync_api import TimeoutError as TooLate

    if element.evaluate("e => e.tagName") == "CANVAS":
        painted, canvas = f"c => ({PAINTED})(c) > 1000", element.element_handle()
        try:
            element.page.wait_for_function(painted, arg=canvas, polling=LOOK_EVERY)
        except TooLate:
            return False
        return True
    element.evaluate("e => e.decode()")
    return element.evaluate("e => e.naturalWidth") > 100
