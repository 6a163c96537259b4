"""What stands in each place of a sequence: the ribbons of notebook A1."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from phi3lib.lab import plots

WORD, EMPTY = "a word", "left empty: the vector of word 0"
_PICTURES = ("picture 1", "picture 2")
_LOOK = {
    WORD: (plots.BLACK, ""),
    _PICTURES[0]: (plots.SKY, ""),
    _PICTURES[1]: (plots.YELLOW, "..."),
    EMPTY: (plots.VERMILION, "xxx"),
}


def what_stands_where(
    hidden: torch.Tensor, ids: torch.Tensor, words: Any, tokens: Sequence[torch.Tensor]
) -> list[tuple[str, int, int]]:
    """Runs of equal kind, (kind, start, length), in one row of an embedding's output.

    hidden (length, hidden_size); ids (length,) as they were before the call; words: the word embedding;
    tokens: the visual tokens of one or two pictures, each (n, hidden_size).
    """
    kinds = [WORD if token_id >= 0 else "something else" for token_id in ids.tolist()]
    for place in torch.nonzero(ids < 0)[:, 0].tolist():
        if torch.equal(hidden[place], words.weight[0]):
            kinds[place] = EMPTY
            continue
        for name, of_picture in zip(_PICTURES, tokens, strict=False):
            if bool(((of_picture - hidden[place]).abs().amax(1) < 1e-3).any()):
                kinds[place] = name
    runs: list[tuple[str, int, int]] = []
    for place, kind in enumerate(kinds):
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((kind, place, 1))
    return runs


def show_places(rows: Mapping[str, list[tuple[str, int, int]]], *, alt: str) -> None:
    """Ribbons of `what_stands_where`, one under the other, each under its name."""
    fig, axes = plots.figure(height=0.9 + 0.5 * len(rows))
    used = {kind for runs in rows.values() for kind, _, _ in runs}
    for height, runs in enumerate(rows.values()):
        for kind, start, length in runs:
            colour, hatch = _LOOK.get(kind, (plots.PADDING, "////"))
            axes.broken_barh(
                [(start, length)], (height - 0.35, 0.7), color=colour, hatch=hatch, edgecolor="white", lw=0
            )
    for kind, (colour, hatch) in _LOOK.items():
        if kind in used:
            axes.bar(0, 0, color=colour, hatch=hatch, edgecolor="white", label=kind)
    axes.set_yticks(range(len(rows)), labels=list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_ylabel(" ")
    axes.set_xlabel("place in the sequence")
    axes.margins(x=0)
    fig.legend(loc="outside upper center", ncols=len(used))
    plots.show(fig, alt=alt)
