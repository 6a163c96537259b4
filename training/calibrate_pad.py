"""Choose the drawing pad's thresholds, and measure what the pad gets right, wrong, and declines.

    python -m training.calibrate_pad            # writes data/models/pad/rules.json and its card

A caption is shown if the reader gives it at least its threshold. The thresholds follow from drawings of the
split "calibrate": FILLED_PASS of all drawings by people would reach the threshold of the model itself, which
was trained on filled pictures, and OTHERS_PASS of the drawings of other things reach that of the reader of
strokes. The shares are then measured on the split "test", whose drawings and categories of other things are
not those of "calibrate".
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from phi3lib import load_phi3_model
from phi3lib.embeddings.confidence import of_mean
from phi3lib.encoders.encoder import checksum
from phi3lib.lab.lessons.first_embedding import photo_tiles
from phi3lib.lab.widgets.pad_reader import FOLDER, RULES, PadReader
from phi3lib.loading.defaults import BUNDLED_FOLDER, DATA_FOLDER
from picturebook.drawings import Hand, HandDrawing, read_drawings
from picturebook.scenes import close_up, draw_scene
from training.cards import BEGIN, END

SIDE = 224  # of the pad
COMMON = ("house", "happy face", "star", "fish", "tree", "car", "cat", "sun", "flower", "cup")
SCRIBBLES = ("squiggle", "zigzag")
FILLED_PASS, OTHERS_PASS = 0.05, 0.2
FIRST = 70_000  # the number of the first generated picture of the test split
COUNTS = {
    "filled threshold": 40, "others threshold": 150, "other kinds": 120, "other things": 120, "generated": 30,
}  # fmt: skip
Case = tuple[Image.Image, str]  # a picture, and what its caption must contain; empty: no caption is right


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--phi3", type=Path, default=BUNDLED_FOLDER / "phi3-vision-small")
    parser.add_argument("--pad", type=Path, default=FOLDER, help="the folder of the classifier of strokes")
    parser.add_argument("--drawings", type=Path, default=DATA_FOLDER / "drawings")
    options = parser.parse_args()
    torch.set_num_threads(1)
    phi3 = load_phi3_model(options.phi3, language_model=True, dtype=torch.float32)
    reader = PadReader(phi3, options.pad)
    reader.rules = {}  # none while they are chosen
    thresholds = thresholds_of(reader, read_drawings(options.drawings, "calibrate"))
    reader.rules = {"phi3": checksum(phi3), "thresholds": thresholds}
    rates = {}
    for name, cases in test_cases(read_drawings(options.drawings, "test")).items():
        rates[name] = rates_of(reader, cases)
        print(
            name, json.dumps({what: round(one["value"], 3) for what, one in rates[name].items()}), flush=True
        )
    options.pad.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**reader.rules, "rates": rates}, indent=1)
    (options.pad / RULES).write_text(text + "\n", encoding="utf-8")
    write_table(options.pad / "README.md", thresholds, rates)


def write_table(card: Path, thresholds: dict[str, float], rates: dict[str, Any]) -> None:
    """Put thresholds and shares into a card between its marks; without a card nothing is written."""
    if not card.exists():
        return
    lines = ["| reader | least probability of a caption |", "|---|---|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in thresholds.items()]
    lines += ["", "| pictures | right caption | wrong caption | no caption |", "|---|---|---|---|"]
    for group, shares in rates.items():
        cells = [f"{one['value']:.0%} ({one['low']:.0%} to {one['high']:.0%})" for one in shares.values()]
        lines.append(f"| {group} ({shares['right']['count']:.0f}) | {' | '.join(cells)} |")
    before, rest = card.read_text(encoding="utf-8").split(BEGIN)
    table = "\n".join(lines) + "\n"
    card.write_text(before + BEGIN + table + END + rest.split(END)[1], encoding="utf-8")


def thresholds_of(reader: PadReader, drawings: list[HandDrawing]) -> dict[str, float]:
    """Return the threshold of each reader."""
    rng = np.random.default_rng(5)
    few = some(drawings, COUNTS["filled threshold"], rng)
    passing = {"filled": (few, FILLED_PASS)}
    if reader.head is not None:
        others = some([one for one in drawings if not one.kind], COUNTS["others threshold"], rng)
        passing["pen"] = (others, OTHERS_PASS)
    return {
        name: float(np.quantile(probabilities(reader, ones, name), 1 - share))
        for name, (ones, share) in passing.items()
    }


def probabilities(reader: PadReader, drawings: Sequence[HandDrawing], name: str) -> list[float]:
    """Return the probability of each drawing's caption by one reader."""
    captions = reader.captions([on_pad(one) for one in drawings], name)
    return [probability for _, probability in captions]


def on_pad(drawing: HandDrawing) -> Image.Image:
    """Return the drawing as on the pad, with the pen's first width."""
    return drawing.picture(SIDE, Hand(share=0.8))


def some(drawings: list[HandDrawing], count: int, rng: np.random.Generator) -> list[HandDrawing]:
    """Return so many of the drawings, by chance, in their order."""
    chosen = rng.permutation(len(drawings))[:count]
    return [drawings[int(place)] for place in sorted(chosen)]


def test_cases(drawings: list[HandDrawing]) -> dict[str, list[Case]]:
    """Return the groups that shares are measured on."""
    rng = np.random.default_rng(6)
    rest = some([one for one in drawings if one.kind and one.kind not in COMMON], COUNTS["other kinds"], rng)
    strange = [one for one in drawings if not one.kind and one.name not in SCRIBBLES]
    numbers = range(FIRST, FIRST + COUNTS["generated"] // 2)
    scenes = [close_up(number, split="test", side=SIDE) for number in numbers]
    scenes += [draw_scene(number, split="test", style="things", tile=SIDE // 2) for number in numbers]
    return {
        "common things": [(on_pad(one), f" {one.kind} ") for one in drawings if one.kind in COMMON],
        "other kinds": [(on_pad(one), f" {one.kind} ") for one in rest],
        "other things": [(on_pad(one), "") for one in some(strange, COUNTS["other things"], rng)],
        "scribbles": [(on_pad(one), "") for one in drawings if one.name in SCRIBBLES],
        "photographs": [(tile.picture, "") for tile in photo_tiles(rows=3, cols=4)],
        "generated pictures": [(scene.image, scene.caption) for scene in scenes],
    }


def rates_of(reader: PadReader, cases: list[Case]) -> dict[str, dict[str, Any]]:
    """Return the shares of pictures with a right caption, with a wrong one, and with none."""
    outcomes = [outcome(reader, picture, wanted) for picture, wanted in cases]
    return {
        what: of_mean([one == what for one in outcomes], 0.0).as_dict()
        for what in ("right", "wrong", "declined")
    }


def outcome(reader: PadReader, picture: Image.Image, wanted: str) -> str:
    """Return "right", "wrong" or "declined"."""
    reading = reader.read(picture)
    if reading.verdict != "caption":
        return "declined"
    return "right" if wanted and wanted in f" {reading.caption} " else "wrong"


if __name__ == "__main__":
    main()
