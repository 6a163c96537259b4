"""Zooming, moving, selecting and opening pictures in the explorer's exported page, as people do."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.atlas_page import (
    at,
    at_rest,
    entry,
    first_map,
    frame,
    middle,
    more_pictures,
    ninety,
    until,
    zoom,
)
from tests.jupyterlab import serious_faults


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return ninety().to_html(tmp_path_factory.mktemp("gestures") / "atlas.html")


@pytest.fixture
def page(new_page, exported):
    """The exported file; at the end nothing went wrong and nothing was asked for."""
    page, errors = new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda r: None if re.match("file:|data:|blob:", r.url) else errors.append(r.url))
    page.goto(exported.as_uri())
    page.locator("canvas[role=application]").first.wait_for()
    yield page
    assert not errors


def test_the_wheel_zooms_where_it_points_and_lets_the_page_scroll_at_the_whole_map(page):
    canvas = first_map(page)
    page.mouse.move(*at(canvas, 0.3, 0.5))
    page.mouse.wheel(0, 200)  # the whole map is in view: the page may scroll
    until(page, "() => scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight")
    assert zoom(canvas) == 1
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(*at(canvas, 0.31, 0.5))
    home = middle(canvas)
    page.mouse.wheel(0, -400)
    frame(page)
    assert zoom(canvas) > 1.4 and middle(canvas)[0] < home[0]  # towards the pointer, left of the middle
    second = page.locator("canvas[role=application]").nth(1)
    assert zoom(second) == 1
    page.get_by_label("move together").check()
    frame(page)
    assert zoom(second) == zoom(canvas) and middle(second) == middle(canvas)
    page.get_by_role("button", name="Whole map").first.click()
    frame(page)
    assert zoom(canvas) == zoom(second) == 1 and middle(canvas) == home


def test_a_double_click_zooms_and_leaves_the_selection(page):
    canvas = first_map(page)
    page.evaluate("() => { let looks = 0; performance.now = () => 1000 * ++looks; }")  # however slow it is
    entry(page, "cat").click()
    expect(page.get_by_role("status")).to_have_text("30 selected")
    page.mouse.dblclick(*at(canvas, 0.5, 0.9))
    frame(page)
    assert zoom(canvas) == 2
    expect(page.get_by_role("status")).to_have_text("30 selected")


def test_dragging_with_the_right_button_or_the_move_tool_moves_the_map(page):
    canvas = first_map(page)
    page.get_by_role("button", name="Zoom in").first.click()
    frame(page)
    for button, tool in (("right", "Lasso"), ("left", "Move")):
        page.get_by_role("button", name=tool, exact=True).click()
        before = middle(canvas)
        page.mouse.move(*at(canvas))
        page.mouse.down(button=button)
        page.mouse.move(*at(canvas, 0.6, 0.5), steps=3)
        page.mouse.up(button=button)
        frame(page)
        assert middle(canvas)[0] < before[0] - 0.01
    expect(page.get_by_role("heading", name="Selected")).to_have_count(0)


def test_keys_zoom_move_and_reach_every_picture(page):
    canvas = first_map(page)
    canvas.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    frame(page)
    assert zoom(canvas) == pytest.approx(1.6**2, abs=0.01)
    before = middle(canvas)
    page.keyboard.press("Shift+ArrowRight")
    frame(page)
    assert middle(canvas)[0] > before[0]
    page.keyboard.press("-")
    page.keyboard.press("0")
    frame(page)
    assert zoom(canvas) == 1
    seen = set()
    for _ in range(90):
        page.keyboard.press("n")
        seen.add(page.get_by_role("status").inner_text().split(";")[0])
    assert len(seen) == 90


def test_two_fingers_move_the_map_and_one_scrolls_the_page(page):
    canvas = first_map(page)
    (x, y), session = at(canvas), page.context.new_cdp_session(page)

    def touch(kind, *places):
        points = [{"x": across, "y": down, "id": n} for n, (across, down) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 60, y), (x + 60, y))
    touch("touchEnd")
    frame(page)
    assert zoom(canvas) == pytest.approx(3, abs=0.3)
    assert canvas.evaluate("c => getComputedStyle(c).touchAction") == "pan-x pan-y"
    page.get_by_role("button", name="Lasso").click()  # a finger draws once a tool is chosen
    assert canvas.evaluate("c => getComputedStyle(c).touchAction") == "none"


def test_pictures_stand_on_the_map_few_at_first_more_when_zoomed_in(page):
    canvas = first_map(page)
    more_pictures(page)
    few = int(canvas.get_attribute("data-pictures"))
    page.get_by_label("pictures", exact=True).uncheck()
    assert canvas.get_attribute("data-pictures") == "0"
    page.get_by_label("pictures", exact=True).check()
    entry(page, "cat").click()
    page.get_by_role("button", name="Zoom to it").click()
    frame(page)
    assert zoom(canvas) > 2
    more_pictures(page, few)


def test_an_opened_picture_shows_its_columns_and_both_kinds_of_neighbors(page):
    canvas = first_map(page)
    more_pictures(page)
    pictures = canvas.get_attribute("data-pictures")
    canvas.focus()
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    at_rest(page)
    assert canvas.get_attribute("data-pictures") == pictures  # those around it stay
    detail = page.get_by_role("region", name="The picture that was opened")
    expect(detail.get_by_role("heading")).to_contain_text(re.compile("^(cat|dog|ship)_"))
    for column in ("kind", "width", "taken", "indoors"):
        expect(detail.get_by_text(column, exact=True)).to_be_visible()
    expect(detail.get_by_text(re.compile("True neighbors · one: .* of 10 near on the map"))).to_be_visible()
    expect(detail.get_by_text(re.compile("Neighbors on the map · two: "))).to_be_visible()
    torn = detail.get_by_role("button", name=re.compile("torn: far away on the map"))
    strangers = detail.get_by_role("button", name=re.compile("not a true neighbor"))
    assert torn.count() == strangers.count()  # one true neighbor lost for each stranger
    name, nearest = detail.get_by_role("heading").inner_text(), detail.locator(".near").first
    cosine = nearest.locator(".cosine").inner_text()
    assert 0 < float(cosine) <= 1 and f"cosine {cosine}" in (nearest.get_attribute("aria-label") or "")
    nearest.click()
    expect(detail.get_by_role("heading")).not_to_have_text(name)
    detail.get_by_role("button", name="Close the picture").click()
    expect(detail).to_contain_text("Click a picture")


def test_the_map_alone_has_the_page_for_itself_and_a_picture_still_opens_beside_it(page):
    canvas, detail = first_map(page), page.get_by_role("region", name="The picture that was opened")
    before = canvas.bounding_box()
    page.get_by_label("map alone").check()
    expect(page.locator(".controls")).to_be_hidden()
    expect(detail).to_be_hidden()
    after = canvas.bounding_box()
    assert after["y"] < before["y"]
    assert after["width"] > before["width"] and after["height"] > before["height"]
    canvas.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(detail.get_by_role("heading")).to_be_visible()
    assert canvas.bounding_box()["width"] < after["width"]
    page.get_by_label("map alone").uncheck()
    expect(page.locator(".controls")).to_be_visible()


def test_selections_add_up_and_go_back(page):
    status = page.get_by_role("status")

    entry(page, "cat").click()
    expect(status).to_have_text("30 selected")
    expect(entry(page, "cat")).to_contain_text("30 of 30")
    expect(entry(page, "dog")).to_contain_text("0 of 30")
    entry(page, "dog").click(modifiers=["Shift"])
    expect(status).to_have_text("60 selected")
    entry(page, "cat").click(modifiers=["Alt"])
    expect(status).to_have_text("30 selected")
    page.get_by_role("button", name="Add", exact=True).click()
    entry(page, "ship").click()
    expect(status).to_have_text("60 selected")
    page.get_by_role("button", name="Invert").click()
    expect(status).to_have_text("30 selected")
    expect(entry(page, "cat")).to_contain_text("30 of 30")
    page.get_by_role("button", name="Undo").click()
    expect(status).to_have_text("60 selected")
    first_map(page).focus()
    page.keyboard.press("Control+z")
    expect(status).to_have_text("30 selected")
    page.get_by_role("button", name="Redo").click()
    expect(status).to_have_text("60 selected")


def test_the_selection_is_saved_as_a_file_with_every_column(page):
    entry(page, "ship").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "id,kind,width,taken,indoors,one: neighbors kept,two: neighbors kept"
    assert len(lines) == 31 and lines[1].startswith("ship_2,ship,3,2024-01-03,True,")
    page.get_by_role("button", name="Copy ids").click()
    expect(page.get_by_role("status")).to_have_text("30 ids copied")


def test_a_filter_hides_what_does_not_fit(page):
    status = page.get_by_role("status")
    page.get_by_label("Filter").fill("DOG")
    expect(status).to_have_text("30 of 90 pictures shown")
    page.get_by_label("In which column").select_option("indoors")
    expect(status).to_have_text("0 of 90 pictures shown")
    page.get_by_label("Filter").fill("true")
    expect(status).to_have_text("45 of 90 pictures shown")
    entry(page, "cat").click()
    expect(status).to_have_text("15 selected")  # what is hidden is not selected
    page.get_by_label("Filter").fill("")
    expect(status).to_have_text("All 90 pictures shown")


def test_numbers_dates_and_truth_values_color_the_map(page):
    legend = page.get_by_role("group", name="Legend")
    for column, words in (
        ("width", "0 to 13.3"),
        ("taken", "2024-01-01 to 2024-01-09"),
        ("indoors", "False"),
    ):
        page.get_by_label("Color").select_option(f"column:{column}")
        expect(legend).to_contain_text(words)
    entry(page, "True").click()
    expect(page.get_by_role("status")).to_have_text("45 selected")


# Where a name is: the first place, in shares of the canvas, over which the pointer changes. The page looks
# itself: a thousand moves of the real mouse take ten seconds.
PLACE_OF_A_NAME = (
    "canvas => { const box = canvas.getBoundingClientRect();"
    " for (let down = 0.05; down < 1; down += 0.03) for (let across = 0.05; across < 1; across += 0.02) {"
    " const where = { clientX: box.left + across * box.width, clientY: box.top + down * box.height };"
    " canvas.dispatchEvent(new PointerEvent('pointermove', where));"
    " if (canvas.style.cursor === 'pointer') return [across, down]; } }"
)


def test_a_click_on_a_name_on_the_map_selects_its_kind(page):
    canvas = first_map(page)
    more_pictures(page)  # a name that would cover one stands elsewhere
    place = canvas.evaluate(PLACE_OF_A_NAME)
    page.mouse.move(*at(canvas, 0.01, 0.01))
    assert canvas.evaluate("c => c.style.cursor") == ""
    page.mouse.move(*at(canvas, *place))
    assert canvas.evaluate("c => c.style.cursor") == "pointer"
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("status")).to_have_text("30 selected")


def test_names_stay_where_colors_are_numbers_and_say_nothing_where_there_is_nothing(page):
    canvas = first_map(page)
    page.get_by_label("Color").select_option("column:width")
    frame(page)
    assert int(canvas.get_attribute("data-names")) >= 3
    page.mouse.click(*at(canvas, *canvas.evaluate(PLACE_OF_A_NAME)))
    expect(page.get_by_role("status")).to_have_text("30 selected")
    page.get_by_text("More", exact=True).click()
    page.get_by_label("words from").select_option("indoors")  # half of each crowd
    frame(page)
    assert canvas.get_attribute("data-names") == "0"
    page.get_by_label("words from").select_option("kind")
    canvas.focus()
    page.keyboard.press("n")  # zoom in on a picture
    for _ in range(9):
        page.keyboard.press("+")
    frame(page)
    assert int(canvas.get_attribute("data-names")) >= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_with_a_picture_open_and_on_a_phone(page, scheme):
    page.emulate_media(color_scheme=scheme)
    first_map(page).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert serious_faults(page, "#atlas") == []
    page.set_viewport_size({"width": 390, "height": 800})
    page.get_by_label("Color").select_option("column:width")
    assert serious_faults(page, "#atlas") == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
