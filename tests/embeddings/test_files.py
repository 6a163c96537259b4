"""A file is written whole or not at all."""

import os
import stat

import pytest

from phi3lib.embeddings.files import keep_copy, remove_leftovers, replacing


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "new folder" / "a.txt"
    with replacing(target) as temporary:
        temporary.write_text("old")
        assert not target.exists()
    assert target.read_text() == "old"

    def fail() -> None:
        with replacing(target) as half:
            half.write_text("hal")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old"
    assert [file.name for file in target.parent.iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows flushes no folders")
def test_the_content_is_flushed_before_it_gets_its_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    calls = []
    flush, replace = os.fsync, os.replace

    def flushed(descriptor):
        status = os.fstat(descriptor)
        calls.append("folder" if stat.S_ISDIR(status.st_mode) else f"{status.st_size} bytes")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", lambda *names: calls.append("name") or replace(*names))
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("whole")
    assert calls == ["5 bytes", "name", "folder"]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_copy_replaces_an_older_one_and_the_file_stays(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    path, copy = tmp_path / "a.txt", tmp_path / "a.txt.previous"
    for text in ("one", "two"):
        with replacing(path) as temporary:
            temporary.write_text(text)
        keep_copy(path, copy)
        assert path.read_text() == copy.read_text() == text
    with replacing(path) as temporary:
        temporary.write_text("three")
    assert copy.read_text() == "two" and len(list(tmp_path.iterdir())) == 2


def test_only_leftovers_of_this_file_are_removed(tmp_path):
    kept = ["a.txt", "a.txt.part", "a.txt.x.part", "b.txt.12.part", "a.txt.12.part.txt", "a.txt.12"]
    for name in [*kept, "a.txt.12.part", "a.txt.7.part"]:
        (tmp_path / name).write_text("")
    remove_leftovers(tmp_path / "a.txt")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(kept)
