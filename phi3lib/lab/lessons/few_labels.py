"""Notebook 07: linear probes with few labels beside zero-shot, compared picture by picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.confidence import Estimate, of_mean
from phi3lib.embeddings.search import few_shot_rows


def ahead_of(
    without: ArrayLike, probes: Mapping[int, Sequence[Estimate]], labels: Sequence[object] | NDArray
) -> dict[int, Estimate]:
    """Return, for each number of labels, the accuracy of probes minus that of a method without labels.

    The two are compared in pairs. without: (N,), 1 where the method without labels is right. probes: for
    each number of labels the estimates of `few_shot` with the seeds 0, 1, … on these N pictures. A picture
    on which several probes were scored counts once, with the mean of its differences; pictures that were a
    label in every draw do not count.
    ValueError where a probe was scored on other pictures.
    """
    right = np.asarray(without, dtype=float)
    found = {}
    for shots, estimates in probes.items():
        total, times = np.zeros(len(right)), np.zeros(len(right))
        for seed, one in enumerate(estimates):
            _, test = few_shot_rows(labels, shots, seed=seed)
            if one.values is None or len(one.values) != len(test):
                raise ValueError(
                    f"the probe of {shots} labels and seed {seed} was scored on {one.count} pictures, but "
                    f"{len(test)} are left of these labels; pass the labels that `few_shot` was given"
                )
            total[test] += one.values - right[test]
            times[test] += 1
        found[shots] = of_mean(total[times > 0] / times[times > 0], 0.0)
    return found
