"""Selections with names: a mapping that checks what comes, tells of changes, and is the same on the page."""

import numpy as np
import pandas
import pytest
import torch

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.selections import LONGEST, MOST, Selections
from tests.exported_page import data_of

NO_UMAP = {"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)}


@pytest.fixture
def atlas():
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    return Atlas(EmbeddingTable(vectors, tuple(f"p{n}" for n in range(20))), grid=NO_UMAP)


def test_a_selection_comes_back_and_combines(atlas):
    atlas.select([3, 1, 3])
    atlas.selections["a"] = atlas.rows
    atlas.selections["b"] = np.array([1, 5])
    atlas.select("a")
    assert atlas.rows == [3, 1] and list(atlas.selected.ids) == ["p3", "p1"]
    atlas.select(set(atlas.selections["a"]) & set(atlas.selections["b"]))
    assert atlas.rows == [1]
    del atlas.selections["b"]
    assert dict(atlas.selections) == {"a": [3, 1]}
    atlas.selections["a"].append(99)  # a copy
    assert atlas.selections["a"] == [3, 1]
    with pytest.raises(ValueError, match="no selection 'b'; there are: 'a'"):
        atlas.select("b")


@pytest.mark.parametrize("name", ["", " a", "a" * (LONGEST + 1), 3, "\n"])
def test_names_are_checked(name):
    with pytest.raises(ValueError, match="a name of 1 to 60 characters"):
        Selections(5)[name] = [1]


@pytest.mark.parametrize("rows", [[], [5], [-1], [0, 7]])
def test_rows_are_checked_and_nothing_changes(rows):
    told = []
    selections = Selections(5, lambda: told.append(1))
    with pytest.raises(ValueError, match="no row"):
        selections.replace({"good": [0], "bad": rows})
    assert not selections and not told


def test_there_are_a_hundred_at_most_and_names_have_sixty_characters():
    hundred = {str(n).ljust(LONGEST, "_"): [4] for n in range(MOST)}
    selections = Selections(5)
    selections.replace(hundred)
    assert dict(selections) == hundred
    with pytest.raises(ValueError, match=f"101 named selections; there may be {MOST} at most"):
        Selections(5).replace({str(n): [0] for n in range(101)})


def test_changes_are_told_to_observers_and_to_the_page(atlas):
    heard = []
    atlas.observe(lambda change: heard.append(dict(change["new"])), "selections")
    widget = atlas.live()
    atlas.selections["a"] = [1, 2]
    assert heard == [{"a": [1, 2]}] and widget.selections == [["a", [1, 2]]]
    widget.selections = [["a", [1, 2]], ["__proto__", [7]]]
    assert dict(atlas.selections) == {"a": [1, 2], "__proto__": [7]} and len(heard) == 2
    atlas.selections = {"new": [4]}
    assert widget.selections == [["new", [4]]] and len(heard) == 3


@pytest.mark.parametrize("wrong", [[["a", [99]]], [["", [1]]], [["a"]], [3], [["a", ["x"]]], [[["a"], [1]]]])
def test_what_a_page_may_not_save_is_said_and_taken_back(atlas, wrong):
    widget = atlas.live()
    atlas.selections["a"] = [1]
    widget.selections = wrong
    assert dict(atlas.selections) == {"a": [1]} and widget.selections == [["a", [1]]]
    assert widget.status.startswith("Not saved:")


def test_an_exported_page_has_them(atlas, tmp_path):
    atlas.selections["</script>"] = [1, 2]
    page = atlas.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    data = data_of(page)
    assert data["selections"] == [["</script>", [1, 2]]]


def test_truth_values_select_the_rows_that_they_are_true_for(atlas):
    wanted = np.arange(20) % 7 == 3
    column = pandas.Series(wanted, index=range(20)[::-1])
    for rows in (wanted, wanted.tolist(), column, column.astype("boolean"), torch.tensor(wanted)):
        atlas.select(rows)
        assert atlas.rows == [3, 10, 17]
        atlas.selections["some"] = rows
        assert atlas.selections["some"] == [3, 10, 17]
    atlas.rows = wanted.tolist()
    assert atlas.rows == [3, 10, 17]


@pytest.mark.parametrize(
    "rows",
    [
        [True],
        [True, None] * 10,
        [True] * 19 + [1],
        [0.5],
        ["p3"],
        ["1"],
        [float("nan")],
        [[0, 1]],
        {0: 1},
        b"a",
        3,
    ],
    ids=str,
)
def test_what_is_no_row_is_refused(atlas, rows):
    atlas.select([1])
    with pytest.raises(ValueError, match=r"^rows: expected|^a row is .* expected a whole number"):
        atlas.select(rows)
    assert atlas.rows == [1]


def test_a_condition_and_a_query_are_texts(atlas):
    with pytest.raises(ValueError, match="the condition is a int"):
        atlas.select(where=3)
    with pytest.raises(ValueError, match="the query is empty"):
        atlas.sql(None)
