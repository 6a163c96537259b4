"""Kernels for tests that begin with their imports done: forks of one process that has imported everything.

A new kernel imports torch, transformers, UMAP and the rest before its notebook computes anything: four CPU
seconds or more, which a suite that executes every notebook pays each time. Here one process imports them
once, and every kernel is a fork of it, with its own environment, folder, output and namespace.

    with warm_kernels(folder, environment) as with_kernels:  # an environment with this kernel in it
        ...                                                  # "python3" in JupyterLab is now such a kernel

Jupyter starts a kernel as a command. This one (`main`, in a Python without packages) asks the process for a
fork, passes signals on to it, and ends when it ends; the fork ends when the command is killed. Without such a
process the command becomes a usual kernel. What importing itself does is not seen in a fork: other tests
start usual kernels. Linux only: elsewhere a fork of a process with such libraries is not safe, and the
kernels are the usual ones.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What the notebooks import, directly or at the first call.
IMPORTED = """
    torch transformers transformers.models.clip.modeling_clip transformers.generation.utils
    transformers.trainer datasets peft numpy pandas pyarrow.parquet scipy.stats sklearn.linear_model
    sklearn.cluster sklearn.metrics umap
    anywidget ipywidgets matplotlib.figure matplotlib.backends.backend_agg ipykernel.kernelapp
    phi3lib.lab phi3lib.vision.modeling phi3lib.encoders phi3lib.loading.checkpoints phi3lib.embeddings.embed
    phi3lib.embeddings.maps phi3lib.embeddings.search phi3lib.embeddings.compare phi3lib.lab.figures.plots
    phi3lib.lab.widgets phi3lib.lab.checks
""".split()
# Threads of imports that a fork has again: jemalloc, the allocator of Arrow, sees to it.
THREADS = {"jemalloc_bg_thd"}
LONGEST = 1 << 20  # bytes of a request, mostly the environment
USUAL = "ipykernel_launcher"


@contextmanager
def warm_kernels(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start the process that is forked; return the environment for Jupyter, in which it is the kernel.

    folder: an empty one, with a short path (that of a socket has at most 107 bytes). environment: that of the
    process, whose PYTHONPATH leads to the packages and the tests.
    """
    if sys.platform != "linux":
        yield environment
        return
    listener = folder / "socket"
    spec = folder / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [sys.executable, "-I", "-S", __file__, str(listener), "-f", "{connection_file}"]
    spec.write_text(
        json.dumps({"argv": command, "display_name": "Python 3 (ipykernel)", "language": "python"})
    )
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(listener))
        listening.listen()  # kernels may be asked for at once; they wait until the imports are done
        program = [sys.executable, "-m", "tests.warm_kernels", str(listening.fileno())]
        server = subprocess.Popen(program, env=environment, pass_fds=[listening.fileno()])
    try:
        yield {**environment, "JUPYTER_PATH": str(folder / "jupyter")}
    finally:
        server.terminate()
        server.wait(20)


def kernel_process(command: int, arguments: list[str]) -> int:
    """Return the process id of the kernel that a command with these arguments stands for."""
    noted = [Path(f"{argument}.pid") for argument in arguments]
    return next((int(path.read_text()) for path in noted if path.is_file()), command)


# ------------------------------------------------------------------------------- the process that is forked


def serve(listening: socket.socket) -> None:
    """Import everything, then answer each request with a fork, which returns from here as a kernel."""
    import gc

    del sys.path[0]  # the folder that this program was started in
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # kernels end with this process
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as kernels have it
    for name in IMPORTED:
        __import__(name)
    if unknown := {path.read_text().strip() for path in _other_threads()} - THREADS:
        raise RuntimeError(f"an import has started {unknown}: threads that a fork would not have")
    gc.collect()
    gc.freeze()  # a fork need not go through all these objects again, nor copy them
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # kernels that have ended are nobody's children
    while True:
        connection, _ = listening.accept()
        request, files, *_ = socket.recv_fds(connection, LONGEST, 3)
        while not request.endswith(b"\n"):
            request += connection.recv(LONGEST)
        if (pid := os.fork()) == 0:
            listening.close()
            become_kernel(connection, json.loads(request), files)
            return
        connection.sendall(b"%d\n" % pid)
        connection.close()
        for file in files:
            os.close(file)


def _other_threads() -> Iterator[Path]:
    """Yield the files with the names of all threads but the first."""
    return (task / "comm" for task in Path("/proc/self/task").iterdir() if int(task.name) != os.getpid())


def become_kernel(connection: socket.socket, request: dict, files: list[int]) -> None:
    """Run a kernel in this fork until it is shut down, with what its command was started with."""
    import threading

    import numpy as np
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    own = {name: os.environ[name] for name in ("JPY_PARENT_PID", "MPLBACKEND")}
    os.environ.clear()
    os.environ.update(request["environment"] | own)
    sys.argv[:] = [USUAL, *request["arguments"]]
    np.random.seed()  # noqa: NPY002  # else every kernel begins with the same global random numbers
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    IPKernelApp.launch_instance(request["arguments"])


def _end_with(connection: socket.socket) -> None:
    """End this process and those that it started when the command at the other end is gone."""
    connection.recv(1)
    os.killpg(os.getpid(), signal.SIGKILL)


# ------------------------------------------------------------------------------- the command of a kernel


def main(path: str, arguments: list[str]) -> None:
    """Be the kernel's process for Jupyter: ask for a fork, pass signals on, end when it ends."""
    with socket.socket(socket.AF_UNIX) as connection:
        pid = _ask_for_fork(connection, path, arguments)
        if pid is None:
            os.execv(sys.executable, [sys.executable, "-m", USUAL, *arguments])
        Path(f"{arguments[arguments.index('-f') + 1]}.pid").write_text(str(pid))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda got, _: os.kill(pid, got))
        connection.recv(1)  # b"" when the kernel has ended


def _ask_for_fork(connection: socket.socket, path: str, arguments: list[str]) -> int | None:
    """Return the process id of a new fork; None when no process answers."""
    request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
    content = json.dumps(request).encode() + b"\n"
    try:
        connection.connect(path)
        sent = socket.send_fds(connection, [content], [0, 1, 2])
        connection.sendall(content[sent:])
        return int(connection.makefile().readline())
    except (OSError, ValueError):  # ValueError: it ended before it answered
        return None


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        serve(socket.socket(fileno=int(sys.argv[1])))
    else:
        main(sys.argv[1], sys.argv[2:])
