"""A headless Firefox, driven by WebDriver BiDi over its own port: no driver program is needed.

https://w3c.github.io/webdriver-bidi
"""

import itertools
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WAIT = 60


class Firefox:
    """One page of a Firefox, with the errors that it logs and the addresses that it asks for."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._numbers = connection, itertools.count(1)
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        self._page = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method: str, **params: Any) -> Any:
        """Return the result of a command; events that come before it are kept."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self._connection.recv())
            if message.get("id") == number:
                if message["type"] != "success":
                    raise RuntimeError(f"{method}: {message}")
                return message["result"]
            self._keep(message.get("method"), message.get("params", {}))

    def _keep(self, event: str | None, params: dict[str, Any]) -> None:
        if event == "log.entryAdded" and params["level"] == "error":
            self.errors.append(params["text"])
        if event == "network.beforeRequestSent":
            self.asked.append(params["request"]["url"])

    def open(self, address: str) -> None:
        """Open a page and wait until it is loaded."""
        self.call("browsingContext.navigate", context=self._page, url=address, wait="complete")

    def ask(self, expression: str) -> Any:
        """Return what an expression of texts, numbers and truth values is on the page."""
        target = {"context": self._page}
        answer = self.call("script.evaluate", expression=expression, target=target, awaitPromise=True)
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression holds."""
        end = time.monotonic() + WAIT
        while not self.ask(expression):
            if time.monotonic() > end:
                raise AssertionError(f"it never became true: {expression}")
            time.sleep(0.1)

    def keys(self, *keys: str) -> None:
        """Press and release keys, one after the other."""
        steps = [{"type": what, "value": key} for key in keys for what in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": steps})

    def drag(self, *places: tuple[float, float], button: int = 0) -> None:
        """Press a mouse button at the first place and release it at the last one."""
        moves = [{"type": "pointerMove", "x": int(x), "y": int(y)} for x, y in places]
        steps = [moves[0], {"type": "pointerDown", "button": button}, *moves[1:]]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}}
        self._act({**mouse, "actions": [*steps, {"type": "pointerUp", "button": button}]})

    def wheel(self, x: float, y: float, down: int) -> None:
        """Turn the wheel at a place."""
        step = {"type": "scroll", "x": int(x), "y": int(y), "deltaX": 0, "deltaY": down}
        self._act({"type": "wheel", "id": "wheel", "actions": [step]})

    def _act(self, action: dict[str, Any]) -> None:
        self.call("input.performActions", context=self._page, actions=[action])


@contextmanager
def running(profile: Path) -> Iterator[Firefox]:
    """Start a Firefox with a profile of its own in this folder, and end it."""
    import websocket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(FIREFOX), "--headless", "--no-remote", "--profile", str(profile)]
    size = ["--remote-debugging-port", str(port), "--width", "1300", "--height", "900"]
    process = subprocess.Popen([*command, *size], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"ws://127.0.0.1:{port}/session"
        connection = _connected(
            lambda: websocket.create_connection(address, timeout=WAIT, suppress_origin=True)
        )
        yield Firefox(connection)
    finally:
        process.kill()
        process.wait()


def _connected(connect: Callable[[], Any]) -> Any:
    end = time.monotonic() + WAIT
    while True:
        try:
            return connect()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
