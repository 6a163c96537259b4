"""The notebooks as they are committed, and as they run with the network cable out."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
IDS = [path.stem for path in NOTEBOOKS]
# Their numbers come from trained models and maps, whose last digits depend on the processor.
MEASURED = {
    "00_start_here", "03_hd_transform",
    "01_clip_concepts", "02_vision_tower", "04_image_embeddings", "05_umap_maps", "06_clip_vs_phi3",
    "07_search_and_classify",
}  # fmt: skip
NUMBER = re.compile(r"[-−]?\d+(\.\d+)?")
DECIMAL = re.compile(r"[-−]?\d+\.\d+")


def cells(path: Path, kind: str) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_the_first_notebooks_are_here():
    assert {"00_start_here", "03_hd_transform", "A1_the_original_class"} <= set(IDS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_committed_executed_clean_and_small(path):
    assert path.stat().st_size <= 400_000
    for cell in cells(path, "code"):
        assert cell.execution_count is not None
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr"
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_every_picture_has_alternative_text(path):
    html = "".join(
        str(output.get("data", {}).get("text/html", ""))
        for cell in cells(path, "code")
        for output in cell.outputs
    )
    images = re.findall(r"<img[^>]*>", html)
    assert images or path.stem.startswith("A1")
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_headings_do_not_skip_a_level_and_folds_are_closed(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    levels = [len(found) for found in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_links_lead_somewhere(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    glossary = (ROOT / "notebooks" / "glossary.md").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        assert (ROOT / "notebooks" / name).exists(), target
        assert not anchor or f'id="{anchor}"' in glossary, target


@pytest.mark.notebooks
@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_runs_offline_within_its_budget_and_says_the_same_again(path, tmp_path):
    """Executed anew without network, the text outputs are those that are committed."""
    copies = tmp_path / "notebooks"
    copies.mkdir()
    for name in (path.name, "run.py", "glossary.md"):
        (copies / name).write_bytes((ROOT / "notebooks" / name).read_bytes())
    command = [sys.executable, "run.py", path.stem, "--write", "--no-network"]
    limits = ["--budget-seconds", "90", "--budget-mb", "2048"]
    done = subprocess.run([*command, *limits], cwd=copies, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    if path.stem in MEASURED:
        assert_alike(texts(copies / path.name), texts(path))
    else:
        assert texts(copies / path.name) == texts(path)


def assert_alike(again: list[str], before: list[str]) -> None:
    """The same words, and decimals that differ little."""
    for one, other in zip(again, before, strict=True):
        assert NUMBER.sub("#", one) == NUMBER.sub("#", other)
        pairs = zip(DECIMAL.findall(one), DECIMAL.findall(other), strict=True)
        assert all(abs(float(a) - float(b)) <= 0.1 + 0.1 * abs(float(b)) for a, b in pairs)


def texts(path: Path) -> list[str]:
    found = []
    for cell in cells(path, "code"):
        for output in cell.outputs:
            found.append(output.get("text", "") or str(output.get("data", {}).get("text/plain", "")))
    return found
