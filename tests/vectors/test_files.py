"""A file is written whole or not at all."""

import pytest

from phi3lib.vectors.files import replacing


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
