"""UMAP's graph and layout: against umap-learn, and the same for any number of threads."""

import numpy as np
import pytest

from phi3lib.embeddings import umap_layout
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import Layout, pca_map, umap_map
from phi3lib.embeddings.umap_layout import curve, fuzzy_graph, laid_out


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Groups, with copies of one vector: of these, all neighbors are at distance 0."""
    rng = np.random.default_rng(0)
    found = (rng.normal(size=(5, 12)) * 2)[np.arange(400) % 5] + rng.normal(size=(400, 12))
    found[:20] = found[0]
    return found.astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("n_neighbors", [2, 5, 15])
def test_the_graph_is_that_of_umap_learn(vectors, n_neighbors):
    from umap.umap_ import fuzzy_simplicial_set

    space = nearest(vectors, 20)
    near, itself = space.first(n_neighbors - 1), np.arange(400)[:, None]
    wanted, _, _ = fuzzy_simplicial_set(
        X=itself.astype(np.float32),
        n_neighbors=n_neighbors,
        random_state=np.random.RandomState(0),
        metric="cosine",
        knn_indices=np.hstack([itself, near.indices]).astype(np.int32),
        knn_dists=np.hstack([np.zeros((400, 1)), near.distances]).astype(np.float32),
    )
    found = fuzzy_graph(space, n_neighbors)
    assert abs(found - wanted).max() < 1e-4
    assert abs(found - found.T).max() == 0 and found.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.8, 1.0])
def test_the_curve_is_that_of_umap_learn(min_dist):
    from umap.umap_ import find_ab_params

    assert curve(min_dist) == pytest.approx(find_ab_params(1.0, min_dist), rel=1e-4)


@pytest.mark.slow
def test_the_map_is_worth_what_that_of_umap_learn_is(vectors):
    import umap

    space, start = nearest(vectors, 20), pca_map(vectors).places
    ours = umap_map(vectors, space)
    with pytest.warns(UserWarning, match="n_jobs"):
        theirs = umap.UMAP(metric="cosine", random_state=0, init=start).fit(vectors).embedding_
    wanted = Layout(np.asarray(theirs, np.float32), {})
    assert ours.trustworthiness(vectors) > wanted.trustworthiness(vectors) - 0.015
    assert ours.kept(space).mean() > wanted.kept(space).mean() - 0.04


def test_threads_share_the_work_and_change_nothing(vectors, monkeypatch):
    graph = fuzzy_graph(nearest(vectors, 20), 10)
    start = np.random.default_rng(1).uniform(0, 10, (400, 2)).astype(np.float32)
    kept, maps = start.copy(), []
    for threads in (1, 3):
        monkeypatch.setattr(umap_layout, "SHARE", 400 // threads)
        monkeypatch.setattr(umap_layout, "threads_here", lambda threads=threads: threads)
        assert len(umap_layout._parts(graph.indptr)) == threads
        maps.append(laid_out(graph, start, min_dist=0.1, rounds=30, step=1.0, seed=3))
    assert np.array_equal(*maps) and np.isfinite(maps[0]).all() and np.array_equal(start, kept)
    other = laid_out(graph, start, min_dist=0.1, rounds=30, step=1.0, seed=4)
    assert not np.array_equal(other, maps[0])


@pytest.mark.parametrize(("value", "wanted"), [("1", 1), ("0", 4), ("", 4), ("many", 4), ("99", 4)])
def test_threads_are_those_of_the_process_or_as_asked(monkeypatch, value, wanted):
    monkeypatch.setattr(umap_layout, "usable_cores", lambda: 4)
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert umap_layout.threads_here() == wanted


def test_without_a_folder_to_keep_it_in_the_code_is_compiled_anew(monkeypatch):
    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(umap_layout, "njit", njit)
    assert umap_layout.compiled(abs)(-3) == 3
