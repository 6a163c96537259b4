"""What makes a map: a method with its parameters, and the grids of them that an explorer offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from phi3lib.embeddings.maps import MIN_DIST, N_NEIGHBORS
from phi3lib.vision.inputs import as_list, as_number, as_seed, as_whole

SMALL = 1_000  # pictures up to which a whole grid of parameters is made ready
LARGE = 5_000  # pictures from which one map is made; others, and the wobble, when they are asked for
GRID = {"n_neighbors": (5, 15, 50), "min_dist": (0.0, 0.1, 0.8), "seed": (0, 1)}
SMALL_GRID = {"n_neighbors": (N_NEIGHBORS,), "min_dist": (MIN_DIST,), "seed": (0, 1)}
ONE_MAP = SMALL_GRID | {"seed": (0,)}
GIVEN = "given places"  # the method of coordinates that the user passes


@dataclass(frozen=True)
class Settings:
    """What makes a map; PCA and given coordinates have no parameters and ignore them."""

    method: str = "UMAP"
    n_neighbors: int = N_NEIGHBORS
    min_dist: float = MIN_DIST
    seed: int = 0

    def sentence(self) -> str:
        """Return method and parameters in words."""
        if self.method != "UMAP":
            return self.method
        return f"UMAP, n_neighbors {self.n_neighbors}, min_dist {self.min_dist:g}, seed {self.seed}"

    def but_seed(self) -> tuple[str, int, float]:
        """Return what maps have in common that differ in their seed alone."""
        return self.method, self.n_neighbors, self.min_dist


def checked(settings: Settings, most: int) -> Settings:
    """Return settings of a UMAP map. ValueError for invalid ones, and for more neighbors than `most`."""
    if not 2 <= as_whole(settings.n_neighbors, "n_neighbors") <= most:
        raise ValueError(f"n_neighbors is {settings.n_neighbors}; for these pictures it may be 2 to {most}")
    as_number(settings.min_dist, "min_dist", 0, 1)
    as_seed(settings.seed)
    return settings


def usual_grid(count: int) -> Mapping[str, Sequence[Any]]:
    """Return the grid for so many pictures: the more there are, the fewer maps."""
    return GRID if count <= SMALL else SMALL_GRID if count < LARGE else ONE_MAP


def usable(grid: Mapping[str, Sequence[Any]], count: int) -> list[Settings]:
    """Return PCA, and UMAP for all combinations that so many pictures allow; none for an empty list.

    ValueError for other names than those of GRID, and for values that are no lists of numbers.
    """
    if set(grid) != set(GRID):
        raise ValueError(f"grid has {', '.join(map(repr, grid))}; it needs {', '.join(map(repr, GRID))}")
    grid = {name: as_list(values, f"grid[{name!r}]") for name, values in grid.items()}
    for neighbors in grid["n_neighbors"]:
        as_whole(neighbors, "n_neighbors", 2)
    for distance in grid["min_dist"]:
        as_number(distance, "min_dist", 0, 1)
    for seed in grid["seed"]:
        as_seed(seed)
    fitting = sorted({min(n, max(count - 1, 2)) for n in grid["n_neighbors"]})
    return [Settings("PCA")] + [
        Settings("UMAP", neighbors, distance, seed)
        for seed in grid["seed"]
        for neighbors in fitting
        for distance in grid["min_dist"]
    ]


def most_usual(settings: list[Settings]) -> Settings:
    """Return what umap-learn does with its defaults, or what comes nearest to it."""
    usual = Settings()
    return min(
        [one for one in settings if one.method == "UMAP"] or settings,
        key=lambda one: (
            one.seed,
            abs(one.n_neighbors - usual.n_neighbors),
            abs(one.min_dist - usual.min_dist),
        ),
    )
