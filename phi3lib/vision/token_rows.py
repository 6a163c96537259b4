"""Rows of token ids to one matrix: how long they become, on which side they are padded, as what they come."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from phi3lib.vision.inputs import as_whole


def padded(rows: Sequence[list[int]], length: int, pad_id: int | None, side: str = "left") -> list[list[int]]:
    """Return rows of `length`, padded on one side; longer rows stay as they are.

    On the left, so that each row's answer follows its prompt directly; "right" for training. Raises
    ValueError where padding is needed and there is no `pad_id`, and for another side.
    """
    if side not in ("left", "right"):
        raise ValueError(f"padding_side is {side!r}; it must be 'left' or 'right'")
    missing = [max(length - len(row), 0) for row in rows]
    if pad_id is None and any(missing):
        raise ValueError("the tokenizer has no pad token; set tokenizer.pad_token before padding")
    gaps = [[pad_id or 0] * gap for gap in missing]
    return [gap + row if side == "left" else row + gap for gap, row in zip(gaps, rows, strict=True)]


def padded_length(rows: list[list[int]], padding: bool | str, max_length: int | None) -> int:
    """Return the length that rows are padded to; 0 for no padding."""
    if padding in (False, "do_not_pad"):
        return 0
    if padding in (True, "longest"):
        return max(map(len, rows))
    if padding != "max_length":
        raise ValueError(f"padding is {padding!r}; it must be True, False, 'longest' or 'max_length'")
    if max_length is None:
        raise ValueError("padding='max_length' needs max_length")
    return as_whole(max_length, "max_length", 1)


def length_limit(options: Mapping[str, Any], most: int) -> int | None:
    """Return where prompts are cut; None for nowhere.

    options: those of a call; `truncation` and `max_length` are read. most: what the tokenizer says it takes.
    """
    truncation, max_length = options.get("truncation"), options.get("max_length")
    if truncation in (None, False, "do_not_truncate"):
        return None
    if truncation not in (True, "longest_first", "only_first"):
        raise ValueError(f"truncation is {truncation!r}; it must be True, False or 'longest_first'")
    if max_length is not None:
        return as_whole(max_length, "max_length", 1)
    return most if most < sys.maxsize else None  # tokenizers that know no limit say 10³⁰


def row_length(rows: list[list[int]], options: Mapping[str, Any], most: int) -> int:
    """Return the length that rows are padded to by the options of a call; 0 for no padding."""
    limit = options.get("max_length")
    if limit is None:
        limit = length_limit(options, most)
    length = padded_length(rows, options["padding"], limit)
    multiple = options.get("pad_to_multiple_of")
    multiple = multiple and as_whole(multiple, "pad_to_multiple_of", 1)
    return -(-max(length, *map(len, rows)) // multiple) * multiple if multiple else length


def as_matrix(rows: list[list[int]], return_tensors: str | None) -> Any:
    """Rows of equal length as a (B, T) int64 tensor or array, or for None the rows as they are."""
    if return_tensors is None:
        return rows
    lengths = [len(row) for row in rows]
    if len(set(lengths)) > 1:
        raise ValueError(f"the prompts have {lengths} tokens; pass padding=True to make one tensor of them")
    return torch.tensor(rows) if return_tensors == "pt" else np.array(rows, dtype=np.int64)
