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
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.forks import fork_server, run_program, serve
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
""".split()
USUAL = ["-m", "ipykernel_launcher"]


@contextmanager
def warm_kernels(folder: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Start the process that is forked; return the environment for Jupyter, in which it is the kernel.

    folder: an empty one, with a short path. environment: that of the process, whose PYTHONPATH leads to the
    packages and the tests.
    """
    if sys.platform != "linux":
        yield environment
        return
    spec = folder / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    with fork_server(folder, ["-m", "tests.warm_kernels"], environment) as python:
        command = [*python, *USUAL, "-f", "{connection_file}"]
        spec.write_text(
            json.dumps({"argv": command, "display_name": "Python 3 (ipykernel)", "language": "python"})
        )
        yield {**environment, "JUPYTER_PATH": str(folder / "jupyter")}


def kernel_process(command: int, arguments: list[str]) -> int:
    """Return the process id of the kernel that a command with these arguments stands for."""
    noted = [Path(f"{argument}.pid") for argument in arguments]
    return next((int(path.read_text()) for path in noted if path.is_file()), command)


def forks_of_ray(kernel: psutil.Process) -> tuple[psutil.Process | None, list[psutil.Process]]:
    """Return the process that is forked, and its forks that Ray started for a kernel; (None, []) if usual."""
    server = kernel.parent()
    if server is None or "tests.warm_kernels" not in server.cmdline():
        return None, []
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    since = kernel.create_time()
    forks = [psutil.Process(int(number)) for number in children if int(number) != kernel.pid]
    return server, [one for one in forks if one.create_time() >= since]


def import_everything() -> None:
    """Do in the process that is forked what kernels have done before their first cell."""
    del sys.path[0]  # the folder that this program was started in
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # kernels end with this process
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")  # as kernels have it
    gc.disable()  # what imports make stays; to look for garbage among it takes a tenth of their time
    for name in IMPORTED:
        __import__(name)
    gc.enable()
    python = shlex.split(os.environ["FORKED_PYTHON"])  # the command for a fork of this process
    sys.executable = executable_for_ray(python, Path(python[-1]).parent)


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
    Path(f"{arguments[arguments.index('-f') + 1]}.pid").write_text(str(os.getpid()))
    sys.argv[:] = [launcher, *arguments]
    IPKernelApp.launch_instance(arguments)


if __name__ == "__main__":
    import_everything()
    serve(int(sys.argv[1]), become)
