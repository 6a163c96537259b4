"""A run that is killed at any step can be resumed: the same vectors, no wrong row, no lost table or label.

The kill is simulated: one call that changes the disk raises `Killed`, and so does every later one, so that
no `finally` can remove what a killed process would leave behind.
"""

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from phi3lib.embeddings import embed as embed_module
from phi3lib.embeddings import store as store_module
from phi3lib.embeddings.embed import embed_images
from phi3lib.embeddings.labels import shown
from phi3lib.embeddings.table import EmbeddingTable
from phi3lib.encoders.clip import ClipEncoder

CALLS = ("replace", "fsync", "unlink", "rmdir", "mkdir", "link")


class Killed(BaseException):
    """Stands for the end of the process."""


class Disk:
    """Counts the calls that change the disk, and ends the process at one of them."""

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.count = 0

    def step(self) -> None:
        """Count a call; from the last one on, raise Killed instead."""
        self.count += 1
        if self.last is not None and self.count >= self.last:
            raise Killed

    def watch(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        """Count the calls for files in this folder."""
        for name in CALLS:
            patch.setattr(os, name, self._watched(getattr(os, name), name, folder))
        write = pyarrow.parquet.write_table

        def write_table(table, file, **options):
            try:
                self.step()
            except Killed:
                if self.count == self.last:  # half of the file is on the disk
                    write(table, file, **options)
                    file.truncate(file.tell() // 2)
                raise
            write(table, file, **options)

        patch.setattr(pyarrow.parquet, "write_table", write_table)
        patch.setattr(os, "getpid", lambda: 2**22 + 1)  # the next run is another process

    def _watched(self, call, name, folder):
        def watched(first, *arguments, **options):
            of_lock = str(first).endswith(store_module.LOCK)  # the system releases it when a process ends
            inside = isinstance(first, int) or str(folder) in str(first) or "dir_fd" in options
            if inside and not of_lock:
                self.step()
            return call(first, *arguments, **options)

        watched.__name__ = name
        return watched


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(5):
        _draw(tmp_path / "photos", number)
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    return tmp_path / "photos"


def _draw(folder: Path, number: int, seed: int = 0) -> None:
    pixels = np.random.default_rng([number, seed]).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{number}.png")


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    """Two images in a batch and in a shard; a vector is the picture's own pixels, so no batch changes it."""
    monkeypatch.setattr(store_module, "SHARD", 2)
    monkeypatch.setattr(embed_module, "TILES_AT_ONCE", 2)

    def first_pixels(encoder, images, recipe):
        width = recipe.width(encoder)
        return torch.from_numpy(np.stack([_vector(image, width) for image in images]))

    monkeypatch.setattr(ClipEncoder, "encode", first_pixels)


def _vector(picture: Image.Image, width: int) -> np.ndarray:
    return np.resize(np.asarray(picture, np.float32).ravel(), width)


def _is_killed_at(step: int, run, folder: Path) -> bool:
    """Run until this step; return whether the run had so many."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Disk(step).watch(patch, folder)
        try:
            run()
        except Killed:
            return True
    return False


def _steps(run, folder: Path) -> int:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        disk = Disk(None)
        disk.watch(patch, folder)
        run()
    return disk.count


def _restored(folder: Path, kept: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)


def _grown(photos: Path) -> None:
    for number in (6, 7, 8):
        _draw(photos, number)


def _changed(photos: Path) -> None:
    _draw(photos, 1, seed=9)
    (photos / "2.png").unlink()


@pytest.mark.parametrize("change", [None, _grown, _changed], ids=["first run", "more images", "other images"])
def test_a_run_that_is_killed_at_any_step_can_be_resumed(clip, folder, tmp_path, change):
    work = tmp_path / "work"
    work.mkdir()
    out = work / "v.parquet"
    labels = {"n": {f"{number}.png": number for number in range(9)} | {"broken.png": -1}}

    def run(**options):
        return embed_images(folder, model=clip, out=out, progress=False, **options)

    if change is not None:
        run(labels=labels)
        change(folder)
    before = EmbeddingTable.load(out) if change is not None else None
    shutil.copytree(work, tmp_path / "kept")
    steps = _steps(run, work)
    wanted = EmbeddingTable.load(out)
    assert [name for name, _ in wanted.errors] == ["broken.png"]
    assert steps >= 10
    for step in range(1, steps + 1):
        _restored(work, tmp_path / "kept")
        assert _is_killed_at(step, run, work)
        if out.exists():
            found = EmbeddingTable.load(out)
            assert any(_same(found, whole) for whole in (before, wanted) if whole is not None)
        else:
            assert before is None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = run()
        assert _same(again, wanted) and _same(EmbeddingTable.load(out), wanted)
        assert {file.name for file in work.iterdir()} <= {"v.parquet", "v.parquet.previous"}
        if (work / "v.parquet.previous").exists():
            assert _same(EmbeddingTable.load(work / "v.parquet.previous"), before)


@pytest.mark.parametrize("seed", range(8))
def test_a_run_that_is_killed_again_and_again_comes_to_the_same_end(clip, folder, tmp_path, seed):
    rng, out = np.random.default_rng(seed), tmp_path / "work" / "v.parquet"
    wanted = embed_images(folder, model=clip, progress=False)

    def run():
        return embed_images(folder, model=clip, out=out, progress=False)

    for step in rng.integers(1, 16, size=9):
        _is_killed_at(int(step), run, out.parent)
        assert not out.exists() or _same(EmbeddingTable.load(out), wanted)
    assert _same(run(), wanted) and _same(EmbeddingTable.load(out), wanted)
    assert [file.name for file in out.parent.iterdir()] == ["v.parquet"]


def _same(one: EmbeddingTable, other: EmbeddingTable) -> bool:
    return (
        one.ids == other.ids
        and np.array_equal(one.vectors, other.vectors)
        and one.errors == other.errors
        and {name: shown(values) for name, values in one.labels.items()}
        == {name: shown(values) for name, values in other.labels.items()}
    )
