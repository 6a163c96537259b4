"""The programs in the pages of docs/ run as they are printed, and do what the pages say."""

import importlib
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import matplotlib
import nbformat
import pytest

from phi3lib import encoders, load_encoder
from phi3lib.encoders import encoder as encoder_module
from phi3lib.lab.checks import registry
from tests.encoder_layout import make_dino_checkpoint
from tests.encoders.conftest import images  # noqa: F401 - a fixture
from tests.notebooks import test_notebooks
from tools import glossary, road

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
HOME = re.compile(r"# ((?:phi3lib|tests)/\S+\.py)\n")  # the first line of a block that is a whole file
PAGES = sorted(path for path in DOCS.glob("*.md") if BLOCK.search(path.read_text(encoding="utf-8")))
FEATURES = {
    "clip": "ClipFeatures",
    "siglip": "SiglipFeatures",
    "dino": "DinoFeatures",
    "phi3": "Phi3Features",
}


@pytest.fixture
def encoders_by_name(tmp_path):
    """The encoder that the page about recipes tests."""
    make_dino_checkpoint(tmp_path / "dino")
    return {"dino": load_encoder(tmp_path / "dino")}


def blocks(page):
    return [textwrap.dedent(code) for _, code in BLOCK.findall(page.read_text(encoding="utf-8"))]


FILES = [
    (page.stem, found[1], code) for page in PAGES for code in blocks(page) if (found := HOME.match(code))
]


@pytest.fixture(autouse=True)
def _checks(monkeypatch):
    """Forgets the checks that a page registers."""
    monkeypatch.setattr(registry, "REGISTERED", dict(registry.REGISTERED))


@pytest.fixture
def recipes():
    """Forgets the recipes that a page registers."""
    for family in FEATURES:
        importlib.import_module(f"phi3lib.encoders.{family}")  # registers the recipes of the family
    before = {family: dict(known) for family, known in encoder_module.REGISTERED.items()}
    yield
    for family, known in encoder_module.REGISTERED.items():  # the modules hold these dicts
        known.clear()
        known.update(before.get(family, {}))


def run(page):
    """Execute the programs of a page, and return the names that they define."""
    matplotlib.use("agg")
    names: dict = {"__name__": "a_page"}
    for code in blocks(page):
        exec(compile(code, page.name, "exec"), names)  # the pages are our own
    return names


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_programs_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHI3LIB_MODELS", raising=False)
    run(page)


@pytest.mark.parametrize(("file", "code"), [one[1:] for one in FILES], ids=[one[1] for one in FILES])
def test_the_files_of_a_page_pass_the_linter(file, code):
    ruff = shutil.which("ruff", path=Path(sys.executable).parent)
    if ruff is None:
        pytest.skip("ruff is not installed")
    without_home = code.partition("\n")[2]
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        done = subprocess.run(
            [ruff, *command, "--stdin-filename", ROOT / file, "-"],
            input=without_home,
            text=True,
            capture_output=True,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_features_names_what_there_is():
    text = (DOCS / "add_a_recipe.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r'^\| `"(\w+)"` \| ([^|]+) \|', text, re.MULTILINE))
    assert set(rows) == {family.family for family, _ in encoders.load_families()} == set(FEATURES)
    for family, listed in rows.items():
        features = getattr(importlib.import_module(f"phi3lib.encoders.{family}"), FEATURES[family])
        for name in re.findall(r"`(\w+)", listed):
            assert hasattr(features, name), f"{family} has no {name}"


@pytest.mark.usefixtures("recipes")
def test_the_exercise_of_the_page_is_answered_by_its_printed_solution():
    names = run(DOCS / "add_a_check.md")
    assert names["n_tokens"](names["my_n_tokens"]).right


@pytest.mark.usefixtures("recipes")
def test_the_family_of_the_page_is_loaded_as_its_test_says(tmp_path, monkeypatch, images):  # noqa: F811
    """As in the package: the page's file is found, loads the checkpoint of its test, and the test passes."""
    files = {file: code for page, file, code in FILES if page == "add_an_encoder"}
    (tmp_path / "vit.py").write_text(files["phi3lib/encoders/vit.py"], encoding="utf-8")
    monkeypatch.setattr(encoders, "__path__", [*encoders.__path__, str(tmp_path)])
    encoders.load_families.cache_clear()
    names: dict = {}
    exec(compile(files["tests/encoders/test_vit.py"], "test_vit", "exec"), names)
    try:
        names["make_vit_checkpoint"](folder := tmp_path / "checkpoint")
        encoder = load_encoder(folder)
        names["test_vectors_are_those_of_transformers"]({"vit": encoder}, {"vit": folder}, images)
        assert encoder.provenance(encoder.recipes["cls"])["dimension"] == 16
        with pytest.raises(ValueError, match="no vision network that Phi-3-vision can use"):
            encoder.tower()  # its type is not among the towers, as the page says
    finally:
        sys.modules.pop("phi3lib.encoders.vit", None)
        encoders.load_families.cache_clear()


@pytest.mark.usefixtures("recipes")
def test_the_recipe_of_the_page_passes_its_test(encoders_by_name, images):  # noqa: F811
    names = run(DOCS / "add_a_recipe.md")
    names["test_the_maximum_is_at_least_the_mean"](encoders_by_name, images)


def test_the_notebook_of_the_page_has_the_structure_that_is_tested(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(DOCS / "add_a_notebook.md")
    (path,) = tmp_path.glob("*.ipynb")
    for test in (
        test_notebooks.test_headings_do_not_skip_a_level_and_folds_are_closed,
        test_notebooks.test_folded_text_is_read_as_markdown,
        test_notebooks.test_it_ends_with_questions_to_recall_whose_answers_are_folded,
        test_notebooks.test_links_lead_somewhere,
        test_notebooks.test_a_cell_that_shows_a_fraction_says_whether_it_is_the_same_on_every_machine,
    ):
        test(path)
    sources = [
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"
    ]
    assert road.MINUTES.search(sources[0]) and road.NEXT.search(sources[-1])
    assert glossary.missing(sources, glossary.terms()) == []
