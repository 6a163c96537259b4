"""The tokens of a sequence as ribbons, for notebook A1."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from phi3lib.lab.figures import plots
from phi3lib.moved import old_names

WORD, EMPTY, OTHER = "a word", "left empty: the vector of word 0", "something else"
_PICTURES = ("picture 1", "picture 2")
_STYLE = {
    WORD: (plots.BLACK, ""),
    _PICTURES[0]: (plots.SKY, ""),
    _PICTURES[1]: (plots.YELLOW, "..."),
    EMPTY: (plots.VERMILION, "xxx"),
    OTHER: (plots.PADDING, "////"),
}


def what_stands_where(
    hidden: torch.Tensor, ids: torch.Tensor, words: Any, tokens: Sequence[torch.Tensor]
) -> list[tuple[str, int, int]]:
    """Return runs of equal kind, (kind, start, length), in one row of an embedding's output.

    hidden (length, hidden_size); ids (length,) as they were before the call; words: the word embedding;
    tokens: the visual tokens (n, hidden_size) of one or two pictures, as they should stand there.
    """
    runs: list[tuple[str, int, int]] = []
    position = 0
    while position < len(ids):
        kind, length = _what_begins(position, hidden, ids, words, tokens)
        if runs and runs[-1][0] == kind and kind not in _PICTURES:
            runs[-1] = (kind, runs[-1][1], runs[-1][2] + length)
        else:
            runs.append((kind, position, length))
        position += length
    return runs


def _what_begins(
    position: int, hidden: torch.Tensor, ids: torch.Tensor, words: Any, tokens: Sequence[torch.Tensor]
) -> tuple[str, int]:
    """(kind, length) of what begins here: a whole picture, or one position of another kind."""
    if ids[position] >= 0:
        return WORD, 1
    for name, picture in zip(_PICTURES, tokens, strict=False):
        here = hidden[position : position + len(picture)]
        if here.shape == picture.shape and torch.allclose(here, picture, atol=1e-4):
            return name, len(picture)
    return (EMPTY if torch.equal(hidden[position], words.weight[0]) else OTHER), 1


def show_sequences(rows: Mapping[str, list[tuple[str, int, int]]], *, alt: str) -> None:
    """Show ribbons of `what_stands_where`, one under the other, each under its name."""
    fig, axes = plots.figure(height=0.9 + 0.5 * len(rows))
    used = {kind for runs in rows.values() for kind, _, _ in runs}
    for height, runs in enumerate(rows.values()):
        for kind, start, length in runs:
            color, hatch = _STYLE[kind]
            axes.broken_barh(
                [(start, length)],
                (height - 0.35, 0.7),
                facecolor=color,
                hatch=hatch,
                edgecolor="white",
                lw=0.3,
            )
    for kind, (color, hatch) in _STYLE.items():
        if kind in used:
            axes.bar(0, 0, facecolor=color, hatch=hatch, edgecolor="white", label=kind)
    axes.set_yticks(range(len(rows)), labels=list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_ylabel(" ")
    axes.set_xlabel("place in the sequence")
    axes.margins(x=0)
    fig.legend(loc="outside upper center", ncols=len(used), frameon=False)
    plots.show(fig, alt=alt)


__getattr__ = old_names(__name__, {"show_places": "show_sequences"})  # changed in 0.2.0
