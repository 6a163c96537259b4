"""How `make test` deals tests out to processes: what they share is made in one process, once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EACH_NOTEBOOK, group_of, next_group, order_of, run_times

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
import os, pytest
from pathlib import Path

@pytest.fixture(scope="module")
def shared():
    with open({built!r}, "a") as file:
        print({name!r}, file=file)

@pytest.mark.parametrize("number", range(6))
def test_it(shared, number):
    pass
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


def test_the_fixture_of_a_file_is_built_once(tmp_path):
    built = tmp_path / "built.txt"
    folder = tmp_path / "tests" / "lab"
    folder.mkdir(parents=True)
    (tmp_path / "tests" / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    for name in ("test_one", "test_two", "test_three"):
        (folder / f"{name}.py").write_text(MODULE.format(built=str(built), name=name))
    make = (ROOT / "Makefile").read_text()
    spread = next(line for line in make.splitlines() if line.startswith("PYTEST :=")).split("pytest", 1)[1]
    options = ["-n2" if option == "auto" else option for option in spread.split() if option != "-n"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "tests"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "18 passed" in done.stdout, done.stdout + done.stderr
    assert sorted(built.read_text().split()) == ["test_one", "test_three", "test_two"]
