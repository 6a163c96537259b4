"""`embed_at_scale`: the vectors of `embed_images` in many files, whatever is killed, added or changed.

What does not depend on Ray runs in this process (`workers=0`); one cluster of two workers serves the rest,
and another one is killed.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

import phi3lib
from phi3lib import embed_images, load_clip
from phi3lib.embeddings import scale_worker
from phi3lib.embeddings.scale import embed_at_scale
from phi3lib.embeddings.scale_cluster import _require_resources
from phi3lib.embeddings.shards import MANIFEST, SUPERSEDED, Shards, cut, file_name
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.encoders import Encoder, Recipe, Recipes
from tests.warm_ray import executable_for_ray

ROOT = Path(phi3lib.__file__).resolve().parents[1]
QUIET = {"progress": False}
# Ray gives up a start in which one of its processes needs more than 15 seconds; nothing here can change that.
TOO_BUSY = "Ray could not be started within"


class Corner(Encoder):
    """An encoder without weights: the first pixels of an image. No batch changes a vector."""

    family = "corner"
    dimension = 12

    def __init__(self, name: str = "corner") -> None:
        super().__init__(name)

    @property
    def recipes(self) -> Recipes:
        return Recipes({"pixels": Recipe("pixels", "the first pixels", "", lambda x: x, lambda _: 12)})

    def features(self, images):
        pixels = [np.resize(np.asarray(image, np.float32).ravel(), self.dimension) for image in images]
        return torch.from_numpy(np.stack(pixels))

    def provenance(self, recipe):
        return {"model": self.name, "pooling": recipe.label, "dimension": self.dimension}


def draw(path: Path, number: int, seed: int = 0) -> None:
    pixels = np.random.default_rng([number, seed]).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Forty images in two subfolders, two broken ones, and a file that is none."""
    root = tmp_path / "images"
    for number in range(40):
        draw(root / f"{number % 2}" / f"{number:02}.png", number)
    (root / "0" / "broken.png").write_bytes(b"no picture")
    (root / "1" / "empty.jpg").write_bytes(b"")
    (root / "notes.txt").write_text("no picture")
    return root


def same(one: EmbeddingTable, other: EmbeddingTable) -> None:
    assert one.ids == other.ids
    assert np.array_equal(one.vectors, other.vectors)
    assert (one.errors, one.notes, one.recipe) == (other.errors, other.notes, other.recipe)


def here(folder, out, **options) -> Shards:
    options = {"model": Corner, "group": 4, "workers": 0, **QUIET, **options}
    return embed_at_scale(folder, out, **options)


def parts(out: Path) -> dict[str, int]:
    """The files of a table with the times of their last change."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("part-*.parquet")}


# --------------------------------------------------------------------------- one table in many files


def test_the_table_is_that_of_embed_images(folder, tmp_path):
    shards = here(folder, tmp_path / "out")
    wanted = embed_images(folder, model=Corner(), progress=False)
    assert len(shards.files) > 4 and len(shards) == len(wanted) == 40
    same(shards.load(), wanted)
    same(EmbeddingTable.load(tmp_path / "out"), wanted)
    assert (shards.errors, shards.notes) == (wanted.errors, wanted.notes)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *parts(tmp_path / "out"),
        MANIFEST,
        "_attempts",
    }
    assert not any((tmp_path / "out" / "_attempts").iterdir())


def test_the_order_is_that_of_embed_images_whatever_the_names(tmp_path):
    names = ("a/1.png", "a-1.png", "a.png", "a/b/1.png", "a/b.png", "A.png", "a b/1.png")
    for number, name in enumerate(names):
        draw(tmp_path / "images" / name, number)
    shards = here(tmp_path / "images", tmp_path / "out")
    assert shards.load().ids == embed_images(tmp_path / "images", model=Corner(), progress=False).ids


def test_each_file_is_a_table_that_other_programs_read(folder, tmp_path):
    import pyarrow.dataset

    here(folder, tmp_path / "out", labels={"number": list(range(42))})
    whole = pyarrow.dataset.dataset(tmp_path / "out").to_table()
    assert whole.num_rows == 40 and set(whole.column_names) == {"id", "vector", "number"}
    for name in parts(tmp_path / "out"):
        assert EmbeddingTable.load(tmp_path / "out" / name).recipe["model"] == "corner"


def test_rows_are_drawn_uniformly_and_selected_in_the_order_asked_for(folder, tmp_path):
    shards, whole = here(folder, tmp_path / "out"), embed_images(folder, model=Corner(), progress=False)
    rows = [39, 0, 7, 7 + 13, 8]
    chosen = shards.select(rows)
    assert chosen.ids == tuple(whole.ids[row] for row in rows)
    assert np.array_equal(chosen.vectors, whole.vectors[rows])
    counts = Counter(name for seed in range(100) for name in shards.sample(20, seed=seed).ids)
    assert len(counts) == 40  # 50 expected each; beyond 5 standard deviations of 5 never
    assert min(counts.values()) > 25 and max(counts.values()) < 75
    assert shards.sample(1000).ids == whole.ids
    with pytest.raises(ValueError, match="rows from 0 to 40 of a table of 40 rows"):
        shards.select([0, 40])


def test_groups_end_where_the_names_say_so():
    """An added or removed image changes one group, and now and then a neighboring one."""
    from phi3lib.embeddings.locations import Entry

    entries = [Entry(f"{number:05}.png", "", "1-1") for number in range(2000)]
    before = {file_name(group) for group in cut(entries, 32)}
    sizes = [len(group) for group in cut(entries, 32)]
    assert sum(sizes) == 2000 and max(sizes) <= 64 and min(sizes[:-1]) >= 16
    for place in (0, 777, 1999):
        added = [*entries[:place], Entry(f"{place:05}+.png", "", "1-1"), *entries[place:]]
        after = {file_name(group) for group in cut(added, 32)}
        assert 1 <= len(after - before) <= 8
    changed = [*entries[:900], Entry("00900.png", "", "1-2"), *entries[901:]]
    assert len({file_name(group) for group in cut(changed, 32)} - before) == 1


# --------------------------------------------------------------------------- again, and after changes


def test_a_second_run_computes_nothing_and_a_grown_folder_only_what_is_new(folder, tmp_path):
    out, reports = tmp_path / "out", []
    here(folder, out)
    before = parts(out)
    here(folder, out, on_report=reports.append)
    assert reports == [] and parts(out) == before
    draw(folder / "1" / "99.png", 99)
    with pytest.warns(UserWarning, match="1 files of .* are kept in '_superseded'"):
        grown = here(folder, out, on_report=reports.append)
    assert 1 <= len(reports) <= 2
    same(grown.load(), embed_images(folder, model=Corner(), progress=False))
    assert len(list((out / SUPERSEDED).iterdir())) == 1
    assert set(parts(out)) == {one.file for one in grown.files}


def test_the_bar_counts_images(folder, tmp_path, monkeypatch):
    from tqdm import tqdm

    bars = []
    monkeypatch.setattr("tqdm.auto.tqdm", lambda **options: bars.append(tqdm(**options)) or bars[-1])
    here(folder, tmp_path / "out", progress=True)
    assert (bars[0].total, bars[0].n) == (42, 42)  # with those that cannot be read


def test_changed_and_removed_images_are_followed(folder, tmp_path):
    out = tmp_path / "out"
    here(folder, out)
    draw(folder / "0" / "02.png", 2, seed=9)
    os.utime(folder / "0" / "02.png", ns=(1, 1))
    (folder / "1" / "01.png").unlink()
    draw(folder / "0" / "broken.png", 50)  # repaired
    with pytest.warns(UserWarning, match="_superseded"):
        shards = here(folder, out)
    same(shards.load(), embed_images(folder, model=Corner(), progress=False))


def test_images_that_failed_are_tried_again_when_asked_to(folder, tmp_path, monkeypatch):
    out, reports = tmp_path / "out", []
    here(folder, out)
    here(folder, out, retry_errors=True, on_report=reports.append)
    assert sorted(one.errors for one in reports) == [1, 1]


def test_labels_can_be_given_later(folder, tmp_path):
    out, reports = tmp_path / "out", []
    here(folder, out)
    names = [*embed_images(folder, model=Corner(), progress=False).ids, "0/broken.png", "1/empty.jpg"]
    labels = {"kind": {name: name[0] if "1" in name else None for name in names}}
    labeled = here(folder, out, labels=labels, on_report=reports.append).load()
    assert reports == []
    wanted = embed_images(folder, model=Corner(), progress=False, labels=labels)
    assert labeled.labels["kind"].tolist() == wanted.labels["kind"].tolist()
    before = parts(out)
    here(folder, out, labels=labels)
    assert parts(out) == before
    with pytest.raises(ValueError, match="has no entry for"):
        here(folder, out, labels={"kind": {"0/00.png": 1}})


def test_a_damaged_file_is_computed_again(folder, tmp_path):
    out = tmp_path / "out"
    here(folder, out)
    first = out / Shards.open(out).files[0].file
    first.write_bytes(first.read_bytes()[:100])
    with pytest.warns(UserWarning, match="its images are computed again"):
        shards = here(folder, out)
    same(shards.load(), embed_images(folder, model=Corner(), progress=False))


def test_another_recipe_is_refused_before_anything_is_computed(folder, tmp_path):
    out = tmp_path / "out"
    here(folder, out)
    for source in (folder, folder / "0"):
        with pytest.raises(ValueError, match="another recipe .*model: corner against other"):
            here(source, out, model=lambda: Corner("other"), on_report=lambda _: pytest.fail("it computed"))


def test_a_run_that_is_killed_is_resumed_and_says_so_meanwhile(folder, tmp_path):
    out = tmp_path / "out"

    def die(report):
        if len(parts(out)) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        here(folder, out, on_report=die)
    with pytest.raises(ValueError, match="holds 3 files of an unfinished run; resume it"):
        Shards.open(out)
    before, reports = parts(out), []
    shards = here(folder, out, on_report=reports.append)
    assert len(reports) == len(shards.files) - 3
    assert before.items() <= parts(out).items()
    same(shards.load(), embed_images(folder, model=Corner(), progress=False))


def test_what_a_killed_process_left_of_a_file_is_removed(folder, tmp_path):
    out = tmp_path / "out"
    name = here(folder, out).files[0].file
    (out / f"{name}.4711.part").write_bytes(b"half of it")
    (out / "mine.part").write_bytes(b"of somebody else")
    here(folder, out)
    assert [path.name for path in out.glob("*.part")] == ["mine.part"]


# --------------------------------------------------------------------------- images that end the process


class Killed(BaseException):
    """Stands for the end of the process."""


def deadly(name: str):
    """An encoder that ends the process at the image of this name."""
    wanted = None

    class Deadly(Corner):
        def features(self, images):
            nonlocal wanted
            if wanted is None:
                wanted = np.asarray(Image.open(name).convert("RGB"))
            if any(np.array_equal(np.asarray(image), wanted) for image in images):
                raise Killed
            return super().features(images)

    return Deadly


def test_an_image_that_ends_every_process_is_reported_and_the_run_goes_on(folder, tmp_path):
    """Two attempts at its group, and two at the image alone."""
    model, deaths = deadly(str(folder / "0" / "20.png")), 0
    for _ in range(10):
        try:
            shards = here(folder, tmp_path / "out", model=model)
            break
        except Killed:
            deaths += 1
    assert deaths == scale_worker.PLAIN + scale_worker.BLAMED
    table, wanted = shards.load(), embed_images(folder, model=Corner(), progress=False)
    lost = wanted.ids.index("0/20.png")
    assert table.ids == (*wanted.ids[:lost], *wanted.ids[lost + 1 :])
    assert dict(table.errors)["0/20.png"] == "reading or computing it ended the process, twice"
    assert {name for name, _ in table.errors} == {"0/20.png", "0/broken.png", "1/empty.jpg"}


def test_an_image_is_not_blamed_for_one_death(folder, tmp_path):
    """Machines are also switched off; then the image that was being computed is innocent."""
    killer, out = deadly(str(folder / "0" / "20.png")), tmp_path / "out"
    for _ in range(scale_worker.PLAIN + scale_worker.BLAMED - 1):
        with pytest.raises(Killed):
            here(folder, out, model=killer)
    same(here(folder, out).load(), embed_images(folder, model=Corner(), progress=False))


def test_a_group_at_which_every_worker_dies_ends_the_run(folder, tmp_path, monkeypatch):
    """When no image of it is to blame, as where the memory is too small for any."""
    monkeypatch.setattr(scale_worker.Worker, "_add", lambda *_: (_ for _ in ()).throw(Killed()))
    monkeypatch.setattr(scale_worker, "PLAIN", 100)
    for _ in range(scale_worker.MOST):
        with pytest.raises(Killed):
            here(folder, tmp_path / "out")
    with pytest.raises(RuntimeError, match="8 workers died at the images '0/00.png' to"):
        here(folder, tmp_path / "out")


# --------------------------------------------------------------------------- sources and mistakes


def test_a_bucket_gives_what_the_folder_gives(folder, tmp_path):
    """pyarrow's file systems have one interface; this one is no local folder to the package."""
    from pyarrow import fs

    (folder / ".hidden.png").write_bytes(b"x")
    bucket = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    shards = here((bucket, "images"), (bucket, "deep/out"))
    same(shards.load(), embed_images(folder, model=Corner(), progress=False))
    assert here((bucket, "images"), (bucket, "deep/out"), on_report=pytest.fail).files == shards.files
    draw(folder / "1" / "99.png", 99)
    with pytest.warns(UserWarning, match="_superseded"):
        assert len(here((bucket, "images"), (bucket, "deep/out"))) == 41
    uri = here(folder.as_uri(), (tmp_path / "by uri").as_uri())
    same(uri.load(), EmbeddingTable.load(tmp_path / "deep" / "out"))


def test_the_output_may_be_a_folder_of_the_source(folder):
    for _ in range(2):
        shards = here(folder, folder / "vectors")
        assert len(shards) == 40 and [name for name, _ in shards.notes] == ["notes.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": -1}, "workers is -1; expected a whole number, at least 0"),
        ({"group": 0}, "group is 0; expected a whole number, at least 1"),
        ({"precision": "auto"}, "workers may differ: name a precision"),
        ({"model": Corner()}, "got a Corner; each worker loads its own"),
        ({"out": 5}, "got a int; pass a folder, a URI"),
        ({"out": "nosuch://bucket/x"}, "no file system that pyarrow can open"),
        ({"source": "missing"}, "there is no folder"),
    ],
)
def test_mistakes_are_named(folder, tmp_path, options, message):
    arguments = {"source": folder, "out": tmp_path / "out", **options}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        here(arguments.pop("source"), arguments.pop("out"), **arguments)


def test_two_runs_do_not_write_one_table(folder, tmp_path):
    def again(_):
        with pytest.raises(ValueError, match="another process is writing"):
            here(folder, tmp_path / "out")

    here(folder, tmp_path / "out", on_report=again)


def test_a_source_without_readable_images_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(ValueError, match="no images found among 0 files"):
        here(tmp_path / "images", tmp_path / "out")
    (tmp_path / "images" / "a.png").write_bytes(b"x")
    with pytest.raises(ValueError, match="none of 1 pictures could be read; the first, 'a.png'"):
        here(tmp_path / "images", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="there is no table"):
        Shards.open(tmp_path / "nowhere")


LIST = {"files": [], "recipe": {}, "unreadable": [], "left_out": []}
OUTSIDE = {"file": "../../etc/passwd", "rows": 1, "errors": 0}
NEGATIVE = {"file": f"part-{24 * '0'}.parquet", "rows": -1, "errors": 0}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", {**LIST, "files": [OUTSIDE]}, {**LIST, "files": [NEGATIVE]}]
)
def test_a_damaged_or_hostile_list_of_files_is_refused(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ValueError, match="_table.json' is damaged|the file is empty"):
        Shards.open(tmp_path)


def test_without_ray_it_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'phi3lib\[scale\]'.*workers=0"):
        embed_at_scale(folder, tmp_path / "out", model=Corner, workers=2)
    assert len(here(folder, tmp_path / "out")) == 40


# --------------------------------------------------------------------------- with Ray


def test_a_cluster_needs_as_many_processors_and_devices_as_are_asked_for():
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 4, "GPU": 0.5})
    _require_resources(ray, 4, 0.5)
    with pytest.raises(ValueError, match="need 5 CPUs, and the cluster has 4"):
        _require_resources(ray, 5, 0)
    with pytest.raises(ValueError, match="need 0.75 GPUs, and the cluster has 0.5"):
        _require_resources(ray, 1, 0.75)


@pytest.fixture(scope="module")
def cluster(python, tmp_path_factory):
    """A cluster of two processors here, of forks where there are any; the last test has its own cluster."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    from phi3lib.embeddings.scale_cluster import cluster

    executable = executable_for_ray(python, tmp_path_factory.mktemp("python"))
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sys, "executable", executable)
        try:
            stack.enter_context(cluster(ray, cpus=2, gpus=0, address=None))
        except RuntimeError as error:
            pytest.skip(str(error)) if TOO_BUSY in str(error) else pytest.fail(str(error))
        yield ray


def corner():
    """`Corner` for workers, which do not have this module: a class that is sent by value."""
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return Corner


def test_two_workers_of_which_one_is_killed_give_the_table_of_embed_images(cluster, tmp_path):
    """With the bundled CLIP, to within the rounding of sums: its batches are others."""
    from phi3lib.lab import gallery

    for number, one in enumerate(gallery()[:72]):
        path = tmp_path / "images" / f"{number % 3}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        one.open().save(path)
    (tmp_path / "images" / "broken.png").write_bytes(b"no picture")
    reports, killed = [], []

    def kill_first(report):
        reports.append(report)
        if not killed:
            killed.append(report.process)
            os.kill(report.process, signal.SIGKILL)

    labels = {"number": list(range(73))}
    shards = embed_at_scale(
        tmp_path / "images", tmp_path / "out", labels=labels, group=8, on_report=kill_first, **QUIET
    )
    assert cluster.is_initialized()  # it was not started by the call
    assert "Usage" not in str(cluster.util.list_named_actors(all_namespaces=True))  # nothing is collected
    assert sorted(one.file for one in reports) == sorted(one.file for one in shards.files)
    assert len({one.process for one in reports}) >= 2 and os.getpid() not in {one.process for one in reports}
    table = shards.load()
    wanted = embed_images(tmp_path / "images", model=load_clip(), labels=labels, progress=False)
    assert table.ids == wanted.ids and table.errors == wanted.errors
    assert {**table.recipe, "versions": 0} == {**wanted.recipe, "versions": 0}
    assert table.labels["number"].tolist() == wanted.labels["number"].tolist()
    assert np.allclose(table.vectors, wanted.vectors, rtol=0, atol=1e-4 * np.abs(wanted.vectors).max())
    assert (table.unit() * wanted.unit()).sum(1).min() > 1 - 1e-5


@pytest.mark.timeout(600)  # where a slow worker is given more groups, they are waited for without end
def test_a_slow_worker_holds_up_two_groups_and_the_other_one_does_the_rest(cluster, folder, tmp_path):
    """Back-pressure, in groups: a worker has been given at most `in_flight` that it has not finished."""
    slow, gate = np.asarray(Image.open(folder / "0" / "00.png")), str(tmp_path / "gate")
    os.mkfifo(gate)
    base = corner()

    class Slow(base):
        def features(self, images):
            if any(np.array_equal(np.asarray(image), slow) for image in images):
                with open(gate) as opened:  # until somebody writes into it
                    opened.read()
            return super().features(images)

    reports = []
    wanted = here(folder, tmp_path / "wanted").load()
    groups = len(parts(tmp_path / "wanted"))

    def open_gate(report):
        reports.append(report)
        if len(reports) == groups - 2:
            Path(gate).write_text("go on")

    shards = here(folder, tmp_path / "out", model=Slow, workers=2, in_flight=2, on_report=open_gate)
    same(shards.load(), wanted)
    first = next(one for one in reports if one.file == shards.files[0].file)
    assert first in reports[-2:]
    assert len(reports) == groups  # the gate opened when all but two were done: the slow worker held no more
    with pytest.raises(ValueError, match="need 8 CPUs, and the cluster has 2"):
        here(folder, tmp_path / "other", workers=8)
    with pytest.raises(ValueError, match="need 0.5 GPUs, and the cluster has 0"):
        here(folder, tmp_path / "other", workers=2, gpus=0.25, device="cpu")


def test_a_killed_run_leaves_no_process_and_is_resumed_without_loss(folder, tmp_path, python):
    """SIGKILL, so that nothing can be cleaned up; the cluster was started by the run."""
    pytest.importorskip("ray")
    code = f"""
        import os, signal, sys
        import psutil
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from phi3lib.embeddings.scale import embed_at_scale
        from tests.embeddings.test_scale import corner

        done = []

        def die(report):
            done.append(report)
            if len(done) == 3:
                running = psutil.Process().children(recursive=True)
                # Two agents of Ray do no work; they say goodbye to the killed cluster for a minute.
                print(*(one.pid for one in running if "Agent" not in str(one.cmdline())), flush=True)
                os.kill(os.getpid(), signal.SIGKILL)

        embed_at_scale({str(folder)!r}, {str(tmp_path / "out")!r}, model=corner(), group=4, workers=1,
                       on_report=die, progress=False)
    """
    run = subprocess.run(
        [*python, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if TOO_BUSY in run.stderr:
        pytest.skip(TOO_BUSY)
    assert run.returncode == -signal.SIGKILL
    ids = [int(number) for number in run.stdout.split()]
    assert len(ids) >= 3
    left = [psutil.Process(number) for number in ids if psutil.pid_exists(number)]
    assert psutil.wait_procs(left, timeout=120)[1] == []
    finished = parts(tmp_path / "out")
    assert len(finished) >= 3 and not (tmp_path / "out" / MANIFEST).exists()
    reports = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shards = here(folder, tmp_path / "out", on_report=reports.append)
    assert len(reports) == len(shards.files) - len(finished)
    assert finished.items() <= parts(tmp_path / "out").items()
    same(shards.load(), embed_images(folder, model=Corner(), progress=False))
