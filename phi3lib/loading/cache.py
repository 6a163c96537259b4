"""huggingface_hub's cache: the only folder for downloaded files, shared with every other tool.

    $HF_HUB_CACHE/models--<owner>--<name>/
        blobs/<hash>               contents by their sha256 (git's hash for small files); *.incomplete: begun
        refs/<revision>            the commit of a branch or tag when it was last fetched
        snapshots/<commit>/<file>  links to blobs (the file itself on systems without links)

The vision part of a Phi-3-vision checkpoint, 0.65 of its 8.3 GB, is a file of its own in the snapshot,
`PART_FILE`, beside the settings; `hf cache ls` counts it and `hf cache rm` removes it with the rest.
"""

import fnmatch
import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from phi3lib.loading.errors import plain_errors
from phi3lib.loading.files import replacing
from phi3lib.loading.log import tell
from phi3lib.loading.safetensors_io import (
    INDEX_FILE,
    PART_FILE,
    SINGLE_FILE,
    CheckpointError,
    NotDamagedError,
    TensorInfo,
    any_json,
    files_of_index,
    merge_ranges,
    read_json,
    tensors_of_file,
    tensors_of_folder,
    write_header,
)

if TYPE_CHECKING:
    from phi3lib.loading.hub import HubModel

# All that a model without code of its own needs; never .bin (pickle) and never .py.
SNAPSHOT_FILES = ["*.json", "*.txt", "*.jinja", "*.model", "model*.safetensors"]
BLOCK = 1 << 20
Loaded = TypeVar("Loaded")


# ------------------------------------------------------------------------------- the layout


def _repo_folder(name: str, *, locks: bool = False) -> Path:
    from huggingface_hub import constants

    root = Path(constants.HF_HUB_CACHE)
    return (root / ".locks" if locks else root) / f"models--{name.replace('/', '--')}"


def snapshot_folder(name: str, commit: str) -> Path:
    """Return the folder of a commit's files, which may be missing or incomplete."""
    return _repo_folder(name) / "snapshots" / commit


def is_commit(text: str) -> bool:
    """Return whether a text is one of git's hashes, and so no path."""
    return re.fullmatch("[0-9a-f]{40}", text) is not None


def remembered_commit(name: str, revision: str | None) -> str | None:
    """Return the commit of a revision when it was last fetched; None if it never was.

    revision None: main, else a pull request with main's weights as safetensors.
    """
    if revision and is_commit(revision):
        return revision
    refs = _repo_folder(name) / "refs"
    pull_requests = [] if revision else sorted((refs / "refs" / "pr").glob("*"))
    for ref in (refs / (revision or "main"), *pull_requests):
        with suppress(OSError, ValueError):
            commit = ref.read_text().strip()
            if is_commit(commit) and snapshot_folder(name, commit).is_dir():
                return commit
    return None


def _remember(model: "HubModel") -> None:
    """Write the ref of a snapshot that is there."""
    if model.unreachable or is_commit(model.revision) or ".." in Path(model.revision).parts:
        return
    ref = _repo_folder(model.name) / "refs" / model.revision
    with suppress(OSError):  # a read-only or full disk costs only the memory for offline use
        if not ref.is_file() or ref.read_text() != model.commit:
            with replacing(ref) as temporary:
                temporary.write_text(model.commit)


# ------------------------------------------------------------------------------- whole files


def whole_folder(model: "HubModel") -> Path:
    """Return the snapshot with all that a model needs, fetched if it is not there; raises CheckpointError."""
    folder = snapshot_folder(model.name, model.commit)
    if model.unreachable:
        if not _holds_all_weights(folder):
            raise model.unreachable
        return folder
    model.require_safetensors()
    with plain_errors(model.name):
        require_room(_repo_folder(model.name), bytes_to_fetch(model), model.name)
    for file in _wanted(model):
        file_of(model, file)
    return folder


def _wanted(model: "HubModel") -> list[str]:
    return [file for file in model.sizes if any(fnmatch.fnmatch(file, each) for each in SNAPSHOT_FILES)]


def bytes_to_fetch(model: "HubModel") -> int:
    """Return the bytes that `whole_folder` would fetch."""
    folder = snapshot_folder(model.name, model.commit)
    return sum(model.sizes[file] for file in _wanted(model) if not (folder / file).is_file())


def _holds_all_weights(folder: Path) -> bool:
    if (folder / SINGLE_FILE).is_file():
        return True
    try:
        shards = files_of_index(read_json(folder / INDEX_FILE), "", where=str(folder))
    except CheckpointError:
        return False
    return all((folder / shard).is_file() for shard in shards)


def file_of(model: "HubModel", file: str) -> Path:
    """Return a whole file of a model in the cache, fetched and checked if it is not there.

    Raises CheckpointError: its sha256 is not the one that the hub names, it is no JSON, or did not arrive.
    """
    path = snapshot_folder(model.name, model.commit) / file
    if model.unreachable:
        if not path.is_file():
            raise model.unreachable
        return path
    if not file.endswith(".safetensors"):
        model.require_small(file)
    with plain_errors(model.name):
        if path.is_file() and path.stat().st_size != model.sizes[file]:
            _remove([path], model.name)
        if not path.is_file():
            blob = _repo_folder(model.name) / "blobs" / _blob_name(model, file)
            with _locked(model.name, blob.name):
                if not blob.is_file():
                    _fetch(model, file, blob)
                _link(blob, path)
        _remember(model)
    return path


def _blob_name(model: "HubModel", file: str) -> str:
    unknown = hashlib.sha1(f"{model.commit} {file}".encode()).hexdigest()
    return model.hashes.get(file) or f"unknown-{unknown}"


@contextmanager
def _locked(name: str, blob: str) -> Iterator[None]:
    """Hold the lock that huggingface_hub takes for this blob: one process fetches it, the others wait."""
    from huggingface_hub.utils import WeakFileLock

    for folder in (_repo_folder(name, locks=True), _repo_folder(name) / "blobs"):
        folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(_repo_folder(name, locks=True) / f"{blob}.lock"):
        yield


def _fetch(model: "HubModel", file: str, blob: Path) -> None:
    """Fetch a file into its blob. With a sha256 to check, an interrupted download is kept and resumed."""
    incomplete, checked = blob.with_name(f"{blob.name}.incomplete"), len(blob.name) == 64
    resumed = checked and incomplete.is_file()
    try:
        received = _receive(model, file, incomplete, begin="a+b" if resumed else "w+b")
    except BaseException:
        if not checked or incomplete.stat().st_size == 0:
            incomplete.unlink(missing_ok=True)
        raise
    try:
        if checked and received != blob.name:
            raise CheckpointError(
                f"{file} of {model.name} arrived with another sha256 than the hub names: nothing was saved; "
                f"try again, or take another hub"
            )
        if file.endswith(".json") and file != "tokenizer.json":  # which may be large
            any_json(incomplete.read_bytes(), f"{file} of {model.name}")
        incomplete.replace(blob)
    except CheckpointError:
        incomplete.unlink(missing_ok=True)
        if not resumed:
            raise
        _fetch(model, file, blob)  # what was begun before may have been wrong


def _receive(model: "HubModel", file: str, path: Path, *, begin: str) -> str:
    """Write the bytes of a file that `path`, opened in the mode `begin`, lacks; return the sha256 of all."""
    size, sha256 = model.sizes[file], hashlib.sha256()
    with path.open(begin) as stream:
        if stream.tell() > size:
            stream.truncate(0)
        stream.seek(0)
        for block in iter(lambda: stream.read(BLOCK), b""):
            sha256.update(block)
        begun = stream.tell()
        for piece in _with_progress(model.stream_range(file, begun, size, kept=True), size - begun, file):
            stream.write(piece)
            sha256.update(piece)
    return sha256.hexdigest()


def _with_progress(pieces: Iterable[bytes], size: int, title: str) -> Iterator[bytes]:
    from huggingface_hub.utils import tqdm

    with tqdm(total=size, unit="B", unit_scale=True, desc=title, disable=size < BLOCK) as bar:
        for piece in pieces:
            yield piece
            bar.update(len(piece))


def _link(blob: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except OSError:  # Windows without the right to make links: as huggingface_hub does
        blob.replace(path)


# ------------------------------------------------------------------------------- a part of the weights


def cached_part(model: "HubModel", wanted: str) -> Path | None:
    """Return the snapshot of this very commit if it holds the tensors `wanted` and the settings, or None."""
    folder = snapshot_folder(model.name, model.commit)
    if not all((folder / file).is_file() for file in ("config.json", "preprocessor_config.json")):
        return None
    if not (folder / PART_FILE).is_file():
        try:
            if not tensors_of_folder(folder, wanted):
                return None
        except CheckpointError:  # an incomplete snapshot: then the missing bytes are fetched
            return None
    _remember(model)
    return folder


def fetch_part(model: "HubModel", infos: Sequence[TensorInfo], small_files: Sequence[str]) -> Path:
    """Fetch these tensors and small files into the model's snapshot, and return it.

    No hub names a hash of a part: the bytes are bounded and placed by the files' headers, and their own
    sha256 names the blob, so that later damage is noticed. Raises CheckpointError; then no part is kept.
    """
    folder = snapshot_folder(model.name, model.commit)
    for file in small_files:
        file_of(model, file)
    with plain_errors(model.name), _locked(model.name, f"{PART_FILE}-{model.commit}"):
        if not (folder / PART_FILE).is_file():
            blobs = _repo_folder(model.name) / "blobs"
            require_room(blobs, sum(info.size for info in infos), model.name)
            incomplete = blobs / f"{PART_FILE}-{model.commit}.incomplete"
            try:
                blob = blobs / _write_tensors(model, infos, incomplete)
                incomplete.replace(blob)
            finally:
                incomplete.unlink(missing_ok=True)
            _link(blob, folder / PART_FILE)
        _remember(model)
    return folder


def _write_tensors(model: "HubModel", infos: Sequence[TensorInfo], path: Path) -> str:
    """Write a safetensors file of these tensors; return its sha256."""
    runs, header, sha256 = merge_ranges(infos), io.BytesIO(), hashlib.sha256()
    metadata = {"format": "pt", "source": model.name, "commit": model.commit}
    write_header(header, [info for run in runs for info in run], metadata)

    def content() -> Iterator[bytes]:
        yield header.getvalue()
        for run in runs:
            yield from model.stream_range(run[0].file, run[0].start, run[-1].stop)

    size = header.tell() + sum(info.size for info in infos)
    with path.open("wb") as stream:
        for piece in _with_progress(content(), size, f"{model.name}, vision part"):
            stream.write(piece)
            sha256.update(piece)
    return sha256.hexdigest()


# ------------------------------------------------------------------------------- damage


def repairing(load: Callable[[], Loaded], name: str | None, revision: str | None) -> Loaded:
    """Return what `load` returns for a model on the hub; if its files are damaged, fetch them again once.

    name: None for a folder, which is left alone.
    Files are only checked after a failure, by the hashes that name their blobs: a load that succeeds costs
    nothing. Raises what `load` raises where the files are sound, else CheckpointError.
    """
    from huggingface_hub import constants

    try:
        return load()
    except NotDamagedError:
        raise
    except CheckpointError as error:
        commit = remembered_commit(name, revision) if name else None
        damaged = _damaged_files(name, commit) if name and commit else []
        if not name or not damaged:
            raise
        if constants.HF_HUB_OFFLINE:
            raise CheckpointError(
                f"{damaged[0]} is damaged and HF_HUB_OFFLINE is set: fetch it again where there is a network "
                f"with phi3lib.loading.checkpoints.download({name!r})"
            ) from error
        _remove(damaged, name)
    return load()


def remove_damaged(model: "HubModel") -> None:
    """Remove the files of a model in the cache whose contents are not what their hashes say."""
    if not model.unreachable and (damaged := _damaged_files(model.name, model.commit)):
        _remove(damaged, model.name)


def _damaged_files(name: str, commit: str) -> list[Path]:
    paths = sorted(snapshot_folder(name, commit).rglob("*"))
    return [path for path in paths if not path.is_dir() and _is_damaged(path)]


def _is_damaged(path: Path) -> bool:
    if not path.is_file():  # a link to a blob that is gone
        return True
    blob = path.resolve()
    if is_commit(blob.name):
        git = hashlib.sha1(b"blob %d\0" % blob.stat().st_size)  # some mirrors name the contents' own sha1
        return blob.name not in (_digest(blob, git), _digest(blob, hashlib.sha1()))
    if re.fullmatch("[0-9a-f]{64}", blob.name):
        return _digest(blob, hashlib.sha256()) != blob.name
    try:  # its hash is not known: at least it can be read
        if path.suffix == ".safetensors":
            tensors_of_file(path)
        elif path.suffix == ".json":
            any_json(path.read_bytes(), str(path))
    except CheckpointError:
        return True
    return False


def _digest(path: Path, digest: "hashlib._Hash") -> str:
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def _remove(damaged: Sequence[Path], name: str) -> None:
    for path in damaged:
        with suppress(FileNotFoundError):
            path.resolve().unlink()
        path.unlink(missing_ok=True)
    tell(f"{name}: {', '.join(path.name for path in damaged)} was damaged in the cache, fetching it again")


# ------------------------------------------------------------------------------- small things


def require_room(folder: Path, needed: int, name: str) -> None:
    """Raise CheckpointError where the disk of `folder`, which is made, has fewer than `needed` bytes left."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"no room for {name}: it needs {gigabytes(needed)} in {folder} and {gigabytes(free)} are free; "
            f"set HF_HOME to a larger disk"
        )


def gigabytes(size: int) -> str:
    """Return bytes as decimal GB with two digits, as disks are labeled; MB below 0.1 GB."""
    return f"{size / 1e9:.2f} GB" if size >= 10**8 else f"{size / 1e6:.2f} MB"
