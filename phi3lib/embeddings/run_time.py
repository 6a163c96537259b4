"""The usable cores, work on all of them, and durations in words."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor


def usable_cores() -> int:
    """Return the number of cores that this process may use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_all_cores(work: Callable[..., object], *arguments: Iterable[object], large: bool = True) -> None:
    """Call `work` with the first of all arguments, then the second, and so on, in a thread for each core.

    large: False computes in this thread. Threads that wait for each other make small work slower, many times
    so on a machine whose cores are busy.
    """
    if large and usable_cores() > 1:
        with ThreadPoolExecutor(usable_cores()) as pool:
            list(pool.map(work, *arguments))
    else:
        for one in zip(*arguments, strict=True):
            work(*one)


def in_words(seconds: float) -> str:
    """Return a duration in words.

    >>> in_words(7.25), in_words(75), in_words(95), in_words(3 * 3600 + 59)
    ('7.2 s', '75 s', '2 min', '3 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
