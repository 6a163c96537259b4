"""“Run all cells” of every notebook as a reader does it: no cell fails, nothing leaves the machine."""

import nbformat
import pytest

from tests.browser.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_run_all_cells(path, opened):
    content = nbformat.read(path, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook = opened(content, path.stem)
    notebook.run_all()
    assert notebook.errors_of_cells() == []
    notebook.screenshot(path.stem)
