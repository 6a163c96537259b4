"""Let a process give up what a learner's notebook does not need: network, memory, writing elsewhere.

Called in the child process before anything is imported that a notebook could reach. Linux offers namespaces
and Landlock to any account, unless an administrator has turned them off; each function returns the measures
that are in force.
"""

import contextlib
import ctypes
import os
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

NETWORK, PROCESSES, WRITING, MEMORY = "network", "processes", "writing", "memory"
MEASURES = {
    NETWORK: "no network for any program, not only for Python",
    PROCESSES: "programs that a notebook starts end with it",
    WRITING: "files can be written only to a temporary folder",
    MEMORY: "a limit of memory by the system",
}
MOST_PROCESSES = 256  # threads count too
LARGEST_FILE = 2**30  # bytes

_NEWUSER, _NEWPID, _NEWNET = 0x10000000, 0x20000000, 0x40000000
_PARENT_ENDS = 1  # prctl(PR_SET_PDEATHSIG)
_NO_NEW_PRIVILEGES = 38  # prctl
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # system calls of Landlock, on every processor
_WRITE = 1 << 1 | sum(1 << bit for bit in range(4, 14)) | 1 << 14  # write, remove, make …, refer, truncate
_OF_FILES = 1 << 1 | 1 << 14  # those that a rule for a single file may grant


def limit_resources(megabytes: int, cpu_seconds: int) -> list[str]:
    """Limit memory, CPU time, processes and the size of files; return the measures in force."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    limits = {
        "RLIMIT_DATA": megabytes * 2**20,
        "RLIMIT_CPU": cpu_seconds,
        "RLIMIT_FSIZE": LARGEST_FILE,
        "RLIMIT_CORE": 0,
    }
    for name, value in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (value, value))
    return [MEMORY] if sys.platform == "linux" else []  # elsewhere the limit does not cover mapped memory


def enter_namespaces() -> list[str]:
    """Enter an empty network and a set of processes of one's own; return the measures in force.

    Afterwards a fork is needed: its child is the first process, and everything ends with it.
    """
    if sys.platform != "linux":
        return []
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(_NEWUSER | _NEWPID | _NEWNET) != 0:
        return []
    with contextlib.suppress(OSError):  # keep the own number; without it files seem to be nobody's
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with contextlib.suppress(OSError):
        _loopback_up()
    _limit_processes()
    return [NETWORK, PROCESSES]


def end_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_ENDS, signal.SIGKILL)


def write_only_to(folders: list[Path]) -> list[str]:
    """Let this process and its children write only below folders and to devices; return the measures."""
    if sys.platform != "linux":
        return []
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 3:  # no Landlock, or one that does not see a file cut to nothing
        return []
    ruleset = library.syscall(_CREATE_RULESET, struct.pack("Q", _WRITE), 8, 0)
    if ruleset < 0:
        return []
    with os.fdopen(ruleset, "wb", buffering=0, closefd=True):
        for path in (*folders, Path("/dev")):
            with _opened(path) as descriptor:
                rule = struct.pack("=Qi", _WRITE if path.is_dir() else _OF_FILES, descriptor)
                if library.syscall(_ADD_RULE, ruleset, 1, rule, 0) != 0:
                    return []
        library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return [] if library.syscall(_RESTRICT_SELF, ruleset, 0) != 0 else [WRITING]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _loopback_up() -> None:
    """Give the empty network its own loopback, which a local server needs."""
    import fcntl
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(
            any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40)
        )  # SIOCSIFFLAGS: up, running


def _limit_processes() -> None:
    """Limit the processes of this namespace; outside of one the limit counts all of the account's."""
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NPROC, (MOST_PROCESSES, MOST_PROCESSES))
