"""The checks of notebook 00."""

from typing import Any

import numpy as np

from phi3lib.lab.check_up import ATTENTION, NOTE, OK, Report, trained_models
from phi3lib.lab.checks.base import EMPTY, Verdict, guarded, told
from phi3lib.lab.checks.reading import as_array, truth
from phi3lib.lab.checks.registry import check_of


@check_of("00.1", "Read the report", "lab.checks.read_the_report(report, not_ok=not_ok, captions=captions)")
@guarded
def read_the_report(report: Report, *, not_ok: Any = None, captions: Any = None) -> Verdict:
    """Check exercise 00.1: the number of lines that do not say "ok", and whether captions work here."""
    if any(answer is None or answer is ... for answer in (not_ok, captions)):
        return EMPTY
    count = as_array(not_ok)
    if count is None or count.shape != () or not np.isfinite(count) or truth(not_ok) is not None:
        return Verdict(False, f"not_ok is a number of lines, and yours is {told(not_ok)}.")
    if truth(captions) is None:
        return Verdict(False, f"captions is True or False, and yours is {told(captions)}.")
    lines = len(report.findings)
    wrong = {
        report.count(OK): "that is how many say ok",
        lines: "that is how many lines there are in all",
        report.count(ATTENTION): f"lines that say {NOTE} are not ok lines either",
    }
    expected = lines - report.count(OK)
    if count != expected:
        hint = wrong.get(int(count), "count the first words of the lines")
        return Verdict(False, f"Not {told(not_ok)} lines: {hint}.")
    able = "Phi-3-vision" in trained_models()
    if truth(captions) is not able:
        there = "a trained Phi-3-vision is there" if able else "captions need a trained Phi-3-vision"
        return Verdict(False, f"The line on trained models says otherwise: {there}.")
    return Verdict(True, f"{expected} of {lines} lines are worth a second look.")
