"""What conditions and queries say of a map is about the map that is shown."""

import numpy as np
import pytest

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.page_data import selection_map_data
from phi3lib.lab.atlas.shown import shown_by
from phi3lib.lab.atlas.trust import whole_percents

ROWS = list(range(0, 40, 2))
KEPT = (
    "SELECT row, `one: neighbors kept` AS kept, `two: neighbors kept` AS other, moved, shared FROM pictures"
)


@pytest.fixture
def atlas():
    """Two tables of forty pictures with places of their own."""
    rng = np.random.default_rng(0)
    tables = {
        name: EmbeddingTable(rng.normal(size=(40, 5)).astype(np.float32), tuple(map(str, range(40))))
        for name in ("one", "two")
    }
    return Atlas(tables, layout={name: rng.normal(size=(40, 2)) for name in tables})


def test_after_a_new_map_of_some_the_kernel_speaks_of_it_as_the_page_does(atlas):
    everything = atlas.sql(KEPT)
    made = atlas.map_of(ROWS)
    answer = atlas.sql(KEPT)
    shares = dict(zip(ROWS, whole_percents(made.kept("one")).tolist(), strict=True))
    assert answer["kept"].dropna().tolist() == [shares[row] for row in ROWS]
    assert answer["kept"].dropna().index.tolist() == ROWS and answer["moved"].isna().all()
    assert answer["shared"].equals(everything["shared"])  # of the spaces, not of a map
    atlas.select(where="`one: neighbors kept` >= 50")
    assert atlas.rows == [row for row in ROWS if shares[row] >= 50]
    sent = selection_map_data(made)
    percents = np.frombuffer(sent["kept"], np.uint8).reshape(2, -1)
    assert (
        percents[0].tolist() == list(shares.values())
        and sent["kept_means"][1] == made.kept("two").mean() * 100
    )
    with pytest.raises(ValueError, match="no such column: neighbors kept; pictures has: .*one: n"):
        atlas.sql('SELECT avg("neighbors kept") FROM pictures')  # of which map?
    atlas.back_to_all()
    assert atlas.sql(KEPT).equals(everything) and atlas.state.selection_map is made


def test_the_page_tells_what_it_shows_and_every_view_follows(atlas):
    widget, everything = atlas.live(), atlas.sql(KEPT)
    kept = [[n % 100 if n % 3 else None for n in range(40)], None]
    widget.shown = {"axes": {"x": "component:1", "y": "component:2"}, "kept": kept}
    answer = atlas.sql(KEPT)
    assert answer["kept"].astype(object).where(answer["kept"].notna(), None).tolist() == kept[0]
    assert answer["other"].isna().all()
    atlas.map_of(ROWS)
    assert widget.shown == {"anew": True} and atlas.sql(KEPT)["kept"].notna().sum() == len(ROWS)
    widget.shown = {}  # "Back to all" on the page
    assert atlas.sql(KEPT).equals(everything)
    widget.shown = {"anew": True}  # it is still offered there
    assert atlas.sql(KEPT)["kept"].notna().sum() == len(ROWS)
    atlas.back_to_all()
    assert widget.shown == {} and atlas.sql(KEPT).equals(everything)


def test_a_question_of_the_page_is_about_what_it_shows_even_where_its_news_comes_later(atlas, monkeypatch):
    widget, sent = atlas.live(), []
    monkeypatch.setattr(widget, "send", lambda message, buffers=None: sent.append(message))
    kept = [[100 if n == 7 else 0 for n in range(40)]] * 2
    shown = {"axes": {"x": "component:1", "y": "component:2"}, "kept": kept}
    widget._msg_callbacks(widget, {"do": "where", "text": "`two: neighbors kept` > 0", "shown": shown}, [])
    sql = "SELECT sum(`one: neighbors kept`) AS s FROM pictures"
    widget._msg_callbacks(widget, {"do": "sql", "text": sql, "shown": shown}, [])
    assert sent[0] == {"where": [7]} and sent[1]["sql"]["cells"] == [[100]]


def test_what_a_sample_of_pictures_keeps_on_axes_is_known_of_those_that_are_drawn(atlas):
    told = {"axes": {"x": "a", "y": "b"}, "kept": [[10, None], [20, 30]]}
    atlas.state.shown = shown_by(told, ["one", "two"], np.array([3, 8]), 40, None)
    answer = atlas.sql(KEPT)
    assert answer["kept"].dropna().to_dict() == {3: 10} and answer["other"].dropna().to_dict() == {
        3: 20,
        8: 30,
    }


def test_other_parameters_show_the_map_of_all_again():
    vectors = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    table = EmbeddingTable(vectors, tuple(map(str, range(30))))
    atlas = Atlas(table, grid={"n_neighbors": (), "min_dist": (), "seed": ()})
    widget = atlas.live()
    atlas.map_of(range(9))
    widget._msg_callbacks(widget, {"do": "recompute", "n_neighbors": "5", "min_dist": "0.1", "seed": "0"}, [])
    assert widget.shown == {} and atlas.state.shown is None and atlas.state.chosen.n_neighbors == 5
    assert atlas.sql('SELECT "neighbors kept" AS kept FROM pictures')["kept"].notna().all()
    atlas.map_of(range(9))
    atlas.prepare()
    assert atlas.state.shown is atlas.state.selection_map and widget.shown == {"anew": True}
