"""Images read ahead: on several threads, in their order, with few pixels in memory, and each file once."""

import io
import threading

import pytest
from PIL import Image

from phi3lib.embeddings import reading, sources
from phi3lib.embeddings.reading import batches
from phi3lib.embeddings.sources import Item, items_of

WAIT = 60  # seconds after which a wait fails; none of them is ever needed


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    monkeypatch.setattr(reading, "usable_cores", lambda: 3)


def jpeg(size=(8, 8), color=(200, 30, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "JPEG")
    return buffer.getvalue()


def one_tile(width, height):
    return 1


def test_images_are_read_at_the_same_time_and_come_in_their_order():
    begun = [threading.Event() for _ in range(6)]

    def opener(number):
        def open_file():
            begun[number].set()
            assert begun[min(number + 1, 5)].wait(WAIT)  # the next one is being read meanwhile
            return io.BytesIO(jpeg())

        return open_file

    items = [Item(str(number), opener(number), is_own=True) for number in range(6)]
    found = list(batches(items, one_tile, most_tiles=4))
    assert [list(batch.pictures) for batch in found] == [["0", "1", "2", "3"], ["4", "5"]]


def test_objects_that_may_be_the_same_are_read_one_after_the_other():
    inside, most = [], []

    def open_image():
        inside.append(1)
        most.append(len(inside))
        image = Image.new("RGB", (4, 4))
        inside.pop()
        return image

    found = list(batches([Item(str(n), open_image) for n in range(40)], one_tile, most_tiles=8))
    assert max(most) == 1 and [len(batch) for batch in found] == [8] * 5


@pytest.mark.parametrize("room", [1, 100, 250])
def test_few_pixels_are_in_memory_and_nothing_waits_for_ever(monkeypatch, room):
    monkeypatch.setattr(reading, "PIXELS_IN_MEMORY", room)
    sizes = [(10, 10), (4, 5), (15, 10), (1, 1), (10, 10)] * 6
    rooms = []
    make_room = reading._Room

    class Watched(make_room):
        def take(self, pixels):
            super().take(pixels)
            rooms.append((self.taken, pixels))

    monkeypatch.setattr(reading, "_Room", Watched)
    files = [jpeg(size) for size in sizes]
    files[7] = files[7][:30]  # no image
    found = list(batches(items_of(files), one_tile, most_tiles=5))
    read = [name for batch in found for name in batch.pictures]
    assert read == [str(n) for n in range(30) if n != 7]
    assert [name for batch in found for name in batch.errors] == ["7"]
    assert all(taken <= max(room, pixels) for taken, pixels in rooms)


def test_a_reader_ends_when_no_more_is_wanted(monkeypatch):
    monkeypatch.setattr(reading, "PIXELS_IN_MEMORY", 64)
    before = threading.active_count()
    coming = batches(items_of([jpeg()] * 50), one_tile, most_tiles=1)
    assert list(next(coming).pictures) == ["0"]
    coming.close()
    assert threading.active_count() == before


def test_what_is_no_fault_of_an_image_reaches_the_caller():
    def fails():
        raise RuntimeError("the disk is gone")

    items = [*items_of([jpeg()] * 3), Item("3", fails, is_own=True), *items_of([jpeg()] * 9)]
    with pytest.raises(RuntimeError, match="the disk is gone"):
        list(batches(items, one_tile, most_tiles=2))


def test_the_first_image_may_be_alone():
    found = list(batches(items_of([jpeg()] * 6), one_tile, most_tiles=3, first_alone=True))
    assert [len(batch) for batch in found] == [1, 3, 2]


@pytest.mark.parametrize("expected", ["", "another content"])
def test_each_file_is_opened_once(monkeypatch, tmp_path, expected):
    opened = []
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg())
    open_regular = sources.open_regular
    monkeypatch.setattr(sources, "open_regular", lambda path: opened.append(path.name) or open_regular(path))
    found = list(
        batches(items_of(tmp_path), one_tile, most_tiles=2, expected=dict.fromkeys(["1.jpg"], expected))
    )
    assert sorted(opened) == [f"{number}.jpg" for number in range(5)]
    assert sum(len(batch.pictures) for batch in found) == 5


def test_a_photograph_is_decoded_no_larger_than_it_is_needed():
    photograph = items_of([jpeg((640, 480))])
    sizes = []
    for least in (None, (200, 200), (40, 40), (1, 1)):
        asked = None if least is None else lambda width, height, least=least: least
        admitted = []
        batch = next(
            batches(photograph, lambda *size, a=admitted: a.append(size) or 1, most_tiles=1, least=asked)
        )
        sizes.append(batch.pictures["0"].size)
        assert admitted == [sizes[-1]] and batch.pixels == sizes[-1][0] * sizes[-1][1]
    assert sizes == [(640, 480), (320, 240), (80, 60), (80, 60)]
