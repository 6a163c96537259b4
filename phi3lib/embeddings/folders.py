"""The image files of a folder: in a stable order, linked folders once, and what is left out is reported.

A folder's files are images unless they are hidden (a leading dot), files that systems put everywhere
(`Thumbs.db`), of a type that is no image by its name (texts, tables, sound, video, archives, programs), or
the output of this package. A file without a known ending is taken for an image; reading it decides.
"""

import glob
import mimetypes
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from phi3lib.embeddings.files import TEMPORARY
from phi3lib.moved import old_names

# Endings of what stands beside a table: while it is written, and where it replaced one of other images.
SHARDS, LOCK, PREVIOUS = ".shards", ".lock", ".previous"
SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
# Types that Python's list of MIME types lacks on some systems.
NO_IMAGES = set(
    ".7z .aae .arrow .avi .cfg .css .csv .db .doc .docx .exe .feather .gz .htm .html .ini .ipynb .js .json "
    ".jsonl .lnk .lock .log .md .mkv .mov .mp3 .mp4 .npy .npz .parquet .pdf .previous .pptx .pt .py .rar "
    ".rst .safetensors .sqlite .tar .toml .tsv .txt .url .wav .webm .xlsx .xml .xmp .yaml .yml .zip".split()
)
# Pillow opens these as TIFF and would give a thumbnail instead of the photograph.
CAMERA_RAW = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"}


@dataclass(frozen=True)
class Leftover:
    """A name in a folder that gives no image, and why."""

    name: str
    reason: str


@dataclass
class FolderFiles:
    """(name within the folder, path) of each image file, sorted by path; what was left out; what failed."""

    files: list[tuple[str, Path]] = field(default_factory=list)
    left_out: list[Leftover] = field(default_factory=list)
    unreadable: list[Leftover] = field(default_factory=list)


def files_in(folder: Path, *, own: Path | None = None) -> FolderFiles:
    """Return the image files of a folder and of its subfolders.

    Linked folders are followed, each real folder once: folders before links to them. own: a table that this
    package writes; it, its shards and its lock are no images.
    """
    walk = _Walk(_own_files(own))
    walk.enter(folder, "")
    while walk.links:  # what a link leads to may hold links
        name, path = walk.links.pop(0)
        walk.enter(path, f"{name}/")
    walk.result.files.sort(key=lambda entry: entry[0].split("/"))
    return walk.result


def _own_files(own: Path | None) -> set[str]:
    if own is None:
        return set()
    further = {os.path.abspath(file) for file in own.parent.glob(f"{glob.escape(own.name)}.*{PREVIOUS}")}
    return further | {os.path.abspath(own) + ending for ending in ("", SHARDS, LOCK, PREVIOUS)}


class _Walk:
    """The way through a folder: what was found, which real folders were entered, which links wait."""

    def __init__(self, own: set[str]) -> None:
        self.own = own
        self.result = FolderFiles()
        self.links: list[tuple[str, Path]] = []
        self.entered: set[tuple[int, int]] = set()

    def enter(self, folder: Path, prefix: str) -> None:
        """Add what a folder and its subfolders hold; linked folders are put off into `links`."""
        try:
            status = folder.stat()
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as error:
            name = prefix.rstrip("/") or str(folder)
            reason = f"the folder cannot be read: {error.strerror or error}"
            self.result.unreadable.append(Leftover(name, reason))
            return
        if (status.st_dev, status.st_ino) in self.entered:
            self.result.left_out.append(
                Leftover(prefix.rstrip("/"), "a link to a folder that was read already")
            )
            return
        self.entered.add((status.st_dev, status.st_ino))
        for entry in entries:
            if not self._is_passed_over(entry):
                self._take(entry, prefix + entry.name)

    def _is_passed_over(self, entry: os.DirEntry[str]) -> bool:
        """Hidden files, and what this package writes."""
        own = os.path.abspath(entry.path) in self.own or entry.name.endswith((TEMPORARY, ".parquet" + SHARDS))
        return own or entry.name.startswith(".")

    def _take(self, entry: os.DirEntry[str], name: str) -> None:
        path = Path(entry.path)
        if not _is_folder(entry):
            _add_file(name, path, self.result)
        elif entry.is_symlink():
            self.links.append((name, path))
        else:
            self.enter(path, f"{name}/")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; opening it as a file will say what is wrong
        return False


def _add_file(name: str, path: Path, result: FolderFiles) -> None:
    why = why_no_image(path)
    if why is None:
        result.files.append((name, path))
    elif is_camera_raw(path):
        result.unreadable.append(Leftover(name, why))
    else:
        result.left_out.append(Leftover(name, why))


def is_camera_raw(path: PurePath) -> bool:
    """Return whether a file is a camera's raw file by its name: an image that cannot be read here."""
    return path.suffix.lower() in CAMERA_RAW


def why_no_image(path: PurePath) -> str | None:
    """Return why a file is no image by its name, or None; the file is not opened."""
    ending = path.suffix.lower()
    if path.name.lower() in SYSTEM_FILES:
        return "a file of the system"
    if is_camera_raw(path):
        return "a camera's raw file; export it as JPEG or PNG"
    mime_type = mimetypes.guess_type(path.name)[0] or ""
    if ending in NO_IMAGES or (mime_type and not mime_type.startswith("image/")):
        return f"by its name ({ending}) it is no image"
    return None


__getattr__ = old_names(__name__, {"Found": "FolderFiles"})  # changed in 0.2.0
