"""The package as it is built, and the direction of its imports."""

import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


PACKAGES = ("phi3lib", "picturebook")
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


def copy_of_the_package(folder):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def copy(tmp_path):
    """What a build needs, apart from the checkout, so that nothing is left in it."""
    return copy_of_the_package(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(the copy that a wheel was built from without network, the wheel)."""
    folder = copy_of_the_package(tmp_path_factory.mktemp("build"))
    shutil.copytree(ROOT / "data", folder / "data")
    (folder / "phi3lib" / "lab" / "probe.js").write_text("// scripts of widgets travel along\n")
    options = [
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--quiet",
        "--wheel-dir",
        str(folder / "wheels"),
    ]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(folder)], check=True)
    (wheel,) = (folder / "wheels").glob("phi3lib-*.whl")
    return folder, wheel


def files_in(folder, below):
    return {path.relative_to(folder).as_posix() for path in (folder / below).rglob("*") if path.is_file()}


def test_the_wheel_holds_every_file_of_the_package_and_the_data(built):
    folder, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.partition("/")[0] in PACKAGES}
    data = {f"phi3lib/{name}" for name in files_in(folder, "data")}
    code = files_in(folder, "phi3lib") | files_in(folder, "picturebook")
    assert packed == code | data
    assert {
        "phi3lib/py.typed",
        "phi3lib/lab/probe.js",
        "phi3lib/data/models/clip-small/model.safetensors",
    } <= packed


def test_an_installed_wheel_works_without_the_checkout(built, tmp_path):
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--target",
        str(site),
    ]
    subprocess.run([*install, str(built[1])], check=True)
    code = """
        import phi3lib
        from phi3lib import lab, load_clip, load_phi3_model
        from phi3lib.vision.answers import answer
        picture = lab.gallery()[0].open()
        clip, phi3 = load_clip(), load_phi3_model(language_model=True)
        print(phi3lib.__file__, clip.name, phi3.checkpoint.folder, sep="\\n")
        print(tuple(clip.image_features(picture).shape), type(answer(phi3, [picture], max_new_tokens=2)[0]))
    """
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1", "HOME": str(elsewhere)}
    environment.pop("PHI3LIB_MODELS", None)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *paths, made = done.stdout.splitlines()
    assert all(Path(path).is_relative_to(site) for path in paths), paths
    assert made == "(1, 128) <class 'str'>"


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
        ("phi3lib/lab", "phi3lib.vision", True),
        ("phi3lib/lab", "picturebook", True),
        ("phi3lib/embeddings", "phi3lib.vision", True),
        ("phi3lib/lab/lessons", "phi3lib.lab.checks", True),
        ("phi3lib/vision", "phi3lib.embeddings", False),
        ("phi3lib/vision", "picturebook", False),
        ("phi3lib/embeddings", "picturebook", False),
        ("picturebook", "phi3lib.embeddings", False),
        ("phi3lib/embeddings", "phi3lib.lab", False),
        ("phi3lib/vision", "phi3lib.lab", False),
        ("phi3lib/lab/figures", "phi3lib.lab.widgets", False),
        ("phi3lib/lab/widgets", "phi3lib.lab.atlas", False),
        ("phi3lib/lab/atlas", "phi3lib.lab.checks", False),
        ("phi3lib/lab/checks", "phi3lib.lab.lessons", False),
    ],
)
def test_imports_go_one_way(copy, importer, imported, allowed):
    (copy / importer / "direction_probe.py").write_text(f"import {imported}\n")
    status, output = lint_imports(copy)
    assert (status == 0) == allowed, output
    if not allowed:
        assert "direction_probe" in output
