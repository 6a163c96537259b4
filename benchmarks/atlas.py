"""How large and how fluid is the explorer? A page of 2,000, 20,000, 200,000 pictures in headless Chromium.

python benchmarks/atlas.py                   print the table and write it into README.md
python benchmarks/atlas.py --sizes 500       smaller, to try it
"""

import argparse
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from report import in_own_process, peak_memory, publish, table
from sklearn.datasets import load_sample_images

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.live import show_settings

WIDTH, GROUPS = 64, 12
WIDE = 512  # numbers of a vector where building is measured
MOST_PICTURES = 30_000  # with thumbnails
MOST_RECOMPUTED = 5_000
ONE_MAP = {"n_neighbors": (15,), "min_dist": (0.1,), "seed": (0,)}
SHEETS = "script[type='text/plain']"
INERT = '<script type="text/plain"'  # where the thumbnails begin; all before is needed for the first map
REPAINT = """(count) => {
  const ofColors = (one) => [...one.options].some((option) => option.value === "kept");
  const select = [...document.querySelectorAll("select")].find(ofColors), lasted = [];
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    select.value = n % 2 ? "label" : "kept";
    select.dispatchEvent(new Event("change"));
    lasted.push(performance.now() - start);
  }
  return lasted.sort((a, b) => a - b)[count / 2];
}"""
HOVER = """(count) => {
  const canvas = document.querySelector("canvas[role=application]"), box = canvas.getBoundingClientRect();
  const lasted = [];
  for (let n = 0; n < count; n += 20) { // the clock has steps of a tenth of a millisecond
    const start = performance.now();
    for (let m = n; m < n + 20; m++) {
      const at = { clientX: box.left + 20 + (m * 37) % 360, clientY: box.top + 20 + (m * 53) % 360 };
      canvas.dispatchEvent(new PointerEvent("pointermove", { ...at, bubbles: true }));
    }
    lasted.push((performance.now() - start) / 20);
  }
  return lasted.sort((a, b) => a - b)[count / 40];
}"""
FRAMES = """async (count) => {
  const canvas = document.querySelector("canvas[role=application]"), box = canvas.getBoundingClientRect();
  const at = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
  const common = { bubbles: true, cancelable: true };
  const turn = (deltaY) => new WheelEvent("wheel", { ...at, ...common, deltaY });
  const press = (key) => new KeyboardEvent("keydown", { key, shiftKey: true, ...common });
  const frame = () => new Promise((done) => requestAnimationFrame(done)), medians = [];
  const zoom = (n) => turn(n < count / 2 ? -40 : 30);
  const pan = (n) => press(n % 8 < 4 ? "ArrowLeft" : "ArrowRight");
  for (const event of [zoom, pan]) {
    const lasted = [];
    for (let n = 0, before = await frame(), now; n < count; n++, before = now) {
      canvas.dispatchEvent(event(n));
      lasted.push((now = await frame()) - before);
    }
    medians.push(lasted.sort((a, b) => a - b)[count / 2]);
  }
  return medians;
}"""


def made_up(count: int, width: int = WIDTH) -> EmbeddingTable:
    """Vectors in groups, with labels."""
    rng = np.random.default_rng(0)
    groups = np.arange(count) % GROUPS
    middles = (2 * rng.normal(size=(GROUPS, width))).astype(np.float32)
    vectors = middles[groups] + rng.standard_normal((count, width), dtype=np.float32)
    labels = {"group": np.array([f"group {group}" for group in groups])}
    return EmbeddingTable(vectors, tuple(map(str, range(count))), labels)


def build(count: int, page: Path) -> dict[str, float]:
    """Seconds from the vectors to an Atlas, its first map in a notebook, and its page; the peak in GB."""
    pictures = photographs(count) if count <= MOST_PICTURES else None
    vectors, found = made_up(count, WIDE), {}
    start, cpu = time.perf_counter(), time.process_time()

    def note(name: str) -> None:
        found[name] = time.perf_counter() - start
        found[f"{name}, CPU"] = time.process_time() - cpu

    atlas = Atlas(vectors, pictures=pictures, progress=False)
    note("atlas")
    atlas.live()
    note("first")
    atlas.to_html(page)
    note("page")
    return found | {"gigabytes": peak_memory() / 1e9}


def built(count: int, page: Path) -> list[str]:
    """A row of the first table: `build` in a process of its own."""
    found = in_own_process(__file__, "--build", str(count), str(page))
    times = [f"{found[name]:.1f} ({found[f'{name}, CPU']:.1f})" for name in ("atlas", "first", "page")]
    return [f"{count:,}", *times, f"{found['gigabytes']:.2f}"]


def recompute_seconds(count: int) -> float:
    """The median time from other parameters to a widget that has the maps; the first one compiles."""
    atlas = Atlas(made_up(count), grid=ONE_MAP)
    widget, seconds = atlas.live(), []
    for neighbors in (5, 8, 10, 12, 20, 30):
        start = time.perf_counter()
        atlas.state.recompute(neighbors, 0.3, 0)
        show_settings(atlas.state, widget)
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


def sizes(browser: Browser, count: int, made: Path) -> tuple[Page, list[str]]:
    """Return the open page and a row: its bytes, and what a tab needs for it."""
    whole = made.stat().st_size / 1e6
    needed = made.read_text(encoding="utf-8").partition(INERT)[0]
    page, process = tab(browser, made)
    row = [f"{count:,}", f"{len(needed.encode()) / 1e6:.2f}", f"{whole:.2f}", cpu_seconds(process)]
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
    page.keyboard.press("Escape")
    zoom, pan = page.evaluate(f"({FRAMES})(60)")
    anew = f"{recompute_seconds(count):.2f}" if count <= MOST_RECOMPUTED else "-"
    return [
        f"{count:,}",
        f"{paint:.1f}",
        f"{hover:.2f}",
        f"{selected:.2f}",
        f"{zoom:.0f}",
        f"{pan:.0f}",
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


def show(of_builds: list[list[str]], of_sizes: list[list[str]], rows: list[list[str]]) -> None:
    """Print the tables, and write them into README.md."""
    build_names = [
        "vectors of 512",
        "Atlas(), s (CPU s)",
        "to the first map, s (CPU s)",
        "to the page, s (CPU s)",
        "peak memory, GB",
    ]
    size_names = [
        "pictures",
        "page without thumbnails, MB",
        "with them, MB",
        "to the first map, CPU s",
        "the tab, MB",
        "zoomed in, MB",
        "sheets decoded then",
    ]
    names = [
        "pictures",
        "to repaint all, ms",
        "to follow the pointer, ms",
        "the same with all selected, ms",
        "a frame while zooming, ms",
        "while moving, ms",
        "to recompute, s",
    ]
    text = (
        f"`python benchmarks/atlas.py`: vectors of {WIDE} numbers and pieces of photographs (none above "
        f"{MOST_PICTURES:,}), in a process of its own: neighbors, one UMAP, its trust, and the page; seconds "
        "count from the beginning. The page is opened from the disk in headless Chromium without a graphics "
        "card. A tab's memory is that of its process; zoomed in, the map is ten times as wide as at first. "
        "Milliseconds are medians; a frame has the pace of the screen, 17 ms, in it, and what takes less is "
        "fluid at 60 frames a second. Recomputing is one UMAP with other parameters, from the map that is "
        f"there, of vectors of {WIDTH} numbers."
    )
    tables = [table(build_names, of_builds), table(size_names, of_sizes), table(names, rows)]
    publish("atlas", "The explorer", text, "\n\n".join(tables), quick=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 20_000, 200_000])
    parser.add_argument(
        "--build", nargs=2, help="build one of so many pictures: the page's file; prints JSON"
    )
    asked = parser.parse_args()
    if asked.build:
        print(json.dumps(build(int(asked.build[0]), Path(asked.build[1]))))
        return
    of_builds: list[list[str]] = []
    of_sizes: list[list[str]] = []
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        for count in asked.sizes:
            made = Path(folder) / f"{count}.html"
            of_builds.append(built(count, made))
            page, row = sizes(browser, count, made)
            of_sizes.append(row)
            rows.append(measure(page, count))
            page.close()
            show(of_builds, of_sizes, rows)  # so that the largest, which takes minutes, can be left out
        browser.close()


if __name__ == "__main__":
    main()
