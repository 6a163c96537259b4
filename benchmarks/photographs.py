"""How fast are photographs of 12 megapixels read, and how far are vectors of drafts from the exact ones?

python benchmarks/photographs.py            print the table and write it into README.md
python benchmarks/photographs.py --quick    a few photographs, to try it

Photographs cannot be shipped at this size: they are made from the two free ones of scikit-learn, as mosaics
of mirrored tiles, which keep every detail, and as enlargements with the noise of a sensor, which has more.
"""

import io
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from report import parser_of, publish, table
from sklearn.datasets import load_sample_images

from phi3lib.embeddings import reading
from phi3lib.embeddings.drafts import REDUCTION, least_size
from phi3lib.embeddings.embed import TILES_AT_ONCE, embed_images
from phi3lib.embeddings.run_time import usable_cores
from phi3lib.embeddings.sources import items_of
from phi3lib.loading.checkpoints import load_clip

SIZE = (4000, 3000)
COUNT, DIFFERENT, QUICK_COUNT, QUICK_DIFFERENT = 200, 20, 12, 6
SIDE = 224  # of the input of CLIP as published; the bundled one has a smaller input


def make_photographs(folder: Path, count: int, different: int) -> None:
    """Write so many JPEG files, of which some hold the same photograph."""
    rng = np.random.default_rng(0)
    free = [Image.fromarray(image) for image in load_sample_images().images]
    made = [photograph(free[n % len(free)], n, rng) for n in range(different)]
    for number in range(count):
        (folder / f"{number:03d}.jpg").write_bytes(made[number % different])


def photograph(free: Image.Image, number: int, rng: np.random.Generator) -> bytes:
    """Return a JPEG file of SIZE: a mosaic, or an enlargement of a part with noise."""
    width, height = rng.integers(300, 427, 2)
    left, top = rng.integers(0, free.width - width), rng.integers(0, free.height - height)
    part = free.crop((left, top, left + width, top + height))
    if number % 4 < 2:
        line = np.concatenate([np.asarray(part), np.asarray(part)[:, ::-1]], 1)
        tile = np.concatenate([line, line[::-1]], 0)
        across, down = -(-SIZE[0] // tile.shape[1]), -(-SIZE[1] // tile.shape[0])
        pixels = np.tile(tile, (down, across, 1))[: SIZE[1], : SIZE[0]]
    else:
        enlarged = np.asarray(part.resize(SIZE, Image.Resampling.BICUBIC), dtype=np.int16)
        pixels = np.clip(enlarged + rng.integers(-12, 13, enlarged.shape, dtype=np.int16), 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def read_all(folder: Path, threads: int, least: Any) -> tuple[float, float]:
    """Return the seconds, and those of the processor, for reading all photographs."""
    reading.usable_cores = lambda: threads  # what the reader takes as the machine
    start, start_busy = time.perf_counter(), time.process_time()
    for batch in reading.batches(items_of(folder), lambda *_: 1, most_tiles=TILES_AT_ONCE, least=least):
        if batch.errors:
            raise SystemExit(f"unreadable: {batch.errors}")
    return time.perf_counter() - start, time.process_time() - start_busy


def cosines(folder: Path) -> np.ndarray:
    """Return the cosine of each photograph's vectors with and without drafts, by the bundled CLIP."""
    clip = load_clip()
    exact, draft = (
        embed_images(folder, model=clip, draft=draft, progress=False).vectors for draft in (False, True)
    )
    products = (exact * draft).sum(1)
    return products / np.linalg.norm(exact, axis=1) / np.linalg.norm(draft, axis=1)


def main() -> None:
    options = parser_of(__doc__).parse_args()
    count, different = (QUICK_COUNT, QUICK_DIFFERENT) if options.quick else (COUNT, DIFFERENT)
    least = least_size({"preprocessing": {"size": {"shortest_edge": SIDE}}})
    cores = usable_cores()
    with tempfile.TemporaryDirectory() as scratch:
        few, many = Path(scratch) / "few", Path(scratch) / "many"
        few.mkdir()
        many.mkdir()
        make_photographs(many, count, different)
        for file in sorted(many.iterdir())[:different]:
            (few / file.name).write_bytes(file.read_bytes())
        ways: list[tuple[str, int, Any]] = [
            ("1 thread, whole", 1, None),
            (f"{cores} threads, whole", cores, None),
        ]
        ways += [("1 thread, draft", 1, least), (f"{cores} threads, draft", cores, least)]
        found = [(name, *read_all(many, threads, asked)) for name, threads, asked in ways]
        alike = cosines(few)
    figures = table(
        ["way", "files a second", "× the first", "files a second of processor time"],
        [
            [name, f"{count / seconds:.1f}", f"{found[0][1] / seconds:.2f}", f"{count / busy:.1f}"]
            for name, seconds, busy in found
        ],
    )
    text = (
        f"`python benchmarks/photographs.py`: {count} JPEG files of 12 megapixels, {different} of them "
        f"different, made from the free photographs of scikit-learn; reading and decoding alone, in one run. "
        f"Drafts are decoded at the half, a quarter or an eighth of their size, at least {REDUCTION} × the "
        f"input of CLIP ({SIDE} pixels)."
    )
    figures += (
        f"\n\nCosine of the bundled CLIP's vectors of drafts with those of whole images: {alike.min():.5f} "
        f"at least, {alike.mean():.5f} on average ({len(alike)} photographs)."
    )
    publish("photographs", "Photographs", text, figures, quick=options.quick)


if __name__ == "__main__":
    main()
