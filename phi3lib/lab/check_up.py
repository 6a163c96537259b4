"""A report on this machine: whether everything works, in the same lines on every machine where it does.

    lab.doctor()                 # one line a question: ok, note or attention
    lab.doctor(details=True)     # the numbers behind them, as a table: versions, memory, disk, threads

Nothing here touches the network, loads a model or changes a setting.
"""

import html
import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from phi3lib.embeddings.run_time import usable_cores

OK, NOTE, ATTENTION = "ok", "note", "attention"
ROOT = Path(__file__).resolve().parents[2]
COURSE_EXTRAS = ("course", "train")  # of pyproject.toml: JupyterLab, fine-tuning
PYTHONS = ((3, 11), (3, 14))  # from the first up to, not including, the second
MEMORY_GB, DISK_GB = 2, 1  # what a notebook may use, and what results and figures need


@dataclass(frozen=True)
class Finding:
    """One line of the report. state: "ok", "note" (nothing is wrong) or "attention" (do something)."""

    state: str
    text: str

    def __str__(self) -> str:
        return f"{self.state:9}  {self.text}"


@dataclass(frozen=True)
class Report:
    """The findings, and with `details` the numbers behind them, as (what, value)."""

    findings: tuple[Finding, ...]
    details: tuple[tuple[str, str], ...] = field(default=())

    def count(self, state: str) -> int:
        """Return the number of lines with this state."""
        return sum(finding.state == state for finding in self.findings)

    def __repr__(self) -> str:
        lines = [str(finding) for finding in self.findings] + [f"{name}: {v}" for name, v in self.details]
        return "\n".join(lines)

    def _repr_html_(self) -> str | None:
        """Only the details make a table: the findings alone are text, as they are saved in the notebook."""
        if not self.details:
            return None
        lines = "".join(f"<li>{html.escape(str(finding))}</li>" for finding in self.findings)
        rows = "".join(
            f'<tr><th scope="row" style="text-align: left">{html.escape(name)}</th>'
            f'<td style="text-align: left">{html.escape(value)}</td></tr>'
            for name, value in self.details
        )
        return f"<ul>{lines}</ul><table><caption>The numbers behind the report</caption>{rows}</table>"


def doctor(*, details: bool = False) -> Report:
    """Check this machine and report; `details` adds the numbers, which differ between machines."""
    questions: tuple[Callable[[], Finding], ...] = (
        _python,
        _packages,
        _memory,
        _disk,
        _widgets,
        _photographs,
        _checkpoints,
        _network,
    )
    return Report(tuple(ask() for ask in questions), _numbers() if details else ())


# ------------------------------------------------------------------------------- the questions


def _python() -> Finding:
    low, high = PYTHONS
    wanted = f"{low[0]}.{low[1]} to {high[0]}.{high[1] - 1}"
    if low <= sys.version_info[:2] < high:
        return Finding(OK, f"Python: one of {wanted}.")
    return Finding(ATTENTION, f"Python: this one is {platform.python_version()}; the course needs {wanted}.")


def _packages() -> Finding:
    wrong = []
    for name, range_ in wanted_packages().items():
        version = installed_version(name)
        if version is None:
            wrong.append(f"{name} is missing")
        elif not _fits(version, range_):
            wrong.append(f"{name} is {version}, wanted is {range_}")
    if wrong:
        return Finding(ATTENTION, f"Packages: {'; '.join(wrong)}. `make lab` sets everything up.")
    return Finding(OK, "Packages: all are installed, in the versions that the course needs.")


def _memory() -> Finding:
    free = free_memory_gb()
    if free is None:
        return Finding(NOTE, "Memory: this system does not say how much is free.")
    if free < MEMORY_GB:
        return Finding(ATTENTION, f"Memory: less than {MEMORY_GB} GB free; close other programs first.")
    return Finding(OK, f"Memory: {MEMORY_GB} GB or more are free, enough for every notebook.")


def _disk() -> Finding:
    if free_disk_gb() < DISK_GB:
        return Finding(ATTENTION, f"Disk: less than {DISK_GB} GB free in this folder; make room.")
    return Finding(OK, f"Disk: {DISK_GB} GB or more are free in this folder.")


def _widgets() -> Finding:
    missing = [name for name in ("ipywidgets", "anywidget") if find_spec(name) is None]
    if missing:
        return Finding(ATTENTION, f"Instruments: {' and '.join(missing)} missing; you see still pictures.")
    return Finding(OK, "Instruments: widgets are installed; they move while a kernel runs.")


def _photographs() -> Finding:
    from phi3lib.lab.photographs import photograph

    try:
        for name in ("china", "flower"):
            photograph(name)
    except (OSError, ValueError, ImportError) as error:
        return Finding(ATTENTION, f"Photographs: {error}.")
    return Finding(OK, "Photographs: both open.")


def _checkpoints() -> Finding:
    choice, problem = _choice()
    if problem:
        return Finding(ATTENTION, f"Trained models: {problem}.")
    if choice == "real":
        return Finding(NOTE, "Trained models: the published ones; a cell that needs one downloads it once.")
    here = " and ".join(sorted(trained_models()))
    if here:
        whose = "bundled with the course" if choice == "bundled" else "from your own folder"
        return Finding(OK, f"Trained models: {here}, {whose}.")
    return Finding(
        NOTE,
        "Trained models: none here. Pictures, crops, tokens, shapes and hand-made vectors all work; "
        "captions and trained vectors need them.",
    )


def _network() -> Finding:
    if _choice()[0] == "real":
        return Finding(NOTE, "Network: published models come from the hub the first time, then from disk.")
    return Finding(OK, "Network: not needed; this report did not use it either.")


# ------------------------------------------------------------------------------- what they look at


def _choice() -> tuple[str, str]:
    """Return (what the switch says, "") or ("", what is wrong with it)."""
    from phi3lib.loading.defaults import default_models
    from phi3lib.loading.safetensors_io import CheckpointError

    try:
        return default_models().choice, ""
    except CheckpointError as error:
        return "", str(error)


def trained_models() -> dict[str, Path]:
    """Return the folders of the chosen models that are on this machine: "CLIP" and "Phi-3-vision"."""
    from phi3lib.loading.defaults import default_models

    if _choice()[1]:
        return {}
    chosen = default_models()
    names = {"CLIP": chosen.clip, "Phi-3-vision": chosen.phi3}
    folders = {family: Path(name) for family, name in names.items() if name is not None}
    return {family: folder for family, folder in folders.items() if (folder / "config.json").is_file()}


def wanted_packages() -> dict[str, str]:
    """Return the version ranges of what the course needs, from pyproject.toml or installed metadata."""
    pyproject = ROOT / "pyproject.toml"
    if pyproject.is_file():
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
        extras = project["optional-dependencies"]
        lines = [*project["dependencies"], *(line for extra in COURSE_EXTRAS for line in extras[extra])]
    else:
        other_extra = re.compile(rf"extra == ['\"](?!(?:{'|'.join(COURSE_EXTRAS)})['\"])")
        required = importlib.metadata.requires("phi3lib") or []
        lines = [line.partition(";")[0] for line in required if not other_extra.search(line)]
    ranges = {}
    for line in lines:
        name = re.match(r"[A-Za-z0-9_.-]+", line)
        if name:
            ranges[name[0]] = line[len(name[0]) :].strip()
    return ranges


def locked_versions() -> dict[str, str]:
    """Return the versions in requirements.lock, which the course was last run with; {} outside a checkout."""
    lock = ROOT / "requirements.lock"
    if not lock.is_file():
        return {}
    pins = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {_canonical(name): version for name, version in pins}


def installed_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _fits(version: str, range_: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(range_, prereleases=True).contains(version)


def free_memory_gb() -> float | None:
    """Return the memory that programs can still take, in GB; None where the system does not say."""
    try:
        import psutil
    except ImportError:
        return None
    return psutil.virtual_memory().available / 1e9


def free_disk_gb() -> float:
    """Return the free disk space in the working folder, in GB."""
    return shutil.disk_usage(Path.cwd()).free / 1e9


def _numbers() -> tuple[tuple[str, str], ...]:
    import torch

    memory = free_memory_gb()
    numbers: list[tuple[str, Any]] = [
        ("Python", platform.python_version()),
        ("System", f"{platform.system()} on {platform.machine()}"),
        ("Cores", usable_cores()),
        ("Threads of torch", torch.get_num_threads()),
        ("Memory free", "unknown" if memory is None else f"{memory:.1f} GB"),
        ("Disk free", f"{free_disk_gb():.1f} GB"),
        ("CUDA", torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; the CPU is enough"),
        ("HF_HUB_OFFLINE", os.environ.get("HF_HUB_OFFLINE", "not set")),
    ]
    locked = locked_versions()
    for name, range_ in wanted_packages().items():
        last = locked.get(_canonical(name), "–")
        numbers.append((name, f"{installed_version(name) or 'missing'} (range {range_}; last tested {last})"))
    return tuple((name, str(value)) for name, value in numbers)
