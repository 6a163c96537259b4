"""The doctor's report: the same lines wherever all is well, and one clear line for each thing that is not."""

import importlib.metadata
import re
import sys

import numpy as np
import pytest

from phi3lib import lab
from phi3lib.lab import check_up
from phi3lib.lab.check_up import ATTENTION, NOTE, OK
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint


def line(subject: str) -> check_up.Finding:
    """The report's line on this subject."""
    (found,) = [f for f in lab.doctor().findings if f.text.startswith(subject)]
    return found


@pytest.fixture(autouse=True)
def _enough_of_everything(monkeypatch):
    monkeypatch.setattr(check_up, "free_memory_gb", lambda: 8.0)
    monkeypatch.setattr(check_up, "free_disk_gb", lambda: 50.0)
    monkeypatch.delenv("PHI3LIB_MODELS", raising=False)


def test_a_healthy_machine_needs_no_attention_and_reads_the_same_twice():
    report = lab.doctor()
    assert report.count(ATTENTION) == 0
    assert repr(report) == repr(lab.doctor())
    assert all(re.match(r"(ok|note) {5,}\w", text) for text in repr(report).splitlines())


def test_the_text_holds_no_number_of_this_machine(monkeypatch):
    before = repr(lab.doctor())
    monkeypatch.setattr(check_up, "free_memory_gb", lambda: 64.0)
    monkeypatch.setattr(check_up, "free_disk_gb", lambda: 2.0)
    assert repr(lab.doctor()) == before
    assert not re.search(r"/|\\|\d\.\d+\.\d", before)


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert line("Python").state == ATTENTION and "needs 3.11 to 3.13" in line("Python").text


@pytest.mark.parametrize(
    ("version", "said"),
    [("0.1", "pillow is 0.1, wanted is >=12,<14"), (None, "pillow is missing")],
)
def test_a_package_out_of_range_is_named(monkeypatch, version, said):
    real = check_up.installed_version
    monkeypatch.setattr(check_up, "installed_version", lambda n: version if n == "pillow" else real(n))
    assert line("Packages").state == ATTENTION
    assert said in line("Packages").text


def test_ranges_come_from_the_project_or_from_the_installed_metadata(monkeypatch, tmp_path):
    wanted = check_up.wanted_packages()
    assert wanted["torch"] == ">=2.13,<3" and "pytest" not in wanted
    assert {"jupyterlab", "datasets"} <= set(wanted)
    monkeypatch.setattr(check_up, "ROOT", tmp_path)
    requires = ["torch<3,>=2.13", 'pytest>=9; extra == "dev"', "jupyterlab<5,>=4.4; extra == 'course'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: requires)
    assert check_up.wanted_packages() == {"torch": "<3,>=2.13", "jupyterlab": "<5,>=4.4"}
    assert check_up.locked_versions() == {}


@pytest.mark.parametrize(
    ("name", "value", "subject", "state"),
    [
        ("free_memory_gb", 1.0, "Memory", ATTENTION),
        ("free_memory_gb", None, "Memory", NOTE),
        ("free_disk_gb", 0.5, "Disk", ATTENTION),
        ("find_spec", None, "Instruments", ATTENTION),
    ],
)
def test_what_is_short_or_missing_gets_its_line(monkeypatch, name, value, subject, state):
    monkeypatch.setattr(check_up, name, lambda *_: value)
    assert line(subject).state == state


def test_missing_photographs_get_their_line(monkeypatch):
    from phi3lib.lab import photographs

    def missing(name):
        raise ModuleNotFoundError("scikit-learn is not installed")

    monkeypatch.setattr(photographs, "photograph", missing)
    assert line("Photographs").state == ATTENTION


def test_the_switch_decides_what_is_said_of_trained_models(monkeypatch, tmp_path):
    monkeypatch.setenv("PHI3LIB_MODELS", "real")
    assert (line("Trained").state, line("Network").state) == (NOTE, NOTE)
    make_clip_checkpoint(tmp_path / "clip-small")
    make_phi3_checkpoint(tmp_path / "phi3-vision-small")
    monkeypatch.setenv("PHI3LIB_MODELS", str(tmp_path))
    assert line("Trained").text == "Trained models: CLIP and Phi-3-vision, from your own folder."
    monkeypatch.setenv("PHI3LIB_MODELS", str(tmp_path / "nowhere"))
    assert line("Trained").state == ATTENTION
    assert check_up.trained_models() == {}


def test_details_are_a_table_with_versions_and_what_was_last_tested():
    report = lab.doctor(details=True)
    assert "torch" in dict(report.details) and "last tested 2.13.0" in dict(report.details)["torch"]
    page = report._repr_html_()
    assert page.count('<th scope="row"') == len(report.details) and "<caption>" in page
    assert lab.doctor()._repr_html_() is None  # plain text in the saved notebook
    assert report.count(OK) == lab.doctor().count(OK)


# ------------------------------------------------------------------------------ exercise 00.1


def test_reading_the_report():
    report = lab.doctor()
    not_ok, check = len(report.findings) - report.count(OK), lab.checks.read_the_report
    able = "Phi-3-vision" in check_up.trained_models()
    assert check(report, not_ok=not_ok, captions=able).right
    assert check(report).right is None
    assert check(report, not_ok=..., captions=True).right is None


@pytest.mark.parametrize(
    ("not_ok", "captions", "named"),
    [
        (4, False, "how many say ok"),
        (6, False, "how many lines there are in all"),
        (1, False, "lines that say note are not ok lines either"),
        (5, False, "count the first words"),
        ("two", False, "number of lines"),
        (True, False, "number of lines"),
        (2, True, "captions need a trained Phi-3-vision"),
        (2, "no", "True or False"),
    ],
)
def test_wrong_readings_are_named(monkeypatch, not_ok, captions, named):
    from phi3lib.lab.checks import nb00 as checks_00

    monkeypatch.setattr(checks_00, "trained_models", dict)
    states = [OK, OK, OK, NOTE, ATTENTION, OK]
    report = check_up.Report(tuple(check_up.Finding(state, "…") for state in states))
    verdict = lab.checks.read_the_report(report, not_ok=not_ok, captions=captions)
    assert verdict.right is False and named in verdict.sentence


def test_counts_and_truth_values_of_numpy_are_read():
    report = lab.doctor()
    not_ok, able = len(report.findings) - report.count(OK), "Phi-3-vision" in check_up.trained_models()
    check = lab.checks.read_the_report
    assert check(report, not_ok=np.int64(not_ok), captions=np.bool_(able)).right
    assert check(report, not_ok=np.array(not_ok), captions=np.array(able)).right
    assert check(report, not_ok=np.array([not_ok]), captions=able).right is False
    assert check(report, not_ok=not_ok, captions=np.array([True, False])).right is False
    assert check("no report", not_ok=1, captions=True).right is False
