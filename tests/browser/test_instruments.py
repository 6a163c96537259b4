"""The course's instruments in JupyterLab, in a real browser: drawn, moved by keys, clicks and sliders."""

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
