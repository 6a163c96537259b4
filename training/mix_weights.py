"""Average the weights of several runs of one model.

    python -m training.mix_weights --out data/models/phi3-vision-small \\
        build/phi3-balanced=0.46 build/phi3-bars=0.46 build/phi3-scenes=0.08

Runs that went on from each other lie in one basin of the loss: the mean of their weights is as good as the
best of them at most tasks, and forgets less of what the earlier ones knew (model soups, Wortsman et al. 2022,
arXiv:2203.05482; WiSE-FT, arXiv:2109.01903). The shares sum to 1. Everything else in the first folder, its
tokenizer and settings too, goes into --out; training.json says what was mixed.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.cards import TRAINING

WEIGHTS = "model.safetensors"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="FOLDER=SHARE")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    mix(dict(_run(text) for text in options.runs), options.out)


def _run(text: str) -> tuple[Path, float]:
    folder, _, share = text.rpartition("=")
    if not folder:
        raise SystemExit(f"{text!r}: write FOLDER=SHARE")
    return Path(folder), float(share)


def mix(shares: dict[Path, float], out: Path) -> None:
    """Write the first folder with weights that are the sum of all runs' weights times their shares.

    Raises ValueError where the shares do not sum to 1, or tensors differ in name or shape.
    """
    mixed = mixed_weights({folder: load_file(folder / WEIGHTS) for folder in shares}, shares)
    first = next(iter(shares))
    if out.resolve() != first.resolve():
        shutil.copytree(first, out, dirs_exist_ok=True)
    save_file(mixed, out / WEIGHTS, metadata={"format": "pt"})
    facts = json.loads((first / TRAINING).read_text(encoding="utf-8"))
    facts["mixed"] = {folder.name: share for folder, share in shares.items()}
    (out / TRAINING).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def mixed_weights(runs: dict[Path, dict[str, Tensor]], shares: dict[Path, float]) -> dict[str, Tensor]:
    """Return the weighted sum of each tensor, added in float64 and in the dtype of the first run."""
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError(f"the shares sum to {sum(shares.values())}, not to 1")
    first = next(iter(runs.values()))
    for folder, weights in runs.items():
        if {name: tensor.shape for name, tensor in weights.items()} != {
            name: tensor.shape for name, tensor in first.items()
        }:
            raise ValueError(f"{folder}: its tensors are not those of {next(iter(runs))}")
    return {
        name: torch.stack([share * runs[folder][name].double() for folder, share in shares.items()])
        .sum(0)
        .to(tensor.dtype)
        for name, tensor in first.items()
    }


if __name__ == "__main__":
    main()
