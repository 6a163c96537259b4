"""The explorer in a real browser: in JupyterLab, and as an exported file from disk."""

import re

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from phi3lib import Atlas, EmbeddingTable
from phi3lib.embeddings.maps import Layout, aligned
from phi3lib.lab.atlas.page import script
from phi3lib.lab.atlas.state import SearchResult
from tests.browser.atlas_page import at_rest, first_map, more_pictures
from tests.jupyterlab import CELLS, NOTEBOOK, SCREENSHOTS, serious_faults

EVIL = '"><script>document.title="owned"</script>'
LONG = "a_very_long_name_" * 20
PAINTED = (
    "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; const s = new Set();"
    " for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return s.size; }"
)
LOOK = "c => c.toDataURL()"
CELL = """
import numpy as np
from PIL import Image
from phi3lib import Atlas, EmbeddingTable

rng = np.random.default_rng(0)
groups = np.repeat(np.arange(4), 15)
recipe = {"pooling": "projected: so"}
tables = {
    name: EmbeddingTable(
        (rng.normal(size=(4, width))[groups] * 3 + rng.normal(size=(60, width))).astype(np.float32),
        tuple(f"p{n}" for n in range(60)), {"group": np.array([f"g{g}" for g in groups])}, recipe)
    for name, width, recipe in (("one", 6, recipe), ("two", 9, {}))
}
class Words:
    def text_features(self, text):
        import torch
        return torch.from_numpy(tables["one"].vectors[[3]])

pictures = [Image.new("RGB", (20, 20), (4 * n, 60 * (n % 4), 0)) for n in range(60)]
grid = {"n_neighbors": (5, 15), "min_dist": (0.1,), "seed": (0, 1)}
atlas = Atlas(tables, pictures=pictures, grid=grid, model=Words())
gestures = []
atlas.on_select(lambda rows: gestures.append(len(rows)))
atlas
"""


def sixty(**options):
    """Two maps of sixty pictures; one has a name that means harm, one a very long one."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 15)
    ids = tuple({7: EVIL, 8: LONG}.get(n, f"p{n}") for n in range(60))
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
    return Atlas(tables, pictures=pictures, grid=grid, title="Sixty pictures", **options)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return sixty().to_html(tmp_path_factory.mktemp("export") / "atlas.html")


@pytest.fixture
def watched(new_page):
    """A function that opens a file until its pictures are drawn; nothing is asked for or goes wrong."""
    page = new_page(1000, 900)
    asked, errors = [], []
    page.on("request", lambda r: None if re.match("file:|data:", r.url) else asked.append(r.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)

    def open_file(path):
        page.goto(path.as_uri())
        first_map(page).wait_for()
        if "sheet-0" in path.read_text():
            more_pictures(page)
        return page

    yield open_file
    assert not asked and not errors


@pytest.fixture
def bare(new_page):
    """An empty page that knows the script's functions."""
    page = new_page()
    page.add_script_tag(content=script().replace("export default", "const atlas ="))
    return page


@pytest.fixture
def page(watched, exported):
    """The exported file; at the end no name ran as code."""
    page = watched(exported)
    yield page
    assert page.title() == "Sixty pictures"


def drag(page, canvas, *, shift=False, steps=4):
    """A lasso around the whole map."""
    box = canvas.bounding_box()
    corners = [(4, 4), (box["width"] - 5, 4), (box["width"] - 5, box["height"] - 5), (4, box["height"] - 5)]
    if shift:
        page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    for across, down in corners:
        page.mouse.move(box["x"] + across, box["y"] + down, steps=steps)
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
    expect(page.locator(".phi3lib-tip").first).to_be_visible()  # focus alone shows a picture
    page.keyboard.press("ArrowRight")
    expect(status).to_contain_text("true neighbors")
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
    expect(page.locator(".phi3lib-tip").first).to_be_hidden()
    assert "one keeps" in here and "one and two share" in here


def test_hover_shows_a_picture_within_the_map(page):
    canvas = page.locator("canvas").first
    seen = hovered(page, canvas)
    box = canvas.bounding_box()
    for tip in seen:
        assert box["x"] - 1 <= tip["x"] and tip["x"] + tip["width"] <= box["x"] + box["width"] + 1
        assert tip["y"] + tip["height"] <= box["y"] + box["height"] + 2
    assert page.get_by_role("status").inner_text().startswith("UMAP")  # a pointer makes no reader speak


def hovered(page, canvas):
    """The boxes of the tips, each with its picture, along a grid of places."""
    box, seen = canvas.bounding_box(), []
    tip = page.locator(".phi3lib-tip").first
    for across in range(8, int(box["width"]), 12):
        for down in range(8, int(box["height"]), 12):
            page.mouse.move(box["x"] + across, box["y"] + down)
            if tip.is_visible():
                seen.append(tip.bounding_box())
                assert tip.locator("canvas").evaluate(PAINTED) > 0
                assert tip.locator("canvas").evaluate(
                    "c => c.getContext('2d').getImageData(9, 9, 1, 1).data[3]"
                )
            if len(seen) > 12:
                return seen
    raise AssertionError(f"only {len(seen)} places with a tip")


@pytest.mark.parametrize("width", [1000, 300])
def test_the_tip_of_a_very_long_name_stays_within_the_map(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.locator("summary", has_text="Table").click()
    page.get_by_role("checkbox", name="select a_very").check()
    page.get_by_role("button", name=re.compile("^a_very")).first.click()
    tip, canvas = (page.locator(which).first for which in (".phi3lib-tip", "canvas[role=application]"))
    tip, box = tip.bounding_box(), canvas.bounding_box()
    assert tip["x"] >= box["x"] and tip["x"] + tip["width"] <= box["x"] + box["width"] + 1
    assert tip["y"] >= box["y"] and tip["y"] + tip["height"] <= box["y"] + box["height"] + 2
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_clicks_add_and_take_away_and_the_gallery_only_looks(page):
    canvas, status = page.locator("canvas").first, page.get_by_role("status")
    canvas.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+Enter")
    expect(status).to_have_text("2 selected")
    gallery = page.get_by_role("heading", name="Selected: 2").locator("+ div").get_by_role("button")
    gallery.first.click()
    expect(status).to_contain_text("true neighbors")
    expect(gallery).to_have_count(2)
    page.get_by_role("button", name="Clear").click()  # all pictures stand on the map, and stay there
    canvas.scroll_into_view_if_needed()
    hovered(page, canvas)
    page.mouse.down()
    page.mouse.up()
    expect(status).to_have_text("1 selected")
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(status).to_have_text("0 selected")


def test_sliders_colors_and_lines_repaint_at_once(page):
    canvas = page.locator("canvas").first
    before = canvas.evaluate(LOOK)
    page.get_by_label("n_neighbors").first.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("status")).to_contain_text("n_neighbors 5")
    at_rest(page)
    moved = canvas.evaluate(LOOK)
    assert moved != before
    page.get_by_label("Color").select_option("between")
    assert canvas.evaluate(LOOK) != moved
    expect(page.locator(".lists summary").first).to_contain_text("neighbors shared by one and two")
    page.locator("label", has_text=re.compile("^Map")).locator("select").select_option("PCA")
    expect(page.get_by_role("status")).to_contain_text("PCA")
    page.get_by_label("Show").select_option(label="g2")
    drag(page, canvas)
    expect(page.get_by_role("status")).to_have_text("15 selected")
    page.get_by_role("button", name="Rectangle").click()
    drag(page, canvas)
    page.get_by_label("Show").select_option(label="all")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    plain = canvas.evaluate(LOOK)
    page.get_by_label("true neighbors").last.check()
    assert canvas.evaluate(LOOK) != plain


def test_the_recipe_follows_the_sliders_and_back_from_pca(page):
    page.get_by_label("n_neighbors").focus()
    page.keyboard.press("ArrowLeft")
    page.locator("summary", has_text="How these maps were made").click()
    expect(page.locator("pre")).to_contain_text('"n_neighbors": 5')
    method = page.locator("label", has_text=re.compile("^Map")).locator("select")
    method.select_option("PCA")
    expect(page.locator("pre")).to_contain_text('"method": "PCA"')
    expect(page.get_by_label("n_neighbors")).to_be_hidden()
    method.select_option("UMAP")
    expect(page.locator("pre")).to_contain_text('"n_neighbors": 5')  # the last one, not the first of the grid


def test_a_slider_says_what_is_shown_where_the_grid_has_gaps(watched, tmp_path):
    atlas = sixty()
    atlas.state.recompute(9, 0.4, 0)  # alone with these values
    page = watched(atlas.to_html(tmp_path / "gaps.html"))
    page.get_by_label("min_dist").focus()
    page.keyboard.press("ArrowLeft")
    status = page.get_by_role("status")
    expect(status).to_contain_text("min_dist 0.1")
    shown = {
        name: page.locator("label", has_text=name).locator(".phi3lib-value").inner_text()
        for name in ("n_neighbors", "seed")
    }
    expect(status).to_contain_text(f"n_neighbors {shown['n_neighbors']}, min_dist 0.1, seed {shown['seed']}")


def test_a_text_has_its_star_its_strip_and_its_warning(watched, tmp_path):
    atlas = sixty()
    plain = watched(atlas.to_html(tmp_path / "plain.html")).locator("canvas").first.evaluate(LOOK)
    atlas.state.found = SearchResult("a red square", [3, 4], [0.4, 0.3], 1.0, "one")
    page = watched(atlas.to_html(tmp_path / "found.html"))
    assert page.locator("canvas").first.evaluate(LOOK) != plain
    heading = page.get_by_role("heading", name="a red square")
    expect(heading).to_contain_text("A search returns pictures even if none fits.")
    expect(heading).to_contain_text("two knows no texts: the star is placed there through one.")
    expect(page.get_by_role("heading", name=re.compile("^two"))).to_contain_text("text placed through one")
    expect(heading.locator("+ div").get_by_role("button")).to_have_count(2)


def test_who_moved_is_laid_out_as_in_python(bare, page):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 20, 2)).astype(np.float32)
    for moving in (second, second * [1, -1]):  # turned, and mirrored
        wanted = aligned(Layout(moving, {}), Layout(first, {})).coordinates
        laid = bare.evaluate(
            "([a, b]) => Array.from(laidOnto(a, b))", [moving.ravel().tolist(), first.ravel().tolist()]
        )
        assert np.reshape(laid, (-1, 2)) == pytest.approx(wanted, abs=1e-4)
    canvas = page.locator("canvas").first
    before = canvas.evaluate(LOOK)
    page.get_by_label("Color").select_option("moved")
    expect(page.get_by_text("Lines on one end where two has the picture")).to_be_visible()
    assert canvas.evaluate(LOOK) != before
    page.screenshot(path=SCREENSHOTS / "atlas_moved.png")


def test_what_is_drawn_stands_out_in_light_and_dark(bare):
    """Rings, edges, lines and borders against the paper and the page: 3 to 1 at least."""
    ask = """dark => {
        const app = Object.assign(Object.create(App.prototype), {dark: () => dark});
        return [app.ink(), HERE];
    }"""
    for dark, page_color in ((False, "#ffffff"), (True, "#111111")):
        ink, here = bare.evaluate(ask, dark)
        for color in (ink["line"], ink["edge"], here, "#767676", "#0072B2"):
            papers = (ink["paper"], page_color) if color != "#0072B2" else (page_color,)
            assert all(contrast(color, paper) >= 3 for paper in papers), (dark, color)


def contrast(one, other):
    """The ratio of WCAG 2."""

    def light(color):
        parts = np.array([int(color[n : n + 2], 16) for n in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", [320, 640], ids=["320px", "200%"])
def test_an_export_reflows_and_its_targets_are_large_enough(page, width):
    page.set_viewport_size({"width": width, "height": 640})
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    expect(page.get_by_role("checkbox", name="select p12")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert serious_faults(page, "body") == []


def test_reduced_motion_means_no_glide(page):
    drawn = (
        "c => { new MutationObserver(() => drawn.push(c.dataset.moving)).observe(c, {attributes: true}); }"
    )
    first_map(page).evaluate(drawn)
    page.get_by_label("n_neighbors").focus()
    for motion, key, seen in (
        ("no-preference", "ArrowLeft", {"true", "false"}),
        ("reduce", "ArrowRight", {"false"}),
    ):
        page.emulate_media(reduced_motion=motion)
        page.evaluate("() => { window.drawn = []; }")
        page.keyboard.press(key)
        at_rest(page)
        assert set(page.evaluate("drawn")) == seen


def test_the_table_is_a_way_to_all_that_the_maps_do(page):
    page.locator("summary", has_text="Table").click()
    expect(page.locator("summary", has_text="Table")).to_be_focused()
    page.get_by_role("checkbox", name="select p12").check()
    expect(page.get_by_role("status")).to_have_text("1 selected")
    expect(page.get_by_role("checkbox", name="select p12")).to_be_focused()
    page.get_by_label("Sort").select_option("name")
    assert page.locator("td:nth-child(2)").all_inner_texts()[2:5] == ["p0", "p1", "p2"]
    expect(page.get_by_role("columnheader", name="moved")).to_be_visible()


def test_a_name_covers_neither_the_middle_of_its_group_nor_the_buttons(bare):
    box = """across => {
      const camera = { across: () => across, down: () => 100, width: 200, height: 200 };
      const map = { camera, names: [], shown: [], app: { ink: () => ({ paper: "#fff" }) } };
      const named = { words: "cat", kind: 0, x: 0, y: 0, under: false, font: "12px serif", color: "#000" };
      write(map, document.createElement("canvas").getContext("2d"), named);
      return map.names[0];
    }"""
    assert bare.evaluate(box, 100)["down"] > 110
    beside = bare.evaluate(box, 190)
    assert beside["across"] + beside["wide"] <= 200 - 46  # as wide as a button and its margins


def test_names_are_text_and_never_code(page):
    page.locator("summary", has_text="Table").click()
    expect(page.get_by_role("cell", name=EVIL, exact=True)).to_be_visible()
    assert page.evaluate("document.title") == "Sixty pictures"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, scheme):
    canvas = page.locator("canvas").first
    drag(page, canvas)
    expect(page.get_by_role("heading", name="Selected: 60")).to_be_visible()
    page.mouse.move(0, 0)
    light = canvas.evaluate(LOOK)
    page.emulate_media(color_scheme=scheme)
    for summary in page.locator("summary").all():
        summary.click()
    assert serious_faults(page, "#atlas") == []
    page.keyboard.press("Escape")
    paper = page.evaluate("getComputedStyle(document.documentElement).colorScheme")
    assert paper == "light dark" and (canvas.evaluate(LOOK) == light) == (scheme == "light")
    page.screenshot(path=SCREENSHOTS / f"atlas_export_{scheme}.png", full_page=True)


def test_at_twice_the_size_nothing_is_cut_off(page):
    page.set_viewport_size({"width": 500, "height": 450})  # a window of 1000 × 900 at 200 %
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_without_pictures_and_with_one_map(watched, tmp_path):
    rng = np.random.default_rng(0)
    table = EmbeddingTable(rng.normal(size=(6, 3)).astype(np.float32), tuple("abcdef"))
    page = watched(Atlas(table).to_html(tmp_path / "bare.html"))
    page.locator("canvas").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".phi3lib-tip canvas")).to_have_count(0)
    expect(page.get_by_role("heading", name="Selected: 1")).to_be_visible()


def test_pictures_at_one_place_and_a_sample_are_spoken_of(watched, tmp_path, monkeypatch):
    monkeypatch.setattr("phi3lib.lab.atlas.page_data.MOST_POINTS", 5)
    alike = EmbeddingTable(np.tile(np.float32([1, 2, 3]), (8, 1)), tuple("abcdefgh"))
    grid = {"n_neighbors": (), "min_dist": (), "seed": ()}
    page = watched(Atlas(alike, grid=grid).to_html(tmp_path / "alike.html"))
    page.locator("canvas").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".phi3lib-tip")).to_contain_text("4 more stand at this very place")
    expect(page.get_by_text("5 of 8 pictures, drawn by chance")).to_be_visible()


ASK = (
    "async (code) => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;"
    " let text = ''; const future = kernel.requestExecute({code});"
    " future.onIOPub = m => { text += m.content.text || ''; }; await future.done; return text.trim(); }"
)
ASKED = (
    100  # times, at most: a kernel answers in another thread than the one that hears what a page has changed
)


ENDLESS = """
from phi3lib.lab.atlas import state
usual, ended = state.selection_map, False
def endless(tables, rows, settings, most, tell):
    global ended
    try:
        while True:
            tell(0.5)
    finally:
        ended = True
state.selection_map = endless
"""


def printed(page, code, wanted):
    """What a line prints in the kernel, asked until it is what is wanted."""
    for _ in range(ASKED):
        if (text := page.evaluate(ASK, code)) == wanted:
            break
    return text


def test_in_jupyterlab_a_lasso_reaches_python(opened, one_cell):
    content = one_cell(CELL)
    content.cells.append(nbformat.v4.new_code_cell("atlas"))  # a second view of the same widget
    notebook = opened(content, "atlas")
    notebook.run_all()
    page = notebook.page
    first, again = (page.locator("canvas[aria-label^='Map one']").nth(n) for n in (0, 1))
    again.wait_for()
    second = page.locator("canvas[aria-label^='Map two']").first
    assert first.evaluate(PAINTED) > 10 and second.evaluate(PAINTED) > 10
    before = second.evaluate(LOOK)
    first.scroll_into_view_if_needed()
    drag(page, first)
    status = page.locator("[role=status]", has_text="selected")
    expect(status).to_have_text("60 selected")
    assert second.evaluate(LOOK) != before
    first.focus()
    for name in ("ArrowRight", "ArrowRight", "Enter", "d", "d", "a", "x", "m"):
        page.keyboard.press(name)
    expect(status).to_have_text("1 selected")
    # Keys stay with the map: "d" twice would delete the cell, "a" add one, arrows would leave it.
    assert page.locator(".jp-Cell").count() == page.locator(".jp-CodeCell").count() == 2
    told = "print(gestures, len(atlas.selected.to_pandas()))"
    assert printed(page, told, "[60, 1] 1") == "[60, 1] 1"
    expect(page.get_by_role("heading", name="Selected: 1")).to_have_count(2)  # in both views
    assert serious_faults(page, ".jp-OutputArea-output") == []
    notebook.screenshot("atlas_jupyterlab")
    saves_a_selection(page)
    opens_all_pixels(page)
    finds_a_text(page)
    computes_anew(page)
    slides_both_views(page)
    places_by_components(page)
    answers_a_query(page)
    lays_out_the_selection(page)
    turns_dark(notebook, first)
    runs_again(notebook, first)


def saves_a_selection(page):
    """Under a name, from one view: the other view and Python have it."""
    page.get_by_label("Name the selection").first.fill("the one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove “the one”")).to_have_count(2)
    same = "print(atlas.selections.get('the one') == atlas.rows, len(atlas.rows))"
    assert printed(page, same, "True 1") == "True 1"
    page.evaluate(ASK, "del atlas.selections['the one']")
    expect(page.get_by_role("button", name="Remove “the one”")).to_have_count(0)


def opens_all_pixels(page):
    """In a tab of its own: the picture of 20 × 20 pixels that Python holds; each fact of it has one line."""
    heights = page.locator(".detail dt").evaluate_all("all => all.map((one) => one.offsetHeight)")
    assert heights and max(heights) < 30  # Jupyter's own styles break words into letters
    with page.expect_popup() as popup:
        page.get_by_role("button", name="Full size").first.click()
    popup.value.wait_for_function("() => document.images.length && document.images[0].naturalWidth === 20")
    popup.value.close()


def finds_a_text(page):
    page.get_by_label("Text").first.fill("anything")
    page.get_by_role("button", name="Find").first.click()
    expect(page.get_by_role("heading", name="“anything” by one").first).to_be_visible()


def computes_anew(page):
    other, status = (
        page.locator("summary", has_text="Other parameters").first,
        page.locator("[role=status]").first,
    )
    other.click()
    number, button = (
        page.locator("input[name=n_neighbors]").first,
        page.get_by_role("button", name="Recompute").first,
    )
    number.fill("9")
    button.click()
    expect(status).to_contain_text("n_neighbors 9")
    expect(other.locator("..")).to_have_attribute("open", "")  # nothing was built anew under the hand
    number.fill("900")
    button.click()
    expect(status).to_contain_text("may be 2 to")


def slides_both_views(page):
    page.get_by_role("slider", name="seed").first.focus()
    page.keyboard.press("ArrowRight")
    shown = page.locator("label", has_text="seed").locator(".phi3lib-value")
    expect(shown).to_have_text(["1", "1"])


def places_by_components(page):
    """In both views; Python speaks of what they show, and so it does when the map of before is back."""
    maps, status = page.get_by_role("combobox", name="Map"), page.locator("[role=status]").first
    mean = "print(atlas.sql('SELECT round(avg(`one: neighbors kept`)) AS a FROM pictures')['a'][0])"
    before = page.evaluate(ASK, mean)
    maps.first.select_option("own axes")
    expect(status).to_contain_text("component 1 across, component 2 up")
    expect(maps.nth(1)).to_have_value("own axes")
    wanted = re.search(r"one (\d+)% of 10", status.inner_text())[1]
    assert printed(page, mean, f"{wanted}.0") == f"{wanted}.0" != before
    page.evaluate(ASK, "atlas.select(where='`one: neighbors kept` < 70'); was = atlas.rows; atlas.select([])")
    line = page.get_by_label("Where", exact=True).nth(1)
    line.fill("`one: neighbors kept` < 70")
    line.press("Enter")
    assert printed(page, "print(len(was) > 0, atlas.rows == was)", "True True") == "True True"
    maps.nth(1).select_option("UMAP")
    expect(status).to_contain_text("trustworthiness")
    assert printed(page, mean, before) == before


def answers_a_query(page):
    """In one view, by Python; the pictures of the answer are selected in all."""
    panel = page.locator(".sql").first
    panel.locator("summary", has_text="Query in SQL").click()
    panel.get_by_role("button", name="Run", exact=True).click()  # the example: group is a word of SQL
    expect(panel.get_by_text("4 of 4 rows shown")).to_be_visible()
    panel.get_by_label("SQL", exact=True).fill("SELECT row, moved FROM pictures WHERE `group` = 'g1' LIMIT 3")
    page.keyboard.press("Control+Enter")
    expect(panel.get_by_text("3 of 3 rows shown")).to_be_visible()
    panel.get_by_role("button", name="Select these pictures").click()
    expect(page.get_by_role("heading", name="Selected: 3")).to_have_count(2)
    assert printed(page, "print(atlas.rows)", "[15, 16, 17]") == "[15, 16, 17]"
    expect(page.locator(".sql table")).to_have_count(1)


def lays_out_the_selection(page):
    """Three are too few; a new map of fifteen is in both views, and both go back."""
    anew, status = page.get_by_role("button", name="Map these anew"), page.locator("[role=status]").first
    anew.first.click()
    expect(status).to_contain_text("A map needs 4 pictures at least")
    page.evaluate(ASK, "atlas.select(where=\"`group` = 'g1'\")")
    expect(page.get_by_role("heading", name="Selected: 15")).to_have_count(2)
    anew.first.click()
    alone = page.locator("canvas[aria-label='Map one of 15 pictures alone']")
    expect(alone).to_have_count(2)
    expect(status).to_contain_text("UMAP of 15 pictures alone")
    expect(page.locator(".title").first).to_contain_text("% of their 10 true neighbors near")
    kept = "print(atlas.sql('SELECT count(`one: neighbors kept`) AS n FROM pictures')['n'][0])"
    assert printed(page, kept, "15") == "15"
    stops_the_next_one(page, anew.first, status)
    opens_another_view(page)
    page.get_by_role("button", name="Back to all").nth(1).click()
    expect(alone).to_have_count(0)
    expect(anew.nth(1)).to_be_focused()
    assert printed(page, kept, "60") == "60"
    page.evaluate(ASK, "atlas.map_of(range(20, 40))")
    expect(page.locator("canvas[aria-label='Map two of 20 pictures alone']")).to_have_count(2)
    page.evaluate(ASK, "atlas.back_to_all()")
    expect(page.get_by_role("button", name="Back to all").first).to_be_hidden()


def opens_another_view(page):
    """While a new map is shown: the view begins with it, and with its pictures alone."""
    page.evaluate(
        f"async () => {{ {NOTEBOOK}.content.activeCellIndex = 1;"
        " await window.jupyterapp.commands.execute('notebook:run-cell'); }"
    )
    expect(page.locator("summary", has_text="Table: 15 pictures")).to_have_count(2)
    expect(page.locator("canvas[aria-label='Map one of 15 pictures alone']")).to_have_count(2)


def stops_the_next_one(page, button, status):
    """A new map that does not end by itself: the kernel answers meanwhile, and either view can stop it."""
    page.evaluate(ASK, ENDLESS)
    button.click()
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_have_count(3)  # in both views, and in place of "Recompute" where that is to be seen
    assert page.evaluate(ASK, "print(6 * 7)") == "42"
    stop.nth(2).click()
    expect(stop).to_have_count(0)
    expect(status).to_have_text("Stopped: there is no new map")
    assert printed(page, "print(ended)", "True") == "True"
    page.evaluate(ASK, "state.selection_map = usual")


def turns_dark(notebook, canvas):
    before = canvas.evaluate(LOOK)
    still = notebook.page.locator("img.phi3lib-drawing").first
    filtered = "image => getComputedStyle(image).filter"
    assert still.evaluate(filtered) == "none"
    notebook.use_theme("Dark")
    assert canvas.evaluate(LOOK) != before
    assert still.evaluate(filtered).startswith("invert")  # a drawing follows the theme, as the map does
    assert canvas.evaluate("c => c.width") > 200  # a cell that was out of view keeps its sharpness
    canvas.scroll_into_view_if_needed()
    notebook.screenshot("atlas_jupyterlab_dark")


def runs_again(notebook, canvas):
    """Another run of the cell is another explorer, with nothing selected."""
    notebook.run_all()
    notebook.page.wait_for_function(f"{CELLS}.every(c => c.model.executionCount > 2)")
    expect(notebook.page.locator("canvas[aria-label^='Map one']")).to_have_count(2)
    expect(notebook.page.get_by_role("heading", name="Selected: 1")).to_have_count(0)
    canvas.scroll_into_view_if_needed()
    drag(notebook.page, canvas)
    expect(notebook.page.get_by_role("heading", name="Selected: 60")).to_have_count(2)
