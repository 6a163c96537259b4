"""Check the links of a built site: every file and anchor exists, and nothing is loaded from another host."""

from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser loads with the page, in contrast to links that a reader may follow.
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")}
# A <link> of these kinds names another page; nothing is loaded.
NAMED_ONLY = {"canonical", "next", "prev", "alternate"}


class Page(HTMLParser):
    """The anchors of a page, and what it refers to: (address, whether a browser loads it)."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.references: set[tuple[str, bool]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the anchors and addresses of one tag."""
        values = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := values.get(name))}
        for name in ("href", "src"):
            if address := values.get(name):
                loaded = (tag, name) in LOADED and values.get("rel") not in NAMED_ONLY
                self.references.add((address, loaded))


@cache
def page(path: Path) -> Page:
    """Return the parsed page of a file."""
    parsed = Page()
    parsed.feed(path.read_text(encoding="utf-8"))
    return parsed


def problems(site: Path) -> list[str]:
    """Return one line for each broken link, missing anchor and file from another host, in a built site."""
    found: set[str] = set()
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":  # its links are absolute, because a host shows it at any address
            found |= {f"{path.relative_to(site)}: {one}" for one in _problems_of(path, site)}
    return sorted(found)


def _problems_of(path: Path, site: Path) -> Iterator[str]:
    for address, loaded in page(path).references:
        parts = urlsplit(address)
        if parts.scheme in {"data", "mailto", "javascript", "blob"}:
            continue
        if parts.scheme or parts.netloc:
            if loaded:
                yield f"{address} would be loaded from another host"
            continue
        target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
        if not target.is_relative_to(site.resolve()) and parts.path:
            yield f"{address} leaves the site"
        elif not target.is_file():
            yield f"{address} does not exist"
        elif target.suffix == ".html" and unquote(parts.fragment) not in page(target).anchors | {""}:
            yield f"{address}: the page has no such anchor"
