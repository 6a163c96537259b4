"""The course's instruments in JupyterLab, in a real browser: drawn, moved by keys, clicks and sliders."""

import re
from functools import cache

import nbformat
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.atlas_page import frame
from tests.jupyterlab import PAINTED, serious_faults

LOOK = "c => c.toDataURL()"
THEMES = ("Light", "Dark")
OUTPUT = ".jp-OutputArea-output"

# Keys that change, add, cut or leave cells in Jupyter's command mode.
COMMANDS = ("d", "d", "a", "b", "x", "m", "y", "Shift+M", "k", "j", "ArrowUp", "ArrowDown")
STATE_OF_CELLS = (
    "() => { const n = window.jupyterapp.shell.currentWidget.content;"
    " return [n.activeCellIndex, n.mode, n.widgets.map(c => c.model.id + c.model.type).join()]; }"
)

SET_UP = """
from dataclasses import replace

import numpy as np
from phi3lib import embed_images, lab, load_clip
from phi3lib.embeddings.knn import nearest

clip, gallery = load_clip(), lab.gallery()[:30]
pictures = [one.open() for one in gallery]
table = embed_images([one.path for one in gallery], model=clip, progress=False)
table = replace(table, ids=tuple(one.kind for one in gallery))
tables = {name: replace(table, vectors=table.vectors[:, part]) for name, part in (
    ("all", slice(None)), ("first half", slice(None, 32)), ("second half", slice(32, None)))}
space = nearest(table.vectors, 12)
"""
# Each instrument on a panel: the cell that makes it, a control, and what moves that.
PANELS = {
    "picker": (
        "tiles = lab.first_embedding.photo_tiles()\n"
        "raw = [lab.first_embedding.mean_colors(tile.picture) for tile in tiles]\n"
        "lab.NeighborPicker(tiles, lab.first_embedding.to_unit_length(raw), chosen=18)",
        "Look at",
        "ArrowDown",
    ),
    "temperature": (
        "lab.TemperatureBoard(pictures[:3], ['a cat', 'a circle', 'a square'], clip)",
        "Scale (1 / temperature)",
        "PageDown",
    ),
    "layers": (
        "features = lab.layers.layer_features(clip, pictures[:8])\n"
        "lab.layers.LayerExplorer(pictures[:8], features, layer=-2, patch=20)",
        "Patch row",
        "ArrowRight",
    ),
    "grid": ("lab.widgets.GridExplorer(640, 427)", "Crops at most", "Home"),
    "recipes": (
        "lab.RecipeSwitches(tables, pictures, recipe='all', picture=4)",
        "Take the mean of all vectors away",
        "Space",
    ),
    "reader": (
        "layouts = lab.map_grid(table.vectors, space, n_neighbors=(5, 10), min_dist=(0.0, 0.8), seeds=(0,))\n"
        "lab.MapReader(layouts, table.vectors, space, [one.family for one in gallery])",
        "min_dist",
        "ArrowRight",
    ),
    "strips": ("lab.RankedStrips(tables, pictures, query=5)", "Query", "ArrowUp"),
    "scrubber": (
        "lab.Scrubber((0, 10, 20), [table.vectors[row : row + 4] for row in range(3)], table.vectors[4:8], "
        "list('abcd'), {'loss': (3.0, 2.0, 1.0)}, chosen=10)",
        "Step",
        "ArrowRight",
    ),
    "search": (
        "lab.SearchBox(table, pictures, clip, text='a tent on a blue background', picture=3)",
        "Weight of the text, if both",
        "End",
    ),
    "ask": (
        "from phi3lib import load_phi3_model\n"
        "phi3 = load_phi3_model(language_model=True)\n"
        "lab.AskAndMask(phi3, pictures[0], 'What is it?', hidden='all visual tokens')",
        "Head",
        "ArrowRight",
    ),
}


def make_notebook(sources):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


@pytest.fixture(scope="module")
def course(lab_page):
    """One notebook with all instruments on panels, which has run; cell 1 and on are these in their order.

    The tests that open another notebook come after those that use this one.
    """
    notebook = lab_page.open(
        make_notebook([SET_UP, *(source for source, *_ in PANELS.values())]), "course.ipynb"
    )
    notebook.run_all()
    assert notebook.errors_of_cells() == []
    return notebook


@pytest.fixture
def instrument(course, request):
    """(notebook, output, cell) of the instrument that the test asks for; the page made no error."""
    number = 1 + list(PANELS).index(request.param)
    yield course, output_of(course, number), number
    assert course.errors == [] and course.outside == []


def output_of(notebook, number):
    """The output of a cell, in view, with its panel."""
    output = notebook.cell(number).locator(OUTPUT)
    output.get_by_role("group").wait_for()
    return output


@pytest.fixture(scope="module")
def faults_in(course):
    """A function that returns {cell: faults} of all instruments in a theme, from one run of axe-core."""

    @cache
    def look(theme):
        course.use_theme(theme)
        cells = range(1, 1 + len(PANELS))
        for number in cells:
            output_of(course, number)
        return course.serious_faults(cells)

    return look


@pytest.mark.parametrize("instrument", PANELS, indirect=True)
def test_no_key_on_a_control_reaches_the_notebook(instrument):
    notebook, output, _ = instrument
    before = notebook.page.evaluate(STATE_OF_CELLS)
    assert before[1] == "command"
    for control in output.locator("input:enabled, select").all():
        control.focus()
        for key in COMMANDS:
            notebook.page.keyboard.press(key)
    frame(notebook.page)
    assert notebook.page.evaluate(STATE_OF_CELLS) == before


@pytest.mark.parametrize("instrument", PANELS, indirect=True)
def test_a_key_on_a_labeled_control_moves_the_picture_and_the_words(instrument, request):
    notebook, output, _ = instrument
    _, label, key = PANELS[request.node.callspec.params["instrument"]]
    words, picture = output.get_by_role("status"), output.get_by_role("img")
    said, shown = words.inner_text(), picture.get_attribute("src")
    output.get_by_label(label, exact=True).focus()
    notebook.page.keyboard.press(key)
    expect(words).not_to_have_text(said)
    expect(picture).not_to_have_attribute("src", shown)
    assert picture.evaluate("i => i.decode().then(() => i.naturalWidth)") > 300
    assert output.locator("img:visible").count() == 1  # changed, never added to


@pytest.mark.parametrize("instrument", PANELS, indirect=True)
@pytest.mark.parametrize("theme", THEMES)  # all in one theme, then all in the other
def test_each_is_readable_in_both_themes_and_named_for_screen_readers(instrument, theme, request, faults_in):
    notebook, _, number = instrument
    name = request.node.callspec.params["instrument"]
    notebook.use_theme(theme)
    assert faults_in(theme)[number] == []
    output = output_of(notebook, number)
    for control in output.locator("input, select").all():
        assert control.evaluate("c => c.labels.length === 1 && c.labels[0].innerText.trim().length > 0")
    words = output.get_by_role("status")
    assert words.evaluate("w => w.scrollWidth <= w.clientWidth")  # nothing is cut off
    notebook.screenshot(f"{name}_{theme.lower()}")


@pytest.mark.parametrize("instrument", ["search"], indirect=True)
def test_what_is_written_is_searched_with_enter_and_is_never_code(instrument):
    notebook, output, _ = instrument
    line = output.get_by_label("Text", exact=True)
    line.fill("<img src=x onerror=document.title='owned'> for $5")
    line.press("Enter")
    expect(output.get_by_role("status")).to_contain_text("<img src=x")
    assert output.locator("img:visible").count() == 1 and notebook.page.title() != "owned"


@pytest.mark.parametrize("instrument", ["temperature"], indirect=True)
def test_captions_are_written_into_the_board(instrument):
    _, output, _ = instrument
    picture = output.get_by_role("img")
    shown = picture.get_attribute("src")
    line = output.get_by_label("Caption 4")
    line.fill("a green thing")
    line.press("Enter")
    expect(picture).not_to_have_attribute("src", shown)


def test_two_views_of_one_instrument_go_together(opened, one_cell):
    notebook = opened(
        one_cell(
            "from IPython.display import display\nfrom phi3lib import lab\n"
            "grid = lab.widgets.GridExplorer(640, 427)\n"
            "microscope = lab.widgets.TokenMicroscope(lab.photograph('china'), index=700)\n"
            "display(grid, grid, microscope, microscope)"
        ),
        "views",
    )
    notebook.run_all()
    page = notebook.page
    crops = page.get_by_label("Crops at most")
    expect(crops).to_have_count(2)
    crops.first.focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("status").filter(has_text="at most 1 crops")).to_have_count(2)
    expect(crops.last).to_have_value("0")
    page.locator("canvas[tabindex]").last.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("status").filter(has_text="Token 701 of")).to_have_count(2)


def test_without_its_kernel_a_view_says_so_and_the_saved_still_stays(opened, one_cell, lab_page):
    notebook = opened(one_cell("from phi3lib import lab\nlab.widgets.GridExplorer(640, 427)"), "ended")
    notebook.run_all()
    page = notebook.page
    crops, still = page.get_by_label("Crops at most"), page.locator("img.phi3lib-still")
    notice = page.get_by_role("alert").filter(has_text="Not connected")
    expect(crops).to_be_enabled()
    expect(notice).to_have_count(0)
    expect(still).to_be_hidden()
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    expect(notice).to_be_visible()
    expect(crops).to_be_disabled()
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    # The widget manager says that no model is there any more, once another kernel has started.
    with page.expect_console_message(lambda said: "model not found" in said.text):
        page.goto(lab_page.address_of("ended.ipynb", workspace="again"))
    notebook.wait_until_ready()
    assert all("model not found" in error for error in notebook.errors)
    notebook.errors.clear()
    expect(still).to_be_visible()
    assert still.evaluate("i => i.decode().then(() => i.naturalWidth)") > 300
    assert still.get_attribute("alt")
    for text in ("model not found", "Error displaying widget", "Error creating widget"):
        expect(page.locator(".jp-Notebook").get_by_text(text).filter(visible=True)).to_have_count(0)


def test_the_microscope_follows_keys_clicks_and_pointer(opened, one_cell):
    notebook = opened(
        one_cell(
            "from phi3lib import lab\n"
            "microscope = lab.widgets.TokenMicroscope(lab.photograph('china'), index=700)\nmicroscope"
        ),
        "microscope",
    )
    notebook.run_all()
    page = notebook.page
    canvas = page.locator("canvas[aria-label^='Token microscope']")
    canvas.wait_for()
    words = page.get_by_role("status").filter(has_text="Token ")
    expect(words).to_contain_text("Token 700 of")
    assert canvas.evaluate(PAINTED) > 100_000
    expect(canvas).to_have_accessible_name("Token microscope: the picture and its tokens")
    expect(canvas).to_have_accessible_description(re.compile("^Left and right arrow: along the sequence"))
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(words).to_contain_text("Token 701 of")
    page.keyboard.press("ArrowDown")
    expect(words).to_contain_text("Token 750 of")  # 4 crops × 12 tokens and a separator further
    page.keyboard.press("PageDown")
    expect(words).to_contain_text("Token 1338 of")  # 12 rows further
    page.keyboard.press("PageUp")
    expect(words).to_contain_text("Token 750 of")
    page.keyboard.press("Home")
    expect(words).to_contain_text("Token 0 of")
    box = canvas.bounding_box()
    place = {"x": box["width"] * 0.2, "y": box["height"] * 0.4}
    still = canvas.evaluate(LOOK)
    canvas.hover(position=place)
    assert canvas.evaluate(LOOK) != still  # the cells under the pointer
    expect(words).to_contain_text("Token 0 of")  # but nothing has moved
    canvas.click(position=place)
    expect(words).to_contain_text("It represents pixels")
    first = words.inner_text()
    canvas.click(position=place)
    expect(words).not_to_have_text(first)
    slider = page.get_by_label("Place in the token sequence")
    slider.focus()
    page.keyboard.press("End")
    expect(words).to_contain_text("Token 1920 of")
    canvas.click(position={"x": box["width"] * 0.2, "y": 4})
    expect(page.get_by_role("status").filter(has_text="Padding")).to_be_visible()
    check_keys_and_readability(notebook, canvas, "microscope")


def check_keys_and_readability(notebook, element, name):
    """No key on it reaches the notebook; axe-core finds no serious fault in either theme."""
    notebook.cell(0)
    before = notebook.page.evaluate(STATE_OF_CELLS)
    element.focus()
    for key in COMMANDS:
        notebook.page.keyboard.press(key)
    assert notebook.page.evaluate(STATE_OF_CELLS) == before
    for theme in THEMES:
        notebook.use_theme(theme)
        assert serious_faults(notebook.page, OUTPUT) == []
        notebook.screenshot(f"{name}_{theme.lower()}")


def test_the_drawing_pad_sends_what_is_drawn_and_what_is_opened(opened, tmp_path):
    notebook = opened(
        make_notebook([f"{SET_UP}\npad = lab.DrawingPad(pictures[3], table, pictures, clip)\npad"]), "pad"
    )
    notebook.run_all()
    page = notebook.page
    canvas = page.locator("canvas[aria-label^='Drawing pad']")
    canvas.wait_for()
    words = page.get_by_role("status").filter(has_text="Nearest pictures")
    expect(words).to_contain_text("(1.00)")  # the picture itself is in the gallery
    before = words.inner_text()
    page.get_by_role("button", name="Clear").click()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 160, steps=8)
    page.mouse.up()
    expect(words).to_contain_text("Nearest pictures")
    drawn, sketch = words.inner_text(), canvas.evaluate(LOOK)
    assert drawn != before
    # The same picture asked about twice gets its answer twice.
    page.get_by_role("button", name="What is it?").click()
    expect(words).to_have_text(drawn)
    assert canvas.evaluate(LOOK) == sketch
    Image.new("RGB", (300, 200), "red").save(tmp_path / "red.png")
    page.get_by_label("Open a picture", exact=True).set_input_files(tmp_path / "red.png")
    expect(words).not_to_have_text(drawn)
    expect(words).to_contain_text("Nearest pictures")
    assert page.get_by_role("group", name="Drawing pad").locator("figure").count() == 5
    check_keys_and_readability(notebook, page.get_by_label("Color"), "drawing_pad")
