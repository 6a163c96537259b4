"""Charts and limits by column, the table's order, sizes, large pictures of the explorer's exported page."""

import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from phi3lib import Atlas
from tests.browser.atlas_page import at, entry, first_map, frame, more_pictures, ninety, open_page
from tests.jupyterlab import is_drawn, serious_faults


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The exported page, with its pictures as files beside it."""
    folder, made = tmp_path_factory.mktemp("columns"), ninety()
    for name, picture in zip(made.state.ids, made.pictures, strict=True):
        picture.resize((300, 200)).save(folder / f"{name}.png")
    files = [folder / f"{name}.png" for name in made.state.ids]
    places = made.state.layout("one").coordinates
    return Atlas(made.state.tables, pictures=files, layout=places, title="Ninety").to_html(folder / "a.html")


@pytest.fixture
def opened(new_page, exported):
    """A function that opens the page at a fragment; at the end nothing went wrong or left the folder."""
    inside, errors = re.compile(re.escape(exported.parent.as_uri()) + "|data:|blob:"), []

    def open_at(fragment=""):
        page = new_page()
        page.on("request", lambda r: None if inside.match(r.url) else errors.append(r.url))
        return open_page(page, exported.as_uri() + fragment, errors)

    yield open_at
    assert not errors


@pytest.fixture
def page(opened):
    return opened()


def chart_of(page, column):
    if not page.locator("details.facets").evaluate("e => e.open"):
        page.get_by_text("Columns: charts and limits").click()
    return page.get_by_role("group", name=f"Limit by {column}")


def test_limits_by_values_and_ranges_hold_together_and_stay_in_the_link(page, opened):
    status = page.get_by_role("status")
    chart_of(page, "kind").get_by_role("button", name=re.compile("^cat")).click()
    expect(status).to_have_text("30 of 90 pictures shown")
    chart_of(page, "kind").get_by_role("button", name=re.compile("^dog")).press("Enter")
    expect(status).to_have_text("60 of 90 pictures shown")
    width = chart_of(page, "width")
    width.get_by_label("width from").fill("30")
    width.get_by_label("width to").fill("60")
    width.get_by_label("width to").press("Tab")
    expect(status).to_have_text("14 of 90 pictures shown")  # 21 widths from 30 to 60 in steps of 1.5
    expect(chart_of(page, "indoors").get_by_role("button", name=re.compile("^True"))).to_contain_text(
        "7 of 45"
    )
    expect(page).to_have_url(re.compile(r"30\.\.60\+width"))  # the address follows a moment later
    other = opened("#" + page.url.split("#")[1])
    expect(other.get_by_role("status")).to_have_text("14 of 90 pictures shown")
    page.get_by_role("button", name="All of width").click()
    expect(status).to_have_text("60 of 90 pictures shown")
    page.get_by_role("button", name="Show all again").click()
    expect(status).to_have_text("All 90 pictures shown")


def test_a_drag_over_a_chart_limits_a_date(page):
    chart = chart_of(page, "taken").locator("canvas")
    chart.scroll_into_view_if_needed()
    page.mouse.move(*at(chart, 0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*at(chart, 1, 0.5), steps=4)
    page.mouse.up()
    expect(page.get_by_role("status")).to_have_text(re.compile("^4[456] of 90 pictures shown"))
    expect(chart_of(page, "taken").get_by_label("taken from")).to_have_value("2024-02-14")


def test_only_the_selection_is_shown_until_all_are(page):
    status, only = page.get_by_role("status"), page.get_by_role("button", name="Only these")
    expect(only).to_be_disabled()
    entry(page, "dog").click()
    only.click()
    expect(status).to_have_text("30 of 90 pictures shown")
    expect(only).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Clear").click()
    only.click()
    expect(status).to_have_text("All 90 pictures shown")


def test_the_table_is_sorted_by_any_column_with_numbers_as_numbers(page):
    page.get_by_text("Table: 90 pictures").click()
    table = page.get_by_role("region", name="Table of the pictures")
    first = table.locator("tbody tr").first
    table.get_by_role("button", name="width").press("Enter")
    expect(first).to_contain_text("cat_0")
    expect(table.get_by_role("columnheader", name="width")).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Enter")  # the focus is still there
    expect(first).to_contain_text("ship_89")
    page.keyboard.press("Enter")
    expect(table.locator("th[aria-sort]")).to_have_count(0)


def test_points_and_pictures_have_sizes_and_pictures_stand_everywhere(page):
    canvas = first_map(page)
    more_pictures(page)
    few, look = int(canvas.get_attribute("data-pictures")), canvas.evaluate("c => c.toDataURL()")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("size of points").fill("2")
    frame(page)
    assert canvas.evaluate("c => c.toDataURL()") != look
    page.get_by_label("size of pictures").fill("0.4")
    page.get_by_label("pictures everywhere").check()
    more_pictures(page, few)


def test_density_is_laid_over_the_points(page):
    canvas = first_map(page)
    page.get_by_text("More", exact=True).click()
    page.get_by_label("pictures", exact=True).uncheck()
    frame(page)
    colors = "c => { const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
    colors += " return new Set(new Uint32Array(data.buffer)).size; }"
    before = canvas.evaluate(colors)
    page.get_by_label("density").check()
    frame(page)
    assert canvas.evaluate(colors) > before + 20
    page.get_by_label("density").uncheck()
    frame(page)
    assert canvas.evaluate(colors) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_of_equal_density_of_all_and_of_groups(page, scheme):
    page.emulate_media(color_scheme=scheme)
    canvas, legend = first_map(page), page.get_by_role("group", name="Legend")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("pictures", exact=True).uncheck()
    frame(page)
    looks = [canvas.evaluate("c => c.toDataURL()")]
    for contours, said in (
        ("of all pictures", "with 95%, 75%, 50%, 25% of the pictures"),
        ("of each group", "90%"),
    ):
        page.get_by_label("contours").select_option(label=contours)
        frame(page)
        expect(legend).to_contain_text(said)
        looks.append(canvas.evaluate("c => c.toDataURL()"))
    assert len(set(looks)) == 3 and canvas.get_attribute("data-contours") == "3"
    entry(page, "cat").click()
    page.get_by_label("Filter").fill("dog")
    frame(page)
    assert canvas.get_attribute("data-contours") == "1"
    assert serious_faults(page, "#atlas") == []
    page.get_by_label("contours").select_option("none")
    expect(legend).not_to_contain_text("Lines enclose")


def test_an_opened_picture_is_the_file_beside_the_page(page):
    first_map(page).focus()
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    image = page.locator(".whole img")
    image.wait_for()
    assert is_drawn(image) and image.evaluate("e => e.naturalWidth") == 300
    page.get_by_role("button", name="Select it with its true neighbors").first.click()
    expect(page.get_by_role("status")).to_have_text("11 selected")


def test_the_map_is_saved_as_a_picture(page, tmp_path):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as a picture").first.click()
    download.value.save_as(tmp_path / "map.png")
    canvas = first_map(page)
    with Image.open(tmp_path / "map.png") as saved:
        assert (
            saved.width == canvas.evaluate("c => c.width") and len(saved.convert("RGB").getcolors(99999)) > 20
        )
    expect(page.get_by_role("button", name="Full screen").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_charts(page, scheme):
    page.emulate_media(color_scheme=scheme)
    chart_of(page, "kind").get_by_role("button", name=re.compile("^cat")).click()
    page.get_by_text("More", exact=True).click()
    assert serious_faults(page, "#atlas") == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
