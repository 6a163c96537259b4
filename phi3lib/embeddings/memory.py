"""Return freed heap memory to the operating system."""

import ctypes
import sys


class Trimmer:
    """`now_and_then()` gives free memory back to the system at every `every`-th call.

    The C library of Linux (glibc) serves the large blocks of a batch from a heap that smaller ones, such as
    the pictures that are read ahead, break into pieces; it then grows by some kilobytes with every picture,
    although none of it is in use. Elsewhere this does nothing.
    """

    def __init__(self, every: int = 16) -> None:
        self.every, self.calls = every, 0
        self._trim = _malloc_trim()

    def now_and_then(self) -> None:
        """Call it after each batch."""
        self.calls += 1
        if self._trim is not None and self.calls % self.every == 0:
            self._trim(0)


def _malloc_trim() -> "ctypes._NamedFuncPointer | None":
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # missing in other C libraries, such as musl
