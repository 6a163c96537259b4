"""Workers of pytest-xdist that begin with all tests imported: forks of one process that has collected them.

To import torch, transformers and every test file, and to collect, takes 15 CPU seconds; collecting again what
is imported takes one. A worker is a fork (`tests/forks.py`) that then does what every worker does, its own
collection included. Where that process fails, and without Linux, the workers are the usual ones.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import forks

# Not a module: as in a usual worker, `__main__` has no file that multiprocessing would run again.
PROGRAM = "from tests import warm_workers; warm_workers.serve()"


@contextmanager
def warm_workers(folder: Path, arguments: Sequence[str]) -> Iterator[list[str] | None]:
    """Start the process that is forked; yield the command that takes the place of `python` for a worker.

    folder: an empty one, with a short path. arguments: those of pytest.
    """
    if sys.platform != "linux":
        yield None
        return
    with forks.fork_server(folder, ["-c", PROGRAM, *arguments], dict(os.environ)) as python:
        yield python


def serve() -> None:
    """Collect, and answer each request with a fork; what cannot be collected is left to usual workers."""
    *arguments, number = sys.argv[1:]
    if pytest.main([*arguments, "-n0", "--collect-only", "-q"]) == pytest.ExitCode.OK:
        forks.serve(int(number), forks.run_program)
