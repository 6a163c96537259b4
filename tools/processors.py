"""Run the numerical tests under other processor settings: fewer vector instructions, more threads.

    python tools/processors.py --list
    python tools/processors.py                                  # every setting; make test-processors
    python tools/processors.py --only oldest -- tests/embeddings   # one setting, some tests

Arguments after `--` are passed to pytest. A setting is a set of environment variables that the libraries read
when they are loaded; it cannot add an instruction that this machine lacks. The exit status is 1 if the tests
fail under any setting.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__  # type: ignore[import-not-found]

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("vectors", "vision", "lab", "picturebook", "training", "notebooks")
# NumPy can only disable features that it dispatches at run time and that the processor has.
NUMPY_FEATURES = " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))
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


def run_tests(name: str, arguments: list[str]) -> int:
    """Run pytest under one setting; return its exit status."""
    named = any((ROOT / one.split("::")[0]).exists() for one in arguments)
    tests = [] if named else [str(ROOT / "tests" / folder) for folder in FOLDERS]
    spread = ["-n", "auto", "--dist", "loadscope", "--no-loadscope-reorder"]
    command = [sys.executable, "-m", "pytest", "-q", *spread, *tests, *arguments]
    return subprocess.run(command, env={**os.environ, **SETTINGS[name]}, check=False).returncode


def main(arguments: list[str]) -> int:
    """Run the tests under the chosen settings; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the settings and stop")
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:end])
    if options.list:
        for name, variables in SETTINGS.items():
            print(f"{name:15} {' '.join(f'{key}={value!r}' for key, value in variables.items())}")
        return 0
    results = {}
    for name in options.only:
        print(f"--- {name}", flush=True)
        results[name] = run_tests(name, arguments[end + 1 :])
    for name, status in results.items():
        print(f"{name:15} {'passed' if status == 0 else f'failed (pytest exit status {status})'}")
    return 1 if any(results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
