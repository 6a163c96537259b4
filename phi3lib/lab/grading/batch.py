"""Grade a folder: find the notebooks, run each, report."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from phi3lib.lab.grading.handed_in import HandedIn, handed_in
from phi3lib.lab.grading.results import Graded, Report, graded, report_of
from phi3lib.lab.grading.sandbox import Limits, run


def grade(
    folder: str | Path,
    *,
    limits: Limits | None = None,
    jobs: int = 1,
    progress: Callable[[Graded], None] | None = None,
) -> Report:
    """Run every learner's notebook below a folder in a process of its own, and return the report.

    This runs the learners' code: see the package. jobs: notebooks at the same time; each uses one thread.
    progress: called with each result, in the order of the report. Raises ValueError where the folder has no
    notebooks.
    """
    allowed = limits or Limits()
    found = handed_in(Path(folder))

    def one(handed: HandedIn) -> Graded:
        return graded(handed, None if handed.problem else run(handed, allowed))

    results = []
    pool = ThreadPoolExecutor(max_workers=jobs)  # threads only wait: the notebooks are processes
    try:
        for result in pool.map(one, found):
            results.append(result)
            if progress is not None:
                progress(result)
    finally:
        pool.shutdown(cancel_futures=True)
    return report_of(Path(folder).resolve().name, results)
