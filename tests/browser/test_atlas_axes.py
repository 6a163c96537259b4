"""A map by two axes that the reader chooses: columns and components, in an exported page."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.atlas_page import at_rest, entry, first_map, frame, more_pictures, ninety, open_page, until
from tests.jupyterlab import serious_faults

PLACES = "canvas => canvas.toDataURL()"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    atlas = ninety()
    atlas.state.columns["score"] = np.where(np.arange(90) % 9 == 4, np.nan, np.arange(90) ** 2)
    return atlas.to_html(tmp_path_factory.mktemp("axes") / "atlas.html")


@pytest.fixture
def opened(new_page, exported):
    """A function that opens the exported file at a fragment; at the end nothing went wrong."""
    errors = []
    yield lambda fragment="", width=1300: open_page(new_page(width), exported.as_uri() + fragment, errors)
    assert not errors


def choose(page, x, y):
    page.get_by_role("combobox", name="Map").select_option("own axes")
    page.get_by_label("x axis").select_option(label=x)
    page.get_by_label("y axis").select_option(label=y)


def test_two_columns_place_the_pictures_and_missing_values_are_counted(opened):
    page = opened()
    more_pictures(page)
    before = first_map(page).evaluate(PLACES)
    page.get_by_role("combobox", name="Map").focus()
    page.keyboard.press("o")  # own axes, by the keyboard
    expect(page.get_by_label("x axis")).to_be_visible()
    choose(page, "taken", "score")
    status = page.get_by_role("status")
    expect(status).to_contain_text("10 pictures have no value on an axis and are not shown")
    expect(status).to_contain_text(re.compile(r"taken across, score up: one \d+% of 10 true"))
    scales = "taken across, 2024-01-01 to 2024-03-30; score up, 0 to 7920"
    described = re.compile(f"^Map one of 90 pictures, {scales}$")
    expect(page.get_by_role("application", name=described)).to_be_visible()
    expect(entry(page, "dog")).to_contain_text(re.compile("20$"))  # ten have no place
    at_rest(page)
    assert first_map(page).evaluate(PLACES) != before
    assert serious_faults(page, "body") == []
    page.get_by_role("combobox", name="Map").select_option("given places")
    expect(page.get_by_label("x axis")).to_be_hidden()
    expect(page.get_by_role("status")).to_contain_text("trustworthiness")
    at_rest(page)
    assert first_map(page).evaluate(PLACES) == before


def test_torn_neighbors_are_those_of_the_axes(opened):
    """On an axis of chance nearly all true neighbors are far away; the title and each picture say so."""
    page = opened()
    choose(page, "width", "taken")  # both follow the rows, whose groups alternate
    kept = int(re.search(r"(\d+)% of 10", page.locator(".title").first.inner_text())[1])
    assert 3 <= kept <= 60
    at_rest(page)
    first_map(page).focus()
    page.keyboard.press("Enter")
    row = page.get_by_text(re.compile("^True neighbors · one: ")).inner_text()
    near = int(re.search(r": (\d+) of 10", row)[1])
    picture = page.get_by_role("region", name="The picture that was opened")
    torn = picture.locator("section").first.get_by_role("button", name=re.compile("torn: far away"))
    expect(torn).to_have_count(10 - near)
    page.locator("summary", has_text="Table").click()
    column = page.locator("th").all_inner_texts().index("one: neighbors kept")
    cells = page.locator("tbody tr").evaluate_all(f"rows => rows.map((row) => row.cells[{column}].innerText)")
    values = [int(words.rstrip("%")) for words in cells]
    assert len(values) == 90 and sum(values) / 90 == pytest.approx(kept, abs=0.6)
    assert f"{10 * near}%" in cells


def test_components_tell_their_variance_and_a_link_holds_the_axes(opened):
    page = opened()
    offered = page.get_by_label("x axis").locator("option").all_inner_texts()
    assert offered[:3] == ["width", "taken", "score"]
    assert re.fullmatch(r"component 1: one \d+%, two \d+% of the variance", offered[3])
    choose(page, offered[3], offered[5])
    expect(page.get_by_role("status")).to_contain_text("Both axes have one scale.")
    until(page, "() => location.hash.includes('x=component%3A1&y=component%3A3')")
    other = opened(page.evaluate("() => location.hash"), 390)
    expect(other.get_by_role("status")).to_contain_text("component 1 across, component 3 up")
    assert other.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    other.evaluate("() => { location.hash = '#selected=0'; }")
    expect(other.get_by_label("x axis")).to_be_hidden()
    frame(other)
