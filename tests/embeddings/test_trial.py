"""A trial of precisions: how many passes it makes, and of which images."""

import pytest
import torch
from PIL import Image

from phi3lib.embeddings import trial


@pytest.mark.parametrize(("seconds", "rounds"), [(0.05, 5), (0.4, 2), (9.0, 1)])
def test_a_trial_ends_after_five_rounds_or_a_second(seconds, rounds):
    now, passes = [0.0], []

    class Way:
        def encode(self, images, recipe):
            now[0] += seconds * (1.2 if len(passes) < 2 else 1)  # the first one is the slowest
            passes.append(len(images))
            return torch.zeros(1, 1)

    found = trial._time({"fp32": Way(), "bf16": Way()}, None, [None], lambda: now[0])
    assert len(passes) == 2 * rounds
    assert found == pytest.approx(dict.fromkeys(("fp32", "bf16"), seconds * (1 if rounds > 1 else 1.2)))


def test_a_trial_reads_no_more_images_than_it_needs_and_halves_large_ones():
    class Tiled:
        def tiles(self, width, height):
            return -(-width // 100) * -(-height // 100)

    read = []

    def images(*sizes):
        for size in sizes:
            read.append(size)
            yield Image.new("RGB", size)

    def sizes(*of):
        read.clear()
        return [one.size for one in trial._few(Tiled(), images(*of))]

    assert sizes((400, 100), (400, 100), (9, 9)) == [(400, 100)] * 2 and len(read) == 2
    assert sizes((400, 100), (500, 100), (9, 9)) == [(400, 100)] and len(read) == 2
    assert sizes((1600, 1600)) == [(200, 200)]
    assert sizes((2000, 127)) == [(2000, 127)]  # a side of 63 would be too short
    assert sizes((2000, 128)) == [(1000, 64)]
