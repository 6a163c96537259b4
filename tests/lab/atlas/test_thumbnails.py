"""Where thumbnails stand on their sheets, and what a page of many pictures weighs without them."""

import base64
import io
import re
import threading
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.page_data import page_data
from phi3lib.lab.atlas.thumbnails import (
    FRONT,
    SHEET,
    Thumbnails,
    read_thumbnails,
    sheet_order,
    shuffled,
    sprite_sheets,
    thumbnail_side,
)
from phi3lib.vision.pictures import read_small
from tests.exported_page import data_of

COUNT = 2_400
COLORS = np.random.default_rng(1).integers(0, 256, (COUNT, 3))


@pytest.fixture(scope="module")
def many():
    """Pictures of one color each; every third is wide."""
    rng = np.random.default_rng(0)
    table = EmbeddingTable(
        rng.normal(size=(COUNT, 6)).astype(np.float32),
        tuple(f"2024/holiday/IMG_{n:05d}.jpg" for n in range(COUNT)),
        {"kind": np.array(["cat", "dog"])[np.arange(COUNT) % 2], "width": rng.integers(200, 4_000, COUNT)},
    )
    pictures = [
        Image.new("RGB", (16 if n % 3 else 32, 16), tuple(color)) for n, color in enumerate(COLORS.tolist())
    ]
    return Atlas(table, pictures=pictures, layout=rng.random((COUNT, 2)))


def test_the_order_of_drawing_is_that_of_the_page():
    """The same numbers as in scripts.test.mjs."""
    assert shuffled(10) == [6, 2, 3, 1, 8, 5, 7, 4, 9, 0]


def test_the_first_sheets_serve_the_whole_map_and_the_others_what_stands_together():
    places = np.random.default_rng(0).random((8_000, 2)).astype(np.float32)
    order = sheet_order(places)
    assert sorted(order.tolist()) == list(range(8_000))
    assert set(order[:FRONT].tolist()) == set(shuffled(8_000)[:FRONT])
    sheets = [places[order[start : start + SHEET**2]] for start in range(FRONT, 7_900, SHEET**2)]
    assert np.mean([np.ptp(sheet, axis=0).max() for sheet in sheets]) < 0.45
    assert sheet_order(np.zeros((3, 2), np.float32)).tolist() == shuffled(3)
    assert len(sheet_order(np.zeros((0, 2), np.float32))) == 0


@pytest.mark.parametrize(("compact", "kind"), [(False, "JPEG"), (True, "WEBP")])
def test_each_point_finds_its_own_picture(many, compact, kind):
    data = page_data(many.state, many.thumbnails, compact=compact)
    slots, side = np.frombuffer(data["slots"], "<u2"), data["spec"]["thumb"]
    assert data["spec"]["sheet"] == SHEET and data["spec"]["shapes"] == [
        100 if n % 3 else 200 for n in range(COUNT)
    ]
    sheets = [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in data["sheets"]]
    assert {sheet.format for sheet in sheets} == {kind} and len(sheets) == -(-COUNT // SHEET**2)
    for point in range(0, COUNT, 97):
        sheet, within = divmod(int(slots[point]), SHEET**2)
        middle = [(place + 0.5) * side for place in (within % SHEET, within // SHEET)]
        shown = sheets[sheet].convert("RGB").getpixel(tuple(middle))
        assert np.abs(np.subtract(shown, COLORS[point])).max() < 24


def test_a_page_is_small_without_its_thumbnails_which_come_last_and_inert(many, tmp_path):
    page = many.to_html(tmp_path / "many.html").read_text(encoding="utf-8")
    body, *sheets = re.split(r'<script type="text/plain" id="sheet-\d+">', page)
    assert len(sheets) == -(-COUNT // SHEET**2) and all(one.startswith("data:image/webp") for one in sheets)
    assert len(body) < 100_000 + 60 * COUNT  # 1.3 MB for 20,000
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "unsafe" not in policy and "blob:" not in policy
    data = data_of(page)
    assert '"plain":"' in body  # a description of so many pictures is packed
    assert data["sheets"] == len(sheets) and data["spec"]["ids"][0] == "2024/holiday/IMG_00000.jpg"


def test_no_pictures_have_no_sheets():
    thumbnails, shapes = Thumbnails([]).of(np.arange(0))
    assert sprite_sheets(thumbnails, compact=True) == [] and len(shapes) == 0


def test_thumbnails_are_smaller_the_more_pictures_there_are():
    counts = (4, 400, 401, 1_500, 1_501, 6_000, 6_001, 30_000)
    assert [thumbnail_side(count) for count in counts] == [128, 128, 96, 96, 64, 64, 40, 40]


def test_shapes_are_widths_in_hundredths_of_heights_within_limits():
    sizes = [(30, 10), (10, 30), (90, 2), (2, 90), (80, 4), (3, 60)]
    _, shapes = read_thumbnails([Image.new("RGB", size) for size in sizes], 40)
    assert shapes.tolist() == [300, 33, 2000, 5, 2000, 5]


def test_a_thumbnail_of_a_file_is_as_sharp_as_it_can_be(tmp_path):
    stripes = np.tile(np.repeat([0, 255], 4), 20).astype(np.uint8)  # 160 pixels; 40 of a thumbnail
    Image.fromarray(np.tile(stripes, (160, 1))).save(tmp_path / "stripes.jpg", quality=95)
    thumbnails, _ = read_thumbnails([tmp_path / "stripes.jpg"], 40)
    assert thumbnails[0].std() > 80


def test_sheets_for_a_file_have_fewer_bytes_and_hardly_less_detail():
    rng = np.random.default_rng(0)
    small = [Image.fromarray(rng.integers(0, 256, (10, 10, 3), dtype=np.uint8)) for _ in range(SHEET)]
    pictures = [one.resize((40, 40), Image.Resampling.BICUBIC) for one in small]
    whole = np.hstack([np.asarray(one, dtype=float) for one in pictures])
    thumbnails, _ = read_thumbnails(pictures, 40)
    sizes, errors = [], []
    for compact in (False, True):
        content = base64.b64decode(sprite_sheets(thumbnails, compact=compact)[0].partition(",")[2])
        sizes.append(len(content))
        shown = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=float)
        errors.append(np.abs(shown - whole).mean())
    assert sizes[1] < sizes[0] and errors[1] < 1.2 * errors[0]


def test_each_picture_is_read_once_for_the_view_further_maps_and_the_page(monkeypatch, tmp_path):
    read = Counter()

    def count(picture, side):
        read[id(picture)] += 1
        return read_small(picture, side)

    monkeypatch.setattr("phi3lib.lab.atlas.thumbnails.read_small", count)
    pictures = [Image.new("RGB", (8, 8), tuple(color)) for color in COLORS[:40].tolist()]
    table = EmbeddingTable(np.random.default_rng(0).normal(size=(42, 3)), tuple(map(str, range(42))))
    grid = {"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)}
    atlas = Atlas(table, pictures=[*pictures, pictures[0], pictures[7]], grid=grid)
    atlas.live()
    atlas.prepare()
    atlas.to_html(tmp_path / "atlas.html")
    assert read == {id(picture): 1 for picture in pictures}
    thumbnails, _ = atlas.thumbnails.of(np.arange(42))
    assert [one[20, 20].tolist() for one in thumbnails[[0, 7, 40, 41]]] == COLORS[[0, 7, 0, 7]].tolist()


def test_pictures_of_one_open_file_are_read_one_after_another(monkeypatch, tmp_path):
    """Threads that move about in a file together would read each other's bytes."""
    monkeypatch.setattr("phi3lib.lab.atlas.thumbnails.AT_ONCE", 1)
    frames = [Image.new("L", (300, 300), shade) for shade in range(0, 240, 20)]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:], compression="raw")
    with open(tmp_path / "pages.tif", "rb") as file:
        pages = [Image.open(file) for _ in frames]
        for number, page in enumerate(pages):
            page.seek(number)
        thumbnails, _ = read_thumbnails(pages, 40)
    assert thumbnails[:, 20, 20, 0].tolist() == list(range(0, 240, 20))


@pytest.mark.parametrize(("side", "threads"), [(96, 1), (256, 2)])
def test_small_pictures_are_read_in_one_thread_and_large_ones_in_several(side, threads, monkeypatch):
    """More threads would take turns with small ones, and slow down a map that is computed beside them."""
    used, all_there = set(), threading.Barrier(threads)

    def note(picture, _):
        if threading.get_ident() not in used:
            used.add(threading.get_ident())
            all_there.wait(600)  # so that the first one does not read all pictures
        return picture

    monkeypatch.setattr("phi3lib.lab.atlas.thumbnails.read_small", note)
    monkeypatch.setattr("phi3lib.embeddings.run_time.usable_cores", lambda: 2)
    monkeypatch.setattr("phi3lib.lab.atlas.thumbnails.AT_ONCE", 1)
    read_thumbnails([Image.new("RGB", (side, side)) for _ in range(8)], 40)
    assert len(used) == threads


def test_how_long_all_thumbnails_take_is_estimated_from_a_few(monkeypatch):
    read = []
    monkeypatch.setattr("phi3lib.lab.atlas.thumbnails.read_small", lambda one, side: read.append(one) or one)
    monkeypatch.setattr(  # only there
        "phi3lib.lab.atlas.thumbnails.time", SimpleNamespace(perf_counter=iter((10.0, 14.0)).__next__)
    )
    pictures = [Image.new("RGB", (8, 8)) for _ in range(1_000)]
    assert Thumbnails(pictures).seconds(np.arange(1_000)) == 4.0 * 1_000 / len(read)
    assert 10 <= len(read) < 40 and read[-1] in pictures[900:]


def test_what_is_told_of_the_reading_grows_to_all_of_it_and_can_end_it(tmp_path):
    pictures, told = [Image.new("RGB", (8, 8)) for _ in range(50)], []
    thumbnails = Thumbnails(pictures)

    def end(share):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        thumbnails.of(np.arange(50), end)
    assert not thumbnails.are_read(np.arange(50))
    thumbnails.of(np.arange(50), told.append)
    assert max(told) == 1.0 and len(told) > 4 and thumbnails.are_read(np.arange(50))
    assert not thumbnails.are_read(np.arange(49))
