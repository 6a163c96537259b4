"""Placeholders: the negative token ids that keep places for pictures.

The processor writes id -k once for every token of the picture that the prompt calls `<|image_k|>`. The
distinct tags of a row, in ascending order, are that row's pictures in order; the pictures of all rows
follow each other. So the tag's number picks the picture, wherever in the row it stands. (The published
code fills the places from left to right and looks at no number.)
"""

from dataclasses import dataclass

import torch

IGNORED_LABEL = -100  # the label that transformers' losses leave out
NO_TOKEN = 2**31 - 1  # an id that no tokenizer knows; for code that may not see negative ones


@dataclass(frozen=True)
class Placeholders:
    """All placeholders of a batch, picture after picture and from left to right within a picture.

    rows, cols: (n,) int64, where they stand in `input_ids`.
    counts: how many each picture has. owners: the (row, tag) of each picture.
    """

    rows: torch.Tensor
    cols: torch.Tensor
    counts: list[int]
    owners: list[tuple[int, int]]

    def require_pictures(self, number: int) -> None:
        """Raise ValueError unless there are placeholders for exactly so many pictures."""
        if len(self.counts) != number:
            raise ValueError(
                f"input_ids hold placeholders for {len(self.counts)} picture(s), {number} came "
                f"(distinct negative ids of a row are its pictures: {self._describe_owners()})"
            )

    def require_counts(self, num_tokens: list[int]) -> None:
        """Raise ValueError unless the pictures' token counts are exactly the places kept for them."""
        self.require_pictures(len(num_tokens))
        for number, (places, tokens) in enumerate(zip(self.counts, num_tokens, strict=True)):
            if places != tokens:
                row, tag = self.owners[number]
                raise ValueError(
                    f"picture {number} has {tokens} tokens, but row {row} of input_ids keeps {places} places "
                    f"for it (id -{tag}){_likely_cause(places, tokens, tag)}"
                )

    def pictures_from(self, col: int) -> list[int]:
        """Numbers of the pictures that have places at column `col` or behind it."""
        reached = [bool((cols >= col).any()) for cols in self.cols.split(self.counts)]
        return [number for number, seen in enumerate(reached) if seen]

    def _describe_owners(self) -> str:
        found = [f"row {row} has id -{tag}" for row, tag in self.owners[:8]]
        return "; ".join(found) + ("; …" if len(self.owners) > 8 else "") if found else "there are none"


def _likely_cause(places: int, tokens: int, tag: int) -> str:
    if tag == 100:
        return ". -100 marks ignored labels; pad input_ids with the tokenizer's padding id"
    if places % tokens == 0:
        return f". The prompt seems to name <|image_{tag}|> {places // tokens} times; name each picture once"
    return ""


def find_placeholders(input_ids: torch.Tensor) -> Placeholders:
    """Find every negative id of `input_ids` (batch, length) and sort them by picture."""
    rows, cols = torch.nonzero(input_ids < 0, as_tuple=True)  # (n,), (n,): row by row, left to right
    if len(rows) == 0:
        return Placeholders(rows, cols, [], [])
    tags = -input_ids[rows, cols]
    # One number a picture that grows with row, then tag; a stable sort keeps left to right within it.
    picture = rows * (tags.max() + 1) + tags
    order = torch.argsort(picture, stable=True)
    rows, cols, tags = rows[order], cols[order], tags[order]
    counts = torch.unique_consecutive(picture[order], return_counts=True)[1].tolist()
    firsts = torch.tensor(counts).cumsum(0) - torch.tensor(counts)  # where each picture begins
    owners = list(zip(rows[firsts].tolist(), tags[firsts].tolist(), strict=True))
    return Placeholders(rows, cols, counts, owners)


def may_look_at(ids: torch.Tensor) -> bool:
    """Whether Python may read what `ids` (batch, length) hold.

    Not while a graph is made, where nothing is known yet, and not for each generated token on a GPU, which
    would be waited for. Errors in ids are found in eager mode, for prompts and on the CPU.
    """
    return not torch.compiler.is_compiling() and (ids.device.type == "cpu" or ids.shape[1] != 1)


def places_in_graph(input_ids: torch.Tensor, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns of the first `number` placeholders, in the order of `find_placeholders`.

    For graphs: the result's shape follows from `number` alone, and nothing is checked.
    """
    rows = torch.arange(input_ids.shape[0], device=input_ids.device)[:, None]
    picture = torch.where(input_ids < 0, (rows << 32) - input_ids, torch.iinfo(torch.int64).max)
    order = torch.argsort(picture.flatten(), stable=True)[:number]
    return order // input_ids.shape[1], order % input_ids.shape[1]


def labels_without_placeholders(labels: torch.Tensor, *, counted: bool = False) -> torch.Tensor:
    """Return `labels` with -100 for placeholders, so that no loss is computed on the tokens of images.

    labels: of any shape; never modified. counted: whether the caller has already counted the labels that
    are not -100, and will divide the loss by that number. Raises ValueError if placeholders were counted.
    """
    placeholders = (labels < 0) & (labels != IGNORED_LABEL)
    if torch.compiler.is_compiling():
        return labels.masked_fill(placeholders, IGNORED_LABEL)
    if not placeholders.any():
        return labels
    if counted:
        raise ValueError(
            f"labels hold {int(placeholders.sum())} placeholders of images (negative ids other than -100), "
            f"and num_items_in_batch counts them, so the loss would be too small; set "
            f"labels[labels < 0] = -100 where the labels are made"
        )
    return labels.masked_fill(placeholders, IGNORED_LABEL)
