"""The kernels that tests run notebooks in: forks, each with everything that a kernel has of its own."""

import json
import os
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager

from tests import forks, warm_kernels
from tests.notebooks.conftest import WORKER, process_of_kernel, watcher_of_forks

THREADS = max(int(os.environ.get(f"{name}_NUM_THREADS", 1)) for name in ("OMP", "OPENBLAS", "MKL"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere kernels are usual ones"),
    pytest.mark.skipif(THREADS > 1, reason="imports start threads, so kernels are usual ones"),
]
PATIENCE = 600  # seconds; ends what hangs
WHO = """
import json, os, sys
imported = sorted({"torch", "umap", "transformers"} & set(sys.modules))
import numpy, torch
found = {"imported": imported, "pid": os.getpid(), "own": os.environ.get("OWN"), "folder": os.getcwd()}
found |= {"name": __name__, "again": "before" in globals(), "path": "" in sys.path}
found |= {"number": float(numpy.random.rand()), "sum": float(torch.ones(2) @ torch.ones(2))}
before = json.dump(found, open("found.json", "w"))
"""


@pytest.fixture
def start(kernels, monkeypatch):
    """A function that starts a kernel: `start(folder, NAME="value")` → (its manager, its client)."""
    started = []
    monkeypatch.setenv("JUPYTER_PATH", kernels["JUPYTER_PATH"])

    def start_kernel(folder, **own):
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(env={**kernels, **own}, cwd=str(folder))
        client = manager.client()
        client.start_channels()
        started.append((manager, client))
        client.wait_for_ready(timeout=PATIENCE)
        return started[-1]

    yield start_kernel
    for manager, client in started:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_two_kernels_share_what_is_imported_and_nothing_else(start, tmp_path):
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        _, client = start(folder, OWN=name)
        assert client.execute_interactive(WHO, timeout=PATIENCE)["content"]["status"] == "ok"
        found.append(json.loads((folder / "found.json").read_text()))
        wanted = {"own": name, "folder": str(folder), "name": "__main__", "again": False, "path": True}
        assert {key: found[-1][key] for key in wanted} == wanted
        assert found[-1]["imported"] == ["torch", "transformers", "umap"] and found[-1]["sum"] == 2
    assert all(found[0][key] != found[1][key] for key in ("pid", "number"))


def test_a_kernel_is_interrupted_and_ends_with_its_command(start, tmp_path):
    manager, client = start(tmp_path)
    process = psutil.Process(warm_kernels.kernel_process(manager.provisioner.pid))
    message = client.execute("print('running')\nwhile True: pass")
    while client.get_iopub_msg(timeout=PATIENCE)["msg_type"] != "stream":
        pass
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=PATIENCE))["parent_header"]["msg_id"] != message:
        pass  # an answer to a greeting
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert manager.is_alive() and process.is_running()
    manager.shutdown_kernel(now=True)
    process.wait(PATIENCE)


FORK = """
import sys
open("/proc/self/comm", "w").write(sys.argv[1])
block = b"x" * int(sys.argv[2])
print(len(sys.modules), flush=True)
sys.stdin.read()
"""


def test_forks_that_ray_starts_for_a_kernel_are_in_its_memory(start, run, tmp_path):
    ray = find_spec("ray") or pytest.skip("Ray is not installed")
    manager, client = start(tmp_path)
    kernel = psutil.Process(warm_kernels.kernel_process(manager.provisioner.pid))
    other, _ = start(tmp_path)  # another kernel of the same process
    watcher = watcher_of_forks(run)()
    assert watcher.besides(kernel) == 0
    counted = []
    for name, size in (("other", 300_000_000), (WORKER, 0)):
        code = f"""
            import subprocess, sys
            command = [sys.executable, "-c", {FORK!r}, {name!r}, "{size}", {str(Path(ray.origin).parent)!r}]
            fork = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert int(fork.stdout.readline()) > 2000  # modules, as after all imports
        """
        reply = client.execute_interactive(textwrap.dedent(code), timeout=PATIENCE)
        assert reply["content"]["status"] == "ok"
        counted.append(watcher.besides(kernel))
    server, forks = warm_kernels.forks_of_ray(kernel)
    assert len(forks) == 2
    without = psutil.Process(warm_kernels.kernel_process(other.provisioner.pid))
    assert warm_kernels.forks_of_ray(without) == (server, [])
    assert 300_000_000 < counted[0] < 400_000_000  # without what it shares
    assert counted[1] - counted[0] > 0.9 * run.unshared(server)
    client.execute_interactive("fork.kill()", timeout=PATIENCE)
    psutil.wait_procs(forks[1:], PATIENCE)
    assert not forks[1].is_running()


def test_a_fork_of_a_fork_belongs_to_the_same_kernel(start, tmp_path):
    manager, client = start(tmp_path)
    kernel = psutil.Process(warm_kernels.kernel_process(manager.provisioner.pid))
    code = """
        import os, subprocess
        inner = [*os.environ["FORKED_PYTHON"].split(), "-c", "print('inner', flush=True); input()"]
        outer = [*inner[:-1], f"import subprocess; subprocess.run({inner})"]
        fork = subprocess.Popen(outer, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert fork.stdout.readline() == b"inner\\n"
    """
    reply = client.execute_interactive(textwrap.dedent(code), timeout=PATIENCE)
    assert reply["content"]["status"] == "ok"
    assert len(warm_kernels.forks_of_ray(kernel)[1]) == 2
    client.execute_interactive("fork.kill()", timeout=PATIENCE)


def test_without_a_process_to_fork_a_kernel_is_a_usual_one(tmp_path):
    command = [
        sys.executable,
        "-I",
        "-S",
        forks.__file__,
        str(tmp_path / "none"),
        *warm_kernels.USUAL,
        "--version",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split(".")[0].isdigit()


def test_a_process_that_has_ended_does_not_hide_a_kernel():
    """Its entry stays until the process that started it asks for its status."""
    ended = subprocess.Popen(["true"])
    zombie = psutil.Process(ended.pid)
    while zombie.status() != psutil.STATUS_ZOMBIE:
        pass
    lasting = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "of-this-test"])
    try:
        assert process_of_kernel("of-this-test") == lasting.pid
        with pytest.raises(LookupError, match="no process has the kernel another"):
            process_of_kernel("another")
    finally:
        lasting.kill()
        lasting.wait()
        ended.wait()
