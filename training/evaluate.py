"""Evaluate the bundled models, and write what came out into their cards.

    python -m training.evaluate                # both models: prints the scores beside those of the cards
    python -m training.evaluate --write        # and writes them into data/models/*/README.md
    python -m training.evaluate --only clip-small --write
    python -m training.evaluate --sample 24    # a quick check: few pictures for each score

The pictures are drawn afresh from splits that were never trained; everything is the same on every run. The
exit status is 1 if a score lies outside the interval that the card gives or, with `--sample`, if a value of
the card lies outside the wide interval that the sample gives.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from scipy.stats import beta

from phi3lib.embeddings.confidence import Estimate
from training.cards import BARS, write_card
from training.evaluate_clip import evaluate_clip
from training.evaluate_phi3 import SCENES, evaluate_phi3

MODELS = Path(__file__).resolve().parents[1] / "data" / "models"
EVALUATE: dict[str, Callable[[Path, int | None], dict[str, Estimate]]] = {
    "clip-small": evaluate_clip,
    "phi3-vision-small": lambda folder, sample: evaluate_phi3(folder, sample or SCENES),
}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=EVALUATE, help="one model")
    parser.add_argument("--write", action="store_true", help="write the scores into the cards")
    parser.add_argument("--sample", type=int, metavar="N", help="measure each score on about N pictures")
    parser.add_argument("--models", type=Path, default=MODELS)
    options = parser.parse_args(given)
    if options.sample is not None and (options.sample < 1 or options.write):
        parser.error("--sample takes a positive number, and a card is written from all pictures only")
    return options


def main(given: list[str] | None = None) -> int:
    """Evaluate what the command line asks for; return the exit status."""
    options = arguments(given)
    torch.set_num_threads(1)
    names = (
        [options.only] if options.only else [name for name in EVALUATE if (options.models / name).is_dir()]
    )
    good = True
    for name in names:
        folder = options.models / name
        start = time.monotonic()
        scores = EVALUATE[name](folder, options.sample)
        print(f"{name}: {len(scores)} scores in {time.monotonic() - start:.0f} s")
        kept = {} if options.write else _kept(folder)
        for title, score in scores.items():
            good &= _report(title, score, kept.get(title), options.sample and len(scores))
        if options.write:
            plain = {title: score.as_dict() for title, score in scores.items()}
            (folder / "evaluation.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
            write_card(folder)
    return 0 if good else 1


def _kept(folder: Path) -> dict[str, dict[str, float]]:
    path = folder / "evaluation.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _report(title: str, score: Estimate, kept: dict[str, float] | None, sampled: int | None) -> bool:
    """Print a line; return whether score and card agree. sampled: of how many scores on a sample, or None."""
    bar = f"  bar {BARS[title]:.0%}" if title in BARS else ""
    if kept is None:
        same = True
    elif sampled:
        low, high = sample_interval(score, sampled)
        same = low <= kept["value"] <= high
    else:
        same = kept["low"] - 1e-9 <= score.value <= kept["high"] + 1e-9
    said = "" if kept is None else f"  card {kept['value']:.3f}{'' if same else '  DIFFERS'}"
    print(f"  {title}: {score}{bar}{said}")
    return same


def sample_interval(score: Estimate, scores: int) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share that one of `scores` scores measured.

    All intervals together hold with 95 % (Bonferroni), so that a good model seldom fails. A mean of values
    between 0 and 1 that are not all 0 or 1 varies less than a share: its interval is wider than needed.
    """
    tail = 0.05 / scores / 2
    right = score.value * score.count
    wrong = score.count - right
    low = float(beta.ppf(tail, right, wrong + 1)) if right > 0 else 0.0
    high = float(beta.ppf(1 - tail, right + 1, wrong)) if wrong > 0 else 1.0
    return low, high


if __name__ == "__main__":
    sys.exit(main())
