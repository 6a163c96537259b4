"""Texts by which an exported page ranks all pictures without a model."""

import numpy as np
import pytest
import torch

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.page_data import page_data
from phi3lib.lab.atlas.queries import FOUND, MOST_QUERIES
from tests.exported_page import data_of

COUNT = 40
VECTORS = np.random.default_rng(0).normal(size=(COUNT, 6)).astype(np.float32)


class Words:
    """A text encoder that knows the rows of the table by their numbers."""

    def text_features(self, text):
        return torch.from_numpy(VECTORS[[int(text)]])


@pytest.fixture
def atlas():
    table = EmbeddingTable(
        VECTORS, tuple(f"p{n}" for n in range(COUNT)), {"n": np.arange(COUNT)}, {"pooling": "projected: so"}
    )
    return Atlas(table, model=Words(), layout=VECTORS[:, :2])


def test_each_query_ranks_all_rows(atlas):
    spec = page_data(atlas.state, None, queries=["7", "3", "7"])["spec"]
    assert [one["text"] for one in spec["queries"]] == ["7", "3"]
    units = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    for one in spec["queries"]:
        cosines = units @ units[int(one["text"])]
        best = np.argsort(-cosines)[:FOUND]
        assert one["rows"] == best.tolist() and one["ids"] == [f"p{row}" for row in best]
        assert np.allclose(one["cosines"], cosines[best], atol=1e-6)
        column = next(column for column in spec["columns"] if column["name"] == one["column"])
        assert column["type"] == "number" and np.allclose(column["values"], cosines, atol=6e-5)
    assert atlas.state.found is None  # what the reader of the notebook has asked for stays
    assert page_data(atlas.state, None)["spec"]["queries"] == []


def test_queries_go_into_the_file(atlas, tmp_path):
    page = atlas.to_html(tmp_path / "atlas.html", queries=["5"]).read_text(encoding="utf-8")
    spec = data_of(page)["spec"]
    assert spec["queries"][0]["rows"][0] == 5 and "unsafe" not in page.partition("<body>")[0]


def test_as_many_queries_as_a_page_may_have(atlas, monkeypatch):
    monkeypatch.setattr("phi3lib.lab.atlas.queries.MOST_QUERIES", 2)
    assert len(page_data(atlas.state, None, queries=["1", "2"])["spec"]["queries"]) == 2


def test_queries_that_cannot_be_asked(atlas, tmp_path):
    for queries, words in (
        ([" "], "empty"),
        ([3], "expected strings"),
        (list(map(str, range(MOST_QUERIES + 1))), "51"),
    ):
        with pytest.raises(ValueError, match=words):
            atlas.to_html(tmp_path / "atlas.html", queries=queries)
    with pytest.raises(ValueError, match=r"model=load_clip\(\)"):
        Atlas(EmbeddingTable(VECTORS, tuple(map(str, range(COUNT)))), layout=VECTORS[:, :2]).to_html(
            tmp_path / "atlas.html", queries=["a red car"]
        )
    assert not (tmp_path / "atlas.html").exists()
