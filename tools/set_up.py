"""Make `.venv` ready: the pins of requirements.lock, then phi3lib itself, editable.

`make` calls this before every target. It costs a tenth of a second when there is nothing to do. It
needs the standard library only, and it must at least *start* on an old python, because saying that
the python is too old is one of its tasks.

A set-up that was interrupted leaves `.venv/phi3lib-set-up` with the word "unfinished" in it; the
next call then starts over (what was downloaded is in pip's cache). A finished one leaves the
fingerprint of what it was made from, and any change in that brings the environment up to date.
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

# What a package server that cannot be reached looks like in pip's output, whatever the reason.
NO_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|Connection refused|Network is unreachable|getaddrinfo failed|"
    r"Name or service not known|Temporary failure in name resolution|nodename nor servname|"
    r"Max retries exceeded|ReadTimeoutError|ProxyError|SSLError|No route to host|\(from versions: none\)"
)
NO_SPACE = re.compile(r"No space left on device|\[Errno 28\]|not enough space on the disk", re.IGNORECASE)


class SetUpError(Exception):
    """Something that the user can mend; the text is the whole message."""


def in_range(version):
    """Whether a (major, minor) is a python that this project is tested on."""
    return OLDEST <= tuple(version) <= NEWEST


def describe(version):
    """A version as people write it, such as 3.12."""
    return ".".join(str(part) for part in version[:2])


def version_of(python):
    """(major, minor) of an interpreter, or None where it does not run."""
    code = "import sys; print('%d %d' % sys.version_info[:2])"
    try:
        answer = subprocess.check_output([python, "-c", code], stderr=subprocess.DEVNULL)
        major, minor = answer.split()
        return int(major), int(minor)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def choose_python():
    """The interpreter to build the environment with: this one, or the newest fitting one on PATH."""
    if in_range(sys.version_info[:2]):
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and in_range(version_of(found) or (0, 0)):
            print(f"{sys.executable} is {describe(sys.version_info)}; using {found} instead.")
            return found
    raise SetUpError(
        f"Python 3.11, 3.12 or 3.13 is needed, but {sys.executable} is {describe(sys.version_info)} and no "
        "other is on the PATH: install one, or name it, as in `make PYTHON=/path/to/python3.12 lab`."
    )


def check_venv_module(python):
    """Raise SetUpError where python cannot make virtual environments (Debian packages that apart)."""
    if subprocess.call([python, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL) != 0:
        package = f"python{describe(version_of(python) or NEWEST)}-venv"
        raise SetUpError(
            f"{python} has no venv module; on Debian and Ubuntu `sudo apt install {package}` brings it."
        )


def check_disk(folder):
    """Raise SetUpError where less than NEEDED_GB is free."""
    free_gb = shutil.disk_usage(str(folder)).free / 1e9
    if free_gb < NEEDED_GB:
        raise SetUpError(
            f"Only {free_gb:.1f} GB are free in {folder}, and the environment needs about {NEEDED_GB:.0f} GB "
            "(7 GB with a CUDA build of torch): make room, or clone to another disk."
        )


def fingerprint(root):
    """What the environment is made from: both files, and the place (an editable install names it)."""
    digest = hashlib.sha256(str(root).encode())
    for name in ("requirements.lock", "pyproject.toml", "tools/set_up.py"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def venv_python(venv):
    """The interpreter inside a virtual environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def place_of(venv):
    """Where an environment was made, from its own records; None where they do not say it."""
    try:
        lines = (venv / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    commands = [line.split("=", 1)[1].strip() for line in lines if line.startswith("command")]
    found = re.search(r" -m venv (?:--[a-z-]+ )*(.+)$", commands[0]) if commands else None
    return Path(found.group(1)) if found else None


def was_moved(venv):
    """Whether an environment, or a copy of it, lies elsewhere than it was made; says so.

    Its commands (jupyter, lint-imports) name their interpreter by the old path, which may be missing, or
    belong to another checkout.
    """
    place = place_of(venv)
    if place is None or place.resolve() == venv.resolve():
        return False
    print(f"This folder was moved or copied: {venv} was made as {place}.", flush=True)
    return True


def split_arguments(text):
    """The arguments in PIP_ARGS, with quotes as in a shell; SetUpError where a quote is not closed."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SetUpError(f"PIP_ARGS is {text!r}: {error}; close the quote, or leave it out.") from None


def make_venv(venv, stamp):
    """Create an empty environment, in place of one that was left unfinished, moved or has lost its python."""
    if venv.exists():
        if not stamp.exists():
            raise SetUpError(
                f"{venv} exists but was not made by `make`: move or delete it, then run this again."
            )
        shutil.rmtree(str(venv))
    python = choose_python()
    check_venv_module(python)
    check_disk(venv.parent)
    print(f"Setting up {venv} with {python}; the first time takes some minutes.", flush=True)
    venv.mkdir()
    stamp.write_text(UNFINISHED)
    subprocess.check_call([python, "-m", "venv", str(venv)])


def explain(log):
    """One sentence on why pip failed, from what it printed."""
    if NO_SPACE.search(log):
        return f"The disk is full: the environment needs about {NEEDED_GB:.0f} GB, and pip's cache some more."
    if NO_NETWORK.search(log):
        return (
            "The packages could not be downloaded because the package index cannot be reached: connect to "
            "the network, or name a mirror, as in `make PIP_ARGS='--index-url ADDRESS' lab`."
        )
    return "pip could not install the pinned packages; its last words are above."


def pip_install(python, arguments, total=0):
    """Run `pip install`, one short line a package instead of four long ones; SetUpError if it fails."""
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
        for line in process.stdout:
            lines.append(line)
            if line.startswith(("Collecting ", "Processing ")):
                done += 1
                name = re.split(r"[/\\]", line.split()[1])[-1]
                print(f"  {done} of about {max(done, total)}: {name}", flush=True)
            elif done and line.startswith("Installing collected packages"):
                print("  unpacking (another minute or two)", flush=True)
    if process.returncode != 0:
        log = "".join(lines)
        # A server that cannot be reached makes pip say a dozen lines that lead astray.
        if not NO_NETWORK.search(log):
            sys.stderr.write("".join(lines[-15:]))
        raise SetUpError(explain(log))


def count_pins(lock):
    """How many packages a lock file names."""
    return sum(1 for line in lock.read_text().splitlines() if "==" in line)


def quiet_jupyterlab(venv):
    """Keep JupyterLab from asking about news and updates: rooms may be offline, learners busy."""
    folder = venv / "share" / "jupyter" / "lab" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
    }
    (folder / "overrides.json").write_text(json.dumps(settings, indent=2))


def set_up(root, pip_arguments, folder=".venv"):
    """Bring the environment in root/folder up to date; does nothing where it is already."""
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
        print(f"Bringing {venv} up to date.", flush=True)
        stamp.write_text(UNFINISHED)
    lock = root / "requirements.lock"
    pip_install(python, ["--requirement", str(lock), *pip_arguments], count_pins(lock))
    # The build backend is among the pins, so this last step needs no network.
    pip_install(python, ["--no-build-isolation", "--no-deps", "--editable", str(root)])
    quiet_jupyterlab(venv)
    stamp.write_text(wanted)
    print("Ready.", flush=True)


def main():
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="The environment variable PIP_ARGS holds further arguments for pip install.",
    )
    parser.add_argument("--venv", default=".venv", help="the folder of the environment, in the checkout")
    options = parser.parse_args()
    try:
        set_up(ROOT, split_arguments(os.environ.get("PIP_ARGS", "")), options.venv)
    except SetUpError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the next call starts the set-up over.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
