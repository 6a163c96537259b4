"""Tables: what goes in comes out, what does not fit is refused, others can read the file."""

import json
from dataclasses import replace

import numpy as np
import pytest

from phi3lib.embeddings.table import RECIPE_KEY, EmbeddingTable, same_recipe, shown_recipe


@pytest.fixture
def table() -> EmbeddingTable:
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    labels = {"kind": np.array(["a", "b", "a", "b", "c"]), "count": np.arange(5)}
    return EmbeddingTable(
        vectors, tuple("vwxyz"), labels, {"model": "m", "pooling": "mean"}, (("q", "empty"),)
    )


def test_saving_and_loading_loses_nothing(table, tmp_path):
    table.save(tmp_path / "t.parquet")
    again = EmbeddingTable.load(tmp_path / "t.parquet")
    assert np.array_equal(again.vectors, table.vectors)
    assert again.ids == table.ids
    assert again.recipe == table.recipe
    assert again.errors == table.errors
    assert {name: list(v) for name, v in again.labels.items()} == {
        name: list(v) for name, v in table.labels.items()
    }
    assert not list(tmp_path.glob("*.part"))


def test_others_can_read_the_file(table, tmp_path):
    import pyarrow.parquet

    table.save(tmp_path / "t.parquet")
    arrow = pyarrow.parquet.read_table(tmp_path / "t.parquet")
    assert arrow.schema.field("vector").type == pyarrow.list_(pyarrow.float32(), 3)
    assert json.loads(arrow.schema.metadata[RECIPE_KEY]) == table.recipe
    assert arrow.to_pandas().loc[1, "kind"] == "b"


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        EmbeddingTable.load(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(ValueError, match="no Parquet file"):
        EmbeddingTable.load(tmp_path / "text.parquet")


@pytest.mark.parametrize(
    ("vectors", "ids", "labels", "words"),
    [
        (np.zeros((2, 3)), ("a",), {}, "do not fit 1 ids"),
        (np.zeros((2, 3)), ("a", "a"), {}, "occurs in two rows"),
        (np.zeros((2, 3)), ("a", "b"), {"kind": np.array([1])}, "1 values for 2 rows"),
        (np.array([[1.0, np.nan]]), ("a",), {}, "NaN"),
    ],
)
def test_what_does_not_fit_is_refused(vectors, ids, labels, words):
    with pytest.raises(ValueError, match=words):
        EmbeddingTable(vectors.astype(np.float32), ids, labels)


@pytest.mark.parametrize(
    "rows", [[0.0], [True, None], ["v"], [[0, 1]], np.where([True, False]), [True], [5], [2**70]]
)
def test_rows_that_are_none_are_refused(table, rows):
    with pytest.raises(ValueError, match="cannot select from 5 rows: "):
        table.select(rows)


def test_a_missing_id_is_refused():
    for ids in (["a", None], ["a", float("nan")], np.ma.array(["a", "b"], mask=[0, 1])):
        with pytest.raises(ValueError, match="the id of row 1 is missing"):
            EmbeddingTable(np.eye(2), ids)


def test_selecting_keeps_rows_together(table):
    some = table.select([3, 1])
    assert some.ids == ("y", "w")
    assert some.labels["count"].tolist() == [3, 1]
    assert np.array_equal(table.select(table.labels["kind"] == "a").vectors, table.vectors[[0, 2]])


def test_unit_vectors_have_length_one_and_zero_has_no_direction(table):
    assert np.allclose(np.linalg.norm(table.unit(), axis=1), 1, atol=1e-6)
    vectors = np.array([[1, 0], [0, 0]], np.float32)
    with pytest.raises(ValueError, match="the vector of 'b' is zero and has no direction"):
        EmbeddingTable(vectors, ("a", "b")).unit()


def test_the_recipe_is_printed(table):
    assert "pooling: mean" in repr(table)
    assert "not read: 1" in repr(table)
    assert "labels: kind, count" in repr(table)
    assert "labels" not in repr(EmbeddingTable(np.eye(1), ("a",)))


def test_of_a_model_in_a_folder_the_folder_is_shown_and_of_one_on_the_hub_its_whole_name():
    assert shown_recipe({"model": "/home/me/models/small", "n": 1}) == {"model": "small", "n": 1}
    assert shown_recipe({"model": "openai/clip-vit-base-patch32"}) == {
        "model": "openai/clip-vit-base-patch32"
    }
    assert shown_recipe({}) == {}


def test_recipes_differ_in_what_matters_and_not_in_versions():
    first = {"model": "m", "pooling": "mean", "versions": {"torch": "1"}}
    assert same_recipe(first, {**first, "versions": {"torch": "2"}}) == []
    assert same_recipe(first, {**first, "pooling": "cls"}) == ["pooling: mean against cls"]
    assert same_recipe({"size": (1, 2)}, {"size": [1, 2]}) == []


def test_tables_are_equal_if_everything_is(table, tmp_path):
    labels = {
        "k": ["a", None, "b", "c", "d"],
        "n": [1, np.nan, 2, 3, 4],
        "day": np.array(["NaT"] * 5, "M8[D]"),
    }
    table = replace(table.with_labels(labels), recipe={"size": (np.int64(1), 2), "model": tmp_path})
    table.save(tmp_path / "t.parquet")
    again = EmbeddingTable.load(tmp_path / "t.parquet")
    assert again == table and table != 3 and table in [1, again]
    assert again.recipe == {"size": [1, 2], "model": str(tmp_path)}
    for change in (
        {"vectors": -table.vectors},
        {"ids": tuple("abcde")},
        {"recipe": {}},
        {"errors": ()},
        {"notes": (("a", "b"),)},
        {"labels": {}},
        {"labels": {**table.labels, "n": np.arange(5.0)}},
    ):
        assert replace(table, **change) != table


def test_what_comes_with_the_vectors_is_checked():
    plain = EmbeddingTable(np.eye(1), "a".split(), None, None, None, None)
    assert repr(plain) and plain == EmbeddingTable(np.eye(1), ("a",))
    found = EmbeddingTable(np.eye(1), ("a",), errors={"b": ValueError("cut")}, notes=[["c", "clear"]])
    assert found.errors == (("b", "cut"),) and found.notes == (("c", "clear"),)
    for wrong, words in (
        ({"recipe": {"model": object()}}, "recipe: a object has no form in JSON"),
        ({"recipe": ["clip"]}, "recipe: expected a mapping, got a list"),
        ({"errors": "none"}, "errors: expected a sequence"),
        ({"notes": [("a", "b", "c")]}, "notes: expected pairs"),
    ):
        with pytest.raises(ValueError, match=words):
            EmbeddingTable(np.eye(1), ("a",), **wrong)


def test_a_file_that_claims_far_more_than_it_holds_is_refused_before_memory_is_filled(monkeypatch, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    few = EmbeddingTable(np.ones((2, 64), np.float32), ("a", "b"))
    few.save(tmp_path / "few.parquet")
    schema, count = pa.parquet.read_schema(tmp_path / "few.parquet"), 20_000
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(count * 64, np.float32)), 64)
    content = pa.table([pa.array(["a"] * count), vectors], schema=schema)
    pa.parquet.write_table(content, tmp_path / "many.parquet", write_page_checksum=True)
    monkeypatch.setattr("phi3lib.embeddings.table.LARGE", 4 * count * 64 + 1)
    assert (tmp_path / "many.parquet").stat().st_size < 10_000
    monkeypatch.setattr(pa.parquet.ParquetFile, "read", None)  # would be called
    with pytest.raises(ValueError, match=r"many.parquet' is .* bytes and claims 1,300,000 values, 0\.0 GB"):
        EmbeddingTable.load(tmp_path / "many.parquet")
    monkeypatch.undo()
    assert len(EmbeddingTable.load(tmp_path / "few.parquet")) == 2
