"""The course's instruments in JupyterLab, in a real browser: drawn, moved by keys, clicks and sliders."""

from PIL import Image
from playwright.sync_api import expect

PAINTED = (
    "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
    " let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"
)
WAIT = 90_000


def test_the_microscope_follows_keys_clicks_and_pointer(opened, one_cell):
    notebook = opened(
        one_cell(
            "from phi3lib import lab\n"
            "microscope = lab.widgets.TokenMicroscope(lab.photograph('china'), index=700)\nmicroscope"
        ),
        "microscope",
    )
    notebook.run_all()
    page = notebook.page
    canvas = page.locator("canvas[aria-label^='Token microscope']")
    canvas.wait_for(timeout=WAIT)
    words = page.locator("[role=status]", has_text="Token ")
    expect(words).to_contain_text("Token 700 of", timeout=WAIT)
    assert canvas.evaluate(PAINTED) > 100_000
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(words).to_contain_text("Token 701 of")
    page.keyboard.press("ArrowDown")
    expect(words).to_contain_text("Token 750 of")  # 4 crops × 12 tokens and a separator further
    page.keyboard.press("PageDown")
    expect(words).to_contain_text("Token 1338 of")  # 12 rows further
    page.keyboard.press("PageUp")
    expect(words).to_contain_text("Token 750 of")
    page.keyboard.press("Home")
    expect(words).to_contain_text("Token 0 of")
    box = canvas.bounding_box()
    place = {"x": box["width"] * 0.2, "y": box["height"] * 0.4}
    still = canvas.evaluate("c => c.toDataURL()")
    canvas.hover(position=place)
    assert canvas.evaluate("c => c.toDataURL()") != still  # the cells under the pointer
    expect(words).to_contain_text("Token 0 of")  # but nothing has moved
    canvas.click(position=place)
    expect(words).to_contain_text("It sees pixels")
    first = words.inner_text()
    canvas.click(position=place)
    expect(words).not_to_have_text(first)
    notebook.screenshot("microscope")


def test_the_grid_explorer_follows_its_sliders(opened, one_cell):
    notebook = opened(
        one_cell("from phi3lib import lab\nlab.widgets.GridExplorer(640, 427, num_crops=16)"), "grid"
    )
    notebook.run_all()
    page = notebook.page
    words = page.locator(".widget-label", has_text="pixels with at most")
    expect(words).to_contain_text("640 × 427 pixels with at most 16 crops: 3 × 4 crops", timeout=WAIT)
    crops = page.locator(".widget-slider", has_text="Crops at most").get_by_role("slider")
    crops.focus()
    page.keyboard.press("ArrowLeft")
    expect(words).to_contain_text("at most 15 crops")
    page.locator(".widget-slider", has_text="Height").get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(words).not_to_contain_text("640 × 427")
    notebook.screenshot("grid_explorer")


def test_the_drawing_pad_sends_what_is_drawn_and_what_is_opened(opened, one_cell, tmp_path):
    notebook = opened(
        one_cell(
            "from phi3lib import embed_images, lab, load_clip\n"
            "clip, gallery = load_clip(), lab.gallery()[:40]\n"
            "table = embed_images([one.path for one in gallery], model=clip, progress=False)\n"
            "pictures = [one.open() for one in gallery]\n"
            "pad = lab.DrawingPad(pictures[3], table, pictures, clip)\npad"
        ),
        "pad",
    )
    notebook.run_all()
    page = notebook.page
    canvas = page.locator("canvas[aria-label^='Drawing pad']")
    canvas.wait_for(timeout=WAIT)
    words = page.locator("[role=status]", has_text="Nearest pictures")
    expect(words).to_contain_text("(1.00)", timeout=WAIT)  # the picture itself is in the gallery
    before = words.inner_text()
    page.get_by_role("button", name="Clear").click()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 160, steps=8)
    page.mouse.up()
    expect(words).to_contain_text("Nearest pictures", timeout=WAIT)
    drawn = words.inner_text()
    assert drawn != before
    Image.new("RGB", (300, 200), "red").save(tmp_path / "red.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "red.png")
    expect(words).not_to_have_text(drawn, timeout=WAIT)
    expect(words).to_contain_text("Nearest pictures", timeout=WAIT)
    notebook.screenshot("drawing_pad")


def test_the_temperature_board_follows_its_slider(opened, one_cell):
    notebook = opened(
        one_cell(
            "from phi3lib import lab, load_clip\n"
            "pictures = [one.open() for one in lab.gallery()[:3]]\n"
            "lab.TemperatureBoard(pictures, ['a cat', 'a circle', 'a square'], load_clip(), scale=10)"
        ),
        "board",
    )
    notebook.run_all()
    page = notebook.page
    words = page.locator(".widget-label", has_text="entropy")
    expect(words).to_contain_text("scale 10.0", timeout=WAIT)
    page.locator(".widget-slider", has_text="Scale").get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(words).not_to_contain_text("scale 10.0", timeout=WAIT)
    notebook.screenshot("temperature_board")
