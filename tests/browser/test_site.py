"""The instruments on pages of the site, from a disk, in a real browser: desktop and phone, light and dark.

The pages are built from the committed notebooks and recordings; what they show is compared with Python.
"""

import json
import re

import pytest
import yaml
from playwright.sync_api import expect

from phi3lib import lab
from phi3lib.lab.widgets.grid_explorer import GridState
from phi3lib.lab.widgets.microscope import MicroscopeState
from phi3lib.vision.hd_transform import hd_grid
from tests.jupyterlab import OURS, PAINTED, SCREENSHOTS, new_window, serious_faults
from tools import build_site, site_instruments

SHOWN = ("00_start_here", "01_clip_concepts", "03_hd_transform", "05_umap_maps")
SIZES = {"desktop": (1280, 900), "phone": (320, 640)}
PLACE = ".phi3lib-without-kernel"
NOTEBOOKS = {"execute": False, "cache": False, "custom_mathjax_url": "data:text/javascript,"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Some pages of the site, as `make site` builds them; a full build takes longer and is not stricter."""
    folder = tmp_path_factory.mktemp("site")
    build_site.collect(folder / "source")
    for path in (folder / "source" / "notebooks").glob("*.ipynb"):
        if path.stem not in SHOWN:
            path.unlink()
    settings = {
        "INHERIT": str(build_site.ROOT / "docs" / "mkdocs.yml"),
        "docs_dir": str(folder / "source"),
        "site_dir": str(folder / "site"),
        "strict": False,  # links to the pages that are left out
        "plugins": ["search", "offline", {"mkdocs-jupyter": NOTEBOOKS}],
    }
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings), "utf-8")
    assert build_site.run_mkdocs(folder / "mkdocs.yml") == 0
    assert list(build_site.finish(folder / "site")) == []
    return folder / "site"


class Visit:
    """A page of the site from the disk, and what it asked for and complained about."""

    def __init__(self, page, site, dark=False):
        page.emulate_media(color_scheme="dark" if dark else "light")
        self.page, self.site = page, site
        self.errors, self.outside = [], []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("request", lambda r: None if self.is_own(r.url) else self.outside.append(r.url))

    def is_own(self, address):
        return address.startswith(self.site.as_uri()) or bool(OURS.match(address))

    def open(self, name):
        self.page.goto((self.site / "notebooks" / f"{name}.html").as_uri())
        self.page.locator(PLACE).first.wait_for()

    def instrument(self, name):
        found = self.page.get_by_role("group", name=name, exact=True)
        found.scroll_into_view_if_needed()
        return found


@pytest.fixture(params=SIZES)
def visit(new_page, site, request):
    visitor = Visit(new_page(*SIZES[request.param]), site)
    yield visitor
    assert visitor.errors == [] and visitor.outside == []
    # Nothing is wider than its page.
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= SIZES[request.param][0]
    for place in visitor.page.locator(PLACE).all():
        assert place.evaluate("p => p.scrollWidth <= p.clientWidth")


def set_slider(instrument, label, place):
    """Move a slider by keyboard to the value with this number."""
    slider = instrument.get_by_label(label, exact=True)
    slider.focus()
    slider.press("Home")
    for _ in range(place):
        slider.press("ArrowRight")


def test_the_grid_explorer_says_what_python_says(visit):
    visit.open("03_hd_transform")
    explorer = visit.instrument("Grid explorer")
    words, picture = explorer.get_by_role("status"), explorer.get_by_role("img")
    expect(words).to_have_text(GridState(640, 427, 16).sentence())
    for width, height, crops in ((160, 48, 9), (16, 112, 16), (64, 64, 1)):
        set_slider(explorer, "Width (pixels)", width // 16 - 1)
        set_slider(explorer, "Height (pixels)", height // 16 - 1)
        set_slider(explorer, "Crops at most", crops - 1)
        expect(words).to_have_text(GridState(width, height, crops).sentence())
        assert picture.evaluate("i => i.decode().then(() => i.naturalWidth)") > 300


def test_the_microscope_goes_where_python_goes(visit):
    visit.open("03_hd_transform")
    microscope = visit.instrument("Token microscope")
    words, canvas = microscope.get_by_role("status"), microscope.get_by_role("application")
    state = MicroscopeState(hd_grid(*lab.photograph("china").size, 16), index=700)
    expect(words).to_have_text(state.sentence())
    assert canvas.evaluate(PAINTED) > 10_000
    canvas.focus()
    moves = {
        "ArrowRight": lambda: state.move(1),
        "ArrowDown": lambda: state.move_row(1),
        "PageDown": lambda: state.move_row(12),
        "End": lambda: state.go_to(10**9),
        "ArrowUp": lambda: state.move_row(-1),
        "Home": lambda: state.go_to(0),
    }
    for key, move in moves.items():
        canvas.press(key)
        move()
        expect(words).to_have_text(state.sentence())
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] * 0.2, "y": box["height"] * 0.4})
    expect(words).to_contain_text("It represents pixels")
    seen = [int(number) for number in re.findall(r"\d+", words.inner_text())]
    state.go_to(seen[0])
    expect(words).to_have_text(state.sentence())
    microscope.get_by_label("Place in the token sequence").press("End")
    state.go_to(10**9)
    expect(words).to_have_text(state.sentence())


def test_the_temperature_board_shows_the_softmax_of_its_cosines(visit):
    visit.open("01_clip_concepts")
    board = visit.instrument("Temperature board")
    words = board.get_by_role("status")
    form = next(iter(site_instruments.recorded("01_clip_concepts").values()))
    assert f"scale {100:.1f}" not in words.inner_text()
    scales = form["data"]["offered"]["scale"]
    set_slider(board, "Scale (1 / temperature)", 20)
    expect(words).to_contain_text(f"scale {scales[20]:.1f}: ")
    board.get_by_label("Picture", exact=True).select_option("picture 3")
    board.get_by_label("Caption 1").select_option("a tree")
    board.get_by_label("Caption 5").select_option("a happy face")
    captions = ["a tree", *form["data"]["offered"]["caption_1"][1:4], "a happy face"]
    expected = sentence_of(form, 3, captions, scales[20])
    expect(words).to_have_text(expected)


def sentence_of(form, picture, captions, scale):
    """What Python's board says for recorded cosines."""
    import numpy as np

    from phi3lib.lab.widgets.temperature import TemperatureState

    cosines = np.array(
        [form["data"]["cosines"][picture][form["data"]["captions"].index(one)] for one in captions]
    )
    state = TemperatureState(
        np.eye(1, 2), captions, lambda _: np.stack([cosines, np.sqrt(1 - cosines**2)], 1), scale
    )
    return state.sentence().replace("Picture 0", f"Picture {picture}")


def test_every_recorded_panel_answers_its_controls(visit):
    visit.open("00_start_here")
    picker = visit.instrument("Neighbor picker")
    words, picture = picker.get_by_role("status"), picker.get_by_role("img")
    form = next(iter(site_instruments.recorded("00_start_here").values()))
    names = form["values"]["controls"][0]["texts"]
    shown = set()
    for place in (0, 3, len(names) - 1):
        picker.get_by_label("Look at").select_option(names[place])
        expect(words).to_have_text(form["data"]["panels"][form["data"]["frames"][place]]["sentence"])
        shown.add(picture.get_attribute("src"))
    assert len(shown) == 3


def test_a_map_reader_shows_the_pictures_that_were_made_in_advance(visit):
    visit.open("05_umap_maps")
    reader = visit.instrument("Map reader")
    words = reader.get_by_role("status")
    forms = site_instruments.recorded("05_umap_maps").values()
    form = next(one for one in forms if one.get("values", {}).get("title") == "Map reader")
    set_slider(reader, "n_neighbors", 2)
    set_slider(reader, "min_dist", 0)
    panel = form["data"]["panels"][form["data"]["frames"][2 * 3]]
    expect(words).to_have_text(panel["sentence"])
    picture = reader.get_by_role("img")
    expect(picture).to_have_attribute("src", panel["picture"])
    assert (
        picture.evaluate("i => i.decode().then(() => i.clientWidth)") > 500
    )  # its letters are readable on a phone, too


def test_the_atlas_is_in_a_frame_or_behind_a_link(visit):
    visit.open("05_umap_maps")
    link = visit.page.get_by_role("link", name=re.compile("^Open the explorer"))
    frame = visit.page.locator("iframe[title^='Explorer']")
    if visit.page.viewport_size["width"] > 900:
        frame.scroll_into_view_if_needed()
        inside = visit.page.frame_locator("iframe[title^='Explorer']")
        expect(inside.locator("canvas").first).to_be_visible()
    else:
        expect(frame).to_be_hidden()
    link.click()
    expect(visit.page.locator("#atlas canvas").first).to_be_visible()


def test_what_needs_a_kernel_says_so_and_stays_a_picture(visit):
    visit.open("00_start_here")
    note = visit.page.get_by_text("an instrument that needs a kernel")
    note.scroll_into_view_if_needed()
    expect(note).to_have_count(1)
    expect(visit.page.locator(".phi3lib-twin img:visible")).to_have_count(1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_instruments_are_named_and_readable(new_page, site, dark):
    visitor = Visit(new_page(*SIZES["desktop"]), site, dark=dark)
    visitor.open("03_hd_transform")  # a panel, and a canvas
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for number, place in enumerate(visitor.page.locator(PLACE).all()):
        place.evaluate("(p, number) => (p.id = `place-${number}`)", number)
        assert serious_faults(visitor.page, f"#place-{number}") == []
        for control in place.locator("select, input").all():
            assert control.evaluate("c => c.labels.length === 1 || Boolean(c.ariaLabel)")
        place.screenshot(path=SCREENSHOTS / f"site_{number}_{'dark' if dark else 'light'}.png")


OTHERS = ("index", "notebooks/glossary", "notebooks/instructor/index")


@pytest.mark.parametrize(("width", "height", "scale"), [(320, 640, 1), (640, 450, 2)], ids=["320px", "200%"])
def test_pages_reflow_and_do_not_move_for_who_asks_for_that(new_page, site, width, height, scale):
    """WCAG 1.4.10 and 1.4.4 (a page of 1280 pixels at 200 % has 640), and 2.3.3."""
    page = new_page(width, height)
    page.emulate_media(reduced_motion="reduce")
    sizes = page.context.new_cdp_session(page)
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    sizes.send("Emulation.setDeviceMetricsOverride", metrics)
    for name in (*OTHERS, *(f"notebooks/{one}" for one in SHOWN)):
        page.goto((site / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        moving = page.evaluate(
            "() => [...document.querySelectorAll('*')].filter(e => { const s = getComputedStyle(e);"
            " return s.animationName !== 'none' || s.scrollBehavior !== 'auto' ||"
            " s.transitionDuration.split(',').some(t => parseFloat(t)); }).map(e => e.outerHTML.slice(0, 80))"
        )
        assert page.evaluate("devicePixelRatio") == scale
        assert moving == [], name
    sizes.detach()


def test_without_scripts_the_still_pictures_are_there(chromium, site):
    context = new_window(chromium, java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "notebooks" / "03_hd_transform.html").as_uri())
    expect(page.locator(".phi3lib-twin img")).to_have_count(2)
    context.close()


def test_a_hostile_form_is_shown_as_text(new_page, site, tmp_path):
    """Whatever a recording holds, the page shows it as text."""
    bad = "</script><img src=x onerror=document.title='owned'>"
    control = {"kind": "choice", "name": bad, "label": bad, "texts": [bad]}
    drawing = [{"name": bad, "tiles": [{"picture": None, "title": bad}]}]
    form = {
        "view": "panel",
        "answers": "frames",
        "values": {"title": bad, "controls": [control], "values": {bad: 0}},
        "data": {"frames": [0], "panels": [{"sentence": bad, "drawing": drawing}]},
        "limits": bad,
    }
    form["data"] |= {"pictures": [], "sizes": [], "palettes": {"heat": "000000", "strip": "000000"}}
    key = "phi3lib-twin-0123456789ab"
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs" / "assets").mkdir(parents=True)
    still = f'<div class="phi3lib-twin {key}"><img alt="still"></div>'
    head = '<head><meta charset="utf-8"><title>sound</title></head>'
    page_text = f"<html>{head}<body>{still}</body></html>"
    (tmp_path / "notebooks" / "bad.html").write_text(page_text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site_instruments, "recorded", lambda name: json.loads(json.dumps({key: form})))
        assert list(build_site.finish(tmp_path)) == []
    visitor = Visit(new_page(*SIZES["desktop"]), tmp_path)
    visitor.open("bad")
    expect(visitor.page.get_by_role("status")).to_have_text(bad)
    assert visitor.page.title() == "sound" and visitor.errors == []
    assert visitor.page.locator("img").count() == 1
