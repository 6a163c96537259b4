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

    Opening a window takes Chromium a CPU second, a further page in it a third of that.
    """
    context = new_window(chromium)
    context.new_page()  # it stays, so that the window does
    yield context
    context.close()


@pytest.fixture
def new_page(window: Any) -> Iterator[Any]:
    """A function that opens an empty page: `new_page(width, height)`; it is closed at the end of the test."""
    opened = []

    def open_page(width: int = 1300, height: int = 900) -> Any:
        opened.append(window.new_page())
        opened[-1].set_viewport_size({"width": width, "height": height})
        return opened[-1]

    yield open_page
    for page in opened:
        page.close()
