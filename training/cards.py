"""The cards of the bundled models: written from what was measured, no number by hand."""

import csv
import json
import platform
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

BARS = {
    "zero-shot, kind": 0.85,
    "zero-shot, kind and colour, pairs never trained": 0.70,
    "R@1 of 500, picture to text": 0.75,
    "R@1 of 500, text to picture": 0.75,
    "real digits, zero-shot": 0.75,
    "real digits, linear probe": 0.95,
    "colour, 2×2 crops": 0.80,
    "kind, 2×2 crops": 0.80,
    "where, 2×2 crops": 0.80,
    "count, 2×2 crops": 0.80,
    "caption, 2×2 crops": 0.50,
    "small print, letters, with sharp crops": 0.75,
    "small print, numbers, with sharp crops": 0.75,
    "small print, words, with sharp crops": 0.75,
    "words never trained, letters right, with sharp crops": 0.70,
    "title of a page": 0.60,
    "highest of a page": 0.60,
    "total of a page": 0.60,
}
# With blurred crops and without crops less is better: these must not be reached.
LIMITS = {
    f"small print, {kind}, {mode}": limit
    for kind in ("letters", "numbers", "words")
    for mode, limit in (("with crops rebuilt from the blurred global view", 0.35), ("global view only", 0.30))
}
TRAINING = "training.json"  # minutes, machine, program: written beside the weights by whoever trained
BEGIN, END = "<!--measured-->\n", "<!--/measured-->"


def write_card(folder: Path) -> None:
    """Put the measured part into the folder's README.md between its marks, which must be there."""
    path = folder / "README.md"
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    path.write_text(before + BEGIN + measured_part(folder) + END + after, encoding="utf-8")


def measured_part(folder: Path) -> str:
    """Size, training and scores as Markdown, from the files of the folder."""
    return f"{_size(folder)}\n{_training(folder)}\n{_scores(folder)}"


def _size(folder: Path) -> str:
    weights = folder / "model.safetensors"
    with safe_open(weights, "pt") as tensors:
        shapes = [tensors.get_slice(name).get_shape() for name in tensors.keys()]  # noqa: SIM118
    numbers = sum(_product(shape) for shape in shapes)
    return f"{numbers / 1e6:.2f} million parameters, {weights.stat().st_size / 1e6:.1f} MB in float16.\n"


def _product(shape: list[int]) -> int:
    product = 1
    for length in shape:
        product *= length
    return product


def _training(folder: Path) -> str:
    path = folder / TRAINING
    if not path.exists():
        return ""
    facts = json.loads(path.read_text(encoding="utf-8"))
    time = f"{facts['minutes']:.0f} minutes"
    if facts.get("before"):
        time += f", after {facts['before']:.0f} minutes of earlier runs,"
    lines = [f"Trained for {time} on {facts['machine']} with `{facts['program']}`:", ""]
    rows = [_rounded(row) for row in facts["curve"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines += [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(row.get(name, '') for name in names)} |" for row in rows]
    return "\n".join(lines + _mixture(facts)) + "\n"


def _mixture(facts: dict[str, Any]) -> list[str]:
    """What `mix_weights` noted, as a sentence behind the table."""
    if "mixed" not in facts:
        return []
    shares = ", ".join(f"{share:.0%} {name}" for name, share in facts["mixed"].items())
    return ["", f"The weights are the average of several runs (`training/mix_weights.py`): {shares}."]


def _rounded(row: dict[str, float]) -> dict[str, str]:
    return {name: f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for name, value in row.items()}


def _scores(folder: Path) -> str:
    path = folder / "evaluation.json"
    scores = json.loads(path.read_text(encoding="utf-8"))
    lines = ["| | reached | 95 % interval | chance | wanted | |", "|---|---|---|---|---|---|"]
    for title, score in scores.items():
        value, interval = f"{score['value']:.1%}", f"{score['low']:.1%} to {score['high']:.1%}"
        chance = "" if score["chance"] is None else f"{score['chance']:.1%}"
        wanted, mark = _wanted(title, score["value"])
        lines.append(f"| {title} ({score['count']}) | {value} | {interval} | {chance} | {wanted} | {mark} |")
    return "\n".join(lines) + "\n"


def _wanted(title: str, value: float) -> tuple[str, str]:
    if title in BARS:
        return f"at least {BARS[title]:.0%}", "reached" if value >= BARS[title] else "**missed**"
    if title in LIMITS:
        return f"at most {LIMITS[title]:.0%}", "kept" if value <= LIMITS[title] else "**missed**"
    return "", ""


def _minutes_of(folder: Path) -> float:
    """How long the model in `folder` was trained, all runs together; 0 where nothing says it."""
    path = folder / TRAINING
    if not path.exists():
        return 0.0
    facts = json.loads(path.read_text(encoding="utf-8"))
    return float(facts["minutes"]) + float(facts.get("before", 0.0))


def record_training(
    folder: Path,
    log: Path,
    *,
    minutes: float,
    machine: str,
    program: str,
    names: tuple[str, ...],
    earlier: Path | None = None,
) -> None:
    """Write what the card says of the training: time, machine, and a dozen rows of the log.

    earlier: the folder of the model that this run went on from. Nothing is written before the first report.
    """
    if not log.exists():
        return
    facts = {
        "minutes": minutes,
        "before": _minutes_of(earlier) if earlier is not None else 0.0,
        "machine": machine,
        "program": program,
        "curve": curve(log, names),
    }
    (folder / TRAINING).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def machine(device: torch.device, processes: int) -> str:
    """What a training ran on, in words."""
    plural = "s" if processes > 1 else ""
    if device.type == "cuda":
        return f"{processes} GPU{plural} ({torch.cuda.get_device_name(device)})"
    return f"{processes} core{plural} of a CPU ({_processor()}), no GPU"


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def curve(log: Path, names: tuple[str, ...], rows: int = 12) -> list[dict[str, float]]:
    """So many rows of a training log, the last one among them, with these columns."""
    with log.open(newline="") as file:
        every = list(csv.DictReader(file))
    chosen = sorted({round(place * (len(every) - 1) / (rows - 1)) for place in range(rows)})
    return [{name: float(every[place][name]) for name in names if every[place].get(name)} for place in chosen]
