"""Grading without running anything: what was handed in, totals, pages, the command."""

import csv
import inspect
import io
import json
import os
import re

import pytest

from phi3lib.cli import main
from phi3lib.lab.grading.exercises import EXERCISES
from phi3lib.lab.grading.handed_in import handed_in
from phi3lib.lab.grading.pages import csv_of, page_of
from phi3lib.lab.grading.results import graded, report_of
from phi3lib.lab.grading.sandbox import Limits, Run
from phi3lib.lab.grading.untouched import Untouched
from tests.lab.grading.conftest import RIGHT, SET_UP, SLIP, STUB, code, write
from tests.printed_solutions import FOLDER, all_exercises

HOSTILE = "=cmd()\u202e<script>alert(1)</script>"


def message(number, right, sentence="", slip=""):
    return {number: {"kind": "verdict", "number": number, "right": right, "sentence": sentence, "slip": slip}}


@pytest.fixture
def of_a_class(tmp_path):
    """A report of three learners whose notebooks were not run."""
    for name in ("ann", "bob", "cat"):
        write(tmp_path / name / "01.ipynb", SET_UP, RIGHT, SLIP)
    said = {
        "ann": message("01.1", True) | message("01.2", False, "With 3 pictures: it is flat.", "it is flat"),
        "bob": message("01.1", False, "Row 3 is 0.25.") | message("01.2", False, "x", "it is flat"),
        "cat": message("01.1", False, "Row 41 is −1.5e-3.") | message("01.2", None, "Fill in."),
    }
    return report_of("class", [graded(one, Run(answers=said[one.learner])) for one in handed_in(tmp_path)])


def test_the_exercises_are_those_of_the_notebooks():
    checked = [(one.number, one.check) for one in all_exercises() if one.check]
    assert [(one.number, one.check) for one in EXERCISES] == checked
    titles = dict(
        found
        for path in FOLDER.glob("*.ipynb")
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for found in re.findall(r"^### Exercise (\w+\.\d) · (.*)$", "".join(cell["source"]), re.MULTILINE)
    )
    assert {one.number: one.title for one in EXERCISES} == {
        one.number: titles[one.number] for one in EXERCISES
    }


def test_every_exercise_is_found_in_its_notebook_and_answered_by_a_name():
    for handed in handed_in(FOLDER):
        assert handed.problem == ""
        assert all(handed.index_of(one) is not None and one.answers for one in handed.exercises)


@pytest.mark.parametrize(
    ("file", "learner"),
    [
        ("anna/01_clip_concepts.ipynb", "anna"),
        ("anna/deep/er/work.ipynb", "anna"),
        ("anna_01_clip_concepts.ipynb", "anna"),
        ("01_clip_concepts (Anna Berg).ipynb", "Anna Berg"),
        ("A1_the_original_class-ben.ipynb", "ben"),
    ],
)
def test_learners_are_named_by_folders_or_files(tmp_path, file, learner):
    write(tmp_path / file, SET_UP)
    assert [one.learner for one in handed_in(tmp_path)] == [learner]


def test_a_folder_of_one_learner_gives_its_name(tmp_path):
    write(tmp_path / "dora" / "01_clip_concepts.ipynb", SET_UP)
    assert handed_in(tmp_path / "dora")[0].learner == "dora"


@pytest.mark.parametrize(
    ("cells", "number"),
    [
        ([SET_UP], "01"),
        ([{"cell_type": "markdown", "source": ["# x\n", "### Exercise A1.2 · Count"]}], "A1"),
        (["x = 1"], "03"),
    ],
)
def test_the_notebook_is_known_by_its_set_up_its_headings_or_its_name(tmp_path, cells, number):
    write(tmp_path / "anna" / "03_hd_transform.ipynb", *cells)
    assert handed_in(tmp_path)[0].notebook == number


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"worksheets": []}', "no list of cells"),
        ("[]", "no list of cells"),
        ('{"cells": 3}', "no list of cells"),
        (
            '{"cells": [null, 3, {"cell_type": "code", "source": 7, "outputs": "x"}]}',
            "not a notebook of the course",
        ),
        ("\xff\xfe", "not JSON"),
    ],
)
def test_what_is_no_notebook_is_one_line(tmp_path, text, reason):
    path = write(tmp_path / "anna" / "x.ipynb")
    path.write_bytes(text.encode("latin-1"))
    (one,) = handed_in(tmp_path)
    assert reason in one.problem and one.exercises == ()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links here")
def test_links_are_not_followed(tmp_path):
    secret = write(tmp_path / "secret" / "01_clip_concepts.ipynb", SET_UP)
    (tmp_path / "class" / "anna").mkdir(parents=True)
    (tmp_path / "class" / "anna" / "01_clip_concepts.ipynb").symlink_to(secret)
    (tmp_path / "class" / "ben").symlink_to(secret.parent)
    (one,) = handed_in(tmp_path / "class")
    assert one.learner == "anna" and "link" in one.problem


def test_a_saved_verdict_is_read_as_what_it_said(tmp_path):
    write(tmp_path / "anna" / "x.ipynb", SET_UP, code(STUB, "✗ Not yet. With 2 pairs …"))
    (one,) = handed_in(tmp_path)
    assert one.cells[1].said == "wrong"


def test_equal_mistakes_are_counted_together(of_a_class):
    assert of_a_class.commonest == [("01.1", "Row … is ….", 2), ("01.2", "it is flat", 2)]
    first = of_a_class.totals[0]
    assert first.counts == {"right": 1, "wrong": 2, "not answered": 0, "not checked": 0}


def test_a_notebook_that_is_handed_in_twice_counts_once_with_its_best_answer(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / "ann" / name / "01.ipynb", SET_UP, RIGHT)
    wrong, right = (Run(answers=message("01.1", is_right)) for is_right in (False, True))
    made = report_of(
        "x", [graded(one, run) for one, run in zip(handed_in(tmp_path), (wrong, right), strict=True)]
    )
    assert made.totals[0].counts["right"] == 1 and made.totals[0].counts["wrong"] == 0


def test_an_ended_run_keeps_what_came_and_names_the_reason(tmp_path):
    write(tmp_path / "ann" / "01.ipynb", SET_UP, RIGHT, SLIP)
    (one,) = handed_in(tmp_path)
    answers = graded(one, Run(answers=message("01.1", True), ended="no end within 9 seconds")).answers
    assert [answer.state for answer in answers] == ["right"] + ["not checked"] * 3
    assert answers[1].sentence == "no end within 9 seconds"


def test_pages_escape_what_comes_from_learners(tmp_path):
    write(tmp_path / HOSTILE.replace("/", "") / "01.ipynb", SET_UP, RIGHT)
    (one,) = handed_in(tmp_path)
    made = report_of(HOSTILE, [graded(one, Run(answers=message("01.1", False, HOSTILE, HOSTILE)))])
    page = page_of(made)
    assert "<script" not in page and "\u202e" not in page and "default-src 'none'" in page
    rows = list(csv.reader(io.StringIO(csv_of(made))))
    assert rows[1][0].startswith("'=") and all(cell[:1] != "=" for row in rows for cell in row)


def test_what_did_not_hold_a_notebook_is_said(of_a_class):
    assert len(of_a_class.missing_measures) == 4
    assert "no network" in page_of(of_a_class)


def test_limits_are_positive():
    with pytest.raises(ValueError, match="positive"):
        Limits(seconds=0)


def test_replaced_functions_are_noticed_and_new_names_are_not(monkeypatch):
    import numpy as np

    from phi3lib.lab.checks import nb01, reading

    before = Untouched()
    monkeypatch.setattr(nb01, "added", 1, raising=False)
    assert before.changes() == []
    monkeypatch.setattr(np, "allclose", lambda *given: True)
    monkeypatch.setattr(reading.near, "__code__", (lambda answer, right: True).__code__)
    changes = before.changes()
    assert "numpy.allclose" in changes and any("near" in name and "code" in name for name in changes)


# What a module made with Cython runs when it is imported; ray is one.
CYTHON = """
def cy_wrap(orig_func, type=type, cython_generator_types=cython_generator_types):
    def cy_isgenerator(obj):
        return type(obj) in cython_generator_types or orig_func(obj)
    return cy_isgenerator
"""


def test_what_cython_does_to_inspect_is_no_change_and_what_looks_like_it_is(monkeypatch):
    space = {"cython_generator_types": {type(iter(()))}}
    exec(CYTHON, space)
    before, original = Untouched(), inspect.isgenerator
    monkeypatch.setattr(inspect, "isgenerator", space["cy_wrap"](space["cy_wrap"](original)))
    assert before.changes() == []
    forged = (
        lambda obj: True,
        space["cy_wrap"](lambda obj: True),
        space["cy_wrap"](original, type=lambda obj: int, cython_generator_types={int}),
    )
    for function in forged:
        monkeypatch.setattr(inspect, "isgenerator", function)
        assert before.changes() == ["inspect.isgenerator"]


def test_what_cython_did_before_is_no_change(monkeypatch):
    space = {"cython_generator_types": {type(iter(()))}}
    exec(CYTHON, space)
    monkeypatch.setattr(inspect, "isgenerator", space["cy_wrap"](inspect.isgenerator))
    before = Untouched()
    assert before.changes() == []
    monkeypatch.setattr(inspect, "isgenerator", space["cy_wrap"](inspect.isgenerator))
    assert before.changes() == []
    monkeypatch.setattr(inspect, "isgenerator", lambda obj: True)
    assert before.changes() == ["inspect.isgenerator"]


def test_the_command_writes_pages_and_json(tmp_path, monkeypatch, capsys):
    write(tmp_path / "class" / "ann" / "01.ipynb", SET_UP, RIGHT)
    (tmp_path / "class" / "bob.ipynb").write_text("{")
    monkeypatch.setattr(
        "phi3lib.lab.grading.batch.run", lambda one, limits: Run(answers=message("01.1", True))
    )
    monkeypatch.chdir(tmp_path)
    assert main(["grade", "class", "--json", "--strict", "--csv", "g.csv"]) == 3
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["page"] == "grades.html" and (tmp_path / "grades.html").is_file()
    assert found["exercises"][0]["right"] == 1
    assert "runs the learners' code" in said.err and "not graded" in said.err
    assert main(["grade", "nowhere"]) == 1
    assert "is not a folder" in capsys.readouterr().err
    assert main(["grade", "class"]) == 0
    assert "01.1  1 right" in capsys.readouterr().out
