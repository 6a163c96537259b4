"""How large and how fluid is the explorer? A page of 2,000 and of 20,000 photographs in headless Chromium.

python benchmarks/atlas.py                   print the table and write it into README.md
python benchmarks/atlas.py --sizes 500       smaller, to try it
"""

import argparse
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from report import publish, table
from sklearn.datasets import load_sample_images

from phi3lib import Atlas, EmbeddingTable

WIDTH, GROUPS = 64, 12
MOST_RECOMPUTED = 5_000
ONE_MAP = {"n_neighbors": (15,), "min_dist": (0.1,), "seed": (0,)}
NO_UMAP = {"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)}  # where points stand is all one here
SHEETS = "script[type='text/plain']"
INERT = '<script type="text/plain"'  # where the thumbnails begin; all before is needed for the first map
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


def photographs(count: int) -> list[Image.Image]:
    """Return pieces of the two photographs of scikit-learn, each of another place and size."""
    rng, both = np.random.default_rng(0), load_sample_images().images
    sides = rng.integers(120, 420, count).tolist()
    found = []
    for n, side in enumerate(sides):
        whole = both[n % 2]
        top, left = (int(rng.integers(0, length - side + 1)) for length in whole.shape[:2])
        found.append(Image.fromarray(whole[top : top + side, left : left + side]).resize((96, 96)))
    return found


def export(count: int, folder: Path) -> tuple[Path, float]:
    """Return the file and the CPU seconds that it took."""
    pictures = photographs(count)
    start = time.process_time()
    made = Atlas(made_up(count), pictures=pictures, grid=NO_UMAP, progress=False).to_html(
        folder / f"{count}.html"
    )
    return made, time.process_time() - start


def tab(browser: Browser, made: Path) -> tuple[Page, Path | None]:
    """Open a file in a new tab; return it with its process's folder in /proc, None where there is none."""
    before = set(renderers())
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(made.as_uri())
    page.locator("canvas[role=application]").wait_for()
    found = [folder for folder in renderers() if folder not in before]
    return page, max(found, key=lambda folder: int(folder.name), default=None)


def renderers() -> list[Path]:
    """The processes of Chromium that draw pages."""
    return [one.parent for one in Path("/proc").glob("[0-9]*/cmdline") if b"--type=renderer" in content(one)]


def content(file: Path) -> bytes:
    """Return a file's bytes; none if its process has ended."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def cpu_seconds(process: Path | None) -> str:
    """Return what a process has used so far."""
    if process is None:
        return "-"
    fields = content(process / "stat").rpartition(b")")[2].split()
    return f"{sum(map(int, fields[11:13])) / os.sysconf('SC_CLK_TCK'):.1f}"


def megabytes(process: Path | None) -> str:
    """Return the memory of a process, its share of what it has in common with others."""
    found = process and re.search(rb"Pss:\s+(\d+)", content(process / "smaps_rollup"))
    return f"{int(found[1]) / 1024:.0f}" if found else "-"


def sizes(browser: Browser, count: int, folder: Path) -> tuple[Page, list[str]]:
    """Return the open page and a row: its bytes, and what a tab needs for it."""
    made, seconds = export(count, folder)
    whole = made.stat().st_size / 1e6
    needed = made.read_text(encoding="utf-8").partition(INERT)[0]
    page, process = tab(browser, made)
    row = [f"{count:,}", f"{seconds:.1f}", f"{len(needed.encode()) / 1e6:.2f}", f"{whole:.2f}"]
    row.append(cpu_seconds(process))
    canvas = page.locator("canvas[role=application]")
    page.wait_for_timeout(2_000)
    row += [megabytes(process)]
    canvas.focus()
    for _ in range(5):
        page.keyboard.press("+")
        page.wait_for_timeout(700)
    page.wait_for_timeout(2_000)
    row += [megabytes(process), f"{canvas.get_attribute('data-sheets')} of {page.locator(SHEETS).count()}"]
    page.keyboard.press("0")
    return page, row


def measure(page: Page, count: int) -> list[str]:
    """A row of the second table: time to paint and to follow the pointer."""
    paint, hover = page.evaluate(f"({REPAINT})(10)"), page.evaluate(f"({HOVER})(200)")
    select_all(page)
    selected = page.evaluate(f"({HOVER})(200)")
    anew = f"{recompute_seconds(count):.2f}" if count <= MOST_RECOMPUTED else "-"
    return [f"{count:,}", f"{paint:.1f}", f"{hover:.2f}", f"{selected:.2f}", anew]


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
    counts = parser.parse_args().sizes
    of_sizes: list[list[str]] = []
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        for count in counts:
            page, row = sizes(browser, count, Path(folder))
            of_sizes.append(row)
            rows.append(measure(page, count))
            page.close()
        browser.close()
    size_names = [
        "photographs",
        "to make it, CPU s",
        "without thumbnails, MB",
        "with them, MB",
        "to the first map, CPU s",
        "the tab, MB",
        "zoomed in, MB",
        "sheets decoded then",
    ]
    names = [
        "photographs",
        "to repaint all, ms",
        "to follow the pointer, ms",
        "the same with all selected, ms",
        "to recompute, s",
    ]
    text = (
        "`python benchmarks/atlas.py`: one map by PCA, exported with thumbnails of photographs and opened "
        "from the disk in headless Chromium without a graphics card. A tab's memory is that of its process; "
        "zoomed in, the map is ten times as wide as at first. Recomputing is one UMAP with other parameters, "
        "from the map that is there. What takes less than 16 ms is fluid at 60 frames a second."
    )
    tables = f"{table(size_names, of_sizes)}\n\n{table(names, rows)}"
    publish("atlas", "The explorer", text, tables, quick=False)


if __name__ == "__main__":
    main()
