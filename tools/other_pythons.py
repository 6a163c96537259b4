"""Run the tests without torch on every other supported Python of this machine.

    python tools/other_pythons.py            # or: make test-pythons

For each interpreter, this program compiles all sources with warnings as errors, then runs the tests that need
no torch in an environment in build/. The torch wheel on PyPI includes CUDA, several GB for each interpreter;
with enough disk space, run the whole suite with `make test PYTHON=python3.12 VENV=.venv-3.12`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MINORS = (11, 12, 13)
SOURCES = ("phi3lib", "training", "tools", "benchmarks", "tests", "notebooks/run.py")
PACKAGES = (
    "numpy", "pillow", "scikit-learn", "matplotlib", "pyyaml", "packaging", "setuptools",
    "pytest", "pytest-timeout", "pytest-xdist",
)  # fmt: skip
TESTS = ("tests/picturebook", "tests/project/test_set_up.py", "tests/project/test_environment.py")


def interpreters() -> dict[int, str]:
    """Return {minor version: path} of the other supported Pythons, on the PATH or installed by pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for minor in MINORS:
        kept = sorted(str(path) for path in pyenv.glob(f"3.{minor}.*/bin/python3"))
        for python in (shutil.which(f"python3.{minor}"), *kept):
            if python and minor != sys.version_info[1] and minor_of(python) == minor:
                found[minor] = python
                break
    return found


def minor_of(python: str) -> int | None:
    """Return the minor version of a Python 3, or None if it does not run (pyenv's shims may not)."""
    answer = subprocess.run(
        [python, "-c", "import sys; print(sys.version_info[1])"], capture_output=True, text=True, check=False
    )
    return int(answer.stdout) if answer.returncode == 0 else None


def compiles(python: str) -> bool:
    """Return whether all sources compile without a warning; write nothing into the checkout."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        command = [python, "-W", "error", "-m", "compileall", "-q", "-f", *SOURCES]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def passes(python: str, minor: int) -> bool:
    """Return whether the tests without torch pass, with the locked packages in build/python-3.<minor>."""
    folder = ROOT / "build" / f"python-3.{minor}"
    own = folder / "bin" / "python"
    if not own.exists():
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(ROOT / "requirements.lock"), *PACKAGES], check=True)
    command = [str(own), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "auto", "--dist", "loadscope"]
    return subprocess.run([*command, *TESTS], cwd=ROOT, check=False).returncode == 0


def main() -> int:
    """Check every interpreter found; return the exit status."""
    found, failed = interpreters(), []
    if not found:
        print("No other Python from 3.11 to 3.13 was found: nothing was checked.")
    for minor, python in found.items():
        print(f"Python 3.{minor} ({python})", flush=True)
        if not (compiles(python) and passes(python, minor)):
            failed.append(f"3.{minor}")
    if failed:
        print(f"Failed on Python {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
