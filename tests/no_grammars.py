"""Import jsonschema without the grammars of rfc3987_syntax, which cost each process more than a CPU second.

It is a package of Jupyter that jsonschema takes where it can, to check addresses with any letters; no test,
JupyterLab or kernel here has any such address checked.
"""

import sys
from pathlib import Path

NAME = "rfc3987_syntax"


def here() -> None:
    """Let imports of it in this process raise ImportError."""
    sys.modules[NAME] = None  # type: ignore[assignment]


def with_path(folder: Path) -> None:
    """Let them do so in the processes whose PYTHONPATH begins with this folder."""
    (folder / f"{NAME}.py").write_text("raise ImportError('not needed in tests')\n", encoding="utf-8")
