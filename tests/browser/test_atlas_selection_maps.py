"""A new map of selected pictures, laid out in an exported page."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.atlas_page import at, at_rest, entry, first_map, more_pictures, ninety, open_page, until
from tests.jupyterlab import serious_faults

PLACES = "canvas => canvas.toDataURL()"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return ninety().to_html(tmp_path_factory.mktemp("anew") / "atlas.html", selection_maps=True)


@pytest.fixture
def opened(new_page, exported):
    """A function that opens the exported file at a fragment; at the end nothing went wrong."""
    errors = []
    yield lambda fragment="", width=1300: open_page(new_page(width), exported.as_uri() + fragment, errors)
    assert not errors


def map_these_anew(page):
    page.get_by_role("button", name="Map these anew").focus()
    page.keyboard.press("Enter")


def test_a_selection_is_laid_out_alone_and_the_page_goes_on_with_it(opened):
    page = opened()
    status, back = page.get_by_role("status"), page.get_by_role("button", name="Back to all")
    more_pictures(page)
    before = first_map(page).evaluate(PLACES)
    expect(page.get_by_role("button", name="Map these anew")).to_be_disabled()
    expect(back).to_be_hidden()
    entry(page, "dog").click()
    map_these_anew(page)
    expect(status).to_contain_text(
        re.compile(r"UMAP of 30 pictures alone, .* seed 0: one trustworthiness 0\.\d\d, ")
    )
    expect(page.get_by_role("progressbar")).to_be_hidden()
    expect(page.get_by_role("application", name="Map one of 30 pictures alone")).to_be_visible()
    expect(page.locator(".title").first).to_contain_text(
        re.compile(r"30 pictures alone .* \d+% of their 10 true")
    )
    expect(page.get_by_text("This page knows each vector by 5 principal components")).to_be_visible()
    at_rest(page)
    assert serious_faults(page, "body") == []
    those_without_a_place_have_no_number(page)
    torn_neighbors_are_those_of_the_new_map(page)
    page.get_by_label("Filter").fill("dog_1")  # 1, 10, 13, 16, 19
    page.locator("summary", has_text="Table").click()
    expect(page.get_by_role("checkbox", name=re.compile("^select dog_1"))).to_have_count(5)
    page.get_by_label("Filter").fill("")
    map_a_part_of_it_again(page)
    back.click()
    expect(back).to_be_hidden()
    expect(page.get_by_role("button", name="Map these anew")).to_be_focused()
    expect(status).to_contain_text("given places: one trustworthiness")
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Close the picture").click()
    page.mouse.move(*at(first_map(page), 0.1, 0.1))  # near to no picture: none has the ring of the last one
    page.mouse.move(0, 0)
    at_rest(page)
    assert first_map(page).evaluate(PLACES) == before


def those_without_a_place_have_no_number(page):
    """All others can be selected, and neither legend nor gallery counts them on this map."""
    page.get_by_role("button", name="Invert").press("Enter")
    expect(page.get_by_role("heading", name="Selected: 60")).to_be_visible()
    expect(entry(page, "cat")).to_have_text("cat0 of 0")
    assert "%" not in page.get_by_role("heading", name="Selected: 60").locator("+ div").inner_text()
    page.get_by_role("button", name="Invert").press("Enter")
    expect(entry(page, "dog")).to_have_text("dog30 of 30")


def torn_neighbors_are_those_of_the_new_map(page):
    """All neighbors are dogs; as many are torn as the title and the gallery say."""
    first_map(page).focus()
    page.keyboard.press("Shift+Enter")  # opens it, and takes it out of the selection
    first_map(page).blur()
    picture = page.get_by_role("region", name="The picture that was opened")
    words = picture.get_by_text(re.compile("^True neighbors among these pictures · one: ")).inner_text()
    near = int(re.search(r": (\d+) of 10 near", words)[1])
    truth = picture.locator("section").first.locator(".thumbs").first.get_by_role("button")
    expect(truth).to_have_count(10)
    names = truth.evaluate_all("all => all.map((one) => one.title)")
    assert all(name.startswith("dog_") for name in names)
    assert sum("torn: far away" in name for name in names) == 10 - near


def map_a_part_of_it_again(page):
    expect(page.get_by_role("heading", name="Selected: 29")).to_be_visible()
    map_these_anew(page)
    expect(page.get_by_role("application", name="Map two of 29 pictures alone")).to_be_visible()
    expect(page.get_by_text("This picture is not on this new map")).to_be_visible()
    at_rest(page)
    maps = page.get_by_role("combobox", name="Map")
    maps.select_option("given places")
    expect(page.get_by_role("status")).to_contain_text("given places: one")
    maps.select_option("map of the selection")
    expect(page.get_by_role("status")).to_contain_text("UMAP of 29 pictures alone")


def test_a_link_holds_a_new_map_and_a_work_can_be_stopped(opened):
    page = opened(width=390)
    status = page.get_by_role("status")
    entry(page, "ship").click()
    map_these_anew(page)
    expect(status).to_contain_text("UMAP of 30 pictures alone")
    at_rest(page)
    until(page, "() => location.hash.includes('anew=15%2C0.1%2C0+')")
    wanted = first_map(page).evaluate(PLACES)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    other = opened(page.evaluate("() => location.hash"), 390)
    expect(other.get_by_role("status")).to_contain_text("UMAP of 30 pictures alone")
    at_rest(other)
    assert first_map(other).evaluate(PLACES) == wanted
    button = other.get_by_role("button", name="Map these anew").element_handle()
    button.evaluate("one => { one.click(); if (one.innerText === 'Stop') one.click(); }")
    expect(other.get_by_role("status")).to_have_text("Stopped: there is no new map")
    expect(other.get_by_role("button", name="Map these anew")).to_be_enabled()
    expect(other.get_by_role("progressbar")).to_be_hidden()
    follow = (
        "one => { one.click(); location.hash = '#selected=0-1t'; }"  # a link, while a map is being computed
    )
    button.evaluate(follow)
    expect(other.get_by_role("heading", name="Selected: 66")).to_be_visible()
    expect(other.get_by_role("button", name="Map these anew")).to_be_enabled()
    expect(other.get_by_role("button", name="Back to all")).to_be_hidden()
    # Twice: the second click does not stop what the first has begun.
    other.get_by_role("button", name="Map these anew").dblclick()
    expect(other.get_by_role("status")).to_contain_text("UMAP of 66 pictures alone")
    other.evaluate("() => { location.hash = '#selected=0'; }")
    expect(other.get_by_role("button", name="Back to all")).to_be_hidden()
    map_these_anew(other)
    expect(other.get_by_role("status")).to_have_text("A map needs 4 pictures at least; 1 are selected")
