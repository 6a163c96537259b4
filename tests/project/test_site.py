"""The site: every page has its place, and broken or foreign links are found. `make site` builds it."""

import re
from pathlib import Path

import pytest
import yaml

from tools import build_site, site_instruments, site_launch, site_policy
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


# ------------------------------------------------------------------------------- where a notebook can run


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ("", None),
        ('[project.urls]\nSource = "https://github.com/someone/a.course"', "someone/a.course"),
        ('[project.urls]\nrepository = "https://github.com/someone/course.git"', "someone/course"),
        ('[project.urls]\nSource = "https://github.com/someone/course/"', "someone/course"),
        ('[project.urls]\nSource = "https://gitlab.com/someone/course"', None),
        ('[project.urls]\nSource = "https://github.com/a/b\\"><script>"', None),
        ('[project.urls]\nHomepage = "https://github.com/someone/course"', None),
    ],
)
def test_the_address_comes_from_pyproject(tmp_path, urls, expected):
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "x"\n{urls}\n')
    assert site_launch.repository(tmp_path / "pyproject.toml") == expected


def test_links_that_run_a_notebook_stand_below_its_title():
    notebook = {"cells": [{"cell_type": "markdown", "source": ["# A title\n", "\n", "A question."]}]}
    build_site.put_below_title(notebook, site_launch.launch_links("notebooks/03 x.ipynb", "someone/course"))
    text = notebook["cells"][0]["source"]
    assert text.startswith(
        "# A title\n\n**Run this notebook**: [Binder](https://mybinder.org/v2/gh/someone/course/main?"
    )
    assert "urlpath=lab%2Ftree%2Fnotebooks%2F03%20x.ipynb)" in text
    assert "(https://codespaces.new/someone/course)" in text
    assert (
        "(https://colab.research.google.com/github/someone/course/blob/main/notebooks/03%20x.ipynb)" in text
    )
    assert "%pip install" in text and text.endswith("A question.")


PLACES = ("mybinder.org", "codespaces.new", "colab.research.google.com", "%pip install", "Run this notebook")


def test_one_setting_makes_the_links_and_without_it_there_is_no_trace_of_them(tmp_path):
    """[project.urls] of pyproject.toml: the project's own, and the same with an address."""
    own = (ROOT / "pyproject.toml").read_text("utf-8").replace("[project.urls]", "[tool.none]")
    (tmp_path / "without.toml").write_text(own, "utf-8")
    address = '\n[project.urls]\nSource = "https://github.com/someone/course"\n'
    (tmp_path / "with.toml").write_text(own + address, "utf-8")
    for name in ("with", "without"):
        build_site.collect(tmp_path / name, site_launch.repository(tmp_path / f"{name}.toml"))
    for path in (tmp_path / "with" / "notebooks").glob("*.ipynb"):
        launched = path.read_text("utf-8")
        assert all(place in launched for place in PLACES)
        assert "https://mybinder.org/v2/gh/someone/course/" in launched
    for path in (tmp_path / "without").rglob("*"):
        if path.suffix in (".ipynb", ".md", ".html"):
            assert not any(place in path.read_text("utf-8") for place in PLACES), path


# ------------------------------------------------------------------------------- instruments and policies

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_recorded_instruments_are_those_that_the_notebook_shows(path):
    """Where this fails: python notebooks/run.py NAME --write."""
    shown = set(re.findall(r"phi3lib-twin-[0-9a-f]{12}", path.read_text("utf-8")))
    forms = site_instruments.recorded(path.stem)
    assert set(forms) <= shown
    if forms:
        drawing_pads = len(re.findall(r"lab\.DrawingPad\(", path.read_text("utf-8")))
        assert len(forms) == len(shown) - drawing_pads


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_recorded_forms_are_whole(path):
    for form in site_instruments.recorded(path.stem).values():
        if "html" in form:
            assert "Content-Security-Policy" in form["html"]
            continue
        assert form["view"] in site_instruments.NAMES
        if form["answers"] == "frames":
            count = 1
            for control in form["values"]["controls"]:
                count *= len(control["texts"])
            assert len(form["data"]["frames"]) == count
            assert max(form["data"]["frames"]) < len(form["data"]["panels"])


PAGE = (
    '<html><head><meta charset="utf-8"><script>one()</script><script src="a.js"></script>'
    '<script type="application/json">{}</script></head>'
    '<body><script type="module">two()</script></body></html>'
)


def test_a_policy_allows_the_scripts_of_the_page_and_no_others(tmp_path):
    policy = site_policy.policy_of(PAGE)
    assert policy.count("sha256-") == 2
    assert "unsafe-eval" not in policy and "http" not in policy
    assert "script-src 'self' 'sha256-" in policy and "'unsafe-inline'" not in policy.split("style-src")[0]
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "atlas.html").write_text('<meta http-equiv="Content-Security-Policy" content="default-src">')
    assert list(site_policy.add_policies(tmp_path)) == []
    text = (tmp_path / "page.html").read_text()
    assert text.index("Content-Security-Policy") < text.index("<script>")
    assert (tmp_path / "atlas.html").read_text().count("Content-Security-Policy") == 1


def test_a_handler_inside_a_tag_is_reported(tmp_path):
    (tmp_path / "page.html").write_text(PAGE.replace("<body>", '<body onload="three()">'))
    assert len(list(site_policy.add_policies(tmp_path))) == 1


@pytest.fixture
def site_of_one(tmp_path, monkeypatch):
    """A site with a page that shows two instruments, and their recordings."""
    keys = ["phi3lib-twin-000000000000", "phi3lib-twin-111111111111"]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "docs" / "assets").mkdir(parents=True)
    twins = "".join(f'<div class="phi3lib-twin {key}"><style></style><img alt="still"></div>' for key in keys)
    (tmp_path / "notebooks" / "a.html").write_text(f"<html><head></head><body>{twins}</body></html>")
    forms = {}
    monkeypatch.setattr(site_instruments, "recorded", lambda name: forms)
    return tmp_path, keys, forms


def test_a_page_says_for_each_instrument_whether_it_needs_a_kernel(site_of_one):
    site, keys, forms = site_of_one
    forms[keys[0]] = {
        "view": "panel",
        "answers": "frames",
        "values": {},
        "data": {},
        "limits": "Three <b> only.",
    }
    assert list(site_instruments.add_instruments(site)) == []
    text = (site / "notebooks" / "a.html").read_text()
    assert "without a kernel. Three &lt;b&gt; only.</p>" in text
    assert text.count("an instrument that needs a kernel") == 1
    assert problems(site) == []


def test_an_instrument_of_its_own_page_is_framed_and_linked(site_of_one):
    site, keys, forms = site_of_one
    forms[keys[1]] = {"title": 'a "map"', "html": "<title>map</title>", "limits": "No search."}
    assert list(site_instruments.add_instruments(site)) == []
    text = (site / "notebooks" / "a.html").read_text()
    assert 'title="Explorer: a &quot;map&quot;"' in text and 'href="instruments/a_111111111111.html"' in text
    assert problems(site) == []


def test_recordings_that_are_out_of_date_or_too_large_are_problems(site_of_one, monkeypatch):
    site, keys, forms = site_of_one
    forms["phi3lib-twin-222222222222"] = {"title": "t", "html": "h", "limits": ""}
    assert "no longer shows" in "".join(site_instruments.add_instruments(site))
    forms.clear()
    forms[keys[0]] = {"title": "t", "html": "h" * 500, "limits": ""}
    monkeypatch.setattr(site_instruments, "MOST_BYTES", 400)
    assert "at most 400 are allowed" in "".join(site_instruments.add_instruments(site))
