"""The explorer in a real browser: in JupyterLab, and as an exported file from disk."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from phi3lib import Atlas, EmbeddingTable
from tests.browser.conftest import SCREENSHOTS, serious_faults

EVIL = '"><script>document.title="owned"</script>'
PAINTED = (
    "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const s = new Set();"
    " for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return s.size; }"
)
LOOK = "c => c.toDataURL()"
WAIT = 90_000
CELL = """
import numpy as np
from PIL import Image
from phi3lib import Atlas, EmbeddingTable

rng = np.random.default_rng(0)
groups = np.repeat(np.arange(4), 15)
tables = {
    name: EmbeddingTable(
        (rng.normal(size=(4, width))[groups] * 3 + rng.normal(size=(60, width))).astype(np.float32),
        tuple(f"p{n}" for n in range(60)), {"group": np.array([f"g{g}" for g in groups])})
    for name, width in (("one", 6), ("two", 9))
}
pictures = [Image.new("RGB", (20, 20), (4 * n, 60 * (n % 4), 0)) for n in range(60)]
grid = {"n_neighbors": (5, 15), "min_dist": (0.1,), "seed": (0, 1)}
atlas = Atlas(tables, pictures=pictures, grid=grid)
gestures = []
atlas.on_select(lambda rows: gestures.append(len(rows)))
atlas
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A file with two maps of sixty pictures, one of which has a name that means harm."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 15)
    ids = tuple(EVIL if n == 7 else f"p{n}" for n in range(60))
    tables = {
        name: EmbeddingTable(
            (rng.normal(size=(4, width))[groups] * 3 + rng.normal(size=(60, width))).astype(np.float32),
            ids,
            {"group": np.array([f"g{g}" for g in groups])},
        )
        for name, width in (("one", 6), ("two", 9))
    }
    pictures = [Image.new("RGB", (20, 20), (4 * n, 60 * (n % 4), 0)) for n in range(60)]
    grid = {"n_neighbors": (5, 15), "min_dist": (0.1,), "seed": (0, 1)}
    atlas = Atlas(tables, pictures=pictures, grid=grid, title="Sixty pictures")
    return atlas.to_html(tmp_path_factory.mktemp("export") / "atlas.html")


@pytest.fixture
def page(chromium, exported):
    """The exported file; at the end nothing was asked for, nothing went wrong, and no name ran as code."""
    page = chromium.new_page(viewport={"width": 1000, "height": 900})
    asked, errors = [], []
    page.on("request", lambda r: None if re.match("file:|data:", r.url) else asked.append(r.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(exported.as_uri())
    yield page
    assert page.title() == "Sixty pictures"
    page.close()
    assert not asked and not errors


def drag(page, canvas, *, shift=False):
    """A lasso around the whole map."""
    box = canvas.bounding_box()
    corners = [(4, 4), (box["width"] - 5, 4), (box["width"] - 5, box["height"] - 5), (4, box["height"] - 5)]
    if shift:
        page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    for across, down in corners:
        page.mouse.move(box["x"] + across, box["y"] + down, steps=4)
    page.mouse.up()
    if shift:
        page.keyboard.up("Shift")


def test_both_maps_are_drawn_and_linked(page):
    first, second = page.locator("canvas[role=application]").all()
    expect(page.get_by_text("g3", exact=True).last).to_be_visible()  # the legend
    assert first.evaluate(PAINTED) > 10 and second.evaluate(PAINTED) > 10
    before = second.evaluate(LOOK)
    drag(page, first)
    status = page.get_by_role("status")
    expect(status).to_have_text("60 selected")
    assert second.evaluate(LOOK) != before
    expect(page.get_by_role("heading", name="Selected: 60")).to_be_visible()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "atlas_export.png", full_page=True)


def test_the_keyboard_walks_selects_and_clears(page):
    canvas, status = page.locator("canvas").first, page.get_by_role("status")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(status).to_contain_text("true neighbours")
    here = status.inner_text()
    for name in ("ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown"):
        page.keyboard.press(name)
    page.keyboard.press("Enter")
    expect(status).to_have_text("1 selected")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+Enter")
    expect(status).to_have_text("2 selected")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Selected")).to_have_count(0)
    assert "keeps" in here


def test_hover_shows_a_picture_within_the_map(page):
    canvas = page.locator("canvas").first
    box = canvas.bounding_box()
    seen = []
    for across in range(8, int(box["width"]), 12):
        for down in range(8, int(box["height"]), 12):
            page.mouse.move(box["x"] + across, box["y"] + down)
            tip = page.locator("div[style*='position: absolute']").first
            if tip.is_visible():
                seen.append(tip.bounding_box())
                assert "url(" in tip.locator("[role=img]").evaluate("e => e.style.backgroundImage")
        if len(seen) > 12:
            break
    assert seen
    for tip in seen:
        assert box["x"] - 1 <= tip["x"] and tip["x"] + tip["width"] <= box["x"] + box["width"] + 1
        assert tip["y"] + tip["height"] <= box["y"] + box["height"] + 2


def test_sliders_colours_and_lines_repaint_at_once(page):
    canvas = page.locator("canvas").first
    before = canvas.evaluate(LOOK)
    page.get_by_label("n_neighbors").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("status")).to_contain_text("n_neighbors 5")
    page.wait_for_timeout(600)  # the glide
    moved = canvas.evaluate(LOOK)
    assert moved != before
    page.get_by_label("Colour").select_option("between")
    assert canvas.evaluate(LOOK) != moved
    expect(page.locator("summary").first).to_contain_text("neighbours shared by one and two")
    page.locator("label", has_text=re.compile("^Map")).locator("select").select_option("PCA")
    expect(page.get_by_role("status")).to_contain_text("PCA")
    page.get_by_label("Show").select_option(label="g2")
    drag(page, canvas)
    expect(page.get_by_role("status")).to_have_text("15 selected")
    page.get_by_label("Select by").select_option("rectangle")
    drag(page, canvas)
    canvas.focus()
    page.keyboard.press("ArrowRight")
    plain = canvas.evaluate(LOOK)
    page.get_by_label("true neighbours").last.check()
    assert canvas.evaluate(LOOK) != plain


def test_names_are_text_and_never_code(page):
    page.locator("summary", has_text="Table").click()
    expect(page.get_by_role("cell", name=EVIL)).to_be_visible()
    assert page.evaluate("document.title") == "Sixty pictures"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, scheme):
    page.emulate_media(color_scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    assert serious_faults(page, "#atlas") == []


def test_at_twice_the_size_nothing_is_cut_off(page):
    page.set_viewport_size({"width": 500, "height": 450})  # a window of 1000 × 900 at 200 %
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_in_jupyterlab_a_lasso_reaches_python(opened, one_cell):
    notebook = opened(one_cell(CELL), "atlas")
    notebook.run_all()
    page = notebook.page
    first = page.locator("canvas[aria-label^='Map one']")
    first.wait_for(timeout=WAIT)
    second = page.locator("canvas[aria-label^='Map two']")
    assert first.evaluate(PAINTED) > 10 and second.evaluate(PAINTED) > 10
    before = second.evaluate(LOOK)
    first.scroll_into_view_if_needed()
    drag(page, first)
    status = page.locator("[role=status]", has_text="selected")
    expect(status).to_have_text("60 selected")
    assert second.evaluate(LOOK) != before
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(status).to_have_text("1 selected")
    # Keys stay with the map: "d" twice would delete a cell, arrows would leave it.
    assert page.locator(".jp-CodeCell").count() == 1
    answer = (
        "async () => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;"
        " let text = ''; const future = kernel.requestExecute("
        " {code: 'print(gestures, len(atlas.selected.to_pandas()))'});"
        " future.onIOPub = m => { text += m.content.text || ''; }; await future.done; return text; }"
    )
    assert page.evaluate(answer).strip() == "[60, 1] 1"
    assert serious_faults(page, ".jp-OutputArea-output") == []
    notebook.screenshot("atlas")
    page.locator("summary", has_text="Other parameters").click()
    page.locator("input[name=n_neighbors]").fill("9")
    page.get_by_role("button", name="Recompute").click()
    expect(page.locator("[role=status]").first).to_contain_text("n_neighbors 9", timeout=WAIT)
