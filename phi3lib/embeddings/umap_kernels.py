"""Compiled parts of umap-learn and of pynndescent: kept for each machine, or compiled beside other work."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from threading import Thread

import numpy as np

# Functions of pynndescent that take no distance function: numba does not recognize one in the next process.
OF_DESCENT = (
    ("kernels", "generate_graph_update_array_batched"),
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
    """Do the same for approximate neighbors, whose compilation takes half a minute; this keeps half of it."""
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
