"""Find the notebooks that learners handed in, and read them without running anything.

A file from outside is hostile until checked: links are not followed, sizes are bounded, and only the source
of code cells and what a check said in them are taken.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phi3lib.lab.grading.exercises import EXERCISES, Exercise
from phi3lib.moved import old_attribute

LARGEST = 30_000_000  # bytes of a notebook; those of the course have 0.4 million
MOST_CELLS = 2_000
LARGEST_CELL = 200_000  # characters of source

_START = re.compile(r"""\blab\.start\(\s*["'](\w{2})["']""")
_HEADING = re.compile(r"^#+ Exercise (\w{2})\.\d", re.MULTILINE)
_NAME = re.compile(r"(?<![A-Za-z0-9])(0\d|1[0-2]|A[1-3])_[a-z0-9_]*[a-z0-9]")
_SAID = {"✓ Right.": "right", "✗ Not yet.": "wrong", "… Not answered yet.": "not answered"}


@dataclass(frozen=True)
class Cell:
    """A code cell: its source, and what a check said in it when it was handed in ("" if nothing)."""

    source: str
    said: str = ""


@dataclass(frozen=True)
class HandedIn:
    """A notebook that a learner handed in.

    learner, file: as the report names them; file is relative to the graded folder. notebook: the number of
    the course's notebook, "" if unknown. problem: why it cannot be graded, "" if it can.
    """

    learner: str
    file: str
    notebook: str = ""
    cells: tuple[Cell, ...] = ()
    problem: str = ""

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        """The exercises of its notebook."""
        return tuple(one for one in EXERCISES if one.notebook == self.notebook)

    place_of = old_attribute("place_of", "index_of")  # changed in 0.2.0

    def index_of(self, exercise: Exercise) -> int | None:
        """Return the index of the last cell that asks for the check of an exercise; None if there is none."""
        found = [index for index, cell in enumerate(self.cells) if exercise.call.search(cell.source)]
        return found[-1] if found else None


def handed_in(folder: Path) -> list[HandedIn]:
    """Return every notebook below a folder, in the order of learners and files.

    A learner is the first subfolder's name. Notebooks directly in the folder are named after what is left of
    the file's name without the notebook's ("anna_01_clip_concepts.ipynb" → "anna"), else after the folder.
    Raises ValueError where there is no such folder, or no notebook in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{str(folder)!r} is not a folder; pass the folder of the notebooks to grade")
    found = [_read(folder, path) for path in _notebooks(folder)]
    if not found:
        raise ValueError(f"no notebooks (*.ipynb) found in {str(folder)!r}")
    return sorted(found, key=lambda one: (one.learner.casefold(), one.learner, one.notebook, one.file))


def _notebooks(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(".ipynb") and not name.startswith("."):
                yield Path(root, name)


def _read(folder: Path, path: Path) -> HandedIn:
    file = path.relative_to(folder)
    learner = _learner(folder, file)
    try:
        document = _document(path)
        cells = document["cells"]
        code = tuple(_cell(cell) for cell in cells if _is(cell, "code"))
        prose = "\n".join(_text(cell.get("source")) for cell in cells if _is(cell, "markdown"))
    except (OSError, ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return HandedIn(learner, file.as_posix(), problem=f"not readable as a notebook: {reason}")
    number = _number(code, prose, file.name)
    if not any(one.notebook == number for one in EXERCISES):
        return HandedIn(learner, file.as_posix(), problem="not a notebook of the course with exercises")
    return HandedIn(learner, file.as_posix(), number, code)


def _learner(folder: Path, file: Path) -> str:
    if len(file.parts) > 1:
        return file.parts[0]
    left = _NAME.sub("", file.stem).strip(" _-.()[]")
    return left or folder.resolve().name


def _document(path: Path) -> dict[str, Any]:
    """Return the JSON of a notebook with a list of cells; ValueError or OSError for anything else."""
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is a link or no plain file")
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"it has {size:,} bytes, at most {LARGEST:,} are read")
    try:
        document = json.loads(path.read_bytes())
    except ValueError:  # an encoding error too
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise ValueError("it has no list of cells; notebooks of version 4 do")
    if len(document["cells"]) > MOST_CELLS:
        raise ValueError(f"it has more than {MOST_CELLS:,} cells")
    return document


def _is(cell: Any, kind: str) -> bool:
    return isinstance(cell, dict) and cell.get("cell_type") == kind


def _cell(cell: dict[str, Any]) -> Cell:
    outputs = cell.get("outputs")
    shown = (
        "\n".join(_output(one) for one in outputs if isinstance(one, dict))
        if isinstance(outputs, list)
        else ""
    )
    said = next((word for mark, word in _SAID.items() if mark in shown), "")
    source = _text(cell.get("source"))
    if len(source) > LARGEST_CELL:
        raise ValueError(f"a cell has more than {LARGEST_CELL:,} characters")
    return Cell(source, said)


def _output(output: dict[str, Any]) -> str:
    data = output.get("data")
    return _text(data.get("text/plain")) if isinstance(data, dict) else _text(output.get("text"))


def _text(value: Any) -> str:
    """Return the text of a field that is a text or a list of lines, and "" for anything else."""
    parts = value if isinstance(value, list) else [value]
    return "".join(part for part in parts if isinstance(part, str))


def _number(code: tuple[Cell, ...], prose: str, name: str) -> str:
    """Return the number of the course's notebook: of its set-up cell, its headings, or its name."""
    sources = "\n".join(cell.source for cell in code)
    for pattern, text in ((_START, sources), (_HEADING, prose), (_NAME, name)):
        if found := pattern.search(text):
            return found[1]
    return ""
