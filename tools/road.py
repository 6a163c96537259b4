"""Write what follows from the road (`phi3lib.lab.lessons.road`) into the notebooks and the README.

    python tools/road.py            # write
    python tools/road.py --check    # exit with 1 if something would change

In each notebook: the minutes in the first cell, and the section "Where next" in the last one. In the README:
the paths of a class, and their picture data/pictures/road.png. In the instructor's guide: the schedules.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat

from phi3lib.lab.lessons.road import PATHS, ROAD, Lesson, lesson, reading_map, where_next

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "data" / "pictures" / "road.png"
NEXT = re.compile(r"(^## Where next\n)(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
MINUTES = re.compile(r"(\*\*Time\*\*: )\d+( minutes)")
TABLES = re.compile(r"(<!--(paths|schedules)-->\n)(.*?)(<!--/\2-->)", re.DOTALL)
PAGES = ("README.md", "notebooks/instructor/README.md")
BREAK_AFTER, BREAK = 80, 15  # minutes


def link(one: Lesson, after: str) -> str:
    """Return a notebook's link with its question, and what it needs besides the notebook `after`."""
    others = [f"[{need}]({lesson(need).name}.ipynb)" for need in one.needs if need != after]
    also = f" (It also builds on {' and '.join(others)}.)" if others and after in one.needs else ""
    return f"- [{one.number} · {one.title}]({one.name}.ipynb): {one.question}{also}"


def next_section(number: str) -> str:
    """Return the lines below "Where next" of a notebook."""
    following = where_next(number)
    lines = [link(one, number) for one in following] or [
        "- The [reading map](00_start_here.ipynb): what you have not read yet."
    ]
    return "\n".join(lines) + "\n\n"


def updated_cells(sources: list[str], one: Lesson) -> list[str]:
    """Return the sources of a notebook's markdown cells with minutes and "Where next" of the road."""
    text = next_section(one.number)
    minutes = [MINUTES.sub(rf"\g<1>{one.minutes}\g<2>", source) for source in sources[:1]]
    # A function, because a title may hold a backslash.
    return [NEXT.sub(lambda found: found[1] + text, source) for source in minutes + sources[1:]]


def paths_table() -> str:
    """Return the README's table of the paths: notebooks with the minutes that each gets."""
    rows = ["| path | notebooks, with minutes |", "|---|---|"]
    for name, path in PATHS.items():
        stops = ", ".join(f"{number} ({minutes})" for number, minutes in path.items())
        rows.append(f"| {name} ({sum(path.values())} min) | {stops} |")
    return "\n".join(rows) + "\n"


def write_notebook(one: Lesson, *, check: bool) -> bool:
    """Update one notebook; return whether it changed, or would change."""
    path = ROOT / "notebooks" / f"{one.name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    changed = False
    for cell, source in zip(cells, updated_cells([cell.source for cell in cells], one), strict=True):
        changed |= cell.source != source.rstrip("\n")
        cell.source = source.rstrip("\n")
    if changed and not check:
        nbformat.write(notebook, path)
    return changed


def schedules() -> str:
    """Return the instructor's tables: for each path the notebooks by the clock, with breaks."""
    tables = []
    for name, path in PATHS.items():
        rows = [f"**{name[0].upper()}{name[1:]}**", "", "| from | to | what |", "|---|---|---|"]
        now = since = 0
        for number, minutes in path.items():
            if since and since + minutes > BREAK_AFTER + BREAK:
                rows.append(f"| {clock(now)} | {clock(now + BREAK)} | break |")
                now, since = now + BREAK, 0
            of = lesson(number)
            part = "all" if minutes == of.minutes else f"the core: {minutes} of {of.minutes} minutes"
            rows.append(f"| {clock(now)} | {clock(now + minutes)} | {number} · {of.title}, {part} |")
            now, since = now + minutes, since + minutes
        tables.append("\n".join(rows) + "\n")
    return "\n".join(tables)


def clock(minutes: int) -> str:
    """Return minutes as hours and minutes, such as "1:05"."""
    return f"{minutes // 60}:{minutes % 60:02}"


def write_page(name: str, *, check: bool) -> bool:
    """Update the tables of a page; return whether they changed, or would change."""
    path = ROOT / name
    before = path.read_text(encoding="utf-8")
    tables = {"paths": paths_table, "schedules": schedules}
    after = TABLES.sub(lambda found: found[1] + tables[found[2]]() + found[4], before)
    if not check:
        path.write_text(after, encoding="utf-8")
    return after != before


def main() -> int:
    """Update all, or say what would change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if something would change"
    )
    check = parser.parse_args().check
    changed = [one.name for one in ROAD if write_notebook(one, check=check)]
    changed += [page for page in PAGES if write_page(page, check=check)]
    if not check:
        PICTURE.write_bytes(reading_map().png)
    for name in changed:
        print(f"{'differs from the road' if check else 'updated'}: {name}")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
