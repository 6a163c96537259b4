"""Folders on this machine and in buckets: what images they hold, and how files are read and written there.

    location_of("photos/")                               # a folder
    location_of("s3://bucket/photos")                    # a bucket, with the credentials of the environment
    location_of((pyarrow.fs.GcsFileSystem(), "bucket/photos"))

A location can be sent to another process or machine; there, the same folder or bucket must be reachable.
"""

import io
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from phi3lib.embeddings.files import replacing
from phi3lib.embeddings.folders import Leftover, files_in, is_camera_raw, why_no_image
from phi3lib.moved import old_names
from phi3lib.vision.inputs import as_path, is_url, printable
from phi3lib.vision.picture_files import open_regular

MOST_BYTES = 1_000_000_000  # of one object in a bucket, which is read into memory as a whole


@dataclass(frozen=True)
class Entry:
    """An image of a location.

    id: its path within the location, as text. path: where `Location.open` finds it. identity: size and time
    of change, which tell a changed file from the one that was read; "" if unknown.
    """

    id: str
    path: str
    identity: str


@dataclass(frozen=True)
class Listing:
    """The images of a location sorted by path, and what in it was left out or cannot be read."""

    entries: list[Entry] = field(default_factory=list)
    left_out: list[Leftover] = field(default_factory=list)
    unreadable: list[Leftover] = field(default_factory=list)


@dataclass(frozen=True)
class Location:
    """A folder of a file system.

    filesystem: of `pyarrow.fs`; None for a folder of this machine. path: the folder in it, absolute and
    without a slash at the end.
    """

    filesystem: Any
    path: str

    def __str__(self) -> str:
        return self.path if self.filesystem is None else f"{self.filesystem.type_name}:{self.path}"

    def __truediv__(self, name: str) -> "Location":
        return Location(self.filesystem, f"{self.path}/{name}")

    def images(self, *, without: "Location") -> Listing:
        """Return the images below this folder; `without`: a folder in it that is not searched.

        Raises FileNotFoundError if there is no such folder, ValueError if two images have one id.
        """
        found = self._local_images(without) if self.filesystem is None else self._bucket_images(without)
        found.entries.sort(key=lambda one: one.id.split("/"))
        for before, after in zip(found.entries, found.entries[1:], strict=False):
            if before.id == after.id:
                raise ValueError(f"two files have the id {after.id!r}; rename one of them")
        return found

    def _local_images(self, without: "Location") -> Listing:
        folder = Path(self.path)
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {self.path!r}")
        found = files_in(folder)
        own = without.path if without.filesystem is None else ""
        entries = [
            Entry(printable(name), str(path), _identity_of(path))
            for name, path in found.files
            if not _is_below(str(path), own)
        ]
        rest = [
            [one for one in some if not _is_below(f"{self.path}/{one.name}", own)]
            for some in (found.left_out, found.unreadable)
        ]
        return Listing(entries, *rest)

    def _bucket_images(self, without: "Location") -> Listing:
        from pyarrow import fs

        listing = Listing()
        for info in self.filesystem.get_file_info(fs.FileSelector(self.path, recursive=True)):
            name = info.path.removeprefix(self.path).lstrip("/")
            is_own = without.filesystem == self.filesystem and _is_below(info.path, without.path)
            is_hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
            if info.type != fs.FileType.File or is_own or is_hidden:
                continue
            why = why_no_image(PurePosixPath(name))
            if why is None:
                identity = f"{info.size}-{info.mtime_ns}" if info.mtime_ns is not None else ""
                listing.entries.append(Entry(printable(name), info.path, identity))
            else:
                rest = listing.unreadable if is_camera_raw(PurePosixPath(name)) else listing.left_out
                rest.append(Leftover(printable(name), why))
        return listing

    def open(self, path: str) -> BinaryIO:
        """Open a file of this file system for reading. Raises OSError, or ValueError for what is no file."""
        if self.filesystem is None:
            return open_regular(path)
        # As a whole: Pillow reads small pieces, and each of them would be one request.
        with self.filesystem.open_input_stream(path) as stream:
            data = stream.read(MOST_BYTES + 1)
        if not data:
            raise ValueError("the file is empty")
        if len(data) > MOST_BYTES:
            raise ValueError(f"the file is larger than {MOST_BYTES:,} bytes")
        return io.BytesIO(data)

    def files(self) -> dict[str, int]:
        """Return the sizes of this folder's files by name, not of its subfolders; {} if it is missing."""
        if self.filesystem is None:
            if not os.path.isdir(self.path):
                return {}
            with os.scandir(self.path) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        from pyarrow import fs

        chosen = fs.FileSelector(self.path, recursive=False, allow_not_found=True)
        infos = self.filesystem.get_file_info(chosen)
        return {info.base_name: info.size for info in infos if info.type == fs.FileType.File}

    def write(self, name: str, data: bytes) -> None:
        """Write a file of this folder, whole or not at all.

        In a bucket an object appears when its upload is complete.
        """
        if self.filesystem is None:
            with replacing(f"{self.path}/{name}") as temporary:
                temporary.write_bytes(data)
            return
        self.filesystem.create_dir(self.path, recursive=True)
        with self.filesystem.open_output_stream(f"{self.path}/{name}") as stream:
            stream.write(data)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files of this folder that are there."""
        for name in self.files().keys() & set(names):
            if self.filesystem is None:
                Path(f"{self.path}/{name}").unlink(missing_ok=True)
            else:
                self.filesystem.delete_file(f"{self.path}/{name}")

    def move(self, names: Iterable[str], subfolder: str) -> None:
        """Move files of this folder into a folder below it; one of the same name there is replaced."""
        there = self / subfolder
        if self.filesystem is None:
            os.makedirs(there.path, exist_ok=True)
            for name in names:
                os.replace(f"{self.path}/{name}", f"{there.path}/{name}")
            return
        self.filesystem.create_dir(there.path, recursive=True)
        for name in names:
            self.filesystem.move(f"{self.path}/{name}", f"{there.path}/{name}")


def location_of(where: Any) -> Location:
    """Return the location that a user names: a folder, a URI of pyarrow, or (file system, path).

    The second form is "s3://…", "gs://…", "hdfs://…" or "file://…". Raises ValueError for other things.
    """
    if isinstance(where, Location):
        return where
    if isinstance(where, tuple) and len(where) == 2 and hasattr(where[0], "get_file_info"):
        return _of_filesystem(*where)
    if not isinstance(where, str | os.PathLike):
        raise ValueError(
            f"got a {type(where).__name__}; pass a folder, a URI such as 's3://bucket/photos', or a tuple "
            f"(file system of pyarrow.fs, path)"
        )
    if is_url(os.fsdecode(where)):
        return _of_uri(os.fsdecode(where))
    return Location(None, os.path.abspath(as_path(where)))


def _of_uri(uri: str) -> Location:
    import pyarrow
    from pyarrow import fs

    try:
        return _of_filesystem(*fs.FileSystem.from_uri(uri))
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"{uri[:80]!r} is no file system that pyarrow can open ({error}); for others pass a tuple "
            f"(file system, path)"
        ) from error


def _of_filesystem(filesystem: Any, path: str) -> Location:
    from pyarrow import fs

    if isinstance(filesystem, fs.LocalFileSystem):
        return Location(None, os.path.abspath(path))
    return Location(filesystem, str(path).rstrip("/"))


def _identity_of(path: Path) -> str:
    """Size and time of change. Not the numbers of device and file: they differ between machines."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # opening it will say what is wrong
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"


def _is_below(path: str, folder: str) -> bool:
    return bool(folder) and (path == folder or path.startswith(f"{folder}/"))


__getattr__ = old_names(__name__, {"Place": "Location", "place_of": "location_of"})  # changed in 0.2.0
