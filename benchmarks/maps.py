"""Neighbours and maps: `phi3lib.vectors.maps` against `umap.UMAP().fit`, side by side in one run.

python benchmarks/maps.py                 print the table and write it into benchmarks/README.md
python benchmarks/maps.py --sizes 500     smaller, to try it
"""

import argparse
import time
import warnings

import numpy as np
import umap
from report import machine, table, write_section

from phi3lib.vectors.maps import umap_map
from phi3lib.vectors.neighbours import nearest

WIDTH, GROUPS = 256, 20


def made_up(count: int) -> np.ndarray:
    """Vectors in groups: (count, WIDTH) float32."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(GROUPS, WIDTH)) * 2
    return (centres[np.arange(count) % GROUPS] + rng.normal(size=(count, WIDTH))).astype(np.float32)


def timed(action):
    """(seconds, result)."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def rows_of(count: int) -> list[list[str]]:
    vectors = made_up(count)
    warnings.filterwarnings("ignore", "n_jobs value")  # a seed makes umap-learn use one thread; so do we
    theirs, _ = timed(lambda: umap.UMAP(metric="cosine", random_state=0).fit(vectors))
    near, space = timed(lambda: nearest(vectors, 50))
    first, layout = timed(lambda: umap_map(vectors, space))
    change, changed = timed(lambda: umap_map(vectors, space, n_neighbors=20, start=layout))
    again, _ = timed(lambda: umap.UMAP(metric="cosine", random_state=0, n_neighbors=20).fit(vectors))
    trust = changed.trustworthiness(vectors[:5000]) if count <= 5000 else float("nan")
    quality = f"{trust:.3f}" if np.isfinite(trust) else "–"
    return [
        [f"{count:,}", "umap.UMAP().fit", f"{theirs:.2f}", "1.0", ""],
        ["", "exact neighbours (50)", f"{near:.2f}", "", ""],
        ["", "neighbours and first map", f"{near + first:.2f}", f"{theirs / (near + first):.1f}", ""],
        ["", "umap.UMAP(n_neighbors=20).fit", f"{again:.2f}", "1.0", ""],
        ["", "the same change, from the first map", f"{change:.2f}", f"{again / change:.1f}", quality],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 10_000])
    sizes = parser.parse_args().sizes
    umap.UMAP(metric="cosine", random_state=0).fit(made_up(400))  # its compilation is not counted
    umap_map(made_up(400), nearest(made_up(400), 50))
    rows = [row for count in sizes for row in rows_of(count)]
    text = table(["vectors", "what", "s", "times faster", "trustworthiness"], rows)
    print(text)
    write_section(
        "maps",
        f"## Neighbours and maps\n\n`python benchmarks/maps.py`: vectors of {WIDTH} numbers in {GROUPS} "
        f"groups, cosine. Compilation is not counted.\n\n{text}\n\n{machine()}",
    )


if __name__ == "__main__":
    main()
