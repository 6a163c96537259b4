"""What does a second worker bring, and is the cost linear? `embed_at_scale` on this machine.

python benchmarks/scale.py            print the tables and write them into README.md
python benchmarks/scale.py --quick    small folders, to try it
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from growth import make_pictures
from report import fastest, in_own_process, parser_of, publish, table

COMPARED, ROUNDS = 4000, 3  # images with one and two workers, in turn
SIZES = (1000, 5000, 20_000)
QUICK_COMPARED, QUICK_SIZES = 200, (100, 200)


def embed_and_report(folder: Path, workers: int) -> None:
    """What the child does: embed the folder, print what the workers report as JSON.

    The seconds are those from the first group that is begun to the last that is finished: the start of Ray
    and the loading of the model are left out, and stated.
    """
    import os
    import time

    from phi3lib.embeddings.scale import embed_at_scale

    reports: list[Any] = []
    driver, start = os.getpid(), time.time()
    with tempfile.TemporaryDirectory() as taken, tempfile.TemporaryDirectory() as out:
        shards = embed_at_scale(
            folder,
            out,
            model=lambda: clip_on_one_core(Path(taken), driver),
            workers=workers,
            on_report=reports.append,
            progress=False,
        )
    first = min(one.started for one in reports)
    last = max(one.started + one.seconds for one in reports)
    figures = {
        "seconds": last - first,
        "starting": first - start,
        "images": len(shards),
    }
    print(json.dumps(figures))


def clip_on_one_core(taken: Path, driver: int) -> Any:
    """Confine this process to a core that no other worker has, and load the bundled CLIP.

    A worker that is alone would decode files on a second core, and be no measure of one with one core.
    taken: an empty folder, in which each core that is taken has a folder. driver: the process that started
    the run, which loads the model too, and is not confined.
    """
    import os

    from phi3lib import load_clip

    cores = [] if os.getpid() == driver else sorted(os.sched_getaffinity(0))
    for core in cores:
        try:
            (taken / str(core)).mkdir()
        except FileExistsError:
            continue
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})
        break
    return load_clip()


def compared(scratch: Path, count: int, rounds: int) -> str:
    """The table of one worker against two."""
    folder = scratch / "compared"
    make_pictures(folder, count)
    ways = ("1", "2")
    best = fastest(
        rounds, ways, lambda way: in_own_process(__file__, "--child", str(folder), "--workers", way)
    )
    rows = []
    for way in ways:
        figures = best[way]
        ratio = best["1"]["seconds"] / figures["seconds"]
        each = f"{1000 * figures['seconds'] / count:.1f}"
        rows.append([way, f"{figures['starting']:.1f}", f"{figures['seconds']:.1f}", each, f"{ratio:.2f}"])
    return table(["workers", "s to start", "s", "ms an image", "times faster"], rows)


def growth(scratch: Path, sizes: tuple[int, ...]) -> str:
    """The table of folders of several sizes, with two workers."""
    rows = []
    for count in sizes:
        folder = scratch / f"{count}"
        make_pictures(folder, count)
        figures = in_own_process(__file__, "--child", str(folder), "--workers", "2")
        each = 1000 * figures["seconds"] / count
        rows.append([f"{count:,}", f"{figures['seconds']:.1f}", f"{each:.2f}"])
    return table(["images", "s with two workers", "ms an image"], rows)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=2, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="with one and with two workers")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    if options.child:
        embed_and_report(options.child, options.workers)
        return
    full = (COMPARED, options.rounds, options.sizes)
    count, rounds, sizes = (QUICK_COMPARED, 1, QUICK_SIZES) if options.quick else full
    with tempfile.TemporaryDirectory() as scratch:
        figures = f"{compared(Path(scratch), count, rounds)}\n\n{growth(Path(scratch), sizes)}"
    text = (
        f"`python benchmarks/scale.py`: JPEGs of 112 pixels with the bundled CLIP, workers that may use "
        f"one core each, on one machine; {count:,} images, the fastest of {rounds} runs in turn, then "
        f"folders of several sizes. Seconds are those from the first group to the last; starting Ray and "
        f"loading the model have a column. Goal: two workers at least 1.8 × one where two cores are free, "
        f"and as many milliseconds an image however many there are. Where the load before the runs is not "
        f"near 0, other programs took part of the processors."
    )
    publish("scale", "Several workers", text, figures, quick=options.quick)


if __name__ == "__main__":
    main()
