"""An exported page of many pictures: its thumbnails are decoded where they are looked at, and not before."""

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.thumbnails import SHEET
from tests.browser.atlas_page import at_rest, first_map, frame, open_page, until

COUNT = 6_400
COUNTED = """
  window.decodings = window.pending = 0;
  const decode = window.createImageBitmap;
  window.createImageBitmap = async (...given) => {
    window.decodings += 1;
    window.pending += 1;
    try { return await decode(...given); } finally { window.pending -= 1; }
  };
"""


class Words:
    """A text encoder: a direction for each length of a text."""

    def text_features(self, text):
        return torch.eye(4)[[len(text) % 4]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A square of pictures, blue in its left half and red in its right one."""
    rng = np.random.default_rng(0)
    places = rng.random((COUNT, 2))
    blue, red = (Image.new("RGB", (24, 24), color) for color in ((20, 60, 220), (220, 40, 30)))
    ids, recipe = tuple(f"p{n}" for n in range(COUNT)), {"pooling": "projected: so"}
    table = EmbeddingTable(rng.normal(size=(COUNT, 4)).astype(np.float32), ids, {}, recipe)
    pictures = [blue if x < 0.5 else red for x in places[:, 0]]
    atlas = Atlas(table, pictures=pictures, layout=places, model=Words(), progress=False, title="Many")
    return atlas.to_html(tmp_path_factory.mktemp("many") / "atlas.html", queries=["a cat", "the sea"])


@pytest.fixture
def page(window, exported):
    page, errors = window.new_page(), []
    page.set_viewport_size({"width": 1000, "height": 900})
    page.add_init_script(COUNTED)
    yield open_page(page, exported.as_uri(), errors)
    page.close()
    assert errors == []


def decodings(page):
    return page.evaluate("window.decodings")


def settled(page):
    """How many sheets have been decoded when nothing more is asked for.

    What is decoded is drawn with the next frame, which may ask for more.
    """
    before = -1
    while before != (before := decodings(page)):
        at_rest(page)
        until(page, "() => window.pending === 0")
        frame(page)
    return before


def test_no_sheet_is_decoded_before_a_picture_on_it_is_drawn(page):
    sheets = page.locator('script[type="text/plain"]')
    assert sheets.count() == -(-COUNT // SHEET**2)
    canvas = first_map(page)
    at_first, pictures = settled(page), int(canvas.get_attribute("data-pictures"))
    assert 0 < at_first < sheets.count() and pictures > 0
    page.get_by_label("pictures", exact=True).uncheck()
    canvas.focus()
    for _ in range(6):
        page.keyboard.press("+")
    assert settled(page) == at_first  # without pictures, nothing is needed
    page.get_by_label("pictures", exact=True).check()
    expect(canvas).not_to_have_attribute("data-pictures", "0")
    zoomed = settled(page)
    assert at_first < zoomed < sheets.count() + at_first


def test_each_picture_is_drawn_from_its_place_on_its_sheet(page):
    canvas = first_map(page)
    canvas.focus()
    for _ in range(4):
        page.keyboard.press("+")
    settled(page)
    colors = canvas.evaluate(
        """(c) => { const { width, height } = c, pen = c.getContext("2d"), found = [0, 0, 0, 0];
          const all = pen.getImageData(0, 0, width, height).data;
          for (let at = 0; at < all.length; at += 4) {
            const side = ((at / 4) % width) < width / 2 ? 0 : 2;
            if (all[at + 2] > 190 && all[at] < 60) found[side] += 1;
            if (all[at] > 190 && all[at + 2] < 60) found[side + 1] += 1;
          }
          return found; }"""
    )
    left_blue, left_red, right_blue, right_red = colors
    assert left_blue > 20 * left_red and right_red > 20 * right_blue


def test_every_picture_is_drawn_at_once_from_small_copies(page):
    canvas = first_map(page)
    page.get_by_text("More", exact=True).click()
    page.get_by_label("pictures everywhere").check()
    expect(canvas).to_have_attribute("data-pictures", str(COUNT))
    sheets = page.locator('script[type="text/plain"]').count()
    assert int(canvas.get_attribute("data-sheets")) < sheets  # most were let go again
    canvas.focus()
    for _ in range(8):
        page.keyboard.press("+")
    settled(page)
    until(page, "count => Number(document.querySelector('canvas[role]').dataset.pictures) < count / 4", COUNT)
    assert int(canvas.get_attribute("data-pictures")) > 0


def test_all_pictures_are_ranked_by_a_text_that_was_asked_when_the_page_was_made(page):
    page.get_by_label("Ranked by the text").select_option("the sea")
    told = "6,400 pictures are ranked by “the sea”: the map's colors and the table follow it"
    expect(page.get_by_role("status")).to_have_text(told)
    expect(page.get_by_text("other texts need a notebook, as no model is in it")).to_be_visible()
    found = page.get_by_role("heading", name="“the sea”: the nearest pictures")
    expect(found.locator("+ div").get_by_role("button")).to_have_count(24)
    page.locator("summary", has_text="Table").click()
    column = page.locator("th").all_inner_texts().index("cosine with “the sea” ↓")
    cells = page.locator("tbody tr").evaluate_all(
        f"rows => rows.map((row) => Number(row.cells[{column}].innerText))"
    )
    assert len(cells) == 100 and cells == sorted(cells, reverse=True) and cells[0] > 0.9
    expect(page.get_by_label("Color")).to_have_value("column:cosine with “the sea”")
    until(page, "() => location.hash.includes('query=the+sea')")
    page.get_by_label("Ranked by the text").select_option("none")
    expect(found).to_have_count(0)
    page.evaluate("() => { location.hash = '#query=a+cat&color=label'; }")
    expect(page.get_by_label("Ranked by the text")).to_have_value("0")
    expect(page.get_by_label("Color")).to_have_value("label")
    expect(page.get_by_role("heading", name="“a cat”: the nearest pictures")).to_be_visible()
