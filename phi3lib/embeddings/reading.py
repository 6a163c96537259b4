"""Images read ahead of the model: on several threads, in batches, bounded by pixels in memory."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Queue

from PIL import Image

from phi3lib.embeddings.run_time import usable_cores
from phi3lib.embeddings.sources import Item, Loaded
from phi3lib.vision.pictures import Least

PIXELS_AT_ONCE = 32_000_000  # of the images of a batch: 96 MB, so that photographs do not fill the memory
PIXELS_IN_MEMORY = 48_000_000  # of all batches that were read and not computed yet; one larger image alone


@dataclass
class Batch:
    """Images that are computed together, with the fingerprints of their files, errors, and unchanged items.

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
    """Raised in the reader's threads when the consumer stops; not an Exception, so it is not reported as an
    unreadable image."""


class _Room:
    """Counts pixels in memory; images reserve room in their order, so that no two wait for each other."""

    def __init__(self, most: int) -> None:
        self.most, self.taken, self.turn, self.stopped = most, 0, 0, False
        self.changed = threading.Condition()

    def has(self, pixels: int) -> bool:
        return self.taken == 0 or self.taken + pixels <= self.most

    def wait_for_turn(self, number: int) -> None:
        """Wait until all images of smaller numbers have ended their turn."""
        with self.changed:
            self._wait_for(lambda: self.turn == number)

    def end_turn(self) -> None:
        with self.changed:
            self.turn += 1
            self.changed.notify_all()

    def take(self, pixels: int) -> None:
        """Wait until there is room, or until nothing else is in memory."""
        with self.changed:
            self._wait_for(lambda: self.has(pixels))
            self.taken += pixels

    def give(self, pixels: int) -> None:
        with self.changed:
            self.taken -= pixels
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        self.changed.wait_for(lambda: self.stopped or condition())
        if self.stopped:
            raise _Stopped


def batches(
    items: Sequence[Item],
    cost: Callable[[int, int], int],
    *,
    most_tiles: int,
    first_alone: bool = False,
    expected: Mapping[str, str] | None = None,
    least: Least | None = None,
) -> Iterator[Batch]:
    """Yield the images of the items in their order, read ahead, in batches of at most `most_tiles`.

    cost: tiles of an image of this width and height. expected: checksums of contents that need not be
    decoded again, by id. first_alone: give the first image a batch of its own. least: width and height that
    are needed of an image; see `phi3lib.vision.pictures.read`. An image that cannot be read, also for lack of
    memory, is an error of its batch. A batch is released when the next one is requested. Files are
    decoded on all cores.
    """
    reader = _Reader(items, cost, most_tiles, first_alone, dict(expected or {}), least)
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


@dataclass
class _Ticket:
    """An image that is being read.

    decided: set when it is known whether it begins a batch. tiles, pixels: what it was admitted with.
    """

    number: int
    item: Item
    decided: threading.Event = field(default_factory=threading.Event)
    begins: bool = False
    is_admitted: bool = False
    tiles: int = 0
    pixels: int = 0


class _Reader:
    """Reads items on several threads, puts them into batches in their order, and queues these."""

    def __init__(
        self,
        items: Sequence[Item],
        cost: Callable[[int, int], int],
        most_tiles: int,
        first_alone: bool,
        expected: dict[str, str],
        least: Least | None,
    ) -> None:
        self.items, self.cost, self.most_tiles, self.expected = items, cost, most_tiles, expected
        self.first_alone, self.least = first_alone, least
        self.room = _Room(PIXELS_IN_MEMORY)
        self.queue: Queue[Batch | BaseException | None] = Queue()
        self.batch = Batch()
        self.planned_tiles = self.planned_pixels = 0  # of the batch that the next image may come into

    def run(self) -> None:
        """Read all items; the end of the queue is None, or the error that ended it."""
        try:
            self._read_all()
            self._pass_on()
            self.queue.put(None)
        except _Stopped:
            pass
        except BaseException as error:  # an error that is not an image's is raised in the caller
            self.room.stop()
            self.queue.put(error)

    def _read_all(self) -> None:
        threads = usable_cores()
        tickets = (_Ticket(number, item) for number, item in enumerate(self.items))
        coming: deque[tuple[_Ticket, Future[Loaded | str]]] = deque()
        with ThreadPoolExecutor(threads, "phi3lib image reader") as pool:
            try:
                for ticket in tickets:
                    coming.append((ticket, pool.submit(self._load, ticket)))
                    if len(coming) > 2 * threads:
                        self._add(*coming.popleft())
                while coming:
                    self._add(*coming.popleft())
            except BaseException:
                self.room.stop()  # the threads wait for it
                raise

    def _load(self, ticket: _Ticket) -> Loaded | str:
        """Return the decoded image, or why it cannot be read; called on the threads."""
        try:
            try:
                return self._decode(ticket)
            except (ValueError, OSError, MemoryError) as error:
                self.room.give(ticket.pixels)
                return str(error) or f"not enough memory to read it ({type(error).__name__})"
            finally:
                if not ticket.is_admitted:
                    self.room.wait_for_turn(ticket.number)
                    self.room.end_turn()
        finally:
            ticket.decided.set()

    def _decode(self, ticket: _Ticket) -> Loaded:
        def admit(width: int, height: int) -> None:
            self._admit(ticket, width, height)

        item = ticket.item
        if not item.is_own:
            self.room.wait_for_turn(ticket.number)
        loaded = item.load(admit, self.expected.get(item.id, ""), self.least)
        if loaded.reading is None:
            self.room.give(ticket.pixels)
        elif not ticket.is_admitted:  # an array: its size is known only now
            admit(*loaded.reading.picture.size)
        return loaded

    def _admit(self, ticket: _Ticket, width: int, height: int) -> None:
        """Wait for the image's turn and for room; a batch that it would make too large ends before it."""
        self.room.wait_for_turn(ticket.number)
        tiles, pixels = self.cost(width, height), width * height
        planned_tiles, planned_pixels = self.planned_tiles + tiles, self.planned_pixels + pixels
        is_full = planned_tiles > self.most_tiles or planned_pixels > PIXELS_AT_ONCE
        ticket.begins = is_full or not self.room.has(pixels)
        if ticket.begins:
            planned_tiles, planned_pixels = tiles, pixels
        if not (self.first_alone and ticket.number == 0):
            self.planned_tiles, self.planned_pixels = planned_tiles, planned_pixels
        ticket.decided.set()
        self.room.take(pixels)
        ticket.tiles, ticket.pixels, ticket.is_admitted = tiles, pixels, True
        self.room.end_turn()

    def _add(self, ticket: _Ticket, coming: "Future[Loaded | str]") -> None:
        """Put the next image into its batch."""
        ticket.decided.wait()
        if ticket.begins:
            self._pass_on()
        found, name = coming.result(), ticket.item.id
        if isinstance(found, str):
            self.batch.errors[name] = found
        else:
            self.batch.loaded[name] = found
            if found.reading is None:
                self.batch.unchanged.append(name)
            else:
                self.batch.pictures[name] = found.reading.picture
                self.batch.tiles += ticket.tiles
                self.batch.pixels += ticket.pixels
        if self.first_alone or len(self.batch) >= 4 * self.most_tiles:
            self.first_alone = False
            self._pass_on()

    def _pass_on(self) -> None:
        if len(self.batch):
            self.queue.put(self.batch)
            self.batch = Batch()
