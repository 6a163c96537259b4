"""Files that are written whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from phi3lib.vision.inputs import as_path

TEMPORARY = ".part"  # ending of a file that is still being written


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes the place of `path`, on an error it goes.

    The file and its folder are flushed to the disk before and after the rename, so that a power cut leaves
    the old file or the new one, whole. Missing folders are made; a leading `~` is expanded.
    """
    target = as_path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.getpid()}{TEMPORARY}")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
        flush_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def keep_copy(path: Path, copy: Path) -> None:
    """Keep the content of `path` under a second name, `copy`; `path` itself is there at every moment.

    A hard link where the file system has them, so that nothing is copied.
    """
    with replacing(copy) as temporary:
        try:
            os.link(path, temporary)
        except OSError:  # not on FAT and some network file systems
            shutil.copyfile(path, temporary)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed processes have left of `path`.

    Only the process that holds the lock of `path` may call this.
    """
    for file in path.parent.iterdir():
        number = file.name.removeprefix(path.name + ".").removesuffix(TEMPORARY)
        if file.name == f"{path.name}.{number}{TEMPORARY}" and number.isdigit():
            file.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush the list of names in a folder to the disk, where the system can (not on Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse it
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
