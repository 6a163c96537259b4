"""New maps of some pictures alone: in Python, and what an exported page is given to make them itself."""

import json
import os
import re
import shutil
import subprocess
import zlib
from base64 import b85decode

import numpy as np
import pytest

from phi3lib import Atlas, EmbeddingTable
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import Layout, curve, principal_components
from phi3lib.lab.atlas import selection_maps
from phi3lib.lab.atlas.page import SCRIPTS
from phi3lib.lab.atlas.page_data import selection_map_data
from phi3lib.lab.atlas.selection_maps import reduced
from phi3lib.lab.atlas.settings import Settings
from tests.exported_page import data_of

NODE = shutil.which("node")
GRID = {"n_neighbors": (6,), "min_dist": (0.3,), "seed": (2,)}


@pytest.fixture(scope="module")
def atlas():
    """Two tables of sixty pictures in four groups; one map by UMAP is offered, with parameters of its own."""
    rng = np.random.default_rng(0)
    groups = np.arange(60) % 4
    tables = {
        name: EmbeddingTable(
            (rng.normal(size=(4, width))[groups] * 3 + rng.normal(size=(60, width))).astype(np.float32),
            tuple(f"p{n}" for n in range(60)),
            {"group": np.array([f"g{g}" for g in groups])},
        )
        for name, width in (("one", 6), ("two", 9))
    }
    return Atlas(tables, grid=GRID)


def test_a_new_map_has_the_neighbors_among_its_rows_and_the_parameters_of_the_map(atlas):
    rows = list(range(40, 10, -1))
    made = atlas.map_of(rows)
    assert made.rows.tolist() == list(range(11, 41))
    assert (made.settings.n_neighbors, made.settings.min_dist, made.settings.seed) == (6, 0.3, 2)
    for name, table in atlas.state.tables.items():
        near = nearest(table.vectors[11:41], 10)
        assert (made.spaces[name].first(10).indices == near.indices).all()
        places = made.layouts[name].coordinates
        assert places.shape == (30, 2) and np.isfinite(places).all()
        kept = Layout(places, {}).kept(near, 10)
        assert (made.kept(name) == kept).all() and kept.mean() > 0.4
        trust = Layout(places, {}).trustworthiness(table.vectors[11:41], 10)
        assert made.trust[name].value == pytest.approx(trust)
        again = atlas.map_of(made.rows, seed=2).layouts[name].coordinates
        assert (again == places).all()
    assert (atlas.map_of(rows, seed=3).layouts["one"].coordinates != made.layouts["one"].coordinates).any()
    assert re.match(
        r"30 pictures alone\. UMAP, n_neighbors 6, min_dist 0\.3, seed 2\. one: trustworthiness 0\.\d\d, "
        r"\d+% of 10 true neighbors among them kept; two: ",
        made.sentence(),
    )


def test_rows_are_given_as_for_a_selection(atlas):
    group = list(range(1, 60, 4))
    atlas.selections["ones"] = group
    by_name, by_condition = atlas.map_of("ones", n_neighbors=5), atlas.map_of(where="`group` = 'g1'")
    by_query = atlas.map_of(atlas.sql("SELECT id FROM pictures WHERE `group` = 'g1'"))
    atlas.select(group[:4])
    assert [one.rows.tolist() for one in (by_name, by_condition, by_query, atlas.map_of())] == [group] * 3 + [
        group[:4]
    ]
    assert atlas.rows == group[:4] and atlas.map_of().k == 2
    atlas.select([])
    del atlas.selections["ones"]
    for given, words in (
        ({}, "a map needs 4 pictures at least; 0 are selected"),
        ({"rows": [1, 2, 3]}, "a map needs 4 pictures at least; 3 are selected"),
        ({"rows": [1, 60, 3, 4]}, "there is no row 60"),
        ({"rows": "ones"}, "there is no selection 'ones'"),
        ({"rows": [1], "where": "`group` = 'g1'"}, "one of them"),
        ({"rows": range(9), "n_neighbors": 10}, "n_neighbors is 10; for these pictures it may be 2 to 9"),
        ({"rows": range(9), "min_dist": 2}, "min_dist is 2"),
        ({"rows": range(9), "seed": -1}, "seed is -1"),
    ):
        with pytest.raises(ValueError, match=words):
            atlas.map_of(**given)


def test_of_very_many_pictures_it_is_said_how_many_neighbors_were_found(atlas, monkeypatch):
    class Found:
        neighbors = nearest(atlas.state.tables["one"].vectors[:20], 10)

        def sentence(self):
            return "approximate: 97%"

    monkeypatch.setattr(selection_maps, "MANY", 19)
    monkeypatch.setattr(selection_maps, "approximate_nearest", lambda vectors, k: Found())
    one = {"one": atlas.state.tables["one"]}
    made = selection_maps.selection_map(one, range(20), Settings(n_neighbors=5), 10)
    assert made.notes == ("neighbors are approximate: 97%.",)
    assert selection_map_data(made)["notes"] == list(made.notes)


def test_a_widget_shows_new_maps_that_the_page_or_python_asks_for(atlas):
    widget, shares = atlas.live(), []
    widget.observe(lambda change: shares.append(change["new"]), "progress")
    widget._msg_callbacks(widget, {"do": "map of", "rows": [0, 4, 8, 12, 16]}, [])
    sent = widget.selection_map
    assert sent["rows"] == [0, 4, 8, 12, 16] and sent["k"] == 3 and len(sent["trust_words"]) == 2
    near = np.frombuffer(sent["near"], "<u4").reshape(2, 5, 3)
    assert (
        near.max() < 5
        and (near[0] == nearest(atlas.state.tables["one"].vectors[[0, 4, 8, 12, 16]], 3).indices).all()
    )
    places = np.frombuffer(sent["places"], "<u2").reshape(2, 5, 2)
    assert (np.ptp(places, axis=1).max(1) == 65_535).all()
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and 7 <= len(shares) < 102
    made = atlas.map_of(sent["rows"])
    assert widget.selection_map["number"] == sent["number"] + 1 and made is atlas.state.selection_map
    for rows in ([1, 2], "nothing", None, ["x"], [1, 2, 3, 99]):
        widget._msg_callbacks(widget, {"do": "map of", "rows": rows}, [])
        assert widget.status and widget.progress == 1
        assert widget.selection_map["number"] == sent["number"] + 1


def test_what_a_page_knows_of_the_vectors_and_how_many_neighbors_that_keeps(atlas):
    vectors, rows = atlas.state.tables["two"].vectors, np.arange(3, 60, 2)
    about, packed = reduced(vectors, nearest(vectors, 10), 10, rows)
    low, high = np.array(about["low"]), np.array(about["high"])
    steps = np.frombuffer(packed, np.uint8).reshape(len(rows), 9)
    values, _ = principal_components(vectors, 9)
    assert np.abs(low + steps * (high - low) / 255 - values[rows]).max() <= (high - low).max() / 500
    assert 0.9 < about["kept"] <= 1
    equal = np.ones((9, 5), np.float32)
    assert reduced(equal, nearest(equal, 3), 3, np.arange(9))[1] == bytes(9 * 5)


def test_only_a_page_that_is_asked_for_it_holds_vectors_and_umap(atlas, tmp_path):
    with_maps, without = (
        atlas.to_html(tmp_path / "a.html", selection_maps=on).read_text(encoding="utf-8")
        for on in (True, False)
    )
    policies = [re.search('Policy" content="(.*?)"', page)[1] for page in (with_maps, without)]
    assert len({re.sub("'sha256-[^ ;]*'", "hash", policy.replace("&#x27;", "'")) for policy in policies}) == 1
    known = data_of(with_maps)
    vectors = zlib.decompress(b85decode(known["vectors"].replace(".", "<")))
    assert len(vectors) == 2 * 60 * 6 + 60 * 3 and [one[0] for one in known["spec"]["layouts"]["curves"]] == [
        0.1,
        0.3,
    ]
    assert "vectors" not in data_of(without) and data_of(without)["spec"]["layouts"] is None
    assert 0 < len(with_maps) - len(without) < 20_000
    assert "selection_map" not in known  # what Python has laid out stays in the notebook


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_page_keeps_as_many_neighbors_as_python():
    """The same vectors, in full: trustworthiness agrees for one layout, and both layouts keep as much."""
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(12, 16))[np.arange(300) % 12] + 0.5 * rng.normal(size=(300, 16))
    table = EmbeddingTable(vectors.astype(np.float32), tuple(map(str, range(300))))
    ours = Atlas(table, layout=vectors[:, :2]).map_of(range(300))
    values, _ = principal_components(table.vectors, 16)
    code = "const range = (count) => Array.from({ length: count }, (_, n) => n);" + "".join(
        (SCRIPTS / f"{part}.js").read_text(encoding="utf-8") for part in ("plane", "umap")
    )
    program = (
        code
        + """
        const { values, curve } = JSON.parse(require("fs").readFileSync(0));
        const rows = { values: Float32Array.from(values), count: 300, width: 16 };
        const last = (work) => { for (;;) { const step = work.next(); if (step.done) return step.value; } };
        const near = last(nearestOf(rows, 14)), laid = last(laidOut(rows, near, { curve, seed: 0 }));
        const places = Array.from(laid);
        const low = Math.min(...places), width = Math.max(...places) - low;
        const trust = last(trustIn(rows, new PointGrid(places.map((one) => (one - low) / width)), 10));
        console.log(JSON.stringify({ near: Array.from(near.indices), places, trust }));
    """
    )
    given = json.dumps({"values": values.ravel().tolist(), "curve": curve(0.1)})
    done = subprocess.run(
        [NODE, "-e", program], input=given, capture_output=True, text=True, env=dict(os.environ), check=True
    )
    theirs = json.loads(done.stdout)
    space = nearest(table.vectors, 14)
    assert (np.reshape(theirs["near"], (300, 14)) == space.indices).mean() > 0.99  # all but rounding
    laid = Layout(np.reshape(theirs["places"], (300, 2)).astype(np.float32), {})
    assert theirs["trust"] == pytest.approx(laid.trustworthiness(table.vectors, 10), abs=1e-3)
    assert laid.kept(space, 10).mean() > ours.kept("map").mean() - 0.05
    assert theirs["trust"] > ours.trust["map"].value - 0.01
