"""What is computed before an explorer is shown, in stages, and how long each will take.

The estimate is rough: two trials of a moment measure how fast this machine multiplies matrices, with all
cores, and how fast one core goes through numbers; everything is taken to be as fast as one of them. The bar
corrects it while the stages are computed.
"""

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from threading import Event, Lock
from typing import Any

import numpy as np

from phi3lib.embeddings.approximate import MANY
from phi3lib.embeddings.layouts import MOST_ASKED
from phi3lib.embeddings.maps import rounds_for
from phi3lib.embeddings.run_time import in_words
from phi3lib.lab.atlas.beside import Stopped
from phi3lib.lab.atlas.settings import Settings, usable, usual_grid

# Seconds of a machine on which a product of TRIAL took SECONDS, and sorting LISTED numbers SORTING.
TRIAL, SECONDS = (512, 4_096, 512), 0.025
LISTED, SORTING = 200_000, 0.013
PRODUCT = 1.4e-11  # for each pair of numbers that a product of vectors multiplies
SORTED = 7e-5  # for the neighbors of one picture, when the products are known
DESCENT = 3e-4  # for the approximate neighbors of one picture
PULL = 9e-8  # for each picture, neighbor and round of UMAP
COMPARED = 1.3e-9  # for each pair of pictures, and true neighbor, whose distances are compared
NEIGHBORS = "true neighbors"  # the words of the stage that comes first
IMPORTS = 3.0  # for the import of umap-learn, when what it compiles is kept from another time


@dataclass(frozen=True)
class Stage:
    """A part of the work: its name, the function that does it and keeps the result, its expected seconds.

    beside: it is computed in a thread while those after it are, of which the longest use one core; its
    function gets another one, to call with the share that is done, which raises an error to end the work.
    """

    words: str
    compute: Callable[..., Any]
    seconds: float
    beside: bool = False


@dataclass(frozen=True)
class Costs:
    """Expected seconds for maps of so many vectors of so many numbers."""

    count: int
    width: int

    def neighbors(self) -> float:
        """Return those for the true neighbors of each picture, or most of them."""
        imports = 0.0 if "umap.umap_" in sys.modules else IMPORTS  # beside this, on another core
        if self.count > MANY:
            return core_slowness() * (imports + self.count * DESCENT)
        products = slowness() * self.count * self.count * self.width * PRODUCT
        return products + core_slowness() * (imports + self.count * SORTED)

    def layout(self, settings: Settings) -> float:
        """Return those for the coordinates of a map."""
        if settings.method != "UMAP":
            return slowness() * self.count * self.width * 4e-8
        return core_slowness() * self.count * settings.n_neighbors * rounds_for(self.count) * PULL

    def trust(self, k: int) -> float:
        """Return those for the trustworthiness of a map."""
        asked = min(self.count, MOST_ASKED)
        each = slowness() * 2 * self.width * PRODUCT + core_slowness() * k * COMPARED
        return asked * self.count * each

    def all(self) -> float:
        """Return those for all maps that are made if no grid is asked for."""
        maps = usable(usual_grid(self.count), self.count)
        return self.neighbors() + sum(self.layout(one) + self.trust(10) for one in maps)


@cache
def slowness() -> float:
    """Return how many times slower this machine multiplies than the one of the constants."""
    rows, others, width = TRIAL
    rng = np.random.default_rng(0)
    one, other = (rng.random((count, width), dtype=np.float32) for count in (rows, others))
    return max(_best_seconds(lambda: one @ other.T) / SECONDS, 0.1)


@cache
def core_slowness() -> float:
    """Return how many times slower a core of this machine compares and moves numbers, one after another."""
    numbers = np.random.default_rng(0).random(LISTED)
    return max(_best_seconds(lambda: np.argsort(numbers, kind="stable")) / SORTING, 0.1)


def _best_seconds(trial: Callable[[], object]) -> float:
    """Return the least seconds of three passes, after one that is not counted: it starts threads."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        trial()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def said(stages: Sequence[Stage], count: int) -> str:
    """Return the estimate in words: for all stages, then for the kinds of them."""
    by_words: dict[str, float] = {}
    for one in stages:
        kind = one.words.partition(":")[0]
        by_words[kind] = by_words.get(kind, 0.0) + one.seconds
    parts = ", ".join(f"{words} {in_words(seconds)}" for words, seconds in by_words.items())
    return f"about {in_words(sum(by_words.values()))} for {count:,} pictures ({parts})"


def compute(stages: Sequence[Stage], count: int, *, progress: bool = True) -> None:
    """Compute the stages with a bar that shows how far it is, weighed by the expected seconds."""
    from tqdm.auto import tqdm

    shape = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    total = sum(one.seconds for one in stages)
    with (
        tqdm(total=total, bar_format=shape, leave=False, disable=not progress) as bar,
        _Meanwhile(bar.update) as beside,
    ):
        for one in stages:
            if one.beside:
                beside.start(one)
                continue
            bar.set_description_str(f"{count:,} pictures · {one.words}")
            one.compute()
            beside.advance(one.seconds)
        for words, running in beside.started:
            bar.set_description_str(f"{count:,} pictures · {words}")
            running.result()


class _Meanwhile:
    """Computes stages in a thread; the end of the body, an interruption too, ends them.

    advance: adds seconds to the bar.
    """

    def __init__(self, update: Callable[[float], Any]) -> None:
        self.started: list[tuple[str, Future]] = []
        self._update, self._pool = update, ThreadPoolExecutor(1)
        self._lock, self._ended = Lock(), Event()

    def __enter__(self) -> "_Meanwhile":
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown(cancel_futures=True)

    def start(self, stage: Stage) -> None:
        """Compute a stage in the thread."""
        self.started.append((stage.words, self._pool.submit(stage.compute, self._follow(stage.seconds))))

    def advance(self, seconds: float) -> None:
        """Add expected seconds of work that is done to the bar."""
        with self._lock:
            self._update(seconds)

    def _follow(self, seconds: float) -> Callable[[float], None]:
        """Return what a stage of so many seconds calls with the share that is done, from any thread."""
        done = 0.0

        def tell(share: float) -> None:
            nonlocal done
            if self._ended.is_set():
                raise Stopped
            with self._lock:
                if share > done:
                    self._update((share - done) * seconds)
                    done = share

        return tell
