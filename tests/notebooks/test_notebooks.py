"""The notebooks as they are committed, and as they run with the network cable out."""

import itertools
import re
from pathlib import Path

import nbformat
import pytest

from tests.jupyterlab import CHROMIUM, is_drawn
from tests.notebooks.conftest import FOLDER, PATHS, execute_copy
from tests.notebooks.outputs import code_cells, exact_differences, kinds, texts, unmarked_fractions

IDS = [path.stem for path in PATHS]
MEMORY_MB = 2048
HERE = Path(__file__).parent
# The fastest with numbers of trained models, seeded draws, seeded weights and intervals in it. That maps and
# probes are the same with the same seed is tested where they are computed.
REPEATED = "01_clip_concepts"

pytestmark = pytest.mark.notebooks
each = pytest.mark.parametrize("path", PATHS, ids=IDS)


def read(path):
    return nbformat.read(path, as_version=4)


def words_of(path) -> str:
    return "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


# --------------------------------------------------------------------- as committed


def test_the_first_notebooks_are_here():
    assert {"00_start_here", "03_hd_transform", "A1_the_original_class"} <= set(IDS)


@each
def test_committed_executed_clean_and_small(path):
    assert path.stat().st_size <= 400_000
    for cell in code_cells(read(path)):
        assert cell.execution_count is not None
        for output in cell.outputs:
            assert output.output_type != "error" and output.get("name") != "stderr"
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})


@each
def test_every_picture_has_alternative_text(path):
    html = "".join(
        str(output.get("data", {}).get("text/html", ""))
        for cell in code_cells(read(path))
        for output in cell.outputs
    )
    images = re.findall(r"<img[^>]*>", html)
    assert images or path.stem.startswith("A1")
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)


@each
def test_headings_do_not_skip_a_level_and_folds_are_closed(path):
    text = words_of(path)
    levels = [len(found) for found in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert text.count("<details>") == text.count("</details>")


@each
def test_folded_text_is_read_as_markdown(path):
    """Without an empty line after the title, code and links of folded text show as they are typed."""
    assert re.findall(r"</summary>\n(?!\n).*", words_of(path)) == []


@each
def test_it_ends_with_questions_to_recall_whose_answers_are_folded(path):
    recall = words_of(path).partition("## Recall")[2].partition("## Key points")[0]
    assert len(re.findall(r"^\*\*\d\.\*\* ", recall, re.MULTILINE)) == recall.count(
        "<summary>Answer</summary>"
    )
    assert recall.count("<summary>Answer</summary>") >= 3
    assert path.stem.startswith("00") or "*From notebook" in recall


@each
def test_links_lead_somewhere(path):
    glossary = (FOLDER / "glossary.md").read_text()
    for target in re.findall(r"\]\(([^)]+)\)", words_of(path)):
        name, _, anchor = target.partition("#")
        assert (FOLDER / name).exists(), target
        assert not anchor or f'id="{anchor}"' in glossary, target


@each
def test_a_cell_that_shows_a_fraction_says_whether_it_is_the_same_on_every_machine(path):
    assert unmarked_fractions(read(path)) == []


@each
def test_claims_are_named_once_and_hold_where_they_were_committed(path, run):
    claims = run.claims(read(path))
    names = [claim["name"] for claim in claims]
    assert len(set(names)) == len(names)
    assert all(claim["holds"] and claim["claimed"] for claim in claims)


def test_the_margins_are_noted_for_claims_that_are_made(run):
    """`margins.md` holds the measurements behind thresholds; in cells, readers compare them with outputs."""
    made = {path.stem[:2]: {claim["name"] for claim in run.claims(read(path))} for path in PATHS}
    rows = re.findall(
        r"^\| (\w\w) \| (.+?) \|", (HERE / "margins.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert rows
    noted = [(number, name) for number, names in rows for name in re.findall(r"`([\w-]+)`", names)]
    assert [(number, name) for number, name in noted if name not in made[number]] == []


# --------------------------------------------------------------------- executed anew


@pytest.mark.slow
def test_runs_offline_without_errors_or_warnings(executed):
    assert executed.measured.error == ""
    outputs = [output for cell in code_cells(executed.notebook) for output in cell.outputs]
    assert not [
        output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ]


@pytest.mark.slow
def test_stays_within_memory_and_leaves_no_file_behind(executed, run):
    assert executed.measured.peak_mb <= MEMORY_MB * run.MORE_MEMORY.get(executed.name, 1)
    assert executed.left_behind == []


@pytest.mark.slow
def test_makes_the_committed_claims_and_all_hold(executed, run):
    claims = executed.measured.claims
    assert executed.measured.broken_claims() == []
    assert [claim["name"] for claim in claims] == [claim["name"] for claim in run.claims(executed.committed)]
    assert all(claim["claimed"] for claim in claims)


@pytest.mark.slow
def test_says_the_same_wherever_the_text_must_be_the_same(executed):
    assert exact_differences(executed.committed, executed.notebook) == []


@pytest.mark.slow
def test_shows_the_same_kinds_of_outputs(executed):
    committed, now = code_cells(executed.committed), code_cells(executed.notebook)
    assert [(cell.id, kinds(cell)) for cell in now] == [(cell.id, kinds(cell)) for cell in committed]


@pytest.mark.slow
def test_its_page_is_whole_and_needs_no_network(executed, run):
    page = executed.page.read_text(encoding="utf-8")
    title, _ = run.headline(executed.notebook)
    assert re.search(rf"<title>[^<]*{re.escape(title)}</title>", page)
    assert not re.search(r"(src|href)=[\"']https?://|import [^;]*https?://|url\(https?://", page)
    assert page.count('class="phi3lib-claim"') == len(executed.measured.claims)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_in_jupyterlab_its_instruments_are_drawn_and_accessible(executed):
    live = executed.live
    cells = live.live_cells()
    first = live.theme()  # as the notebook before left it
    for theme in sorted(("Light", "Dark"), key=lambda one: one != first) if cells else ():
        live.use_theme(theme)
        for place, number in enumerate(cells):
            drawn = live.cell(number).locator("canvas, img").first
            drawn.wait_for()
            assert is_drawn(drawn), f"cell {number} shows nothing, {theme}"
            if theme == "Light":
                live.screenshot(f"{executed.name}_{place}")
        assert live.serious_faults(cells) == {number: [] for number in cells}, theme
    assert live.errors == [] and live.outside == []


@pytest.mark.slow
@pytest.mark.parametrize("executed", [FOLDER / f"{REPEATED}.ipynb"], ids=[REPEATED], indirect=True)
def test_a_second_run_on_this_machine_says_the_same(executed, run, kernels, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", kernels.get("JUPYTER_PATH", ""))
    again = execute_copy(run, FOLDER / f"{REPEATED}.ipynb", tmp_path)
    first, second = code_cells(executed.notebook), code_cells(again.notebook)
    assert [texts(cell) for cell in second] == [texts(cell) for cell in first]
    assert again.measured.claims == executed.measured.claims
