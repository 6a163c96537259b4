"""Models on a hub: commits, files, and ranges of their bytes.

Requests go through huggingface_hub's session, so HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, certificates and
proxies work as usual, and downloads are kept in its cache (`phi3lib.loading.cache`). The
bytes themselves are received here, because answers of a hub are not trusted.

Measured with huggingface_hub 2.4 (benchmarks/hostile_hub.py --library): of its own calls, 11 of 44 do not end
within a minute (a silent or dripping hub, a long Retry-After), 6 fill 4 GB of memory, a range that is not the
one asked for is accepted, and a hash with slashes is written outside the cache. Measured with
benchmarks/hub_transfers.py: a range of 168 MB takes 347 MB of memory with `HfFileSystem.cat_file`, which does
not resume, and 27 requests with `HfFileSystem.open`; here 1 MB and one request. What is lost: chunks that
several models share, and several connections for one file (hf_xet).
"""

import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from phi3lib.loading.cache import gigabytes, is_commit, remembered_commit
from phi3lib.loading.errors import (
    HubUnreachableError,
    explained,
    may_pass,
    no_hub,
    plain_errors,
    seconds_to_wait,
    status_of,
    transport_errors,
)
from phi3lib.loading.log import tell
from phi3lib.loading.safetensors_io import (
    INDEX_FILE,
    PICKLES,
    SINGLE_FILE,
    CheckpointError,
    TensorInfo,
    files_of_index,
    header_length,
    only_pickles,
    parse_header,
    parsed,
)
from phi3lib.moved import old_attribute

__all__ = ["HubModel", "find_model", "gigabytes", "parsed", "phi3lib_home", "plain_errors"]

# Interrupted downloads resume; they are given up after this many attempts in a row without a new byte.
ATTEMPTS = 5
FIRST_PAUSE_S = 0.5  # then 1, 2, 4
TIMEOUT_S = 10.0  # without a byte; then another attempt
# A transfer with fewer bytes than these in this time is given up.
PATIENCE_S, LEAST_BYTES = 20.0, 50_000
SMALL_FILE = 50_000_000  # bytes of a file other than weights at most; Gemma's tokenizer has 33 MB
# Bytes at most of what is parsed as JSON (20,000 files or tensors), which may then take 40 times as many.
LONGEST_ANSWER = 4_000_000
MOST_REDIRECTS = 10


def phi3lib_home() -> Path:
    """Return the folder of what the course trained: $PHI3LIB_HOME, or ~/.cache/phi3lib."""
    return Path(os.environ.get("PHI3LIB_HOME") or "~/.cache/phi3lib").expanduser()


@dataclass
class HubModel:
    """One revision of a model on a hub.

    sizes: bytes of each file; empty if the hub could not be asked and only the commit in the cache is known.
    hashes: sha256 of each large file, git's own hash of the others. revision: the branch, tag or commit that
    was asked for. bytes_read: what was received so far, answers of the API not counted. unreachable: why the
    hub could not be asked.
    """

    name: str
    commit: str
    sizes: dict[str, int] = field(default_factory=dict)
    bytes_read: int = 0
    hashes: dict[str, str] = field(default_factory=dict)
    revision: str = "main"
    unreachable: HubUnreachableError | None = None

    places = old_attribute("places", "tensor_infos")  # changed in 0.2.0

    def get(self, file: str) -> bytes:
        """Return a small file, whole; it is not kept."""
        self.require_small(file)
        return self.get_range(file, 0, self.sizes[file])

    def get_range(self, file: str, start: int, stop: int) -> bytes:
        """Return bytes `start` up to, not including, `stop` of a file."""
        return b"".join(self.stream_range(file, start, stop))

    def stream_range(self, file: str, start: int, stop: int, *, kept: bool = False) -> Iterator[bytes]:
        """Yield the same piece by piece; resumes after a broken connection, or raises CheckpointError.

        kept: whether the caller keeps what arrived before such an error, for its sentence.
        """
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
            pause = max(FIRST_PAUSE_S * 2 ** (failures - 1), _told_to_wait(reason))
            if failures >= ATTEMPTS or patience.is_at_an_end(pause):
                raise self._cut_short(file, position - start, stop - start, reason, kept) from reason
            time.sleep(pause)

    def _misled(self, file: str, what: str) -> CheckpointError:
        return CheckpointError(
            f"the hub sent {what} of {file} of {self.name}, so it is not trusted: try again later, "
            f"or take another hub"
        )

    def _cut_short(
        self, file: str, got: int, wanted: int, reason: Exception | None, kept: bool
    ) -> CheckpointError:
        if reason is not None and status_of(reason) is not None:
            return explained(self.name, reason)
        return CheckpointError(
            f"{file} of {self.name} is incomplete, {got:,} of {wanted:,} bytes arrived: try again, "
            f"{'the download resumes' if kept else 'nothing was saved'}"
        )

    def _request(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(self.name, file, revision=self.commit)
        with _answer(url, Range=f"bytes={start}-{stop - 1}") as response:
            asked, sent = f"bytes {start}-{stop - 1}/", response.headers.get("Content-Range", "")
            if response.status_code == 206 and not sent.startswith(asked):
                raise self._misled(file, f"{sent or 'an unnamed part'} in place of {asked[:-1]}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise self._misled(file, "a compressed form")
            # A plain 200 means the whole file: right only where that is what was asked for.
            if response.status_code != 206 and (start, stop) != (0, self.sizes.get(file)):
                raise CheckpointError(
                    f"the hub does not serve parts of {file} of {self.name}: fetch the whole model with "
                    f"language_model=True"
                )
            yield from response.iter_raw()

    def require_small(self, file: str) -> None:
        """Raise CheckpointError if a file that is read as a whole is missing or very large."""
        self._require(file)
        most = LONGEST_ANSWER if file.endswith(".json") and file != "tokenizer.json" else SMALL_FILE
        if not 0 <= self.sizes[file] <= most:
            raise CheckpointError(
                f"the hub says that {file} of {self.name} has {self.sizes[file]:,} bytes, which cannot be "
                f"right: try again later, or take another hub"
            )

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

    def tensor_infos(self, wanted: str) -> list[TensorInfo]:
        """Return what the headers of the files say of the tensors whose names begin with `wanted`."""
        self.require_safetensors()
        files = [SINGLE_FILE]
        if SINGLE_FILE not in self.sizes:
            index = parsed(self.get(INDEX_FILE), f"{INDEX_FILE} of {self.name}")
            files = files_of_index(index, wanted, where=self.name)
        tensor_infos = []
        for file in files:
            self._require(file)
            begin, named = self.get_range(file, 0, 8), f"{file} of {self.name}"
            length = header_length(begin, file=named, longest=LONGEST_ANSWER)
            header = self.get_range(file, 8, 8 + length)
            in_file = parse_header(header, file=file, file_size=self.sizes[file])
            tensor_infos += [info for name, info in in_file.items() if name.startswith(wanted)]
        return tensor_infos


# ------------------------------------------------------------------------------- one answer


class _Patience:
    """Whether bytes still arrive fast enough to wait for the rest."""

    def __init__(self) -> None:
        self.since, self.bytes = time.monotonic(), 0

    def arrived(self, number: int) -> None:
        """Note bytes; a period in which enough of them came begins the next one."""
        self.bytes += number
        if self.bytes >= LEAST_BYTES:
            self.since, self.bytes = time.monotonic(), 0

    def is_at_an_end(self, pause: float = 0.0) -> bool:
        """Return whether too few bytes have arrived for too long, including a pause that is due."""
        return time.monotonic() + pause - self.since > PATIENCE_S


@contextmanager
def _answer(url: str, **headers: str) -> Iterator[Any]:
    """Return the open response of a GET, after redirects, its body unread; raises for an error status."""
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    session = get_session()
    # Compressed answers would make offsets meaningless, and their length unlimited.
    sent = {**build_hf_headers(), **headers, "Accept-Encoding": "identity"}
    request = session.build_request("GET", url, headers=sent, timeout=TIMEOUT_S)
    response = _within(PATIENCE_S, url, lambda: _without_redirects(session, request))
    try:
        if response.status_code >= 400:
            # A stand-in without a body: huggingface_hub would read an error's body whole, however long.
            told = {key: text for key, text in response.headers.items() if key in _TOLD}
            hf_raise_for_status(type(response)(response.status_code, headers=told, request=response.request))
        yield response
    finally:
        response.close()


_TOLD = ("x-error-code", "x-error-message", "retry-after")


def _without_redirects(session: Any, request: Any) -> Any:
    # Followed here: the HTTP library reads the body of a redirect whole, however long.
    for _ in range(MOST_REDIRECTS):
        response = session.send(request, stream=True, follow_redirects=False)
        if response.next_request is None:
            return response
        response.close()
        request = response.next_request
    raise CheckpointError(f"{request.url} could not be fetched, as it redirects without end: try another hub")


def _within(seconds: float, url: str, action: Callable[[], Any]) -> Any:
    """Return or raise what `action` does; CheckpointError if it takes longer.

    In a thread, since the HTTP library's timeout restarts with every byte of an answer's headers.
    """
    outcome: queue.SimpleQueue = queue.SimpleQueue()

    def act() -> None:
        try:
            outcome.put((action(), None))
        except Exception as error:  # raised again where it was asked for
            outcome.put((None, error))

    threading.Thread(target=act, daemon=True).start()
    try:
        result, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise HubUnreachableError(f"{url} did not answer within {seconds:g} s: try again later") from None
    if error is not None:
        raise error
    return result


def _told_to_wait(reason: Exception | None) -> float:
    """Seconds that a busy hub asks to wait before the next attempt; logged, since nothing seems to happen."""
    seconds = seconds_to_wait(reason) if reason is not None else 0
    if 0 < seconds <= PATIENCE_S:
        tell(f"the hub has too many requests and asks to wait {seconds} s")
    return seconds


def _ask(name: str, rest: str) -> dict:
    """Return the API's JSON object about a model; CheckpointError if it is too long, too slow or invalid."""
    from huggingface_hub import constants

    content, patience = b"", _Patience()
    with _answer(f"{constants.ENDPOINT}/api/models/{name}{rest}") as response:
        for piece in response.iter_raw():
            content += piece
            if len(content) > LONGEST_ANSWER or patience.is_at_an_end():
                raise CheckpointError(no_hub(name))
    try:
        return parsed(content, name)
    except CheckpointError as error:
        raise CheckpointError(no_hub(name)) from error


# ------------------------------------------------------------------------------- which revision


def find_model(name: str, revision: str | None = None, *, allow_conversion: bool = False) -> HubModel:
    """Return a model on the hub at `revision` (default: main).

    allow_conversion: where main holds pickle files only, take the hub's own conversion to safetensors, an
    open pull request of its bot (transformers does the same; the CLIP models of 2021 are such).
    If the hub cannot be reached, the commit that was used last is taken. Raises CheckpointError.
    """
    from huggingface_hub.utils import validate_repo_id

    try:
        with plain_errors(name):
            validate_repo_id(name)
            model = _ask_hub(name, revision)
            if allow_conversion and revision is None and _holds_pickles_only(model):
                model = _ask_hub(name, _conversion_of(name))
            return model
    except HubUnreachableError as error:
        commit = remembered_commit(name, revision)
        if commit is None:
            raise
        return HubModel(name, commit, revision=revision or commit, unreachable=error)


def _ask_hub(name: str, revision: str | None) -> HubModel:
    at = f"/revision/{quote(revision, safe='')}" if revision else ""
    info = _ask(name, f"{at}?blobs=true")
    try:
        files = {_file_name(file["rfilename"]): file for file in info["siblings"]}
        sizes = {file: int(entry.get("size") or 0) for file, entry in files.items()}
        commit, hashes = info["sha"], {file: _hash_of(entry) for file, entry in files.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(no_hub(name)) from error
    if not isinstance(commit, str) or not is_commit(commit):
        raise CheckpointError(no_hub(name))
    known = {file: text for file, text in hashes.items() if text}
    return HubModel(name, commit, sizes, hashes=known, revision=revision or "main")


def _hash_of(entry: Mapping) -> str:
    """sha256 of a large file, git's hash of another; empty where the hub names neither."""
    large, small = (entry.get("lfs") or {}).get("sha256"), entry.get("blobId")
    if isinstance(large, str) and re.fullmatch("[0-9a-f]{64}", large):
        return large
    return small if isinstance(small, str) and is_commit(small) else ""


def _file_name(name: str) -> str:
    """Return the name. CheckpointError unless it is inside a model's folder, as it becomes a path."""
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\\:\x00-\x1f]", name):
        raise CheckpointError(f"the hub names a file {name[:80]!r}, which lies outside the model's folder")
    return name


def _holds_pickles_only(model: HubModel) -> bool:
    return not any(file.endswith(".safetensors") for file in model.sizes)


def _conversion_of(name: str) -> str:
    """Return the revision of the bot's pull request; those of other authors are ignored."""
    wanted = {"title": "Adding `safetensors` variant of this model", "author": "SFconvertbot"}
    answer = _ask(name, f"/discussions?type=pull_request&status=open&author={wanted['author']}")
    try:
        numbers = [
            int(entry["num"])
            for entry in answer["discussions"]
            if entry["isPullRequest"]
            and {"title": entry["title"], "author": entry["author"]["name"]} == wanted
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(no_hub(name)) from error
    if not numbers:
        raise CheckpointError(only_pickles(name))
    return f"refs/pr/{max(numbers)}"
