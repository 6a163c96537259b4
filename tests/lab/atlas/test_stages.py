"""An explorer of many pictures: an estimate first, one map first, the others when they are asked for."""

import re
from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas import stages
from phi3lib.lab.atlas.settings import Settings
from phi3lib.lab.atlas.stages import Costs, Stage
from tests.front_end import send

COUNT = 30
TWO_MAPS = {"n_neighbors": (4, 6), "min_dist": (0.1,), "seed": (0,)}


def set_slowness(monkeypatch, products: float, core: float | None = None) -> None:
    """Let this machine be so many times slower than the one of the constants."""
    monkeypatch.setattr(stages, "slowness", lambda: products)
    monkeypatch.setattr(stages, "core_slowness", lambda: products if core is None else core)


@pytest.fixture
def many(monkeypatch):
    """An Atlas of pictures that count as many."""
    monkeypatch.setattr("phi3lib.lab.atlas.widget.LARGE", 5)
    set_slowness(monkeypatch, 1.0)
    vectors = np.random.default_rng(0).normal(size=(COUNT, 6)).astype(np.float32)
    return Atlas(EmbeddingTable(vectors, tuple(map(str, range(COUNT)))), grid=TWO_MAPS)


def test_one_map_is_shown_first_and_the_others_when_they_are_asked_for(many, capsys):
    widget = many.live()
    assert [one["method"] for one in widget.spec["settings"]] == ["PCA", "UMAP"]
    assert many.state.waiting == [Settings("UMAP", 4, 0.1, 0)]
    assert "1 further maps are computed by .prepare()" in capsys.readouterr().out
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
    vectors = np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32)
    table = EmbeddingTable(vectors, tuple(map(str, range(12))))
    pictures = [Image.new("RGB", (40, 20))] * 12
    widget = Atlas(table, pictures=pictures, grid={**TWO_MAPS, "n_neighbors": (4,)}).live()
    send(widget, {"do": "recompute", "n_neighbors": 5, "min_dist": 0.1, "seed": 0})
    assert len(widget.spec["settings"]) == 3
    assert widget.spec["large"] is True and widget.spec["shapes"] == [200] * 12


def test_the_estimate_names_the_parts_and_is_told_before_the_work(many, capsys):
    words = many.estimate()
    assert words.startswith("about ") and words.count("map ") == 1
    assert all(part in words for part in ("for 30 pictures", "true neighbors ", "trust in it "))
    many.still()
    out, err = capsys.readouterr()
    assert "for 30 pictures (true neighbors" in out
    assert "30 pictures · map: UMAP" in err


def test_no_bar_is_drawn_without_progress(many, capsys):
    many.progress = False
    many.live()
    assert "30 pictures" not in capsys.readouterr().err


def test_estimates_grow_with_the_work_and_with_the_slowness_of_the_machine(monkeypatch):
    set_slowness(monkeypatch, 1.0)
    few, wide, many = Costs(1_000, 64), Costs(1_000, 512), Costs(20_000, 64)
    umap = Settings()
    for other in (wide, many):
        assert other.neighbors() > few.neighbors() and other.trust(10) > few.trust(10)
    assert many.layout(umap) > few.layout(umap) > few.layout(Settings("PCA"))
    assert few.layout(Settings("UMAP", 50)) > few.layout(umap)
    before, laid_out = many.all(), many.layout(umap)
    set_slowness(monkeypatch, 3.0)
    assert many.all() == pytest.approx(3 * before)
    set_slowness(monkeypatch, 0.1, core=1.0)  # many cores multiply faster, and UMAP uses one
    assert many.layout(umap) == laid_out and laid_out < many.all() < before


def test_beyond_a_sample_the_work_grows_with_the_number_of_pictures_and_not_with_its_square(monkeypatch):
    set_slowness(monkeypatch, 1.0)
    monkeypatch.setattr(stages, "IMPORTS", 0.0)
    one, ten = Costs(20_000, 64), Costs(200_000, 64)
    assert ten.trust(10) == pytest.approx(10 * one.trust(10))  # of as many pictures in the sample
    assert ten.neighbors() == pytest.approx(2 * Costs(100_000, 64).neighbors())  # approximate ones
    assert one.neighbors() == pytest.approx(4 * Costs(10_000, 64).neighbors(), rel=0.5)
    parts = one.neighbors(), one.layout(Settings("PCA")), one.layout(Settings()), 2 * one.trust(10)
    assert one.all() == pytest.approx(sum(parts))


def test_each_stage_has_its_own_estimate(many):
    costs = Costs(COUNT, 6)
    seconds = [one.seconds for one in many.state.stages([Settings("PCA"), Settings("UMAP", 4)])]
    maps = [
        costs.layout(Settings("UMAP", 4)),  # first: it uses one core, which leaves another for thumbnails
        costs.trust(10),
        costs.layout(Settings("PCA")),
        costs.trust(10),
    ]
    assert seconds == [costs.neighbors(), *maps] and len(set(seconds)) == 4


def test_the_estimate_adds_up_what_is_of_one_kind():
    made = [Stage("true neighbors", print, 4.0), *(Stage(f"map: {n}", print, 60.0) for n in range(2))]
    said = "about 2 min for 2,000 pictures (true neighbors 4.0 s, map 2 min)"
    assert stages.said([*made[:2], made[2]], 2_000) == said


def test_the_bar_is_as_far_as_the_work(monkeypatch):
    seen = []

    class Bar:
        def __init__(self, total, disable, **_):
            seen.append((total, disable))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            seen.append("closed")

        def set_description_str(self, words):
            seen.append(words)

        def update(self, seconds):
            seen.append(seconds)

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    stages.compute([Stage(name, lambda n=name: seen.append(f"made {n}"), 2.0) for name in "ab"], 5_000)
    of_each = [[f"5,000 pictures · {name}", f"made {name}", 2.0] for name in "ab"]
    assert seen == [(4.0, False), *of_each[0], *of_each[1], "closed"]


def test_a_stage_beside_others_is_computed_meanwhile_and_the_bar_follows_it(monkeypatch):
    bar, later, meanwhile = SimpleNamespace(done=0.0, words=[]), Event(), Event()

    class Bar:
        def __init__(self, total, **_):
            bar.total = total

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def set_description_str(self, words):
            bar.words.append(words.rpartition(" · ")[2])

        def update(self, seconds):
            bar.done += seconds

    def beside(tell):
        assert later.wait(60)  # for a stage that comes after this one
        for share in (0.5, 0.25, 1.0):  # threads need not tell in order
            tell(share)
        meanwhile.set()

    def after():
        later.set()
        assert meanwhile.wait(60) and bar.done == 1.0 + 4.0

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    made = [
        Stage("first", lambda: None, 1.0),
        Stage("beside", beside, 4.0, beside=True),
        Stage("after", after, 2.0),
    ]
    stages.compute(made, 5_000)
    assert bar.done == bar.total == 7.0 and bar.words == ["first", "after", "beside"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interruption_ends_what_is_computed_beside(error):
    def beside(tell):
        while True:
            tell(0.1)

    def fails():
        raise error

    with pytest.raises(error):
        stages.compute(
            [Stage("beside", beside, 1.0, beside=True), Stage("fails", fails, 1.0)], 5_000, progress=False
        )


def test_an_error_beside_is_raised():
    def fails(tell):
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        stages.compute([Stage("beside", fails, 1.0, beside=True)], 5_000, progress=False)


@pytest.mark.parametrize("trial", ["slowness", "core_slowness"])
@pytest.mark.parametrize(("later", "factor"), [((0.1, 0.05, 0.2), 2), ((1e-5, 1e-5, 1e-5), 0.1)])
def test_the_trials_of_the_machine_count_their_best_pass_and_never_the_first(
    monkeypatch, later, factor, trial
):
    ends = iter(np.cumsum([[0, took] for took in (0.01, *later)]).tolist())
    for name, value in (("TRIAL", (2, 2, 2)), ("LISTED", 4), ("SECONDS", 0.025), ("SORTING", 0.025)):
        monkeypatch.setattr(stages, name, value)
    monkeypatch.setattr(stages, "time", SimpleNamespace(perf_counter=lambda: next(ends)))  # only there
    assert getattr(stages, trial).__wrapped__() == pytest.approx(factor)


def test_thumbnails_are_read_while_maps_are_computed_and_counted_in_the_estimate(many, monkeypatch):
    pictures = [Image.new("RGB", (40, 20))] * COUNT
    shown = Atlas(many.state.tables["map"], pictures=pictures, grid=TWO_MAPS, progress=False)
    monkeypatch.setattr(shown.thumbnails, "seconds", lambda rows: 120.0)
    assert re.search(r"true neighbors [^,]*, thumbnails 2 min, map ", shown.estimate())
    assert "thumbnails" not in many.estimate()
    shown.still()
    assert not shown.thumbnails.are_read(np.arange(COUNT))  # it shows none
    shown.live()
    assert shown.thumbnails.are_read(np.arange(COUNT)) and "thumbnails" not in shown.estimate()


def test_of_more_pictures_than_have_thumbnails_none_are_read(many, monkeypatch):
    monkeypatch.setattr("phi3lib.lab.atlas.page_data.MOST_THUMBS", COUNT - 1)
    pictures = [Image.new("RGB", (40, 20))] * COUNT
    shown = Atlas(many.state.tables["map"], pictures=pictures, grid=TWO_MAPS, progress=False)
    assert "thumbnails" not in shown.estimate()
