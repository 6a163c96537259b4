"""Pictures to work with: two photographs that come with scikit-learn, the gallery, the reader's own."""

import textwrap
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from phi3lib.loading.defaults import DATA_FOLDER
from phi3lib.moved import old_attribute
from phi3lib.vision.inputs import as_path
from phi3lib.vision.pictures import read_upright
from picturebook.gallery import GalleryPicture, read_gallery


@dataclass(frozen=True)
class Credit:
    """Who made a photograph, what it shows, and how it may be used."""

    name: str
    shows: str
    author: str
    license: str
    source: str
    note: str = ""

    licence = old_attribute("licence", "license")  # changed in 0.2.0

    def __str__(self) -> str:
        text = (
            f"{self.name}: {self.shows}. Photograph by {self.author}, {self.license}. Source: {self.source}."
        )
        lines = textwrap.wrap(f"{text} {self.note}", 100, break_long_words=False, break_on_hyphens=False)
        return "\n".join(lines)


_BY = "Creative Commons Attribution 2.0 (CC BY 2.0)"
_CREDITS = {
    "china": Credit(
        name="china.jpg",
        shows="a pavilion of the Summer Palace in Beijing",
        author="danielbuechele on Flickr",
        license=_BY,
        source="flickr.com/photos/danielbuechele/6061409035, via scikit-learn's sample images",
    ),
    "flower": Credit(
        name="flower.jpg",
        shows="a dahlia in bloom",
        author="vultilion on Flickr",
        license=_BY,
        source="flickr.com/photos/vultilion/6056698931, via scikit-learn's sample images",
        note="(scikit-learn's README names danielbuechele here, too, but its links lead to vultilion.)",
    ),
}


def credit(name: str) -> Credit:
    """Return author, license and source of a photograph, from scikit-learn's `datasets/images/README.txt`.

    >>> credit("china").author
    'danielbuechele on Flickr'
    """
    if name not in _CREDITS:
        raise ValueError(f"there is no photograph {name!r}; there are {', '.join(map(repr, _CREDITS))}")
    return _CREDITS[name]


def photograph(name: str) -> Image.Image:
    """Return a photograph that comes with scikit-learn: "china" or "flower"; RGB, 640 × 427 pixels.

    Its `.info["credit"]` says whose it is. Raises ValueError for another name.
    """
    whose = credit(name)
    spec = find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the photographs come with scikit-learn, which is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "images"
    photo = picture(folder / whose.name)
    photo.info["credit"] = str(whose)
    return photo


def gallery() -> list[GalleryPicture]:
    """Return the generated pictures of data/pictures, with captions and labels; see its README.md.

    Raises FileNotFoundError if the project's folder `data` is neither in the package nor beside it.
    """
    return [drawn for drawn in read_gallery(DATA_FOLDER / "pictures") if drawn.family != "scenes"]


def picture(path: str | Path) -> Image.Image:
    """Return your own picture, as RGB and upright (a camera's EXIF orientation is applied).

    Transparency is dropped, as the published preprocessing does it; of an animation you get the first
    frame. Raises FileNotFoundError or ValueError, each with one sentence.
    """
    path = as_path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"there is no file {str(path)!r}: put the picture beside this notebook and give its name, "
            f"or give the whole path"
        )
    if path.is_dir():
        raise ValueError(f"{path.name!r} is a folder: give the name of one picture in it")
    try:
        rgb = read_upright(path)
    except ValueError as error:
        raise ValueError(f"{path.name!r} is not a picture that can be read: {error}") from None
    rgb.info = {}
    return rgb
