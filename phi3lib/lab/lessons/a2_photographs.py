"""Free photographs for the published vectors: scikit-learn's two, and scikit-image's where it is installed.

scikit-image is not needed by the course. Its wheel holds photographs whose authors gave them to the public
domain; the licences below are those of the docstrings in `skimage/data/_fetchers.py`. Photographs whose
licence is not stated there are left out, and so are drawings, textures of text, and medical images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from phi3lib.lab.photographs import Credit, credit, photograph, picture

_PUBLIC, _CC0 = "public domain", "CC0"
_SKIMAGE = (  # name, file, shows, author, licence
    ("astronaut", "astronaut.png", "the astronaut Eileen Collins in a space suit", "NASA", _PUBLIC),
    ("camera", "camera.png", "a man with a camera on a tripod, in grey", "Lav Varshney", _CC0),
    ("cat", "chelsea.png", "the face of a tabby cat", "Stefan van der Walt", _CC0),
    ("coffee", "coffee.png", "a cup of coffee on a saucer, on a wooden table", "Rachel Michetti", _CC0),
    ("galaxies", "hubble_deep_field.jpg", "distant galaxies on a black sky", "NASA", _PUBLIC),
    ("rocket", "rocket.jpg", "a rocket on its launch pad", "SpaceX", _PUBLIC),
    ("clock", "clock_motion.png", "a clock, blurred by motion, in grey", "Stefan van der Walt", _PUBLIC),
    ("bricks", "brick.png", "a brick wall, in grey", "CC0Textures", _CC0),
    ("grass", "grass.png", "grass, seen from above, in grey", "CC0Textures", _CC0),
    ("gravel", "gravel.png", "gravel, in grey", "CC0Textures", _CC0),
)

# What is searched for: each photograph's subject, and subjects that no photograph shows.
QUERIES = (
    "a photograph of a Chinese pavilion", "a photograph of a flower", "a photograph of an astronaut",
    "a photograph of a man with a camera", "a photograph of a cat", "a photograph of a cup of coffee",
    "a photograph of galaxies", "a photograph of a rocket", "a photograph of a clock",
    "a photograph of a brick wall", "a photograph of grass", "a photograph of gravel",
    "a photograph of a roof", "a photograph of a tree", "a photograph of the sky", "a photograph of petals",
    "a photograph of people", "a photograph of a face", "a photograph of an eye", "a photograph of a flag",
    "a photograph of a spoon", "a photograph of wood", "a photograph of fur", "a photograph of smoke",
    "a photograph of a dog", "a photograph of a car", "a photograph of a beach", "a photograph of a train",
    "a photograph of a horse", "a photograph of a violin", "a photograph of snow", "a photograph of a bridge",
    "something red", "something blue", "something green", "something round", "a black and white photograph",
)  # fmt: skip
ROWS, COLS = 3, 4  # of the pieces that each photograph is cut into as well


@dataclass(frozen=True)
class Item:
    """A photograph, or a piece of one. id: unique, such as "china" or "china, row 1, column 3"."""

    id: str
    photograph: str
    piece: bool
    picture: Image.Image


def free_photographs() -> dict[str, tuple[Image.Image, Credit]]:
    """Return the photographs on this machine by name, each with whose it is; scikit-learn's come first."""
    found = {name: (photograph(name), credit(name)) for name in ("china", "flower")}
    folder = scikit_image_folder()
    if folder is not None:
        for name, file, shows, author, license in _SKIMAGE:
            if (folder / file).is_file():
                source = "skimage.data of scikit-image"
                found[name] = (picture(folder / file), Credit(file, shows, author, license, source))
    return found


def scikit_image_folder() -> Path | None:
    """Return the data folder of scikit-image, without importing it."""
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "data"


def items_of(photographs: dict[str, tuple[Image.Image, Credit]]) -> list[Item]:
    """Return each photograph, followed by its pieces row by row."""
    return [item for name, (photo, _) in photographs.items() for item in _with_pieces(name, photo)]


def _with_pieces(name: str, photo: Image.Image) -> Iterator[Item]:
    yield Item(name, name, False, photo)
    width, height = photo.width // COLS, photo.height // ROWS
    for row in range(ROWS):
        for col in range(COLS):
            box = (col * width, row * height, (col + 1) * width, (row + 1) * height)
            yield Item(f"{name}, row {row + 1}, column {col + 1}", name, True, photo.crop(box))
