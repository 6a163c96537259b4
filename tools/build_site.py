"""Build the site: the course with its executed notebooks, the pages of docs/ and the API reference.

    python -m tools.build_site     # build/site/index.html; opens from the disk and from a static host

The pages keep the folders of the repository, so that a link that works there works in the site. Notebooks
are not executed again. The exit status is 1 for a broken link, an anchor that does not exist, and a script,
style sheet or image that would be loaded from another host.
"""

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tools.site_instruments import add_instruments
from tools.site_launch import NO_ADDRESS, launch_links, repository
from tools.site_links import problems
from tools.site_policy import add_policies

ROOT = Path(__file__).resolve().parents[1]
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
# The last section of the navigation.
CARDS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "data").rglob("*.md"))
PROJECT_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", *CARDS)
GUIDES = (
    "architecture.md",
    "explorers.md",
    "add_a_recipe.md",
    "add_an_encoder.md",
    "add_an_instrument.md",
    "add_a_check.md",
    "add_a_notebook.md",
    "upgrades.md",
)
# A page of the reference each; the modules of `phi3lib.lab` itself have one too.
ROOMS = (
    "phi3lib.embeddings",
    "phi3lib.encoders",
    "phi3lib.loading",
    "phi3lib.vision",
    "phi3lib.lab",
    "phi3lib.lab.figures",
    "phi3lib.lab.widgets",
    "phi3lib.lab.atlas",
    "phi3lib.lab.checks",
    "phi3lib.lab.lessons",
    "picturebook",
)
OTHER_FILES = ("LICENSE", "CITATION.cff")  # the README links to them
README_PAGE = re.compile(r"(\]\((?![a-z]+:)[^)#\s]*)\bREADME\.html(?=[)#])")  # mkdocs writes it as index.html
NOTEBOOK_LINK = re.compile(r"(\]\((?![a-z]+:)[^)#\s]*)\.(?:ipynb|md)(?=[)#])")


# ------------------------------------------------------------------------------- pages


def collect(source: Path, address: str | None = None) -> None:
    """Copy all pages and the pictures that they show into a new folder.

    address: "owner/name" of the repository on GitHub, for links that run a notebook; None: without them.
    """
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns("mkdocs.yml"))
    shutil.copytree(ROOT / "data" / "pictures", source / "data" / "pictures")
    for name in (*PROJECT_PAGES, *OTHER_FILES):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    shutil.copy(ROOT / "README.md", source / "index.md")
    for path in sorted((ROOT / "notebooks").rglob("*")):
        if path.suffix in {".ipynb", ".md", ".png"} and ".ipynb_checkpoints" not in path.parts:
            copy = source / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".ipynb":
                notebook = linked(json.loads(path.read_text("utf-8")))
                if address is not None:
                    put_below_title(notebook, launch_links(path.relative_to(ROOT).as_posix(), address))
                copy.write_text(json.dumps(notebook), "utf-8")
            else:
                shutil.copy(path, copy)


def linked(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook whose links to other notebooks and pages lead to their pages in the site."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            pages = NOTEBOOK_LINK.sub(r"\1.html", "".join(cell["source"]))
            cell["source"] = README_PAGE.sub(r"\1index.html", pages)
    return notebook


def put_below_title(notebook: dict[str, Any], text: str) -> None:
    """Put Markdown below the title of a notebook."""
    first = notebook["cells"][0]
    first["source"] = re.sub(
        r"(?m)^(# .+)$", lambda title: f"{title[1]}\n\n{text}\n", "".join(first["source"]), count=1
    )


def title_of(notebook: Path) -> str:
    """Return the text of a notebook's `#` title."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    found = re.search(r"^# (.+)$", "".join(cells[0]["source"]), re.MULTILINE)
    if found is None:
        raise ValueError(f"{notebook} has no `# title` in its first cell; write one")
    return found[1].strip()


# ------------------------------------------------------------------------------- reference


def modules_of(room: str) -> list[str]:
    """Return the modules of a room that have public names, its package first.

    A subpackage with a page of its own is left out.
    """
    folder = ROOT / Path(*room.split("."))
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        closest = max((one for one in ROOMS if f"{name}.".startswith(f"{one}.")), key=len)
        if closest == room and (name == room or has_public_names(path)):
            found.append(name)
    return sorted(found, key=lambda name: (name != room, name))


def has_public_names(path: Path) -> bool:
    """Return whether a module defines a public class or function."""
    body = ast.parse(path.read_text("utf-8")).body
    node_types = (ast.ClassDef, ast.FunctionDef)
    return any(isinstance(node, node_types) and not node.name.startswith("_") for node in body)


def public_names() -> dict[str, str]:
    """Return {name: "module.name"} of what `from phi3lib import …` gives."""
    tree = ast.parse((ROOT / "phi3lib" / "__init__.py").read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(one, "id", "") for one in node.targets] == ["_HOMES"]:
            homes: dict[str, str] = ast.literal_eval(node.value)
            return {name: home.replace(":", ".") for name, home in homes.items()}
    raise ValueError("phi3lib/__init__.py has no _HOMES")


def write_reference(folder: Path) -> list[dict[str, str]]:
    """Write the pages of the reference; return their part of the navigation."""
    folder.mkdir(parents=True)
    lines = ["# Public names\n", "All of these can be imported from `phi3lib`.\n"]
    lines += [f"- [`{name}`][{home}]" for name, home in sorted(public_names().items())]
    (folder / "index.md").write_text("\n".join(lines) + "\n", "utf-8")
    pages = [{"Public names": "api/index.md"}]
    for room in ROOMS:
        blocks = [f"# {room}\n", *(f"::: {name}\n" for name in modules_of(room))]
        (folder / f"{room}.md").write_text("\n".join(blocks), "utf-8")
        pages.append({room: f"api/{room}.md"})
    return pages


# ------------------------------------------------------------------------------- build


def navigation(source: Path, reference: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the navigation of mkdocs.yml."""
    notebooks = sorted((source / "notebooks").glob("*.ipynb"))
    course: list[Any] = [{title_of(path): f"notebooks/{path.name}"} for path in notebooks]
    course += [path.relative_to(source).as_posix() for path in sorted((source / "notebooks").rglob("*.md"))]
    return [
        {"Home": "index.md"},
        {"Course": course},
        {"Guides": [f"docs/{name}" for name in GUIDES]},
        {"API reference": reference},
        {"Project": list(PROJECT_PAGES)},
    ]


def build(source: Path, site: Path) -> int:
    """Build the site in a folder; return the exit status."""
    collect(source, repository())
    settings = {
        "INHERIT": str(ROOT / "docs" / "mkdocs.yml"),
        "docs_dir": str(source),
        "site_dir": str(site),
        "nav": navigation(source, write_reference(source / "api")),
    }
    config = source.parent / "mkdocs.yml"
    config.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False), "utf-8")
    status = run_mkdocs(config)
    if status == 0:
        found = [*finish(site), *problems(site)]
        for problem in found:
            print(problem, file=sys.stderr)
        status = 1 if found else 0
    return status


def run_mkdocs(config: Path) -> int:
    """Run mkdocs with a file of settings; return its exit status."""
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--config-file", str(config)]
    # Without the variable the theme prints an advertisement for its successor.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, check=False, cwd=ROOT, env=environment).returncode


def finish(site: Path) -> Iterator[str]:
    """Add to the pages of a built site what mkdocs cannot: instruments, and then policies; yield problems."""
    yield from add_instruments(site)
    yield from add_policies(site)


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--site", type=Path, default=SITE, help="the folder to write (default: build/site)")
    options = parser.parse_args()
    status = build(SOURCE, options.site)
    if repository() is None:
        print(NO_ADDRESS)
    print(f"{options.site / 'index.html'}" if status == 0 else "The site has errors; see above.")
    return status


if __name__ == "__main__":
    sys.exit(main())
