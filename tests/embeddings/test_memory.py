"""Free memory goes back now and then, where the system's C library can."""

import sys

import pytest

from phi3lib.embeddings import memory
from phi3lib.embeddings.memory import Trimmer


def test_memory_is_given_back_at_every_so_many_calls(monkeypatch):
    given: list[int] = []
    monkeypatch.setattr(memory, "_malloc_trim", lambda: given.append)
    trimmer = Trimmer(every=3)
    for _ in range(7):
        trimmer.now_and_then()
    assert given == [0, 0]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_happens(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    trimmer = Trimmer(every=1)
    trimmer.now_and_then()
    assert trimmer.calls == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc is Linux's")
def test_the_call_is_harmless():
    trimmer = Trimmer(every=1)
    for _ in range(3):
        trimmer.now_and_then()
    assert trimmer.calls == 3
