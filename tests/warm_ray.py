"""Processes of Ray that begin with their imports done: forks (`tests/forks.py`) in place of new ones.

Ray starts a Python for each service of a cluster and for each worker, and a worker imports torch and
transformers: five CPU seconds before it computes anything. Forks are processes like any others to Ray, which
starts another one where one is killed.

The process that is forked must not have imported Ray, which reads a cluster's variables when it is imported.
"""

import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

PROGRAM = """\
#!/bin/sh
case "$*" in *{files}*) exec {fork} "$@";; esac
exec {usual} "$@"
"""


def executable_for_ray(python: Sequence[str], folder: Path) -> str:
    """Write what takes the place of `sys.executable` while Ray starts; return its path.

    python: the command that takes the place of Python for the programs of Ray. All others get the usual one.
    """
    spec = find_spec("ray")
    if spec is None or spec.origin is None or list(python) == [sys.executable]:
        return sys.executable
    program = folder / "python"
    files = str(Path(spec.origin).parent)
    quoted = {"files": shlex.quote(files), "fork": shlex.join(python), "usual": shlex.quote(sys.executable)}
    program.write_text(PROGRAM.format(**quoted))
    program.chmod(0o700)
    return str(program)
