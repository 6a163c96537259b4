"""The exported page of the explorer that the browser tests use, and what they do on it."""

import re

import numpy as np
from PIL import Image, ImageDraw

from phi3lib import Atlas, EmbeddingTable

KINDS = ("cat", "dog", "ship")


def ninety():
    """Three crowds of thirty at known places, two maps of them, with columns of every type."""
    rng = np.random.default_rng(0)
    groups = np.arange(90) % 3
    places = np.array([[0, 0], [10, 0], [5, 8]])[groups] + rng.normal(size=(90, 2)) * 0.7
    vectors = np.hstack([places, rng.normal(size=(90, 3)) * 0.1])
    labels = {
        "kind": np.array(KINDS)[groups],
        "width": np.arange(90) * 1.5,
        "taken": np.datetime64("2024-01-01") + np.arange(90),
        "indoors": np.arange(90) % 2 == 0,
    }
    table = EmbeddingTable(
        vectors.astype(np.float32), tuple(f"{KINDS[g]}_{n}" for n, g in enumerate(groups)), labels
    )
    pictures = [Image.new("RGB", (60, 40), (80 * int(g), 120, 30)) for g in groups]
    for n, picture in enumerate(pictures):
        ImageDraw.Draw(picture).ellipse((5 + n % 20, 5, 25 + n % 20, 25), fill=(250, 250, 250))
    return Atlas(
        {"one": table, "two": table},
        pictures=pictures,
        layout=places.astype(np.float32),
        title="Ninety pictures",
    )


def open_page(page, address, errors):
    """Open an exported page; what goes wrong on it, and what it asks the reader, is added to `errors`."""
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.goto(address)
    first_map(page).wait_for()
    return page


def first_map(page):
    return page.locator("canvas[role=application]").first


def entry(page, kind):
    """A kind in the legend."""
    return page.get_by_role("group", name="Legend").get_by_role("button", name=re.compile(f"^{kind}"))


def zoom(canvas):
    return float(canvas.get_attribute("data-zoom"))


def middle(canvas):
    return tuple(map(float, canvas.get_attribute("data-middle").split()))


def frame(page):
    """Wait until what a gesture asked for is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def until(page, condition, given=None):
    """Wait until a function of JavaScript is true in the page, asked in each frame.

    Not `wait_for_function`: it evaluates a text in the page again and again, which the policy of an exported
    page forbids from the second time on.
    """
    ask = f"const ask = () => ({condition})(given) ? done() : requestAnimationFrame(ask); ask();"
    page.evaluate(f"given => new Promise(done => {{ {ask} }})", given)


def at_rest(page):
    """Wait until a glide has ended, and the drawing that follows a movement is made."""
    frame(page)
    until(page, "() => !document.querySelector('canvas[data-moving=true]')")


def more_pictures(page, few=0):
    """Wait until more than `few` pictures stand on the first map; their sheets are decoded meanwhile.

    An exported page of at most 256 pictures has one sheet: after the first picture, none comes later.
    """
    until(page, "few => document.querySelector('canvas[role]').dataset.pictures > few", few)


def at(canvas, across=0.5, down=0.5):
    box = canvas.bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]
