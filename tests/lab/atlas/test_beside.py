"""What is computed beside the kernel's loop: it can be stopped, and the last one counts."""

import asyncio
from threading import Event

import numpy as np
import pytest

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.beside import Beside, Stopped
from phi3lib.lab.atlas.settings import Settings


class Heard:
    """What came of a work, in order; `end` is set with the last."""

    def __init__(self):
        self.said, self.end = [], asyncio.Event()

    def ways(self):
        return {
            "tell": lambda share: self.said.append(share),
            "done": lambda made: self.over("done", made),
            "failed": lambda error: self.over("failed", str(error)),
        }

    def over(self, *words):
        self.said.append(words)
        self.end.set()


def test_the_loop_goes_on_while_it_is_computed_and_hears_of_it_in_order():
    async def ask():
        heard, asked = Heard(), Event()

        def compute(tell):
            asked.wait()  # until the loop has had its turn
            for share in (0.001, 0.5, 0.501, 1.0):
                tell(share)
            return "map"

        assert Beside().start(compute, **heard.ways())
        asked.set()
        await heard.end.wait()
        return heard.said

    assert asyncio.run(ask()) == [0.5, 1.0, ("done", "map")]  # not of each small step


@pytest.mark.parametrize("again", [False, True])
def test_a_work_ends_with_its_next_step_once_it_is_stopped_or_another_is_asked_for(again):
    async def ask():
        first, other, begun, asked, ended = Heard(), Heard(), Event(), Event(), Event()
        beside = Beside()

        def compute(tell):
            begun.set()
            asked.wait()
            try:
                tell(0.5)
            except Stopped:
                ended.set()
                raise

        beside.start(compute, **first.ways())
        begun.wait()
        if again:
            beside.start(lambda tell: "other", **other.ways())
            await other.end.wait()
        else:
            beside.stop()
        asked.set()
        await asyncio.to_thread(ended.wait)
        return first.said, other.said

    assert asyncio.run(ask()) == ([], [("done", "other")] if again else [])


def test_an_error_is_told_and_without_a_loop_all_is_done_at_once():
    def wrong(tell):
        raise ValueError("too few")

    async def ask():
        heard = Heard()
        Beside().start(wrong, **heard.ways())
        await heard.end.wait()
        return heard.said

    assert asyncio.run(ask()) == [("failed", "too few")]
    said = []
    at_once = Beside().start(
        lambda tell: tell(0.3) or "map", tell=said.append, done=said.append, failed=said.append
    )
    assert (at_once, said) == (False, [0.3, "map"])


@pytest.fixture(scope="module")
def atlas():
    """One table of thirty pictures."""
    vectors = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    table = EmbeddingTable(vectors, tuple(map(str, range(30))))
    return Atlas(table, grid={"n_neighbors": (), "min_dist": (), "seed": ()})


def ask(widget, **message):
    widget._msg_callbacks(widget, message, [])


def test_a_page_stops_a_new_map_and_asks_again_with_the_same_result(atlas):
    wanted = atlas.map_of(range(20)).layouts["map"].coordinates
    widget, seen = atlas.live(), []

    async def page():
        ended = asyncio.Event()
        widget.observe(lambda change: change["new"] or ended.set(), "stoppable")
        ask(widget, do="map of", rows=list(range(12)))
        assert widget.stoppable and widget.progress == 0
        ask(widget, do="stop")
        seen.append((widget.stoppable, widget.progress, widget.status, widget.selection_map.get("rows")))
        ended.clear()
        ask(widget, do="map of", rows=list(range(20)))
        await ended.wait()
        ended.clear()
        ask(widget, do="map of", rows=[1, 2])
        await ended.wait()
        seen.append(widget.status)
        ask(widget, do="stop")  # nothing is being computed

    before = widget.selection_map.get("rows")
    asyncio.run(page())
    few = "A map needs 4 pictures at least; 2 are selected."
    assert seen == [(False, 1.0, "Stopped: there is no new map", before), few] and widget.status == ""
    made = atlas.state.selection_map
    assert widget.selection_map["rows"] == list(range(20)) == made.rows.tolist()
    assert (made.layouts["map"].coordinates == wanted).all() and widget.progress == 1


def test_a_page_stops_maps_with_other_parameters_and_nothing_is_changed(atlas):
    asked = {"do": "recompute", "n_neighbors": "6", "min_dist": "0.3", "seed": "2"}
    twin = Atlas(atlas.state.tables["map"], grid={"n_neighbors": (), "min_dist": (), "seed": ()})
    wanted = twin.state.layout("map", twin.state.recompute(6, 0.3, 2)).coordinates
    widget, state = atlas.live(), atlas.state
    before, chosen = list(state.settings), state.chosen

    async def page():
        ended = asyncio.Event()
        widget.observe(lambda change: change["new"] or ended.set(), "stoppable")
        ask(widget, **asked)
        assert widget.stoppable and state.chosen == chosen
        ask(widget, do="stop")
        assert (state.settings, state.chosen) == (before, chosen) and not widget.stoppable
        ended.clear()
        ask(widget, **asked)
        await ended.wait()

    asyncio.run(page())
    assert state.chosen == Settings("UMAP", 6, 0.3, 2) and state.settings == [*before, state.chosen]
    assert (state.layout("map").coordinates == wanted).all() and widget.chosen["n_neighbors"] == 6
