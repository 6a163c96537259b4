"""Kernels for tests that begin with their imports done: forks of one process that has imported everything.

A new kernel imports torch, transformers, UMAP and the rest before its notebook computes anything: four CPU
seconds or more, which a suite that executes every notebook pays each time. Here every kernel is a fork
(`tests/forks.py`), with its own environment, folder, output and namespace.

    with warm_kernels(folder, environment) as with_kernels:  # an environment with this kernel in it
        ...                                                  # "python3" in JupyterLab is now such a kernel

What Ray starts for a notebook are forks of the same process (`tests/warm_ray.py`). Without Linux the kernels
are the usual ones. What importing itself does is not seen in a fork: other tests start usual kernels.
"""

import gc
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

from tests import no_grammars
from tests.forks import fork_of, fork_server, run_program, serve
from tests.warm_ray import executable_for_ray

# What the notebooks import, directly or at the first call.
IMPORTED = """
    torch transformers transformers.models.clip.modeling_clip transformers.generation.utils
    transformers.trainer datasets peft numpy pandas pyarrow.parquet scipy.stats sklearn.linear_model
    sklearn.cluster sklearn.metrics umap jsonschema
    anywidget ipywidgets matplotlib.figure matplotlib.backends.backend_agg
    ipykernel.kernelapp ipykernel.debugger IPython.core.oinspect
    phi3lib.lab phi3lib.lab.atlas phi3lib.lab.widgets phi3lib.lab.checks phi3lib.lab.figures.plots
    phi3lib.vision.modeling phi3lib.encoders phi3lib.loading.checkpoints phi3lib.embeddings.embed
    phi3lib.embeddings.maps phi3lib.embeddings.search phi3lib.embeddings.compare
    picturebook.pictures
""".split()
DRAWN = 6  # pictures of each kind: nearly all of what a process keeps of the drawings
USUAL = ["-m", "ipykernel_launcher"]
PROGRAM = ["-m", "tests.warm_kernels"]


@contextmanager
def warm_kernels(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start the process that is forked; yield the environment of a Jupyter whose kernels are its forks.

    folder: an empty one, with a short path. environment: the kernels', whose PYTHONPATH leads to the packages
    and the tests.
    """
    if sys.platform != "linux":
        yield environment
        return
    with kernel_server(folder, environment) as python:
        yield with_kernel(folder, environment, python)


def kernel_server(folder: Path, environment: dict[str, str]) -> AbstractContextManager[list[str]]:
    """Start the process that is forked, and give the command for a fork. Arguments as in `warm_kernels`."""
    return fork_server(folder, PROGRAM, environment)


def with_kernel(folder: Path, environment: dict[str, str], python: list[str]) -> dict[str, str]:
    """Return the environment of a Jupyter in which "python3" is such a fork; the folder is for its files."""
    spec = folder / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    command = [*python, *USUAL, "-f", "{connection_file}"]
    spec.write_text(
        json.dumps({"argv": command, "display_name": "Python 3 (ipykernel)", "language": "python"})
    )
    return {**environment, "JUPYTER_PATH": str(folder / "jupyter")}


def kernel_process(command: int) -> int:
    """Return the process id of the kernel that a command, by its own process id, stands for."""
    return fork_of(command) or command


def forks_of_ray(kernel: psutil.Process) -> tuple[psutil.Process | None, list[psutil.Process]]:
    """Return the process that is forked, and its forks that Ray started for a kernel; (None, []) if usual."""
    server = kernel.parent()
    if server is None or PROGRAM[-1] not in server.cmdline():
        return None, []
    return server, list(_forks_below(kernel))


def _forks_below(process: psutil.Process) -> Iterator[psutil.Process]:
    """Yield the forks whose commands a process and its children have started, and theirs."""
    for command in process.children(recursive=True):
        if pid := fork_of(command.pid):
            fork = psutil.Process(pid)
            yield fork
            yield from _forks_below(fork)


def import_everything() -> None:
    """Do in the process that is forked what kernels have done before their first cell."""
    del sys.path[0]  # the folder that this program was started in
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # kernels end with this process
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else the debugger warns of Python's own modules
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as kernels have it
    no_grammars.here()
    gc.disable()  # what imports make stays; to look for garbage among it takes a tenth of their time
    for name in IMPORTED:
        __import__(name)
    gc.enable()
    draw_everything()
    python = shlex.split(os.environ["FORKED_PYTHON"])  # the command for a fork of this process
    sys.executable = executable_for_ray(python, Path(python[-1]).parent)


def draw_everything() -> None:
    """Draw what picturebook keeps for later pictures: a CPU second, which each notebook that draws spends."""
    from picturebook.kinds import KINDS
    from picturebook.pictures import draw_picture

    for kind in KINDS.values():
        for number in range(DRAWN):
            draw_picture(number, kind=kind)


def become(request: dict) -> None:
    """Run a kernel in this fork until it is shut down, or a program of Ray, as its command was started."""
    if request["arguments"][: len(USUAL)] == USUAL:
        become_kernel(request)
    else:
        run_program(request)


def become_kernel(request: dict) -> None:
    """Run a kernel with what its command was started with."""
    from ipykernel.kernelapp import IPKernelApp

    own = {name: os.environ[name] for name in ("JPY_PARENT_PID", "MPLBACKEND")}
    os.environ.clear()
    os.environ.update(request["environment"] | own)
    _, launcher, *arguments = request["arguments"]
    sys.argv[:] = [launcher, *arguments]
    IPKernelApp.launch_instance(arguments)


if __name__ == "__main__":
    import_everything()
    serve(int(sys.argv[1]), become)
