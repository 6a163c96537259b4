"""The package as it is built, and the direction of its imports."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path):
    """What a build needs, apart from the checkout, so that nothing is left in it."""
    shutil.copytree(ROOT / "phi3lib", tmp_path / "phi3lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_the_wheel_holds_every_file_of_the_package_and_builds_without_network(copy):
    (copy / "phi3lib" / "lab" / "probe.js").write_text("// scripts of widgets travel along\n")
    wheels = copy / "wheels"
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(wheels)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(copy)], check=True)
    (wheel,) = wheels.glob("phi3lib-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("phi3lib/")}
    sources = {path.relative_to(copy).as_posix() for path in (copy / "phi3lib").rglob("*") if path.is_file()}
    assert packed == sources
    assert {"phi3lib/py.typed", "phi3lib/lab/probe.js"} <= packed


def lint_imports(folder):
    """Run import-linter on a copy; (exit status, output)."""
    code = "from importlinter.cli import lint_imports_command as lint; lint()"
    process = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("lab", "vision", True),
        ("vectors", "vision", True),
        ("vision", "vectors", False),
        ("picturebook", "vectors", False),
        ("vectors", "lab", False),
        ("vision", "lab", False),
    ],
)
def test_imports_go_one_way(copy, importer, imported, allowed):
    for name in ("vectors", "picturebook"):
        package = copy / "phi3lib" / name
        package.mkdir(exist_ok=True)
        (package / "__init__.py").touch()
    probe = f"import phi3lib.{imported}\n"
    (copy / "phi3lib" / importer / "direction_probe.py").write_text(probe)
    status, output = lint_imports(copy)
    assert (status == 0) == allowed, output
    if not allowed:
        assert "direction_probe" in output
