"""What the browser tests share: a window, an open notebook, and markers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.jupyterlab import CHROMIUM, LabPage, OpenNotebook, new_window


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is tested here needs a browser, and takes its time."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"))


@pytest.fixture
def opened(lab_page: LabPage) -> Iterator[Any]:
    """A function that opens a notebook: `opened(content, name)`; nothing may be asked of the world."""
    found: list[OpenNotebook] = []

    def open_notebook(content: nbformat.NotebookNode, name: str) -> OpenNotebook:
        found.append(lab_page.open(content, f"{name}.ipynb"))
        return found[-1]

    yield open_notebook
    for notebook in found:
        notebook.close()
        assert not notebook.errors
        assert not notebook.outside


@pytest.fixture
def one_cell() -> Any:
    """A notebook of one cell with this source."""

    def make(source: str) -> nbformat.NotebookNode:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        return notebook

    return make


@pytest.fixture(scope="session")
def window(chromium: Any) -> Iterator[Any]:
    """A window of the browser (a context of playwright) for the pages of all tests that keep nothing in it.

    Opening a window takes Chromium a CPU second.
    """
    context = new_window(chromium)
    yield context
    context.close()


@pytest.fixture(scope="session")
def free_pages(window: Any) -> list[Any]:
    """The pages of the window that no test has; one of them stays, so that the window does."""
    return [window.new_page()]


@pytest.fixture
def new_page(window: Any, free_pages: list[Any]) -> Iterator[Any]:
    """A function that opens an empty page: `new_page(width, height)`; it is emptied at the end of the test.

    Opening a page that had a test before takes a third less CPU time: its process has the code compiled.
    """
    opened: list[tuple[Any, list]] = []

    def open_page(width: int = 1300, height: int = 900) -> Any:
        page = free_pages.pop() if free_pages else window.new_page()
        page.set_viewport_size({"width": width, "height": height})
        opened.append((page, listened_to(page)))
        return page

    yield open_page
    for page, listeners in opened:
        empty(page, listeners)
        free_pages.append(page)


def listened_to(page: Any) -> list[tuple[str, Any]]:
    """Return a list to which each (event, listener) that the page gets from now on is added."""
    listeners = []

    def on(event: str, listener: Any) -> None:
        listeners.append((event, listener))
        type(page).on(page, event, listener)

    page.on = on
    return listeners


def empty(page: Any, listeners: list[tuple[str, Any]]) -> None:
    """Leave nothing of a test in a page: no document, listeners, media, pressed key or button, no pointer."""
    page.goto("about:blank")
    for event, listener in listeners:
        page.remove_listener(event, listener)
    page.emulate_media(color_scheme="null", reduced_motion="null")
    page.keyboard.up("Shift")
    page.mouse.up()
    page.mouse.move(0, 0)
