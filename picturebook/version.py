"""The version of the generator, and a checksum for each split that shows whether a random draw has moved.

The bundled models were trained on the images of this version. A change that draws other images with the same
split and number needs a new version and new checksums, and the models and the gallery must be made again.
"""

import hashlib
import json

from picturebook.pictures import Picture, draw_picture, draw_word
from picturebook.scenes import STYLES, Scene, draw_scene
from picturebook.splits import SPLITS

GENERATOR_VERSION = 1
COUNTED = 60  # images of each program and split
CHECKSUMS = {
    "train": "02a0cffccbc55f44",
    "test": "07447c963f81082b",
    "held-out": "cb1a25c1a7a4f995",
}


def checksum(split: str) -> str:
    """Return a checksum of what the first images of a split show: captions, colors, boxes and facts.

    Pixels are left out: versions of Pillow round them differently. ValueError for an unknown split.
    """
    described = [
        _description(draw(number, split=split))
        for number in range(COUNTED)
        for draw in (draw_picture, draw_word)
    ]
    described += [
        _description(draw_scene(number, split=split, style=style))
        for style in STYLES
        for number in range(COUNTED // len(STYLES))
    ]
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _description(drawn: Picture | Scene) -> list[object]:
    things = [[thing.kind.name, thing.look.color.name, thing.box, thing.facts] for thing in drawn.things]
    facts = drawn.facts if isinstance(drawn, Scene) else {}
    return [drawn.caption, drawn.background.name, things, facts]


def main() -> None:
    print(json.dumps({split: checksum(split) for split in SPLITS}, indent=4))


if __name__ == "__main__":
    main()
