"""Texts whose cosines with all pictures go into an exported page, which holds no model."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from phi3lib.embeddings.labels import Column
from phi3lib.lab.atlas.state import AtlasState
from phi3lib.vision.inputs import as_texts

MOST_QUERIES, FOUND = 50, 24  # queries of a page, and pictures that it shows of each


def ranked_by(state: AtlasState, queries: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, Column]]:
    """Return what each text finds, and a column of the cosines of all rows for each, by its name.

    ValueError without a model of texts, for empty texts and for more than MOST_QUERIES.
    """
    texts = list(dict.fromkeys(as_texts(queries, "queries"))) if len(queries) else []
    if len(texts) > MOST_QUERIES:
        raise ValueError(f"queries has {len(texts)} texts; a page may have {MOST_QUERIES}")
    found: list[dict[str, Any]] = []
    columns: dict[str, Column] = {}
    for text in texts:
        best, cosines = state.ranked(text, k=FOUND)
        name = f"cosine with “{text}”"
        found.append(asdict(best) | {"ids": [state.shown_names[row] for row in best.rows], "column": name})
        columns[name] = np.round(cosines.astype(np.float64), 4)
    return found, columns
