"""Run the whole course with the published checkpoints and write a report that can be sent back.

    python notebooks/real.py                          # all notebooks, models="real", into build/real
    python notebooks/real.py 01_clip_concepts --models path/to/checkpoints
    python notebooks/real.py --published              # afterwards write data/published, too

`make real` calls it. The report (report.json, report.md) holds for each notebook which claims hold, with the
numbers of the bundled models beside them, and the machine and its versions. HF_TOKEN, HF_ENDPOINT, HF_HOME
and HF_HUB_OFFLINE count as always. The exit status is 1 when a notebook fails; a claim that does not hold
with these checkpoints is a finding, not a failure.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parent
ROOT = NOTEBOOKS.parent
sys.path[:0] = [str(NOTEBOOKS), str(ROOT)]  # for run.py, and for phi3lib where it is not installed

import run  # noqa: E402

from phi3lib.lab.lessons import a2_report  # noqa: E402

# A cell with the published Phi-3-vision may take an hour on a laptop; this only ends one that hangs.
CELL_SECONDS = 24 * 3600


def kernel_environment(models: str) -> dict[str, str]:
    """The environment of the kernels: these models, and the hub as whoever calls this has set it."""
    kept = {name: value for name, value in run.KERNEL_ENVIRONMENT.items() if name != "HF_HUB_OFFLINE"}
    folder = Path(models).expanduser()
    return {**kept, "PHI3LIB_MODELS": str(folder.resolve()) if folder.is_dir() else models}


def run_of(measured: run.Measurement, committed: nbformat.NotebookNode) -> a2_report.Run:
    """What the report needs of one execution and of the notebook as it is committed."""
    return a2_report.Run(
        name=measured.name,
        seconds=measured.seconds,
        cpu_seconds=measured.cpu_seconds,
        peak_mb=measured.peak_mb,
        claims=measured.claims,
        bundled=run.claims(committed),
        error=measured.error,
    )


def execute_all(paths: Iterable[Path], models: str, html: Path) -> list[a2_report.Run]:
    """Execute each notebook with these models; its page goes into `html`, its file stays as it is."""
    run.KERNEL_ENVIRONMENT = kernel_environment(models)
    run.CELL_SECONDS = CELL_SECONDS
    runs = []
    for path in paths:
        print(f"{path.stem} …", flush=True)
        committed = nbformat.read(path, as_version=4)
        notebook = nbformat.read(path, as_version=4)
        measured = run.execute(notebook, path)
        run.clean(notebook)
        run.render(notebook, html / f"{path.stem}.html")
        run.report(measured, [measured.error] if measured.error else [])
        runs.append(run_of(measured, committed))
    return runs


def checkpoints_used(models: str) -> list[dict[str, str | None]]:
    """Name and commit of both default models, from what is on this machine after the run."""
    os.environ["PHI3LIB_MODELS"] = kernel_environment(models)["PHI3LIB_MODELS"]
    from phi3lib.loading.checkpoints import default_models
    from phi3lib.loading.hub import find_model

    found: list[dict[str, str | None]] = []
    for name in filter(None, (default_models().clip, default_models().phi3)):
        is_folder = Path(name).is_dir()
        commit = None if is_folder else find_model(name, allow_conversion=True).commit
        found.append({"name": Path(name).name if is_folder else name, "revision": commit})
    return found


def published_vectors() -> str:
    """Write data/published with the models of `checkpoints_used`; say where it is, or why it is not."""
    from phi3lib.lab.lessons.a2_published import write_published
    from phi3lib.loading.safetensors_io import CheckpointError

    try:
        return str(write_published())
    except (CheckpointError, ValueError) as reason:  # also: not the published weights
        return f"data/published was not written: {reason}"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks to run; all of them if none is named")
    parser.add_argument("--models", default="real", help="real, bundled, or a folder of checkpoints")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "real", metavar="FOLDER")
    parser.add_argument("--published", action="store_true", help="write data/published afterwards")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns the exit status."""
    options = parse(arguments)
    runs = execute_all(run.find(options.names), options.models, options.out / "html")
    used = checkpoints_used(options.models)
    report = a2_report.make_report(runs, models=options.models, checkpoints=used)
    for path in a2_report.save_report(report, options.out):
        print(path)
    if options.published:
        print(published_vectors())
    return 1 if report["summary"]["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
