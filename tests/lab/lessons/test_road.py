"""The road: every notebook is on it, what it needs comes before it, and the pages say the same."""

import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from phi3lib.lab.lessons.road import PATHS, ROAD, depth, in_words, lesson, reading_map, where_next

ROOT = Path(__file__).resolve().parents[3]
NUMBERS = [one.number for one in ROAD]
LIMITS = {"90 minutes": 90, "half a day": 210, "a day": 420}


def first_cell(number: str) -> str:
    return nbformat.read(ROOT / "notebooks" / f"{lesson(number).name}.ipynb", as_version=4).cells[0].source


def test_every_notebook_is_on_the_road_once():
    assert sorted(one.name for one in ROAD) == sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb"))


def test_what_a_notebook_needs_comes_before_it():
    for place, one in enumerate(ROAD):
        assert set(one.needs) <= set(NUMBERS[:place])
    assert depth("00") == 0 and all(depth(one.number) > depth(need) for one in ROAD for need in one.needs)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_cell_names_the_notebooks_that_are_needed(number):
    before = first_cell(number).partition("| before you start |")[2]
    assert set(re.findall(r"\]\((\w\w)_\w+\.ipynb\)", before)) == set(lesson(number).needs)


def test_every_notebook_but_the_first_is_the_next_of_another():
    assert {one.number for number in NUMBERS for one in where_next(number)} == set(NUMBERS) - {"00"}


def test_paths_keep_the_order_the_prerequisites_and_their_time():
    assert set(PATHS) == set(LIMITS)
    for name, path in PATHS.items():
        assert list(path) == [number for number in NUMBERS if number in path]
        assert all(minutes <= lesson(number).minutes for number, minutes in path.items())
        assert sum(path.values()) <= LIMITS[name]
    shorter, longer, longest = (set(path) for path in PATHS.values())
    assert shorter <= longer <= longest


def test_a_path_that_leaves_out_a_prerequisite_does_so_knowingly():
    left_out = {
        name: {(number, need) for number in path for need in lesson(number).needs if need not in path}
        for name, path in PATHS.items()
    }
    assert left_out == {"90 minutes": set(), "half a day": {("04", "02")}, "a day": set()}


def test_notebooks_and_readme_follow_the_road(python):
    command = [*python, "tools/road.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_map_says_in_words_what_it_draws():
    assert reading_map().alt == in_words()
    for one in ROAD:
        assert one.number in in_words()


def test_an_unknown_number_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="no notebook '99'; there are: 00, 01"):
        lesson("99")


def test_the_instructors_guide_speaks_of_sections_that_predict_something():
    guide = (ROOT / "notebooks" / "instructor" / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| (\w\w) §(\d)", guide, re.MULTILINE)
    for number, section in named:
        notebook = nbformat.read(ROOT / "notebooks" / f"{lesson(number).name}.ipynb", as_version=4)
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        parts = re.split(r"^## ", text, flags=re.MULTILINE)
        part = next((part for part in parts if part.startswith(f"{section} ·")), "")
        assert "**Predict**" in part, f"{number} §{section}"
    assert {number for number, _ in named} >= {"00", "01", "02", "03", "04", "05", "06", "07", "A1"}
