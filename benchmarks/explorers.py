"""Compare explorers of embeddings with ours: each is started, opened in headless Chromium and measured.

python benchmarks/explorers_data.py DATA                 the pictures for all of them
python benchmarks/explorers.py DATA ENVIRONMENTS         measure all, write the table of docs/explorers.md
python benchmarks/explorers.py DATA ENVIRONMENTS --only wizmap     measure one anew, the others as they were

ENVIRONMENTS has a folder for each explorer, such as wizmap, with a Python environment in which it is
installed, and may have node_modules with packages that a page would fetch. Ours runs in the environment of
this program.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from explorers_page import FLAGS, measure
from playwright.sync_api import sync_playwright
from report import machine, table, write_section

HERE, PAGE = Path(__file__).parent, Path(__file__).parents[1] / "docs" / "explorers.md"
PORT = 9100


@dataclass(frozen=True)
class Explorer:
    """An explorer: its package, the page that it shows (of so many rows), the selector of its map."""

    name: str
    package: str
    path: str = "/"
    map: str = "canvas"


EXPLORERS = (
    Explorer("ours", "phi3lib", "/ours_{rows}.html", "canvas[role=application]"),
    Explorer("wizmap", "wizmap"),
    Explorer("datamapplot", "datamapplot"),
    Explorer("jupyter-scatter", "jupyter-scatter", "/lab/tree/explorer.ipynb"),
    Explorer("embedding-atlas", "embedding-atlas"),
    Explorer("renumics-spotlight", "renumics-spotlight"),
    Explorer("latentscope", "latentscope", "/datasets/pics/explore/scopes-001"),
    Explorer("tensorboard", "tensorboard", "/#projector"),
    Explorer("pixplot", "pixplot"),
    Explorer("fiftyone", "fiftyone"),
)


def python_of(explorer: Explorer, environments: Path) -> Path:
    """The interpreter that has the explorer."""
    return (
        Path(sys.executable) if explorer.name == "ours" else environments / explorer.name / "bin" / "python"
    )


def version_of(explorer: Explorer, python: Path) -> str:
    """The installed version."""
    ask = f"from importlib.metadata import version; print(version({explorer.package!r}))"
    return subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def started(explorer: Explorer, python: Path, data: Path, rows: int, log: Path) -> Iterator[psutil.Process]:
    """Run an explorer's server; it and all that it started end with the block."""
    arguments = [explorer.name, str(data), str(rows), str(PORT)]
    with log.open("wb") as output:
        begun = subprocess.Popen(
            [str(python), str(HERE / "explorers_start.py"), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield psutil.Process(begun.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(begun.pid, signal.SIGKILL)
        begun.wait()


def wait_for(server: psutil.Process, end: float) -> None:
    """Wait until the server answers. TimeoutError if it ends, or has not answered at the time `end`."""
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5)
            return
        if server.status() == psutil.STATUS_ZOMBIE:
            raise TimeoutError("it stopped at its start")
        time.sleep(0.5)
    raise TimeoutError("did not answer in time")


def cpu_seconds(server: psutil.Process) -> float:
    """What the server and all that it started have computed."""
    return sum(sum(one.cpu_times()[:4]) for one in [server, *server.children(recursive=True)])


def written(data: Path, since: float) -> int:
    """Bytes of the files that were written since then."""
    files = [file for file in data.rglob("*") if file.is_file() and file.stat().st_mtime >= since]
    return sum(file.stat().st_size for file in files)


def found_of(explorer: Explorer, asked: argparse.Namespace) -> dict[str, Any]:
    """Start, open and measure an explorer; what it did not do is `failed`."""
    python = python_of(explorer, asked.environments)
    found: dict[str, Any] = {"version": version_of(explorer, python)}
    since, end = time.time(), time.monotonic() + 60 * asked.minutes
    log, address = asked.files / f"{explorer.name}.log", f"http://127.0.0.1:{PORT}{explorer.path}"
    with (
        started(explorer, python, asked.data, asked.rows, log) as server,
        sync_playwright() as playwright,
    ):
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            wait_for(server, end)
            found |= measure(
                browser,
                address.format(rows=asked.rows),
                explorer.map,
                patience=max(end - time.monotonic(), 30),
                shots=asked.files / explorer.name,
                packages=asked.environments / "node_modules",
            )
        except Exception as error:  # whatever another program does
            said = str(error).splitlines()[0] if isinstance(error, TimeoutError) else type(error).__name__
            found["failed"] = f"{said} ({asked.minutes} minutes)"
            print(repr(error), file=sys.stderr)
        found |= {"build": cpu_seconds(server), "written": written(asked.data, since) / 1e6}
        browser.close()
    return found


def kept(explorer: Explorer, asked: argparse.Namespace) -> Path:
    """The file of what was measured of an explorer, so that one of them can be measured anew."""
    return asked.files / f"{explorer.name}-{asked.rows}.json"


def row_of(explorer: Explorer, found: dict[str, Any]) -> list[str]:
    """A row of the table."""
    name = f"**Atlas** {found['version']}" if explorer.name == "ours" else explorer.name
    if explorer.name != "ours" and "version" in found:
        name = f"{explorer.package} {found['version']}"
    if "failed" in found:
        return [name, found["failed"], *[""] * (len(NAMES) - 2)]
    drawn = found["wheel"] > 0.001  # the wheel changes what is drawn
    pointed = [found[which] for which in ("reached", "reached closer")]
    places = [
        f"{one['places']} of {one['tried']}, {one['pictures']}" if one["places"] else "none could be read"
        for one in pointed
    ]
    step = f"{found['step']:.0f}" if found["step"] else "no more than at rest"
    return [
        name,
        f"{found['build']:.0f}",
        f"{found['written']:.1f}",
        f"{found['loaded']:.1f}",
        f"{found['cpu']:.1f}" if drawn else "no map",
        f"{found['memory']:.1f}",
        step if drawn else "no map",
        *(places if drawn else ["no map"] * len(places)),
        f"{found['axe']}, {found['axe serious']}",
        "yes" if found["dark"] else "no",
        "yes" if found["wider than a phone"] else "no",
        str(found["outside"]),
    ]


NAMES = (
    "explorer",
    "to build, CPU s",
    "written, MB",
    "loaded, MB",
    "to the first map, CPU s of the browser",
    "the browser, GB",
    "a step of the wheel, CPU ms",
    "places of the pointer that name a picture, different pictures",
    "the same, closer",
    "faults by axe-core, serious kinds",
    "follows the system's dark theme",
    "wider than a phone",
    "addresses of other machines",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="what explorers_data.py has written")
    parser.add_argument("environments", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument(
        "--minutes", type=int, default=6, help="that each explorer gets until its map is drawn"
    )
    parser.add_argument("--only", nargs="+", choices=[one.name for one in EXPLORERS], default=[])
    parser.add_argument("--files", type=Path, default=Path("build/explorers"), help="for screenshots, logs")
    parser.add_argument("--quick", action="store_true", help="print, and write nothing into the docs")
    asked = parser.parse_args()
    asked.data, asked.files = asked.data.resolve(), asked.files.resolve()
    asked.files.mkdir(parents=True, exist_ok=True)
    for explorer in EXPLORERS:
        installed = python_of(explorer, asked.environments).exists()
        if installed and (not asked.only or explorer.name in asked.only):
            found = found_of(explorer, asked)
            print(json.dumps({"name": explorer.name} | found), flush=True)
            kept(explorer, asked).write_text(json.dumps(found), encoding="utf-8")
    known = [(one, kept(one, asked)) for one in EXPLORERS if kept(one, asked).is_file()]
    rows = [row_of(one, json.loads(file.read_text(encoding="utf-8"))) for one, file in known]
    text = f"{table(NAMES, rows)}\n\n{asked.rows:,} pictures, one explorer after the other. {machine()}"
    print(text)
    if not asked.quick:
        write_section("measured", text, PAGE)


if __name__ == "__main__":
    main()
