"""Grade notebooks that learners hand in: run each in a process of its own, ask the package's checks, report.

    from phi3lib.lab.grading import grade
    report = grade("handed_in/")          # a folder for each learner, or the names in the file names
    report.to_html("grades.html")

**Running a learner's notebook is running somebody's code.** `sandbox` holds it: another process without
network, with limits of time, memory and places to write to. See `notebooks/instructor/README.md` for what a
determined person can still do.

`exercises` (what is asked) → `handed_in` (what was found) → `sandbox` (parent) and `run_cells` (child) →
`results` (verdicts and totals) → `pages` (HTML, CSV).
"""

from phi3lib.lazy import lazy_names

_HOMES = {
    "Limits": "phi3lib.lab.grading.sandbox:Limits",
    "Report": "phi3lib.lab.grading.results:Report",
    "grade": "phi3lib.lab.grading.batch:grade",
}

__all__ = [*_HOMES]
__getattr__, __dir__ = lazy_names(globals(), _HOMES)
