"""Folders and buckets: which images they hold, and when one counts as changed."""

import os

import pytest
from PIL import Image

from phi3lib.embeddings import locations
from phi3lib.embeddings.locations import Location, location_of


@pytest.fixture
def bucket(tmp_path):
    """A function that returns a folder as a location in a file system of pyarrow."""
    from pyarrow import fs

    filesystem = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    return lambda name: location_of((filesystem, name))


def write(*files):
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(file, "PNG")


def ids(location: Location, without: Location) -> list[str]:
    return [one.id for one in location.images(without=without).entries]


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_only_the_folder_of_the_output_is_passed_over(tmp_path, bucket, kind):
    root = tmp_path / "images"
    names = ["a-1.png", "out/1.png", "out/deep/1.png", "out2/1.png", "outer.png", "a/1.png"]
    write(*(root / name for name in names))
    location = location_of(root) if kind == "folder" else bucket("images")
    left = ["a/1.png", "a-1.png", "out2/1.png", "outer.png"]  # by the names of folders, not by letters
    assert ids(location, location / "out") == left
    assert len(ids(location, location_of(tmp_path / "elsewhere"))) == 6


def test_two_images_of_one_name_are_refused(tmp_path):
    write(tmp_path / r"caf\xe9.png", tmp_path / "b.png")
    try:
        os.rename(tmp_path / "b.png", os.fsencode(tmp_path) + b"/caf\xe9.png")  # shown in the same way
    except OSError:
        pytest.skip("this disk has only names in UTF-8")
    with pytest.raises(ValueError, match="two files have the id .*rename one"):
        location_of(tmp_path).images(without=location_of(tmp_path / "out"))


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_an_image_has_changed_if_its_time_or_its_size_has(tmp_path, bucket, kind):
    file = tmp_path / "images" / "1.png"
    write(file)
    location = location_of(tmp_path / "images") if kind == "folder" else bucket("images")

    def identity():
        return location.images(without=location / "out").entries[0].identity

    os.utime(file, ns=(1_000, 5_000))
    before = identity()
    os.utime(file, ns=(9_000, 5_000))
    assert identity() == before and before
    os.utime(file, ns=(1_000, 6_000))
    assert identity() != before
    file.write_bytes(file.read_bytes() + b"more")
    os.utime(file, ns=(1_000, 5_000))
    assert identity() != before


def test_a_large_object_is_refused_and_never_cut(tmp_path, bucket, monkeypatch):
    monkeypatch.setattr(locations, "MOST_BYTES", 100)
    location = bucket("")
    for size in (100, 101, 150, 0):
        (tmp_path / str(size)).write_bytes(b"x" * size)
    assert len(location.open("100").read()) == 100
    for size, words in (("101", "larger than 100 bytes"), ("150", "larger than 100"), ("0", "is empty")):
        with pytest.raises(ValueError, match=words):
            location.open(size)
