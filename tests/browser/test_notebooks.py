"""“Run all cells” of every notebook as a reader does it: no cell fails, nothing leaves the machine."""

import nbformat
import pytest

from tests.browser.conftest import PAINTED, ROOT, serious_faults

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WAIT = 30_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_run_all_cells(path, opened):
    content = nbformat.read(path, as_version=4)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook = opened(content, path.stem)
    notebook.run_all()
    assert notebook.errors_of_cells() == []
    for place, number in enumerate(notebook.live_cells()):
        output = notebook.cell(number)
        drawn = output.locator("canvas, img").first
        drawn.wait_for(timeout=WAIT)
        assert is_drawn(drawn), f"cell {number} shows nothing"
        assert (
            serious_faults(notebook.page, f"[data-windowed-list-index='{number}'] .jp-OutputArea-output")
            == []
        )
        notebook.screenshot(f"{path.stem}_{place}")


def is_drawn(element) -> bool:
    """A canvas that something was painted on, or a picture that was loaded."""
    if element.evaluate("e => e.tagName") == "CANVAS":
        return element.evaluate(PAINTED) > 1000
    element.evaluate("e => e.decode()")
    return element.evaluate("e => e.naturalWidth") > 100
