"""Execute the notebooks from top to bottom, each in a fresh kernel, and measure them.

    python notebooks/run.py                       # all of them; nothing is written
    python notebooks/run.py 00_start_here 03_hd_transform --write
    python notebooks/run.py --html build/html --times --no-network

--write saves the outputs, and in instruments/ what the instruments show on the site, which has no kernel;
--instruments saves the second alone.

It lives beside the notebooks because they are its only subject. A line of progress each: seconds, CPU
seconds of the kernel and its children, peak memory, claims that hold. The exit status is 1 when a notebook
fails, is over its budget of CPU seconds or memory, or makes a claim that does not hold. Seconds on the
clock depend on what else the machine does, so they are reported and have no budget.
"""

import argparse
import itertools
import json
import os
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
from jinja2 import DictLoader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

from phi3lib.embeddings.files import replacing
from phi3lib.lab.grading.network import without_network

NOTEBOOKS = Path(__file__).resolve().parent
README = NOTEBOOKS.parent / "README.md"

# As a reader's kernel has it, whose set-up cell chooses the threads of all libraries but Numba's.
KERNEL_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CLAIM = "application/vnd.phi3lib.claim+json"  # what `lab.claim` puts beside its text
# What instruments show on the site, which has no kernels; see phi3lib/lab/widgets/without_kernel.
RECORD = "PHI3LIB_RECORD_INSTRUMENTS"
INSTRUMENTS = "instruments"  # the folder of these files, beside the notebooks
LARGEST_INSTRUMENTS = 3_000_000  # bytes of one notebook's file
# Of the budget: two workers hold a model each, and Ray has processes of its own.
MORE_MEMORY = {"12_at_scale": 1.5}
CELL_METADATA_KEPT = {"tags", "jupyter", "slideshow"}
PRINT_COPY = "image/png"
LARGEST = 400_000  # bytes of a notebook that is saved here
# Ends a cell that hangs. It is no measure of speed: a busy machine may be ten times as slow.
CELL_SECONDS = 1500
STEP_SECONDS = 5
RUN_TIME = re.compile(r"(<!--run-time-->)(.*?)(<!--/run-time-->)", re.DOTALL)
TABLE = re.compile(r"(<!--notebooks-->\n)(.*?)(<!--/notebooks-->)", re.DOTALL)
# nbconvert's page would load RequireJS, MathJax and Mermaid from the network; what the notebooks show
# is in their outputs already.
OFFLINE_TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
"""


@dataclass(frozen=True)
class Measurement:
    """What one execution took and claimed; `error` is empty when it went through.

    seconds: on the clock. cpu_seconds, peak_mb: of the kernel and the processes that it started.
    claims: as `claims` returns them.
    """

    name: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    claims: tuple[dict, ...] = ()
    error: str = ""
    instruments: dict[str, Any] | None = None  # by the key of their stills; None where nothing was recorded

    def over_budget(self, budget_cpu_seconds: float, budget_mb: float) -> list[str]:
        """Which budgets were exceeded, in words."""
        over = []
        if self.cpu_seconds > budget_cpu_seconds:
            over.append(f"{self.cpu_seconds:.0f} CPU seconds, the budget is {budget_cpu_seconds:.0f}")
        if self.peak_mb > budget_mb:
            over.append(f"{self.peak_mb:.0f} MB, the budget is {budget_mb:.0f} MB")
        return over

    def broken_claims(self) -> list[str]:
        """Which claims do not hold though they are made for these checkpoints, in words."""
        broken = [claim for claim in self.claims if claim["claimed"] and not claim["holds"]]
        return [f"{claim['name']}: {claim['statement']}, but {claim['shown']}" for claim in broken]

    def problems(self, budget_cpu_seconds: float, budget_mb: float) -> list[str]:
        """Why this execution does not pass, in words; empty if it does."""
        if self.error:
            return [self.error]
        return [*self.over_budget(budget_cpu_seconds, budget_mb), *self.broken_claims()]


def claims(notebook: nbformat.NotebookNode) -> tuple[dict, ...]:
    """The claims in a notebook's outputs, in order: name, holds, claimed, statement, because, shown."""
    outputs = itertools.chain.from_iterable(cell.get("outputs", []) for cell in notebook.cells)
    return tuple(output["data"][CLAIM] for output in outputs if CLAIM in output.get("data", {}))


class Watcher:
    """Watches what a process and its children use.

    with Watcher() as watcher: watcher.pid = ...; then watcher.megabytes (the peak), watcher.cpu_seconds
    """

    def __init__(self, interval: float = 0.1) -> None:
        self.pid: int | None = None
        self.megabytes = 0.0
        self.cpu_seconds = 0.0
        self._interval = interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def besides(self, process: psutil.Process) -> int:
        """Return the bytes of processes that work for this one and are no children of it: none."""
        return 0

    def _watch(self) -> None:
        while not self._done.wait(self._interval):
            if self.pid is not None:
                self._measure(self.pid)

    def _measure(self, pid: int) -> None:
        try:
            process = psutil.Process(pid)
            children = process.children(recursive=True)
            memory = _own_peak(process) + sum(map(unshared, children)) + self.besides(process)
            # A process's times hold those of its ended children (except on Windows), not of living ones.
            seconds = sum(sum(one.cpu_times()[:4]) for one in (process, *children))
        except psutil.Error:
            return  # just starting, or just gone
        self.megabytes = max(self.megabytes, memory / 2**20)
        self.cpu_seconds = max(self.cpu_seconds, seconds)


def unshared(process: psutil.Process) -> int:
    """Bytes that are resident now, without libraries and shared memory where the system tells (Linux).

    A library is in memory once, however many processes use it.
    """
    memory = process.memory_info()
    return memory.rss - getattr(memory, "shared", 0)


def _own_peak(process: psutil.Process) -> int:
    """Bytes: the peak that the system keeps where it does (Linux, Windows), else what is resident now."""
    status = Path(f"/proc/{process.pid}/status")
    try:
        if status.exists():
            peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
            if peak is not None:  # else the process ended between two lines
                return int(peak[1]) * 1024
    except OSError:
        pass  # as above
    memory = process.memory_info()
    return getattr(memory, "peak_wset", memory.rss)


class _Client(NotebookClient):
    """Tells the watcher which process the kernel is."""

    def __init__(self, *arguments: Any, watcher: Watcher, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._watcher = watcher

    async def async_start_new_kernel(self, **options: Any) -> None:
        await super().async_start_new_kernel(**options)
        kernel: Any = self.km
        self._watcher.pid = kernel.provisioner.pid


def execute(
    notebook: nbformat.NotebookNode, path: Path, *, no_network: bool = False, record: bool = False
) -> Measurement:
    """Run all cells in a new kernel, outputs in place; the working directory is that of `path`.

    record: whether the instruments are recorded for pages without a kernel. It is not counted as run time.
    """
    started = time.perf_counter()
    error = ""
    with tempfile.TemporaryDirectory() as start_up, Watcher() as watcher:
        environment = {**os.environ, **KERNEL_ENVIRONMENT}
        if no_network:
            environment = without_network(environment, Path(start_up))
        recorded = Path(start_up, "instruments.json")
        if record:
            environment[RECORD] = str(recorded)
        client = _Client(
            notebook,
            watcher=watcher,
            timeout=CELL_SECONDS,
            startup_timeout=CELL_SECONDS,  # a busy machine may need more than the default of a minute
            kernel_name="python3",
            extra_arguments=["--log-level=ERROR"],  # no warning about sockets that stay on this machine
            resources={"metadata": {"path": str(path.parent)}},
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,  # how a stream is cut into messages depends on the clock
        )
        try:
            client.execute(env=environment)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as failure:
            error = str(failure)
        kept = json.loads(recorded.read_text(encoding="utf-8")) if recorded.exists() else {}
    return Measurement(
        path.stem,
        time.perf_counter() - started - kept.get("seconds", 0.0),
        watcher.cpu_seconds - kept.get("cpu_seconds", 0.0),
        watcher.megabytes,
        claims(notebook),
        error,
        kept.get("forms", {}) if record else None,
    )


def clean(notebook: nbformat.NotebookNode) -> None:
    """Leave in the metadata only what a reader or a teacher put there; cell ids and outputs stay."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        for key in set(cell.metadata) - CELL_METADATA_KEPT:
            del cell.metadata[key]
        for output in cell.get("outputs", []):
            # A live widget has a new random number in every run, and its picture stands beside it.
            output.get("data", {}).pop(WIDGET_VIEW, None)
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]
    if len(nbformat.writes(notebook).encode("utf-8")) > LARGEST:
        drop_print_copies(notebook)


def drop_print_copies(notebook: nbformat.NotebookNode) -> None:
    """Remove the `image/png` beside each picture in HTML: it is for LaTeX, and a run restores it."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "<img" in data.get("text/html", ""):
                data.pop(PRINT_COPY, None)


def render(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write one HTML page that needs no other file and no network."""
    exporter = HTMLExporter(
        # Not embed_images=True: it parses each piece of HTML alone and closes <details> before its content.
        # Pictures are data URIs in the outputs anyway.
        extra_loaders=[DictLoader({"offline.html.j2": OFFLINE_TEMPLATE})],
        template_file="offline.html.j2",
    )
    title, _ = headline(notebook)
    name = f"{path.stem.partition('_')[0]} · {title}" if title else path.stem  # what a browser calls the page
    resources = {"metadata": {"name": name, "path": str(NOTEBOOKS)}}
    html, _ = exporter.from_notebook_node(notebook, resources=resources)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")


def about(seconds: float, before: str = "") -> str:
    """A run time in words, in steps; `before` stays while it is about right, so that reruns agree."""
    known = re.fullmatch(r"about (\d+) s", before.strip())
    if known and abs(seconds - int(known[1])) <= STEP_SECONDS:
        return before.strip()
    return f"about {max(1, round(seconds / STEP_SECONDS)) * STEP_SECONDS} s"


def stamp_run_time(notebook: nbformat.NotebookNode, seconds: float) -> bool:
    """Put the run time between the markers of the first cell; whether that changed anything."""
    first = notebook.cells[0]
    source = RUN_TIME.sub(lambda found: found[1] + about(seconds, found[2]) + found[3], first.source)
    changed = source != first.source
    first.source = source
    return changed


def headline(notebook: nbformat.NotebookNode) -> tuple[str, str]:
    """(title without its number, first paragraph): the first heading and the first paragraph under it."""
    lines = notebook.cells[0].source.splitlines() if notebook.cells else []
    title = next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")
    below = [line.strip() for line in lines if not line.startswith("#")]
    paragraph = " ".join(itertools.takewhile(bool, itertools.dropwhile(lambda line: not line, below)))
    return title.split(" · ", 1)[-1], paragraph.strip("*_ ").replace("|", "\\|")


def write_table(readme: Path, paths: list[Path], seconds: dict[str, float]) -> None:
    """Rewrite the table of notebooks in the README; run times that were not measured now stay."""
    text = readme.read_text(encoding="utf-8")
    table = TABLE.search(text)
    if not table:
        raise ValueError(f"{readme} has no <!--notebooks--> … <!--/notebooks--> around its table")
    before = dict(re.findall(r"\(notebooks/([^)]+)\.ipynb\).*\| (about \d+ s) \|", table[2]))
    rows = ["| notebook | what it is about | run time |", "|---|---|---|"]
    for path in paths:
        title, promise = headline(nbformat.read(path, as_version=4))
        name = path.stem
        took = about(seconds[name], before.get(name, "")) if name in seconds else before.get(name, "–")
        number = name.split("_")[0]
        rows.append(f"| [{number} · {title or name}](notebooks/{path.name}) | {promise} | {took} |")
    body = "\n".join(rows) + "\n"
    readme.write_text(text[: table.start(2)] + body + text[table.end(2) :], encoding="utf-8")


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook; an interruption leaves the old file or the new one."""
    with replacing(path) as temporary:
        nbformat.write(notebook, temporary)


def save_instruments(forms: dict[str, Any], notebook: Path) -> None:
    """Write what a notebook's instruments show without a kernel; no file where there is nothing."""
    path = notebook.parent / INSTRUMENTS / f"{notebook.stem}.json"
    if not forms:
        path.unlink(missing_ok=True)
        return
    lines = [
        f"{json.dumps(key)}: {json.dumps(forms[key], ensure_ascii=False, sort_keys=True)}"
        for key in sorted(forms)
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if len(text.encode("utf-8")) > LARGEST_INSTRUMENTS:
        raise SystemExit(
            f"The instruments of {notebook.name} have {len(text):,} characters, at most "
            f"{LARGEST_INSTRUMENTS:,} are kept: offer fewer states without a kernel."
        )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def run_one(path: Path, options: argparse.Namespace) -> Measurement:
    """Execute one notebook and write what the options ask for; a failed one leaves its file alone."""
    notebook = nbformat.read(path, as_version=4)
    record = options.write or options.instruments
    measured = execute(notebook, path, no_network=options.no_network, record=record)
    clean(notebook)
    if not measured.error:
        saved = notebook if options.write else nbformat.read(path, as_version=4)
        stamped = options.times and stamp_run_time(saved, measured.seconds)
        if options.write or stamped:
            save(saved, path)
    if not measured.error and measured.instruments is not None:
        save_instruments(measured.instruments, path)
    if options.html:
        render(notebook, options.html / f"{path.stem}.html")
    return measured


def find(names: list[str]) -> list[Path]:
    """Paths of the named notebooks (with or without folder and ending), or of all."""
    everything = sorted(NOTEBOOKS.glob("*.ipynb"))
    if not names:
        return everything
    by_name = {path.stem: path for path in everything}
    unknown = [name for name in names if Path(name).stem not in by_name]
    if unknown:
        raise SystemExit(f"No such notebook: {', '.join(unknown)}. There are: {', '.join(by_name)}")
    return [by_name[Path(name).stem] for name in names]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks to run; all of them if none is named")
    parser.add_argument("--write", action="store_true", help="save the outputs, with clean metadata")
    parser.add_argument(
        "--instruments", action="store_true", help="record the instruments for the site, as --write does too"
    )
    parser.add_argument("--html", type=Path, metavar="FOLDER", help="render each into this folder")
    parser.add_argument("--times", action="store_true", help="write run times to README and first cells")
    parser.add_argument("--no-network", action="store_true", help="only loopback connections in kernels")
    parser.add_argument("--budget-cpu-seconds", type=float, default=90, metavar="S")
    parser.add_argument("--budget-mb", type=float, default=2048, metavar="MB")
    return parser.parse_args(arguments)


def report(measured: Measurement, problems: list[str]) -> None:
    """Print the line of one notebook, and its problems on stderr."""
    kept = sum(claim["holds"] for claim in measured.claims)
    state = "FAILED" if measured.error else "NOT OK" if problems else "ok"
    print(
        f"{measured.seconds:6.1f} s {measured.cpu_seconds:6.1f} CPU s {measured.peak_mb:6.0f} MB "
        f"{kept:3} of {len(measured.claims)} claims  {state}",
        flush=True,
    )
    for problem in problems:
        print(problem, file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit status."""
    options = parse(arguments)
    paths = find(options.names)
    width = max((len(path.stem) for path in paths), default=0)
    failed, seconds = [], {}
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.stem:{width}} ", end="", flush=True)
        measured = run_one(path, options)
        budget_mb = options.budget_mb * MORE_MEMORY.get(path.stem, 1)
        problems = measured.problems(options.budget_cpu_seconds, budget_mb)
        report(measured, problems)
        if problems:
            failed.append(path.stem)
        if not measured.error:
            seconds[path.stem] = measured.seconds
    if options.times:
        write_table(README, find([]), seconds)
    if failed:
        print(f"{len(failed)} of {len(paths)} did not pass: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
