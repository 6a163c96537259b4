"""Compiled parts of umap-learn and of pynndescent: kept for each machine, or compiled beside other work."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from importlib.metadata import version
from threading import Thread

import numpy as np

# Functions of pynndescent. nn_descent and its inner loop call `get_num_threads` and cannot be kept.
OF_DESCENT = (
    ("pynndescent_", "generate_leaf_updates"),
    ("pynndescent_", "init_rp_tree"),
    ("pynndescent_", "init_random"),
    ("pynndescent_", "process_candidates"),
    ("kernels", "generate_graph_update_array_batched"),
    ("utils", "generate_graph_update_array"),
    ("utils", "build_candidates_owner"),
    ("utils", "sort_updates_by_block"),
    ("utils", "apply_graph_update_array"),
    ("utils", "apply_sorted_graph_update_array"),
    ("utils", "deheap_sort"),
)


@cache
def keep_compiled() -> None:
    """Let numba keep what it compiles for UMAP on the disk, beside umap-learn or in the user's cache.

    The compilation takes five seconds in every process otherwise. Where neither folder can be written,
    nothing is kept.
    """
    from umap import layouts
    from umap.umap_ import compute_membership_strengths, smooth_knn_dist

    # One epoch has a parallel variant, without a seed, whose file would have the same name: it is not kept.
    epoch = layouts._nb_optimize_layout_euclidean_single_epoch
    epoch.targetoptions["nogil"] = True  # other threads of Python go on meanwhile, such as a kernel's loop
    for function in (smooth_knn_dist, compute_membership_strengths, epoch):
        with suppress(RuntimeError):  # numba found no folder
            function.enable_caching()


@cache
def keep_descent_compiled() -> None:
    """Do the same for approximate neighbors, whose compilation takes half a minute; six seconds remain.

    Some of the functions take the distance as an argument. numba recognizes a compiled function in the next
    process by its identifier, a random one unless it is set.
    """
    with suppress(ImportError, AttributeError, AssertionError):  # AssertionError: it has one already
        distances = import_module("pynndescent.distances")
        distances.squared_euclidean._set_uuid(f"squared_euclidean of pynndescent {version('pynndescent')}")
    for module, name in OF_DESCENT:
        with suppress(ImportError, AttributeError, RuntimeError):  # other versions have other functions
            getattr(import_module(f"pynndescent.{module}"), name).enable_caching()


@contextmanager
def compiling() -> Iterator[None]:
    """Import and compile what a map needs in a thread beside the body; it is ready when the body is done.

    Products of large matrices leave time for it: they run outside of Python's lock.
    """
    thread = Thread(target=_compile, name="phi3lib UMAP compilation", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@cache
def _compile() -> None:
    """Compute a map of few points."""
    from phi3lib.embeddings.knn import nearest
    from phi3lib.embeddings.maps import umap_map

    with suppress(Exception):  # computing the map raises the same error
        vectors = np.random.default_rng(0).normal(size=(12, 3))
        umap_map(vectors, nearest(vectors, 4), n_neighbors=4)
