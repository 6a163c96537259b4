"""The glossary is complete, and every notebook links a term where it first uses it."""

import json
import re
import subprocess

import nbformat
import pytest

from tools import glossary
from tools.glossary import NOTEBOOKS, ROOT, missing, running_text, terms, terms_in, uses, with_links

NAMES = terms()
SMALL_NAMES = ("token", "class token", "neighbor", "CLIP", "map", "entropy")
SMALL = {name: name.lower().replace(" ", "-") for name in SMALL_NAMES}
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


def used(*sources):
    return [(one.cell, one.anchor) for one in uses(["# A title", *sources], SMALL)]


def test_each_row_has_an_anchor_of_its_own_a_translation_and_a_meaning_in_alphabetical_order():
    rows = [
        line for line in glossary.GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("| <a")
    ]
    parts = [re.fullmatch(r'\| <a id="([\w-]+)"></a>([^|]+) \| ([^|]+) \| (.{15,}) \|', row) for row in rows]
    assert all(parts), [row for row, found in zip(rows, parts, strict=True) if not found]
    anchors = [found[1] for found in parts if found]
    assert len(set(anchors)) == len(anchors)
    names = [found[2].casefold() for found in parts if found]
    assert names == sorted(names)
    assert len(NAMES) == sum(name.count(",") + 1 for name in names), "two rows have the same name"


def test_every_term_is_used_in_a_notebook():
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in PATHS]
    text = "\n".join("".join(cell["source"]) for one in documents for cell in one["cells"])
    anchors = {NAMES[name] for name in NAMES if re.search(glossary.pattern_of(name), text)}
    assert set(NAMES.values()) - anchors == set()


@pytest.mark.parametrize(
    ("source", "anchors"),
    [
        ("Two tokens and a TOKEN.", ["token", "token"]),
        ("the class\ntokens", ["class-token"]),
        ("a neighbor, the neighbours", ["neighbor", "neighbor"]),
        ("clip a picture; CLIP", ["clip"]),
        ("entropies and entropy", ["entropy", "entropy"]),
        ("tokenizer, untokened", []),
        ("# token\n`token`\n```python\ntoken\n```\n[token](x.md) <b title='token'> $token$", []),
        ("<summary>token</summary>\n\na token", ["token"]),
        ("## References\n\ntoken\n\n## Next\n\ntoken", ["token"]),
        ("One maps a picture; the reading map; transformers 5", []),
    ],
)
def test_what_counts_as_a_use(source, anchors):
    assert used(source) == [(1, anchor) for anchor in anchors]


def test_running_text_keeps_every_place():
    source = "A `code` and a\n[link](x.md)\n# heading\nend"
    assert len(running_text(source)) == len(source) and running_text(source).endswith("end")


def test_the_first_use_is_linked_and_later_ones_are_not():
    sources = ["# token", "A token, a token.", "A token."]
    assert [(one.cell, one.start) for one in missing(sources, SMALL)] == [(1, 2)]
    linked = with_links(sources, missing(sources, SMALL))
    assert linked == ["# token", "A [token](glossary.md#token), a token.", "A token."]
    assert missing(linked, SMALL) == []


def test_a_link_in_the_first_cell_counts_and_a_later_one_does_not():
    assert missing(["a [token](glossary.md#token)", "A token."], SMALL) == []
    late = ["", "A token.", "a [token](glossary.md#token)"]
    assert [one.cell for one in missing(late, SMALL)] == [1]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_links_its_terms_where_it_first_uses_them(path):
    notebook = nbformat.read(path, as_version=4)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    found = [glossary.told(path, sources[one.cell], one) for one in missing(sources, terms_in(path))]
    assert found == [], f"run `python tools/glossary.py {path.stem}`"


def test_the_program_says_what_is_missing(python):
    ended = subprocess.run(
        [*python, "tools/glossary.py", "--check", "00"], cwd=ROOT, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (0, "")
