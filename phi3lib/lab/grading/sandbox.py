"""Run a learner's notebook in a process of its own, and read what its checks said. The parent's side.

Nothing of the notebook runs in this process, and nothing that comes back is trusted: lines without the key of
the run are counted and ignored, texts are cut, and their number is bounded.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from phi3lib.lab.grading.handed_in import HandedIn
from phi3lib.lab.grading.network import without_network

MOST_LINES, LONGEST_LINE = 1_000, 10_000
_KEPT_OF_ENVIRONMENT = (
    "PATH",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
)
_CHILD = "from phi3lib.lab.grading.run_cells import main; main()"


@dataclass(frozen=True)
class Limits:
    """What a notebook may use: seconds by the clock, CPU seconds of each cell and check, memory.

    The course's own notebooks stay below 90 CPU seconds and 2 GB; a slow or busy machine needs more seconds.
    """

    seconds: int = 900
    cell_seconds: float = 120
    megabytes: int = 4096

    def __post_init__(self) -> None:
        if min(self.seconds, self.cell_seconds, self.megabytes) <= 0:
            raise ValueError(f"limits are positive numbers, got {self}")


@dataclass
class Run:
    """The results of one notebook.

    answers: by exercise number, the message about it. measures: of `isolation`, in force. ended: why the
    process ended early, "" if it did not. forged: lines that the notebook itself sent as results.
    """

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    measures: tuple[str, ...] = ()
    ended: str = ""
    forged: int = 0


def run(handed: HandedIn, limits: Limits) -> Run:
    """Execute a notebook's cells in another process, and return what the checks said."""
    key = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="grade_", ignore_cleanup_errors=True) as folder:
        work, start_up = Path(folder, "work"), Path(folder, "start_up")
        work.mkdir()
        start_up.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CHILD],
            cwd=work,
            env=_environment(work, start_up),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        result = Run()
        reader = _Reader(process, key, result)
        try:
            reader.start()
            _send(process, _job(handed, limits, key))
            result.ended = _wait(process, reader, limits)
        finally:
            _end(process, reader.pid)
        return result


def _environment(work: Path, start_up: Path) -> dict[str, str]:
    """Return a small environment: none of the grader's own, which may hold secrets."""
    kept = {name: os.environ[name] for name in _KEPT_OF_ENVIRONMENT if name in os.environ}
    package = str(Path(__file__).resolve().parents[3])  # the one that grades, wherever it is
    given = filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))
    kept["PYTHONPATH"] = os.pathsep.join([package, *(str(Path(one).resolve()) for one in given)])
    one_thread = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    folders = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "IPYTHONDIR", "MPLCONFIGDIR")
    kept |= dict.fromkeys(one_thread, "1") | dict.fromkeys(folders, str(work))
    kept |= {
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    kept |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return without_network(kept, start_up)


def _job(handed: HandedIn, limits: Limits, key: str) -> dict[str, Any]:
    asked = [
        {
            "number": one.number,
            "check": one.check,
            "answers": one.answers,
            "index": handed.index_of(one),
        }
        for one in handed.exercises
    ]
    return {
        "key": key,
        "cells": [cell.source for cell in handed.cells],
        "asked": asked,
        "seconds": limits.seconds,
        "cell_seconds": limits.cell_seconds,
        "megabytes": limits.megabytes,
    }


def _send(process: subprocess.Popen[bytes], job: dict[str, Any]) -> None:
    pipe = cast(IO[bytes], process.stdin)
    with contextlib.suppress(OSError), pipe:  # the process may have ended already
        pipe.write(json.dumps(job).encode())


def _wait(process: subprocess.Popen[bytes], reader: "_Reader", limits: Limits) -> str:
    """Wait for the end of a run; return why it ended early, "" if it did not."""
    reader.join(limits.seconds)
    if reader.is_alive():
        return f"no end within {limits.seconds} seconds"
    if reader.too_much:
        return "it sent too many results"
    if reader.done:
        return ""
    code = process.wait() if process.poll() is None else process.returncode
    if code and abs(code) in (signal.SIGKILL, 128 + signal.SIGKILL):
        return "the system ended the process, which it does when memory runs out"
    return f"the process ended by itself (exit code {code})"


def _end(process: subprocess.Popen[bytes], first: int | None) -> None:
    """End the process and all that it has started."""
    if first is not None:
        with contextlib.suppress(OSError):
            os.kill(first, signal.SIGKILL)  # the first of its namespace: the others end with it
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


class _Reader(threading.Thread):
    """Reads the lines of a run into its result until the run is done or its channel is closed."""

    def __init__(self, process: subprocess.Popen[bytes], key: str, result: Run) -> None:
        super().__init__(daemon=True)
        self._lines, self._key, self._result = cast(IO[bytes], process.stdout), key, result
        self.pid: int | None = None
        self.done = self.too_much = False

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed by the parent
            for message in _messages(self._lines, self._key, self._result):
                self._take(message)
                if self.done:
                    return
            self.too_much = self._result.forged >= MOST_LINES

    def _take(self, message: dict[str, Any]) -> None:
        event, number = message.get("kind"), message.get("number")
        if event == "process" and self.pid is None and isinstance(message.get("pid"), int):
            self.pid = message["pid"]
        elif event == "started" and not self._result.measures:
            self._result.measures = tuple(map(str, message.get("measures", ())))
        elif event == "done":
            self.done = True
        elif isinstance(number, str):
            self._result.answers.setdefault(number, message)


def _messages(lines: IO[bytes], key: str, result: Run) -> Iterator[dict[str, Any]]:
    """Yield the messages with the key; count all other lines in `result.forged`, and stop at too many."""
    for _ in range(MOST_LINES):
        line = lines.readline(LONGEST_LINE)
        if not line:
            return
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if isinstance(message, dict) and message.get("key") == key:
            yield message
        else:
            result.forged += 1
    result.forged = MOST_LINES
