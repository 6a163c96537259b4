"""Run the numerical tests, or the notebooks' claims, under other processor settings.

    python tools/processors.py --list
    python tools/processors.py                                  # every setting; make test-processors
    python tools/processors.py --only oldest -- tests/embeddings   # one setting, some tests
    python tools/processors.py --claims                         # no tests: the claims of all notebooks
    python tools/processors.py --claims 08_fine_tuning --only oldest two-threads

Arguments after `--` are passed to pytest. A setting is a set of environment variables that the libraries read
when they are loaded: fewer vector instructions, more threads. It cannot add an instruction that this machine
lacks. The exit status is 1 if a test fails, a notebook fails or a claim does not hold under any setting.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # type: ignore[import-not-found]

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("embeddings", "encoders", "vision", "lab", "picturebook", "training", "notebooks")


def numpy_features(disabled: str) -> str:
    """Return the features that NumPy can disable: those that it dispatches and that the processor has.

    disabled: NPY_DISABLE_CPU_FEATURES of this process, which says of those that the processor has not.
    """
    already = disabled.replace(",", " ").split()
    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name) or name in already)


NUMPY_FEATURES = numpy_features(os.environ.get("NPY_DISABLE_CPU_FEATURES", ""))
OLDEST = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": NUMPY_FEATURES,
}
SETTINGS = {
    "torch-default": {"ATEN_CPU_CAPABILITY": "default"},
    "onednn-sse41": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "haswell": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "skylake": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "numpy-baseline": {"NPY_DISABLE_CPU_FEATURES": NUMPY_FEATURES},
    "oldest": OLDEST,
    "two-threads": {f"{name}_NUM_THREADS": "2" for name in ("OMP", "OPENBLAS", "MKL")},
}
# `lab.start` sets one thread for the bundled models, whatever the environment says.
SET_THREADS = """
import threadpoolctl, torch
threadpoolctl.threadpool_limits({threads})
torch.set_num_threads({threads})
"""


def run_tests(name: str, arguments: list[str]) -> bool:
    """Run pytest under one setting; return whether it passes."""
    named = any((ROOT / one.split("::")[0]).exists() for one in arguments)
    tests = [] if named else [str(ROOT / "tests" / folder) for folder in FOLDERS]
    spread = ["-n", "auto", "--dist", "loadscope", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", "-q", *spread, *tests, *arguments]
    return subprocess.run(command, env={**os.environ, **SETTINGS[name]}, check=False).returncode == 0


def load_run() -> Any:
    """Return `notebooks/run.py` as a module."""
    spec = importlib.util.spec_from_file_location("run", ROOT / "notebooks" / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["run"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def check_claims(name: str, notebooks: list[str], run: Any) -> bool:
    """Execute notebooks under one setting, print their claims; return whether all of them hold."""
    setting = SETTINGS[name]
    run.KERNEL_ENVIRONMENT = {**run.KERNEL_ENVIRONMENT, **setting}
    passed = True
    for path in run.find(notebooks):
        notebook = nbformat.read(path, as_version=4)
        if "OMP_NUM_THREADS" in setting:
            add_to_set_up(notebook, SET_THREADS.format(threads=setting["OMP_NUM_THREADS"]))
        measured = run.execute(notebook, path, no_network=True)
        # Slow instructions take longer: there is no budget here.
        problems = [measured.error] if measured.error else measured.broken_claims()
        print(f"{path.stem:24} ", end="")
        run.report(measured, problems)
        passed = passed and not problems
    return passed


def add_to_set_up(notebook: nbformat.NotebookNode, source: str) -> None:
    """Append source to the cell that calls `lab.start`; raise ValueError if no cell does."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and "lab.start(" in cell.source:
            cell.source += "\n" + source
            return
    raise ValueError("no cell of this notebook calls lab.start")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options; `tests` holds what follows `--`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the settings and stop")
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    parser.add_argument(
        "--claims", nargs="*", metavar="NOTEBOOK", help="execute these notebooks, or all, instead of tests"
    )
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:end])
    options.tests = arguments[end + 1 :]
    return options


def main(arguments: list[str]) -> int:
    """Run the tests or the notebooks under the chosen settings; return the exit status."""
    options = parse(arguments)
    if options.list:
        for name, variables in SETTINGS.items():
            print(f"{name:15} {' '.join(f'{key}={value!r}' for key, value in variables.items())}")
        return 0
    results = {}
    for name in options.only:
        print(f"--- {name}", flush=True)
        if options.claims is None:
            results[name] = run_tests(name, options.tests)
        else:
            results[name] = check_claims(name, options.claims, load_run())
    for name, passed in results.items():
        print(f"{name:15} {'passed' if passed else 'failed'}")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
