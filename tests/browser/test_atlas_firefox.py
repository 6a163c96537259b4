"""The explorer's exported page in Firefox, where one is installed: gestures, keys, names and links."""

import json
import re

import pytest

from tests.browser.atlas_page import ninety
from tests.firefox import FIREFOX, running

MAP = "document.querySelector('canvas[role=application]')"
STATUS = "document.querySelector('[role=status]').textContent"


@pytest.mark.skipif(FIREFOX is None, reason="no Firefox is installed")
def test_the_exported_page_does_in_firefox_what_it_does_in_chromium(tmp_path):
    address = ninety().to_html(tmp_path / "atlas.html", sql=True).as_uri()
    profile = tmp_path / "profile"
    profile.mkdir()
    with running(profile) as page:
        page.open(address)
        page.until(f"{MAP} !== null && {MAP}.dataset.zoom === '1.000'")
        moves_and_selects(page)
        walks_by_keys(page)
        page.ask("document.querySelector('.sql button').click()")
        page.until("document.querySelector('.sql table') !== null")
        names_and_links(page, address)
        assert not page.errors
        assert all(re.match("file:|data:|about:", asked) for asked in page.asked)


def moves_and_selects(page):
    box = json.loads(page.ask(f"JSON.stringify({MAP}.getBoundingClientRect())"))
    left, top, wide, high = box["x"], box["y"], box["width"], box["height"]
    page.wheel(left + 0.3 * wide, top + 0.5 * high, -400)
    page.until(f"Number({MAP}.dataset.zoom) > 1.4")
    before = page.ask(f"{MAP}.dataset.middle")
    page.drag((left + 200, top + 200), (left + 260, top + 200), button=2)
    page.until(f"{MAP}.dataset.middle !== '{before}'")
    page.ask(f"{MAP}.focus()")
    page.keys("0")
    page.until(f"{MAP}.dataset.zoom === '1.000'")
    page.drag(
        (left + 4, top + 4),
        (left + wide - 4, top + 4),
        (left + wide - 4, top + high - 20),
        (left + 4, top + high - 20),
    )
    page.until(f"{STATUS} === '90 selected'")
    page.until(f"Number({MAP}.dataset.pictures) > 0")


def walks_by_keys(page):
    page.keys("n", "\ue007")  # the next picture, Enter
    page.until(f"{STATUS} === '1 selected'")
    page.until("document.querySelector('.detail .name') !== null")


def names_and_links(page, address):
    page.ask("document.querySelector('.legend .entry').click()")
    page.ask("document.querySelector('.named input').focus()")
    page.keys(*"mine", "\ue007")
    page.until(f"{STATUS} === '“mine” saved, with 30 pictures'")
    page.until("location.hash.includes('named=')")
    link = page.ask("location.hash")
    page.open("about:blank")
    page.open(address + link)
    page.until("document.querySelector('.chip [aria-pressed=true]')?.value === 'mine'")
    page.until(f"{STATUS} === '30 selected'")
