"""pyproject.toml, requirements.lock, environment.yml and the other top-level files agree."""

import ast
import importlib.metadata
import importlib.util
import re
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import phi3lib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
COURSE = [*PROJECT["dependencies"], *EXTRAS["course"], *EXTRAS["train"], *EXTRAS["scale"]]
LOCKED_EXTRAS = ("course", "train", "scale", "docs", "dev")
ENVIRONMENT = (ROOT / "environment.yml").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")

PLATFORMS = [
    {"python_version": python, "python_full_version": f"{python}.7", **system}
    for python in ("3.11", "3.12", "3.13")
    for system in (
        {"sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64"},
        {"sys_platform": "darwin", "os_name": "posix", "platform_machine": "arm64"},
        {"sys_platform": "win32", "os_name": "nt", "platform_machine": "AMD64"},
    )
]


distributions_of_packages = cache(importlib.metadata.packages_distributions)  # it reads what is installed


def ranges(lines):
    """{canonical name: specifier} of requirement lines."""
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement.specifier for requirement in requirements}


def environment_parts():
    """(conda's lines, pip's lines) of environment.yml."""
    dependencies = yaml.safe_load(ENVIRONMENT)["dependencies"]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    return [entry for entry in dependencies if isinstance(entry, str)], pip


def pins_for(platform):
    """{canonical name: version} that the lock gives on one platform."""
    pins = {}
    for line in LOCK.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate(platform):
            continue
        (pin,) = requirement.specifier
        assert pin.operator == "==", line
        assert canonicalize_name(requirement.name) not in pins, line
        pins[canonicalize_name(requirement.name)] = pin.version
    return pins


def test_conda_and_pip_users_get_the_same_packages_in_the_same_ranges():
    conda, pip = environment_parts()
    assert ranges(line for line in pip if not line.startswith("-e")) == ranges(COURSE)
    assert ranges(conda)["python"] == SpecifierSet(PROJECT["requires-python"])
    assert "-e ." in pip  # makes phi3lib importable, on Binder too


def test_every_line_of_the_environment_has_its_reason():
    entries = [line for line in ENVIRONMENT.split("dependencies:")[1].splitlines() if line.strip()]
    without = [line for line in entries if "pip:" not in line and not re.search(r" # \w.{8,}", line)]
    assert without == []


def test_the_package_does_not_need_what_only_the_course_needs():
    core = set(ranges(PROJECT["dependencies"]))
    assert core.isdisjoint(ranges(EXTRAS["course"] + EXTRAS["train"] + EXTRAS["docs"]))
    assert "jupyterlab" not in core


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: f"{p['python_version']}-{p['sys_platform']}")
def test_the_lock_pins_every_dependency_within_its_range(platform):
    pins = pins_for(platform)
    wanted = ranges([*PROJECT["dependencies"], *(line for extra in LOCKED_EXTRAS for line in EXTRAS[extra])])
    outside = {name: pins.get(name) for name, range_ in wanted.items() if pins.get(name) not in range_}
    assert outside == {}
    assert pins["torch"] == "2.13.0"


def test_make_lock_resolves_these_extras():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlock:")[2]
    assert set(re.findall(r"--extra (\w+)", recipe)) == set(LOCKED_EXTRAS)


def test_the_lock_serves_cpu_and_cuda_builds_alike():
    assert not re.search(r"nvidia|triton|cuda|torchvision", LOCK)


@pytest.mark.parametrize(
    "name", ["requirements.lock", "environment.yml", "Makefile", ".ci/run", "tools/set_up.py"]
)
def test_no_package_index_is_prescribed(name):
    """Mirrors and indexes are the user's choice: `PIP_ARGS`, or pip's own configuration."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|file://|--extra-index-url +http|/home/|/Users/", text)


def test_versions_and_license_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changes, re.MULTILINE)[1]
    assert PROJECT["version"] == phi3lib.__version__ == citation["version"] == newest
    assert PROJECT["license"] == citation["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_the_set_up_accepts_the_pythons_of_the_package():
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "tools" / "set_up.py")
    set_up = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(set_up)
    supported = SpecifierSet(PROJECT["requires-python"])
    for minor in range(8, 18):
        assert set_up.in_range((3, minor)) == (f"3.{minor}.1" in supported)


OWN = {
    "phi3lib",
    "picturebook",
    "training",
    "tests",
    "tools",
}  # of this repository
# Of an extra: imported by functions that report what to install, or that work without it.
OPTIONAL = {"datasets", "nbconvert", "peft", "psutil", "ray"}
# Explorers that ours is compared with: each is started in an environment of its own (docs/explorers.md).
EXPLORERS = {"datamapplot", "fiftyone", "pixplot", "renumics", "wizmap"}
# Distributions whose module has another name: an environment without torch lacks them and cannot tell.
NAMED_OTHERWISE = {"umap": "umap-learn", "sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml"}


@cache
def imported_packages(pattern):
    """{top-level package: where} of what Python files import, without the standard library and our own."""
    found = {}
    for path in ROOT.glob(pattern):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            # A program may import another one that lies beside it.
            foreign = [name for name in names if not path.with_name(f"{name}.py").exists()]
            found.update({name.split(".")[0]: str(path.relative_to(ROOT)) for name in foreign})
    return {name: where for name, where in found.items() if name not in {*sys.stdlib_module_names, *OWN}}


@pytest.mark.parametrize(
    ("pattern", "extras"),
    [
        ("phi3lib/**/*.py", ()),
        ("picturebook/**/*.py", ()),
        ("notebooks/*.py", ("course", "train", "dev")),
        ("training/*.py", ("dev",)),
        ("tools/*.py", ("docs", "dev")),
        ("benchmarks/*.py", ("dev", "bench")),
    ],
)
def test_what_is_imported_is_declared(pattern, extras):
    """What another package happens to bring may be gone with its next release."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += EXTRAS[extra]
    declared = set(ranges(lines))
    distributions = distributions_of_packages()
    undeclared = {}
    for name, where in imported_packages(pattern).items():
        if name in EXPLORERS and where == "benchmarks/explorers_start.py":
            continue
        known = distributions.get(name, [NAMED_OTHERWISE.get(name, name)])
        providers = {canonicalize_name(provider) for provider in known}
        if not providers & declared and not (name in OPTIONAL and pattern.startswith("phi3lib")):
            undeclared[name] = where
    assert undeclared == {}


def test_the_package_imports_each_of_its_dependencies():
    distributions = distributions_of_packages()
    used = {
        canonicalize_name(provider)
        for name in imported_packages("phi3lib/**/*.py")
        for provider in distributions.get(name, [NAMED_OTHERWISE.get(name, name)])
    }
    assert set(ranges(PROJECT["dependencies"])) - used == set()


def test_optional_packages_belong_to_an_extra():
    assert set(ranges(line for lines in EXTRAS.values() for line in lines)) >= OPTIONAL


def test_nothing_names_a_notebook_that_does_not_exist():
    """Neither by number, as in "notebook 05", nor by file."""
    there = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    numbers = {name.split("_")[0] for name in there}
    files = [ROOT / name for name in ("pyproject.toml", "environment.yml", "Makefile", "README.md")]
    for folder in ("phi3lib", "picturebook", "training", "tools", "benchmarks", "notebooks"):
        files += [p for s in ("py", "md", "js", "ipynb") for p in (ROOT / folder).rglob(f"*.{s}")]
    wrong = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"\bnotebooks? (\d\d|A\d)\b", text, re.IGNORECASE)
        named_files = re.findall(r"\b((?:0\d|1\d|A\d)_[a-z][a-z0-9_]{3,})\b", text)
        wrong += [(path.name, n) for n in named if n not in numbers]
        wrong += [(path.name, n) for n in named_files if n not in there]
    assert wrong == []
