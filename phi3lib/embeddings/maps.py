"""2-D maps of vectors by PCA and UMAP.

    space = nearest(table.vectors, 50)
    layout = umap_map(table.vectors, space, n_neighbors=15, min_dist=0.1, seed=0)
    layout.kept(space), layout.trustworthiness(table.vectors)

Neighbors are computed once, exactly; UMAP starts from them. A map with other parameters of the same data
starts from an earlier one by UMAP and takes a sixth of the time, of 5,000 items or more a third. What a map
is, and how faithful, is in `layouts.py`; its names are also found here.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.knn import BLOCK, Neighbors, nearest, unit_rows
from phi3lib.embeddings.layouts import Coordinates as Coordinates
from phi3lib.embeddings.layouts import Layout as Layout
from phi3lib.embeddings.layouts import aligned as aligned
from phi3lib.embeddings.layouts import map_neighbors as map_neighbors
from phi3lib.embeddings.layouts import plane_neighbors as plane_neighbors
from phi3lib.embeddings.layouts import sample_rows as sample_rows
from phi3lib.embeddings.layouts import stability as stability
from phi3lib.embeddings.layouts import steadiness as steadiness
from phi3lib.embeddings.umap_kernels import keep_compiled
from phi3lib.moved import old_names
from phi3lib.vision.inputs import as_number, as_seed, as_whole

Tell = Callable[[float], None]
N_NEIGHBORS, MIN_DIST = 15, 0.1  # umap-learn's defaults
EPOCHS, EPOCHS_WARM = 300, 50
STEP, STEP_WARM = 1.0, 0.1  # of the first epoch; small steps keep what an earlier map has right
EPOCHS_AFTER_PART, STEP_AFTER_PART = 100, 0.25  # as many neighbors are kept as from PCA, in half the time
PART, LEAST_PART, MOST_PART = 8, 1_250, 20_000  # one item in eight is laid out first, 1,250 to 20,000 of them
LAID_OUT_TWICE = 4 * LEAST_PART  # of fewer items a part saves little time
MANY, EPOCHS_OF_MANY = 10_000, 200  # above so many items fewer rounds are enough, as in umap-learn


def pca_map(vectors: ArrayLike) -> Layout:
    """Return the PCA map: unit vectors projected onto their two directions of largest variance.

    The parameters hold the share of variance of each axis. Signs are fixed: the longest part of
    each direction is positive. ValueError for fewer than three items.
    """
    unit = unit_rows(vectors)
    if len(unit) < 3:
        raise ValueError(f"a map needs three items at least; there are {len(unit)}")
    return of_components(*_components(unit, 2))


def of_components(components: NDArray[np.float64], shares: list[float]) -> Layout:
    """Return the map by the first two of `principal_components`. ValueError if there is only one."""
    if components.shape[1] < 2:
        raise ValueError("vectors of one number have no two directions")
    return Layout(components[:, :2].astype(np.float32), {"method": "PCA", "variance": shares[:2]})


def principal_components(vectors: ArrayLike, most: int) -> tuple[NDArray[np.float64], list[float]]:
    """Return unit vectors projected onto their directions of largest variance, and each one's share of it.

    (N, components), `most` at most; signs are fixed as in `pca_map`.
    """
    return _components(unit_rows(vectors), as_whole(most, "most", 1))


def _components(unit: NDArray[np.float32], most: int) -> tuple[NDArray[np.float64], list[float]]:
    centered = unit.astype(np.float64)
    centered -= centered.mean(0)
    values = centered @ _widest_directions(centered, most).T
    total = float(np.einsum("nd,nd->", centered, centered))
    return values, [float(np.square(axis).sum() / total) if total else 0.0 for axis in values.T]


def _widest_directions(centered: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """Return the unit directions of largest variance: (at most `most`, d)."""
    if len(centered) > centered.shape[1]:  # the smaller of the two products has the same answer
        directions = np.linalg.eigh(centered.T @ centered)[1][:, : -most - 1 : -1].T
    else:
        directions = np.linalg.svd(centered, full_matrices=False)[2][:most]
    longest = np.abs(directions).argmax(1)
    return directions * np.sign(directions[np.arange(len(directions)), longest])[:, None]


def umap_map(
    vectors: ArrayLike,
    space: Neighbors,
    *,
    n_neighbors: int = N_NEIGHBORS,
    min_dist: float = MIN_DIST,
    seed: int = 0,
    start: Layout | str = "pca",
    tell: Tell | None = None,
) -> Layout:
    """Return a UMAP layout (McInnes et al. 2018) from exact neighbors, the same on every run of one machine.

    space: `nearest(vectors, k)` with k ≥ n_neighbors − 1. start: "pca", which gives the large order of a
    map; "random", to see how much of that order comes from the start (Kobak and Linderman 2021); or an
    earlier layout of the same items: from one by UMAP fewer epochs are enough. Of 5,000 items or more, "pca"
    first lays out a random part, and all items start from its map. tell: is called after each round of the
    layout with the share that is done; what it raises ends the work. ValueError for what does not fit.
    """
    count = len(space.indices)
    if _length(vectors) != count:
        raise ValueError(f"{_length(vectors)} vectors, but neighbors of {count} items")
    min_dist, seed = as_number(min_dist, "min_dist", 0, 1), as_seed(seed)
    n_neighbors = as_whole(n_neighbors, "n_neighbors", 2, space.indices.shape[1] + 1)
    if isinstance(start, Layout) and len(start.coordinates) != count:
        raise ValueError(f"the layout to start from has {len(start.coordinates)} items, the data {count}")
    if start == "pca" and count >= LAID_OUT_TWICE and n_neighbors < LEAST_PART:
        first = _start_from_a_part(vectors, n_neighbors, min_dist, seed, part_of(tell, 0, 0.5))
        tell = part_of(tell, 0.5, 1)
        epochs, step = EPOCHS_AFTER_PART, STEP_AFTER_PART
    else:
        first = _start(vectors, start, seed)
        epochs, step = (EPOCHS_WARM, STEP_WARM) if _is_umap(start) else (_epochs_for(count), STEP)
    graph = _graph(space.first(n_neighbors - 1))
    coordinates = _laid_out(graph, first, min_dist=min_dist, epochs=epochs, step=step, seed=seed, tell=tell)
    parameters = {"method": "UMAP", "n_neighbors": n_neighbors, "min_dist": min_dist, "seed": seed}
    return Layout(coordinates, {**parameters, "start": "a layout" if isinstance(start, Layout) else start})


class _Rounds(int):
    """A number of rounds that tells how many are done: umap-learn divides by it once in each."""

    _tell: Tell | None
    _done = 0

    def __new__(cls, count: int, tell: Tell | None) -> "_Rounds":
        rounds = super().__new__(cls, count)
        rounds._tell = tell
        return rounds

    def __float__(self) -> float:
        self._done += 1
        if self._tell is not None:
            self._tell(self._done / self)
        return float(int(self))


def part_of(tell: Tell | None, low: float, high: float) -> Tell | None:
    """Return what tells of a part of a work, from one share of the whole to another."""
    return None if tell is None else lambda share: tell(low + share * (high - low))


def _is_umap(start: Layout | str) -> bool:
    return isinstance(start, Layout) and start.parameters.get("method") == "UMAP"


def _graph(near: Neighbors) -> Any:
    """Return UMAP's graph of these neighbors: sparse (N, N)."""
    keep_compiled()
    from umap import UMAP

    count, k = near.indices.shape
    # As umap-learn has them: each item is its own first neighbor.
    indices = np.hstack([np.arange(count)[:, None], near.indices]).astype(np.int32)
    distances = np.hstack([np.zeros((count, 1)), near.distances]).astype(np.float32)
    mapper = UMAP(
        n_neighbors=k + 1,
        transform_mode="graph",
        random_state=0,  # the graph itself leaves nothing to chance
        n_jobs=1,
        precomputed_knn=(indices, distances),
        disconnection_distance=np.inf,
    )
    with warnings.catch_warnings():
        # That new items could not be added to the map, and that an item may have all others as neighbors.
        warnings.filterwarnings("ignore", module="umap")
        return mapper.fit(np.zeros((count, 1))).graph_  # of the data only the length is read


def _laid_out(
    graph: Any,
    coordinates: Coordinates,
    *,
    min_dist: float,
    epochs: int,
    step: float,
    seed: int,
    tell: Tell | None = None,
) -> Coordinates:
    """Return UMAP's layout of a graph, from these coordinates, which are modified: (N, 2).

    `UMAP.fit` squeezes its start into a square of ten, from which a map has to unfold once more.
    """
    from umap.layouts import optimize_layout_euclidean

    pairs = graph.tocoo()
    used = pairs.data >= pairs.data.max() / epochs  # others have no turn in so few epochs
    weights = pairs.data[used]
    a, b = map(np.float32, curve(min_dist))  # with powers of float64 it takes a fifth longer
    laid: Coordinates = optimize_layout_euclidean(
        coordinates,
        coordinates,
        pairs.row[used],
        pairs.col[used],
        n_epochs=_Rounds(epochs, tell),
        n_vertices=len(coordinates),
        epochs_per_sample=epochs / np.float64(epochs * (weights / weights.max())),
        a=a,
        b=b,
        rng_state=np.random.RandomState(seed).randint(-(2**31) + 1, 2**31 - 1, 3).astype(np.int64),
        initial_alpha=step,
        move_other=True,
    )
    return laid


def curve(min_dist: float) -> tuple[float, float]:
    """Return a and b of 1 / (1 + a · d^2b), fitted to what `min_dist` asks for, as umap-learn does."""
    from scipy.optimize import curve_fit

    apart = np.linspace(0, 3, 300)
    wanted = np.exp(-np.maximum(apart - min_dist, 0))
    a, b = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), apart, wanted)[0]
    return float(a), float(b)


def rounds_for(count: int) -> float:
    """Return how many rounds over all items a map by UMAP from PCA takes."""
    if count < LAID_OUT_TWICE:
        return _epochs_for(count)
    part = _size_of_part(count)
    return EPOCHS_AFTER_PART + rounds_for(part) * part / count


def _epochs_for(count: int) -> int:
    return EPOCHS if count <= MANY else EPOCHS_OF_MANY


def _size_of_part(count: int) -> int:
    return min(max(count // PART, LEAST_PART), MOST_PART)


def _start(vectors: ArrayLike, start: Layout | str, seed: int) -> Coordinates:
    """Return the start: a UMAP's coordinates; in a square of ten another layout's, PCA's, or random ones."""
    rng = np.random.default_rng(seed)
    if start == "random":
        return rng.uniform(0, 10, (_length(vectors), 2)).astype(np.float32)
    if start != "pca" and not isinstance(start, Layout):
        raise ValueError(f'a map starts from "pca", "random" or a layout, not from {start!r}')
    coordinates = (pca_map(vectors) if isinstance(start, str) else start).coordinates.astype(np.float64)
    if not _is_umap(start):
        spread = coordinates.max(0) - coordinates.min(0)
        coordinates = 10 * (coordinates - coordinates.min(0)) / np.where(spread == 0, 1, spread)
        # Equal vectors must not stand on one point: nothing would drive them apart.
        coordinates = coordinates + rng.normal(scale=1e-2, size=coordinates.shape)
    return coordinates.astype(np.float32)


def _start_from_a_part(
    vectors: ArrayLike, n_neighbors: int, min_dist: float, seed: int, tell: Tell | None
) -> Coordinates:
    """Return where all items start, from a map of a random part of them: (N, 2).

    As in multilevel layouts of graphs (Walshaw 2000), the large order comes from few items, at a fraction of
    the cost. Each other item starts at the mean of its three nearest of the part.
    """
    unit, rng = unit_rows(vectors), np.random.default_rng(seed)
    count = len(unit)
    part = np.sort(rng.choice(count, _size_of_part(count), replace=False))
    known = unit[part]
    near = nearest(known, n_neighbors - 1)
    laid = umap_map(known, near, n_neighbors=n_neighbors, min_dist=min_dist, seed=seed, tell=tell).coordinates
    start = np.zeros((count, 2))
    for first in range(0, count, BLOCK):
        cosines = unit[first : first + BLOCK] @ known.T
        for _ in range(3):  # each time the nearest of those left: in a tenth of the time of a partial sort
            best = cosines.argmax(1)
            start[first : first + BLOCK] += laid[best] / 3
            cosines[np.arange(len(best)), best] = -np.inf
    start[part] = laid
    # The square root would give each item as much room as those of the part had, and make groups that lie
    # apart small beside the gaps between them; at the part's own scale items are too close.
    start *= (count / len(part)) ** 0.25
    # Equal items must not stand on one point: nothing would drive them apart.
    return (start + rng.normal(scale=0.05, size=start.shape)).astype(np.float32)


def neighbors_for_maps(vectors: ArrayLike, most: int = 50) -> Neighbors:
    """Return as many exact neighbors as the maps of the course use, or as there are."""
    return nearest(vectors, min(as_whole(most, "most", 1), _length(vectors) - 1))


def _length(vectors: Any) -> int:
    """Return how many vectors there are; of a tensor that records gradients, too."""
    return len(vectors)


# Changed in 0.2.0.
__getattr__ = old_names(
    __name__,
    {f"{name}_neighbours": f"{name}_neighbors" for name in ("plane", "map")}
    | {"neighbours_for_maps": "neighbors_for_maps", "Places": "Coordinates"},
)
