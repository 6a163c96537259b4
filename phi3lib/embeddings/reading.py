"""Images read ahead of the model: in a thread of their own, in batches, bounded by pixels in memory."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from queue import Queue

from PIL import Image

from phi3lib.embeddings.sources import Item, Loaded

PIXELS_AT_ONCE = 32_000_000  # of the images of a batch: 96 MB, so that photographs do not fill the memory
PIXELS_IN_MEMORY = 48_000_000  # of all batches that were read and not computed yet; one larger image alone


@dataclass
class Batch:
    """Images that are computed together, with the marks of what was read, and what else came of their items.

    tiles: what they cost. unchanged: ids whose content is the expected one, so that nothing was decoded.
    """

    pictures: dict[str, Image.Image] = field(default_factory=dict)
    loaded: dict[str, Loaded] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    tiles: int = 0
    pixels: int = 0

    def __len__(self) -> int:
        return len(self.pictures) + len(self.errors) + len(self.unchanged)

    def notes(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return notes on the images that were only partly read."""
        readings = {name: self.loaded[name].reading for name in names}
        return {name: one.notes for name, one in readings.items() if one is not None and one.notes}


class _Stopped(BaseException):
    """The consumer wants no more; no fault of an image, so that nobody who reports those catches it."""


class _Room:
    """Counts pixels in memory; `take` waits until there is room, or until nothing else is in memory."""

    def __init__(self, most: int) -> None:
        self.most, self.taken, self.stopped = most, 0, False
        self.changed = threading.Condition()

    def has(self, pixels: int) -> bool:
        return self.taken == 0 or self.taken + pixels <= self.most

    def take(self, pixels: int) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or self.has(pixels))
            if self.stopped:
                raise _Stopped
            self.taken += pixels

    def give(self, pixels: int) -> None:
        with self.changed:
            self.taken -= pixels
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()


def batches(
    items: Sequence[Item],
    cost: Callable[[int, int], int],
    *,
    most_tiles: int,
    first_alone: bool = False,
    expected: Mapping[str, str] | None = None,
) -> Iterator[Batch]:
    """Yield the images of the items in their order, read ahead, in batches of at most `most_tiles`.

    cost: tiles of an image of this width and height. expected: checksums of contents that need not be
    decoded again, by id. first_alone: give the first image a batch of its own. An image that cannot be read,
    for want of memory too, is an error of its batch. A batch is forgotten when the next one is asked for.
    """
    reader = _Reader(items, cost, most_tiles, first_alone, dict(expected or {}))
    thread = threading.Thread(target=reader.run, name="phi3lib image reader", daemon=True)
    thread.start()
    try:
        while (batch := reader.queue.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
            reader.room.give(batch.pixels)
    finally:
        reader.room.stop()
        thread.join()


class _Reader:
    """Reads items into batches and queues them."""

    def __init__(
        self,
        items: Sequence[Item],
        cost: Callable[[int, int], int],
        most_tiles: int,
        first_alone: bool,
        expected: dict[str, str],
    ) -> None:
        self.items, self.cost, self.most_tiles, self.expected = items, cost, most_tiles, expected
        self.first_alone = first_alone
        self.room = _Room(PIXELS_IN_MEMORY)
        self.queue: Queue[Batch | BaseException | None] = Queue()
        self.batch = Batch()

    def run(self) -> None:
        """Read all items; the end of the queue is None, or the error that ended it."""
        try:
            for item in self.items:
                self._add(item)
            self._pass_on()
            self.queue.put(None)
        except _Stopped:
            pass
        except BaseException as error:  # what is no fault of an image is the caller's to see
            self.queue.put(error)

    def _add(self, item: Item) -> None:
        taken: list[tuple[int, int]] = []

        def admit(width: int, height: int) -> None:
            taken.append(self._make_room(width, height))

        try:
            loaded = item.load(admit, self.expected.get(item.id, ""))
        except (ValueError, OSError, MemoryError) as error:
            self._give_back(taken)
            self.batch.errors[item.id] = (
                str(error) or f"not enough memory to read it ({type(error).__name__})"
            )
        else:
            self._keep(item, loaded, taken)
        if self.first_alone or len(self.batch) >= 4 * self.most_tiles:
            self.first_alone = False
            self._pass_on()

    def _keep(self, item: Item, loaded: Loaded, taken: list[tuple[int, int]]) -> None:
        if loaded.reading is None:
            self._give_back(taken)
            self.batch.unchanged.append(item.id)
        else:
            if not taken:  # an array: its size is known only now
                taken.append(self._make_room(*loaded.reading.picture.size))
            self.batch.pictures[item.id] = loaded.reading.picture
            self.batch.tiles += taken[0][0]
            self.batch.pixels += taken[0][1]
        self.batch.loaded[item.id] = loaded

    def _give_back(self, taken: list[tuple[int, int]]) -> None:
        for _, pixels in taken:
            self.room.give(pixels)

    def _make_room(self, width: int, height: int) -> tuple[int, int]:
        """Tiles and pixels of one more image; a batch that it would make too large is passed on before."""
        tiles, pixels = self.cost(width, height), width * height
        batch = self.batch
        is_full = batch.tiles + tiles > self.most_tiles or batch.pixels + pixels > PIXELS_AT_ONCE
        if batch.pictures and (is_full or not self.room.has(pixels)):
            self._pass_on()
        self.room.take(pixels)
        return tiles, pixels

    def _pass_on(self) -> None:
        if len(self.batch):
            self.queue.put(self.batch)
            self.batch = Batch()
