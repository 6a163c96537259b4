"""A hub on loopback: serves checkpoint folders the way huggingface_hub asks for them, and can misbehave.

    with HubStandIn() as hub:
        hub.add("microsoft/Phi-3.5-vision-instruct", folder)
        hub.fail("model.safetensors", "cut")

Weights are answered with a redirect to another origin (`localhost` in place of `127.0.0.1`), as the real
hub does with its content network. Every request is recorded with the bytes that were sent for it.
"""

import gzip
import hashlib
import json
import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

PIECE = 1 << 20
BUSY = ("silent", "drip", "drip_headers", "drip_and_break", "endless", "endless_error", "endless_redirect")
LONGEST_HASHED = 10**8


@dataclass
class Request:
    """One request as it was answered. body_bytes: what was really sent, headers not counted."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    status: int = 0
    body_bytes: int = 0

    @property
    def is_api(self) -> bool:
        return self.path.startswith("/api/")


@dataclass
class Repository:
    """One revision of a model. token: who lacks it gets 401, as for a private model."""

    name: str
    folder: Path
    commit: str
    token: str | None = None

    def files(self) -> dict[str, Path]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path for path in paths}


@dataclass
class Failure:
    """What goes wrong for paths that contain `part`: a status, "gated", "cut" or "ignore_range"."""

    part: str
    kind: int | str | bytes
    times: int


@dataclass
class HubStandIn:
    """The server; `with` starts and stops it."""

    requests: list[Request] = field(default_factory=list)
    discussions: dict[str, list[dict]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._repositories: dict[tuple[str, str], Repository] = {}
        self._failures: list[Failure] = []
        self._lock = threading.Lock()
        self.stopped = False
        self.drip_s = 0.02
        self.pause = threading.Event()  # set at the end, so that no answer waits any longer
        hub = self

        class Handler(_Handler):
            stand_in = hub

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Say nothing when a client hangs up in the middle: some tests make it do so."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the port: from now on the hub is unreachable, through old connections too."""
        self.stopped = True
        self.pause.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def add(self, name: str, folder: Path, *, revision: str = "main", token: str | None = None) -> Repository:
        """Serve a folder as a model. The same call with another folder is a new commit of the revision."""
        commit = hashlib.sha1(f"{name} {revision} {folder}".encode()).hexdigest()
        repository = Repository(name, Path(folder), commit, token)
        self._repositories[name, revision] = self._repositories[name, commit] = repository
        return repository

    def fail(self, part: str, kind: int | str | bytes, *, times: int = 10**9) -> None:
        """Answer the next `times` requests for paths that contain `part` wrongly.

        kind: an HTTP status; "gated" (403); "cut" (half of the bytes, then the connection breaks);
        "ignore_range" (the whole file, whatever was asked for); "other_range" (the bytes before);
        "endless" (more bytes than were asked for, without end; "endless_error" and "endless_redirect" with
        such a status); "silent" (nothing, while the client waits); "drip" (one byte every `drip_s` seconds;
        "drip_headers" already before the body; "drip_and_break" one for each request); "bomb" (compressed);
        "loop" (a redirect to the same address); "wait N" (429 with Retry-After: N); "path" (a hash with
        slashes); or the body of an answer.
        """
        self._failures.append(Failure(part, kind, times))

    def repair(self) -> None:
        """Everything works again."""
        self._failures.clear()

    def forget(self) -> None:
        """Start counting anew."""
        self.requests.clear()

    def bytes_served(self, part: str = "", *, api: bool = False) -> int:
        """Bytes sent for paths that contain `part`; the API's answers only with `api`."""
        return sum(r.body_bytes for r in self.requests if part in r.path and (api or not r.is_api))

    # ---------------------------------------------------------------- for the handler

    def record(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def failure_for(self, path: str) -> int | str | bytes | None:
        with self._lock:
            for failure in self._failures:
                if failure.part in path and failure.times > 0:
                    failure.times -= 1
                    return failure.kind
        return None

    def find(self, name: str, revision: str) -> Repository | None:
        return self._repositories.get((name, revision))

    def revisions(self, name: str) -> list[str]:
        return [revision for known, revision in self._repositories if known == name]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: HubStandIn

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.stand_in.stopped:
            self.close_connection = True
            return None
        path = unquote(urlsplit(self.path).path)
        self.request_record = Request(
            self.command, path, self.headers.get("Range"), self.headers.get("Authorization")
        )
        self.stand_in.record(self.request_record)
        self.failure = self.stand_in.failure_for(path)
        if isinstance(self.failure, int):
            return self._refuse(self.failure)
        if self.failure == "gated":
            return self._refuse(403, "GatedRepo")
        if self.failure in BUSY:
            return self._keep_busy(str(self.failure))
        if self.failure == "bomb":
            return self._bomb()
        if isinstance(self.failure, str) and self.failure.startswith("wait "):
            return self._refuse(429, headers={"Retry-After": self.failure.removeprefix("wait ")})
        if self.failure == "loop":
            return self._head(302, 0, {"Location": f"{self.stand_in.url}{self.path}"})
        if isinstance(self.failure, bytes):
            return self._body(self.failure)
        if path.startswith("/api/models/"):
            return self._api(path.removeprefix("/api/models/"))
        return self._file(path)

    def _keep_busy(self, kind: str) -> None:
        """Send nothing, a byte now and then, or bytes without end, until the client hangs up."""
        self.close_connection = True
        if kind == "drip_headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        elif kind != "silent":
            self.send_response({"endless_error": 500, "endless_redirect": 302}.get(kind, 206))
            asked = self.headers.get("Range", "bytes=0-0").removeprefix("bytes=")
            self.send_header("Content-Range", f"bytes {asked}/{10**10}")
            if kind == "endless_redirect":
                self.send_header("Location", f"{self.path.partition('?')[0]}?again")
            self.end_headers()
        while not self.stand_in.stopped:
            if kind == "silent" and not self.connection.recv(1, socket.MSG_PEEK):
                return
            try:
                self.wfile.write(b"x" * (PIECE if kind.startswith("endless") else 1))
            except OSError:
                return
            if kind == "drip_and_break":
                return
            if kind.startswith("drip"):
                self.stand_in.pause.wait(self.stand_in.drip_s)

    def _bomb(self) -> None:
        """A few compressed bytes that become 10 GB; where nothing compressed was asked for."""
        zeros = gzip.compress(gzip.compress(b"\0" * 10**7) * 1000)
        self._head(206, len(zeros), {"Content-Encoding": "gzip, gzip"})
        self.wfile.write(zeros)

    def _body(self, content: bytes) -> None:
        self._head(200, len(content), {"Content-Type": "text/html"})
        if self.command == "GET":
            self.wfile.write(content)

    # ---------------------------------------------------------------- the API

    def _api(self, rest: str) -> None:
        parts = rest.split("/")
        name, call, argument = "/".join(parts[:2]), parts[2:3], "/".join(parts[3:])
        revision = self._known_revision(name, argument) if argument else "main"
        below = argument[len(revision) + 1 :]  # tree/main/some/folder
        if call == ["discussions"]:
            listed = self.stand_in.discussions.get(name, [])
            return self._json({"discussions": listed, "count": len(listed), "start": 0})
        repository = self._repository(name, revision)
        if repository is None:
            return None
        paths = repository.files()
        if call == ["tree"]:
            paths = {file: path for file, path in paths.items() if file.startswith(below)}
            if not paths:
                return self._refuse(404, "EntryNotFound")
            return self._json([_listed(file, path, "path", "oid") for file, path in paths.items()])
        if call in ([], ["revision"]):
            siblings = [_listed(file, path, "rfilename", "blobId") for file, path in paths.items()]
            answer = {"_id": "0", "id": name, "modelId": name, "sha": repository.commit, "private": False}
            return self._json({**answer, "gated": False, "tags": [], "siblings": siblings})
        return self._refuse(404)

    def _known_revision(self, name: str, rest: str) -> str:
        """The revision at the beginning of a path; some, such as refs/pr/1, hold slashes themselves."""
        known = [r for r in self.stand_in.revisions(name) if f"{rest}/".startswith(f"{r}/")]
        return max(known, key=len, default=rest.split("/")[0])

    def _repository(self, name: str, revision: str) -> Repository | None:
        """The revision that is asked for; None when a refusal has been sent."""
        repository = self.stand_in.find(name, revision)
        if repository is None:
            # The real hub answers 401 for models that it does not know, lest it betray private ones.
            known = bool(self.stand_in.revisions(name))
            self._refuse(404 if known else 401, "RevisionNotFound" if known else "RepoNotFound")
            return None
        if repository.token and self.headers.get("Authorization") != f"Bearer {repository.token}":
            self._refuse(401, "RepoNotFound")
            return None
        return repository

    # ---------------------------------------------------------------- files

    def _file(self, path: str) -> None:
        if path.startswith("/content/"):
            return self._send_file(Path(path.removeprefix("/content")))
        name, _, rest = path.lstrip("/").partition("/resolve/")
        revision = self._known_revision(name, rest)
        repository = self._repository(name, revision)
        if repository is None:
            return None
        file = repository.files().get(rest[len(revision) + 1 :])
        if file is None:
            return self._refuse(404, "EntryNotFound", {"X-Repo-Commit": repository.commit})
        size = file.stat().st_size
        etag = f'"{"../" * 5 if self.failure == "path" else ""}{_hash_of(file)}"'
        headers = {"X-Repo-Commit": repository.commit, "ETag": etag}
        if _is_large(file):
            location = f"http://localhost:{self.stand_in.port}/content{file}"
            linked = {"Location": location, "X-Linked-Size": str(size), "X-Linked-ETag": etag}
            return self._head(302, 0, {**headers, **linked})
        return self._send_file(file, headers)

    def _send_file(self, file: Path, headers: dict[str, str] | None = None) -> None:
        size = file.stat().st_size
        start, stop, status = 0, size, 200
        asked = self.headers.get("Range")
        if asked and self.failure != "ignore_range":
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop, status = int(first), min(size, int(last) + 1 if last else size), 206
            if start >= size:
                return self._refuse(416)
        if self.failure == "other_range" and start:
            start, stop = start - 1, stop - 1
        extra = {"Content-Range": f"bytes {start}-{stop - 1}/{size}"} if status == 206 else {}
        self._head(status, stop - start, {**(headers or {}), **extra, "Accept-Ranges": "bytes"})
        if self.command == "GET":
            end = start + (stop - start) // 2 if self.failure == "cut" else stop
            self._send_bytes(file, start, end)
            self.close_connection = self.close_connection or self.failure == "cut"
        return None

    def _send_bytes(self, file: Path, start: int, stop: int) -> None:
        with file.open("rb") as stream:
            stream.seek(start)
            while start < stop and (piece := stream.read(min(PIECE, stop - start))):
                # Counted first: the client may look at the number as soon as it has the bytes.
                self.request_record.body_bytes += len(piece)
                try:
                    self.wfile.write(piece)
                except OSError:  # the client has enough
                    self.request_record.body_bytes -= len(piece)
                    self.close_connection = True
                    return
                start += len(piece)

    # ---------------------------------------------------------------- answers

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.request_record.status = status
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(key, value)
        self.end_headers()

    def _json(self, content: object) -> None:
        body = json.dumps(content).encode()
        self._head(200, len(body), {"Content-Type": "application/json"})
        if self.command == "GET":
            self.request_record.body_bytes += len(body)
            self.wfile.write(body)

    def _refuse(self, status: int, code: str | None = None, headers: dict[str, str] | None = None) -> None:
        told = {"X-Error-Code": code, "X-Error-Message": code} if code else {}
        self._head(status, 0, {**told, **(headers or {})})


def _is_large(file: Path) -> bool:
    return file.suffix in (".safetensors", ".bin")


@cache
def _hash(file: Path, modified: int, size: int) -> str:
    """sha256 of a large file, git's hash of another, as the real hub names them."""
    content = file.read_bytes()
    if _is_large(file):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % size + content).hexdigest()


def _hash_of(file: Path) -> str:
    stat = file.stat()
    if stat.st_size > LONGEST_HASHED:  # the sparse files of the benchmarks
        return hashlib.sha1(str(file).encode()).hexdigest()
    return _hash(file, stat.st_mtime_ns, stat.st_size)


def _listed(name: str, file: Path, name_key: str, hash_key: str) -> dict:
    """A file as the API lists it; large files lie in another store, and git holds a pointer to them."""
    size, found = file.stat().st_size, _hash_of(file)
    if not (_is_large(file) and len(found) == 64):
        return {"type": "file", name_key: name, "size": size, hash_key: found}
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{found}\nsize {size}\n".encode()
    git = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest()
    large = {"sha256": found, "oid": found, "size": size, "pointerSize": len(pointer)}
    return {"type": "file", name_key: name, "size": size, hash_key: git, "lfs": large}


@contextmanager
def pointed_at(hub: HubStandIn, folder: Path, set_attribute: Callable, *, offline: bool = False):
    """Point huggingface_hub, in this process, at the stand-in and at a cache of its own.

    set_attribute: pytest's `monkeypatch.setattr`. The library reads its environment once, at import.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    set_attribute(constants, "ENDPOINT", hub.url)
    set_attribute(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    set_attribute(constants, "HF_HUB_CACHE", str(folder / "hub"))
    set_attribute(constants, "HF_HUB_OFFLINE", offline)
    set_attribute(constants, "HF_TOKEN_PATH", str(folder / "token"))
    close_session()
    try:
        yield hub
    finally:
        close_session()
