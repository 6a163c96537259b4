"""One execution of each notebook, which serves all of its tests.

It is "Run all cells" in JupyterLab where there is a Chromium, as a reader does it; without one it is that of
`make run`.
"""

import importlib.util
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import psutil
import pytest

from tests.jupyterlab import CHROMIUM, LabPage, OpenNotebook
from tests.warm_kernels import forks_of_ray, kernel_process

WORKER = "ray::MapWorker"  # as Ray names the processes that hold the model
FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))


@dataclass(frozen=True)
class Executed:
    """A notebook as it is committed and as it was executed now.

    page: the HTML page, rendered as `make run` renders it. left_behind: files that the run put beside it.
    live: the notebook in JupyterLab, its kernel still running; None without a browser.
    """

    name: str
    committed: nbformat.NotebookNode
    notebook: nbformat.NotebookNode
    measured: Any
    page: Path
    left_behind: list[str]
    live: OpenNotebook | None = None


@pytest.fixture(scope="session")
def real() -> ModuleType:
    """`notebooks/real.py` as a module."""
    spec = importlib.util.spec_from_file_location("real_course_for_tests", FOLDER / "real.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(
    scope="session",
    params=PATHS,
    ids=[path.stem for path in PATHS],  # by which tests/conftest.py sends a notebook's tests to one worker
)
def executed(
    request: pytest.FixtureRequest, run: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Executed]:
    """Each notebook, executed in a folder of its own without network, once for all tests of a session."""
    path = request.param
    if CHROMIUM is None:
        yield execute_copy(run, path, tmp_path_factory.mktemp(path.stem))
        return
    page = request.getfixturevalue("lab_page")
    executed = execute_in_jupyterlab(run, path, page)
    yield executed
    executed.live.close()


def execute_copy(run: ModuleType, path: Path, folder: Path) -> Executed:
    """Execute a notebook as `make run RUN_ARGS=--no-network` does, with `folder` as working directory."""
    notebook = nbformat.read(path, as_version=4)
    measured = run.execute(notebook, folder / path.name, no_network=True)
    return _executed(run, path, notebook, measured, folder)


def execute_in_jupyterlab(run: ModuleType, path: Path, page: LabPage) -> Executed:
    """Open a copy of a notebook without outputs in JupyterLab and run all cells."""
    live = page.open(without_outputs(path), f"{path.stem}/{path.name}", theme=None)
    started = time.perf_counter()
    with watcher_of_forks(run)(interval=1) as watcher:  # the kernel stays: its peak is not missed
        watcher.pid = process_of_kernel(live.kernel_id())
        live.run_all()
        notebook, error = live.content(), "\n".join(live.errors_of_cells())
    seconds = time.perf_counter() - started
    measured = run.Measurement(
        path.stem, seconds, watcher.cpu_seconds, watcher.megabytes, run.claims(notebook), error
    )
    return _executed(run, path, notebook, measured, page.folder / path.stem, live)


def watcher_of_forks(run: ModuleType) -> type:
    """The watcher of `make run`, which also counts the forks that would be children of a usual kernel."""

    class Watcher(run.Watcher):
        def besides(self, process: psutil.Process) -> int:
            """Workers in full, with the imports that they share; others without, as they import little."""
            server, forks = forks_of_ray(process)
            imports = run.unshared(server) if server else 0
            in_full = [one.name().startswith(WORKER) for one in forks]
            sizes = [run.unshared(one) for one in forks]
            return sum(
                size if full else max(0, size - imports) for size, full in zip(sizes, in_full, strict=True)
            )

    return Watcher


def without_outputs(path: Path) -> nbformat.NotebookNode:
    """A notebook before its first run."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def process_of_kernel(kernel_id: str) -> int:
    """The process id of a kernel that was started by a process of ours."""
    for one in psutil.Process().children(recursive=True):
        try:
            arguments = one.cmdline()
        except psutil.Error:  # it has ended since, or waits as a zombie for the process that started it
            continue
        if any(kernel_id in argument for argument in arguments):
            return kernel_process(one.pid)
    raise LookupError(f"no process has the kernel {kernel_id}")


def _executed(
    run: ModuleType,
    path: Path,
    notebook: nbformat.NotebookNode,
    measured: Any,
    folder: Path,
    live: OpenNotebook | None = None,
) -> Executed:
    # JupyterLab keeps a copy of the notebook in .ipynb_checkpoints.
    own = {path.name, ".ipynb_checkpoints"}
    left_behind = sorted(one.name for one in folder.iterdir() if one.name not in own)
    run.clean(notebook)
    page = folder / f"{path.stem}.html"
    run.render(notebook, page)
    committed = nbformat.read(path, as_version=4)
    return Executed(path.stem, committed, notebook, measured, page, left_behind, live)
