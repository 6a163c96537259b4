"""Create or update `.venv`: install the pins of requirements.lock, then phi3lib itself, editable.

`make` calls this program before every target. It takes a tenth of a second if the environment is up to
date. It needs only the standard library. It must start on an old Python, because it reports that the
Python is too old.

Where uv is on the PATH, it does the installing: the same pins in seconds. With PIP_ARGS, or where pip has
package indexes of its own, which uv does not read, pip does it.

An interrupted set-up leaves the word "unfinished" in `.venv/phi3lib-set-up`; the next call then starts
over (downloaded files are in pip's cache). A finished set-up writes the fingerprint of its inputs there;
if the inputs change, the next call updates the environment.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 13)
NEEDED_GB = 3.0
UNFINISHED = "unfinished"

# Messages of pip for an unreachable package server, whatever the reason.
NO_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|Connection refused|Network is unreachable|getaddrinfo failed|"
    r"Name or service not known|Temporary failure in name resolution|nodename nor servname|"
    r"Max retries exceeded|ReadTimeoutError|ProxyError|SSLError|No route to host|\(from versions: none\)"
)
NO_SPACE = re.compile(r"No space left on device|\[Errno 28\]|not enough space on the disk", re.IGNORECASE)


class SetUpError(Exception):
    """Error that the user can fix; the text is the whole message."""


def in_range(version):
    """Return whether a (major, minor) version is a Python that this project is tested on."""
    return OLDEST <= tuple(version) <= NEWEST


def describe(version):
    """Return a version as text, such as "3.12"."""
    return ".".join(str(part) for part in version[:2])


def version_of(python):
    """Return (major, minor) of an interpreter, or None if it does not run."""
    code = "import sys; print('%d %d' % sys.version_info[:2])"
    try:
        answer = subprocess.check_output([python, "-c", code], stderr=subprocess.DEVNULL)
        major, minor = answer.split()
        return int(major), int(minor)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def choose_python():
    """Return the interpreter for the environment: this one, or the newest supported one on PATH."""
    if in_range(sys.version_info[:2]):
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and in_range(version_of(found) or (0, 0)):
            print(f"{sys.executable} is {describe(sys.version_info)}; using {found} instead.")
            return found
    raise SetUpError(
        f"Python 3.11, 3.12 or 3.13 is needed, but {sys.executable} is {describe(sys.version_info)} and no "
        "supported one is on the PATH: install one, or pass its path: `make PYTHON=/path/to/python3.12 lab`."
    )


def check_venv_module(python):
    """Raise SetUpError if python cannot create virtual environments (on Debian: a separate package)."""
    if subprocess.call([python, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL) != 0:
        package = f"python{describe(version_of(python) or NEWEST)}-venv"
        raise SetUpError(
            f"{python} has no venv module: install it (on Debian and Ubuntu: `sudo apt install {package}`)."
        )


def check_disk(folder):
    """Raise SetUpError if less than NEEDED_GB is free."""
    free_gb = shutil.disk_usage(str(folder)).free / 1e9
    if free_gb < NEEDED_GB:
        raise SetUpError(
            f"Only {free_gb:.1f} GB are free in {folder}, and the environment needs about {NEEDED_GB:.0f} GB "
            "(7 GB with a CUDA build of torch): free some space, or clone to another disk."
        )


def fingerprint(root):
    """Return a hash of the inputs: three files, and the path (an editable install contains it)."""
    digest = hashlib.sha256(str(root).encode())
    for name in ("requirements.lock", "pyproject.toml", "tools/set_up.py"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def venv_python(venv):
    """Return the path of the interpreter inside a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def location_of(venv):
    """Return where an environment was created, from its own records; None if they do not contain it."""
    try:
        lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    commands = [line.split("=", 1)[1].strip() for line in lines if line.startswith("command")]
    found = re.search(r" -m venv (?:--[a-z-]+ )*(.+)$", commands[0]) if commands else None
    return Path(found.group(1)) if found else None


def was_moved(venv):
    """Return whether an environment was moved or copied since it was created; print a line if so.

    Its commands (jupyter, lint-imports) contain the old path of the interpreter, which may be missing or
    belong to another checkout.
    """
    location = location_of(venv)
    if location is None or location.resolve() == venv.resolve():
        return False
    print(f"This folder was moved or copied: {venv} was made as {location}.", flush=True)
    return True


def split_arguments(text):
    """Split PIP_ARGS into arguments, with quotes as in a shell; raise SetUpError for an unclosed quote."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SetUpError(f"PIP_ARGS is {text!r}: {error}; close the quote, or remove it.") from None


def make_venv(venv, stamp):
    """Create an empty environment; replace one that is unfinished, was moved or has lost its Python."""
    if venv.exists():
        if not stamp.exists():
            raise SetUpError(
                f"{venv} exists but was not made by `make`: move or delete it, then run this again."
            )
        shutil.rmtree(str(venv))
    python = choose_python()
    check_venv_module(python)
    check_disk(venv.parent)
    duration = "a minute or two" if shutil.which("uv") else "several minutes"
    print(f"Setting up {venv} with {python}; this takes {duration}.", flush=True)
    venv.mkdir()
    stamp.write_text(UNFINISHED)
    subprocess.check_call([python, "-m", "venv", str(venv)])


def explain(log):
    """Return one sentence on why pip failed, from its output."""
    if NO_SPACE.search(log):
        return f"Not enough disk space: the environment needs about {NEEDED_GB:.0f} GB, and pip's cache more."
    if NO_NETWORK.search(log):
        return (
            "The packages could not be downloaded because the package index cannot be reached: connect to "
            "the network, or pass a mirror: `make PIP_ARGS='--index-url ADDRESS' lab`."
        )
    return "pip could not install the pinned packages; the end of its output is above."


def pip_install(python, arguments, total=0):
    """Run `pip install` and print one short line per package; raise SetUpError if it fails."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    lines, done = [], 0
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    with subprocess.Popen(
        command + arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        env=environment,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if line.startswith(("Collecting ", "Processing ")):
                done += 1
                name = re.split(r"[/\\]", line.split()[1])[-1]
                print(f"  {done} of about {max(done, total)}: {name}", flush=True)
            elif done and line.startswith("Installing collected packages"):
                print("  installing (another minute or two)", flush=True)
    if process.returncode != 0:
        log = "".join(lines)
        # For an unreachable server, pip prints a dozen misleading lines.
        if not NO_NETWORK.search(log):
            sys.stderr.write("".join(lines[-15:]))
        raise SetUpError(explain(log))


def find_uv(python, pip_arguments):
    """Return the path of uv; None if there is none, or if it would install from other places than pip."""
    uv = shutil.which("uv")
    if uv is None or pip_arguments:
        return None
    settings = subprocess.check_output([str(python), "-m", "pip", "config", "list"], universal_newlines=True)
    return None if re.search(r"\.(index-url|extra-index-url|find-links|no-index)=", settings) else uv


def uv_install(uv, python, lock):
    """Install the pins of a lock file with uv; return whether that worked."""
    print(f"  {count_pins(lock)} packages with {uv}", flush=True)
    return subprocess.call([uv, "pip", "install", "--python", str(python), "--requirement", str(lock)]) == 0


def install_pins(python, lock, pip_arguments):
    """Install the pins of a lock file with uv where possible, else with pip; raise SetUpError."""
    uv = find_uv(python, pip_arguments)
    if uv is not None:
        if uv_install(uv, python, lock):
            return
        print("uv could not install the packages; pip tries now.", flush=True)
    pip_install(python, ["--requirement", str(lock), *pip_arguments], count_pins(lock))


def count_pins(lock):
    """Count the packages in a lock file."""
    return sum(1 for line in lock.read_text().splitlines() if "==" in line)


def quiet_jupyterlab(venv):
    """Switch off JupyterLab's questions about news and updates: the machine may be offline."""
    folder = venv / "share" / "jupyter" / "lab" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
    }
    (folder / "overrides.json").write_text(json.dumps(settings, indent=2))


def complete_exports(venv):
    """Let exports to LaTeX and PDF restore the figures that a large notebook keeps in HTML alone."""
    folder = venv / "etc" / "jupyter"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"LatexExporter": {"preprocessors": ["phi3lib.lab.figures.print_copies.PrintCopies"]}}
    (folder / "jupyter_config.json").write_text(json.dumps(settings, indent=2))


def set_up(root, pip_arguments, folder=".venv"):
    """Update the environment in root/folder; do nothing if it is up to date."""
    venv = root / folder
    stamp = venv / "phi3lib-set-up"
    python = venv_python(venv)
    wanted = fingerprint(root)
    state = stamp.read_text() if stamp.exists() else UNFINISHED
    moved = stamp.exists() and was_moved(venv)
    if state == wanted and python.exists() and not moved:
        return
    if moved or state == UNFINISHED or version_of(str(python)) is None:
        make_venv(venv, stamp)
    else:
        print(f"Updating {venv}.", flush=True)
        stamp.write_text(UNFINISHED)
    lock = root / "requirements.lock"
    install_pins(python, lock, pip_arguments)
    # The build backend is one of the pinned packages, so this step needs no network.
    pip_install(python, ["--no-build-isolation", "--no-deps", "--editable", str(root)])
    quiet_jupyterlab(venv)
    complete_exports(venv)
    stamp.write_text(wanted)
    print("Ready.", flush=True)


def main():
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="The environment variable PIP_ARGS holds additional arguments for pip install.",
    )
    parser.add_argument("--venv", default=".venv", help="the folder of the environment, in the checkout")
    options = parser.parse_args()
    try:
        set_up(ROOT, split_arguments(os.environ.get("PIP_ARGS", "")), options.venv)
    except SetUpError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the next call restarts the set-up.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
