"""The report of `make real`: what the course says with the published checkpoints, beside the bundled ones.

    report = make_report(runs, models="real")
    save_report(report, Path("build/real"))          # report.json and report.md

A run is one notebook, executed: its claims, its seconds, its memory, its error. Claims of the bundled models
are read from the notebooks as they are committed, so that both sides stand in one table. With other
checkpoints a claim is not made, and the report says whether it holds all the same.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

FORMAT = 1
PACKAGES = ("torch", "transformers", "huggingface-hub", "numpy", "scikit-learn", "umap-learn", "phi3lib")
CELL = 120  # letters of measured values in a table


@dataclass(frozen=True)
class Run:
    """One executed notebook. claims, bundled: claims of this run and of the committed notebook, as data."""

    name: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    claims: Sequence[Mapping[str, Any]]
    bundled: Sequence[Mapping[str, Any]]
    error: str = ""


def make_report(runs: Sequence[Run], *, models: str, checkpoints: Sequence[Mapping[str, Any]] = ()) -> dict:
    """Return the report as data that JSON can hold.

    models: what `models=` was. checkpoints: for each loaded one its name, revision and further facts.
    """
    notebooks = [_of_notebook(run) for run in runs]
    claims = [claim for notebook in notebooks for claim in notebook["claims"]]
    compared = [claim for claim in claims if claim["holds"] is not None]
    return {
        "format": FORMAT,
        "models": models,
        "checkpoints": [dict(one) for one in checkpoints],
        "machine": machine(),
        "summary": {
            "notebooks": len(notebooks),
            "failed": [notebook["name"] for notebook in notebooks if notebook["error"]],
            "claims": len(claims),
            "hold": sum(claim["holds"] for claim in compared),
            "do_not_hold": sum(not claim["holds"] for claim in compared),
            "not_reached": len(claims) - len(compared),
        },
        "notebooks": notebooks,
    }


def _of_notebook(run: Run) -> dict[str, Any]:
    """One notebook: every claim of either side once, in the order of the committed notebook."""
    here, bundled = ({claim["name"]: claim for claim in side} for side in (run.claims, run.bundled))
    names = list(dict.fromkeys([*bundled, *here]))
    return {
        "name": run.name,
        "seconds": round(run.seconds, 1),
        "cpu_seconds": round(run.cpu_seconds, 1),
        "peak_mb": round(run.peak_mb),
        "error": run.error,
        "claims": [_of_claim(name, here.get(name), bundled.get(name)) for name in names],
    }


def _of_claim(name: str, here: Mapping[str, Any] | None, bundled: Mapping[str, Any] | None) -> dict[str, Any]:
    """One claim: `holds` is None where the run did not reach it. shown: the measured values of this run."""
    either = here or bundled or {}
    return {
        "name": name,
        "statement": either.get("statement", ""),
        "holds": here["holds"] if here else None,
        "shown": dict(here["shown"]) if here else {},
        "bundled_holds": bundled["holds"] if bundled else None,
        "bundled_shown": dict(bundled["shown"]) if bundled else {},
    }


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, system, accelerator and versions; no name of a person or a host."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "gpu": torch.cuda.get_device_name(0) if cuda else None,
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _memory_gb() -> float | None:
    """Memory of the machine; None without psutil, which belongs to the course's packages."""
    try:
        import psutil
    except ImportError:
        return None
    return round(psutil.virtual_memory().total / 1e9, 1)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


# ------------------------------------------------------------------------------- Markdown


def as_markdown(report: Mapping[str, Any]) -> str:
    """Return the report for a reader: summary, machine, then a table of claims for each notebook."""
    summary, where = report["summary"], report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    lines = [
        "# The course with other checkpoints",
        "",
        f"models: `{report['models']}`. {summary['notebooks']} notebooks, {summary['claims']} claims: "
        f"{summary['hold']} hold, {summary['do_not_hold']} do not hold, {summary['not_reached']} were not "
        f"reached. Failed: {', '.join(summary['failed']) or 'none'}.",
        "",
        f"Machine: {where['processor']}, {where['cores']} cores, {where['memory_gb'] or '?'} GB, "
        f"{where['system']}, GPU: {where['gpu'] or 'none'}. Python {where['python']}, {versions}.",
        "",
        *(f"- `{one['name']}`, revision {one.get('revision') or '–'}" for one in report["checkpoints"]),
    ]
    for notebook in report["notebooks"]:
        lines += ["", *_section(notebook)]
    return "\n".join(lines).rstrip() + "\n"


def _section(notebook: Mapping[str, Any]) -> list[str]:
    lines = [
        f"## {notebook['name']}",
        "",
        f"{notebook['seconds']:.0f} s, {notebook['cpu_seconds']:.0f} CPU s, {notebook['peak_mb']} MB.",
    ]
    if notebook["error"]:
        last = notebook["error"].strip().splitlines()[-1]
        lines += ["", f"**Failed**: {_cell(last)}"]
    if notebook["claims"]:
        lines += ["", "| claim | here | measured here | bundled models | measured with them |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_row(claim) for claim in notebook["claims"]]
    return lines


def _row(claim: Mapping[str, Any]) -> str:
    cells = (
        f"{claim['statement']} (`{claim['name']}`)",
        _verdict(claim["holds"]),
        _values(claim["shown"]),
        _verdict(claim["bundled_holds"]),
        _values(claim["bundled_shown"]),
    )
    return f"| {' | '.join(map(_cell, cells))} |"


def _verdict(holds: bool | None) -> str:
    return {True: "holds", False: "**does not hold**", None: "not reached"}[holds]


def _values(shown: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name} {value}" for name, value in shown.items())
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def save_report(report: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write report.json and report.md into a folder; return both paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data, text = folder / "report.json", folder / "report.md"
    data.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text.write_text(as_markdown(report), encoding="utf-8")
    return data, text


def read_report(path: Path) -> dict[str, Any]:
    """Return a report that `save_report` wrote; ValueError if the file is none."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        known = report["format"] == FORMAT and isinstance(report["notebooks"], list)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise ValueError(f"{path} is no report of `make real` in format {FORMAT}")
    return report
