"""What the Atlas knows beside vectors: columns, names, places of one's own; and what Python gets of it."""

import io

import ipywidgets
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA as SklearnPCA

from phi3lib import Atlas, EmbeddingTable
from phi3lib.embeddings.knn import unit_rows
from phi3lib.embeddings.maps import Layout
from phi3lib.lab.atlas.columns import for_page, given_coordinates
from phi3lib.lab.atlas.page_data import FINE_GRID, GRID, page_data
from phi3lib.lab.atlas.state import AtlasState
from phi3lib.lab.atlas.thumbnails import Thumbnails
from tests.front_end import send

COUNT = 12
PCA = {"n_neighbors": (), "min_dist": (), "seed": ()}


def table_of(labels=None, start=0):
    vectors = np.random.default_rng(0).normal(size=(COUNT + 2, 4)).astype(np.float32)
    ids = tuple(f"p{n}" for n in range(start, COUNT + start))
    return EmbeddingTable(vectors[start : COUNT + start], ids, labels or {})


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        (["a", "b"] * 6, "label"),
        ({f"p{n}": "ab"[n % 2] for n in range(COUNT)}, "label"),
        (pd.Series(["a", "b"] * 6, name="animal"), "animal"),
        (pd.Series(["a", "b"] * 6), "label"),
    ],
)
def test_given_labels_are_a_column_of_what_is_selected(labels, name):
    atlas = Atlas(table_of(), labels=labels, grid=PCA)
    atlas.select([3, 0])
    frame = atlas.selected.to_pandas()
    assert (
        list(frame.columns) == [name]
        and list(frame[name]) == ["b", "a"]
        and list(frame.index) == ["p3", "p0"]
    )
    atlas.select([])
    assert list(atlas.selected.to_pandas().columns) == [name]


def test_columns_of_all_tables_and_names_come_along():
    one, two = (
        table_of({"kind": ["a", "b"] * 6}),
        table_of({"size": list(range(COUNT)), "kind": ["x"] * COUNT}),
    )
    atlas = Atlas({"one": one, "two": two}, names=[f"Picture {n}" for n in range(COUNT)], grid=PCA)
    atlas.select([5])
    row = atlas.selected.to_pandas().iloc[0]
    assert row.to_dict() == {"kind": "b", "size": 5, "name": "Picture 5"}
    spec = page_data(atlas.state, None)["spec"]
    assert spec["ids"][5] == "Picture 5" and [one["name"] for one in spec["columns"]] == ["kind", "size"]
    with pytest.raises(ValueError, match="names has 2 entries for 12 rows"):
        Atlas(one, names=["a", "b"], grid=PCA)


def test_columns_keep_their_types_on_the_page():
    rows = np.array([2, 0])
    number = for_page("n", np.array([1.5, 2.0, np.nan]), rows)
    assert number == {"name": "n", "type": "number", "values": [None, 1.5]}
    assert for_page("n", np.array([1, 2, 3]), rows)["values"] == [3, 1]
    assert for_page("n", np.array([1.0, 2.0, np.inf]), rows)["values"] == [None, 1]
    dates = for_page("d", np.array(["1970-01-02", "2020-01-01", "NaT"], "datetime64[us]"), rows)
    assert dates == {"name": "d", "type": "date", "values": [None, 86_400_000]}
    truth = for_page("b", np.array([True, False, False]), rows)
    assert truth["kinds"] == ["False", "True"] and truth["codes"] == [0, 1]
    texts = for_page("t", np.array(["b10", "b9", None], dtype=object), rows)
    assert texts["kinds"] == ["b10", "none"] and texts["codes"] == [1, 0]
    all_texts = for_page("t", np.array(["b10", "b9", None], dtype=object), np.arange(3))
    assert all_texts["kinds"] == ["b9", "b10", "none"] and all_texts["codes"] == [1, 0, 2]
    assert for_page("n", np.array([1234.5678, -0.125]), np.arange(2))["values"] == [1234.568, -0.125]


def test_places_of_ones_own_are_the_map_and_no_other_is_made(monkeypatch):
    monkeypatch.setattr(
        "phi3lib.lab.atlas.table_maps.umap_map", lambda *_, **__: pytest.fail("no map was asked for")
    )
    places = np.random.default_rng(1).normal(size=(COUNT, 2))
    by_id = {f"p{n}": places[n] for n in range(COUNT)}
    frame = pd.DataFrame(places, columns=["x", "y"])
    for layout in (places, places.tolist(), by_id, frame, Layout(places.astype(np.float32), {})):
        atlas = Atlas(table_of(), layout=layout)
        assert np.allclose(atlas.state.layout("map").coordinates, places)
        assert atlas.state.chosen.method == "given places" and len(atlas.state.settings) == 1
    more = Atlas(table_of(), layout=places, grid=PCA)
    assert [settings.method for settings in more.state.settings] == ["given places", "PCA"]
    assert "given places" in more.state.sentence()


def test_places_belong_to_the_rows_of_the_table_that_they_came_with():
    one, two = table_of(), table_of(start=2)  # p2 to p11 in common
    places = np.arange(2 * COUNT, dtype=np.float32).reshape(COUNT, 2)
    state = AtlasState({"one": one, "two": two}, layout=places)
    assert np.array_equal(state.layout("two").coordinates, places[2:]) and state.ids[0] == "p2"
    state = AtlasState({"one": one, "two": two}, layout={"one": places, "two": places})
    assert np.array_equal(state.layout("one").coordinates, places[2:])
    assert np.array_equal(state.layout("two").coordinates, places[:-2])


def test_places_that_do_not_fit_are_refused():
    tables = {"map": table_of()}
    ids = tables["map"].ids
    for wrong, words in (
        (np.zeros((3, 2)), r"shape \(3, 2\); expected \(12, 2\)"),
        (np.zeros((COUNT, 3)), "expected"),
        (np.full((COUNT, 2), np.nan), "the place of 'p0' in layout holds NaN"),
        ({"p0": (0, 1)}, "layout has no entry for 11 rows"),
    ):
        with pytest.raises(ValueError, match=words):
            given_coordinates(wrong, tables, ids)


def test_a_table_without_a_name_is_never_called_map():
    atlas = Atlas(table_of(), grid=PCA)
    assert "map" not in atlas.state.sentence() and atlas.still().alt.count("map") == 0
    assert page_data(atlas.state, None)["spec"]["named"] is False
    named = Atlas({"CLIP": table_of()}, grid=PCA)
    assert "CLIP: trustworthiness" in named.state.sentence()


def test_many_pictures_stand_on_a_finer_grid(monkeypatch):
    for most, square in ((COUNT, GRID), (COUNT - 1, FINE_GRID)):
        monkeypatch.setattr("phi3lib.lab.atlas.page_data.COARSE", most)
        data = page_data(AtlasState(table_of(), grid=PCA), None)
        assert data["spec"]["square"] == square == np.frombuffer(data["places"], "<u2").max()


def test_an_atlas_is_a_widget_whose_rows_are_observed_and_set():
    atlas = Atlas(table_of(), grid=PCA)
    seen = []
    atlas.observe(lambda change: seen.append(change["new"]), "rows")
    assert ipywidgets.HBox([atlas]).children == (atlas,)
    atlas.live().selected = [1, 2]
    atlas.rows = [4]
    assert seen == [[1, 2], [4]] and atlas.live().selected == [4] and atlas.selected.ids == ("p4",)
    with pytest.raises(ValueError, match="0 to 11"):
        atlas.rows = [12]
    assert atlas.rows == [4] == atlas.state.selected


def test_a_picture_is_sent_when_it_is_asked_for(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    wide = Image.new("RGB", (2000, 1000), (200, 0, 0))
    pictures = [wide] + [Image.new("RGB", (9, 9))] * (COUNT - 2) + [tmp_path / "broken.png"]
    atlas = Atlas(table_of(), pictures=pictures, grid=PCA)
    widget, sent = atlas.live(), []
    widget.send = lambda content, buffers=None: sent.append((content, buffers))
    for row in (0, COUNT - 1, COUNT, -1, "0", None):
        send(widget, {"do": "picture", "row": row})
    ((content, (data,)),) = sent
    assert content == {"picture": 0} and Image.open(io.BytesIO(data)).size == (640, 320)
    assert wide.size == (2000, 1000)  # the reader's own stays as it is
    assert widget.spec["shapes"][:2] == [200, 100]


def test_pictures_need_no_thumbnails_to_be_opened(monkeypatch):
    for most, sheets in ((COUNT, 1), (COUNT - 1, 0)):
        monkeypatch.setattr("phi3lib.lab.atlas.page_data.MOST_THUMBS", most)
        data = page_data(AtlasState(table_of(), grid=PCA), Thumbnails([Image.new("RGB", (4, 4))] * COUNT))
        assert len(data["sheets"]) == sheets and data["spec"]["large"] is True


def test_many_pictures_show_how_far_they_are_and_nothing_is_computed_twice(monkeypatch, capsys):
    monkeypatch.setattr("phi3lib.lab.atlas.widget.LARGE", 5)
    atlas = Atlas(table_of(), grid=PCA)
    words = [said for said, _ in atlas.state.steps(atlas.state.settings)]
    assert words == ["true neighbors", "map: PCA", "trust in it"]
    atlas.live()
    assert "12 pictures" in capsys.readouterr().err and not atlas.state.steps(atlas.state.settings)
    atlas.still()
    assert "pictures" not in capsys.readouterr().err


def test_without_labels_the_nearest_of_given_words_names_each_picture():
    table = EmbeddingTable(
        np.eye(COUNT, dtype=np.float32)[np.arange(COUNT) % 2] + 0.01,
        tuple(f"p{n}" for n in range(COUNT)),
        recipe={"pooling": "projected"},
    )

    class Words:
        def text_features(self, texts):
            (text,) = [texts] if isinstance(texts, str) else texts
            return torch.eye(COUNT)[[["a cat", "a dog"].index(text)]]

    state = AtlasState(table, model=Words(), words=["a cat", "a dog"], grid=PCA)
    assert state.label_name == "nearest word" and state.kinds == ["a cat", "a dog"]
    assert list(state.labels[:3]) == ["a cat", "a dog", "a cat"]
    both = AtlasState(table, model=Words(), words=["a cat", "a dog"], labels=["x"] * COUNT, grid=PCA)
    assert both.label_name == "label" and list(both.columns) == ["label", "nearest word"]
    with pytest.raises(ValueError, match="words need model="):
        AtlasState(table, words=["a cat"], grid=PCA)


def test_principal_components_come_along_for_axes_of_the_readers_own():
    """As many of every table, as sklearn computes them, to a step of 4,095."""
    wide = np.random.default_rng(1).normal(size=(COUNT, 6)).astype(np.float32)
    state = AtlasState({"one": table_of(), "two": EmbeddingTable(wide, table_of().ids)}, grid=PCA)
    data = page_data(state, None)
    steps = np.frombuffer(data["components"], "<u2").reshape(2, 4, COUNT)
    for of_table, about, table in zip(steps, data["spec"]["components"], state.tables.values(), strict=True):
        reference = SklearnPCA(4).fit(unit_rows(table.vectors))
        assert about["shares"] == pytest.approx(reference.explained_variance_ratio_, abs=1e-4)
        low, high = np.array(about["low"])[:, None], np.array(about["high"])[:, None]
        values = low + of_table / 4095 * (high - low)
        wanted = reference.transform(unit_rows(table.vectors)).T
        step = (high - low) / 4095
        assert (np.abs(np.abs(values) - np.abs(wanted)) <= step).all()
    places = state.layout("one", state.settings[0]).coordinates  # the map by PCA is the first two
    assert np.abs(state.components("one")[0][:, :2] - places).max() < 1e-6


@pytest.mark.parametrize(("count", "width", "wanted"), [(20, 12, 8), (5, 12, 4), (20, 3, 3)])
def test_there_are_as_many_components_as_vary_and_eight_at_most(count, width, wanted):
    vectors = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    state = AtlasState(EmbeddingTable(vectors, tuple(map(str, range(count)))), grid=PCA)
    values, shares = state.components("map")
    assert values.shape == (count, wanted) and len(shares) == wanted and min(shares) > 1e-3


def test_pictures_follow_the_rows_that_all_tables_have():
    pictures = [Image.new("RGB", (1, 1), (n, 0, 0)) for n in range(COUNT)]
    atlas = Atlas({"one": table_of(), "two": table_of(start=2)}, pictures=pictures, grid=PCA)
    assert atlas.pictures == pictures[2:] and atlas.state.ids[0] == "p2"


def test_a_name_that_is_missing_is_the_id():
    names = pd.Series([None, pd.NA, float("nan"), *"abcdefghi"], dtype=object)
    assert AtlasState(table_of(), names=names, grid=PCA).shown_names == ("p0", "p1", "p2", *"abcdefghi")


@pytest.mark.parametrize("tables", [[table_of()], table_of().vectors, "table.parquet", {"a": np.eye(4)}, {}])
def test_what_is_no_table_is_refused(tables):
    with pytest.raises(ValueError, match="expected an EmbeddingTable, got|no table to show"):
        Atlas(tables)
