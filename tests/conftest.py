"""How the suite is spread over processes: `make test` runs one worker per core (pytest-xdist).

A group of tests runs on one worker. A test file is a group, so that its fixtures are built once; files whose
tests are long and independent mark smaller groups with `xdist_group` themselves. The long groups start first:
what is left for the end is then short, and no worker is idle for long.
"""

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LONGEST_FIRST = ("browser", "notebooks", "training")
LIBRARY_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
MOST_WORKERS = 4  # each of them, with the notebooks that it executes, may need 3 GB

# Before NumPy and torch are imported: processes with a thread per core each slow each other down many times.
for name in LIBRARY_THREADS:
    os.environ.setdefault(name, "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The meaning of `-n auto`: one worker per core that this process may use, at most MOST_WORKERS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests by file unless they name a group, and put the long groups first."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_default_group(item)))
    items.sort(key=_place)


def _default_group(item: pytest.Item) -> str:
    path = item.path.relative_to(TESTS)
    # One browser and one JupyterLab serve the whole folder.
    return "browser" if path.parts[0] == "browser" else path.as_posix()


def _place(item: pytest.Item) -> int:
    folder = item.path.relative_to(TESTS).parts[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)
