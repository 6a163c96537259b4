"""Notebook 12: the line of a reader and a model, the plan on paper, the ranks of a sample."""

import os
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from phi3lib.embeddings.locations import location_of
from phi3lib.embeddings.scale_worker import Report
from phi3lib.embeddings.shards import Shards
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.lab.lessons import nb12

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "12_at_scale.ipynb"


@pytest.mark.parametrize(("reading", "computing"), [(0.1, 0.3), (0.3, 0.1), (0.2, 0.2)])
@pytest.mark.parametrize("limit", [2, 3, 10])
def test_a_limit_bounds_the_memory_and_costs_nothing(reading, computing, limit):
    free = nb12.reader_and_model(200, reading, computing)
    limited = nb12.reader_and_model(200, reading, computing, limit)
    slower, quicker = max(reading, computing), min(reading, computing)
    assert free.finished[-1] == pytest.approx(200 * slower + quicker)
    assert limited.finished[-1] == pytest.approx(free.finished[-1])
    assert limited.in_memory().max() <= limit
    times, counts = limited.over_time()
    assert counts.max() <= limit and counts[-1] == 0 and times[-1] == limited.finished[-1]
    if reading < computing:
        assert free.in_memory().max() > 100  # it grows with the number of images


def test_a_limit_of_one_puts_both_steps_one_after_the_other():
    line = nb12.reader_and_model(10, 0.25, 0.5, 1)
    assert line.finished[-1] == 7.5 and set(line.in_memory()) == {1}


def test_without_workers_there_is_no_cluster_to_end():
    nb12.open_cluster(0).close()
    ray = sys.modules.get("ray")
    assert ray is None or not ray.is_initialized()


def test_the_plan_multiplies_as_on_paper():
    plan = nb12.Plan(images=3600, seconds=2, workers=2, price=3, megabytes=1, numbers=250, lost=0.5)
    assert (plan.hours, plan.costs) == (2, 12)
    assert plan.source_terabytes == pytest.approx(0.0036)
    assert plan.vector_gigabytes == pytest.approx(0.0036)
    assert plan.reading_gigabits == pytest.approx(0.004)
    assert "3,600 images" in str(plan)


def test_the_plan_states_what_it_assumes():
    said = str(nb12.Plan(megabytes=0.5, numbers=128, number_bytes=2, lost=0.25, price=7, scan=3))
    for assumed in (
        "25% of them for restarts and slow workers",
        "0.5 MB for an image",
        "128 numbers of 2 bytes",
        "in your currency, at 7 for",
        " 20 ms for one image",
        "at 3 GB/s",
    ):
        assert assumed in said


def test_all_plans_of_the_notebook_are_about_the_measured_seconds():
    """Two plans with other seconds under the same heading look like a contradiction."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    plans = re.findall(
        r"nb12\.Plan\(([^)]*)", "".join(c.source for c in notebook.cells if c.cell_type == "code")
    )
    assert len(plans) >= 3 and all(plan.startswith("seconds=per_image") for plan in plans)


def test_the_steps_are_shown_with_their_milliseconds(monkeypatch):
    shown = {}
    monkeypatch.setattr(nb12.plots, "show", lambda fig, alt: shown.update(fig=fig, alt=alt))
    nb12.show_steps({"small": (0.0, 0.001, 0.009), "large": (0.0, 0.05, 0.15)})
    axes = shown["fig"].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["small\n10.0 ms", "large\n200.0 ms"]
    visible = [text.get_text() for text in axes.texts if text.get_visible()]
    assert visible == ["1.0 ms", "50.0 ms", "9.0 ms", "150.0 ms"]
    assert "large: read the file 0.0 ms, decode 50.0 ms, reduce and compute 150.0 ms" in shown["alt"]


def test_the_rank_of_the_nearest_drawn_image_is_that_among_all():
    rng = np.random.default_rng(0)
    whole = EmbeddingTable(rng.normal(size=(60, 5)), tuple(f"{number:02}" for number in range(60)))

    class InParts(Shards):
        def tables(self):
            return (whole.select(range(start, start + 20)) for start in (0, 20, 40))

    rows = [3, 8, 21, 40, 59]
    ranks = nb12.rank_of_nearest(whole.select(rows), InParts(location_of("."), ()))
    cosines = whole.unit() @ whole.unit().T
    for place, row in enumerate(rows):
        nearest = max(cosines[row, other] for other in rows if other != row)
        assert ranks[place] == sum(cosines[row, other] > nearest for other in range(60) if other != row) + 1


def test_the_folder_has_a_folder_for_each_family_and_two_faults(tmp_path):
    root = nb12.sample_folder(tmp_path / "images", 100)
    files = [one for one in root.rglob("*") if one.is_file()]
    assert len(files) == 102 and (root / "shapes" / "broken.png").is_file()
    assert len({one.parent for one in files}) >= 5
    assert Image.open(next(root.glob("shapes/circle*"))).mode == "RGB"


def test_a_run_that_ends_too_early_is_named(tmp_path):
    root = nb12.sample_folder(tmp_path / "images", 1)
    with pytest.raises(ValueError, match="after=9: the run was finished before"):
        nb12.interrupted_run(root, tmp_path / "out", after=9, workers=0)


def test_the_picture_of_a_run_says_who_was_killed():
    watcher = nb12.Watcher(kill_after=1)
    watcher(Report("a", 5, 1, 0.0, 1.0, os.getpid(), "here"))
    assert watcher.killed == [] and watcher.images == 6  # never this process
    with pytest.raises(KeyboardInterrupt):
        nb12.Watcher(stop_after=1)(watcher.reports[0])


def test_without_ray_the_notebook_says_so(monkeypatch, capsys):
    monkeypatch.setattr(nb12, "find_spec", lambda name: None)
    assert nb12.workers_here() == 0
    assert "pip install 'ray[data]'" in capsys.readouterr().out
