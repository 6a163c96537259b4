"""The child process: run the cells of one notebook, and ask the package's own checks.

Started by `sandbox`. The job comes as JSON on standard input; the results leave as lines of JSON on what
was standard output, each with the key of the job. A notebook's own output goes nowhere: nothing that it
prints can become a verdict.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

from phi3lib.lab.grading.isolation import (
    end_with_parent,
    enter_namespaces,
    limit_resources,
    write_only_to,
)

LONGEST = 500  # characters of a sentence
_MODULES = ("phi3lib.lab.checks", "phi3lib.lab.lessons.layers")


class TookTooLong(BaseException):
    """A cell or a check used more CPU seconds than allowed."""


def main() -> None:
    """Run the job of this process; see the module."""
    job = json.load(sys.stdin)
    say = _channel(job["key"])
    in_force = enter_namespaces()
    if in_force:
        first = os.fork()
        if first:
            say(kind="process", pid=first)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) & 0xFF)
        end_with_parent()
    in_force += limit_resources(job["megabytes"], job["seconds"])
    in_force += write_only_to([Path.cwd()])
    say(kind="started", measures=in_force)
    _run(job, say)
    say(kind="done")
    os._exit(0)  # whatever threads and exit functions a notebook has left


def _channel(key: str) -> Callable[..., None]:
    """Return what sends a line to the parent; standard streams lead nowhere from here on."""
    channel: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")  # not inherited by programs
    for stream, flag in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        nowhere = os.open(os.devnull, flag)
        os.dup2(nowhere, stream)
        os.close(nowhere)

    def say(**message: Any) -> None:
        channel.write(json.dumps({"key": key, **message}) + "\n")
        channel.flush()

    return say


def _run(job: Mapping[str, Any], say: Callable[..., None]) -> None:
    from phi3lib.lab.grading.untouched import Untouched

    modules = [importlib.import_module(name) for name in _MODULES]
    for name in ("numpy", "torch"):
        importlib.import_module(name)
    shell = _shell()
    own_lab = SimpleNamespace(checks=modules[0], layers=modules[1])
    untouched = Untouched()
    for index, source in enumerate(job["cells"]):
        error = _run_cell(shell, source, job["cell_seconds"])
        for asked in job["asked"]:
            if asked["index"] == index:
                _ask(asked, shell.user_ns, own_lab, untouched, error, job["cell_seconds"], say)
    for asked in job["asked"]:
        if asked["index"] is None:
            _ask(asked, shell.user_ns, own_lab, untouched, "", job["cell_seconds"], say)


def _shell() -> Any:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    return shell


def _run_cell(shell: Any, source: str, seconds: float) -> str:
    """Run a cell as a kernel does; return the error that ended it in words, "" for none."""
    try:
        with _at_most(seconds):
            result = shell.run_cell(source)
    except TookTooLong:
        return f"no end within {seconds:g} CPU seconds"
    error = result.error_before_exec or result.error_in_exec
    if isinstance(error, TookTooLong):
        return f"no end within {seconds:g} CPU seconds"
    return "" if error is None else _words(error)


def _ask(
    asked: Mapping[str, Any],
    space: Mapping[str, Any],
    own_lab: Any,
    untouched: Any,
    error: str,
    seconds: float,
    say: Callable[..., None],
) -> None:
    """Evaluate the course's line for an exercise in the learner's names, and send what it gives."""
    number = asked["number"]
    if error and any(name not in space for name in asked["answers"]):
        say(kind="stopped", number=number, why=error)
        return
    if changed := untouched.changes():
        say(kind="touched", number=number, why=", ".join(changed[:3]))
        return
    names = {**space, "lab": own_lab, "__builtins__": __builtins__}
    try:
        with _at_most(seconds):
            verdict = eval(compile(asked["check"], "<check>", "eval"), names)
    except TookTooLong:
        say(kind="endless", number=number, why=f"no answer within {seconds:g} CPU seconds")
    except NameError as missing:
        own = missing.name in asked["answers"]
        say(kind="empty" if own else "stopped", number=number, why=f"`{missing.name}` is not defined")
    except BaseException as failed:
        say(kind="stopped", number=number, why=_words(failed))
    else:
        right = verdict.right if verdict.right is None else bool(verdict.right)
        sentence, slip = str(verdict.sentence)[:LONGEST], str(verdict.slip)[:LONGEST]
        say(kind="verdict", number=number, right=right, sentence=sentence, slip=slip)


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TookTooLong in the block after this many CPU seconds, where the system has such a timer."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(number: int, frame: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, 1.0)  # again, where a notebook swallows it
        raise TookTooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _words(error: BaseException) -> str:
    """Return the kind and the message of an error of a learner's code, on one line."""
    try:
        message = " ".join(str(error).split())
    except BaseException:
        message = ""
    return f"{type(error).__name__}: {message}"[:LONGEST].rstrip(": ")
