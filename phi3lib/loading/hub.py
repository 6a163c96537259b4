"""Models on a hub: which revision, which files, and just the bytes that are wanted.

Requests go through huggingface_hub's own session, so HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and proxies mean
what they always mean. The vision part of a Phi-3-vision checkpoint is 0.65 of its 8.3 GB: it is fetched by
ranged reads and kept as a small checkpoint folder of its own,

    $PHI3LIB_HOME/vision/<owner>--<name>/<commit>/{config.json, preprocessor_config.json, model.safetensors}

which `load_phi3_model` reads like any other folder. It appears there whole or not at all.
"""

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

from phi3lib.loading.errors import (
    HubUnreachableError,
    explained,
    may_pass,
    plain_errors,
    status_of,
    transport_errors,
)
from phi3lib.loading.safetensors_io import (
    INDEX_FILE,
    PICKLES,
    SINGLE_FILE,
    CheckpointError,
    TensorPlace,
    files_of_index,
    header_length,
    merge_ranges,
    only_pickles,
    parse_header,
    tensors_of_folder,
    write_header,
)

# All that a model without code of its own needs; never .bin (pickle) and never .py.
SNAPSHOT_FILES = ["*.json", "*.txt", "*.jinja", "*.model", "model*.safetensors"]

# A broken transfer goes on where it stopped; it is given up after this many attempts without a new byte.
ATTEMPTS = 5
FIRST_PAUSE_S = 0.5  # then 1, 2, 4
TIMEOUT_S = 10.0  # without a byte; then another attempt
# A transfer that brings fewer bytes than these in this time is given up, whatever the attempts.
PATIENCE_S, LEAST_BYTES = 20.0, 50_000
SMALL_FILE = 100_000_000  # bytes of a configuration, an index or a tokenizer at most

STALE_AFTER_S = 24 * 3600


def phi3lib_home() -> Path:
    """What this package fetched and the course trained: $PHI3LIB_HOME, or ~/.cache/phi3lib."""
    return Path(os.environ.get("PHI3LIB_HOME") or "~/.cache/phi3lib").expanduser()


@dataclass
class HubModel:
    """One revision of a model on a hub.

    sizes: bytes of each file; empty when the hub could not be asked and only this machine's memory of the
    commit is known. bytes_read: what came over the network so far, answers of the API not counted.
    """

    name: str
    commit: str
    sizes: dict[str, int] = field(default_factory=dict)
    bytes_read: int = 0

    def get(self, file: str) -> bytes:
        """A small file, whole."""
        self._require(file)
        if not 0 <= self.sizes[file] <= SMALL_FILE:
            raise CheckpointError(
                f"the hub says that {file} of {self.name} has {self.sizes[file]:,} bytes, which cannot be "
                f"right: try again later, or take another hub"
            )
        return self.get_range(file, 0, self.sizes[file])

    def get_range(self, file: str, start: int, stop: int) -> bytes:
        """Bytes `start` up to, not including, `stop` of a file."""
        return b"".join(self.stream_range(file, start, stop))

    def stream_range(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        """The same piece by piece; goes on where a transfer broke, raises CheckpointError if it cannot."""
        from huggingface_hub.errors import HfHubHTTPError

        broken: tuple[type[Exception], ...] = (*transport_errors(), HfHubHTTPError)
        position, failures, patience = start, 0, _Patience()
        while position < stop:
            before: int = position
            reason: Exception | None = None
            try:
                for piece in self._request(file, position, stop):
                    position += len(piece)
                    self.bytes_read += len(piece)
                    if position > stop:
                        raise self._misled(file, f"more than the {stop - start:,} bytes that were asked for")
                    patience.arrived(len(piece))
                    yield piece
                    if patience.is_at_an_end():
                        break
            except broken as error:
                if not may_pass(error):
                    raise
                reason = error
            if position >= stop:
                return
            failures = 1 if position > before else failures + 1
            if failures >= ATTEMPTS or patience.is_at_an_end():
                raise self._cut_short(file, position - start, stop - start, reason) from reason
            time.sleep(FIRST_PAUSE_S * 2 ** (failures - 1))

    def _misled(self, file: str, what: str) -> CheckpointError:
        return CheckpointError(
            f"the hub sent {what} of {file} of {self.name}, so it is not trusted: try again, nothing was kept"
        )

    def _cut_short(self, file: str, got: int, wanted: int, reason: Exception | None) -> CheckpointError:
        if reason is not None and status_of(reason) is not None:
            return explained(self.name, reason)
        return CheckpointError(
            f"{file} of {self.name} came cut short, {got:,} of {wanted:,} bytes: try again, nothing was kept"
        )

    def _request(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

        url = hf_hub_url(self.name, file, revision=self.commit)
        # Compressed answers would make the offsets meaningless.
        headers = {**build_hf_headers(), "Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        session = get_session()
        with session.stream(
            "GET", url, headers=headers, follow_redirects=True, timeout=TIMEOUT_S
        ) as response:
            if response.status_code >= 400:
                response.read()
            hf_raise_for_status(response)
            asked, sent = f"bytes {start}-{stop - 1}/", response.headers.get("Content-Range", "")
            if response.status_code == 206 and not sent.startswith(asked):
                raise self._misled(file, f"{sent or 'an unnamed part'} in place of {asked[:-1]}")
            # A plain 200 means the whole file: right only where that is what was asked for.
            if response.status_code != 206 and (start, stop) != (0, self.sizes.get(file)):
                raise CheckpointError(
                    f"the hub does not serve parts of {file} of {self.name}: fetch the whole model with "
                    f"language_model=True"
                )
            yield from response.iter_bytes()

    def _require(self, file: str) -> None:
        if file not in self.sizes:
            raise CheckpointError(f"{self.name} has no {file}, so it is not the checkpoint that is needed")

    def require_safetensors(self) -> None:
        """Raise CheckpointError where the weights are missing, or are pickle files."""
        if SINGLE_FILE in self.sizes or INDEX_FILE in self.sizes:
            return
        if any(file.endswith(PICKLES) for file in self.sizes):
            raise CheckpointError(only_pickles(self.name))
        raise CheckpointError(f"{self.name} has no {SINGLE_FILE}, so it is no checkpoint that can be read")

    def places(self, wanted: str) -> list[TensorPlace]:
        """Places of the tensors whose names begin with `wanted`, from the headers of their files alone."""
        self.require_safetensors()
        files = [SINGLE_FILE]
        if SINGLE_FILE not in self.sizes:
            index = parsed(self.get(INDEX_FILE), f"{INDEX_FILE} of {self.name}")
            files = files_of_index(index, wanted, where=self.name)
        places = []
        for file in files:
            self._require(file)
            length = header_length(self.get_range(file, 0, 8), file=f"{file} of {self.name}")
            header = self.get_range(file, 8, 8 + length)
            in_file = parse_header(header, file=file, file_size=self.sizes[file])
            places += [place for name, place in in_file.items() if name.startswith(wanted)]
        return places


class _Patience:
    """Whether bytes still arrive fast enough to wait for the rest."""

    def __init__(self) -> None:
        self.since, self.bytes = time.monotonic(), 0

    def arrived(self, number: int) -> None:
        """Note bytes; a period in which enough of them came begins the next one."""
        self.bytes += number
        if self.bytes >= LEAST_BYTES:
            self.since, self.bytes = time.monotonic(), 0

    def is_at_an_end(self) -> bool:
        """Whether too few bytes came for too long."""
        return time.monotonic() - self.since > PATIENCE_S


# ------------------------------------------------------------------------------- which revision


def find_model(name: str, revision: str | None = None, *, allow_conversion: bool = False) -> HubModel:
    """A model on the hub at `revision` (default: main).

    allow_conversion: where main holds pickle files only, take the hub's own conversion to safetensors, an
    open pull request of its bot (transformers does the same; the CLIP models of 2021 are such).
    Where the hub cannot be reached, the commit that was used last stands in. Raises CheckpointError.
    """
    try:
        with plain_errors(name):
            model = _ask_hub(name, revision)
            if allow_conversion and revision is None and _holds_pickles_only(model):
                model = _ask_hub(name, _conversion_of(name))
            _remember(model, revision)
            return model
    except HubUnreachableError:
        commit = _remembered_commit(name, revision)
        if commit is None:
            raise
        return HubModel(name, commit)


def _ask_hub(name: str, revision: str | None) -> HubModel:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HFValidationError

    try:
        info = HfApi().model_info(
            name, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
        sizes = {_file_name(file.rfilename): int(file.size or 0) for file in info.siblings or []}
    except HFValidationError:  # a ValueError, of which there is a better sentence
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(_no_hub(name)) from error
    if not _is_commit(str(info.sha)):
        raise CheckpointError(_no_hub(name))
    return HubModel(name, str(info.sha), sizes)


def _is_commit(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{40}", text) is not None


def _no_hub(name: str) -> str:
    from huggingface_hub import constants

    return (
        f"{constants.ENDPOINT} gave no usable answer about {name}: check that HF_ENDPOINT is a hub, and that "
        f"no login page of the network stands before it"
    )


def _file_name(name: str) -> str:
    """The name, which must be one within a model's folder: it becomes a path on this machine."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\\:\x00-\x1f]", name):
        raise CheckpointError(f"the hub names a file {name[:80]!r}, which lies outside the model's folder")
    return name


def _holds_pickles_only(model: HubModel) -> bool:
    return not any(file.endswith(".safetensors") for file in model.sizes)


def _conversion_of(name: str) -> str:
    from huggingface_hub import HfApi

    requests = HfApi().get_repo_discussions(
        name, author="SFconvertbot", discussion_type="pull_request", discussion_status="open"
    )
    title = "Adding `safetensors` variant of this model"
    # The author is asked for again: a stranger's pull request must not become anyone's weights.
    found = [pr for pr in requests if pr.title == title and pr.author == "SFconvertbot" and pr.git_reference]
    if not found:
        raise CheckpointError(only_pickles(name))
    return str(max(found, key=lambda pr: pr.num).git_reference)


def _repo_folder(name: str) -> Path:
    return phi3lib_home() / "vision" / name.replace("/", "--")


def _ref_file(name: str, revision: str | None) -> Path:
    return _repo_folder(name) / "refs" / quote(revision or "main", safe="")


def _remember(model: HubModel, revision: str | None) -> None:
    with suppress(OSError):  # a read-only or full disk costs only the memory for offline days
        write_whole(_ref_file(model.name, revision), model.commit.encode())


def _remembered_commit(name: str, revision: str | None) -> str | None:
    if revision and _is_commit(revision):
        return revision
    with suppress(OSError):
        remembered = _ref_file(name, revision).read_text().strip()
        if _is_commit(remembered):
            return remembered
    snapshot = _in_hub_cache(name, "config.json", revision or "main")
    return snapshot.parent.name if snapshot else None


def _in_hub_cache(name: str, file: str, revision: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, file, revision=revision)
    return Path(found) if isinstance(found, str) else None


# ------------------------------------------------------------------------------- folders of what was fetched


def whole_folder(model: HubModel) -> Path:
    """The folder of all that a model needs, in huggingface_hub's own cache; fetched if it is not there."""
    from huggingface_hub import snapshot_download

    if model.sizes:
        model.require_safetensors()
    with plain_errors(model.name):
        return Path(
            snapshot_download(
                model.name,
                revision=model.commit,
                allow_patterns=SNAPSHOT_FILES,
                local_files_only=not model.sizes,
            )
        )


def cached_part(model: HubModel, wanted: str) -> Path | None:
    """A folder on this machine that already holds the tensors `wanted` of this very commit, or None."""
    own = _repo_folder(model.name) / model.commit
    if own.is_dir():
        return own
    config = _in_hub_cache(model.name, "config.json", model.commit)
    if config is not None and (config.parent / "preprocessor_config.json").is_file():
        with suppress(CheckpointError):  # an incomplete snapshot: then the missing bytes are fetched
            if tensors_of_folder(config.parent, wanted):
                return config.parent
    return None


def fetch_part(model: HubModel, places: Sequence[TensorPlace], small_files: Sequence[str]) -> Path:
    """Fetch these tensors and small files into a checkpoint folder of their own, and return it.

    Everything is written under a temporary name and renamed when it is complete. Raises CheckpointError;
    then nothing is left behind.
    """
    folder = _repo_folder(model.name) / model.commit
    needed = sum(place.size for place in places)
    with plain_errors(model.name):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder.parent)
        require_room(folder.parent, needed, model.name)
        half_done = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
        try:
            for file in small_files:
                content = model.get(file)
                if file.endswith(".json"):
                    parsed(content, f"{file} of {model.name}")  # what is damaged is not kept
                (half_done / file).write_bytes(content)
            with (half_done / SINGLE_FILE).open("wb") as stream:
                _write_tensors(model, places, stream)
            half_done.chmod(0o755)  # mkdtemp makes folders for one user; caches of a room are shared
            _rename_folder(half_done, folder)
        finally:
            shutil.rmtree(half_done, ignore_errors=True)
    return folder


def _write_tensors(model: HubModel, places: Sequence[TensorPlace], stream: IO[bytes]) -> None:
    from huggingface_hub.utils import tqdm

    runs = merge_ranges(places)
    metadata = {"format": "pt", "source": model.name, "commit": model.commit}
    write_header(stream, [place for run in runs for place in run], metadata)
    total = sum(place.size for place in places)
    with tqdm(total=total, unit="B", unit_scale=True, desc=f"{model.name}, vision part") as bar:
        for run in runs:
            for piece in model.stream_range(run[0].file, run[0].start, run[-1].stop):
                stream.write(piece)
                bar.update(len(piece))


def _rename_folder(half_done: Path, folder: Path) -> None:
    try:
        half_done.rename(folder)
    except OSError:
        if not folder.is_dir():  # if it is there, another process was faster with the same bytes
            raise


def _remove_stale(folder: Path) -> None:
    """Remove what processes that were killed left behind, a day later."""
    for leftover in folder.glob(".unfinished-*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > STALE_AFTER_S:
                shutil.rmtree(leftover, ignore_errors=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it: it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, temporary = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def require_room(folder: Path, needed: int, name: str) -> None:
    """Raise CheckpointError where the disk of `folder` has fewer than `needed` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"no room for {name}: it needs {gigabytes(needed)} in {folder} and {gigabytes(free)} are free; "
            f"set PHI3LIB_HOME to a larger disk"
        )


def gigabytes(size: int) -> str:
    """Bytes as decimal GB with two digits, as disks are sold; MB below 0.1 GB."""
    return f"{size / 1e9:.2f} GB" if size >= 10**8 else f"{size / 1e6:.2f} MB"


def parsed(content: bytes, what: str) -> dict:
    """A JSON object from bytes; raises CheckpointError that names `what`."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{what} is damaged: try again") from error
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{what} is damaged: try again")
    return parsed
