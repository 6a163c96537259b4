"""Evaluate the bundled models, and write what came out into their cards.

    python -m training.evaluate                # both models: prints the scores beside those of the cards
    python -m training.evaluate --write        # and writes them into data/models/*/README.md
    python -m training.evaluate --only clip-small --write

The pictures are drawn afresh from splits that were never trained; everything is the same on every run. The
exit status is 1 where a score lies outside the interval that the card gives.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from phi3lib.vectors.intervals import Estimate
from training.cards import BARS, write_card
from training.evaluate_clip import evaluate_clip
from training.evaluate_phi3 import evaluate_phi3

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
EVALUATE = {"clip-small": evaluate_clip, "phi3-vision-small": evaluate_phi3}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=EVALUATE, help="one model")
    parser.add_argument("--write", action="store_true", help="write the scores into the cards")
    parser.add_argument("--models", type=Path, default=MODELS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    names = (
        [options.only] if options.only else [name for name in EVALUATE if (options.models / name).is_dir()]
    )
    good = True
    for name in names:
        folder = options.models / name
        start = time.monotonic()
        scores = EVALUATE[name](folder)
        print(f"{name}: {len(scores)} scores in {time.monotonic() - start:.0f} s")
        kept = {} if options.write else _kept(folder)
        for title, score in scores.items():
            good &= _report(title, score, kept.get(title))
        if options.write:
            plain = {title: score.as_dict() for title, score in scores.items()}
            (folder / "evaluation.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
            write_card(folder)
    sys.exit(0 if good else 1)


def _kept(folder: Path) -> dict[str, dict[str, float]]:
    path = folder / "evaluation.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _report(title: str, score: Estimate, kept: dict[str, float] | None) -> bool:
    """Print a line; whether the score lies where the card has it."""
    bar = f"  bar {BARS[title]:.0%}" if title in BARS else ""
    same = kept is None or kept["low"] - 1e-9 <= score.value <= kept["high"] + 1e-9
    said = "" if kept is None else f"  card {kept['value']:.3f}{'' if same else '  DIFFERS'}"
    print(f"  {title}: {score}{bar}{said}")
    return same


if __name__ == "__main__":
    main()
