"""Notebooks of learners, run: what they answer, what they break, and what they try."""

import psutil
import pytest

from phi3lib.lab.grading import Limits
from phi3lib.lab.grading.handed_in import handed_in
from phi3lib.lab.grading.isolation import NETWORK, PROCESSES, WRITING
from phi3lib.lab.grading.sandbox import run
from tests.lab.grading.conftest import MARKER, SET_UP, write

pytestmark = pytest.mark.slow


def of(report, learner):
    """The answers of a learner by exercise, and the notebook."""
    (one,) = (one for one in report.notebooks if one.learner == learner)
    return {answer.exercise.number: answer for answer in one.answers}, one


def held(report, measure):
    """Skip where this machine does not have a measure."""
    if not all(measure in one.measures for one in report.notebooks if one.measures):
        pytest.skip(f"this system does not offer: {measure}")


def test_right_wrong_endless_and_empty_answers_are_told_apart(report):
    answers, notebook = of(report, "anna")
    states = {number: answer.state for number, answer in answers.items()}
    assert states == {"01.1": "right", "01.2": "wrong", "01.3": "wrong", "01.4": "not answered"}
    assert answers["01.2"].slip.startswith("the scale is not used")
    assert answers["01.3"].slip == "it does not end"
    assert notebook.problem == ""


def test_a_saved_output_is_not_believed(report):
    answer = of(report, "anna")[0]["01.4"]
    assert (answer.state, answer.as_handed_in, answer.differs) == ("not answered", "right", True)


def test_what_a_notebook_can_reach(report, outside):
    answers, _ = of(report, "ben")
    tried = answers["01.1"].sentence.partition("ValueError: ")[2].rstrip(".").split()
    connected, started, wrote, inside, allocated, secret, _ = tried
    assert connected in ("ConnectionRefusedError", "OSError")
    assert (started, inside, secret) == ("CalledProcessError", "done", "False")
    held(report, WRITING)
    assert wrote == "PermissionError" and not list(outside.iterdir())
    assert allocated == "MemoryError"


def test_a_cell_that_cannot_be_read_is_a_wrong_answer_with_its_error(report):
    answer = of(report, "ben")[0]["01.2"]
    assert answer.state in ("wrong", "not answered")


def test_what_a_notebook_starts_ends_with_it(report):
    held(report, PROCESSES)
    left = [one.pid for one in psutil.process_iter(["cmdline"]) if MARKER in (one.info["cmdline"] or [])]
    assert left == []


def test_a_notebook_cannot_print_or_patch_its_way_to_a_verdict(report):
    answers, notebook = of(report, "carl")
    assert {answer.state for answer in answers.values()} <= {"wrong", "not checked", "not answered"}
    assert answers["01.2"].state == "not checked" and "numpy" in answers["01.2"].sentence
    assert notebook.forged > 0


def test_what_was_checked_before_a_crash_is_kept(report):
    answers, notebook = of(report, "dora")
    assert answers["01.1"].state == "right" and answers["01.2"].state == "not checked"
    assert "ended by itself" in notebook.problem


def test_a_broken_notebook_is_one_line(report):
    answers, notebook = of(report, "emil")
    assert answers == {} and notebook.problem == "not readable as a notebook: it is not JSON"
    assert report.not_graded == [notebook]


def test_totals_count_learners(report):
    totals = {one.exercise.number: one for one in report.totals}
    assert totals["01.1"].counts["right"] == 2
    assert ("the scale is not used" in totals["01.2"].mistakes[0][0]) and totals["01.2"].mistakes[0][1] == 1


def test_no_program_of_a_notebook_has_a_network(report):
    held(report, NETWORK)
    interfaces = of(report, "ben")[0]["01.1"].sentence.rstrip(".").rpartition(" ")[2]
    assert interfaces == "1"  # its own loopback


def test_a_notebook_that_waits_is_ended(tmp_path):
    write(tmp_path / "anna" / "01.ipynb", SET_UP, "import time\ntime.sleep(1e6)")
    (handed,) = handed_in(tmp_path)
    assert run(handed, Limits(seconds=2)).ended == "no end within 2 seconds"
