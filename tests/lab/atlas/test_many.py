"""An explorer of more pictures than have exact neighbors: the card and the page tell their recall."""

import numpy as np
import pytest

from phi3lib import EmbeddingTable
from phi3lib.embeddings.approximate import ApproximateNeighbors
from phi3lib.embeddings.confidence import Estimate
from phi3lib.embeddings.knn import nearest
from phi3lib.lab.atlas import table_maps
from phi3lib.lab.atlas.page_data import page_data
from phi3lib.lab.atlas.state import AtlasState

NO_UMAP = {"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)}


@pytest.fixture
def many(monkeypatch):
    """A function that makes a state of forty pictures, more than may be exact."""
    monkeypatch.setattr(table_maps, "MANY", 39)
    recall = Estimate(0.972, 0.96, 0.98, None, 500)
    found = lambda vectors, k: ApproximateNeighbors(nearest(vectors, k), recall)  # noqa: E731
    monkeypatch.setattr(table_maps, "approximate_nearest", found)
    vectors = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    table = EmbeddingTable(vectors, tuple(map(str, range(40))))
    return lambda tables=None: AtlasState(tables or table, grid=NO_UMAP), table


def test_the_recall_stands_in_the_card_and_on_the_page(many):
    make, table = many
    state = make()
    assert state.spaces["map"].indices.shape == (40, table_maps.FEWER)
    said = "approximate: 97.2% (96.0% to 98.0%) of the true neighbors found, measured on 500 pictures"
    assert state.card()["neighbors"] == f"10 nearest by cosine, {said}"
    assert page_data(state, None)["spec"]["recall"] == [f"neighbors are {said}."]
    two = make({"one": table, "two": table})
    assert page_data(two, None)["spec"]["recall"][1].startswith("two: neighbors are approximate")


def test_exact_neighbors_are_called_exact(many, monkeypatch):
    make, _ = many
    monkeypatch.setattr(table_maps, "MANY", 40)
    state = make()
    assert page_data(state, None)["spec"]["recall"] == []
    assert state.card()["neighbors"] == "10 nearest by cosine, exact"
