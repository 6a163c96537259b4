"""What a still picture of the Atlas draws beside the points."""

import numpy as np
import pytest

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.state import SearchResult
from phi3lib.lab.atlas.widget import _draw_star
from phi3lib.lab.figures import plots


def test_a_text_is_a_star_at_the_weighted_mean_of_what_it_found():
    _, ((spot,),) = plots.figure(1, 1, squeeze=False)
    places = np.array([[0, 0], [3, 0], [9, 9], [3, 4]], np.float32)
    _draw_star(spot, places, SearchResult("red", [1, 3], [0.3, 0.1], 2.0, "one"))
    assert np.allclose(spot.collections[0].get_offsets(), [[3, 1]])
    # One place is 1 away from the star and weighs three times as much as the other, which is 3 away.
    assert np.isclose(spot.patches[0].radius, np.sqrt((3 * 1 + 9) / 4))
    _draw_star(spot, places, SearchResult("red", [0, 1], [-0.2, -0.1], 2.0, "one"))  # no weights below zero
    assert np.allclose(spot.collections[1].get_offsets(), [[1.5, 0]])


@pytest.mark.parametrize(("kinds", "legends"), [(1, 1), (24, 1), (25, 0)])
def test_a_still_names_kinds_where_they_are_few(kinds, legends):
    table = EmbeddingTable(
        np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32), tuple(map(str, range(30)))
    )
    labels = [f"kind {99 - n % kinds}" for n in range(30)]
    found = Atlas(table, labels=labels, layout=table.vectors[:, :2])._figure().legends
    assert len(found) == legends
    if found:
        handles, texts = found[0].legend_handles, [one.get_text() for one in found[0].get_texts()]
        assert texts == sorted(set(labels)) and len(handles) == kinds
