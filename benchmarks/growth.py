"""Does the cost grow with the work, and memory not? Folders of 100 to 20,000 small pictures.

python benchmarks/growth.py            print the table and write it into README.md
python benchmarks/growth.py --quick    small folders, to try it
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from report import forget_peak, in_own_process, memory_now, parser_of, peak_memory, publish, table

SIZES, QUICK_SIZES = (100, 1000, 5000, 20_000), (100, 400)


def make_pictures(folder: Path, count: int) -> None:
    """JPEGs of 112 pixels from the picture-book."""
    from picturebook.pictures import draw_picture

    folder.mkdir(parents=True)
    drawn = [draw_picture(number, split="test").image for number in range(min(count, 500))]
    for number in range(count):
        drawn[number % len(drawn)].save(folder / f"{number:05}.jpg", quality=90)


def embed_and_report(folder: Path) -> None:
    """What the child does: embed the folder to a file, print seconds and memory as JSON."""
    import torch

    from phi3lib import embed_images, load_clip

    torch.set_num_threads(1)
    clip = load_clip()
    embed_images(sorted(folder.iterdir())[:40], model=clip, progress=False)  # imports and first calls
    before = memory_now()
    forget_peak()
    start = time.perf_counter()
    made = embed_images(folder, model=clip, out=folder.with_suffix(".parquet"), progress=False)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "added": peak_memory() - before, "vectors": made.vectors.nbytes}))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        embed_and_report(options.child)
        return
    with tempfile.TemporaryDirectory() as scratch:
        rows = [row_of(Path(scratch), count) for count in (QUICK_SIZES if options.quick else SIZES)]
    names = ["pictures", "s", "ms a picture", "peak memory added, MB", "the vectors alone, MB"]
    text = (
        "`python benchmarks/growth.py`: JPEGs of 112 pixels, from a folder to a Parquet file with the "
        "bundled CLIP, one thread, each folder in a process of its own, loading left out. Goal: as many "
        "milliseconds a picture however many there are, and no memory that grows but that of the vectors and "
        "their names."
    )
    publish("growth", "As the work grows", text, table(names, rows), quick=options.quick)


def row_of(scratch: Path, count: int) -> list[str]:
    folder = scratch / f"{count}"
    make_pictures(folder, count)
    figures = in_own_process(__file__, "--child", str(folder))
    each = 1000 * figures["seconds"] / count
    memory = [f"{figures[name] / 1e6:.1f}" for name in ("added", "vectors")]
    return [f"{count:,}", f"{figures['seconds']:.1f}", f"{each:.1f}", *memory]


if __name__ == "__main__":
    main()
