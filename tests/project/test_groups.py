"""How `make test` deals tests out to processes: what they share is made in one process, once."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EACH_NOTEBOOK, group_of, has_notebooks, next_group, order_of, run_times
from tests.forks import fork_server

ROOT = Path(__file__).resolve().parents[2]
on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere each worker imports the tests itself"
)
MODULE = """
import pytest

with open({imported!r}, "a") as file:
    print({name!r}, file=file)

@pytest.fixture(scope="module")
def shared():
    with open({built!r}, "a") as file:
        print({name!r}, file=file)

@pytest.mark.parametrize("number", range(6))
def test_it(shared, number):
    pass
"""
CRASH = """
import os, signal

with open({imported!r}, "a") as file:
    print("once", file=file)

def test_it():  # xdist begins again with the test that a worker crashed in
    if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tests/vision/test_hub.py::test_it[a-b]", "tests/vision/test_hub.py"),
        ("tests/notebooks/test_notebooks.py::test_runs[03_hd]", "tests/notebooks/test_notebooks.py[03_hd]"),
        ("tests/notebooks/test_notebooks.py::test_links[03_hd]", "tests/notebooks/test_notebooks.py[03_hd]"),
        ("tests/notebooks/test_notebooks.py::test_first", "tests/notebooks/test_notebooks.py"),
        (
            "tests/notebooks/test_real_checkpoints.py::test_runs[03_hd]",
            "tests/notebooks/test_real_checkpoints.py",
        ),
        ("tests/browser/test_atlas.py::test_it[dark]", "tests/browser"),
        ("tests/browser/test_instruments.py::test_it[strips]", "tests/browser"),
    ],
)
def test_a_group_is_a_file_a_notebook_or_the_browser(nodeid, group):
    assert group_of(nodeid) == group


def test_long_notebooks_start_before_short_ones_and_all_before_the_rest(tmp_path):
    table = "".join(
        f"| [{name}](notebooks/{name}.ipynb) | of (notebooks) | about {seconds} s |\n"
        for name, seconds in (("01_short", 10), ("02_long", 60))
    )
    (tmp_path / "README.md").write_text(table)
    seconds = run_times(tmp_path / "README.md")
    assert seconds == {"01_short": 10, "02_long": 60}
    wanted = [
        "tests/browser/test_atlas.py::test_it",
        "tests/notebooks/test_notebooks.py::test_runs[02_long]",
        "tests/notebooks/test_notebooks.py::test_runs[01_short]",
        "tests/notebooks/test_notebooks.py::test_first",
        "tests/cli/test_cli.py::test_it[02_long]",
    ]
    collected = wanted[::-1]
    assert sorted(collected, key=lambda nodeid: order_of(nodeid, seconds)) == wanted
    assert run_times(tmp_path / "missing.md") == {}
    assert set(run_times(ROOT / "README.md")) == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


def test_two_workers_take_what_needs_jupyterlab_and_the_others_do_while_there_is_anything_else():
    waiting = [
        f"{EACH_NOTEBOOK}[08_long]",
        "tests/notebooks/test_real_checkpoints.py",
        "tests/cli/test_cli.py",
    ]
    one, two = ["tests/browser", "tests/training/test_training.py"], [f"{EACH_NOTEBOOK}[12_long]"]
    rest = ["tests/vision/test_hub.py"]
    assert next_group(waiting, [one, two]) == "tests/notebooks/test_real_checkpoints.py"
    assert next_group(waiting, [one, two, rest]) == "tests/notebooks/test_real_checkpoints.py"
    assert next_group(waiting, [one, rest]) == waiting[0]
    assert next_group(waiting, [rest, []]) == waiting[0]
    assert next_group(waiting[:1], [one, two]) == waiting[0]


def test_kernels_are_made_ready_where_a_notebook_may_run_and_only_there(tmp_path):
    everything = ["tests", "phi3lib"], [f"{EACH_NOTEBOOK}::test_runs[03_hd]"], ["tests/browser"], ["."]
    assert all(has_notebooks(arguments, ROOT) for arguments in everything)
    assert has_notebooks(["test_notebooks.py"], ROOT / "tests" / "notebooks")
    for arguments in (["tests/vision", "tests/loading"], ["tests/notebooks/test_real_checkpoints.py"], []):
        assert not has_notebooks(arguments, ROOT)
    assert not has_notebooks(["tests"], tmp_path)


@pytest.fixture
def spread(tmp_path):
    """A function that runs test files as `make test` does: `spread(workers, **sources)` → its output."""
    folder = tmp_path / "tests" / "lab"
    folder.mkdir(parents=True)
    for name in ("__init__", "conftest", "forks", "no_grammars", "warm_workers"):
        shutil.copy(ROOT / "tests" / f"{name}.py", tmp_path / "tests")
    make = (ROOT / "Makefile").read_text()
    options = next(line for line in make.splitlines() if line.startswith("PYTEST :=")).split("pytest", 1)[1]

    def run(workers, **sources):
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(source)
        own = [f"-n{workers}" if option == "auto" else option for option in options.split() if option != "-n"]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *own, "tests"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return run


def test_the_fixture_of_a_file_is_built_once_and_its_module_imported_once(spread, tmp_path):
    names = ["test_one", "test_three", "test_two"]
    built, imported = tmp_path / "built.txt", tmp_path / "imported.txt"
    sources = {name: MODULE.format(built=str(built), imported=str(imported), name=name) for name in names}
    printed = spread(2, **sources)
    assert "18 passed" in printed, printed
    assert sorted(built.read_text().split()) == names
    assert sorted(imported.read_text().split()) == (names if sys.platform == "linux" else sorted(names * 2))


@on_linux
def test_a_crashed_worker_is_replaced_and_its_module_not_imported_again(spread, tmp_path):
    imported = tmp_path / "imported.txt"
    printed = spread(1, test_crash=CRASH.format(imported=str(imported)))
    assert "1 failed, 1 passed" in printed and "crashed while running" in printed, printed
    assert imported.read_text().split() == ["once"]


@on_linux
def test_where_the_process_to_fork_ends_a_command_is_a_usual_python(tmp_path):
    """As the workers are where a test file cannot be imported, so that they report it."""
    with fork_server(tmp_path, ["-c", "pass"], dict(os.environ)) as python:
        command = [*python, "-c", "import os; print(os.getpid())"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.communicate()[0] == f"{process.pid}\n"
