"""The questions for readers: each has a key, and each key names a heading that exists."""

import json
import math
import re
from pathlib import Path

import pytest

from phi3lib.vision.hd_transform import hd_grid

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parents[1] / "notebooks"
CORE = {f"{number:02}" for number in range(8)}


def blocks(file, start):
    """{number: text} of a file whose blocks begin with a line such as "**01.2** …" or "### 01.2"."""
    parts = re.split(start, (HERE / file).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))


QUESTIONS = blocks("questions.md", r"^\*\*([0-9A]\d\.\d)\*\* ")
KEYS = blocks("keys.md", r"^### ([0-9A]\d\.\d)$")


def headings(name):
    """The headings of a notebook, without their marks."""
    document = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    text = "\n".join("".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "markdown")
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


def test_there_are_enough_questions_for_every_notebook():
    counts = {}
    for number in QUESTIONS:
        counts[number[:2]] = counts.get(number[:2], 0) + 1
    assert len(QUESTIONS) >= 40
    assert {path.name[:2] for path in NOTEBOOKS.glob("*.ipynb")} == set(counts)
    assert all(count >= (5 if notebook in CORE else 3) for notebook, count in counts.items()), counts


def test_questions_and_keys_belong_together_in_the_same_order():
    assert list(QUESTIONS) == list(KEYS)


@pytest.mark.parametrize("number", QUESTIONS)
def test_each_key_names_its_heading_and_what_is_right(number):
    key = KEYS[number]
    named = re.match(r'Tests: `([\w.]+)`, "(.+)"\n\*\*Right\*\*: .{20,}', key)
    assert named, key
    assert named[1].startswith(number[:2]) and named[2] in headings(named[1])
    assert "**Not enough**: " in key


def test_no_question_is_a_recall_question_of_the_notebooks_or_contains_its_key():
    prose = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS.glob("*.ipynb"))
    for number, question in QUESTIONS.items():
        assert question.split("\n## ")[0].strip() not in prose, number
        right = KEYS[number].partition("**Right**: ")[2].split(".")[0]
        assert len(right) < 12 or right not in question, number


def test_the_numbers_of_the_keys_are_right():
    tokens = {
        size: hd_grid(*size, num_crops=crops).num_image_tokens
        for size, crops in (((1000, 400), 16), ((2000, 500), 16), ((500, 2000), 16), ((150, 150), 1))
    }
    assert f"{tokens[1000, 400]:,}" in KEYS["03.1"]
    assert f"{tokens[500, 2000]:,} against {tokens[2000, 500]:,}" in KEYS["03.2"]
    assert f"by {tokens[500, 2000] - tokens[2000, 500]}" in KEYS["03.2"]
    assert f"{tokens[150, 150]} tokens" in KEYS["03.3"]
    assert f"{hd_grid(150, 150, num_crops=16).num_image_tokens:,}" in KEYS["03.3"]
    assert f"{math.exp(0.02):.2f}" in KEYS["01.2"] and f"{math.exp(2):.1f}" in KEYS["01.2"]
    assert f"{math.log(64):.1f}" in KEYS["01.1"] and f"{math.log(2):.2f}" in KEYS["08.1"]
    assert f"{(448 // 14) ** 2 + 1:,}" in KEYS["02.1"]
    assert f"{0.04 * 9900:.0f}" in KEYS["07.2"] and f"{240 / 270:.2f}" in KEYS["07.5"]
