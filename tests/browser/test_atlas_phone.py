"""An exported page on a phone: the map first, controls in one line that scrolls, and targets for a finger."""

import pytest

from tests.browser.atlas_page import first_map, ninety, open_page
from tests.jupyterlab import serious_faults

SMALL = """() => [...document.querySelectorAll('#atlas :is(button, input, select, summary, a[href])')]
  .filter((one) => one.checkVisibility())
  .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 24 || height < 24).map(([words]) => words)"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return ninety().to_html(tmp_path_factory.mktemp("phone") / "atlas.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_map_comes_first_and_everything_can_be_tapped(new_page, exported, scheme):
    errors = []
    page = open_page(new_page(390, 844), exported.as_uri(), errors)
    page.emulate_media(color_scheme=scheme)
    assert first_map(page).bounding_box()["y"] < 200
    controls = page.locator(".controls")
    assert controls.bounding_box()["height"] < 70
    page.get_by_role("button", name="Redo").scroll_into_view_if_needed()  # the last group but one
    assert controls.evaluate("one => one.scrollLeft") > 390
    page.get_by_label("Where", exact=True).focus()
    box = page.get_by_label("Where", exact=True).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    first_map(page).focus()
    for key in ("n", "Enter"):
        page.keyboard.press(key)
    assert page.evaluate(SMALL) == []
    assert serious_faults(page, "body") == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    assert errors == []
