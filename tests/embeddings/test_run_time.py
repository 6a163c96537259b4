import os

import pytest

from phi3lib.embeddings.run_time import in_words, usable_cores


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3569, "59 min"),
        (3570, "1 h 0 min"),  # never 60 min
        (34_000, "9 h 27 min"),
    ],
)
def test_a_duration_in_words(seconds, words):
    assert in_words(seconds) == words


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind processes")
def test_cores_are_those_that_the_process_may_use():
    all_of_them = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(all_of_them)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, all_of_them)
    assert usable_cores() == len(all_of_them)
