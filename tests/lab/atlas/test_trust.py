"""What the Atlas says of its numbers: trust of a sample, and when a text finds nothing."""

import numpy as np
import pytest
import torch

from phi3lib import EmbeddingTable
from phi3lib.embeddings.confidence import Estimate
from phi3lib.embeddings.maps import Layout
from phi3lib.lab.atlas import table_maps
from phi3lib.lab.atlas.settings import Settings
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


def test_shifts_and_changed_neighbors_by_hand():
    places = np.array([[0, 0], [1, 0], [0, 2], [4, 4]], dtype=np.float32)
    one, turned = Layout(places, {}), Layout(places[:, ::-1] * 3 + 1, {})
    assert moved(one, turned) == pytest.approx(np.zeros(4), abs=1e-6)
    assert wobble([one], 1) is None
    assert wobble([one, turned], 1).tolist() == [0, 0, 0, 0]
    other = Layout(places[[0, 3, 2, 1]], {})  # the nearest of item 0 is now 3, of item 2 still 0
    assert wobble([one, other], 1).tolist() == [1, 1, 0, 1]


def test_shifts_are_shares_of_the_longer_side_after_the_best_fit():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(9, 2)) * [5, 1], rng.normal(size=(9, 2))
    z, w = ((places - places.mean(0)) @ [1, 1j] for places in (first, second))
    # A turn with a scale is a complex factor, a mirror image the conjugate; the better of both counts.
    left = [z - one * np.vdot(one, z) / np.vdot(one, one) for one in (w, w.conj())]
    wanted = np.abs(min(left, key=np.linalg.norm)) / np.ptp(first[:, 0])
    found = moved(*(Layout(places.astype(np.float32), {}) for places in (first, second)))
    assert found == pytest.approx(wanted, abs=1e-5)


def few_pictures(count=8, names=("one", "two")):
    rng = np.random.default_rng(0)
    ids = tuple(map(str, range(count)))
    tables = {name: EmbeddingTable(rng.normal(size=(count, 4)).astype(np.float32), ids) for name in names}
    return AtlasState(tables, grid={"n_neighbors": (3,), "min_dist": (0.1,), "seed": (0, 1)})


def test_a_map_starts_from_one_of_its_own_table_and_seed(monkeypatch):
    starts = []

    def fake_map(vectors, space, *, start, **options):
        starts.append(start)
        return Layout(np.zeros((len(vectors), 2), np.float32), options)

    monkeypatch.setattr(table_maps, "umap_map", fake_map)
    state = few_pictures()
    first = state.layout("one", Settings("UMAP", 3, 0.1, 0))
    for name, seed in (("one", 1), ("two", 0), ("one", 0)):
        state.layout(name, Settings("UMAP", 4, 0.1, seed))
    assert starts == ["pca", "pca", "pca", first]


def test_new_parameters_have_limits_and_tell_how_far_they_are():
    state, told = few_pictures(), []
    for wrong, limit in (
        ((9, 0.1, 0), "2 to 8"),
        ((3, 1.5, 0), "0 to 1"),
        ((3, 0.1, -1), "0 to 4,294,967,295"),
    ):
        with pytest.raises(ValueError, match=limit):
            state.recompute(*wrong)
    assert state.recompute(8, 0.1, 0, told.append) == state.chosen == Settings("UMAP", 8, 0.1, 0)
    assert told == sorted(told) and {0.5, 1} < set(told)  # the ends of two maps, and their rounds
    assert state.k == 6 and state.card()["neighbors"] == "6 nearest by cosine, exact"
    assert 0 <= state.trustworthiness("one") <= 1
    assert f"{state.kept('two').mean():.0%} of 6 true neighbors kept. 0 selected" in state.sentence()
