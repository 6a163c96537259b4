"""How fluid is the explorer? An exported page of 2,000 and of 20,000 pictures in headless Chromium.

python benchmarks/atlas.py                   print the table and write it into README.md
python benchmarks/atlas.py --sizes 500       smaller, to try it
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from report import publish, table

from phi3lib import Atlas, EmbeddingTable

WIDTH, GROUPS = 64, 12
MOST_RECOMPUTED = 5_000
ONE_MAP = {"n_neighbors": (15,), "min_dist": (0.1,), "seed": (0,)}
NO_UMAP = {"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)}  # where points stand is all one here
REPAINT = """(count) => {
  const ofColors = (one) => [...one.options].some((option) => option.value === "kept");
  const select = [...document.querySelectorAll("select")].find(ofColors);
  const start = performance.now();
  for (let n = 0; n < count; n++) {
    select.value = n % 2 ? "label" : "kept";
    select.dispatchEvent(new Event("change"));
  }
  return (performance.now() - start) / count;
}"""
HOVER = """(count) => {
  const canvas = document.querySelector("canvas[role=application]"), box = canvas.getBoundingClientRect();
  const start = performance.now();
  for (let n = 0; n < count; n++) {
    const across = box.left + 20 + (n * 37) % 360, down = box.top + 20 + (n * 53) % 360;
    canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: across, clientY: down, bubbles: true }));
  }
  return (performance.now() - start) / count;
}"""


def made_up(count: int) -> EmbeddingTable:
    """Vectors in groups, with labels."""
    rng = np.random.default_rng(0)
    groups = np.arange(count) % GROUPS
    vectors = (rng.normal(size=(GROUPS, WIDTH)) * 2)[groups] + rng.normal(size=(count, WIDTH))
    labels = {"group": np.array([f"group {group}" for group in groups])}
    return EmbeddingTable(vectors.astype(np.float32), tuple(map(str, range(count))), labels)


def recompute_seconds(count: int) -> float:
    """The median time from other parameters to a widget that has the maps; the first one compiles."""
    atlas = Atlas(made_up(count), grid=ONE_MAP)
    widget, seconds = atlas.live(), []
    for neighbors in (5, 8, 10, 12, 20, 30):
        start = time.perf_counter()
        asked = {"do": "recompute", "n_neighbors": neighbors, "min_dist": 0.3, "seed": 0}
        widget._msg_callbacks(widget, asked, [])
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def measure(page: Page, count: int, folder: Path) -> list[str]:
    """A row of the table: time to make the page, its size, time to paint and to follow the pointer."""
    pictures = [Image.new("RGB", (32, 32), (n % 255, (7 * n) % 255, 90)) for n in range(count)]
    start = time.perf_counter()
    made = Atlas(made_up(count), pictures=pictures, grid=NO_UMAP).to_html(folder / f"{count}.html")
    seconds = time.perf_counter() - start
    page.goto(made.as_uri())
    page.locator("canvas[role=application]").wait_for()
    paint, hover = page.evaluate(f"({REPAINT})(10)"), page.evaluate(f"({HOVER})(200)")
    select_all(page)
    selected = page.evaluate(f"({HOVER})(200)")
    size = made.stat().st_size / 1e6
    anew = f"{recompute_seconds(count):.2f}" if count <= MOST_RECOMPUTED else "-"
    return [
        f"{count:,}",
        f"{seconds:.1f}",
        f"{size:.2f}",
        f"{paint:.1f}",
        f"{hover:.2f}",
        f"{selected:.2f}",
        anew,
    ]


def select_all(page: Page) -> None:
    """A lasso along the edges of the map."""
    box = page.locator("canvas[role=application]").bounding_box()
    if box is None:
        raise RuntimeError("the map is not visible")
    right, bottom = box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    page.mouse.down()
    for across, down in ((right, box["y"] + 3), (right, bottom), (box["x"] + 3, bottom)):
        page.mouse.move(across, down, steps=5)
    page.mouse.up()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 20_000])
    sizes = parser.parse_args().sizes
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        page = browser.new_page(viewport={"width": 1000, "height": 900})
        rows = [measure(page, count, Path(folder)) for count in sizes]
        browser.close()
    names = [
        "pictures",
        "to make it, s",
        "its size, MB",
        "to repaint all, ms",
        "to follow the pointer, ms",
        "the same with all selected, ms",
        "to recompute, s",
    ]
    text = (
        "`python benchmarks/atlas.py`: one map by PCA, exported with thumbnails and opened in headless "
        "Chromium without a graphics card. Recomputing is one UMAP with other parameters, from the map that "
        "is there. What takes less than 16 ms is fluid at 60 frames a second."
    )
    publish("atlas", "The explorer", text, table(names, rows), quick=False)


if __name__ == "__main__":
    main()
