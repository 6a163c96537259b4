"""An explorer of many pictures: an estimate first, one map first, the others when they are asked for."""

import logging

import numpy as np
import pytest

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas import stages
from phi3lib.lab.atlas.settings import Settings
from phi3lib.lab.atlas.stages import Costs
from tests.front_end import send

COUNT = 30
TWO_MAPS = {"n_neighbors": (4, 6), "min_dist": (0.1,), "seed": (0,)}


@pytest.fixture
def many(monkeypatch):
    """An Atlas of pictures that count as many."""
    monkeypatch.setattr("phi3lib.lab.atlas.widget.LARGE", 5)
    monkeypatch.setattr(stages, "slowness", lambda: 1.0)
    vectors = np.random.default_rng(0).normal(size=(COUNT, 6)).astype(np.float32)
    return Atlas(EmbeddingTable(vectors, tuple(map(str, range(COUNT)))), grid=TWO_MAPS)


def test_one_map_is_shown_first_and_the_others_when_they_are_asked_for(many, caplog):
    caplog.set_level(logging.INFO, "phi3lib")
    widget = many.live()
    assert [one["method"] for one in widget.spec["settings"]] == ["PCA", "UMAP"]
    assert many.state.waiting == [Settings("UMAP", 4, 0.1, 0)]
    assert "1 further maps are computed by .prepare()" in caplog.text
    many.prepare()
    assert len(widget.spec["settings"]) == 3 and not many.state.waiting
    assert len(widget.places) == 3 * COUNT * 2 * 2
    assert not many.state.stages(many.state.settings)


def test_an_exported_page_has_all_maps(many, tmp_path):
    many.live()
    many.to_html(tmp_path / "page.html")
    assert len(many.state.settings) == 3 and not many.state.waiting


def test_a_map_that_waits_may_be_asked_for_on_the_page(many):
    widget = many.live()
    asked = {"do": "recompute", "n_neighbors": 4, "min_dist": 0.1, "seed": 0}
    send(widget, asked)
    assert not many.state.waiting and len(widget.spec["settings"]) == 3


def test_new_maps_leave_the_pictures_as_they_are(monkeypatch):
    from PIL import Image

    vectors = np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32)
    table = EmbeddingTable(vectors, tuple(map(str, range(12))))
    pictures = [Image.new("RGB", (40, 20))] * 12
    widget = Atlas(table, pictures=pictures, grid={**TWO_MAPS, "n_neighbors": (4,)}).live()
    send(widget, {"do": "recompute", "n_neighbors": 5, "min_dist": 0.1, "seed": 0})
    assert len(widget.spec["settings"]) == 3
    assert widget.spec["large"] is True and widget.spec["shapes"] == [200] * 12


def test_the_estimate_names_the_parts_and_is_told_before_the_work(many, caplog, capsys):
    caplog.set_level(logging.INFO, "phi3lib")
    words = many.estimate()
    assert words.startswith("about ") and words.count("map ") == 1
    assert all(part in words for part in ("for 30 pictures", "true neighbors ", "trust in it "))
    many.still()
    assert "for 30 pictures (true neighbors" in caplog.text
    assert "30 pictures · map: UMAP" in capsys.readouterr().err


def test_no_bar_is_drawn_without_progress(many, capsys):
    many.progress = False
    many.live()
    assert "30 pictures" not in capsys.readouterr().err


def test_estimates_grow_with_the_work_and_with_the_slowness_of_the_machine(monkeypatch):
    monkeypatch.setattr(stages, "slowness", lambda: 1.0)
    few, wide, many = Costs(1_000, 64), Costs(1_000, 512), Costs(20_000, 64)
    umap = Settings()
    for other in (wide, many):
        assert other.neighbors() > few.neighbors() and other.trust(10) > few.trust(10)
    assert many.layout(umap) > few.layout(umap) > few.layout(Settings("PCA"))
    assert few.layout(Settings("UMAP", 50)) > few.layout(umap)
    before = many.all()
    monkeypatch.setattr(stages, "slowness", lambda: 3.0)
    assert many.all() == pytest.approx(3 * before)


def test_the_trial_of_the_machine_gives_a_factor():
    assert 0 < stages.slowness() < 1_000
