"""One execution of each notebook, which serves all of its tests."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))


@dataclass(frozen=True)
class Executed:
    """A notebook as it is committed and as it was executed now.

    page: the HTML page, rendered as `make run` renders it. left_behind: files that the run put beside it.
    """

    name: str
    committed: nbformat.NotebookNode
    notebook: nbformat.NotebookNode
    measured: object
    page: Path
    left_behind: list[str]


@pytest.fixture(scope="session")
def run() -> ModuleType:
    """`notebooks/run.py` as a module."""
    spec = importlib.util.spec_from_file_location("run_notebooks_for_tests", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(
    scope="session",
    params=PATHS,
    ids=[path.stem for path in PATHS],  # by which tests/conftest.py sends a notebook's tests to one worker
)
def executed(request, run, tmp_path_factory) -> Executed:
    """Each notebook, executed in a folder of its own without network, once for all tests of a session."""
    path = request.param
    return execute_copy(run, path, tmp_path_factory.mktemp(path.stem))


def execute_copy(run: ModuleType, path: Path, folder: Path) -> Executed:
    """Execute a notebook as `make run RUN_ARGS=--no-network` does, with `folder` as working directory."""
    notebook = nbformat.read(path, as_version=4)
    measured = run.execute(notebook, folder / path.name, no_network=True)
    left_behind = sorted(one.name for one in folder.iterdir())
    run.clean(notebook)
    page = folder / f"{path.stem}.html"
    run.render(notebook, page)
    committed = nbformat.read(path, as_version=4)
    return Executed(path.stem, committed, notebook, measured, page, left_behind)
