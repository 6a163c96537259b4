"""A condition on the page: by keyboard, by button, with what is wrong said and marked."""

import re

import pytest
from playwright.sync_api import expect

from phi3lib.lab.atlas import page as atlas_page
from tests.browser.atlas_page import ninety, open_page
from tests.jupyterlab import serious_faults


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return ninety().to_html(tmp_path_factory.mktemp("where") / "atlas.html")


@pytest.fixture
def page(new_page, exported):
    errors = []
    yield open_page(new_page(390, 900), exported.as_uri(), errors)
    assert errors == []


def line(page):
    return page.get_by_label("Where", exact=True)


def test_a_condition_selects_by_the_keyboard_alone(page):
    status = page.get_by_role("status")
    line(page).fill("kind = 'cat' and width >= 3 or name like 'nothing%'")
    line(page).press("Enter")
    expect(status).to_have_text("29 pictures fit the condition; 29 selected")
    line(page).fill("KIND in ('dog') and taken <= '2024-01-05'")
    line(page).press("Shift+Enter")
    expect(status).to_have_text("2 pictures fit the condition; 31 selected")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_focused()
    line(page).fill("indoors and `two: neighbours kept` < 0")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(status).to_have_text("0 pictures fit the condition; 0 selected")
    page.get_by_role("button", name="Undo").click()
    expect(status).to_have_text("31 selected")


def test_what_is_wrong_is_said_and_marked_and_the_selection_stays(page):
    line(page).fill("kind = 'dog'")
    line(page).press("Enter")
    line(page).fill("🐈 kind")
    line(page).press("Enter")
    expect(page.get_by_role("status")).to_have_text("At character 1: 🐈 is not understood here")
    line(page).fill("name = '🐈' and colour > 3")
    line(page).press("Enter")
    told = re.compile(
        "^At character 16: there is no column colour; there are: kind, width, taken, indoors, name"
    )
    expect(page.get_by_role("status")).to_have_text(told)
    expect(line(page)).to_be_focused()
    expect(line(page)).to_have_attribute("aria-invalid", "true")
    expect(line(page)).to_have_accessible_description(told)
    marked = "e => e.value.slice(e.selectionStart, e.selectionEnd)"
    assert line(page).evaluate(marked) == "colour"
    page.locator("summary", has_text="How to write it").click()
    expect(page.get_by_text("kind = 'cat' and width >")).to_be_visible()
    assert serious_faults(page, "body") == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    line(page).fill("kind = 'dog'")
    expect(line(page)).to_have_attribute("aria-invalid", "false")
    expect(page.get_by_role("heading", name="Selected: 30")).to_be_visible()


def test_a_page_of_a_sample_says_that_it_asks_what_is_drawn(new_page, monkeypatch, tmp_path):
    monkeypatch.setattr(atlas_page, "MOST_POINTS", 30)
    errors = []
    page = open_page(new_page(), ninety().to_html(tmp_path / "atlas.html").as_uri(), errors)
    line(page).fill("width >= 0")
    line(page).press("Enter")
    expect(page.get_by_role("status")).to_have_text(
        "30 pictures of those that are drawn here fit the condition; 30 selected"
    )
    assert errors == []
