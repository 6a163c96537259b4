"""Figures for LaTeX and PDF: a preprocessor of nbconvert that gives each still picture its image.

A notebook that would be too large keeps its figures in HTML alone, which LaTeX cannot show. `make set-up`
enables this for the environment of the course, for `jupyter nbconvert` and for JupyterLab's export menu.
"""

import base64
import io
import re
from typing import Any

from nbconvert.preprocessors import ExtractOutputPreprocessor
from PIL import Image

from phi3lib.lab.figures.stills import Still

STILL = re.compile(
    r'<img class="phi3lib-still[\w -]*" src="data:(image/(?:png|jpeg));base64,([A-Za-z0-9+/=]+)"'
)


class PrintCopies(ExtractOutputPreprocessor):
    """Put an `image/png` beside every still picture that has none, and extract it as a file.

    nbconvert runs it after its own extraction, which would not see these images.
    """

    enabled = True

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """Return the cell with an image for each of its still pictures."""
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            found = STILL.search(data.get("text/html", ""))
            if found and "image/png" not in data:
                data["image/png"] = base64.b64encode(_png(found[1], found[2])).decode("ascii")
        return super().preprocess_cell(cell, resources, cell_index)


def _png(mime: str, letters: str) -> bytes:
    data = base64.b64decode(letters)
    with Image.open(io.BytesIO(data)) as image:
        return Still(data, mime, "", image.size).png
