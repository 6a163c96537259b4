"""A condition on the page: by keyboard, by button, with what is wrong said and marked."""

import re

import pytest
from playwright.sync_api import expect

from phi3lib.lab.atlas.live import standing
from phi3lib.lab.atlas.page import script
from phi3lib.lab.atlas.page_data import page_data
from tests.browser.atlas_page import entry, ninety, open_page, until
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
    line(page).fill("indoors and `two: neighbors kept` < 0")
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
    monkeypatch.setattr("phi3lib.lab.atlas.page_data.MOST_POINTS", 30)
    errors = []
    page = open_page(new_page(), ninety().to_html(tmp_path / "atlas.html").as_uri(), errors)
    line(page).fill("width >= 0")
    line(page).press("Enter")
    expect(page.get_by_role("status")).to_have_text(
        "30 pictures of those that are drawn here fit the condition; 30 selected"
    )
    assert errors == []


def test_a_link_holds_the_condition_and_selects_by_it(page, new_page, exported):
    line(page).fill("kind = 'cat' and width >= 3 or taken > '2024-03-20'")
    line(page).press("Enter")
    until(page, "() => location.hash.includes('chosen=if') && !location.hash.includes('selected=')")
    errors = []
    other = open_page(new_page(), exported.as_uri() + page.evaluate("() => location.hash"), errors)
    expect(line(other)).to_have_value("kind = 'cat' and width >= 3 or taken > '2024-03-20'")
    selected = page.get_by_role("heading", name=re.compile("^Selected: ")).inner_text()
    expect(other.get_by_role("heading", name=re.compile("^Selected: "))).to_have_text(selected)
    until(other, "() => location.hash.includes('chosen=if')")  # it stays a condition
    entry(other, "dog").click()
    until(other, "() => location.hash.includes('selected=') && !location.hash.includes('chosen=')")
    hostile = "kind+%3D+%27%3Cimg+src%3Dx+onerror%3Dalert%281%29%3E%27"
    other.evaluate(f"() => {{ location.hash = '#if={hostile}&chosen=if'; }}")
    expect(other.get_by_role("heading", name="Selected: ")).to_have_count(0)  # nothing has that kind
    other.evaluate("() => { location.hash = '#if=kind+%3D+%3D&chosen=if&selected=0'; }")
    expect(other.get_by_role("heading", name="Selected: 1")).to_be_visible()
    expect(line(other)).to_have_attribute("aria-invalid", "false")
    assert not errors


# A notebook's model as the page sees it: what is sent to Python is kept in `sent`.
NOTEBOOK = """([values, bytes]) => {
  window.sent = [];
  window.listeners = {};
  for (const name in bytes) values[name] = new DataView(Uint8Array.from(bytes[name]).buffer);
  const model = {
    alone: false,
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; (listeners["change:" + name] || []).forEach((f) => f()); },
    save_changes: () => {},
    send: (message) => sent.push(message),
    on: (name, f) => { (listeners[name] = listeners[name] || []).push(f); },
    off: () => {},
  };
  document.body.replaceChildren(document.createElement("div"));
  atlas.render({ model, el: document.body.firstChild });
}"""


def test_in_a_notebook_python_answers_for_the_rows_that_are_not_drawn(new_page, monkeypatch):
    monkeypatch.setattr("phi3lib.lab.atlas.page_data.MOST_POINTS", 30)
    page, errors, explorer = new_page(), [], ninety()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_script_tag(content=script().replace("export default", "const atlas ="))
    data = page_data(explorer.state, None) | standing(explorer.state)
    numbers = {name: list(value) for name, value in data.items() if isinstance(value, bytes)}
    plain = {name: value for name, value in data.items() if name not in numbers}
    page.evaluate(NOTEBOOK, [plain | {"status": "", "progress": 1}, numbers])
    assert data["spec"]["count"] == 30 and data["spec"]["all"] == 90
    line(page).fill("kind = 'cat'")
    line(page).press("Enter")
    assert page.evaluate("sent") == [
        {"do": "where", "text": "kind = 'cat'", "shown": {}}
    ]  # nothing is decided here
    cats = list(range(0, 90, 3))
    page.evaluate("rows => listeners['msg:custom'].forEach((f) => f({ where: rows }, []))", cats)
    status = page.get_by_role("status")
    expect(status).to_have_text("30 pictures fit the condition; 30 selected")
    drawn = len(set(cats) & set(data["spec"]["rows"]))
    told = re.compile(f"^Selected: 30, {30 - drawn} of them not drawn")
    expect(page.get_by_role("heading", name=told)).to_be_visible()
    line(page).fill("kind = 'dog'")
    line(page).press("Shift+Enter")
    page.evaluate("rows => listeners['msg:custom'].forEach((f) => f({ where: rows }, []))", [1, 4])
    expect(status).to_have_text("2 pictures fit the condition; 32 selected")
    assert not errors
