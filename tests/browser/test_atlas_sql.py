"""A query in SQL on an exported page: by keyboard, its answer as a table, and from there to the selection."""

import re

from playwright.sync_api import expect

from tests.browser.atlas_page import ninety, open_page
from tests.jupyterlab import serious_faults

KEPT = "SELECT avg(`one: neighbors kept`) FROM pictures"


def test_a_query_is_answered_without_network_and_its_pictures_can_be_selected(new_page, tmp_path):
    file, errors, asked = ninety().to_html(tmp_path / "atlas.html", sql=True), [], []
    page = new_page(390, 900)
    page.on("request", lambda request: asked.append(request.url))
    open_page(page, file.as_uri(), errors)
    page.locator("summary", has_text="Query in SQL").click()
    page.get_by_label("SQL", exact=True).focus()
    page.keyboard.press("Control+Enter")  # the example
    answer, status = page.get_by_role("region", name="Answer to the query"), page.get_by_role("status")
    expect(answer.get_by_role("row")).to_have_text(["kindpictures", *[re.compile("cat30|dog30|ship30")] * 3])
    expect(page.get_by_text("It names no pictures")).to_be_visible()
    assert serious_faults(page, "body") == []
    query(page, "SELECT *, '<img src=x onerror=alert(1)>' AS `<b>` FROM pictures, (SELECT 1 UNION SELECT 2)")
    expect(answer.get_by_text("100 of 180 rows shown")).to_be_visible()
    expect(answer.get_by_role("cell", name="<img").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    query(page, "SELECT kind, colour FROM pictures")
    expect(status).to_have_text(re.compile("^no such column: colour; pictures has: row, kind, width"))
    expect(page.get_by_label("SQL", exact=True)).to_have_accessible_description(re.compile("no such column"))
    expect(answer).to_have_count(0)
    query(page, "SELECT id FROM pictures ORDER BY taken DESC LIMIT 7")
    page.get_by_role("button", name="Select these pictures").click()
    expect(status).to_have_text("7 selected")
    expect(page.get_by_role("heading", name="Selected: 7")).to_be_visible()
    query(page, KEPT)
    before = answer.get_by_role("cell").inner_text()
    old = page.get_by_text("This answer is of the map that was shown then")
    expect(old).to_be_hidden()
    page.get_by_role("combobox", name="Map").select_option("own axes")
    expect(old).to_be_visible()
    query(page, KEPT)
    expect(answer.get_by_role("cell")).not_to_have_text(before)  # the table follows what is shown
    expect(old).to_be_hidden()
    assert (errors, asked) == ([], [file.as_uri()])


def query(page, text):
    page.get_by_label("SQL", exact=True).fill(text)
    page.get_by_role("button", name="Run", exact=True).click()
