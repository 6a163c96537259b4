"""The estimate of a run: with a clock of the test's own, so that every number has a right value."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from phi3lib.embeddings import costs
from phi3lib.embeddings.costs import estimate_cost
from phi3lib.embeddings.embed import embed_images
from phi3lib.encoders import Encoder, recipe


class Clock:
    """What the module takes for `time`."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(costs, "time", found)
    return found


class Timed(Encoder):
    """Needs a second for each tile, and ten more for the first call; images of 9 pixels have three tiles."""

    family = "cost-timed"

    def __init__(self, clock):
        super().__init__("timed", network=torch.nn.Identity())
        self.clock, self.calls = clock, []

    def features(self, images):
        self.clock.now += sum(self.tiles(*one.size) for one in images) + (0 if self.calls else 10)
        self.calls.append([one.width for one in images])
        return torch.tensor([[one.width, one.height] for one in images], dtype=torch.float32)

    def tiles(self, width, height):
        return 3 if width == 9 else 1


@recipe("size", family="cost-timed", says="width and height", size=lambda encoder: 2)
def size(features):
    return features


@pytest.fixture
def slow_reading(monkeypatch, clock):
    """Every image takes two seconds to read."""
    load = costs.Item.load

    def slow(item, *options, **named):
        clock.now += 2
        return load(item, *options, **named)

    monkeypatch.setattr(costs.Item, "load", slow)


@pytest.fixture
def cores(monkeypatch):
    """A function that sets the number of cores."""
    return lambda count: monkeypatch.setattr(costs, "usable_cores", lambda: count)


def pictures(*widths):
    return [Image.new("RGB", (width, 8)) for width in widths]


@pytest.mark.parametrize(
    ("count", "each"),
    [(2, [2, 3, 2, 3]), (1, [3, 5, 3, 5])],  # the slower of reading and computing, or their sum
)
def test_reading_runs_ahead_of_computing_where_there_are_two_cores(slow_reading, clock, cores, count, each):
    cores(count)
    cost = estimate_cost(pictures(8, 9, 8, 9), model=Timed(clock))
    assert cost.seconds == pytest.approx(sum(each))  # without the ten seconds of the first call
    assert (cost.reading, cost.computing, cost.tiles) == (2, 2, 2)
    assert cost.low < cost.seconds < cost.high


def test_the_interval_grows_with_what_is_left_to_compute(slow_reading, clock, cores):
    cores(2)
    images = pictures(8, 9, 8, 9)
    few, many = (estimate_cost(images, model=Timed(clock), count=count) for count in (4, 400))
    assert np.allclose(
        [many.seconds, many.low, many.high], [100 * one for one in (few.seconds, few.low, few.high)]
    )


def test_no_interval_is_stated_where_all_images_took_equally_long(slow_reading, clock, cores):
    cores(2)
    cost = estimate_cost(pictures(8, 8), model=Timed(clock), count=400)
    assert cost.low == cost.high and " to " not in str(cost)
    assert " to " in str(replace(cost, low=cost.seconds / 2))


def test_stored_images_cost_no_time_but_room_in_the_table(tmp_path, slow_reading, clock, cores):
    cores(2)
    encoder, out = Timed(clock), tmp_path / "table.parquet"
    for place in range(5):
        if place == 2:
            embed_images(tmp_path, model=encoder, out=out, progress=False)
        Image.new("RGB", (8, 8), (40 * place, 0, 0)).save(tmp_path / f"{place}.png")
    cost = estimate_cost(tmp_path, model=encoder, out=out)
    assert (cost.images, cost.pending, cost.measured) == (5, 3, 3)
    assert cost.seconds == pytest.approx(3 * 2)
    assert cost.megabytes == 5 * 2 * 4 / 1e6
    assert str(cost) == "about 6.0 s for 3 images (2 of 5 are stored already), measured on 3 of them"


def test_an_image_that_has_changed_is_to_be_computed(tmp_path, slow_reading, clock, cores):
    cores(2)
    encoder, out = Timed(clock), tmp_path / "table.parquet"
    for place in range(3):
        Image.new("RGB", (8, 8), (40 * place, 0, 0)).save(tmp_path / f"{place}.png")
    embed_images(tmp_path, model=encoder, out=out, progress=False)
    Image.new("RGB", (9, 8), "white").save(tmp_path / "1.png")
    cost = estimate_cost(tmp_path, model=encoder, out=out)
    assert (cost.images, cost.pending, cost.tiles) == (3, 1, 3)


def test_eight_images_are_measured_in_batches_as_of_a_run(clock, monkeypatch):
    monkeypatch.setattr(costs, "TILES_AT_ONCE", 4)
    encoder = Timed(clock)
    cost = estimate_cost(pictures(*[8] * 20), model=encoder)
    assert cost.measured == 8 and [len(batch) for batch in encoder.calls] == [1, 4, 4]
    encoder = Timed(clock)
    estimate_cost(pictures(8, 9, 9, 8), model=encoder)
    assert [len(batch) for batch in encoder.calls] == [1, 2, 2]  # four tiles each


def test_the_sample_is_spread_from_the_first_image_to_the_last(clock):
    encoder = Timed(clock)
    estimate_cost(pictures(*range(10, 31)), model=encoder, sample=5)
    assert [width for batch in encoder.calls[1:] for width in batch] == [10, 15, 20, 25, 30]
    assert encoder.calls[0] == [10]  # the first call, which is not counted


def test_words(clock):
    cost = estimate_cost(pictures(8, 9), model=Timed(clock))
    assert str(replace(cost, pending=0)) == "all 2 images are stored already"
    assert str(replace(cost, measured=0)) == "2 images to compute; none of those sampled could be read"
