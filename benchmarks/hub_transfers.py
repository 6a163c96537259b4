"""What do our ranged reads and whole files cost beside huggingface_hub's own calls?

python benchmarks/hub_transfers.py            print the table and write it into README.md
python benchmarks/hub_transfers.py --quick    a small file, to try it
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import forget_peak, memory_now, parser_of, peak_memory, publish, table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the stand-in in tests/

NAME, FILE = "somebody/something", "model.safetensors"
SIZE, QUICK_SIZE = 320 * 2**20, 2**22
CUTS = 4  # answers that break after half of their bytes
WAYS = {
    "range, ours": "stream_range",
    "range, HfFileSystem.cat_file": "cat_file",
    "range, HfFileSystem.open": "open",
    "whole file, ours": "file_of",
    "whole file, hf_hub_download": "hf_hub_download",
}


def fetch(way: str, size: int) -> None:
    """What the child does: fetch half of the file from its middle, or all of it, to the disk."""
    import huggingface_hub

    from phi3lib.loading import cache, hub

    out, (start, stop) = Path(os.environ["HF_HOME"]) / "out", (size // 4, size // 4 * 3)
    out.parent.mkdir(parents=True)
    model = hub.find_model(NAME)
    files = huggingface_hub.HfFileSystem()
    before = memory_now()
    forget_peak()
    begun = time.perf_counter()
    if way == "stream_range":
        with out.open("wb") as stream:
            for piece in model.stream_range(FILE, start, stop):
                stream.write(piece)
    elif way == "cat_file":
        out.write_bytes(files.cat_file(f"{NAME}/{FILE}", start=start, end=stop))
    elif way == "open":
        with files.open(f"{NAME}/{FILE}") as source, out.open("wb") as stream:
            source.seek(start)
            while source.tell() < stop:
                stream.write(source.read(min(2**20, stop - source.tell())))
    elif way == "file_of":
        cache.file_of(model, FILE)
    else:
        huggingface_hub.hf_hub_download(NAME, FILE)
    print(json.dumps({"seconds": time.perf_counter() - begun, "added": peak_memory() - before}))


def cell_of(way: str, folder: Path, size: int, cuts: int) -> str:
    """Seconds, requests and bytes of file contents, and memory added, of one way."""
    from tests.hub_stand_in import HubStandIn

    with tempfile.TemporaryDirectory() as scratch, HubStandIn() as hub:
        hub.add(NAME, folder)
        hub.fail("/content/", "cut", times=cuts)
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": f"{scratch}/home", "HF_HUB_OFFLINE": "0"}
        environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, __file__, "--child", way, "--size", str(size)]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return done.stderr.strip().splitlines()[-1].split(":")[0].rpartition(".")[2]
        figures = json.loads(done.stdout.splitlines()[-1])
        wanted = size if way in ("file_of", "hf_hub_download") else size // 2
        requests = sum(request.path.startswith("/content/") for request in hub.requests)
        times = hub.bytes_served("/content/") / wanted
        took, added = f"{figures['seconds']:.1f} s", f"{figures['added'] / 1e6:.0f} MB"
        return f"{took}, {requests} requests, {times:.2f} × the bytes, {added}"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return fetch(options.child, options.size)
    size = QUICK_SIZE if options.quick else SIZE
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / FILE).write_bytes(os.urandom(size))
        rows = [
            [title, *(cell_of(way, Path(scratch), size, cuts) for cuts in (0, CUTS))]
            for title, way in WAYS.items()
        ]
    text = (
        f"`python benchmarks/hub_transfers.py`: a file of {size / 1e6:.0f} MB from a hub on loopback to the "
        "disk, whole or the half in its middle, each time in a process of its own; the seconds leave out "
        f"what a network adds. Broken: the first {CUTS} answers end after half of their bytes. Memory: the "
        f"peak less what the process had before. Ours computes the sha256 as well."
    )
    figures = table(["way", "a good hub", "a connection that breaks"], rows)
    publish("hub_transfers", "Transfers from a hub", text, figures, quick=options.quick)
    return None


if __name__ == "__main__":
    main()
