"""When an image or a group is given up after processes have died, and what Ray is asked for."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from phi3lib.embeddings import scale
from phi3lib.embeddings.locations import Entry, location_of
from phi3lib.embeddings.scale import embed_at_scale
from phi3lib.embeddings.scale_worker import BLAMED, MOST, Group, _Attempt

GROUP = Group("part-0.parquet", (Entry("a.png", "a.png", "1-1"), Entry("b.png", "b.png", "1-1")))


@pytest.fixture
def after(tmp_path):
    """A function that begins an attempt at the group after others, of which this was written down."""

    def attempt(**content):
        (tmp_path / "part-0.parquet.json").write_text(json.dumps(content))
        return _Attempt(location_of(tmp_path), GROUP)

    return attempt


def test_an_image_at_which_a_process_died_twice_is_given_up(after):
    first = after(number=3, deaths={}, at="a.png")
    assert first.number == 4 and first.deaths == {"a.png": 1} and not first.given_up()
    second = after(number=4, deaths={"a.png": 1}, at="a.png")
    assert list(second.given_up()) == ["a.png"]
    other = after(number=4, deaths={"a.png": 1}, at="b.png")  # one each
    assert not other.given_up()
    assert after(number=4, deaths={"a.png": 1}, at="").deaths == {"a.png": 1}


@pytest.mark.parametrize("given_up", [0, 1, 3])
def test_a_group_has_two_attempts_more_for_each_image_that_is_given_up(after, given_up):
    deaths = {f"{n}.png": BLAMED for n in range(given_up)}
    most = MOST + 2 * given_up
    assert after(number=most - 1, deaths=deaths, at="").number == most
    with pytest.raises(RuntimeError, match=f"{most} workers died at the images 'a.png' to 'b.png'"):
        after(number=most, deaths=deaths, at="")


class Asked(Exception):
    """Ends a run where Ray would begin."""


@pytest.mark.parametrize(("workers", "groups"), [(2, 2), (50, None)])
def test_ray_is_asked_for_no_more_workers_than_there_are_groups(tmp_path, monkeypatch, workers, groups):
    from tests.embeddings.test_scale import Corner, draw

    asked = {}

    @contextmanager
    def cluster(ray, **resources):
        asked.update(resources)
        yield

    def map_batches(worker, **options):
        asked.update(options)
        raise Asked

    def from_blocks(tables):
        asked["groups"] = len(tables)
        return SimpleNamespace(map_batches=map_batches)

    data = SimpleNamespace(from_blocks=from_blocks, ActorPoolStrategy=lambda **options: options)
    monkeypatch.setattr(scale, "_ray", lambda: SimpleNamespace(data=data))
    monkeypatch.setattr(scale, "cluster", cluster)
    for number in range(30):
        draw(tmp_path / "images" / f"{number}.png", number)
    options = {"model": Corner, "group": 4, "cpus": 3, "gpus": 0.25, "in_flight": 5, "progress": False}
    with pytest.raises(Asked):
        embed_at_scale(tmp_path / "images", tmp_path / "out", workers=workers, **options)
    assert (asked["cpus"], asked["gpus"]) == (3 * workers, 0.25 * workers)
    assert (asked["num_cpus"], asked["num_gpus"]) == (3, 0.25)
    size = asked["groups"] if groups is None else groups
    assert asked["compute"] == {"size": size, "max_tasks_in_flight_per_actor": 5}
    assert asked["fn_constructor_args"][0].device == "cuda"
