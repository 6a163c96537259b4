"""UMAP's graph and its layout (McInnes, Healy and Melville 2018), the same for any number of threads.

The graph is that of umap-learn, in NumPy. The layout applies the forces of umap-learn's optimizer, edge by
edge, with one change: an item moves itself alone, and in a part of a round it sees the others where they
stood when the part began. So the result does not depend on the order within a part, threads share the work,
and a seed gives one map.

Why this is not left to umap-learn: with a seed it lays out on one thread, and its functions are compiled
anew in every process, which takes longer than a map of 4,000 items. `benchmarks/maps.py` measures both side
by side, trustworthiness included; more rounds make up for what an item sees later here.
"""

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from phi3lib.embeddings.knn import Neighbors
from phi3lib.embeddings.run_time import usable_cores

NEGATIVES = 5  # items that are pushed away for each one that is pulled nearer
TURNS = 4  # parts of a round: in each, every fourth item moves and sees where the others have moved to
STEPS = 64  # halvings in the search for each item's scale
SHARE = 1_000  # items below which threads cost more than they gain
FLOOR = 1e-3  # the least scale of an item, as a share of its mean distance

MOST_FORCE = np.float32(4)
NEAREST = np.float32(0.001)  # keeps the push between two items at one place finite

Places = NDArray[np.float32]
Function = TypeVar("Function", bound=Callable[..., Any])


def fuzzy_graph(space: Neighbors, n_neighbors: int) -> Any:
    """Return UMAP's graph of these neighbors, symmetric, with weights from 0 to 1: sparse CSR (N, N).

    The item itself is the first of the `n_neighbors`, as umap-learn counts it.
    """
    from scipy import sparse

    near = space.first(n_neighbors - 1)
    count = len(near.indices)
    weights = _memberships(near.distances.astype(np.float64), n_neighbors)
    starts = np.arange(0, weights.size + 1, n_neighbors - 1)
    one_way = sparse.csr_matrix((weights.ravel(), near.indices.ravel(), starts), shape=(count, count))
    other_way = one_way.T.tocsr()
    graph = (one_way + other_way - one_way.multiply(other_way)).tocsr()
    graph.eliminate_zeros()
    return graph


def _memberships(distances: NDArray[np.float64], n_neighbors: int) -> NDArray[np.float64]:
    """Return how much each neighbor belongs to an item: 1 for the nearest, less with distance: (N, k).

    The scale of each item is such that its memberships add up to log2(n_neighbors).
    """
    apart = np.where(distances > 0, distances, np.inf).min(1, initial=np.inf)
    nearest = np.where(np.isfinite(apart), apart, 0.0)
    beyond = np.maximum(distances - nearest[:, None], 0)
    low, high, scale = np.zeros(len(beyond)), np.full(len(beyond), np.inf), np.ones(len(beyond))
    for _ in range(STEPS):
        total = np.exp(-beyond / scale[:, None]).sum(1)
        wide = total > np.log2(n_neighbors)
        low, high = np.where(wide, low, scale), np.where(wide, scale, high)
        scale = np.where(np.isinf(high), 2 * scale, (low + np.minimum(high, 1e300)) / 2)
        if np.abs(total - np.log2(n_neighbors)).max(initial=0) < 1e-5:
            break
    # The mean counts the item itself, at distance 0, as umap-learn does.
    mean = distances.sum(1) / n_neighbors
    scale = np.maximum(scale, FLOOR * np.where(nearest > 0, mean, mean.mean()))
    return np.where(beyond > 0, np.exp(-beyond / np.where(scale > 0, scale, 1.0)[:, None]), 1.0)


def curve(min_dist: float, spread: float = 1.0) -> tuple[float, float]:
    """Return a and b of 1 / (1 + a · d^2b), fitted to what `min_dist` asks for, as umap-learn does."""
    from scipy.optimize import curve_fit

    distances = np.linspace(0, 3 * spread, 300)
    wanted = np.where(distances < min_dist, 1.0, np.exp(-(distances - min_dist) / spread))
    (a, b), _ = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), distances, wanted)
    return float(a), float(b)


def laid_out(graph: Any, start: Places, *, min_dist: float, rounds: int, step: float, seed: int) -> Places:
    """Return places for the items of a graph, from these, after so many rounds: (N, 2) float32.

    step: the length of the first round's steps; those of later rounds are shorter, down to 0.
    """
    a, b = map(np.float32, curve(min_dist))
    weights = np.where(graph.data < graph.data.max(initial=0) / rounds, 0, graph.data)
    heads = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))[weights > 0]
    first = np.searchsorted(heads, np.arange(graph.shape[0] + 1))
    every = weights.max(initial=0) / weights[weights > 0]  # rounds from one turn of an edge to the next
    edges = (first, graph.indices[weights > 0].astype(np.int64), every, every.copy())
    pushes = (every / NEGATIVES, every / NEGATIVES)
    here, there = start.astype(np.float32).copy(), np.empty(start.shape, np.float32)
    parts = _parts(first)
    with ThreadPoolExecutor(max(len(parts), 1)) as pool:
        for number in range(rounds):
            length = np.float32(step * (1 - number / rounds))
            for turn in range(TURNS):
                now = (turn, here, there, *edges, *pushes, number, length, a, b, seed)
                list(pool.map(lambda part, now=now: _move(*part, *now), parts))
                here[turn::TURNS] = there[turn::TURNS]
    return here


def _parts(first: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return ranges of items with about as many edges each, one for each thread."""
    count = len(first) - 1
    threads = min(threads_here(), max(count // SHARE, 1))
    cuts = np.searchsorted(first, np.linspace(0, first[-1], threads + 1)[1:-1]).tolist()
    ends = [0, *(cut - cut % TURNS for cut in cuts), count]
    return [(start, stop) for start, stop in itertools.pairwise(ends) if start < stop]


def threads_here() -> int:
    """Return how many threads may be used: the cores of this process, or OMP_NUM_THREADS where it is set."""
    cores = usable_cores()
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) else cores


def compiled(function: Function) -> Function:
    """Return a function as machine code; kept beside this file or in the user's cache."""
    options: dict[str, Any] = {"nogil": True, "fastmath": True}
    jit: Any = njit
    try:
        return cast(Function, jit(cache=True, **options)(function))
    except RuntimeError:  # there is no folder to keep it in
        return cast(Function, jit(**options)(function))


@compiled
def _random_state(item: int, number: int, seed: int) -> Any:
    """Return the state of a generator for each item and round (splitmix64): threads share none."""
    state = (np.uint64(item) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    state ^= (np.uint64(number) + np.uint64(1)) * np.uint64(0xBF58476D1CE4E5B9)
    state ^= np.uint64(seed) * np.uint64(0xD6E8FEB86659FD93)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (state ^ (state >> np.uint64(31))) | np.uint64(1)


@compiled
def _next(state: Any) -> Any:
    """Return the state that follows (xorshift64)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@compiled
def _pulled(x: Any, y: Any, to_x: Any, to_y: Any, a: Any, b: Any, step: Any) -> Any:
    """Return where an item goes that an edge pulls.

    Twice, as an edge stands in the graph in both directions; the second pull takes for granted that the other
    end has followed the first one, as it does in umap-learn.
    """
    across, up = x - to_x, y - to_y
    for _ in range(2):
        apart = across * across + up * up
        if apart > 0:
            power = apart**b
            force = np.float32(-2) * a * b * power / (apart * (a * power + np.float32(1)))
            right = step * min(max(force * across, -MOST_FORCE), MOST_FORCE)
            high = step * min(max(force * up, -MOST_FORCE), MOST_FORCE)
            x, y, across, up = x + right, y + high, across + right + right, up + high + high
    return x, y


@compiled
def _pushed(x: Any, y: Any, from_x: Any, from_y: Any, a: Any, b: Any, step: Any) -> Any:
    """Return where an item goes that another one pushes away."""
    across, up = x - from_x, y - from_y
    apart = across * across + up * up
    if apart > 0:
        force = np.float32(2) * b / ((NEAREST + apart) * (a * apart**b + np.float32(1)))
        x += step * min(max(force * across, -MOST_FORCE), MOST_FORCE)
        y += step * min(max(force * up, -MOST_FORCE), MOST_FORCE)
    return x, y


@compiled
def _move(
    start: int, stop: int, turn: int, here: Any, there: Any, first: Any, other: Any, every: Any, due: Any,
    every_push: Any, due_push: Any, number: int, step: Any, a: Any, b: Any, seed: int,
) -> None:  # fmt: skip
    """Move the items of a range for one round: each edge whose turn it is pulls, and some others push."""
    count = np.uint64(len(here))
    for item in range(start + turn, stop, TURNS):
        x, y, state = here[item, 0], here[item, 1], _random_state(item, number, seed)
        for edge in range(first[item], first[item + 1]):
            if due[edge] > number:
                continue
            due[edge] += every[edge]
            x, y = _pulled(x, y, here[other[edge], 0], here[other[edge], 1], a, b, step)
            turns = int((number - due_push[edge]) / every_push[edge])
            due_push[edge] += turns * every_push[edge]
            for _ in range(turns):
                state = _next(state)
                chosen = np.int64(((state >> np.uint64(32)) * count) >> np.uint64(32))
                if chosen != item:
                    x, y = _pushed(x, y, here[chosen, 0], here[chosen, 1], a, b, step)
        there[item, 0], there[item, 1] = x, y
