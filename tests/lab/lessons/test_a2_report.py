"""The report of `make real`: claims of both sides in one table, JSON and Markdown."""

import json

import pytest

from phi3lib.lab.lessons.a2_report import Run, as_markdown, make_report, read_report, save_report


def claim(name, holds, **shown):
    return {"name": name, "holds": holds, "statement": f"about {name}", "shown": shown, "claimed": False}


RUNS = [
    Run(
        "00_one", 4.2, 3.1, 500.4, [claim("a", False, cosine=0.1), claim("b", True)],
        [claim("a", True, cosine=0.9), claim("b", True)],
    ),
    Run("01_two", 1.0, 1.0, 100.0, [], [claim("c", True)], error="Traceback\nValueError: a | b"),
]  # fmt: skip


@pytest.fixture
def report():
    return make_report(RUNS, models="real", checkpoints=[{"name": "o/clip", "revision": "abc"}])


def test_both_sides_stand_beside_each_other(report):
    first, second = report["notebooks"]
    a, b = first["claims"]
    assert (a["holds"], a["shown"], a["bundled_holds"], a["bundled_shown"]) == (
        False, {"cosine": 0.1}, True, {"cosine": 0.9},
    )  # fmt: skip
    assert b["holds"] is True
    assert second["claims"][0]["holds"] is None


def test_the_summary_counts(report):
    summary = report["summary"]
    assert summary == {
        "notebooks": 2, "failed": ["01_two"], "claims": 3, "hold": 1, "do_not_hold": 1, "not_reached": 1,
    }  # fmt: skip


def test_the_machine_is_named_without_a_host_or_a_person(report):
    import getpass
    import platform

    where = report["machine"]
    assert where["processor"] and where["versions"]["torch"] and where["cores"] >= 1
    text = json.dumps(where)
    assert platform.node() not in text or len(platform.node()) < 4
    assert f"/{getpass.getuser()}" not in text


def test_the_text_holds_every_claim_once_and_no_broken_table(report):
    text = as_markdown(report)
    assert "3 claims: 1 hold, 1 do not hold, 1 were not reached. Failed: 01_two." in text
    assert (
        "| about a (`a`) | **does not hold** | cosine 0.1 | holds | cosine 0.9 |" in text
        and "| about c (`c`) | not reached |  | holds |  |" in text
    )
    assert "**Failed**: ValueError: a \\| b" in text
    assert "`o/clip`, revision abc" in text


def test_what_is_saved_is_read_back(report, tmp_path):
    data, text = save_report(report, tmp_path / "new")
    assert read_report(data) == report
    assert text.read_text(encoding="utf-8") == as_markdown(report)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2, "notebooks": []}', '{"format": 1}'])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ValueError, match="no report of `make real`"):
        read_report(tmp_path / "report.json")
