"""The way from the page to a picture itself: a file beside the page; in a notebook, all its pixels."""

import io
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from phi3lib import Atlas, EmbeddingTable
from phi3lib.lab.atlas.page_data import linked_files
from phi3lib.lab.atlas.thumbnails import read_thumbnails
from tests.front_end import send

NO_UMAP = {"n_neighbors": (), "min_dist": (0.1,), "seed": (0,)}


def five(pictures):
    vectors = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    return Atlas(EmbeddingTable(vectors, tuple("abcde")), grid=NO_UMAP, pictures=pictures)


def test_files_in_the_folder_of_the_page_are_linked_and_no_others(tmp_path):
    home = tmp_path / "pages"
    names = [
        "a b.jpg",
        "deep/ü%#?.PNG",
        "javascript:alert(1).jpg",
        "x.html",
        "../outside.jpg",
        "../pages2/a.jpg",
    ]
    pictures = [home / name for name in names] + [
        Image.new("RGB", (2, 2)),
        str(home / "deep" / ".." / "c.webp"),
    ]
    found = linked_files(pictures, None, home)
    assert found[3:7] == [None] * 4
    assert [unquote(one) for one in found[:3]] == ["./" + name for name in names[:3]] and found[
        7
    ] == "./c.webp"
    assert not any(letter in one for one in found[:3] for letter in " :#?ü")
    assert linked_files(pictures, [3, 0], home) == [None, found[0]]
    assert linked_files(pictures[3:7], None, home) is None and linked_files(None, None, home) is None


def test_a_notebook_is_sent_all_pixels_when_it_asks(monkeypatch):
    atlas = five([Image.new("RGB", (900, 700), (0, 90, 200))] * 5)
    widget, sent = atlas.live(), []
    monkeypatch.setattr(widget, "send", lambda message, buffers: sent.append((message, buffers)))
    for row in (3, 99, "3", None):
        send(widget, {"do": "whole picture", "row": row})
    send(widget, {"do": "picture", "row": 2})
    assert [message for message, _ in sent] == [{"whole": 3}, {"picture": 2}]
    assert [Image.open(io.BytesIO(buffers[0])).size for _, buffers in sent] == [
        (900, 700),
        (640, pytest.approx(498, abs=1)),
    ]


def test_thumbnails_of_files_are_those_of_the_whole_pictures(tmp_path):
    square = np.linspace(0, 255, 600).astype(np.uint8)
    pixels = np.stack([np.tile(square, (400, 1)), np.tile(square[:400, None], 600), np.zeros((400, 600))], 2)
    picture = Image.fromarray(pixels.astype(np.uint8))
    picture.save(tmp_path / "large.jpg", quality=95)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    files = [tmp_path / "large.jpg", tmp_path / "broken.jpg", tmp_path / "large.jpg"]
    small, shapes = read_thumbnails([*files, picture], 40)
    first, broken, again, whole = small.astype(float)
    assert shapes.tolist() == [150, 100, 150, 150]
    assert abs(first - whole).mean() < 4 and abs(first - again).mean() < 4 < abs(first - broken).mean()
