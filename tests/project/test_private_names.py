"""A test uses private names of the modules that it tests, and of no others: those may be rewritten freely.

A test file tests the modules of its own words (`test_maps_and_search` those called maps and search,
`test_nb10` also `nb10_towers`), the package with the name of a word (`test_cli` all of `phi3lib.cli`) and the
`__init__` of the package that its folder mirrors. Names with an underscore at both ends, such as
`_repr_html_`, are public.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("phi3lib", "picturebook", "training", "tools", "benchmarks", "notebooks", "tests")
FILES = sorted((ROOT / "tests").rglob("*.py"))
# In a string: what a program for another process uses, or what monkeypatch replaces.
QUOTED = re.compile(r"^(_[a-z]\w*)$|\w\.(_[a-z]\w*)", re.ASCII)
BATCH, TEXT = "_" + "encode_batch", "_" + "text_vector"  # of embed and of search


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and not name.endswith("_")


@cache
def names_in(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Private names that a file defines, and all names that it uses."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return frozenset(filter(is_private, defined(nodes))), frozenset(used(nodes))


@cache
def homes() -> dict[str, set[Path]]:
    """Private names of this repository, and the files that define them."""
    found: dict[str, set[Path]] = {}
    for path in (path for folder in OURS for path in sorted((ROOT / folder).rglob("*.py"))):
        for name in names_in(path)[0]:
            found.setdefault(name, set()).add(path.relative_to(ROOT))
    return found


def defined(nodes: list[ast.AST]) -> Iterator[str]:
    """Functions, classes, variables and attributes of `self`."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr if getattr(node.value, "id", "") == "self" else ""


def used(nodes: list[ast.AST]) -> Iterator[str]:
    """What is imported, read from an object, or named in a string that is no docstring."""
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from ("".join(found) for found in QUOTED.findall(node.value))


def is_tested_by(test: Path, module: Path) -> bool:
    """Whether a test file tests a module; see above."""
    if test == module:
        return True
    if not test.stem.startswith("test_"):
        return False
    words, package = set(test.stem.split("_")[1:]), module.parent.name
    if module.stem == "__init__":
        return package in words or package == test.parent.name
    own = set(module.stem.split("_"))
    return own <= words or words <= own or package in words


def foreign(test: Path, names: Iterable[str]) -> list[str]:
    """Those private names that only modules define which the file does not test."""
    return sorted(
        name
        for name in names
        if is_private(name)
        and (modules := homes().get(name))
        and not any(is_tested_by(test, module) for module in modules)
    )


def test_no_test_uses_a_private_name_of_a_module_that_it_does_not_test():
    tests = [path.relative_to(ROOT) for path in FILES]
    uses = {test.as_posix(): names for test in tests if (names := foreign(test, names_in(ROOT / test)[1]))}
    assert uses == {}, "use the public names, or test the module in a file with its name"


@pytest.mark.parametrize(
    ("test", "line", "is_foreign"),
    [
        ("tests/embeddings/test_store.py", f"embed_module.{BATCH}", True),
        ("tests/embeddings/test_store.py", f"monkeypatch.setattr(embed_module, '{BATCH}', None)", True),
        ("tests/embeddings/test_store.py", f"program = 'e.{BATCH} = counted'", True),
        ("tests/embeddings/conftest.py", f"from phi3lib.embeddings.embed import {BATCH}", True),
        ("tests/embeddings/test_embed.py", f"embed_module.{BATCH}", False),
        ("tests/embeddings/test_maps_and_search.py", f"search.{TEXT}", False),
        ("tests/embeddings/test_store.py", "still._repr_html_()", False),
    ],
)
def test_the_rule_tells_uses_apart(tmp_path, test, line, is_foreign):
    (tmp_path / "test.py").write_text(line)
    assert bool(foreign(Path(test), names_in(tmp_path / "test.py")[1])) == is_foreign
