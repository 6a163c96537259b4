"""Which pictures are for training, which for testing, and which combinations are never trained.

A picture is drawn from its split and its number alone, so the splits never meet. About one in ten pairs of
a kind and a colour, and of a kind and a relation, is held out: kind and colour are each trained, together
never. What is held out follows from the names, by a checksum, and so does not change with the lists.
"""

from zlib import crc32

import numpy as np
from numpy.random import Generator

SPLITS = ("train", "test", "held-out")
RELATIONS = ("left of", "right of", "above", "below")
_HELD_OUT_SHARE = 0.1


def rng_of(split: str, number: int) -> Generator:
    """Return the source of chance of one picture. ValueError for an unknown split or a negative number."""
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; there are: {', '.join(map(repr, SPLITS))}")
    if number < 0:
        raise ValueError(f"the number of a picture is 0 or more, not {number}")
    return np.random.Generator(np.random.SFC64([SPLITS.index(split), number]))


def held_out(kind: str, quality: str) -> bool:
    """Whether this pair of a kind's name with a colour or a relation is never trained.

    >>> any(held_out("cat", color) for color in ("red", "blue", "green", "white", "black", "pink"))
    True
    """
    return crc32(f"{kind}|{quality}".encode()) % 1000 < 1000 * _HELD_OUT_SHARE
