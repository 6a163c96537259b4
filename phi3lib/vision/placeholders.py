"""Placeholders: the token ids that reserve positions for images in a sequence.

There are two kinds, which are not mixed:

- the image token, a real id (`<|image|>`, `config.image_token_id`), once for each token of an image; the
  images come in the order in which they appear in the rows. Our processor writes it by default, as all
  vision models of transformers do, because code that uses ids as indices can take it;
- negative ids, as the published processor writes them: -k once for each token of the image that the prompt
  calls `<|image_k|>`. The distinct tags of a row, in ascending order, are that row's images in order, and the
  images of all rows follow each other: the tag's number selects the image, not its position in the row.
  (The published code fills the positions from left to right and ignores the number.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from phi3lib.moved import old_names

IGNORED_LABEL = -100  # the label that transformers' losses leave out
NO_TOKEN = 2**31 - 1  # an id that no tokenizer knows; for code that may not see negative ones


@dataclass(frozen=True)
class Placeholders:
    """All placeholders of a batch, picture after picture and from left to right within a picture.

    rows, cols: (n,) int64, their positions in `input_ids`.
    counts: how many each picture has. owners: the (row, tag) of each picture; image tokens have tag 0.
    """

    rows: torch.Tensor
    cols: torch.Tensor
    counts: list[int]
    owners: list[tuple[int, int]]

    def require_pictures(self, number: int) -> None:
        """Raise ValueError unless there are placeholders for exactly so many pictures."""
        if len(self.counts) != number:
            raise ValueError(
                f"input_ids hold placeholders for {len(self.counts)} picture(s), but {number} were passed "
                f"(distinct negative ids of a row are its pictures: {self._describe_owners()})"
            )

    def require_counts(self, num_tokens: list[int]) -> None:
        """Raise ValueError unless the pictures' token counts equal the numbers of their placeholders."""
        self.require_pictures(len(num_tokens))
        for number, (kept, tokens) in enumerate(zip(self.counts, num_tokens, strict=True)):
            if kept != tokens:
                row, tag = self.owners[number]
                raise ValueError(
                    f"picture {number} has {tokens} tokens, but row {row} of input_ids has {kept} positions "
                    f"for it (id -{tag}){_likely_cause(kept, tokens, tag)}"
                )

    def pictures_from(self, col: int) -> list[int]:
        """Numbers of the pictures that have placeholders at column `col` or later."""
        reached = [bool((cols >= col).any()) for cols in self.cols.split(self.counts)]
        return [number for number, is_reached in enumerate(reached) if is_reached]

    def _describe_owners(self) -> str:
        owners = [f"row {row} has id -{tag}" for row, tag in self.owners[:8]]
        return "; ".join(owners) + ("; …" if len(self.owners) > 8 else "") if owners else "there are none"


def _likely_cause(kept: int, tokens: int, tag: int) -> str:
    if tag == 100:
        return ". -100 marks ignored labels; pad input_ids with the tokenizer's padding id"
    if kept % tokens == 0:
        return f". The prompt seems to name <|image_{tag}|> {kept // tokens} times; name each picture once"
    return ""


def find_placeholders(
    input_ids: torch.Tensor, num_tokens: Sequence[int], image_token_id: int | None
) -> Placeholders:
    """Return the placeholders in `input_ids` (batch, length) of images with so many tokens each.

    Raises ValueError unless there are exactly as many placeholders as the images have tokens, and unless the
    image tokens of each image follow each other.
    """
    found = find_negative_ids(input_ids)
    if image_token_id is None or found.counts:
        found.require_counts(list(num_tokens))
        return found
    return _find_image_tokens(input_ids, num_tokens, image_token_id)


def _find_image_tokens(
    input_ids: torch.Tensor, num_tokens: Sequence[int], image_token_id: int
) -> Placeholders:
    rows, cols = torch.nonzero(input_ids == image_token_id, as_tuple=True)  # (n,), (n,): row by row
    if len(rows) != sum(num_tokens):
        raise ValueError(
            f"input_ids hold {len(rows)} image tokens (id {image_token_id}), but the {len(num_tokens)} "
            f"image(s) have {sum(num_tokens)} tokens ({', '.join(map(str, num_tokens[:8]))}); make ids and "
            f"images in one call of the processor"
        )
    owners = []
    for number, positions in enumerate(torch.stack([rows, cols]).split(list(num_tokens), dim=1)):
        (first, last), (begin, end) = positions[:, [0, -1]].tolist()
        if first != last or end - begin != num_tokens[number] - 1:
            raise ValueError(
                f"row {first} of input_ids has no run of {num_tokens[number]} positions for image {number}, "
                f"one for each of its tokens; pass images in the order in which the rows name them"
            )
        owners.append((first, 0))
    return Placeholders(rows, cols, list(num_tokens), owners)


def find_negative_ids(input_ids: torch.Tensor) -> Placeholders:
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


def may_read(ids: torch.Tensor) -> bool:
    """Whether Python may read what `ids` (batch, length) hold.

    Not while a graph is made, where nothing is known yet, and not for each generated token on a GPU, which
    would be waited for. Errors in ids are found in eager mode, for prompts and on the CPU.
    """
    return not torch.compiler.is_compiling() and (ids.device.type == "cpu" or ids.shape[1] != 1)


def placeholders_in_graph(
    input_ids: torch.Tensor, number: int, image_token_id: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows and columns of the first `number` placeholders, in the order of `find_placeholders`.

    For graphs: the result's shape follows from `number` alone, and nothing is checked.
    """
    rows = torch.arange(input_ids.shape[0], device=input_ids.device)[:, None]
    picture = torch.where(input_ids < 0, (rows << 32) - input_ids, torch.iinfo(torch.int64).max)
    if image_token_id is not None:
        picture = torch.where(input_ids == image_token_id, rows << 32, picture)
    order = torch.argsort(picture.flatten(), stable=True)[:number]
    return order // input_ids.shape[1], order % input_ids.shape[1]


def labels_without_placeholders(labels: torch.Tensor, image_token_id: int | None) -> torch.Tensor:
    """Return `labels` with -100 for placeholders, so that no loss is computed on the tokens of images.

    labels: of any shape; never modified.
    """
    placeholders = (labels < 0) & (labels != IGNORED_LABEL)
    if image_token_id is not None:
        placeholders |= labels == image_token_id
    return labels.masked_fill(placeholders, IGNORED_LABEL)


def counted_without_placeholders(
    num_items: int | torch.Tensor, labels: torch.Tensor, kept: torch.Tensor
) -> float | torch.Tensor:
    """Return `num_items_in_batch` less the share of labels that were placeholders.

    The Trainer counts the labels of all its small batches before the model sees them. With the count as it
    is, each placeholder would enter the mean loss as 0. labels, kept: (batch, length), before and after
    `labels_without_placeholders`; the first position of a row is not predicted and therefore not counted.
    """
    before = (labels[..., 1:] != IGNORED_LABEL).sum()
    after = (kept[..., 1:] != IGNORED_LABEL).sum()
    return num_items * after / before.clamp(min=1)


# Changed in 0.2.0.
__getattr__ = old_names(__name__, {"places_in_graph": "placeholders_in_graph", "may_look_at": "may_read"})
