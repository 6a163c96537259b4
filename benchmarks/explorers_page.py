"""What is measured of an explorer of embeddings that is open in headless Chromium; explorers.py starts them.

Times are CPU milliseconds of all processes of the browser, less what it uses at rest, so that they hold on a
busy machine. Without a graphics card, WebGL runs on the processor.
"""

import io
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Frame, Locator, Page, Route

FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
INSIDE = re.compile(r"(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|(data|blob|about|file):")
STEPS, PAUSE = 20, 100
ACROSS, DOWN, SETTLE = 12, 8, 60  # places of the pointer, and milliseconds at each
LONGEST = 45.0  # seconds at all of them
NAME = re.compile(r"\b\d{6}\b")  # of a picture: each caption and file name has its number
RUN_CELLS = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
READ = "document.body ? document.body.innerText : ''"
PACKAGE = re.compile(
    r"https://(unpkg\.com|cdn\.jsdelivr\.net/npm)/(?P<name>(@[^/]+/)?[^/@]+)(@[^/]+)?/(?P<path>[^?]*)"
)
IDLE = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


def cpu(browser: Browser) -> float:
    """Milliseconds that all processes of the browser have computed since it started."""
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return 1000 * sum(one["cpuTime"] for one in found)


def pixels(page: Page, box: Any) -> np.ndarray:
    """What stands in a box of the page: (height, width, 3)."""
    seen = page.viewport_size or {"height": box["height"]}
    x, y, width, height = (max(box[name], 0) for name in ("x", "y", "width", "height"))
    clip: FloatRect = {"x": x, "y": y, "width": width, "height": max(min(height, seen["height"] - y), 1)}
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")).astype(int)


def spread(shown: np.ndarray) -> float:
    """The share of pixels that do not have the most frequent color."""
    codes = (shown[..., 0] << 16) | (shown[..., 1] << 8) | shown[..., 2]
    return 1 - np.unique(codes, return_counts=True)[1].max() / codes.size


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """The share of pixels that are another color than before."""
    return 1.0 if before.shape != after.shape else float((np.abs(before - after).max(-1) > 24).mean())


def find_map(page: Page, selector: str, patience: float) -> Locator:
    """The largest visible element that fits, in any frame, once something is drawn on it.

    TimeoutError if that takes more seconds than `patience`.
    """
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = [one for frame in page.frames for one in _elements(frame, selector)]
        for element, box in sorted(found, key=lambda one: -one[1]["width"] * one[1]["height"])[:1]:
            if box["width"] * box["height"] > 20_000 and spread(pixels(page, box)) > 0.004:
                return element
        time.sleep(0.25)
    raise TimeoutError("no map was drawn")


def _elements(frame: Frame, selector: str) -> list[tuple[Locator, Any]]:
    try:
        found = [(one, one.bounding_box()) for one in frame.locator(selector).all()]
    except Exception:  # a frame that has gone
        return []
    return [(one, box) for one, box in found if box]


def _box_of(element: Locator) -> Any:
    if (box := element.bounding_box()) is None:
        raise TimeoutError("the map cannot be seen on the page")
    return box


def gesture(browser: Browser, page: Page, box: Any, act: Callable[[], None]) -> tuple[float, float]:
    """(CPU milliseconds of an act, without those at rest; share of the pixels it changed)."""
    before, start, clock = pixels(page, box), cpu(browser), time.monotonic()
    page.wait_for_timeout(2000)
    at_rest = (cpu(browser) - start) / (time.monotonic() - clock)
    start, clock = cpu(browser), time.monotonic()
    act()
    page.wait_for_timeout(2000)  # what is drawn late belongs to it
    used, took = cpu(browser) - start, time.monotonic() - clock
    return max(used - at_rest * took, 0.0), changed(before, pixels(page, box))


def wheel(page: Page, x: float, y: float) -> None:
    """Turn the wheel in and out again, as fast as a hand does."""
    page.mouse.move(x, y)
    for step in range(STEPS):
        page.mouse.wheel(0, -100 if step < STEPS * 0.7 else 100)
        page.wait_for_timeout(PAUSE)


def pinch(page: Page, x: float, y: float) -> None:
    """Two fingers that go apart."""
    session = page.context.new_cdp_session(page)

    def touch(event: str, *points: tuple[float, float]) -> None:
        touches = [{"x": across, "y": down, "id": n} for n, (across, down) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": event, "touchPoints": touches})

    touch("touchStart", (x - 20, y), (x + 20, y))
    for apart in (30, 50, 80):
        touch("touchMove", (x - apart, y), (x + apart, y))
        page.wait_for_timeout(60)
    touch("touchEnd")
    session.detach()


def keys(page: Page, element: Locator) -> None:
    """Put the focus on the map, if it takes it, and press what commonly zooms and moves."""
    element.evaluate("e => { for (let at = e; at; at = at.parentElement) { at.focus?.();"
                     " if (document.activeElement === at) return; } }")  # fmt: skip
    for name in ("+", "ArrowRight", "ArrowRight", "="):
        page.keyboard.press(name)


def measure(
    browser: Browser, address: str, selector: str, *, patience: float, shots: Path, packages: Path | None
) -> dict[str, Any]:
    """Open the explorer and measure it; screenshots begin with the path `shots`.

    packages: a node_modules folder, which gives what a page asks a server for packages of npm.
    """
    context = browser.new_context(viewport={"width": 1400, "height": 900}, has_touch=True)
    context.set_default_timeout(1000 * patience)
    page, outside, loaded = context.new_page(), set(), []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda one: loaded.append(one["encodedDataLength"]))
    session.on(
        "Network.webSocketFrameReceived", lambda one: loaded.append(len(one["response"]["payloadData"]))
    )
    context.on("request", lambda one: None if INSIDE.match(one.url) else outside.add(one.url.split("?")[0]))
    context.route(lambda url: bool(PACKAGE.match(url)), lambda route: give(route, packages))
    start, clock = cpu(browser), time.monotonic()
    page.goto(address, wait_until="commit")
    if "/lab/" in address:
        page.wait_for_function(IDLE)
        loaded.clear()
        start, clock = cpu(browser), time.monotonic()
        page.evaluate(RUN_CELLS)
    try:
        element = find_map(page, selector, patience)
    except TimeoutError:
        page.screenshot(path=f"{shots}.none.png")
        raise
    found: dict[str, Any] = {"seconds": time.monotonic() - clock, "cpu": (cpu(browser) - start) / 1000}
    page.wait_for_timeout(2500)
    found |= {"loaded": sum(loaded) / 1e6, "memory": memory(browser) / 1e9}
    page.screenshot(path=f"{shots}.whole.png")
    found["reached"] = reached(page, element)
    box = _box_of(element)
    x, y = box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"]
    used, found["wheel"] = gesture(browser, page, box, lambda: wheel(page, x, y))
    found["step"] = used / STEPS
    page.screenshot(path=f"{shots}.closer.png")
    found["reached closer"] = reached(page, element)
    found["pinch"] = gesture(browser, page, box, lambda: pinch(page, x, y))[1]
    found["keys"] = gesture(browser, page, box, lambda: keys(page, element))[1]
    violations = Axe().run(page).response["violations"]
    found["axe"] = sum(len(one["nodes"]) for one in violations)
    found["axe serious"] = len({one["id"] for one in violations if one["impact"] in ("serious", "critical")})
    found |= _surroundings(page, Path(f"{shots}.dark.png"))
    context.close()
    return found | {"outside": len(outside)}


def give(route: Route, packages: Path | None) -> None:
    """Answer with the file of a package of npm from the disk; nothing else is reached."""
    asked = PACKAGE.search(route.request.url)
    file = packages / asked["name"] / asked["path"] if packages and asked else None
    if file and file.is_file():
        route.fulfill(path=file, headers={"access-control-allow-origin": "*"})
    else:
        route.abort()


def memory(browser: Browser) -> int:
    """Bytes that all processes of the browser hold, each with its share of what they have in common."""
    session = browser.new_browser_cdp_session()
    numbers = [one["id"] for one in session.send("SystemInfo.getProcessInfo")["processInfo"]]
    session.detach()
    texts = [Path(f"/proc/{number}/smaps_rollup").read_text() for number in numbers]
    return sum(1024 * int(text.split("\nPss:")[1].split()[0]) for text in texts)


def reached(page: Page, element: Locator) -> dict[str, int]:
    """At how many places of the pointer that were tried a picture is named, and how many different ones.

    Some explorers take a second for each place: in LONGEST seconds not all are tried.
    """
    box = _box_of(element)
    page.mouse.move(2, 2)
    page.wait_for_timeout(500)
    before, places, pictures, tried, start = named(page), 0, set(), 0, time.monotonic()
    for number in np.random.default_rng(0).permutation(ACROSS * DOWN).tolist():
        if time.monotonic() - start > LONGEST:
            break
        tried += 1
        across, down = (number % ACROSS + 0.5) / ACROSS, (number // ACROSS + 0.5) / DOWN
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=2)
        page.wait_for_timeout(SETTLE)
        found = named(page) - before
        places += bool(found)
        pictures |= found
    return {"tried": tried, "places": places, "pictures": len(pictures)}


def named(page: Page) -> set[str]:
    """The numbers of pictures that can be read on the page, in all its frames."""
    return {one for frame in page.frames for one in NAME.findall(frame.evaluate(READ))}


def _surroundings(page: Page, picture: Path) -> dict[str, Any]:
    whole = {"x": 0, "y": 0, "width": 1400, "height": 900}
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(800)
    page.screenshot(path=picture)
    dark = float(np.median(pixels(page, whole)))
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(800)
    over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return {"dark": dark < 90, "wider than a phone": over > 0}
