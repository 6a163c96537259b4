"""The exercises of the notebooks: what a notebook prints as the solution, and the line that checks it."""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phi3lib import lab

FOLDER = Path(__file__).parents[1] / "notebooks"
_CHECK = re.compile(r"lab\.(?:checks|layers)\.\w+\(")
_SOLUTION = re.compile(r"<summary>Solution</summary>(.*?)</details>", re.DOTALL)
_HEADING = re.compile(r"^### Exercise (\w+\.\d) · ", re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """One exercise: number ("01.2"), notebook ("01"), the printed solution and the checking expression."""

    number: str
    solution: str | None
    check: str | None

    @property
    def notebook(self) -> str:
        return self.number[:2]


def cells(notebook: str) -> dict[str, str]:
    """{cell id: source} of a notebook, in order."""
    (path,) = FOLDER.glob(f"{notebook}_*.ipynb")
    document = json.loads(path.read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in document["cells"]}


def exercises_of(notebook: str) -> list[Exercise]:
    """Every exercise of a notebook in order; solution or check is None where the notebook has none."""
    whole = "\n".join(cells(notebook).values())
    headings = list(_HEADING.finditer(whole))
    ends = [heading.start() for heading in headings[1:]] + [len(whole)]
    return [
        Exercise(heading[1], *_parts(whole[heading.end() : end]))
        for heading, end in zip(headings, ends, strict=True)
    ]


def _parts(text: str) -> tuple[str | None, str | None]:
    check = next((line for line in text.splitlines() if _CHECK.match(line)), None)
    printed = _SOLUTION.search(text)
    code = re.search(r"```python\n(.*?)```", printed[1], re.DOTALL) if printed else None
    return ("" if printed else None) if code is None else code[1], check


def all_exercises() -> list[Exercise]:
    """Every exercise of the course."""
    names = sorted(path.name[:2] for path in FOLDER.glob("*.ipynb"))
    return [one for name in names for one in exercises_of(name)]


def namespace(notebook: str, state: dict[str, Any], until: str = "") -> dict[str, Any]:
    """What a reader's kernel holds: imports, `state`, and the solutions up to the exercise `until`."""
    space: dict[str, Any] = {"np": np, "torch": torch, "lab": lab, **state}
    for one in exercises_of(notebook):
        if one.solution:
            exec(compile(one.solution, f"solution {one.number}", "exec"), space)
        if one.number == until:
            break
    return space


def evaluate(check: str, space: dict[str, Any]) -> Any:
    """The value of the line that checks an exercise."""
    return eval(compile(ast.parse(check, mode="eval"), check, "eval"), space)


def solution_text(number: str) -> str:
    """The code that the notebook prints as the solution of an exercise."""
    return next(one.solution for one in exercises_of(number[:2]) if one.number == number) or ""


def solution(number: str) -> Any:
    """The function that the notebook prints as the solution of an exercise that needs no state."""
    one = next(one for one in exercises_of(number[:2]) if one.number == number)
    (name,) = re.findall(r"\((my_\w+)\)$", one.check or "")
    return namespace(one.notebook, {}, one.number)[name]
