"""Groups of items, such as all pictures of a kind: how far apart they are, and how wide.

    found = groups_of(table.vectors, kinds)
    found.names, found.distances, found.widths

Vectors and a map of them can be compared: whether the map shows the groups as far apart and as wide as they
are in the original space.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from phi3lib.embeddings.labels import known_labels
from phi3lib.moved import old_attribute
from phi3lib.vision.inputs import as_numbers


@dataclass(frozen=True)
class Groups:
    """Groups in the order of their names.

    centers (G, d); distances (G, G), Euclidean, between centers; widths (G,), the mean distance of a group's
    members from its center. In the unit of the points.
    """

    names: tuple[str, ...]
    centers: NDArray[np.float64]
    distances: NDArray[np.float64]
    widths: NDArray[np.float64]

    centres = old_attribute("centres", "centers")  # changed in 0.2.0

    def pairs(self) -> NDArray[np.float64]:
        """Return the distances of all pairs of groups, each once: (G·(G − 1) / 2,)."""
        return self.distances[np.triu_indices(len(self.names), 1)]


def groups_of(points: ArrayLike, labels: Sequence[object] | NDArray) -> Groups:
    """Return the groups of points (N, d), coordinates on a map or vectors, by one label for each.

    ValueError where points are no matrix, or there are not as many labels.
    """
    coordinates, group_of = as_numbers(points, "points"), np.asarray(known_labels(labels), dtype=str)
    if coordinates.ndim != 2 or group_of.shape != coordinates.shape[:1]:
        raise ValueError(
            f"points of shape {coordinates.shape} and labels of shape {group_of.shape} do not fit: expected "
            "points (N, d) and N labels"
        )
    if not np.isfinite(coordinates).all():
        raise ValueError("a point holds NaN or infinity")
    if not len(group_of):
        raise ValueError("there are no points")
    names = np.unique(group_of)
    members = [coordinates[group_of == name] for name in names]
    centers = np.stack([those.mean(0) for those in members])  # (G, d)
    apart = np.linalg.norm(centers[:, None] - centers[None], axis=-1)  # (G, G)
    widths = [
        np.linalg.norm(those - center, axis=1).mean() for those, center in zip(members, centers, strict=True)
    ]
    return Groups(tuple(map(str, names)), centers, apart, np.array(widths))
