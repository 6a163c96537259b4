"""How the suite is spread over processes: `make test` runs a worker more than there are cores (pytest-xdist).

A group of tests runs on one worker, so that what they share is made once: a test file is a group, each
notebook is one (its execution serves all of its tests), and so are the browser tests of instruments. The long
groups start first, notebooks by the run times in the README: what is left for the end is then short, and no
worker is idle for long. Two workers alone take the groups that need JupyterLab. All workers are forks of one
process that has imported the tests (`tests/warm_workers.py`).
"""

import gc
import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pytest

from tests import no_grammars

ROOT = Path(__file__).resolve().parents[1]
EACH_NOTEBOOK = "tests/notebooks/test_notebooks.py"
LONGEST_FIRST = ("browser", "notebooks", "training")
LIBRARY_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
IN_JUPYTERLAB = ("tests/browser", EACH_NOTEBOOK, "tests/notebooks/test_warm_kernels.py")
LAB_WORKERS = 2  # each starts JupyterLab and a browser: 15 CPU seconds
MOST_WORKERS = 4  # each of them, with the notebooks that it executes, may need 3 GB
MANY_MODULES = 300  # that are worth a search for garbage, so that later ones pass over them
KERNELS = "warm kernels"  # the entry in a worker's input with the command of a fork
COMMAND = pytest.StashKey[list[str]]()
_exempted = [0]  # how many modules there were at the last one

# Before NumPy and torch are imported: processes with a thread per core each slow each other down many times.
for name in LIBRARY_THREADS:
    os.environ.setdefault(name, "1")
no_grammars.here()


@pytest.fixture(autouse=True)
def _the_choice_of_models_ends_with_the_test() -> Iterator[None]:
    """Let no test choose the models of the next one, as a notebook's set-up cell does for its process."""
    yield
    defaults = sys.modules.get("phi3lib.loading.defaults")
    if defaults is not None:
        defaults.set_default_models(None)


@pytest.fixture(scope="session")
def run() -> ModuleType:
    """`notebooks/run.py` as a module."""
    return notebooks_run()


def notebooks_run() -> ModuleType:
    """Import `notebooks/run.py`."""
    path = ROOT / "notebooks" / "run.py"
    spec = importlib.util.spec_from_file_location("run_notebooks_for_tests", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def python() -> list[str]:
    """The command of a Python for programs (`-c` or a file) that may begin with their imports done."""
    return shlex.split(os.environ.get("FORKED_PYTHON", "")) or [sys.executable]


@pytest.fixture(scope="session")
def kernels(
    request: pytest.FixtureRequest, run: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of a Jupyter whose kernels begin with their imports done, and have no network."""
    from tests.warm_kernels import warm_kernels, with_kernel

    environment = environment_of_kernels(run, tmp_path_factory.mktemp("start_up"))
    folder = tmp_path_factory.mktemp("kernels")
    if python := getattr(request.config, "workerinput", {}).get(KERNELS):
        yield with_kernel(folder, environment, python)
        return
    with warm_kernels(folder, environment) as with_kernels:
        yield with_kernels


def environment_of_kernels(run: ModuleType, folder: Path) -> dict[str, str]:
    """Return the environment of notebooks and JupyterLab, without network; the folder is for its files."""
    no_grammars.with_path(folder)
    return run.without_network({**os.environ, **run.KERNEL_ENVIRONMENT, "PYTHONPATH": str(ROOT)}, folder)


@pytest.fixture(scope="session")
def jupyterlab(
    kernels: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """(address, folder) of a JupyterLab with these kernels."""
    from tests.jupyterlab import running_jupyterlab

    with running_jupyterlab(tmp_path_factory.mktemp("jupyterlab"), kernels) as served:
        yield served


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser; one for all tests of a process."""
    from tests.jupyterlab import headless_chromium

    with headless_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def lab_page(jupyterlab: tuple[str, Path], chromium: Any) -> Iterator[Any]:
    """JupyterLab in the browser: a `tests.jupyterlab.LabPage`, which opens one notebook after another."""
    from tests.jupyterlab import LabPage

    page = LabPage(chromium, *jupyterlab)
    yield page
    page.close()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while the tests are collected: imports make objects that stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        exempt_imports_from_garbage_collection()
        gc.enable()


def pytest_runtest_setup() -> None:
    """Exempt what was imported since then, too."""
    if len(sys.modules) > _exempted[0] + MANY_MODULES:
        exempt_imports_from_garbage_collection()


def exempt_imports_from_garbage_collection() -> None:
    """Let later searches for garbage pass over all objects of now.

    With torch, transformers and all test files there are so many that a search takes a quarter of a second,
    and Python makes many; each training of transformers' Trainer asks for one.
    """
    gc.collect()
    gc.freeze()
    _exempted[0] = len(sys.modules)


def group_of(nodeid: str) -> str:
    """Return the name of the group that a test belongs to.

    >>> group_of("tests/notebooks/test_notebooks.py::test_runs[03_hd_transform]")
    'tests/notebooks/test_notebooks.py[03_hd_transform]'
    """
    path = nodeid.partition("::")[0]
    if path.startswith("tests/browser/"):
        return "tests/browser"
    notebook = re.search(r"\[(\w+)\]$", nodeid)
    return f"{path}{notebook[0]}" if path == EACH_NOTEBOOK and notebook else path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long groups first."""
    seconds = run_times(ROOT / "README.md")
    items.sort(key=lambda item: order_of(item.nodeid, seconds))


def run_times(readme: Path) -> dict[str, int]:
    """Return {notebook: seconds} of the table in the README, which `make run` writes; {} without the file."""
    if not readme.is_file():
        return {}
    rows = re.findall(r"\(notebooks/(\w+)\.ipynb\).*\| about (\d+) s \|", readme.read_text(encoding="utf-8"))
    return {name: int(seconds) for name, seconds in rows}


def order_of(nodeid: str, seconds: dict[str, int]) -> tuple[int, int]:
    """A sort key: by folder, and within a folder notebooks by run time, the longest first."""
    folder = nodeid.split("/")[1]
    notebook = re.search(r"\[(\w+)\]$", group_of(nodeid))
    place = LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
    return place, -seconds.get(notebook[1], 0) if notebook else 0


def has_notebooks(arguments: Iterable[str], folder: Path) -> bool:
    """Whether these arguments of pytest, given in a folder, may ask for a test that runs notebooks.

    >>> [has_notebooks([one], ROOT) for one in ("tests", "tests/browser/test_atlas.py", "tests/vision")]
    [True, True, False]
    """
    places = [ROOT / group for group in IN_JUPYTERLAB]
    asked = [(folder / argument.partition("::")[0]).resolve() for argument in arguments]
    return any(
        place.exists() and (one == place or one in place.parents or place in one.parents)
        for place in places
        for one in asked
    )


def next_group(waiting: Iterable[str], of_others: Iterable[Iterable[str]]) -> str:
    """Return which of the waiting groups a worker takes: the first that it may, or else the first.

    of_others: the groups that each other worker has taken so far.

    >>> next_group(["tests/browser", "tests/cli/test_cli.py"], [["tests/browser"], ["tests/browser"]])
    'tests/cli/test_cli.py'
    """
    waiting = list(waiting)
    in_jupyterlab = sum(any(group.startswith(IN_JUPYTERLAB) for group in groups) for groups in of_others)
    if in_jupyterlab < LAB_WORKERS:
        return waiting[0]
    return next((group for group in waiting if not group.startswith(IN_JUPYTERLAB)), waiting[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The meaning of `-n auto`: one worker more than this process may use cores, at most MOST_WORKERS.

    Each of them waits a tenth of its time, for kernels, browsers and clusters.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + 1, MOST_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Let workers begin with all tests imported, and the notebooks of all of them share their imports."""
    from tests.warm_workers import warm_workers

    stack = ExitStack()
    config.add_cleanup(stack.close)

    def folder() -> Path:
        return Path(stack.enter_context(TemporaryDirectory()))

    python = stack.enter_context(warm_workers(folder(), config.invocation_params.args))
    for spec in specs:
        if python and spec.popen:
            spec.python = shlex.join(python)
    if sys.platform == "linux" and has_notebooks(config.args, config.invocation_params.dir):
        from tests.warm_kernels import kernel_server

        # At once: while the tests are collected there is nothing else to do for a second core.
        environment = environment_of_kernels(notebooks_run(), folder())
        config.stash[COMMAND] = stack.enter_context(kernel_server(folder(), environment))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker how to start the forks that are kernels."""
    node.workerinput[KERNELS] = node.config.stash.get(COMMAND, None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """The meaning of `--dist loadscope`: by our groups.

    Not `--dist loadgroup`: with pytest 9 and pytest-xdist 3.8 its marks reach the workers alone.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

        def _assign_work_unit(self, node: object) -> None:
            others = [groups for other, groups in self.assigned_work.items() if other is not node]
            self.workqueue.move_to_end(next_group(self.workqueue, others), last=False)
            super()._assign_work_unit(node)

    return ByGroup(config, log) if config.getoption("dist") == "loadscope" else None
