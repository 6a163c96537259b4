import os
import threading

import pytest

from phi3lib.embeddings.run_time import in_words, on_all_cores, usable_cores


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


@pytest.mark.parametrize("large", [True, False])
def test_work_gets_every_pair_of_arguments_and_its_error_is_the_callers(large):
    seen = []
    on_all_cores(lambda *pair: seen.append(pair), range(50), "ab" * 25, large=large)
    assert sorted(seen) == [(number, "ab"[number % 2]) for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        on_all_cores(lambda number: 1 / number, [1, 0], large=large)


def test_small_work_starts_no_thread():
    threads = set()
    on_all_cores(lambda _: threads.add(threading.get_ident()), range(50), large=False)
    assert threads == {threading.get_ident()}
