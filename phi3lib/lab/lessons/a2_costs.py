"""Notebooks A2 and 10: what the published checkpoints cost, as two programs of `benchmarks/` measured it.

They ran with random weights of the published shapes, one on a processor and one on a GPU. Their tables hold
costs and no results, and name the machine. `seconds_here` measures the models that the notebook uses, on the
machine where it runs.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from phi3lib.lab.lessons.a2_sizes import GB, PRECISIONS
from phi3lib.vision.hd_transform import hd_grid

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "benchmarks" / "real_checkpoints.json"
GPU_TABLE = ROOT / "benchmarks" / "real_checkpoints_gpu.json"


def measured_costs(path: Path = TABLE) -> dict[str, Any]:
    """Return a committed table: TABLE, of a processor, or GPU_TABLE.

    TABLE has `processor`, `machine`, `picture`, and `rows`, one for each precision. A row has `model`,
    `part`, `precision`, `seconds` (of each piece of work, on one thread), and where the model was loaded at
    this precision `load_seconds`, `bytes` and `peak_bytes`. GPU_TABLE has `machine`, `rows` with `model`,
    `precision`, `seconds` and `bytes` (the peak of the work), and `towers`: a step of each stage of notebook
    10. Raises FileNotFoundError outside a checkout of the project.
    """
    if not path.is_file():
        command = f"python benchmarks/{path.stem}.py"
        raise FileNotFoundError(f"{path.name} is missing: use a checkout of the project, or run `{command}`")
    return json.loads(path.read_text(encoding="utf-8"))


def seconds_of(costs: dict[str, Any], part: str, precision: str, work: str, *, model: str = "Phi-3") -> float:
    """Return the seconds of the piece of work whose name starts with `work`; ValueError if there is none."""
    rows = [
        row
        for row in costs["rows"]
        if model in row["model"] and row["part"] == part and row["precision"] == precision
    ]
    for name, seconds in _works(rows):
        if name.startswith(work):
            return seconds
    raise ValueError(f"no seconds of {work!r} for {model}, {part}, {precision} in the table")


def _works(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    """Return every piece of work of some rows, with its seconds."""
    for row in rows:
        for name, seconds in row["seconds"].items():
            yield name, float(seconds)


def show_costs(costs: dict[str, Any]) -> None:
    """Print the processor, then a line for each piece of work with the seconds of each precision."""
    width, height = costs["picture"]
    print(f"{costs['processor']}, one thread, random weights; the picture has {width} × {height} pixels")
    print("seconds" + "".join(f"{precision:>9}" for precision in PRECISIONS).rjust(88))
    works: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for row in costs["rows"]:
        work = works.setdefault((row["model"], row["part"]), {})
        if "load_seconds" in row:
            what = f"loading, {row['peak_bytes'] / GB:.1f} GB at the peak"
            work.setdefault(what, {})[row["precision"]] = row["load_seconds"]
        for what, seconds in row["seconds"].items():
            work.setdefault(what, {})[row["precision"]] = seconds
    for (model, part), work in works.items():
        print(f"\n{model}, {part}")
        for what, seconds_at in work.items():
            columns = (f"{seconds_at[p]:9.3f}" if p in seconds_at else f"{'–':>9}" for p in PRECISIONS)
            print(f"  {_with_crops(what, (width, height)):66}{''.join(columns)}")


def show_gpu_costs(costs: dict[str, Any]) -> None:
    """Print the GPU, then a line for each piece of work with milliseconds and the peak of the memory."""
    print(f"{costs['machine']}, random weights")
    print(f"{'ms':>83}{'peak, GB':>11}")
    shown = ""
    for row in costs["rows"]:
        if row["model"] != shown:
            shown = row["model"]
            print(f"\n{shown}")
        for what, seconds in row["seconds"].items():
            work = f"{what}, {row['precision']}"
            print(f"  {work:70}{1000 * seconds:11.2f}{row['bytes'] / GB:11.1f}")


def gpu_seconds(costs: dict[str, Any], work: str) -> tuple[float, int]:
    """Return the seconds of GPU_TABLE's first work that begins with `work`, and the tokens in its name, or 1.

    Raises ValueError where no work begins so.
    """
    for name, seconds in _works(costs["rows"]):
        if name.startswith(work):
            tokens = re.search(r"\((\d+) tokens\)", name)
            return seconds, int(tokens[1]) if tokens else 1
    raise ValueError(f"no work that begins with {work!r} in the table")


def show_gpu_steps(costs: dict[str, Any]) -> None:
    """Print for each tower and stage of notebook 10 the milliseconds of a step and the peak of its memory."""
    print(f"{costs['machine']}, random weights; {costs['scenes']} scenes of 4 crops")
    print(f"{'':34}{'step, ms':>30}{'peak of the memory, GB':>32}")
    stages = ("projector", "lora", "both")
    names = "".join(f"{stage.replace('lora', 'LoRA'):>10}" for stage in stages)
    print(f"{'':34}{names}  {names}")
    for tower in dict.fromkeys(row["tower"] for row in costs["towers"]):
        rows = {row["stage"]: row for row in costs["towers"] if row["tower"] == tower}
        steps = "".join(f"{1000 * rows[stage]['step_seconds']:10.0f}" for stage in stages)
        peaks = "".join(f"{rows[stage]['bytes'] / GB:10.1f}" for stage in stages)
        print(f"{tower:34}{steps}  {peaks}")


def _with_crops(work: str, size: tuple[int, int]) -> str:
    """Return "… of 12 crops, at most 16" for "… at 16 crops": what this size gets, and the limit."""
    limit = re.search(r" at (\d+) crops", work)
    if limit is None:
        return work
    grid = hd_grid(*size, num_crops=int(limit[1]))
    return work.replace(limit[0], f" of {grid.rows * grid.cols} crops, at most {limit[1]}")


def seconds_here(work: Callable[[], Any], *, times: int = 3) -> float:
    """Return the least processor seconds of several runs of `work`, after one that is not counted."""
    work()
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def fresh_pictures(count: int) -> list[Image.Image]:
    """Return generated pictures that no model was trained on."""
    from picturebook.pictures import draw_picture

    return [draw_picture(number, split="test").image for number in range(count)]
