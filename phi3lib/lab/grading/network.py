"""Keep a process away from the network: for all Python code here, and by the system where it allows."""

import inspect
import os
from pathlib import Path


def block_network() -> None:
    """Refuse connections and name look-ups to anything but this machine, for the rest of the process.

    Its source becomes the `sitecustomize` module of the kernel and of the processes that it starts. An
    audit hook sees every use of Python's sockets, whichever library makes it, and cannot be removed.
    """
    import contextlib
    import socket
    import sys

    here = {None, "", "localhost", "::1", "::", "0.0.0.0", socket.gethostname()}
    # The address of this machine in its network: Ray's processes talk over it. Connecting a datagram socket
    # sends nothing, and the address is one that is reserved for examples.
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.1", 9))
        here.add(probe.getsockname()[0])

    def refuse(event: str, arguments: tuple) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else None  # anything else is a Unix socket
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            host = arguments[0]
        else:
            return
        host = host.decode(errors="replace") if isinstance(host, bytes) else host
        if host not in here and not str(host).startswith("127."):
            raise ConnectionRefusedError(f"This run has no network, and something asked for {host!r}.")

    sys.addaudithook(refuse)


def without_network(environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Return the environment with `block_network` at the start of every python in it; writes into folder."""
    source = f"{inspect.getsource(block_network)}\n\nblock_network()\n"
    (folder / "sitecustomize.py").write_text(source, encoding="utf-8")
    path = os.pathsep.join(filter(None, [str(folder), environment.get("PYTHONPATH")]))
    return {**environment, "PYTHONPATH": path}
