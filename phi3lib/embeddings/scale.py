"""`embed_images` with several workers, on this machine or on a cluster: the same vectors in many files.

    shards = embed_at_scale("s3://bucket/photos", "s3://bucket/vectors", workers=16, gpus=0.25)
    table = shards.sample(20_000, seed=0)

Ray Data gives groups of images to processes that hold the model (actors). Each of them reads, decodes and
computes a group and writes its file (`phi3lib.embeddings.shards`). Only names and counts pass through Ray.
A worker is given at most `in_flight` groups, and reads ahead of its model up to a number of pixels, so that
memory does not grow with the number of images.

A file appears as a whole, and its name is derived from its images. If a worker dies, another one computes its
group again into the same file; a killed run is resumed by the same call, without loss or duplicates.

Needs the extra `scale` (Ray); `workers=0` computes in this process without it.
"""

import json
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phi3lib.embeddings.labels import Column, labels_of, shown
from phi3lib.embeddings.locations import Listing, Location, location_of
from phi3lib.embeddings.scale_cluster import cluster
from phi3lib.embeddings.scale_worker import Group, Job, Report, Worker
from phi3lib.embeddings.shards import (
    MANIFEST,
    Shard,
    Shards,
    commit,
    cut,
    file_name,
    finished_files,
    header,
    read_with_metadata,
    write,
)
from phi3lib.embeddings.store import marks_entry, marks_of
from phi3lib.embeddings.table import same_recipe
from phi3lib.embeddings.trial import AUTO
from phi3lib.loading.defaults import default_models
from phi3lib.vision.inputs import as_number, as_path, as_whole

READERS = 16  # files whose headers are read at once, in a bucket one request each


def embed_at_scale(
    source: Any,
    out: Any,
    *,
    model: Any = None,
    pooling: str | None = None,
    labels: Any = None,
    workers: int = 2,
    address: str | None = None,
    cpus: int = 1,
    gpus: float = 0.0,
    device: Any = None,
    dtype: Any = None,
    precision: str | None = None,
    group: int = 256,
    in_flight: int = 2,
    retry_errors: bool = False,
    progress: bool = True,
    on_report: Callable[[Report], None] | None = None,
) -> Shards:
    """Return one vector for each image below a folder or in a bucket, computed by several processes.

    source, out: folders, URIs of pyarrow such as "s3://bucket/photos", or (file system, path); on a cluster
    all machines must reach both. The images, their ids and their order are those of `embed_images`, and so
    are the vectors, up to the rounding of sums (other batches). model: a name or folder for `load_encoder`,
    or a function without arguments that returns a model; None: the default CLIP. pooling, labels,
    precision: as for `embed_images`.

    workers: processes that hold the model; 0: compute in this process, without Ray. address: of a Ray
    cluster, such as "auto"; None: the one that `ray.init` has joined, that of `RAY_ADDRESS`, or one that is
    started on this machine and ends with the call, without dashboard and usage statistics. cpus, gpus: for
    each worker; gpus=0.25 lets four workers share a device. device, dtype: as for `load_encoder`; with gpus
    the device is "cuda". group: images in a file, about; what a killed worker may lose. in_flight: groups
    that a worker has been given, the one that it computes included.

    Images that cannot be read, or that end the process which reads them, are reported in `.errors`; they are
    tried again if their file has changed, or with retry_errors. on_report: is called after each file.

    Raises ValueError before anything is computed if labels do not fit, if `out` holds vectors of another
    recipe or is being written by another process; ValueError if no image can be read; ImportError if Ray is
    missing.
    """
    as_whole(workers, "workers", 0)
    for name, count in {"cpus": cpus, "group": group, "in_flight": in_flight}.items():
        as_whole(count, name, 1)
    as_number(gpus, "gpus", 0)
    _require_named(precision)
    ray = _ray() if workers else None
    images, target = location_of(source), location_of(out)
    listing = _require_images(images.images(without=target))
    columns = labels_of(labels, [one.id for one in listing.entries])
    device = device or ("cuda" if gpus else None)
    job = _described(Job(images, target, _named(model), pooling, device, dtype, precision, cpus))
    with _locked(target):
        run = _Run(job, listing, columns, group)
        run.keep(retry_errors=retry_errors)
        run.relabel()
        with _reports(ray, run, workers, in_flight, gpus, address) as reports:
            run.collect(reports, progress=progress, on_report=on_report)
        return run.finish()


def _require_named(precision: str | None) -> None:
    if precision == AUTO:
        raise ValueError(
            "precision='auto' is a trial on one machine, and workers may differ: name a precision"
        )


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            "embed_at_scale needs Ray for its workers: pip install 'phi3lib[scale]', or 'ray[data]'. With "
            "workers=0 it computes in this process, without Ray"
        ) from error
    return ray


def _require_images(listing: Listing) -> Listing:
    if listing.entries:
        return listing
    rest = [*listing.unreadable, *listing.left_out]
    examples = "; ".join(f"{one.name!r}: {one.reason}" for one in rest[:3])
    raise ValueError(f"no images found among {len(rest)} files{f' ({examples})' if examples else ''}")


def _named(model: Any) -> Any:
    """Return what a worker can load a model from: an absolute folder, a name on the hub, or a function."""
    if model is None:
        model = default_models().clip
    is_loaded = not isinstance(model, type) and (hasattr(model, "encode") or hasattr(model, "parameters"))
    if callable(model) and not is_loaded:
        return model
    try:
        folder = as_path(model)
    except TypeError:
        raise ValueError(
            f"model= got a {type(model).__name__}; each worker loads its own: pass a folder, a name on the "
            f"hub, or a function that returns the model, such as model=lambda: load_phi3_model(folder)"
        ) from None
    return str(folder.absolute()) if folder.is_dir() else str(model)


def _described(job: Job) -> Job:
    """Return the job with the recipe that all workers must have, of a model loaded here on the CPU."""
    encoder, recipe = replace(job, device=None).load()
    return replace(job, recipe=encoder.provenance(recipe))


@contextmanager
def _locked(out: Location) -> Iterator[None]:
    """Let one process at a time write into a folder; object stores have no such lock."""
    if out.filesystem is not None:
        yield
        return
    from filelock import FileLock, Timeout

    folder = as_path(out.path)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{out.path!r} is a file; give out= the name of a folder, such as 'vectors/'")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "_lock", timeout=0)
    try:
        with lock:
            try:
                yield
            finally:
                Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout:
        raise ValueError(
            f"another process is writing {out.path!r}; wait until it ends, or choose another out="
        ) from None


# --------------------------------------------------------------------------- one run


@dataclass
class _Run:
    """One run: the groups of the source in their order, and which of them have their file."""

    job: Job
    listing: Listing
    columns: Mapping[str, Column]
    size: int

    def __post_init__(self) -> None:
        self.groups: dict[str, Group] = {}
        start = 0
        for entries in cut(self.listing.entries, self.size):
            rows = slice(start, start + len(entries))
            labels = {name: values[rows] for name, values in self.columns.items()}
            name = file_name(entries)
            self.groups[name] = Group(name, tuple(entries), labels)
            start += len(entries)
        self.done: dict[str, Shard] = {}

    @property
    def pending(self) -> list[Group]:
        """The groups without a file."""
        return [one for name, one in self.groups.items() if name not in self.done]

    def keep(self, *, retry_errors: bool) -> None:
        """Take over the files of earlier runs. Raises ValueError if their recipe is another one."""
        found = sorted(finished_files(self.job.out.files()) & self.groups.keys())
        with ThreadPoolExecutor(READERS) as pool:
            for shard in pool.map(self._kept, found):
                if shard is not None and not (retry_errors and shard.errors):
                    self.done[shard.file] = shard
        self._require_recipe_of_list()

    def _kept(self, file: str) -> Shard | None:
        try:
            head, rows = header(self.job.out, file)
        except ValueError as error:
            warnings.warn(f"{error}; its images are computed again", stacklevel=2)
            return None
        self._require_recipe(head.recipe)
        return Shard(file, rows, len(head.errors))

    def _require_recipe_of_list(self) -> None:
        """Raise ValueError for another recipe, even where all images of the folder are others now."""
        if MANIFEST in self.job.out.files():
            self._require_recipe(Shards.open(self.job.out).recipe)

    def _require_recipe(self, found: Mapping[str, Any]) -> None:
        if different := same_recipe(found, self.job.recipe):
            raise ValueError(
                f"{str(self.job.out)!r} holds vectors of another recipe ({'; '.join(different)}): choose "
                f"another out=, or delete it"
            )

    def relabel(self) -> None:
        """Put the labels that are given now into the files of earlier runs."""
        for name in self.done if self.columns else ():
            group = self.groups[name]
            table, metadata = read_with_metadata(self.job.out, name)
            row_of = {one.id: row for row, one in enumerate(group.entries)}
            rows = [row_of[one] for one in table.ids]
            labels = {label: values[rows] for label, values in group.labels.items()}
            if any(
                name not in table.labels or shown(table.labels[name]) != shown(labels[name])
                for name in labels
            ):
                write(self.job.out, name, table.with_labels(labels), marks_entry(marks_of(metadata)))

    def collect(
        self, reports: Iterator[Report], *, progress: bool, on_report: Callable[[Report], None] | None
    ) -> None:
        """Take the reports of the workers as they come."""
        from tqdm.auto import tqdm

        pending = sum(len(one.entries) for one in self.pending)
        with tqdm(total=pending, unit="image", disable=not progress or not pending) as bar:
            for report in reports:
                self.done[report.file] = Shard(report.file, report.rows, report.errors)
                bar.update(len(self.groups[report.file].entries))
                if on_report is not None:
                    on_report(report)

    def finish(self) -> Shards:
        """Check that every group has its file, write the list of files and return the table."""
        missing = self.pending
        if missing:
            raise RuntimeError(f"{len(missing)} groups have no file; call embed_at_scale again")
        shards = Shards(
            self.job.out,
            tuple(self.done[name] for name in self.groups),
            self.job.recipe,
            tuple((one.name, one.reason) for one in self.listing.unreadable),
            tuple((one.name, one.reason) for one in self.listing.left_out),
        )
        if not len(shards):
            name, why = shards.errors[0]
            count = len(self.listing.entries)
            raise ValueError(f"none of {count} pictures could be read; the first, {name!r}: {why}")
        commit(shards)
        return shards


# --------------------------------------------------------------------------- workers


@contextmanager
def _reports(
    ray: Any, run: _Run, workers: int, in_flight: int, gpus: float, address: str | None
) -> Iterator[Iterator[Report]]:
    """Yield the reports of all pending groups: of this process, or of workers of Ray."""
    pending = run.pending
    if not pending:
        yield iter(())
    elif ray is None:
        worker = Worker(run.job)
        yield (worker.embed(one) for one in pending)
    else:
        with cluster(ray, cpus=workers * run.job.cpus, gpus=workers * gpus, address=address):
            reports = _of_ray(ray, run.job, pending, workers, in_flight, gpus)
            try:
                yield reports
            finally:
                reports.close()  # otherwise threads of an interrupted dataset would start Ray again


def _of_ray(
    ray: Any, job: Job, pending: Sequence[Group], workers: int, in_flight: int, gpus: float
) -> Generator[Report, None, None]:
    """Yield reports as workers finish groups, each of which is one block of a dataset."""
    workers = min(workers, len(pending))
    # Not from_arrow, which starts processes that only count the rows of each block.
    reports = ray.data.from_blocks([one.to_arrow() for one in pending]).map_batches(
        Worker,
        fn_constructor_args=(job,),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=in_flight),
        num_cpus=job.cpus,
        num_gpus=gpus,
    )
    for batch in reports.iter_batches(prefetch_batches=0, batch_size=None):  # each report as soon as it comes
        for text in batch["report"]:
            yield Report(**json.loads(str(text)))
