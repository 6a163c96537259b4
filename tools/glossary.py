"""Link each term of notebooks/glossary.md where a notebook first uses it.

    python tools/glossary.py            # write the links
    python tools/glossary.py --check    # list what would be linked; exit with 1 if there is anything

The rule: in each notebook, the first use of a term in running text is a link, `[term](glossary.md#anchor)`.
Not running text are headings, code, formulas, words of other links, folded titles (`<summary>`), the first
cell, which only announces what is explained below, and the sections "Where next" and "References". A link in
the first cell counts as the first use. A term is any of its names in the glossary, singular or plural, in
British or American spelling. Words that mean something else somewhere are in `OTHER_SENSES`.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
GLOSSARY = NOTEBOOKS / "glossary.md"

ROW = re.compile(r'^\| <a id="(?P<anchor>[\w-]+)"></a>(?P<terms>[^|]+?) \|', re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)]*)\)")
HIDDEN = (
    re.compile(r"^## (?:Where next|References)$.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE),
    re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE),
    re.compile(r"^ {4}.*$", re.MULTILINE),
    re.compile(r"`[^`]*`"),
    re.compile(r"\$[^$\n]+\$"),
    re.compile(r"^#+ .*$", re.MULTILINE),
    re.compile(r"<summary>.*?</summary>", re.DOTALL),
    re.compile(r"<[^>]+>"),
)
# Phrases in which a word is no use of the term.
OTHER_SENSES = (
    r"\bmaps?\s+(?:a|an|four|them|to)\b|\breading\s+map\b",  # the verb; a picture of the course
    r"\b[Ff]orgetting\s+(?:a|the|to|that)\b",  # a slip of a person
    r"\b(?:[Tt]he|embedding|look-up)\s+table\b|\btable\s+(?:below|above|of\s+word)",  # a table of text
    r"\bsome\s+weights\s+are\s+negative\b|\bnegative\s+weights\b",  # of a filter
    r"\bA\s+grid\s+that\s+is\b",  # of numbers to try
    r"\brank\s+(?:\d+|by\s+rank)\b|\bLoRA\s+of\s+rank\b|\*rank\*",  # of thin matrices
    r"\bby\s+chance\b|\brank\s+captions\b",
    r"\btransformers\s+\d",  # the package
)
# Terms whose name stands for something else throughout a notebook: its number, their anchors.
OTHER_SUBJECTS = {
    "09": {"map", "weights"},  # of attention
    "10": {"masking"},  # of patches, in a training
    "12": {"cluster"},  # of machines
    "A2": {"map", "table"},
}


@dataclass(frozen=True)
class Use:
    """A place in the markdown of a notebook: number of the cell, span, and the anchor of the term."""

    cell: int
    start: int
    end: int
    anchor: str


def terms() -> dict[str, str]:
    """Return {name: anchor} of the glossary; a term may have several names, separated by commas."""
    rows = ROW.finditer(GLOSSARY.read_text(encoding="utf-8"))
    return {name.strip(): row["anchor"] for row in rows for name in row["terms"].split(",")}


def terms_in(path: Path) -> dict[str, str]:
    """Return {name: anchor} of the terms that a notebook may use in the glossary's sense."""
    others = OTHER_SUBJECTS.get(path.stem.partition("_")[0], set())
    return {name: anchor for name, anchor in terms().items() if anchor not in others}


def pattern_of(name: str) -> str:
    """Return the pattern of a name: plural, both spellings; the case counts in names such as CLIP."""
    words = [re.escape(word) for word in name.split()]
    text = r"\s+".join(words)
    text = re.sub(r"(?<=[a-z])ou?r(?=s|\b)", "ou?r", text)
    text = re.sub(r"cent(?:re|er)", "cent(?:re|er)", text)
    if name.endswith("y"):
        text = f"{text[:-1]}(?:y|ies)"
    plural = "" if name.endswith(("s", "y")) else "(?:e?s)?"
    return rf"{text}{plural}" if name != name.lower() else rf"(?i:{text}{plural})"


def uses(sources: list[str], names: dict[str, str]) -> Iterator[Use]:
    """Yield the uses of terms in running text, in order; the longest name wins where several fit."""
    ordered = sorted(names, key=len, reverse=True)
    found = re.compile(
        "|".join(rf"(?P<n{number}>\b{pattern_of(name)}\b)" for number, name in enumerate(ordered))
    )
    for cell, source in enumerate(sources):
        if cell == 0:
            continue
        for match in found.finditer(running_text(source)):
            number = next(number for number in range(len(ordered)) if match[f"n{number}"])
            yield Use(cell, match.start(), match.end(), names[ordered[number]])


def running_text(source: str) -> str:
    """Return the source with everything that is no running text replaced by characters that no word has."""
    text = LINK.sub(lambda found: "\0" * len(found[0]), source)
    for pattern in (*HIDDEN, *map(re.compile, OTHER_SENSES)):
        text = pattern.sub(lambda found: re.sub(r"[^\n]", "\0", found[0]), text)
    return text


def links(sources: list[str]) -> dict[str, tuple[int, int]]:
    """Return {anchor: (cell, start)} of the first link to each term."""
    found: dict[str, tuple[int, int]] = {}
    for cell, source in enumerate(sources):
        for link in LINK.finditer(source):
            page, _, anchor = link["target"].partition("#")
            if page == "glossary.md" and anchor:
                found.setdefault(anchor, (cell, link.start()))
    return found


def missing(sources: list[str], names: dict[str, str]) -> list[Use]:
    """Return the first uses that come before a link, in order."""
    linked = links(sources)
    first: dict[str, Use] = {}
    for use in uses(sources, names):
        first.setdefault(use.anchor, use)
    return [
        one for one in first.values() if (one.cell, one.start) < linked.get(one.anchor, (len(sources), 0))
    ]


def with_links(sources: list[str], wanted: list[Use]) -> list[str]:
    """Return the sources with a link at each of these places."""
    result = list(sources)
    for use in sorted(wanted, key=lambda one: (one.cell, one.start), reverse=True):
        source = result[use.cell]
        link = f"[{source[use.start : use.end]}](glossary.md#{use.anchor})"
        result[use.cell] = source[: use.start] + link + source[use.end :]
    return result


def told(path: Path, source: str, use: Use) -> str:
    """Return a line about one use: notebook, anchor, and the words around it."""
    around = " ".join(source[max(0, use.start - 40) : use.end + 30].split())
    return f"{path.stem}: {use.anchor}: … {around} …"


def update(path: Path, *, check: bool) -> list[str]:
    """Link the first uses in one notebook; return a line about each."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    sources = [cell.source for cell in cells]
    wanted = missing(sources, terms_in(path))
    if wanted and not check:
        for cell, source in zip(cells, with_links(sources, wanted), strict=True):
            cell.source = source
        nbformat.write(notebook, path)
    return [told(path, sources[use.cell], use) for use in wanted]


def main(arguments: list[str] | None = None) -> int:
    """Write the links, or list what is missing; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of notebooks' names, such as 03; default: all")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if a link is missing"
    )
    options = parser.parse_args(arguments)
    lines: list[str] = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not options.names or any(path.stem.startswith(name) for name in options.names):
            lines += update(path, check=options.check)
    for line in lines:
        print(line)
    return 1 if options.check and lines else 0


if __name__ == "__main__":
    sys.exit(main())
