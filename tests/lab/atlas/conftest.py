"""What several tests of the Atlas begin with."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _no_loop_runs() -> Iterator[None]:
    """Let no loop of asyncio run in this thread, as in a program.

    Playwright's goes on in a process that has had tests in a browser.
    """
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(running)


@pytest.fixture(scope="session")
def mixed_columns() -> dict[str, np.ndarray]:
    """Columns of six pictures: texts, float32 numbers, true and false; some values are missing."""
    return {
        "kind": np.array(["cat", "dog", None, "cat", "dog", "cat"], dtype=object),
        "width": np.array([0.1, 2, np.nan, np.inf, 5, 6], dtype=np.float32),
        "indoors": np.array([True, False, True, False, True, False]),
    }
