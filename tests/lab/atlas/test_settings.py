"""Which maps are offered for how many pictures, and which one is shown first."""

import pytest

from phi3lib.lab.atlas.settings import Settings, most_usual, usable, usual_grid


@pytest.mark.parametrize(("count", "maps"), [(1_000, 19), (1_001, 3), (4_999, 3), (5_000, 2), (200_000, 2)])
def test_the_more_pictures_the_fewer_maps(count, maps):
    offered = usable(usual_grid(count), count)
    assert len(set(offered)) == len(offered) == maps  # PCA is one of them
    assert Settings("UMAP", 15, 0.1, 0) == most_usual(offered)
    assert {one.seed for one in offered} == ({0, 1} if count < 5_000 else {0})


@pytest.mark.parametrize(("count", "neighbors"), [(51, {5, 15, 50}), (12, {5, 11}), (4, {3}), (2, {2})])
def test_a_map_of_few_pictures_has_fewer_neighbors(count, neighbors):
    assert {one.n_neighbors for one in usable(usual_grid(count), count) if one.method == "UMAP"} == neighbors


def test_the_first_map_has_the_least_seed_then_the_nearest_parameters():
    def first(**grid):
        return most_usual(usable({"n_neighbors": (15,), "min_dist": (0.1,), "seed": (0,), **grid}, 100))

    assert first(seed=(1, 0, 2)).seed == 0
    assert first(n_neighbors=(5, 18, 40)).n_neighbors == 18
    assert first(min_dist=(0.0, 0.15, 0.8)).min_dist == 0.15


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"n_neighbors": [3]}, "grid has 'n_neighbors'; it needs 'n_neighbors', 'min_dist', 'seed'"),
        ({"n_neighbours": [3], "min_dist": [0.1], "seed": [0]}, "'n_neighbours'"),
        ({"n_neighbors": "3", "min_dist": [0.1], "seed": [0]}, "n_neighbors.*got str"),
        ({"n_neighbors": [3.5], "min_dist": [0.1], "seed": [0]}, "n_neighbors is 3.5; expected a whole"),
        ({"n_neighbors": [3], "min_dist": [0.1], "seed": [-1]}, "seed is -1; expected a whole number"),
    ],
)
def test_a_grid_that_is_none_is_refused(grid, words):
    with pytest.raises(ValueError, match=words):
        usable(grid, 100)
