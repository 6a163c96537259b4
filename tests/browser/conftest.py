"""What the browser tests share: an open notebook, and markers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.jupyterlab import CHROMIUM, LabPage, OpenNotebook


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
