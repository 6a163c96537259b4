"""What does it cost to load the vision part of Phi-3-vision, compared with the whole checkpoint?

    python benchmarks/load_vision_part.py            print the table and write it into benchmarks/README.md
    python benchmarks/load_vision_part.py --whole    load the whole model too (needs about 17 GB of memory)

A checkpoint of the published layout and size is made: 592 tensors in two shards, 8.3 GB, as sparse files
that take no room on the disk (all weights are zero; only sizes matter here). Its names and shapes are those
of the model that the published config.json describes. Every load runs in a process of its own; the hub is
a server on loopback, so its seconds say nothing about a real network, but its bytes do.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from report import write_section

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the stand-in and the published settings in tests/

NAME = "microsoft/Phi-3.5-vision-instruct"
TENSORS, TOTAL_BYTES = 592, 8_293_242_880  # of the published model.safetensors.index.json
FIRST_SHARD_BYTES = 5_000_000_000  # transformers fills shards up to this size, in the model's order


@dataclass
class Row:
    """One way to load. read: bytes of weight files or, from the hub, of everything but the API's answers."""

    title: str
    read: int
    peak: int
    before: int
    seconds: float


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes in the model's order, from an instance without memory."""
    import torch

    from phi3lib.vision.modeling import Phi3VConfig, Phi3VForCausalLM
    from tests.real_layout import PHI35_CONFIG

    with torch.device("meta"):
        model = Phi3VForCausalLM(Phi3VConfig.from_dict(PHI35_CONFIG))
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    shapes.pop("model.vision_embed_tokens.wte.weight", None)  # the word embedding once more
    sizes = [2 * torch.Size(shape).numel() for shape in shapes.values()]
    if (len(sizes), sum(sizes)) != (TENSORS, TOTAL_BYTES):
        raise SystemExit(f"{len(sizes)} tensors, {sum(sizes)} bytes: not the published model")
    # The published order: the picture side comes right behind the word embedding.
    vision = [name for name in shapes if ".vision_embed_tokens." in name]
    first = ["model.embed_tokens.weight", *vision]
    return {name: shapes[name] for name in [*first, *(n for n in shapes if n not in first)]}


def make_sparse_checkpoint(folder: Path) -> None:
    """Write headers, index and settings, and let the files end where they should."""
    from phi3lib.loading.safetensors_io import TensorInfo, write_header
    from tests.real_layout import PHI35_CONFIG, PHI35_PREPROCESSOR, write_json

    folder.mkdir(parents=True, exist_ok=True)
    shards: list[dict[str, tuple[int, ...]]] = [{}, {}]
    filled = 0
    for name, shape in published_shapes().items():
        filled += _bytes_of(shape)
        shards[filled > FIRST_SHARD_BYTES][name] = shape
    weight_map = {}
    for number, shard in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-00002.safetensors"
        infos, size = [], 0
        for name, shape in sorted(shard.items()):  # safetensors sorts by name
            infos.append(TensorInfo(name, file, "BF16", shape, size, size + _bytes_of(shape)))
            size += _bytes_of(shape)
            weight_map[name] = file
        with (folder / file).open("wb") as stream:
            stream.truncate(write_header(stream, infos, {"format": "pt"}) + size)
    index = {"metadata": {"total_size": TOTAL_BYTES}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)
    write_json(folder / "config.json", PHI35_CONFIG)
    write_json(folder / "preprocessor_config.json", PHI35_PREPROCESSOR)


def _bytes_of(shape: tuple[int, ...]) -> int:
    size = 2  # bfloat16
    for length in shape:
        size *= length
    return size


# ------------------------------------------------------------------------------- one load, one process


def load_and_report(name: str, dtype: str | None, whole: bool) -> None:
    """What the child process does: import everything, load, print the figures as JSON."""
    import torch

    from phi3lib.loading import phi3 as phi3_weights
    from phi3lib.loading.checkpoints import load_phi3_model
    from phi3lib.vision.modeling import Phi3VForCausalLM  # noqa: F401  so that its import is not measured

    before, started = memory("VmRSS"), time.perf_counter()
    chosen = getattr(torch, dtype) if dtype else None
    if whole:
        model = phi3_weights.whole_model(Path(name), device=None, dtype=chosen)
        read = TOTAL_BYTES
    else:
        model = load_phi3_model(name, dtype=chosen)
        read = model.checkpoint.bytes_read
    for parameter in model.parameters():  # weights that lie in a mapped file take memory when they are used
        parameter.detach().flatten()[::1024].sum()
    seconds = time.perf_counter() - started
    print(json.dumps({"read": read, "peak": memory("VmHWM"), "before": before, "seconds": seconds}))


def memory(field: str) -> int:
    """Bytes of this process now (VmRSS) or at its peak (VmHWM); where there is no /proc, the peak always.

    ru_maxrss alone would not do: on Linux it also remembers the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith(field + ":"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(title: str, name: str, environment: dict[str, str], *options: str) -> Row:
    command = [sys.executable, __file__, "--child", name, *options]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{title} failed:\n{done.stderr}")
    figures = json.loads(done.stdout.splitlines()[-1])
    return Row(title, figures["read"], figures["peak"], figures["before"], figures["seconds"])


def measure_all(folder: Path, scratch: Path, *, whole: bool) -> list[Row]:
    from tests.hub_stand_in import HubStandIn

    rows = [
        measure("folder, float32 (the default)", str(folder), {}),
        measure("folder, bfloat16", str(folder), {}, "--dtype", "bfloat16"),
    ]
    with HubStandIn() as hub:
        hub.add(NAME, folder)
        environment = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(scratch / "hf"),
            "PHI3LIB_HOME": str(scratch / "home"),
            "PHI3LIB_MODELS": "real",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        for title in ("hub, first load, float32", "hub, second load, float32"):
            hub.forget()
            row = measure(title, NAME, environment)
            row.read = hub.bytes_served()
            rows.append(row)
    if whole:
        rows.append(measure("whole model, bfloat16", str(folder), {}, "--whole"))
    return rows


# ------------------------------------------------------------------------------- the table


def table(rows: list[Row]) -> str:
    lines = [
        "| loaded from | bytes read | of the checkpoint | peak memory added | of the checkpoint | s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        added = row.peak - row.before
        lines.append(
            f"| {row.title} | {row.read / 1e9:.3f} GB | {row.read / TOTAL_BYTES:.1%} "
            f"| {added / 1e9:.2f} GB | {added / TOTAL_BYTES:.1%} | {row.seconds:.1f} |"
        )
    return "\n".join(lines)


def section(rows: list[Row]) -> str:
    import torch
    import transformers

    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    return f"""## Loading the vision part of Phi-3-vision

`python benchmarks/load_vision_part.py --whole`: a checkpoint of the published layout and size
({TENSORS} tensors, {TOTAL_BYTES / 1e9:.2f} GB in bfloat16, two shards) as sparse files, loaded with
`load_phi3_model`, each time in a process of its own. The hub is a server on loopback that counts the bytes
it sends: the seconds leave out what a network adds. Every weight is touched once after loading. Memory: the
process's peak less what it had after all imports. The vision part holds 0.651 GB of bfloat16 numbers, 1.302
GB as float32.

{table(rows)}

Python {platform.python_version()}, {versions}, CPU."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, help="make the checkpoint here (default: a temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave the checkpoint where it was made")
    parser.add_argument("--whole", action="store_true", help="load the whole model too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--dtype", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return load_and_report(arguments.child, arguments.dtype, arguments.whole)
    scratch = Path(tempfile.mkdtemp(prefix="load-vision-part-"))
    folder = arguments.dir or scratch / "checkpoint"
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: name a new folder")
    try:
        make_sparse_checkpoint(folder)
        rows = measure_all(folder, scratch, whole=arguments.whole)
        print(table(rows))
        write_section("load_vision_part", section(rows))
    finally:
        if arguments.keep:
            print(f"the checkpoint stays in {folder}")
            for fetched in (scratch / "hf", scratch / "home"):
                shutil.rmtree(fetched, ignore_errors=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(scratch, ignore_errors=True)
    return None


if __name__ == "__main__":
    main()
