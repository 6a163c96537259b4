"""The package as it is built, and the direction of its imports."""

import json
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


# In one process: first what importing brings, then what works.
PROGRAM = """
    import importlib, json, pkgutil, sys, warnings

    with warnings.catch_warnings(record=True) as warned:
        warnings.filterwarnings("always", message="the module phi3lib")
        import phi3lib.encoders
        phi3lib.encoders.load_families()
        for_encoders = sorted(sys.modules)
        for one in pkgutil.walk_packages(phi3lib.__path__, "phi3lib."):
            importlib.import_module(one.name)
    imported = sorted(sys.modules)

    from phi3lib import lab, load_clip, load_phi3_model
    from phi3lib.vision.answers import answer
    picture = lab.gallery()[0].open()
    clip, phi3 = load_clip(), load_phi3_model(language_model=True)
    print(json.dumps({
        "warned": [str(one.message) for one in warned if "the module phi3lib" in str(one.message)],
        "for encoders": for_encoders,
        "imported": imported,
        "files": [phi3lib.__file__, clip.name, str(phi3.checkpoint.folder)],
        "features": tuple(clip.image_features(picture).shape),
        "answer": answer(phi3, [picture], max_new_tokens=2)[0],
    }))
"""


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """(where the wheel is installed, what a process with nothing else of this repository says)."""
    site, elsewhere = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    options = ["--quiet", "--no-index", "--no-deps", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(built[1])], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1", "HOME": str(elsewhere)}
    environment.pop("PHI3LIB_MODELS", None)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return site, json.loads(done.stdout.splitlines()[-1])


def test_an_installed_wheel_works_without_the_checkout(installed):
    site, said = installed
    assert all(Path(path).is_relative_to(site) for path in said["files"]), said["files"]
    assert said["features"] == [1, 128] and isinstance(said["answer"], str)


def test_the_package_itself_uses_no_old_name(installed):
    assert installed[1]["warned"] == []


def test_loading_no_encoder_imports_no_transformers_model(installed):
    modules = [name for name in installed[1]["for encoders"] if name.startswith("transformers.models.")]
    endings = ("modeling_siglip", "modeling_dinov2")
    assert [name for name in modules if name.rpartition(".")[2].startswith(endings)] == []


def test_importing_every_module_imports_nothing_of_ray(installed):
    assert "phi3lib.embeddings.scale" in installed[1]["imported"]
    assert "ray" not in installed[1]["imported"]


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


def write_probes(folder, imports):
    """Let a module of each importer import something; [each import in import-linter's words]."""
    written = []
    for number, (importer, imported) in enumerate(imports):
        path = folder / importer / f"direction_probe_{number}.py"
        path.write_text(f"import {imported}\n")
        written.append(f"{importer.replace('/', '.')}.{path.stem} -> {imported} ")
    return written


def test_imports_in_the_right_direction_are_allowed(copy):
    write_probes(
        copy,
        [
            ("phi3lib/lab", "phi3lib.vision"),
            ("phi3lib/lab", "picturebook"),
            ("phi3lib/embeddings", "phi3lib.vision"),
            ("phi3lib/lab/lessons", "phi3lib.lab.checks"),
        ],
    )
    status, output = lint_imports(copy)
    assert status == 0, output


def test_imports_in_the_other_direction_are_refused(copy):
    refused = write_probes(
        copy,
        [
            ("phi3lib/vision", "phi3lib.embeddings"),
            ("phi3lib/vision", "picturebook"),
            ("phi3lib/embeddings", "picturebook"),
            ("picturebook", "phi3lib.embeddings"),
            ("phi3lib/embeddings", "phi3lib.lab"),
            ("phi3lib/vision", "phi3lib.lab"),
            ("phi3lib/lab/figures", "phi3lib.lab.widgets"),
            ("phi3lib/lab/widgets", "phi3lib.lab.atlas"),
            ("phi3lib/lab/atlas", "phi3lib.lab.checks"),
            ("phi3lib/lab/checks", "phi3lib.lab.lessons"),
        ],
    )
    status, output = lint_imports(copy)
    assert status != 0
    assert [one for one in refused if one not in output] == [], output
