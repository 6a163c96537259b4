"""Where two spaces disagree most, without labels: images that are near in one and far apart in the other.

for pair in disagreements(clip_table, phi3_table)[:5]:
    print(pair.first, pair.second, pair.nearer_in)
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.compare import matched
from phi3lib.embeddings.knn import BLOCK, exact_unit_rows, nearest
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.vision.inputs import as_whole

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Disagreement:
    """A pair of images that are near in one space and far apart in the other.

    first, second: ids. nearer_in: 0 or 1, the space in which they are near. ranks: for each space, among
    how many others the second image is the nearest to the first, 1 for the nearest of all; of the two
    directions the one that disagrees less. gap: difference of the ranks as a share of all others, 0 to 1.
    """

    first: str
    second: str
    nearer_in: int
    ranks: tuple[int, int]
    gap: float


def disagreements(
    one: EmbeddingTable, other: EmbeddingTable, *, k: int = 10, most: int = 20
) -> list[Disagreement]:
    """Return the pairs on which two spaces differ most: for each space at most `most`, largest gap first.

    Ranks are compared, since cosines of different spaces are not comparable. A pair counts if it is among
    the k nearest in one space, in both directions, and far down in the other space, in both directions too:
    an image that is near to all others in one space does not fill the list. Each
    image is listed at most once for each space. Only images of both tables take part; ValueError for fewer
    than k + 2 of them.
    """
    first, second = matched(one, other)
    k, most = as_whole(k, "k", 1), as_whole(most, "most", 1)
    if len(first) < k + 2:
        raise ValueError(f"the tables have {len(first)} images in common; at least {k + 2} are needed")
    spaces = [exact_unit_rows(table.vectors).astype(np.float32) for table in (first, second)]
    found = []
    for near in (0, 1):
        pairs = _mutual_pairs(nearest(spaces[near], k).indices)
        ranks = [_ranks(space, pairs) for space in spaces]
        found += _widest(first.ids, pairs, near, ranks[near], ranks[1 - near], most)
    return sorted(found, key=lambda pair: (-pair.gap, pair.nearer_in, pair.first))


def _mutual_pairs(indices: Rows) -> Rows:
    """Return the pairs (P, 2), first < second, that are among each other's nearest."""
    count, k = indices.shape
    rows = np.stack([np.repeat(np.arange(count), k), indices.ravel()], axis=1)
    pairs, times = np.unique(np.sort(rows, axis=1), axis=0, return_counts=True)
    return pairs[times == 2]


def _ranks(unit: NDArray[np.float32], pairs: Rows) -> Rows:
    """For each pair its ranks in both directions, from 1: (P, 2)."""
    ranks = np.empty(pairs.shape, dtype=np.intp)
    for direction in (0, 1):
        asked, other = pairs[:, direction], pairs[:, 1 - direction]
        for part in _blocks(len(pairs)):
            cosines = unit[asked[part]] @ unit.T
            own = cosines[np.arange(len(cosines)), other[part]]
            # The image itself is among those that are at least as near, and is not counted.
            ranks[part, direction] = np.maximum((cosines > own[:, None]).sum(1), 1)
    return ranks


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))


def _widest(
    ids: tuple[str, ...], pairs: Rows, near: int, near_ranks: Rows, far_ranks: Rows, most: int
) -> list[Disagreement]:
    close, far = near_ranks.max(1), far_ranks.min(1)
    gaps = (far - close) / (len(ids) - 1)
    used: set[int] = set()
    found: list[Disagreement] = []
    for index in np.argsort(-gaps, kind="stable"):
        a, b = map(int, pairs[index])
        if len(found) == most or gaps[index] <= 0:
            break
        if a in used or b in used:
            continue
        used |= {a, b}
        both = (int(close[index]), int(far[index]))
        ranks = both if near == 0 else both[::-1]
        found.append(Disagreement(ids[a], ids[b], near, (ranks[0], ranks[1]), float(gaps[index])))
    return found
