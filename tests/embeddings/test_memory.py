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
def test_other_systems_have_no_such_call(monkeypatch, platform):
    monkeypatch.setattr(sys, "platform", platform)
    assert memory._malloc_trim() is None
