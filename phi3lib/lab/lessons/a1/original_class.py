"""The image embedding of the cookbook page, retold, so that its faults can be read, run and repaired.

Microsoft's Phi-3 cookbook prints a class `Phi3ImageEmbedding` that cannot run: two lines of the model code
that it was taken from are missing. `original_text.SOURCE` says the same in other words: same signature,
attributes and steps, same faults, other code. With faults 1 and 2 repaired it gives the hidden states of
the published model (a test holds that). What the page writes as constants stays constant here,
ViT-L/14-336 included; only `build_original(tower=...)` puts a smaller tower in its place, so that it runs
in a second.

    Original = build_original(repaired=(1, 2), tower={"hidden_size": 64, ...})
    original = Original(config, wte=wte, use_hd_transform=True, ...)

The faults are listed in `phi3lib.lab.lessons.a1.page_faults`.
"""

import difflib
import html
import linecache
import re
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from phi3lib.lab.lessons.a1.original_text import PARTS, REPAIRS, SOURCE
from phi3lib.lab.lessons.a1.page_faults import FAULTS, LINES, Fault, fault

__all__ = [
    "FAULTS",
    "Fault",
    "attempt",
    "build_original",
    "fault",
    "lines_in_words",
    "lines_of",
    "original_source",
    "repairs",
    "show_faults",
    "show_repair",
    "show_source",
]


def repairs() -> tuple[int, ...]:
    """Return the numbers of the faults that a change of a line or two repairs."""
    return tuple(REPAIRS)


def original_source(repaired: Iterable[int] = (), changes: Sequence[tuple[str, str]] = ()) -> str:
    """Return the source of the retold class, with these faults repaired, each on its own.

    changes: further (old, new) pieces of the text. Raises ValueError for a number that has no repair of its
    own, and for an old piece that does not occur exactly once.
    """
    source = SOURCE
    numbers = sorted(set(repaired))
    for old, new in [*(pair for number in numbers for pair in _repair_of(number)), *changes]:
        if source.count(old) != 1:
            raise ValueError(f"{old!r} occurs {source.count(old)} times in the source; it must occur once")
        source = source.replace(old, new)
    return source


def _repair_of(number: int) -> tuple[tuple[str, str], ...]:
    if number not in REPAIRS:
        known = ", ".join(map(str, REPAIRS))
        raise ValueError(
            f"{fault(number)} needs more than a changed line; faults with a repair of their own: {known}"
        )
    return REPAIRS[number]


def build_original(
    repaired: Iterable[int] = (),
    *,
    tower: dict[str, Any] | None = None,
    optimize: int = 0,
    changes: Sequence[tuple[str, str]] = (),
) -> Any:
    """Return the rewritten class with these faults repaired.

    tower: fields of CLIPVisionConfig instead of the page's ViT-L/14-336. optimize: as for `compile`;
    1 leaves out the asserts, as `python -O` does. changes: as in `original_source`.
    """
    numbers = sorted(set(repaired))
    source = original_source(numbers, changes)
    said = [*map(str, numbers), *(["your lines"] if changes else [])]
    name = f"<the page's class, repaired: {', '.join(said) or 'nothing'}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {"__name__": "the_original_page"}
    exec(compile(source, name, "exec", optimize=optimize), namespace)
    if tower is not None:
        namespace["TOWER"] = namespace["CLIPVisionConfig"](**tower)
    return namespace["Phi3ImageEmbedding"]


# ------------------------------------------------------------------------------- what the notebook shows


def attempt(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call something that may fail. Returns its result, or None after saying what failed, and where.

    Only the retold class's own line is shown, so the text is the same on every machine.
    """
    try:
        result = call(*arguments, **options)
    except Exception as error:
        message = str(error) or "(no message)"
        print(f"{type(error).__name__}: {message}")
        print(_where(error))
        return None
    shape = getattr(result, "shape", None)
    print("no error" if shape is None else f"no error; a result of shape {tuple(shape)}")
    return result


def _where(error: Exception) -> str:
    """Return the innermost line of the rewritten class in the error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if frame.filename.startswith("<the page's class")]
    if not inside:
        return "  (outside the page's class)"
    number = _number_in_source(inside[-1].lineno or 0, linecache.getlines(inside[-1].filename))
    return f"  line {number}, in {inside[-1].name}:  {inside[-1].line}"


def _number_in_source(number: int, repaired: Sequence[str]) -> int:
    """Return the number that a line of the repaired text has in the listings, which show it unrepaired."""
    matcher = difflib.SequenceMatcher(None, SOURCE.splitlines(keepends=True), repaired, autojunk=False)
    for before, after, length in matcher.get_matching_blocks():
        if after < number <= after + length:
            return before + number - after
    return number  # a line that only the repair has


def show_source(part: str, repaired: Iterable[int] = ()) -> None:
    """Show one part of the retold class, with its line numbers.

    part: "constants", "init", "methods", "forward", "pictures", "without HD" or "words".
    """
    if part not in PARTS:
        raise ValueError(f"part is {part!r}; it must be one of {', '.join(map(repr, PARTS))}")
    lines = original_source(repaired).splitlines()
    starts = [next(i for i, line in enumerate(lines) if line.startswith(s)) for s in PARTS.values()]
    index = list(PARTS).index(part)
    stop = starts[index + 1] if index + 1 < len(starts) else len(lines)
    while not lines[stop - 1].strip():
        stop -= 1
    for number in range(starts[index], stop):
        print(f"{number + 1:3}  {lines[number]}".rstrip())


def show_repair(*numbers: int) -> None:
    """Show what these repairs change: lines taken out with "-", lines put in with "+"."""
    before, after = original_source().splitlines(), original_source(numbers).splitlines()
    for line in difflib.unified_diff(before, after, n=1, lineterm=""):
        if line.startswith("@@"):
            print(f"from line {line.split()[1].lstrip('-').split(',')[0]}")
        elif not line.startswith(("---", "+++")):
            print(f"  {line}".rstrip())


def lines_of(number: int) -> list[int]:
    """Return the lines of the unrepaired source that show this fault; [] for one elsewhere on the page."""
    lines = SOURCE.splitlines()
    found = []
    for piece in LINES.get(fault(number).number, ()):
        numbers = [number for number, line in enumerate(lines, 1) if piece in line]
        if not numbers:
            raise ValueError(f"no line of the source contains {piece!r}, which marks fault {number}")
        found += numbers
    return sorted(set(found))


def lines_in_words(number: int) -> str:
    """Return the line numbers of a fault, or where else it is."""
    return ", ".join(map(str, lines_of(number))) or "rest of the page"


def show_faults() -> None:
    """Show all faults of the page as a table."""
    from IPython.display import display

    heads = ("number", "lines", "the fault", "kind", "what happens", "what ours does")
    rows = [(str(f.number), lines_in_words(f.number), f.title, f.kind, f.happens, f.ours) for f in FAULTS]
    text = "\n".join(f"{number:>2}  {kind:6}  {title}" for number, _, title, kind, *_ in rows)
    display({"text/html": _html_table(heads, rows), "text/plain": text}, raw=True)


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column names the row; `words` in backticks become code."""
    left = 'style="text-align: left; vertical-align: top"'

    def cell(text: str) -> str:
        with_code = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))
        return f"<td {left}>{with_code}</td>"

    top = "".join(f'<th scope="col" {left}>{html.escape(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row" {left}>{html.escape(row[0])}</th>{"".join(map(cell, row[1:]))}</tr>'
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
