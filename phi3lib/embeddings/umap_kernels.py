"""The compiled parts of umap-learn: compiled once for each machine, and while something else is computed."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from threading import Thread

import numpy as np


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
    for function in (smooth_knn_dist, compute_membership_strengths, epoch):
        with suppress(RuntimeError):  # numba found no folder
            function.enable_caching()


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
