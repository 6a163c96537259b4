"""Near duplicates of a table: pairs of pictures, and groups where copies are many."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.knn import Directions, cosine_distance
from phi3lib.embeddings.table import EmbeddingTable, as_table
from phi3lib.vision.inputs import as_number

MOST_PAIRS = 10_000  # above, one pair for each picture is more readable than a list of all pairs
SMALL_GROUP = 10  # pictures of a group whose pairs are always all listed
STRIPE = 128  # rows at a time: with 20,000 pictures at most 2.5 million pairs are held at once

Rows = NDArray[np.intp]


def near_duplicates(table: EmbeddingTable, least: float = 0.98) -> list[tuple[str, str, float]]:
    """Return pairs of pictures whose cosine is `least` or more, the nearest first: (id, id, cosine).

    Ids of a pair are in the table's order. All pairs are listed as long as there are at most `MOST_PAIRS`.
    Where there are more, as with thousands of copies of one placeholder, groups of more than `SMALL_GROUP`
    pictures are abbreviated: each picture is listed with the one that is most similar to it (for exact copies
    the first of them). `duplicate_groups` has the whole groups.

    ValueError unless `least` is a cosine, −1 to 1.
    """
    least, space = as_number(least, "least", -1, 1), Directions(as_table(table).vectors)
    group_of, pairs = _groups(space, least)
    abbreviated = pairs > MOST_PAIRS
    found = [
        pair
        for rows in _members(group_of)
        if len(rows) > 1
        for pair in (
            _nearest_pairs(space, rows)
            if abbreviated and len(rows) > SMALL_GROUP
            else _all_pairs(space, rows, least)
        )
    ]
    found.sort(key=lambda pair: (-pair[2], pair[0], pair[1]))
    return [(table.ids[first], table.ids[second], cosine) for first, second, cosine in found]


def duplicate_groups(table: EmbeddingTable, least: float = 0.98) -> list[tuple[str, ...]]:
    """Return groups of pictures that are linked by cosines of `least` or more, the largest group first.

    Two pictures of a group need not be that similar themselves: each is to another one of the group. Ids are
    in the table's order; pictures without a near duplicate are left out.
    """
    least = as_number(least, "least", -1, 1)
    group_of, _ = _groups(Directions(as_table(table).vectors), least)
    groups = sorted((rows for rows in _members(group_of) if len(rows) > 1), key=lambda rows: -len(rows))
    return [tuple(table.ids[row] for row in rows) for rows in groups]


def _groups(space: Directions, least: float) -> tuple[Rows, int]:
    """Return for each row the first row of its group, and how many pairs are `least` similar.

    Equal rows are compared once.
    """
    different, sizes = np.unique(space.copy_of, return_counts=True)
    group_of, pairs = space.copy_of.copy(), int((sizes * (sizes - 1) // 2).sum())
    for first, second in _similar(space, different, least):
        pairs += int((sizes[first] * sizes[second]).sum())
        group_of = _joined(group_of, different[first], different[second])
    return group_of, pairs


def _similar(space: Directions, rows: Rows, least: float) -> Iterator[tuple[Rows, Rows]]:
    """Yield pairs of places in `rows` whose cosine is `least` or more, first < second, a stripe at a time."""
    quick = space.quick[rows]
    for start in range(0, len(rows), STRIPE):
        scores = quick[start : start + STRIPE] @ quick[start:].T
        first, second = np.nonzero(np.triu(scores >= least - space.margin, 1))
        # Only what is nearer to the threshold than the error of the product is measured again.
        doubtful = np.flatnonzero(scores[first, second] < least + space.margin)
        good = np.ones(len(first), dtype=bool)
        for part in range(0, len(doubtful), 4096):
            some = doubtful[part : part + 4096]
            pair = (space.exact[rows[start + side[some]]] for side in (first, second))
            good[some] = 1 - cosine_distance(*pair) >= least
        yield start + first[good], start + second[good]


def _joined(group_of: Rows, first: Rows, second: Rows) -> Rows:
    """Return the groups after these pairs have been linked: for each row the first row of its group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(first):
        return group_of
    count = len(group_of)
    ends = np.concatenate([first, np.arange(count)]), np.concatenate([second, group_of])
    links = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(count, count))
    _, labels = connected_components(links, directed=False)
    _, first_of = np.unique(labels, return_index=True)
    return first_of[labels]


def _members(group_of: Rows) -> list[Rows]:
    order = np.argsort(group_of, kind="stable")
    _, starts = np.unique(group_of[order], return_index=True)
    return np.split(order, starts[1:])


def _all_pairs(space: Directions, rows: Rows, least: float) -> list[tuple[int, int, float]]:
    pairs = []
    for index, row in enumerate(rows[:-1]):
        later = rows[index + 1 :]
        cosines = 1 - cosine_distance(space.exact[later], space.exact[row])
        pairs += [
            (int(row), int(other), float(c)) for other, c in zip(later, cosines, strict=True) if c >= least
        ]
    return pairs


def _nearest_pairs(space: Directions, rows: Rows) -> list[tuple[int, int, float]]:
    """Return for each row of a group the pair with the row that is most similar to it, each pair once."""
    group = Directions(space.exact[rows])
    nearest, distances = group.closest(group, 1, itself=False)
    ends = np.sort(np.stack([rows, rows[nearest[:, 0]]], axis=1), axis=1)
    pairs, first = np.unique(ends, axis=0, return_index=True)
    return [(int(a), int(b), float(1 - distances[n, 0])) for (a, b), n in zip(pairs, first, strict=True)]
