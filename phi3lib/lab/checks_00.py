"""The checks of notebook 00."""

from typing import Any

from phi3lib.lab.check_up import ATTENTION, NOTE, OK, Report, trained_models
from phi3lib.lab.exercise import Verdict

_EMPTY = Verdict(None, "Fill in the cell above, run it, then run this cell again.")


def read_the_report(report: Report, *, not_ok: Any = None, captions: Any = None) -> Verdict:
    """Exercise 00.1: how many lines do not say "ok", and can captions be made here (True or False)?"""
    if not_ok in (None, ...) or captions in (None, ...):
        return _EMPTY
    if isinstance(not_ok, bool) or not isinstance(not_ok, int):
        return Verdict(False, f"not_ok is a number of lines, and yours is {not_ok!r}.")
    if not isinstance(captions, bool):
        return Verdict(False, f"captions is True or False, and yours is {captions!r}.")
    lines = len(report.findings)
    wrong = {
        report.count(OK): "that is how many say ok",
        lines: "that is how many lines there are in all",
        report.count(ATTENTION): f"lines that say {NOTE} are not ok lines either",
    }
    expected = lines - report.count(OK)
    if not_ok != expected:
        hint = wrong.get(not_ok, "count the first words of the lines")
        return Verdict(False, f"Not {not_ok} lines: {hint}.")
    able = "Phi-3-vision" in trained_models()
    if captions is not able:
        there = "a trained Phi-3-vision is there" if able else "captions need a trained Phi-3-vision"
        return Verdict(False, f"The line on trained models says otherwise: {there}.")
    return Verdict(True, f"{expected} of {lines} lines are worth a second look.")
