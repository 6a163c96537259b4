"""What a class has handed in, exercise by exercise, and what was commonest."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from phi3lib.lab.grading.exercises import EXERCISES, Exercise
from phi3lib.lab.grading.handed_in import HandedIn
from phi3lib.lab.grading.isolation import MEASURES
from phi3lib.lab.grading.sandbox import Run

RIGHT, WRONG, EMPTY, UNCHECKED = "right", "wrong", "not answered", "not checked"
STATES = (RIGHT, WRONG, EMPTY, UNCHECKED)  # the best first
_NUMBER = re.compile(r"[-−+]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?")


@dataclass(frozen=True)
class Answer:
    """One exercise of one learner.

    state: one of STATES. sentence: of the check, or why it was not checked. slip: the mistake by name, "" if
    the check knows none. as_handed_in: what the saved output of the notebook said, "" if nothing.
    """

    exercise: Exercise
    state: str
    sentence: str = ""
    slip: str = ""
    as_handed_in: str = ""

    @property
    def mistake(self) -> str:
        """The slip, or the sentence without its numbers, so that equal mistakes have equal names."""
        return self.slip or _NUMBER.sub("…", self.sentence)

    @property
    def differs(self) -> bool:
        """Whether the saved output said something else."""
        return self.as_handed_in not in ("", self.state)


@dataclass(frozen=True)
class Graded:
    """One notebook: whose, which file, its answers, why it was not graded (or ended early), and warnings."""

    learner: str
    file: str
    notebook: str
    answers: tuple[Answer, ...] = ()
    problem: str = ""
    measures: tuple[str, ...] = ()
    forged: int = 0


def graded(handed: HandedIn, run: Run | None) -> Graded:
    """Return the result of one notebook; run: its results, None where it was not executed."""
    if run is None:
        return Graded(handed.learner, handed.file, handed.notebook, problem=handed.problem)
    answers = tuple(_answer(handed, one, run) for one in handed.exercises)
    return Graded(handed.learner, handed.file, handed.notebook, answers, run.ended, run.measures, run.forged)


def _answer(handed: HandedIn, exercise: Exercise, run: Run) -> Answer:
    index = handed.index_of(exercise)
    said = "" if index is None else handed.cells[index].said
    message = run.answers.get(exercise.number)
    if message is None:
        return Answer(exercise, UNCHECKED, run.ended or "no result came", as_handed_in=said)
    event, why = message.get("kind"), str(message.get("why", ""))
    if event == "verdict":
        right = message.get("right")
        state = EMPTY if right is None else RIGHT if right is True else WRONG
        return Answer(exercise, state, str(message.get("sentence")), str(message.get("slip", "")), said)
    if event == "empty":
        return Answer(exercise, EMPTY, f"{why} in this notebook", as_handed_in=said)
    if event == "touched":
        why = f"the notebook replaces what the checks use: {why}"
        return Answer(exercise, UNCHECKED, why, as_handed_in=said)
    slip = {"endless": "it does not end"}.get(str(event), f"its cell stops: {why.partition(':')[0]}")
    return Answer(exercise, WRONG, f"{why[:1].upper()}{why[1:]}.", slip, said)


@dataclass(frozen=True)
class Total:
    """Of one exercise: how many learners have each state, and their mistakes, the commonest first."""

    exercise: Exercise
    counts: dict[str, int]
    mistakes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Report:
    """The results of a class. `to_html`, `to_csv` and `as_dict` show them."""

    title: str
    notebooks: tuple[Graded, ...]
    totals: tuple[Total, ...] = field(default=())

    @property
    def learners(self) -> list[str]:
        """Everybody who handed something in, in order."""
        return list(dict.fromkeys(one.learner for one in self.notebooks))

    @property
    def not_graded(self) -> list[Graded]:
        """Notebooks without answers, with the reason."""
        return [one for one in self.notebooks if not one.answers]

    @property
    def missing_measures(self) -> list[str]:
        """What did not hold the notebooks on this machine, in words."""
        ran = [set(one.measures) for one in self.notebooks if one.answers]
        return [words for name, words in MEASURES.items() if not all(name in one for one in ran)]

    @property
    def commonest(self) -> list[tuple[str, str, int]]:
        """(exercise, mistake, learners) of all exercises, the commonest first."""
        found = [(one.exercise.number, *mistake) for one in self.totals for mistake in one.mistakes]
        return sorted(found, key=lambda one: (-one[2], one[0], one[1]))

    def best(self, learner: str, number: str) -> Answer | None:
        """Return a learner's best answer to an exercise; None where its notebook was not handed in."""
        return _best(self.notebooks, learner, number)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "title": self.title,
            "not_held_by": self.missing_measures,
            "notebooks": [_as_dict(one) for one in self.notebooks],
            "exercises": [
                {
                    "exercise": one.exercise.number,
                    "title": one.exercise.title,
                    **one.counts,
                    "mistakes": [{"mistake": text, "learners": count} for text, count in one.mistakes],
                }
                for one in self.totals
            ],
        }

    def to_html(self, path: str | Path) -> Path:
        """Write the report as one page that loads nothing, and return its path."""
        from phi3lib.lab.grading.pages import page_of

        return _write(Path(path), page_of(self))

    def to_csv(self, path: str | Path) -> Path:
        """Write one row for each learner and exercise, and return the path."""
        from phi3lib.lab.grading.pages import csv_of

        return _write(Path(path), csv_of(self))


def report_of(title: str, notebooks: Iterable[Graded]) -> Report:
    """Return the report of a class, with its totals."""
    every = tuple(notebooks)
    seen = {answer.exercise.number for one in every for answer in one.answers}
    return Report(title, every, tuple(_total(one, every) for one in EXERCISES if one.number in seen))


def _total(exercise: Exercise, notebooks: Sequence[Graded]) -> Total:
    learners = dict.fromkeys(one.learner for one in notebooks)
    answers = [_best(notebooks, learner, exercise.number) for learner in learners]
    given = [one for one in answers if one is not None]
    mistakes = Counter(one.mistake for one in given if one.state == WRONG)
    counts = {state: sum(one.state == state for one in given) for state in STATES}
    return Total(exercise, counts, tuple(sorted(mistakes.items(), key=lambda one: (-one[1], one[0]))))


def _best(notebooks: Sequence[Graded], learner: str, number: str) -> Answer | None:
    found = [
        answer
        for one in notebooks
        if one.learner == learner
        for answer in one.answers
        if answer.exercise.number == number
    ]
    return min(found, key=lambda one: STATES.index(one.state), default=None)


def _as_dict(one: Graded) -> dict[str, Any]:
    return {
        "learner": one.learner,
        "file": one.file,
        "notebook": one.notebook,
        "problem": one.problem,
        "sent_by_itself": one.forged,
        "answers": [
            {
                "exercise": answer.exercise.number,
                "state": answer.state,
                "sentence": answer.sentence,
                "slip": answer.slip,
                "as_handed_in": answer.as_handed_in,
            }
            for answer in one.answers
        ],
    }


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
