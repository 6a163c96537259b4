"""Notebook 11: the figure of the findings of a folder, and the file for a colleague."""

import pytest
from PIL import Image

from phi3lib.embeddings.disagreement import Disagreement
from phi3lib.embeddings.report import Finding
from phi3lib.lab.lessons import nb11


def test_findings_of_one_kind_are_numbered_above_their_images(tmp_path, monkeypatch):
    for name in "abcde":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    pairs = (("duplicates", "ab"), ("duplicates", "cd"), ("empty", "e"))
    findings = [
        Finding(kind, "says", tuple(f"{one}.png" for one in names), (0,) * len(names))
        for kind, names in pairs
    ]
    shown = {}
    monkeypatch.setattr(nb11.plots, "pictures", lambda items, titles, **options: shown.update(titles=titles))
    nb11.show_findings(findings, tmp_path)
    assert shown["titles"] == [
        "duplicates 1\na.png",
        "duplicates 1\nb.png",
        "duplicates 2\nc.png",
        "duplicates 2\nd.png",
        "empty\ne.png",
    ]
    with pytest.raises(ValueError, match="no findings to show"):
        nb11.show_findings([], tmp_path)


def test_findings_stand_in_rows_of_the_wanted_length(tmp_path, monkeypatch):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    shown = {}
    monkeypatch.setattr(nb11.plots, "pictures", lambda items, titles, **options: shown.update(options))
    finding = Finding("empty", "says", ("a.png",), (0,))
    for cols, columns in ((None, 6), (4, 4)):
        nb11.show_findings([finding], tmp_path, cols=cols)
        assert shown["cols"] == columns and shown["height"] > nb11.plots.MAX_WIDTH / columns


def test_pairs_of_both_models_are_shown():
    pairs = [Disagreement(f"{n}", f"{n}b", space, (1, 9), 0.5) for n, space in enumerate((1, 1, 1, 0))]
    assert [pair.first for pair in nb11.widest_of_each(pairs, 2)] == ["3", "0", "1"]


def test_a_photograph_of_a_turned_camera_is_shown_upright(tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    Image.new("RGB", (60, 20), "red").save(tmp_path / "a.jpg", exif=exif)
    shown = []
    monkeypatch.setattr(nb11.plots, "pictures", lambda images, *_, **__: shown.extend(images))
    nb11.show_findings([Finding("blurred", "one", ("a.jpg",), (0,))], tmp_path)
    assert shown[0].size == (20, 60)


class Exported:
    """An Atlas whose page states the options that it was written with."""

    def to_html(self, path, **options):
        path.write_text(f"<main>{options}</main>", encoding="utf-8")


CARD = {"data": "8 images", "licence": "MIT", "recipe": "CLIP", "limits": "1 < 2"}


def test_the_file_for_a_colleague_has_the_asked_texts_and_a_card_as_text(tmp_path):
    page = nb11.share(Exported(), tmp_path / "a.html", CARD, queries=["a cat"], selection_maps=True)
    text = page.read_text(encoding="utf-8")
    assert "'queries': ['a cat'], 'selection_maps': True" in text
    assert text.index("About these maps") < text.index("1 &lt; 2") < text.index("</main>")


def test_a_card_without_limits_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the card lacks limits"):
        nb11.share(Exported(), tmp_path / "a.html", CARD | {"limits": " "})
    assert not list(tmp_path.iterdir())
