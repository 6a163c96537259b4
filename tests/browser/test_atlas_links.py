"""Named selections and the address of the explorer's exported page, as people use them."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.atlas_page import entry, first_map, frame, ninety, open_page, until, zoom

LINK = "() => location.hash"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    atlas = ninety()
    atlas.selections["ships and <b>"] = range(2, 90, 3)
    return atlas.to_html(tmp_path_factory.mktemp("links") / "atlas.html")


@pytest.fixture
def opened(new_page, exported):
    """A function that opens the exported file at a fragment; at the end nothing went wrong."""
    errors = []
    yield lambda fragment="": open_page(new_page(), exported.as_uri() + fragment, errors)
    assert not errors


def named(page):
    return page.get_by_role("group", name="Named selections")


def save_as(page, name):
    page.get_by_label("Name the selection").fill(name)
    named(page).get_by_role("button", name="Save").click()


def test_selections_are_saved_under_a_name_and_combined(opened):
    page = opened()
    status = page.get_by_role("status")
    entry(page, "cat").click()
    save_as(page, "cats")
    expect(status).to_have_text("“cats” saved, with 30 pictures")
    chip = named(page).get_by_role("button", name=re.compile("^cats"))
    expect(chip).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Filter").fill("true")
    page.get_by_label("In which column").select_option("indoors")
    entry(page, "cat").click()
    entry(page, "dog").click(modifiers=["Shift"])
    expect(status).to_have_text("30 selected")  # 15 of each
    page.get_by_role("button", name="Intersect").click()
    chip.click()
    expect(status).to_have_text("15 selected")
    page.get_by_role("button", name="Undo").click()
    named(page).get_by_role("button", name=re.compile("^ships and <b>")).click(modifiers=["Shift"])
    expect(status).to_have_text("60 selected")
    chip.click(modifiers=["Alt"])
    expect(status).to_have_text("45 selected")
    named(page).get_by_role("button", name="Remove “cats”").click()
    expect(chip).to_have_count(0)
    expect(status).to_contain_text("removed")


def test_nothing_is_saved_without_a_selection_or_a_name(opened):
    page = opened()
    save = named(page).get_by_role("button", name="Save")
    expect(save).to_be_disabled()
    entry(page, "cat").click()
    save.click()
    expect(page.get_by_role("status")).to_have_text("Give the selection a name first")


def test_a_link_shows_the_same_again(opened):
    page = opened()
    entry(page, "cat").click()
    save_as(page, "my cats & more")
    page.get_by_role("button", name="Zoom to it").click()
    page.get_by_label("Color").select_option("column:width")
    page.get_by_label("Filter").fill("cat")
    page.get_by_label("In which column").select_option("name")
    first_map(page).focus()
    page.keyboard.press("n")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("status")).to_have_text("Link to this view copied")
    other = opened(page.evaluate(LINK))
    expect(named(other).get_by_role("button", name=re.compile("^my cats"))).to_have_attribute(
        "aria-pressed", "true"
    )
    frame(other)
    assert (
        zoom(first_map(other)) == pytest.approx(zoom(first_map(page)), rel=1e-3)
        and zoom(first_map(other)) > 1
    )
    expect(other.get_by_label("Color")).to_have_value("column:width")
    expect(other.get_by_label("Filter")).to_have_value("cat")
    expect(other.get_by_label("In which column")).to_have_value("name")
    expect(other.get_by_role("heading", name="Selected: 30")).to_be_visible()


def test_a_link_with_a_condition_on_a_map_selects_by_the_map_that_it_shows(opened):
    page = opened()
    maps, line = page.get_by_role("combobox", name="Map"), where(page)
    heading = page.get_by_role("heading", name=re.compile("^Selected: "))
    line.fill("`one: neighbors kept` < 30")
    line.press("Enter")
    on_all = page.get_by_role("status").inner_text()
    maps.select_option("own axes")
    line.press("Enter")
    expect(page.get_by_role("status")).not_to_have_text(on_all)  # the same condition on other places
    until(page, "() => location.hash.includes('chosen=if') && location.hash.includes('x=')")
    link, selected = page.evaluate(LINK), heading.inner_text()
    other = opened(link)
    expect(other.get_by_role("heading", name=re.compile("^Selected: "))).to_have_text(selected)
    until(other, "() => location.hash.includes('chosen=if')")
    other.get_by_role("combobox", name="Map").select_option("given places")
    # It no longer selects these, so the link has the rows themselves.
    until(other, "() => location.hash.includes('selected=') && !location.hash.includes('chosen=')")
    again = opened(other.evaluate(LINK))
    expect(again.get_by_role("heading", name=re.compile("^Selected: "))).to_have_text(selected)


def where(page):
    return page.get_by_label("Where", exact=True)


def test_the_address_follows_what_is_shown_and_the_page_follows_the_address(opened):
    page = opened()
    entry(page, "dog").click()
    until(page, "() => location.hash.includes('selected=')")
    # The reader changes it at the very moment at which the page does.
    page.evaluate("() => { window.usual = setTimeout; window.setTimeout = (act) => { window.soon = act; }; }")
    page.get_by_label("Color").select_option("column:width")
    changed = "location.hash = '#as=ships+and+%3Cb%3E&open=3'"
    page.evaluate(f"() => {{ window.setTimeout = usual; {changed}; soon(); }}")
    expect(page.get_by_role("heading", name="Selected: 30")).to_be_visible()
    expect(
        page.get_by_role("region", name="The picture that was opened").get_by_role("heading")
    ).to_have_text("cat_3")
    expect(named(page).get_by_role("button", name=re.compile("^ships"))).to_have_attribute(
        "aria-pressed", "true"
    )


@pytest.mark.parametrize(
    "fragment",
    [
        "#color=<img src=x onerror=alert(1)>&selected=zzz&at=1;2&open=-1&named=<script>alert(1)</script>",
        "#" + "selected=0-2h&" * 6000,
        "#as=__proto__&color=constructor&map=,,,&show=99&filter=" + "%00" * 300,
        "#%E0%A4%A",
    ],
)
def test_a_hostile_link_shows_the_page_as_it_is(opened, fragment):
    page = opened(fragment)
    expect(page.get_by_role("heading", name="Selected")).to_have_count(0)
    expect(page.get_by_role("status")).to_contain_text("given places")
    assert zoom(first_map(page)) == 1 and page.locator("script, img", has_text="alert").count() == 0


def test_the_name_of_a_selection_in_a_link_is_text(opened):
    page = opened(
        "#named=0-2+%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&as=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"
    )
    expect(named(page).get_by_role("button", name=re.compile("^<img src=x"))).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(page.get_by_role("heading", name="Selected: 3")).to_be_visible()
