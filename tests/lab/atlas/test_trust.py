"""What the Atlas says of its numbers: trust of a sample, and when a text finds nothing."""

import numpy as np
import pytest
import torch

from phi3lib import EmbeddingTable
from phi3lib.embeddings.confidence import Estimate
from phi3lib.embeddings.maps import Layout
from phi3lib.lab.atlas.state import AtlasState
from phi3lib.lab.atlas.trust import moved, said_trust, wobble


def test_trust_in_words_tells_of_a_sample():
    whole = Estimate(0.9876, 0.98, 0.99, None, 40)
    assert said_trust(whole, 40) == "trustworthiness 0.99"
    said = said_trust(Estimate(0.9876, 0.98, 0.99, None, 2000), 20_000)
    assert said == "trustworthiness 0.988 (0.980 to 0.990; a sample of 2,000 of 20,000 pictures)"


def test_a_found_text_says_how_far_its_best_picture_stands_out():
    vectors = np.eye(30, 32, dtype=np.float32)
    table = EmbeddingTable(vectors, tuple(map(str, range(30))), recipe={"pooling": "projected"})

    class Model:
        answer = torch.tensor(vectors[[7]])

        def text_features(self, texts):
            return self.answer

    model = Model()
    state = AtlasState(table, model=model, grid={"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)})
    found = state.find("one of them", k=2)
    cosines = np.eye(30)[7]
    assert found.rows[0] == 7 and found.cosines[0] == 1.0
    assert found.standing == pytest.approx((1 - cosines.mean()) / cosines.std())
    model.answer = torch.eye(32)[[31]]  # nothing is like it: all cosines are 0
    assert state.find("none of them").standing == 0


def test_shifts_and_changed_neighbours_by_hand():
    places = np.array([[0, 0], [1, 0], [0, 2], [4, 4]], dtype=np.float32)
    one, turned = Layout(places, {}), Layout(places[:, ::-1] * 3 + 1, {})
    assert moved(one, turned) == pytest.approx(np.zeros(4), abs=1e-6)
    assert wobble([one], 1) is None
    assert wobble([one, turned], 1).tolist() == [0, 0, 0, 0]
    other = Layout(places[[0, 3, 2, 1]], {})  # the nearest of item 0 is now 3, of item 2 still 0
    assert wobble([one, other], 1).tolist() == [1, 1, 0, 1]
