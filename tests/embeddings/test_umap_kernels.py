"""What umap-learn compiles is kept, and compiled beside something else; no failure is hidden."""

import importlib.metadata

import numpy as np
import pytest
from pynndescent import distances, kernels, pynndescent_, utils
from umap import layouts, umap_

from phi3lib.embeddings import umap_kernels
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import umap_map


@pytest.fixture
def anew():
    """Nothing has been prepared yet, before and after the test."""
    umap_kernels.keep_compiled.cache_clear()
    umap_kernels._compile.cache_clear()
    yield
    umap_kernels.keep_compiled.cache_clear()
    umap_kernels._compile.cache_clear()


def test_maps_are_the_same_with_kernels_that_were_compiled_beside():
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    space = nearest(vectors, 6)
    before = umap_map(vectors, space, n_neighbors=5).coordinates
    with umap_kernels.compiling():
        pass
    assert (umap_map(vectors, space, n_neighbors=5).coordinates == before).all()


def test_the_variant_of_the_layout_without_a_seed_is_neither_kept_nor_read():
    umap_kernels.keep_compiled()
    assert layouts._nb_optimize_layout_euclidean_single_epoch._cache.cache_path
    assert layouts._nb_optimize_layout_euclidean_single_epoch_parallel._cache.cache_path is None


def test_a_round_of_the_layout_leaves_pythons_lock_to_other_threads():
    umap_kernels.keep_compiled()
    assert layouts._nb_optimize_layout_euclidean_single_epoch.targetoptions["nogil"] is True


def test_of_approximate_neighbors_all_is_kept_that_can_be():
    umap_kernels.keep_descent_compiled()
    modules = {"kernels": kernels, "pynndescent_": pynndescent_, "utils": utils}
    for module, name in umap_kernels.OF_DESCENT:
        assert getattr(modules[module], name)._cache.cache_path
    assert pynndescent_.nn_descent._cache.cache_path is None


def test_the_next_process_recognizes_the_distance():
    umap_kernels.keep_descent_compiled()
    version = importlib.metadata.version("pynndescent")
    assert distances.squared_euclidean._uuid == f"squared_euclidean of pynndescent {version}"


def test_a_computer_without_a_folder_for_them_compiles_each_time(monkeypatch, anew):
    class NoFolder:
        def enable_caching(self):
            raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(umap_, "smooth_knn_dist", NoFolder())
    umap_kernels.keep_compiled()


def test_an_error_of_the_body_is_raised_and_one_of_the_compilation_is_left_to_the_map(monkeypatch, anew):
    def fails():
        raise OSError("no kernels")

    monkeypatch.setattr("phi3lib.embeddings.maps.keep_compiled", fails)
    with umap_kernels.compiling():
        pass
    with pytest.raises(ValueError, match="of the body"), umap_kernels.compiling():
        raise ValueError("of the body")
    vectors = np.random.default_rng(0).normal(size=(12, 3))
    with pytest.raises(OSError, match="no kernels"):
        umap_map(vectors, nearest(vectors, 4), n_neighbors=4)
