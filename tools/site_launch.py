"""Links that open a notebook where it can run: Binder, Codespaces, and Colab with its first cell.

They need the address of the repository, which pyproject.toml gives under [project.urls] as Source (or
Repository). Without one the site is built without these links. Only GitHub's addresses are understood.
"""

import re
import tomllib
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
BRANCH = "main"
GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
NO_ADDRESS = (
    "The address of the repository is not known, so the pages have no links to Binder, Codespaces and Colab; "
    "pyproject.toml gives it as Source under [project.urls]."
)


def repository(pyproject: Path = ROOT / "pyproject.toml") -> str | None:
    """Return "owner/name" of the repository on GitHub; None where pyproject.toml has no such address."""
    urls = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"].get("urls", {})
    by_name = {name.lower(): address for name, address in urls.items()}
    found = GITHUB.fullmatch(by_name.get("source", by_name.get("repository", "")))
    return f"{found[1]}/{found[2]}" if found else None


def launch_links(path: str, repository: str) -> str:
    """Return Markdown for the top of a notebook's page; path: the notebook's in the repository."""
    address = quote(f"lab/tree/{path}", safe="")
    links = {
        "Binder": f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?urlpath={address}",
        "Codespaces": f"https://codespaces.new/{repository}",
        "Colab": f"https://colab.research.google.com/github/{repository}/blob/{BRANCH}/{quote(path)}",
    }
    shown = " · ".join(f"[{name}]({address})" for name, address in links.items())
    return (
        f"**Run this notebook**: {shown}\n\n<details><summary>The first cell in Colab</summary>\n\n"
        f'```python\n%pip install --quiet "phi3lib[course] @ git+https://github.com/{repository}@{BRANCH}"\n```\n\n'
        "</details>"
    )
