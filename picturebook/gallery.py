"""The gallery in data/pictures: some hundred drawn pictures with captions, to look at, embed and search.

    python -m picturebook.gallery data/pictures      # draws it again

Every kind is there at least once, and scenes of several sizes. All come from the split "test": no model of
the course was trained on them.
"""

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from picturebook.kinds import KINDS
from picturebook.moved import old_attribute
from picturebook.pictures import draw_picture
from picturebook.scenes import STYLES, draw_scene

INDEX = "captions.jsonl"
SPLIT = "test"
SIDE = 224  # pixels
MIXED = 62  # pictures besides one of every kind
TILE = 336
GRIDS = ((1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (4, 4))


@dataclass(frozen=True)
class GalleryPicture:
    """A picture of the gallery. `color` is empty where the kind brings its own colours."""

    path: Path
    caption: str
    kind: str
    family: str
    color: str
    background: str
    sha256: str

    colour = old_attribute("colour", "color")  # changed in 0.2.0

    def open(self) -> Image.Image:
        """Return the picture, RGB."""
        with Image.open(self.path) as opened:
            return opened.convert("RGB")


def read_gallery(folder: Path) -> list[GalleryPicture]:
    """All pictures of a gallery, in their order. FileNotFoundError where there is none."""
    index = folder / INDEX
    if not index.exists():
        raise FileNotFoundError(f"{str(folder)!r} holds no gallery: {INDEX} is missing")
    rows = (json.loads(line) for line in index.read_text(encoding="utf-8").splitlines())
    return [GalleryPicture(folder / row.pop("file"), color=row.pop("colour"), **row) for row in rows]


def write_gallery(folder: Path) -> int:
    """Draw all pictures and their index into `folder`; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [*_small_pictures(folder), *_scenes(folder)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / INDEX).write_text(lines, encoding="utf-8")
    return len(rows)


def _small_pictures(folder: Path) -> list[dict[str, str]]:
    rows = []
    kinds = [*KINDS.values(), *[None] * MIXED]
    for number, kind in enumerate(kinds):
        picture = draw_picture(number, split=SPLIT, side=SIDE, kind=kind)
        first = picture.things[0]
        rows.append(
            _save(picture.image, folder / f"picture_{number:03}.png")
            | {
                "caption": picture.caption,
                "kind": first.kind.name,
                "family": first.kind.family,
                "colour": first.look.color.name if first.kind.takes_color else "",
                "background": picture.background.name,
            }
        )
    return rows


def _scenes(folder: Path) -> list[dict[str, str]]:
    rows = []
    for number, (style, grid) in enumerate((style, grid) for style in STYLES for grid in GRIDS):
        scene = draw_scene(number, split=SPLIT, style=style, tile=TILE, grid=grid)
        rows.append(
            _save(scene.image, folder / f"scene_{number:02}.png")
            | {
                "caption": scene.caption,
                "kind": scene.page or style,
                "family": "scenes",
                "colour": "",
                "background": scene.background.name,
            }
        )
    return rows


def _save(image: Image.Image, path: Path) -> dict[str, str]:
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    print(f"{write_gallery(parser.parse_args().folder)} pictures")


if __name__ == "__main__":
    main()
