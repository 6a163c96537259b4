"""What the cells of a notebook say, and which of it must be the same on every machine."""

import itertools
import re

CLAIM = "application/vnd.phi3lib.claim+json"
# A fraction or a share: seldom the same on two processors.
FRACTION = re.compile(r"\d\.\d|\d ?%")


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def texts(cell) -> list[str]:
    """What a cell prints and shows as text, without its claims, which are compared as claims."""
    return [
        output.get("text", "") or str(output.get("data", {}).get("text/plain", ""))
        for output in cell.outputs
        if CLAIM not in output.get("data", {})
    ]


def is_exact(cell) -> bool:
    """Whether the text of a cell must be the same on every machine: unless it is tagged `measured`."""
    return "measured" not in tags(cell)


def kinds(cell) -> list[tuple]:
    """The kind of each output: its type, its stream, the types of its data."""
    return [(out.output_type, out.get("name"), sorted(out.get("data", {}))) for out in cell.outputs]


def exact_differences(one, other) -> list[str]:
    """Differences in the texts that must be the same, cell by cell; empty if there are none."""
    pairs = itertools.zip_longest(code_cells(one), code_cells(other))
    found = []
    for before, after in pairs:
        if before is None or after is None or before.id != after.id:
            return ["the cells are not the same ones"]
        if is_exact(before) and texts(before) != texts(after):
            found.append(f"cell {before.id}: {texts(before)} is {texts(after)}")
    return found


def unmarked_fractions(notebook) -> list[str]:
    """Cells that show a fraction and say neither `measured` nor `exact` in their tags."""
    return [
        f"cell {cell.id}: {text}"
        for cell in code_cells(notebook)
        if not tags(cell) & {"measured", "exact"}
        for text in texts(cell)
        if FRACTION.search(text)
    ]
