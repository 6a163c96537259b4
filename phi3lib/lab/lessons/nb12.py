"""Notebook 12: a folder of generated images, workers that are killed, an honest sample, the cost on paper."""

import io
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from phi3lib.embeddings.scale import embed_at_scale
from phi3lib.embeddings.scale_cluster import cluster
from phi3lib.embeddings.scale_worker import Report
from phi3lib.embeddings.shards import Shards
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.encoders import as_encoder
from phi3lib.lab.figures import plots
from phi3lib.lab.photographs import photograph
from phi3lib.loading.defaults import DATA_FOLDER
from phi3lib.vision.inputs import as_path
from phi3lib.vision.pictures import read
from picturebook.gallery import read_gallery

LARGE = (4000, 3000)  # pixels of a photograph of 12 megapixels
STEPS = ("read the file", "decode", "reduce and compute")


# --------------------------------------------------------------------------- the folder


def sample_folder(folder: str | os.PathLike[str], count: int) -> Path:
    """Write generated images into one subfolder for each family, one broken image and a text; return it."""
    root = as_path(folder)
    for number, one in enumerate(read_gallery(DATA_FOLDER / "pictures")[:count]):
        file = root / one.family / f"{one.kind} {number:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        one.open().convert("RGB").save(file)
    (root / "shapes" / "broken.png").write_bytes(b"a download that ended early")
    (root / "notes.txt").write_text("a text, no image\n", encoding="utf-8")
    return root


def large_photograph() -> bytes:
    """Return a JPEG file of 12 megapixels: a photograph, enlarged."""
    data = io.BytesIO()
    photograph("china").resize(LARGE, Image.Resampling.BICUBIC).save(data, "JPEG", quality=90)
    return data.getvalue()


def workers_here() -> int:
    """Return 2 if Ray is installed; else 0, which computes in this process, and say so."""
    if find_spec("ray") is not None:
        return 2
    print(
        "Ray is not installed (pip install 'ray[data]'): the cells compute in this process, without workers."
    )
    return 0


def open_cluster(workers: int) -> ExitStack:
    """Start Ray for several runs, which otherwise each start it again; return what ends it by `.close()`.

    Nothing is started for `workers=0`. Without `.close()` it ends with this process.
    """
    session = ExitStack()
    if workers:
        import ray
        import ray.data

        session.enter_context(cluster(ray, cpus=workers, gpus=0, address=None))
    return session


# --------------------------------------------------------------------------- where the time goes


def step_seconds(file: Path, model: Any, *, times: int = 5) -> list[float]:
    """Return the processor seconds of the three `STEPS` for one image file: the least of several runs."""
    encoder = as_encoder(model)
    recipe = encoder.recipes.choose()
    data = file.read_bytes()
    picture = read(data).picture
    encoder.encode([picture], recipe)
    works = (file.read_bytes, lambda: read(data), lambda: encoder.encode([picture], recipe))
    return [min(_seconds(work) for _ in range(times)) for work in works]


def _seconds(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def show_steps(seconds: dict[str, Sequence[float]]) -> None:
    """Show the steps of several images as shares of each total, with milliseconds where there is room."""
    fig, axes = plots.figure(height=0.9 + 0.6 * len(seconds))
    left = np.zeros(len(seconds))
    totals = np.array([sum(parts) for parts in seconds.values()])
    names = [f"{name}\n{_milliseconds(total)}" for name, total in zip(seconds, totals, strict=True)]
    hatches = ("", "///", "...")
    for number, step in enumerate(STEPS):
        parts = np.array([parts[number] for parts in seconds.values()])
        drawn = axes.barh(
            names, parts / totals, left=left, label=step, color=plots.CLASSES[number], hatch=hatches[number],
            edgecolor="white",
        )  # fmt: skip
        said = [
            _milliseconds(part) if part > 0.08 * total else ""
            for part, total in zip(parts, totals, strict=True)
        ]
        for text in axes.bar_label(drawn, said, label_type="center", color=plots.BLACK):
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})
            text.set_visible(bool(text.get_text()))
        left += parts / totals
    axes.set_xlabel("share of the processor time of one image")
    axes.set_ylabel(" ")
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    fig.legend(loc="outside lower center", ncols=3)
    told = "; ".join(
        f"{name}: "
        + ", ".join(f"{step} {_milliseconds(part)}" for step, part in zip(STEPS, parts, strict=True))
        for name, parts in seconds.items()
    )
    plots.show(fig, alt=f"Bars: shares of three steps. {told}.")


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


# --------------------------------------------------------------------------- back-pressure


@dataclass(frozen=True)
class Line:
    """A reader and a model in line: seconds at which each image was begun by the reader and finished."""

    begun: NDArray[np.floating]
    finished: NDArray[np.floating]

    def in_memory(self) -> NDArray[np.int64]:
        """Return the number of images in memory just after the reader begins each of them: (N,)."""
        ordinals = np.arange(1, len(self.begun) + 1)
        return ordinals - np.searchsorted(self.finished, self.begun, side="right")

    def over_time(self) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """Return the times at which the number of images in memory changes, and the numbers: (2 N,) each."""
        times = np.sort(np.concatenate([self.begun, self.finished]))
        begun = np.searchsorted(np.sort(self.begun), times, side="right")
        return times, begun - np.searchsorted(self.finished, times, side="right")


def reader_and_model(count: int, reading: float, computing: float, limit: int | None = None) -> Line:
    """Return when a reader begins and a model finishes images that take so many seconds each.

    limit: the reader waits while so many images are begun and not finished; None: it never waits.
    """
    begun, finished = np.zeros(count), np.zeros(count)
    for one in range(count):
        free = begun[one - 1] + reading if one else 0.0
        if limit is not None and one >= limit:
            free = max(free, finished[one - limit])
        begun[one] = free
        finished[one] = max(free + reading, finished[one - 1] if one else 0.0) + computing
    return Line(begun, finished)


def show_lines(lines: dict[str, Line]) -> None:
    """Show the number of images in memory over time, one curve for each line."""
    fig, axes = plots.figure(height=3.2)
    styles = ("-", "--", ":")
    for number, (name, line) in enumerate(lines.items()):
        color, style = plots.CLASSES[number], styles[number % 3]
        axes.step(*line.over_time(), where="post", label=name, color=color, linestyle=style)
    axes.set_xlabel("seconds")
    axes.set_ylabel("images in memory")
    axes.set_ylim(0)
    axes.legend()
    said = "; ".join(
        f"{name}: at most {line.in_memory().max()} images, finished after {line.finished[-1]:.0f} s"
        for name, line in lines.items()
    )
    plots.show(fig, alt=f"Images in memory over time. {said}.")


# --------------------------------------------------------------------------- workers that are killed


@dataclass
class Watcher:
    """What happens during a run; it is passed as `on_report` and called after each finished group.

    stop_after: groups after which the run is interrupted as by Ctrl-C. kill_after: groups after which the
    worker that finished the last of them is killed, as by a fault of its machine.
    """

    stop_after: int | None = None
    kill_after: int | None = None
    reports: list[Report] = field(default_factory=list)
    killed: list[int] = field(default_factory=list)
    killed_at: float = 0.0

    def __call__(self, report: Report) -> None:
        """Take a report; interrupt or kill if it is time."""
        self.reports.append(report)
        if len(self.reports) == self.stop_after:
            raise KeyboardInterrupt
        if len(self.reports) == self.kill_after and report.process != os.getpid():
            os.kill(report.process, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
            self.killed.append(report.process)
            self.killed_at = time.time()

    @property
    def images(self) -> int:
        """Images of all finished groups."""
        return sum(one.rows + one.errors for one in self.reports)


def interrupted_run(source: Path, out: Path, *, after: int, **options: Any) -> Watcher:
    """Start `embed_at_scale` and interrupt it after some groups, as Ctrl-C does; return what happened."""
    watcher = Watcher(stop_after=after)
    try:
        embed_at_scale(source, out, on_report=watcher, progress=False, **options)
    except KeyboardInterrupt:
        return watcher
    raise ValueError(f"after={after}: the run was finished before; take fewer, or a smaller group=")


def show_run(watcher: Watcher) -> None:
    """Show which worker computed which group and when; a cross marks the worker that was killed."""
    start = min(one.started for one in watcher.reports)
    processes = list(dict.fromkeys(one.process for one in sorted(watcher.reports, key=lambda r: r.started)))
    fig, axes = plots.figure(height=1.1 + 0.5 * len(processes))
    for one in watcher.reports:
        number = processes.index(one.process)
        axes.barh(
            number, one.seconds, left=one.started - start, color=plots.CLASSES[number], edgecolor="white"
        )
    for process in watcher.killed:
        axes.plot(watcher.killed_at - start, processes.index(process), "X", color=plots.BLACK, markersize=10)
    axes.set_yticks(range(len(processes)), [f"worker {number + 1}" for number in range(len(processes))])
    axes.invert_yaxis()
    axes.set_xlabel("seconds since the first group was begun")
    axes.set_ylabel(" ")
    counts = Counter(one.process for one in watcher.reports)
    said = ", ".join(f"worker {n + 1} {counts[one]}" for n, one in enumerate(processes))
    cross = (
        f" A cross marks worker {processes.index(watcher.killed[0]) + 1}, which was killed."
        if watcher.killed
        else ""
    )
    plots.show(fig, alt=f"One bar for each finished group, one row for each worker: {said}.{cross}")


# --------------------------------------------------------------------------- an honest sample


def families(table: EmbeddingTable) -> list[str]:
    """Return the subfolder of each image."""
    return [name.split("/")[0] for name in table.ids]


def rank_of_nearest(sample: EmbeddingTable, shards: Shards) -> NDArray[np.int64]:
    """Return for each image of a sample the rank, among all images, of its nearest one in the sample: (n,).

    Rank 1: no image of the whole table is nearer. One file at a time is in memory.
    """
    unit = sample.unit().astype(np.float64)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = cosines.max(axis=1)
    nearer = np.zeros(len(sample), dtype=np.int64)
    own = {name: row for row, name in enumerate(sample.ids)}
    for table in shards.tables():
        found = unit @ table.unit().astype(np.float64).T
        for column, name in enumerate(table.ids):
            if name in own:
                found[own[name], column] = -np.inf
        nearer += (found > nearest[:, None] + 1e-6).sum(axis=1)  # beyond the rounding of float32
    return nearer + 1


# --------------------------------------------------------------------------- on paper


@dataclass(frozen=True)
class Plan:
    """A run on paper; every field is an assumption that you can change.

    seconds: of one worker for one image. price: of one worker for one hour, in your currency. megabytes: of
    one image file. numbers, number_bytes: of a vector. lost: share of the time that is lost to restarts and
    stragglers. scan: gigabytes per second at which one machine compares vectors in its memory.
    """

    images: int = 100_000_000
    seconds: float = 0.02
    workers: int = 64
    price: float = 0.05
    megabytes: float = 0.5
    numbers: int = 512
    number_bytes: int = 4
    lost: float = 0.1
    scan: float = 10.0

    @property
    def hours(self) -> float:
        """Hours on the clock."""
        return self.images * self.seconds / self.workers / (1 - self.lost) / 3600

    @property
    def costs(self) -> float:
        """The price of all workers; it does not depend on their number."""
        return self.hours * self.workers * self.price

    @property
    def source_terabytes(self) -> float:
        """What has to be read."""
        return self.images * self.megabytes / 1e6

    @property
    def vector_gigabytes(self) -> float:
        """What is written, and what exact search keeps in memory."""
        return self.images * self.numbers * self.number_bytes / 1e9

    @property
    def reading_gigabits(self) -> float:
        """Gigabits per second that the storage must deliver to keep the workers busy."""
        return self.source_terabytes * 8000 / (self.hours * 3600)

    @property
    def query_seconds(self) -> float:
        """Seconds of one exact query on one machine that holds all vectors."""
        return self.vector_gigabytes / self.scan

    def __str__(self) -> str:
        milliseconds = 1000 * self.seconds
        return "\n".join(
            (
                f"{self.images:,} images, {self.workers:,} workers, {milliseconds:.3g} ms for one image",
                f"  time            {self.hours:12,.1f} hours, "
                f"{self.lost:.0%} of them for restarts and slow workers",
                f"  price           {self.costs:12,.0f} in your currency, "
                f"at {self.price:g} for a worker and hour",
                f"  to read         {self.source_terabytes:12,.1f} TB "
                f"at {self.megabytes:.2g} MB for an image, {self.reading_gigabits:,.1f} Gbit/s",
                f"  vectors         {self.vector_gigabytes:12,.1f} GB, {self.numbers:,} numbers of "
                f"{self.number_bytes} bytes each",
                f"  one exact query {self.query_seconds:12,.1f} s at {self.scan:g} GB/s",
            )
        )
