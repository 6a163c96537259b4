"""The site: every page has its place, and broken or foreign links are found. `make site` builds it."""

from pathlib import Path

import pytest
import yaml

from tools import build_site
from tools.site_links import problems

ROOT = Path(__file__).resolve().parents[2]


def test_every_guide_is_in_the_navigation():
    assert sorted(path.name for path in (ROOT / "docs").glob("*.md")) == sorted(build_site.GUIDES)


def test_every_public_name_has_an_entry_in_the_reference():
    modules = {module for room in build_site.ROOMS for module in build_site.modules_of(room)}
    homes = {home.rpartition(".")[0] for home in build_site.public_names().values()}
    # `Atlas` and `load_encoder` are imported from their packages.
    assert homes <= modules


def test_a_module_is_on_one_page_only():
    modules = [module for room in build_site.ROOMS for module in build_site.modules_of(room)]
    assert len(modules) == len(set(modules))


def test_settings_ask_for_nothing_from_another_host():
    settings = yaml.safe_load((ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert settings["strict"] is True
    assert "http" not in str(settings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a](glossary.md#patch), [b](03_hd.ipynb)", "[a](glossary.html#patch), [b](03_hd.html)"),
        ("[a](../data/models/clip/README.md)", "[a](../data/models/clip/index.html)"),
        ("[a](https://host/b.ipynb)", "[a](https://host/b.ipynb)"),
        ("open 03_hd.ipynb (or glossary.md)", "open 03_hd.ipynb (or glossary.md)"),
    ],
)
def test_links_of_notebooks_lead_to_pages(text, expected):
    notebook = {"cells": [{"cell_type": "markdown", "source": [text]}, {"cell_type": "code", "source": text}]}
    markdown, code = build_site.linked(notebook)["cells"]
    assert markdown["source"] == expected
    assert code["source"] == text


@pytest.fixture
def site(tmp_path):
    """A site of two pages without a fault."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top">A</h1><a href="sub/b%20c.html#here">b</a> <a href="#top">up</a> <a href="https://host/x">x</a>'
        '<img src="data:image/png;base64,AA==">'
    )
    (tmp_path / "sub" / "b c.html").write_text('<a href="../index.html">a</a><p id="here"></p>')
    return tmp_path


def test_a_sound_site_has_no_problems(site):
    assert problems(site) == []


@pytest.mark.parametrize(
    ("tag", "problem"),
    [
        ('<a href="c.html">c</a>', "c.html does not exist"),
        ('<a href="index.html#gone">c</a>', "index.html#gone: the page has no such anchor"),
        ('<a href="../../etc/passwd">c</a>', "../../etc/passwd leaves the site"),
        ('<script src="https://host/a.js"></script>', "https://host/a.js would be loaded from another host"),
        ('<link rel="stylesheet" href="//host/a.css">', "//host/a.css would be loaded from another host"),
        ('<img src="gone.png">', "gone.png does not exist"),
    ],
)
def test_a_fault_is_reported_with_its_page(site, tag, problem):
    (site / "faulty.html").write_text(tag)
    assert problems(site) == [f"faulty.html: {problem}"]
