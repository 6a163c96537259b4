"""What each command does: arguments in, result written, exit code out."""

import webbrowser
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from phi3lib.cli.arguments import DONE, FAILED, INCOMPLETE
from phi3lib.cli.terminal import Terminal

Command = Callable[[Any, Terminal], int]


def _of_vectors(command: Callable[[Any, Terminal, list[Any]], None]) -> Command:
    """Make a command of one that works on tables of vectors: compute them first, give the exit code last."""

    @wraps(command)
    def run(asked: Any, terminal: Terminal) -> int:
        found = _embedded(asked, terminal)
        if found is None:  # only an estimate was asked for
            return DONE
        command(asked, terminal, found)
        return INCOMPLETE if asked.strict and any(one.table.errors for one in found) else DONE

    return run


def _embedded(asked: Any, terminal: Terminal) -> list[Any] | None:
    from phi3lib.cli.vectors import embedded  # imports torch, which takes seconds

    if asked.command not in ("atlas", "report") and len(asked.model or []) > 1:
        raise ValueError(f"{asked.command} takes one --model, got {len(asked.model)}")
    return embedded(asked, terminal)


@_of_vectors
def embed(asked: Any, terminal: Terminal, found: list[Any]) -> None:
    """Compute the vectors of a folder."""
    one = found[0]
    terminal.result([f"{one.file}: {len(one.table):,} vectors"], _told(one))


@_of_vectors
def atlas(asked: Any, terminal: Terminal, found: list[Any]) -> None:
    """Write the maps of a folder as one HTML file."""
    from phi3lib.embeddings.run_time import in_words
    from phi3lib.lab.atlas import Atlas
    from phi3lib.lab.atlas.stages import Costs

    count = len(found[0].table)
    expected = sum(Costs(count, one.table.vectors.shape[1]).all() for one in found)
    terminal.say(f"computing the maps of {count:,} images: about {in_words(expected)}")
    readers = [one.encoder for one in found if one.encoder is not None and _reads_texts(one.encoder)]
    if asked.query and not readers:
        readers = [found[0].with_encoder()]
    made = Atlas(
        {one.name: one.table for one in found},
        pictures=found[0].folder,
        model=readers[0] if readers else None,
        title=asked.title or _title(found[0]),
        progress=terminal.shows_progress,
    )
    if asked.query and made.state.search_table() is None:
        raise ValueError("--query needs vectors of a model that reads texts, such as --model clip")
    terminal.say(f"writing {asked.out}")
    page = made.to_html(asked.out, queries=asked.query, sql=asked.sql, selection_maps=asked.selection_maps)
    terminal.result([str(page)], {"page": str(page), "tables": [_told(one) for one in found]})
    if asked.open:
        webbrowser.open(page.resolve().as_uri())


def search(asked: Any, terminal: Terminal) -> int:
    """Find the images nearest to a text, an image, or both."""
    if asked.text is None and asked.image is None:
        raise ValueError('nothing to search for: give a text, such as "a red car", or --image FILE')
    if asked.text is not None and not asked.text.strip():
        raise ValueError("the text is empty")
    return _nearest(asked, terminal)


@_of_vectors
def _nearest(asked: Any, terminal: Terminal, found: list[Any]) -> None:
    from phi3lib.embeddings.search import search as nearest_to

    one = found[0]
    hits = nearest_to(one.table, one.with_encoder(), text=asked.text, picture=asked.image, k=len(one.table))
    cosines = [hit.cosine for hit in hits]
    terminal.say("a search returns images even if none fits")
    terminal.result(
        [f"{hit.cosine:6.3f}  {hit.id}" for hit in hits[: asked.k]],
        {
            "text": asked.text,
            "image": asked.image,
            "standing": _standing(cosines),
            "hits": [{"id": hit.id, "cosine": hit.cosine} for hit in hits[: asked.k]],
        },
    )


@_of_vectors
def duplicates(asked: Any, terminal: Terminal, found: list[Any]) -> None:
    """List near duplicates in groups."""
    from phi3lib.embeddings.duplicates import duplicate_groups

    groups = duplicate_groups(found[0].table, asked.least)
    terminal.say(
        f"groups of near duplicates: {len(groups):,}, with {sum(map(len, groups)):,} of "
        f"{len(found[0].table):,} images (cosine at least {asked.least:g})"
    )
    lines = [line for group in groups for line in (*group, "")]
    terminal.result(lines[:-1], {"least": asked.least, "groups": [list(group) for group in groups]})


@_of_vectors
def report(asked: Any, terminal: Terminal, found: list[Any]) -> None:
    """List what is in a folder, and where two models disagree."""
    from phi3lib.embeddings.report import report_of

    first = found[0]
    words = _words(asked.words)
    terminal.say(f"looking at {len(first.table):,} images")
    made = report_of(
        first.table,
        pictures=first.folder,
        model=first.with_encoder() if words else None,
        words=words,
        least=asked.least,
    )
    lines, data = str(made).splitlines(), made.as_dict()
    if len(found) > 1:
        pairs = _disagreements(found, asked.pairs)
        lines += [
            f"disagreement: {one} and {other} are near for {near}, far for {far}"
            for one, other, near, far in pairs
        ]
        names = ("first", "second", "near_for", "far_for")
        data["disagreements"] = [dict(zip(names, pair, strict=True)) for pair in pairs]
    terminal.result(lines, data)


def _words(choice: str | None) -> list[str] | None:
    """Words of --words: of a file, or separated by commas. ValueError for none."""
    if choice is None:
        return None
    from phi3lib.vision.inputs import as_path

    is_file = bool(choice) and as_path(choice).is_file()
    parts = as_path(choice).read_text(encoding="utf-8").splitlines() if is_file else choice.split(",")
    words = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not words:
        raise ValueError(f"--words {choice!r} has no words; give some, separated by commas")
    return words


def _disagreements(found: Any, most: int) -> list[tuple[str, str, str, str]]:
    """(image, image, model for which they are near, model for which they are far) of the first two models."""
    from phi3lib.embeddings.disagreement import disagreements

    one, other = found[:2]
    common = len(set(one.table.ids) & set(other.table.ids))  # a model may not take what the other one takes
    k = max(min(10, common - 2), 1)
    pairs = disagreements(one.table, other.table, k=k, most=most)[:most]
    names = (one.name, other.name)
    return [(pair.first, pair.second, names[pair.nearer_in], names[1 - pair.nearer_in]) for pair in pairs]


def doctor(asked: Any, terminal: Terminal) -> int:
    """Check this machine."""
    from phi3lib.lab.check_up import ATTENTION
    from phi3lib.lab.check_up import doctor as check_up

    report = check_up(details=asked.details)
    terminal.result(
        str(report).splitlines(),
        {
            "findings": [vars(finding) for finding in report.findings],
            "details": dict(report.details),
        },
    )
    return FAILED if report.count(ATTENTION) else DONE


def grade(asked: Any, terminal: Terminal) -> int:
    """Run the notebooks that learners handed in, and check their exercises."""
    from phi3lib.lab.grading import Limits
    from phi3lib.lab.grading import grade as grade_folder

    limits = Limits(asked.seconds, asked.cell_seconds, asked.megabytes)
    terminal.say("this runs the learners' code, each notebook in a process of its own")
    made = grade_folder(
        asked.source, limits=limits, jobs=asked.jobs, progress=lambda one: terminal.say(_line_of(one))
    )
    pages = {"page": str(made.to_html(asked.out))}
    if asked.csv:
        pages["csv"] = str(made.to_csv(asked.csv))
    for words in made.missing_measures:
        terminal.say(f"note: not on this machine: {words}")
    lines = [f"{one.exercise.number}  {_counts(one.counts)}" for one in made.totals]
    lines += [f"{count} × {number}: {mistake}" for number, mistake, count in made.commonest[:10]]
    terminal.result([*lines, *pages.values()], {**pages, **made.as_dict()})
    return INCOMPLETE if asked.strict and any(one.problem for one in made.notebooks) else DONE


def _line_of(one: Any) -> str:
    """Return the line of one notebook."""
    if not one.answers:
        return f"{one.learner}: {one.file}: not graded: {one.problem}"
    states = [answer.state for answer in one.answers]
    early = f"; ended early: {one.problem}" if one.problem else ""
    return f"{one.learner}: {one.file}: {_counts({state: states.count(state) for state in states})}{early}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


COMMANDS: Mapping[str, Command] = {
    "atlas": atlas,
    "doctor": doctor,
    "duplicates": duplicates,
    "embed": embed,
    "grade": grade,
    "report": report,
    "search": search,
}


def sentence(error: BaseException) -> str:
    """Return what went wrong in one sentence, without the class of the error."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {str(error.filename)!r}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _told(one: Any) -> dict[str, Any]:
    """Return a table for programs: its rows, and what was left out and why."""
    table = one.table
    return {
        "model": one.name,
        "vectors": str(one.file),
        "images": len(table),
        "dimension": int(table.vectors.shape[1]),
        "labels": list(table.labels),
        "not_read": [{"name": name, "reason": reason} for name, reason in table.errors],
        "notes": [{"name": name, "note": note} for name, note in table.notes],
    }


def _title(one: Any) -> str:
    return one.folder.resolve().name if one.folder is not None else one.file.stem


def _reads_texts(encoder: Any) -> bool:
    return encoder.recipes.shared_with_text is not None


def _standing(cosines: list[float]) -> float:
    """How many standard deviations the best stands above the mean of all."""
    import numpy as np

    spread = float(np.std(cosines))
    return float((cosines[0] - np.mean(cosines)) / spread) if spread else 0.0
