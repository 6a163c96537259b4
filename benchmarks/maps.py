"""Neighbors and maps: `phi3lib.embeddings.maps` against `umap.UMAP().fit`, side by side in one run.

python benchmarks/maps.py            print the table and write it into README.md
python benchmarks/maps.py --quick    500 vectors, to try it
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import umap
from report import parser_of, publish, table

from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import Layout, umap_map

WIDTH, GROUPS = 256, 20
SIZES, QUICK_SIZES = (2000, 10_000), (500,)
# Below 4,096 vectors umap-learn compares all with all, above it searches: two programs to compile.
WARM_UP, WARM_UP_LARGE = 400, 4200
CHANGED = 20  # n_neighbors, instead of 15
GOALS = {2000: 0.5, 10_000: 2.0}  # seconds for a change


def made_up(count: int) -> np.ndarray:
    """Vectors in groups: (count, WIDTH) float32."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(GROUPS, WIDTH)) * 2
    return (centers[np.arange(count) % GROUPS] + rng.normal(size=(count, WIDTH))).astype(np.float32)


def theirs(vectors: np.ndarray, **options: Any) -> Layout:
    """`umap.UMAP().fit`, by cosine as ours."""
    fitted = umap.UMAP(metric="cosine", **options).fit(vectors)
    return Layout(np.asarray(fitted.embedding_, np.float32), {})


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, result)."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def rows_of(count: int) -> list[list[str]]:
    """First maps and changed ones of so many vectors."""
    vectors = made_up(count)
    free, free_map = timed(lambda: theirs(vectors))
    seeded, seeded_map = timed(lambda: theirs(vectors, random_state=0))
    near, space = timed(lambda: nearest(vectors, 50))
    layout_seconds, layout = timed(lambda: umap_map(vectors, space))
    again, again_map = timed(lambda: theirs(vectors, n_neighbors=CHANGED))
    change, changed = timed(lambda: umap_map(vectors, space, n_neighbors=CHANGED, start=layout))
    first = near + layout_seconds
    goal = f"≤ {GOALS[count]} s" if count in GOALS else ""

    def row(
        what: str, seconds: float, against: float | None, made: Layout | None, aim: str = ""
    ) -> list[str]:
        times = "" if against is None else f"{against / seconds:.1f}"
        trust = "" if made is None else f"{made.trustworthiness(vectors):.3f}"
        return [f"{count:,}", what, f"{seconds:.2f}", aim, times, trust]

    return [
        row("umap.UMAP().fit", free, free, free_map),
        row("umap.UMAP(random_state=0).fit", seeded, free, seeded_map),
        row("ours: exact neighbors (50) alone", near, None, None),
        row("ours: neighbors and first map", first, free, layout),
        row(f"umap.UMAP(n_neighbors={CHANGED}).fit", again, again, again_map),
        row("ours: the same change, from the first map", change, again, changed, goal),
    ]


def warm_up(sizes: tuple[int, ...]) -> None:
    """Let numba compile all that will run."""
    for count in [WARM_UP, *([WARM_UP_LARGE] if max(sizes) > 4096 else [])]:
        vectors = made_up(count)
        theirs(vectors)
        theirs(vectors, random_state=0)
        umap_map(vectors, nearest(vectors, 50))


def main() -> None:
    options = parser_of(__doc__).parse_args()
    warnings.filterwarnings("ignore", "n_jobs value")  # a seed makes umap-learn use one thread
    sizes = QUICK_SIZES if options.quick else SIZES
    warm_up(sizes)
    rows = [row for count in sizes for row in rows_of(count)]
    figures = table(["vectors", "what", "s", "goal", "times faster", "trustworthiness"], rows)
    text = (
        f"`python benchmarks/maps.py`: vectors of {WIDTH} numbers in {GROUPS} groups, by cosine. Compilation "
        f"is not counted. `umap.UMAP()` without a seed uses all threads and gives another map each time; "
        f"ours has a seed and uses one thread, all of them for the products of the neighbors. Times "
        f"faster: than the `fit` without a seed that stands above."
    )
    publish("maps", "Neighbors and maps", text, figures, quick=options.quick)


if __name__ == "__main__":
    main()
