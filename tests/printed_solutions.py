"""The exercises of the notebooks: what a notebook prints as the solution, and the line that checks it."""

import ast
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

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


@cache
def _document(notebook: str) -> list[dict[str, Any]]:
    (path,) = FOLDER.glob(f"{notebook}_*.ipynb")
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def cells(notebook: str) -> dict[str, str]:
    """{cell id: source} of a notebook, in order."""
    return {cell["id"]: "".join(cell["source"]) for cell in _document(notebook)}


@cache
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


def namespace(notebook: str, state: dict[str, Any], until: str) -> dict[str, Any]:
    """What a reader's kernel holds at the exercise `until`, and no name more.

    These are the imports of the cells before it, `state` in place of what the same cells compute, and the
    solutions in order. A name of `state` that no cell assigns or imports is a mistake of the test.
    """
    space: dict[str, Any] = {}
    solutions = {one.number: one.solution for one in exercises_of(notebook)}
    named: set[str] = set()
    for cell in _document(notebook):
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            names, imports = _names_and_imports(source)
            named |= names
            exec(imports, space)
            continue
        for number in _numbers_before_solutions(source, solutions):
            space.update(state)
            exec(compile(solutions.pop(number) or "", f"solution {number}", "exec"), space)
            if number == until:
                unknown = set(state) - named - {"__builtins__"}
                assert not unknown, f"no cell of notebook {notebook} makes {unknown}"
                return space
    raise AssertionError(f"notebook {notebook} prints no solution of {until}")


def _numbers_before_solutions(source: str, left: dict[str, str | None]) -> list[str]:
    """The exercises whose solutions a Markdown cell prints: the first ones left, as many as it has."""
    return [number for number in left if left[number]][: len(_SOLUTION.findall(source))]


@cache
def _names_and_imports(source: str) -> tuple[set[str], CodeType]:
    """Every name that a cell imports or assigns, and its imports alone, as code."""
    tree = ast.parse(source)
    imports: list[ast.stmt] = [one for one in tree.body if isinstance(one, (ast.Import, ast.ImportFrom))]
    return _names(tree), compile(ast.Module(imports, []), "imports of a cell", "exec")


def _names(tree: ast.Module) -> set[str]:
    """Every name that a cell imports or assigns."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(one.asname or one.name).split(".")[0] for one in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


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
