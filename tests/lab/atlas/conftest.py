"""What several tests of the Atlas begin with."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def mixed_columns() -> dict[str, np.ndarray]:
    """Columns of six pictures: texts, float32 numbers, true and false; some values are missing."""
    return {
        "kind": np.array(["cat", "dog", None, "cat", "dog", "cat"], dtype=object),
        "width": np.array([0.1, 2, np.nan, np.inf, 5, 6], dtype=np.float32),
        "indoors": np.array([True, False, True, False, True, False]),
    }
