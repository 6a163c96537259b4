"""Measure an explorer of embeddings that is open at an address, in headless Chromium: one line of JSON.

python benchmarks/explorers_data.py DATA                        the pictures for all of them
TOOL/bin/python benchmarks/explorers_start.py TOOL DATA 20000   start one, in its own environment
python benchmarks/explorers.py TOOL http://127.0.0.1:9100/ --map "canvas" [--files FOLDER]

docs/explorers.md has the results. Times are CPU milliseconds of all processes of the browser, less what it
uses at rest, so that they hold on a busy machine. Without a graphics card, WebGL runs on the processor.
"""

import argparse
import io
import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Frame, Locator, Page, sync_playwright

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
STEPS, PAUSE, PATIENCE = 20, 100, 90.0
RUN_CELLS = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
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


def find_map(page: Page, selector: str) -> Locator:
    """The largest visible element that fits, in any frame, once something is drawn on it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = [one for frame in page.frames for one in _elements(frame, selector)]
        for element, box in sorted(found, key=lambda one: -one[1]["width"] * one[1]["height"])[:1]:
            if box["width"] * box["height"] > 20_000 and spread(pixels(page, box)) > 0.004:
                return element
        time.sleep(0.25)
    raise SystemExit(f"nothing was drawn on {selector!r} within {PATIENCE:.0f} s")


def _elements(frame: Frame, selector: str) -> list[tuple[Locator, Any]]:
    try:
        found = [(one, one.bounding_box()) for one in frame.locator(selector).all()]
    except Exception:  # a frame that has gone
        return []
    return [(one, box) for one, box in found if box]


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


def measure(browser: Browser, address: str, selector: str, picture: Path | None) -> dict[str, Any]:
    """Open the explorer and measure it."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, has_touch=True)
    page, outside, loaded = context.new_page(), set(), []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda one: loaded.append(one["encodedDataLength"]))
    context.on("request", lambda one: None if INSIDE.match(one.url) else outside.add(one.url.split("?")[0]))
    start, clock = cpu(browser), time.monotonic()
    page.goto(address, wait_until="commit")
    if "/lab/" in address:
        page.wait_for_function(IDLE, timeout=1000 * PATIENCE)
        loaded.clear()
        start, clock = cpu(browser), time.monotonic()
        page.evaluate(RUN_CELLS)
    element = find_map(page, selector)
    found: dict[str, Any] = {"seconds": time.monotonic() - clock, "cpu": cpu(browser) - start}
    page.wait_for_timeout(2500)
    found |= {"mb": sum(loaded) / 1e6}
    if picture:
        page.screenshot(path=picture.with_suffix(".1.png"))
    found |= _gestures(browser, page, element)
    if picture:
        page.screenshot(path=picture.with_suffix(".2.png"))
    violations = Axe().run(page).response["violations"]
    found["axe"] = sum(len(one["nodes"]) for one in violations)
    found["axe_serious"] = sorted(
        {one["id"] for one in violations if one["impact"] in ("serious", "critical")}
    )
    found |= _surroundings(page)
    return found | {"outside": sorted(outside)}


def _gestures(browser: Browser, page: Page, element: Locator) -> dict[str, Any]:
    box = element.bounding_box()
    if box is None:
        raise SystemExit("the map cannot be seen on the page")
    x, y = box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"]
    used, moved = gesture(browser, page, box, lambda: wheel(page, x, y))
    pinched = gesture(browser, page, box, lambda: pinch(page, x, y))[1]
    pressed = gesture(browser, page, box, lambda: keys(page, element))[1]
    return {"wheel_cpu": used / STEPS, "wheel": moved, "pinch": pinched, "keys": pressed}


def _surroundings(page: Page) -> dict[str, Any]:
    whole = {"x": 0, "y": 0, "width": 1400, "height": 900}
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(800)
    dark = float(np.median(pixels(page, whole)))
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(800)
    over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return {"dark": dark < 90, "wider_than_a_phone": over}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("address")
    parser.add_argument("--map", default="canvas", help="selector of the map; the largest one is taken")
    parser.add_argument("--files", type=Path, help="folder for two screenshots")
    asked = parser.parse_args()
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        picture = asked.files / asked.name if asked.files else None
        found = measure(browser, asked.address, asked.map, picture)
        browser.close()
    print(json.dumps({"name": asked.name} | found))


if __name__ == "__main__":
    main()
