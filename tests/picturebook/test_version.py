"""The generated images are those that the bundled models were trained on."""

import pytest

from picturebook.splits import SPLITS
from picturebook.version import CHECKSUMS, GENERATOR_VERSION, checksum


@pytest.mark.parametrize("split", SPLITS)
def test_no_random_draw_has_moved(split):
    assert checksum(split) == CHECKSUMS[split], (
        f"the images of {split!r} are no longer those of generator version {GENERATOR_VERSION}; "
        f"read the first lines of picturebook/version.py"
    )


def test_splits_have_checksums_of_their_own():
    assert len(set(CHECKSUMS.values())) == len(SPLITS) == len(CHECKSUMS)
