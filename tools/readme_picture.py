"""Draw data/pictures/readme.png: a photograph, its crops, and the ribbon of its visual tokens."""

import io
from pathlib import Path

from PIL import Image

from phi3lib import hd_grid, lab


def main() -> None:
    photo = lab.photograph("china")
    grid = hd_grid(*photo.size, num_crops=16)
    microscope = lab.widgets.TokenMicroscope(photo, index=700)
    state = microscope.state
    still = lab.hd_plots.microscope_still(photo, grid, state.index, state.sentence(), state.order)
    target = Path(__file__).resolve().parents[1] / "data" / "pictures" / "readme.png"
    Image.open(io.BytesIO(still.data)).save(target, optimize=True)


if __name__ == "__main__":
    main()
