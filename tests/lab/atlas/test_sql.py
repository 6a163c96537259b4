"""Queries in SQL in Python: the cases that an exported page passes, too, and how an Atlas takes them."""

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas import sql
from phi3lib.lab.atlas.fields import Field, Fields, fields_of
from tests.lab.atlas.test_where import COUNT, shared_fields

CASES = json.loads(Path(__file__).with_name("sql.json").read_text(encoding="utf-8"))["cases"]
IDS = [f"row {n}" for n in range(COUNT)]


@pytest.mark.parametrize("case", CASES, ids=[one["sql"][:40] for one in CASES])
def test_shared_cases(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "error" in case:
        with pytest.raises(ValueError) as caught:
            sql.told(case["sql"], shared_fields(), IDS)
        assert str(caught.value) == case["error"]
    else:
        found = sql.told(case["sql"], shared_fields(), IDS)
        assert found["columns"] == case["columns"] and found["cells"] == case["cells"]
        assert found["rows"] == case.get("rows") and found["count"] == len(case["cells"])
    assert list(tmp_path.iterdir()) == []


def test_a_query_without_end_and_an_answer_without_end_are_stopped(monkeypatch):
    monkeypatch.setattr(sql, "SECONDS", 0.05)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(ValueError, match="stopped after 0.05 seconds"):
        sql.answered(endless, {}, 1)
    monkeypatch.setattr(sql, "SECONDS", 10)
    monkeypatch.setattr(sql, "MOST_ROWS", 63)
    with pytest.raises(ValueError, match="more than 63 rows"):
        sql.answered("SELECT a.row FROM pictures a, pictures b", {}, 8)
    with pytest.raises(ValueError, match=r"it may have 10,000"):
        sql.answered("x" * 10_001, {}, 8)


def test_what_is_just_within_the_limits_is_answered(monkeypatch):
    assert sql.answered("SELECT row FROM pictures".ljust(sql.LONGEST), {}, 3)["row"].tolist() == [0, 1, 2]
    monkeypatch.setattr(sql, "MOST_ROWS", 64)
    assert len(sql.answered("SELECT a.row FROM pictures a, pictures b", {}, 8)) == 64


def test_a_page_shows_a_hundred_rows_and_numbers_that_javascript_has_exactly():
    many = sql.told("SELECT a.row FROM pictures a, pictures b, pictures c", {}, IDS)
    assert (len(many["cells"]), many["count"], len(many["rows"])) == (100, COUNT**3, COUNT**3)
    large = sql.told(f"SELECT {2**53 - 1}, {2**53}, -3000000000, 0.5", {}, IDS)["cells"]
    assert large == [[2**53 - 1, str(2**53), -3_000_000_000, 0.5]]


def test_only_columns_that_are_read_are_computed():
    made = []

    def make(name):
        return lambda: made.append(name) or Field("number", np.arange(2.0))

    fields = Fields({name: make(name) for name in ("one", "two", "three")})
    assert sql.answered("SELECT two FROM pictures WHERE 1 < 2", fields, 2)["two"].tolist() == [0, 1]
    assert made == ["two"]
    assert sql.answered("SELECT * FROM pictures", fields, 2).columns.tolist() == [
        "row",
        "one",
        "two",
        "three",
    ]


def test_names_that_sql_takes_for_the_same_stay_apart():
    names = ("Kind", "kind", "ROW", 'a"b', "", "tab\tnul\0", "kind (2)")
    fields = {name: Field("text", np.array([f"<{name}>", "none"], dtype=object)) for name in names}
    found = sql.answered("SELECT * FROM pictures", fields, 2)
    known = ["row", "Kind", "kind (2)", "ROW (2)", 'a"b', "unnamed", "tab\tnul\ufffd", "kind (2) (2)"]
    assert found.columns.tolist() == known
    assert found.iloc[0].tolist() == [0, *(f"<{name}>".replace("\0", "\ufffd") for name in names)]
    assert found.iloc[1, 1:].isna().all()


@pytest.fixture(scope="module")
def atlas(mixed_columns):
    rng = np.random.default_rng(0)
    labels = mixed_columns | {
        "taken": np.array(
            ["2024-01-01", "NaT", "2024-03-01", "2024-05-01T12:00:30", "1950-01-01", "2026-01-01"], "M8[s]"
        ),
    }
    table = EmbeddingTable(
        rng.normal(size=(6, 4)).astype(np.float32), ("a", "b", "ü", "d'", "\udc80", "f"), labels
    )
    return Atlas(table, layout=rng.normal(size=(6, 2)))


def test_an_atlas_answers_with_a_frame(atlas):
    found = atlas.sql("SELECT kind, count(*) AS n, round(max(width), 1) AS widest FROM pictures GROUP BY 1")
    wanted = pd.DataFrame({"kind": [None, "cat", "dog"], "n": [1, 3, 2], "widest": [np.nan, 6, 5]})
    pd.testing.assert_frame_equal(found, wanted, check_dtype=False)
    times = atlas.sql("SELECT taken FROM pictures WHERE taken IS NOT NULL ORDER BY row")["taken"].tolist()
    assert times == ["2024-01-01", "2024-03-01", "2024-05-01 12:00:30", "1950-01-01", "2026-01-01"]
    shares = atlas.sql('SELECT "neighbors kept" AS kept FROM pictures')["kept"]
    assert shares.tolist() == fields_of(atlas.state)["neighbors kept"].values.tolist()
    for other in ("neighbours kept", "neighbors_kept"):  # SQLite would take it for a text, whose mean is 0
        with pytest.raises(ValueError, match=f"no such column: {other}; pictures has: row, kind,"):
            atlas.sql(f'SELECT avg("{other}") FROM pictures')
    with pytest.raises(ValueError, match="no such column: wide; pictures has: row, kind, width"):
        atlas.sql("SELECT wide FROM pictures")


def test_an_answer_that_names_pictures_can_be_selected(atlas):
    atlas.select(atlas.sql("SELECT row FROM pictures WHERE indoors ORDER BY width DESC"))
    assert atlas.rows == [4, 0, 2]
    atlas.select(atlas.sql("SELECT * FROM pictures WHERE kind = 'dog'"))
    assert atlas.rows == [1, 4]
    atlas.select(atlas.sql("SELECT id, width FROM pictures WHERE width IS NULL"))
    assert atlas.rows == [2, 3]
    for frame, words in (
        (atlas.sql("SELECT kind FROM pictures"), "pictures are named by `row` or `id`"),
        (pd.DataFrame({"row": [0, 6]}), "row has 6"),
        (pd.DataFrame({"row": [0.5]}), r"row has 0\.5"),
        (pd.DataFrame({"id": ["nobody"]}), "id has 'nobody'"),
    ):
        with pytest.raises(ValueError, match=words):
            atlas.select(frame)
    assert atlas.rows == [2, 3]


def test_a_widget_sends_the_first_rows_of_an_answer_and_what_is_wrong(atlas, monkeypatch):
    widget, sent = atlas.live(), []
    monkeypatch.setattr(widget, "send", lambda message, buffers=None: sent.append(message))
    monkeypatch.setattr(sql, "SHOWN", 2)
    for text in ("SELECT row, taken, x'00' AS blob FROM pictures", "SELECT"):
        widget._msg_callbacks(widget, {"do": "sql", "text": text}, [])
    cells = [[0, "2024-01-01", "1 bytes"], [1, None, "1 bytes"]]
    answer = {"columns": ["row", "taken", "blob"], "cells": cells, "count": 6, "rows": [0, 1, 2, 3, 4, 5]}
    assert sent == [{"sql": answer}, {"sql": {"error": "incomplete input"}}]
    json.dumps(sent)


def test_only_a_page_with_queries_has_sqlite_and_its_policy(atlas, tmp_path):
    with_sql, without = (
        atlas.to_html(tmp_path / "a.html", sql=on).read_text(encoding="utf-8") for on in (True, False)
    )
    policies = [re.search('Policy" content="(.*?)"', page)[1] for page in (with_sql, without)]
    allowed = [re.sub("'sha256-[^ ;]*'", "hash", unescape(policy)) for policy in policies]
    assert allowed[0].replace(" 'wasm-unsafe-eval'", "") == allowed[1]
    assert "script-src hash hash 'wasm-unsafe-eval';" in allowed[0]
    assert 'id="sqlite"' in with_sql and len(with_sql) - len(without) < 600_000
    assert "sqlite" not in without and ".sql" not in without
