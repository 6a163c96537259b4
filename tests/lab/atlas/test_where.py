"""Conditions in Python: the cases that the page passes, too, and how an Atlas takes them."""

import json
from pathlib import Path

import numpy as np
import pytest

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.fields import Field, field_of, fields_of
from phi3lib.lab.atlas.where import DEEPEST, LONGEST, WhereError, fits, rows_where
from tests.front_end import send

SHARED = json.loads(Path(__file__).with_name("where.json").read_text(encoding="utf-8"))
COUNT = 8


def shared_fields():
    fields = {}
    for one in SHARED["columns"]:
        kind = object if one["type"] == "text" else np.float64
        fields[one["name"]] = Field(one["type"], np.array(one["values"], dtype=kind))
    return fields | {"id": Field("text", np.array([f"row {n}" for n in range(COUNT)], dtype=object))}


@pytest.mark.parametrize("case", SHARED["cases"], ids=[one["where"][:40] for one in SHARED["cases"]])
def test_shared_cases(case):
    if "rows" in case:
        assert rows_where(case["where"], shared_fields(), COUNT).tolist() == case["rows"]
        return
    with pytest.raises(WhereError) as caught:
        rows_where(case["where"], shared_fields(), COUNT)
    wanted = case["error"]
    assert str(caught.value) == f"at character {wanted['at']}: {wanted['says']}"
    assert (caught.value.at, caught.value.end) == (wanted["at"], wanted["end"])


def test_what_is_too_long_or_too_deep_is_refused():
    with pytest.raises(WhereError, match="it may have 2,000"):
        rows_where("x" * (LONGEST + 1), shared_fields(), COUNT)
    for deep in ("(" * (DEEPEST + 1), "not " * (DEEPEST + 1)):
        with pytest.raises(WhereError, match=f"more than {DEEPEST} parentheses"):
            rows_where(deep + "width = 1", shared_fields(), COUNT)
    many = " or ".join(["width = 100"] * 100)  # side by side is not deep
    longest = "width = 100".ljust(LONGEST)
    deepest = "(" * DEEPEST + "width = 100" + ")" * DEEPEST, "not " * DEEPEST + "width = 100"
    for allowed in (many, longest, *deepest):
        assert rows_where(allowed, shared_fields(), COUNT).tolist() == [0]


def test_a_name_in_other_letters_is_known_where_only_one_fits():
    values = np.arange(COUNT, dtype=float)
    fields = {name: Field("number", values + place) for place, name in enumerate(("Note", "NOTE", "Size"))}
    assert rows_where("Note = 3", fields, COUNT).tolist() == [3]
    assert rows_where("NOTE = 3", fields, COUNT).tolist() == [2]
    assert rows_where("size = 3", fields, COUNT).tolist() == [1]
    with pytest.raises(WhereError, match="there is no column note; there are: Note, NOTE, Size"):
        rows_where("note = 3", fields, COUNT)


def test_patterns_that_would_keep_a_regular_expression_busy_are_answered():
    assert not fits("%a" * 500 + "%b", "a" * 2_000)
    assert fits("%a" * 500 + "%", "a" * 500)


@pytest.fixture(scope="module")
def atlas(mixed_columns):
    rng = np.random.default_rng(0)
    labels = mixed_columns | {
        "number": np.array([1, 2, 123_456_789, 123_456_790, 5, 6]),
        "taken": np.array(
            ["2024-01-01", "NaT", "2024-03-01", "2024-05-01T12:00", "2025-01-01", "2026-01-01"], "M8[s]"
        ),
    }
    table = EmbeddingTable(rng.normal(size=(6, 4)).astype(np.float32), tuple("abcdef"), labels)
    return Atlas(
        {"one": table, "two": table}, names=[f"shown {n}" for n in range(6)], layout=rng.normal(size=(6, 2))
    )


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("width = 0.1", [0]),  # float32, as it is written on the page
        ("width is null", [2, 3]),
        ("number = 123456789", [2]),
        ("taken >= '2024-05-01 12:00'", [3, 4, 5]),
        ("not taken > '2024'", [0]),
        ("indoors and kind is not null", [0, 4]),
        ("name = 'shown 3' or id = 'b'", [1, 3]),
        ("`one: neighbors kept` >= 0 and moved <= 100 and shared = 100", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_an_atlas_selects_by_a_condition(atlas, where, rows):
    atlas.select(where=where)
    assert atlas.rows == rows == atlas.state.selected


def test_an_atlas_says_what_is_wrong_and_keeps_its_selection(atlas):
    atlas.select([1])
    with pytest.raises(ValueError, match="at character 1: there is no column wide; there are: kind, width"):
        atlas.select(where="wide > 3")
    for wrong in ({}, {"rows": [1], "where": "width = 2"}):
        with pytest.raises(ValueError, match="one of them"):
            atlas.select(**wrong)
    assert atlas.rows == [1]


def test_a_column_goes_before_what_has_its_name_otherwise():
    table = EmbeddingTable(
        np.eye(4, dtype=np.float32), tuple("abcd"), {"name": np.array(list("wxyz")), "shared": np.arange(4)}
    )
    state = Atlas({"one": table, "two": table}, layout=np.eye(4)[:, :2]).state
    fields = fields_of(state)
    assert list(fields) == ["name", "shared", "id", "one: neighbors kept", "two: neighbors kept", "moved"]
    assert fields["name"].values.tolist() == list("wxyz") and len(fields) == 6
    assert field_of(np.array([1, 2])).values.tolist() == [1, 2]


def test_what_the_maps_keep_is_asked_for_in_whole_percent_of_each_map():
    rng = np.random.default_rng(0)
    tables = {
        name: EmbeddingTable(rng.normal(size=(30, 4)).astype(np.float32), tuple(map(str, range(30))))
        for name in ("one", "two")
    }
    layout = {name: rng.normal(size=(30, 2)) for name in tables}
    state = Atlas(tables, layout=layout).state
    state.k = 7  # sevenths are no whole percent
    shares = {f"{name}: neighbors kept": state.kept(name) for name in tables}
    shares |= {"shared": state.between, "moved": state.moved()}
    fields = fields_of(state)
    for name, wanted in shares.items():
        assert fields[name].values.tolist() == [min(round(100 * one), 100) for one in wanted.tolist()]
    assert len({tuple(fields[name].values) for name in shares}) == 4


def test_a_page_that_draws_a_sample_asks_python_for_all_rows(atlas, monkeypatch):
    widget, sent = atlas.live(), []
    monkeypatch.setattr(widget, "send", lambda message, buffers=None: sent.append(message))
    send(widget, {"do": "where", "text": "kind = 'dog' or width = 2"})
    assert sent == [{"where": [1, 4]}] and widget.status == ""
    send(widget, {"do": "where", "text": "kind ="})
    assert len(sent) == 1 and widget.status == "At character 7: expected a column or a value at the end."
