"""Does the cost grow with the work, and memory not? Folders of 100 to 20,000 small pictures.

python benchmarks/growth.py                       print the table and write it into benchmarks/README.md
python benchmarks/growth.py --sizes 100 400       smaller, to try it
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import machine, peak_memory, table, write_section

SIZES = (100, 1000, 5000, 20_000)


def make_pictures(folder: Path, count: int) -> None:
    """JPEGs of 112 pixels from the picture-book."""
    from phi3lib.picturebook.pictures import draw_picture

    folder.mkdir(parents=True)
    drawn = [draw_picture(number, split="test").image for number in range(min(count, 500))]
    for number in range(count):
        drawn[number % len(drawn)].save(folder / f"{number:05}.jpg", quality=90)


def embed_and_report(folder: Path) -> None:
    """What the child does: embed the folder to a file, print seconds and the peak of memory as JSON."""
    import torch

    from phi3lib import embed_images, load_clip

    torch.set_num_threads(1)
    clip = load_clip()
    before, start = peak_memory(), time.perf_counter()
    table_ = embed_images(folder, model=clip, out=folder.with_suffix(".parquet"), progress=False)
    figures = {"seconds": time.perf_counter() - start, "added": peak_memory() - before, "count": len(table_)}
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        embed_and_report(arguments.child)
        return
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for count in arguments.sizes:
            folder = Path(scratch) / f"{count}"
            make_pictures(folder, count)
            done = subprocess.run(
                [sys.executable, __file__, "--child", str(folder)], check=True, capture_output=True, text=True
            )
            figures = json.loads(done.stdout.splitlines()[-1])
            rate = f"{count / figures['seconds']:.0f}"
            rows.append([f"{count:,}", f"{figures['seconds']:.1f}", rate, f"{figures['added'] / 1e6:.0f}"])
    text = table(["pictures", "s", "pictures a second", "peak memory added, MB"], rows)
    print(text)
    write_section(
        "growth",
        "## As the work grows\n\n`python benchmarks/growth.py`: JPEGs of 112 pixels, from a folder to a "
        "Parquet file with the bundled CLIP, one thread, each folder in a process of its own.\n\n"
        f"{text}\n\n{machine()}",
    )


if __name__ == "__main__":
    main()
