"""The programs in the pages of docs/ run as they are printed."""

import importlib
import re
import textwrap
from pathlib import Path

import matplotlib
import pytest

from phi3lib.encoders import recipes_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
PAGES = sorted(path for path in DOCS.glob("*.md") if BLOCK.search(path.read_text(encoding="utf-8")))


@pytest.fixture
def recipes():
    """Forgets the recipes that a page registers."""
    importlib.import_module("phi3lib.encoders.clip")  # registers the recipes of CLIP
    before = {family: dict(recipes_of(family)) for family in ("clip", "colors")}
    yield
    for family, known in before.items():
        recipes_of(family).clear()
        recipes_of(family).update(known)


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_programs_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHI3LIB_MODELS", raising=False)
    matplotlib.use("agg")
    names: dict = {"__name__": "a_page"}
    for _, code in BLOCK.findall(page.read_text(encoding="utf-8")):
        exec(compile(textwrap.dedent(code), page.name, "exec"), names)  # the pages are our own
