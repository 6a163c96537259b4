"""docs/upgrades.md lists every private name of another library that the packages use, and no other."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "upgrades.md"
OURS = ("phi3lib", "picturebook")
TREES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for package in OURS
    for path in sorted((ROOT / package).rglob("*.py"))
}
BY_NAME = {"getattr", "setattr", "hasattr"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_private(name: str) -> bool:
    """`_name`; not `__name__`, and not `_name_`, as in IPython's documented `_repr_html_`."""
    return name.startswith("_") and not name.endswith("_") and not name.startswith("__")


DOCUMENTED = {"_exit"}  # of `os`: public in spite of its name


def names_of_our_own() -> set[str]:
    """What the packages define: functions, classes, variables, arguments, attributes of `self`."""
    found = set()
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id == "self":
                    found.add(node.attr)
    return found


def attributes(own: set[str]) -> Iterator[str]:
    """Private attributes that nothing of ours defines: `x._name`, getattr(x, "_name")."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                name = node.attr
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in BY_NAME:
                name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ""
            else:
                continue
            if is_private(name) and name not in own | DOCUMENTED:
                yield name


def imports() -> Iterator[str]:
    """Private names, and names of private modules (umap.umap_), imported from other libraries."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.level or not node.module:
                continue
            parts = node.module.split(".")
            inner = any(is_private(part) or part.endswith("_") for part in parts)
            if parts[0] not in {*OURS, "__future__"}:
                yield from (alias.name for alias in node.names if inner or is_private(alias.name))


def written_in(node: ast.ClassDef) -> set[str]:
    """Private names that the body of a class defines."""
    found = {part.name for part in node.body if isinstance(part, FUNCTIONS)}
    for part in node.body:
        targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in found if is_private(name)}


def overrides() -> Iterator[str]:
    """Private names that a class of ours defines, and that a base class of another library has too."""
    for path, tree in TREES.items():
        candidates = {
            node.name: names
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.bases and (names := written_in(node))
        }
        if not candidates:
            continue
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        for class_name, names in candidates.items():
            bases = [
                base
                for base in getattr(module, class_name).__mro__
                if base.__module__.split(".")[0] not in {*OURS, "builtins", "abc", "typing", "enum"}
            ]
            yield from (name for name in names if any(name in vars(base) for base in bases))


def listed() -> set[str]:
    """The last parts of the names in the first column of the page's table."""
    rows = re.findall(r"^\| (`[^|]+`) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.split(".")[-1] for row in rows for name in re.findall(r"`([\w.]+)`", row)}


def test_the_page_lists_exactly_the_private_names_in_use():
    used = {*attributes(names_of_our_own()), *imports(), *overrides()}
    assert used - listed() == set(), "add these to docs/upgrades.md, with where, why and what to do"
    assert listed() - used == set(), "no longer used: remove these from docs/upgrades.md"
