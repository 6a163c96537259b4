"""The checks of notebook 03: each recognizes the usual mistakes by their pattern."""

from collections.abc import Callable
from typing import Any

import torch

from phi3lib.lab.checks.base import Refused, Unanswered, Verdict, ask, does_nothing, exercise, not_yet, told
from phi3lib.lab.checks.reading import as_array, whole
from phi3lib.lab.checks.registry import check_of
from phi3lib.vision.hd_transform import HDGrid, hd_grid
from phi3lib.vision.hd_transform import merge_2x2 as right_merge
from phi3lib.vision.token_map import TokenKind, padded_box_of_token, token_at


def all_grids(max_crops: int = 16) -> list[tuple[int, int]]:
    """Return (rows, cols) of every grid with at most `max_crops` crops, the smallest first."""
    shapes = [(r, c) for r in range(1, max_crops + 1) for c in range(1, max_crops // r + 1)]
    return sorted(shapes, key=lambda shape: (shape[0] * shape[1], shape))


# ---------------------------------------------------------------------------- 03.1 token count


def count_by_hand(rows: int, cols: int) -> int:
    """Return the tokens of a grid, counted one by one instead of calculated."""
    count = 0
    for _row_of_tokens in range(rows * 12):
        count += cols * 12  # the tokens of the crops
        count += 1  # the row separator
    count += 1  # the view separator
    for _row_of_tokens in range(12):
        count += 12 + 1  # the global view and its row separators
    return count


_COUNT_SLIPS: dict[str, Callable[[int, int], int]] = {
    "the global view is missing, with its 144 tokens and 12 row separators": lambda r, c: (
        r * c * 144 + 1 + r * 12
    ),
    "the 144 tokens of the global view are missing": lambda r, c: r * c * 144 + 1 + (r + 1) * 12,
    "no row separators are counted": lambda r, c: (r * c + 1) * 144 + 1,
    "no separators are counted": lambda r, c: (r * c + 1) * 144,
    "the view separator between the two views is missing": lambda r, c: (r * c + 1) * 144 + (r + 1) * 12,
    "the row separators of the global view are missing": lambda r, c: (r * c + 1) * 144 + 1 + r * 12,
    "row separators are counted for each crop; but a row of tokens runs through all crops side by side": (
        lambda r, c: (r * c + 1) * 144 + 1 + (r * c + 1) * 12
    ),
    "rows and columns are swapped: a separator closes a row": lambda r, c: (
        (r * c + 1) * 144 + 1 + (c + 1) * 12
    ),
    "one separator is counted for a row of crops; but each of its 12 rows of tokens has one": lambda r, c: (
        (r * c + 1) * 144 + 1 + r + 1
    ),
    "patches are counted (576 a tile); but 2×2 of them make one token": lambda r, c: (
        (r * c + 1) * 576 + 1 + (r + 1) * 24
    ),
}


@check_of("03.1", "Count the tokens", "lab.checks.token_count(my_token_count)")
@exercise
def token_count(function: Callable[[int, int], int]) -> Verdict:
    """Check exercise 03.1: `function(rows, cols)`, the number of tokens, for all grids up to 16 crops."""
    grids = all_grids()
    answers = {}
    for rows, cols in grids:
        shown = f"rows={rows}, cols={cols}"
        answers[rows, cols] = whole(ask(function, rows, cols, shown=shown), shown)
    wrong = next((shape for shape in grids if answers[shape] != count_by_hand(*shape)), None)
    if wrong is None:
        return Verdict(True, f"Your count agrees with counting one by one on all {len(grids)} grids.")
    said = f"For {wrong[0]}×{wrong[1]} crops you have {answers[wrong]}, and there are {count_by_hand(*wrong)}"
    for slip, formula in _COUNT_SLIPS.items():
        if all(answers[shape] == formula(*shape) for shape in grids):
            return not_yet(said, slip)
    return not_yet(said)


# ------------------------------------------------------------------------------ 03.2 merge 2×2


def coded_features(patches: int, channels: int = 3, n: int = 2) -> torch.Tensor:
    """Return whole numbers (n, patches², channels); each encodes its tile, row, column and channel."""
    tile, row, col, channel = torch.meshgrid(
        *(torch.arange(size) for size in (n, patches, patches, channels)), indexing="ij"
    )
    coded = ((tile * 100 + row) * 100 + col) * 10 + channel
    return coded.reshape(n, patches * patches, channels)


def _cut(features: torch.Tensor, shape: tuple[int, ...], order: tuple[int, ...]) -> torch.Tensor:
    """Reshape, permute, and reshape to tokens: what the right way and most wrong ways have in common."""
    n, patches, channels = features.shape
    half = int(patches**0.5) // 2
    sizes = {-2: half, -3: channels}
    parts = features.reshape(n, *(sizes.get(size, size) for size in shape))
    return parts.permute(0, *order).reshape(n, half, half, 4 * channels)


def _on_its_side(features: torch.Tensor) -> torch.Tensor:
    n, patches, channels = features.shape
    side = int(patches**0.5)
    return features.reshape(n, side, side, channels).transpose(1, 2).reshape(n, patches, channels)


# In a shape, -2 means half the patches a side, and -3 the channels.
_MERGE_SLIPS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "plain reshape: four patches of one row, and none of the row below": lambda f: _cut(
        f, (-2, -2, 4, -3), (1, 2, 3, 4)
    ),
    "order in the block: bottom left comes before top right; count along the row first": lambda f: _cut(
        f, (-2, 2, -2, 2, -3), (1, 3, 4, 2, 5)
    ),
    "channels apart: first all four values of channel 0, then of channel 1; keep each patch together": (
        lambda f: _cut(f, (-2, 2, -2, 2, -3), (1, 3, 5, 2, 4))
    ),
    "rows and columns of tokens are swapped: the tile lies on its side": lambda f: _cut(
        f, (-2, 2, -2, 2, -3), (3, 1, 2, 4, 5)
    ),
    "rows and columns are swapped, of tokens and within the block": lambda f: _cut(
        f, (-2, 2, -2, 2, -3), (3, 1, 4, 2, 5)
    ),
    "half a tile apart: the four patches of a token are not neighbors; the 2 belongs behind the half": (
        lambda f: _cut(f, (2, -2, 2, -2, -3), (2, 4, 1, 3, 5))
    ),
    "no permute: the right reshape, but rows of patches still follow each other": lambda f: _cut(
        f, (-2, 2, -2, 2, -3), (1, 2, 3, 4, 5)
    ),
    "columns, not blocks: four patches below each other": lambda f: _cut(
        _on_its_side(f), (-2, -2, 4, -3), (1, 2, 3, 4)
    ),
}


@check_of("03.2", "Merge 2×2", "lab.checks.merge_2x2(my_merge)")
@exercise
def merge_2x2(function: Callable[[torch.Tensor], torch.Tensor]) -> Verdict:
    """Check exercise 03.2: `function(features)`, (n, patches², C) → (n, patches/2, patches/2, 4C)."""
    sides = (2, 4, 6, 24)
    for side in sides:
        features = coded_features(side)
        shown = f"{side}×{side} patches, features of shape {tuple(features.shape)},"
        answer = ask(function, features, shown=shown)
        if not isinstance(answer, torch.Tensor):
            return Verdict(False, f"A tensor is wanted, and yours is of type {type(answer).__name__}.")
        if answer.shape != right_merge(features).shape:
            return _about_the_shape(answer, features, shown)
        if not _equal(answer, right_merge(features)):
            return _about_the_pattern(function, answer, side)
    return Verdict(True, f"Every channel of every token is in its place, for {len(sides)} sizes of tile.")


def _equal(answer: Any, right: torch.Tensor) -> bool:
    """Return whether shape and values are equal, with any dtype."""
    given = as_array(answer)
    return given is not None and given.shape == right.shape and bool((given == right.numpy()).all())


def _about_the_shape(answer: torch.Tensor, features: torch.Tensor, shown: str) -> Verdict:
    wanted = right_merge(features)
    said = f"With {shown} the tokens should be {tuple(wanted.shape)}, and yours are {tuple(answer.shape)}"
    if answer.numel() == wanted.numel() and _equal(answer.reshape(wanted.shape), wanted):
        return not_yet(said, "the values are right, only the rows and columns are not kept as axes")
    if answer.shape == (*wanted.shape[:3], features.shape[2]):
        return not_yet(said, "the four patches are averaged or picked, not stacked")
    return not_yet(said)


def _about_the_pattern(
    function: Callable[[torch.Tensor], torch.Tensor], answer: torch.Tensor, side: int
) -> Verdict:
    """Return the smallest counter-example, and the name of the order where its pattern is known."""
    features = coded_features(side)
    wanted = right_merge(features)
    position = (wanted != answer).any(-1).nonzero()[0].tolist()
    got, right = (_patches_in(tokens[tuple(position)], features.shape[2]) for tokens in (answer, wanted))
    where = f"tile {position[0]}, row {position[1]}, column {position[2]}"
    said = f"On {side}×{side} patches the token at {where} should hold {right}, and yours holds {got}"
    clear = coded_features(8)  # large enough for all the patterns to differ
    pattern = ask(function, clear, shown="8×8 patches")
    for slip, wrong in _MERGE_SLIPS.items():
        if _equal(pattern, wrong(clear)):
            return not_yet(said, slip)
    return not_yet(said)


def _patches_in(token: torch.Tensor, channels: int) -> str:
    """Return the content of a coded token: (row, column) of the first patch of each group of channels."""
    starts = token[::channels].tolist()
    if not all(code == code // 1 and 0 <= code < 2e5 for code in starts):
        return f"no values of the input ({told(starts)})"
    return "patches " + ", ".join(f"({int(code) // 1000 % 100}, {int(code) // 10 % 100})" for code in starts)


# --------------------------------------------------------------------------- 03.3 token to box

BOX_GRIDS = ((1, 1), (1, 2), (2, 1), (4, 1), (3, 4))  # rows, cols; the smallest first
_Box = tuple[int, int, int, int] | None
_BoxOf = Callable[[HDGrid, int], _Box]


def _square(row: int, col: int) -> _Box:
    return col * 28, row * 28, col * 28 + 28, row * 28 + 28


def _right_box(grid: HDGrid, index: int) -> _Box:
    box = padded_box_of_token(grid, index)
    return None if box is None else (box.left, box.top, box.right, box.bottom)


def _changed(change: Callable[[int, int, int, int], _Box]) -> _BoxOf:
    """Return a wrong box function: the right one with one mistake."""

    def box(grid: HDGrid, index: int) -> _Box:
        right = _right_box(grid, index)
        return None if right is None else change(*right)

    return box


def _row_by_row(grid: HDGrid, index: int) -> _Box:
    return _square(*divmod(index, grid.cols * 12))


def _crop_by_crop(width: int) -> _BoxOf:
    """Crop after crop, each with rows of `width` tokens: 12, or 13 with a separator."""

    def box(grid: HDGrid, index: int) -> _Box:
        crop, position = divmod(index, 12 * width)
        row, col = divmod(position, width)
        return None if col == 12 else _square(crop // grid.cols * 12 + row, crop % grid.cols * 12 + col)

    return box


def _separators_too(grid: HDGrid, index: int) -> _Box:
    return _square(*divmod(index, grid.cols * 12 + 1))


def _small_global(grid: HDGrid, index: int) -> _Box:
    token = token_at(grid, index)
    return _square(token.row, token.col) if token.kind is TokenKind.GLOBAL else None


def _within_the_crop(grid: HDGrid, index: int) -> _Box:
    token = token_at(grid, index)
    return _square(token.row % 12, token.col % 12) if token.kind is TokenKind.CROP else None


_CROP_BY_CROP = "crop after crop: but a row of tokens runs through all crops side by side"
_BOX_SLIPS: tuple[tuple[str, _BoxOf], ...] = (
    ("a row separator gets a box: it represents no pixels, so None", _separators_too),
    ("the row length forgets the separator: a row of tokens is cols · 12 + 1 long", _row_by_row),
    (_CROP_BY_CROP, _crop_by_crop(13)),
    (_CROP_BY_CROP, _crop_by_crop(12)),
    ("counted from the crop's own corner: add the crop's place in the picture", _within_the_crop),
    ("global view at its own size: each of its tokens covers cols · 28 by rows · 28 pixels", _small_global),
    (
        "x and y are swapped: left and right come from the column",
        _changed(lambda x, y, right, bottom: (y, x, bottom, right)),
    ),
    (
        "patches, not tokens: a token is two patches wide, so 28 pixels",
        _changed(lambda *edges: tuple(edge // 2 for edge in edges)),
    ),
    (
        "one pixel short: right and bottom are the first pixel behind the box",
        _changed(lambda x, y, right, bottom: (x, y, right - 1, bottom - 1)),
    ),
    (
        "width and height instead of right and bottom",
        _changed(lambda x, y, right, bottom: (x, y, right - x, bottom - y)),
    ),
)


@check_of("03.3", "From a token to its box", "lab.checks.token_to_box(my_token_to_box)")
@exercise
def token_to_box(function: Callable[[int, int, int], _Box]) -> Verdict:
    """Check exercise 03.3: `function(index, rows, cols)`, (left, top, right, bottom) in the padded picture.

    None for separators; the crops come first ("sub_glb"). Every token of five grids.
    """
    grids = [hd_grid(cols * 336, rows * 336, num_crops=rows * cols) for rows, cols in BOX_GRIDS]
    answers = [_ask_boxes(function, grid) for grid in grids]
    if all(box is None for boxes in answers for box in boxes):
        if does_nothing(function):
            raise Unanswered
        raise Refused("Your function returned None for every token: a `return` is missing or not reached.")
    for grid, boxes in zip(grids, answers, strict=True):
        for index, box in enumerate(boxes):
            right = _right_box(grid, index)
            if box != right:
                kind = token_at(grid, index).kind
                said = f"With {grid.rows}×{grid.cols} crops, token {index} ({kind}) has {right}"
                return not_yet(f"{said}, yours {told(box)}", _name_the_slip(grids, answers, kind))
    total = sum(grid.num_image_tokens for grid in grids)
    return Verdict(True, f"All {total} tokens of {len(grids)} grids find their pixels; separators have none.")


def _ask_boxes(function: Callable[[int, int, int], _Box], grid: HDGrid) -> list[Any]:
    boxes = []
    for index in range(grid.num_image_tokens):
        shown = f"index={index}, rows={grid.rows}, cols={grid.cols}"
        boxes.append(_box(ask(function, index, grid.rows, grid.cols, shown=shown, none_is_an_answer=True)))
    return boxes


def _box(answer: Any) -> Any:
    """Return four whole numbers of any type as a tuple, and anything else as a _NoBox."""
    if answer is None:
        return None
    edges = as_array(answer)
    if edges is None or edges.shape != (4,) or not (edges == edges // 1).all():
        return _NoBox(answer)
    return tuple(map(int, edges))


class _NoBox:
    """An answer that is neither four whole numbers nor None; it equals nothing and prints unchanged."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __repr__(self) -> str:
        return told(self.answer)


def _name_the_slip(grids: list[HDGrid], answers: list[list[Any]], kind: TokenKind) -> str | None:
    """Return the mistake that explains all answers in the view of the first wrong one; None if none does."""
    for slip, wrong in _BOX_SLIPS:
        agrees = True
        for grid, boxes in zip(grids, answers, strict=True):
            crop_tokens = grid.rows * grid.cols * 144  # a slip may end early, so no further than this
            crops_end = grid.rows * 12 * (grid.cols * 12 + 1)
            indices = range(crops_end + 1, len(boxes)) if kind is TokenKind.GLOBAL else range(crop_tokens)
            agrees = agrees and all(boxes[index] == wrong(grid, index) for index in indices)
        if agrees:
            return slip
    return None
