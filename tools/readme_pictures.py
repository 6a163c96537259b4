"""Draw the pictures of the README into data/pictures/.

readme.png: a photograph, its crops, and the sequence of its visual tokens.
atlas.png: two linked maps of generated pictures, a screenshot of the exported page in Chromium.
"""

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from phi3lib import Atlas, embed_images, hd_grid, lab, load_clip, load_phi3_model
from picturebook.kinds import KINDS
from picturebook.pictures import draw_picture

PICTURES = Path(__file__).resolve().parents[1] / "data" / "pictures"
SHOWN = "cat, fish, rocket, house, apple, star, clock, tree, cup, umbrella".split(", ")


def main() -> None:
    """Write both pictures."""
    ribbon().save(PICTURES / "readme.png", optimize=True)
    explorer().quantize(200, dither=Image.Dither.NONE).save(PICTURES / "atlas.png", optimize=True)


def ribbon() -> Image.Image:
    """Return the still picture of the token microscope."""
    photo = lab.photograph("china")
    grid = hd_grid(photo.width, photo.height, num_crops=16)
    microscope = lab.widgets.TokenMicroscope(photo, index=700)
    state = microscope.state
    still = lab.hd_plots.microscope_still(photo, grid, state.index, state.sentence(), state.order)
    return Image.open(io.BytesIO(still.data))


def explorer(each: int = 24) -> Image.Image:
    """Return a screenshot of the exported page with one kind selected."""
    drawn = [draw_picture(n, split="test", kind=KINDS[kind]) for n in range(each) for kind in SHOWN]
    images, kinds = [one.image for one in drawn], [one.kind.name for one in drawn]
    models = {"CLIP": (load_clip(), "projected"), "Phi-3-vision": (load_phi3_model(), "mean")}
    tables = {
        name: embed_images(images, model=model, pooling=pooling, progress=False)
        for name, (model, pooling) in models.items()
    }
    grid = {"n_neighbors": (15,), "min_dist": (0.1,), "seed": (0,)}
    atlas = Atlas(tables, pictures=images, labels=kinds, grid=grid, title="CLIP and Phi-3-vision")
    atlas.select([row for row, kind in enumerate(kinds) if kind == "rocket"])
    with tempfile.TemporaryDirectory() as folder:
        return photographed(atlas.to_html(Path(folder) / "atlas.html"))


def photographed(page: Path) -> Image.Image:
    """Return a screenshot of a page in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1280, "height": 940})
        view.goto(page.as_uri())
        view.wait_for_timeout(1500)
        view.evaluate("scrollTo(0, 0)")
        picture = view.screenshot()
        browser.close()
    return Image.open(io.BytesIO(picture)).convert("RGB")


if __name__ == "__main__":
    main()
