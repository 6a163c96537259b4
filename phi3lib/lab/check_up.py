"""The doctor: does it work here? One line for each thing that a notebook needs."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

GIGABYTE = 1e9


def doctor(*, details: bool = False) -> None:
    """Print what works here and what needs attention; nothing is downloaded.

    The lines are the same on every healthy machine. `details=True` adds versions, memory and disk.
    """
    for name, problem in _findings():
        print(f"{'attention' if problem else 'ok':9}  {name}{': ' + problem if problem else ''}")
    if details:
        print(*_details(), sep="\n")


def _findings() -> list[tuple[str, str]]:
    """(what was looked at, what is wrong with it or nothing)."""
    return [
        ("Python 3.11 to 3.13", _python_problem()),
        ("packages within their ranges", _package_problem()),
        ("disk: 1 GB free", "less is free" if shutil.disk_usage(Path.cwd()).free < GIGABYTE else ""),
        ("the two photographs", _photograph_problem()),
        ("checkpoints", _checkpoint_problem()),
    ]


def _python_problem() -> str:
    return "" if (3, 11) <= sys.version_info[:2] <= (3, 13) else f"this is {platform.python_version()}"


def _package_problem() -> str:
    """The first package that is missing or out of its range, as pyproject.toml gives it."""
    from packaging.requirements import Requirement

    try:
        wanted = requires("phi3lib") or []
    except PackageNotFoundError:
        return "phi3lib is not installed; run `make lab`"
    for text in wanted:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            return f"{requirement.name} is missing"
        if not requirement.specifier.contains(found, prereleases=True):
            return f"{requirement.name} is {found}, wanted {requirement.specifier}"
    return ""


def _photograph_problem() -> str:
    from phi3lib.lab.photographs import photograph

    try:
        photograph("china")
        photograph("flower")
    except (ModuleNotFoundError, FileNotFoundError, ValueError) as error:
        return str(error)
    return ""


def _checkpoint_problem() -> str:
    from phi3lib.vision.default_models import default_models

    chosen = default_models()
    if chosen.choice == "real" or any(
        Path(name or "").is_dir() for name in (chosen.phi3, chosen.clip) if name
    ):
        return ""
    return "no bundled models here; notebooks that need no trained weights run all the same"


def _details() -> list[str]:
    import torch
    import transformers

    free = shutil.disk_usage(Path.cwd()).free / GIGABYTE
    return [
        f"Python {platform.python_version()}, torch {torch.__version__}",
        f"transformers {transformers.__version__}",
        f"{os.cpu_count()} processors, {torch.get_num_threads()} thread(s) for torch",
        f"{free:.0f} GB of disk free",
        f"CUDA {'present' if torch.cuda.is_available() else 'absent'}",
    ]
