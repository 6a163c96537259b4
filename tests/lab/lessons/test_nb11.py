"""Notebook 11: the figure of the findings of a folder."""

import pytest
from PIL import Image

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
