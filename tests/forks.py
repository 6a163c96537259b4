"""Forks of one process that has imported everything, in place of new Python processes.

A new process imports torch, transformers and the rest before it computes anything: four CPU seconds or more.
Here one process imports them once, and each process after it is a fork, with its own folder and output.

    with fork_server(folder, ["-m", "module"], environment) as python:  # this module calls `serve`
        subprocess.run([*python, "argument"])  # a fork, which runs what `serve` was given

The command (`main`, in a Python without packages) asks the process for a fork, passes signals on to it, and
ends as it ends; the fork ends when the command is killed. Without such a process the command becomes a
usual Python with its arguments. A fork finds the command in its environment, as FORKED_PYTHON. What importing
itself does is not seen in a fork. Linux only: elsewhere a fork of a process with such libraries is not safe.
"""

import contextlib
import io
import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

# Threads of imports that a fork has again: jemalloc, the allocator of Arrow, sees to it.
THREADS = {"jemalloc_bg_thd"}
NAME = "fork"  # of a command's process, with the process id of its fork
LONGEST = 1 << 20  # bytes of a request, mostly the environment


@contextlib.contextmanager
def fork_server(folder: Path, program: list[str], environment: dict[str, str]) -> Iterator[list[str]]:
    """Start the process that is forked; yield the command that takes the place of `python`.

    folder: an empty one, with a short path (that of a socket has at most 107 bytes). program: arguments of a
    Python, which gets one more, the number for `serve`. environment: that of the process.
    """
    listener = folder / "socket"
    python = [sys.executable, "-I", "-S", __file__, str(listener)]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(listener))
        listening.listen()  # forks may be asked for at once; they wait until the imports are done
        number = listening.fileno()
        server = subprocess.Popen(
            [sys.executable, *program, str(number)],
            stdin=subprocess.PIPE,  # its end is the end of this process
            stdout=subprocess.DEVNULL,
            pass_fds=[number],
            env={**environment, "FORKED_PYTHON": shlex.join(python)},
        )
    try:
        yield python
    finally:
        server.terminate()
        server.communicate(timeout=20)


# ------------------------------------------------------------------------------- the process that is forked


def serve(number: int, become: Callable[[dict], None]) -> None:
    """Answer each request with a fork, which calls `become` and returns, until standard input ends.

    become: gets the "arguments", "folder" and "environment" of the command.
    """
    import gc

    if unknown := {path.read_text().strip() for path in _other_threads()} - THREADS:
        sys.exit(f"No forks, usual processes: an import has started {unknown}, threads that a fork has not.")
    gc.collect()
    gc.freeze()  # a fork need not go through all these objects again, nor copy them
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one ends it
    signal.signal(signal.SIGCHLD, lambda *_: None)
    ended, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    listening = socket.socket(fileno=number)
    running: dict[int, socket.socket] = {}
    while sys.stdin not in (ready := select.select([listening, ended, sys.stdin], [], [])[0]):
        if ended in ready:
            ended.recv(LONGEST)
            _report_ends(running)
        if listening in ready:
            connection, _ = listening.accept()
            content, files = _request(connection)
            if (pid := os.fork()) == 0:
                for own in (listening, ended, waker, *running.values()):
                    own.close()
                _take_the_place_of_the_command(connection, content["folder"], files)
                become(content)
                return
            _tell(connection, pid)
            running[pid] = connection
            for file in files:
                os.close(file)


def run_program(request: dict) -> None:
    """Run `-c PROGRAM` (as workers of pytest start) or `FILE`, with its arguments, in this fork."""
    import runpy

    os.environ.update(request["environment"])
    sys.argv[:] = [one for one in request["arguments"] if one not in ("-u", "-s")]
    if sys.argv[0] == "-c":
        exec(sys.argv.pop(1), vars(sys.modules["__main__"]))
    else:
        sys.path[0] = str(Path(sys.argv[0]).parent)
        runpy.run_path(sys.argv[0], run_name="__main__")


def _request(connection: socket.socket) -> tuple[dict, list[int]]:
    """Return what a command asks for, and its standard input, output and error."""
    request, files, *_ = socket.recv_fds(connection, LONGEST, 3)
    while not request.endswith(b"\n"):
        request += connection.recv(LONGEST)
    return json.loads(request), files


def _report_ends(running: dict[int, socket.socket]) -> None:
    """Tell the commands of all forks that have ended how they did."""
    while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
        pid, status = ended
        if connection := running.pop(pid, None):
            _tell(connection, os.waitstatus_to_exitcode(status))
            connection.close()


def _tell(connection: socket.socket, number: int) -> None:
    """Send a number to a command, which may be gone."""
    with contextlib.suppress(OSError):
        connection.sendall(b"%d\n" % number)


def _other_threads() -> Iterator[Path]:
    """Yield the files with the names of all threads but the first."""
    return (task / "comm" for task in Path("/proc/self/task").iterdir() if int(task.name) != os.getpid())


def _take_the_place_of_the_command(connection: socket.socket, folder: str, files: list[int]) -> None:
    """Give a fork the files and folder of its command, and end it when the command is gone."""
    import threading

    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else every fork begins with the same global random numbers
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()


def _end_with(connection: socket.socket) -> None:
    """End this process and those that it started when the command at the other end is gone."""
    connection.recv(1)
    os.killpg(os.getpid(), signal.SIGKILL)


# ------------------------------------------------------------------------------- the command


def fork_of(command: int) -> int | None:
    """Return the process id of the fork that a command, by its own process id, stands for; None without."""
    with contextlib.suppress(OSError):  # it has ended
        name, _, pid = Path(f"/proc/{command}/comm").read_text().strip().partition(" ")
        return int(pid) if name == NAME and pid else None
    return None


def main(path: str, arguments: list[str]) -> None:
    """Be a process for the one that started it: ask for a fork, pass signals on, end as it ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        pid, answers = _ask_for_fork(connection, path, arguments)
        if not pid:
            os.execv(sys.executable, [sys.executable, *arguments])
        Path("/proc/self/comm").write_text(f"{NAME} {pid}")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: os.kill(pid, got))
        code = int(answers.readline() or 1)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _ask_for_fork(connection: socket.socket, path: str, arguments: list[str]) -> tuple[int, IO[str]]:
    """Return the process id of a new fork, 0 if none answers, and the file that gives its exit code."""
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    content = json.dumps(request).encode() + b"\n"
    try:
        connection.connect(path)
        sent = socket.send_fds(connection, [content], [0, 1, 2])
        connection.sendall(content[sent:])
        answers = connection.makefile()
        return int(answers.readline()), answers
    except (OSError, ValueError):  # ValueError: it ended before it answered
        return 0, io.StringIO()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
