"""The checks of notebook 03 accept the solutions and refuse wrong answers by name."""

import pytest

from phi3lib.lab import checks
from phi3lib.lab.checks.nb03 import all_grids, count_by_hand
from phi3lib.vision.hd_transform import count_image_tokens, hd_grid, merge_2x2
from phi3lib.vision.token_map import padded_box_of_token, token_at

CHECKS = [checks.token_count, checks.merge_2x2, checks.token_to_box]


def not_implemented(*_):
    raise NotImplementedError


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ..., not_implemented])
def test_an_unanswered_exercise_is_no_mistake(check, stub):
    verdict = check(stub)
    assert verdict.right is None
    assert repr(verdict).startswith("… Not answered yet.")


@pytest.mark.parametrize("check", CHECKS)
def test_an_error_in_the_answer_becomes_a_sentence(check):
    def broken(*_):
        raise TypeError("unsupported thing")

    verdict = check(broken)
    assert verdict.right is False
    assert "stops: TypeError: unsupported thing" in repr(verdict)


@pytest.mark.parametrize("check", CHECKS)
def test_a_value_in_place_of_the_function_is_named(check):
    assert "Pass the function itself" in repr(check(313))


# ------------------------------------------------------------------------------ token count


def test_counting_by_hand_agrees_with_the_package():
    assert all(count_by_hand(*shape) == count_image_tokens(*shape) for shape in all_grids())


def test_the_right_count_is_accepted():
    verdict = checks.token_count(lambda rows, cols: (rows * cols + 1) * 144 + 1 + (rows + 1) * 12)
    assert verdict.right is True
    assert "all 50 grids" in repr(verdict)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda h, w: h * w * 144 + 1 + h * 12, "global view is missing"),
        (lambda h, w: (h * w + 1) * 144, "no separators"),
        (lambda h, w: (h * w + 1) * 144 + 1, "no row separators"),
        (lambda h, w: (h * w + 1) * 144 + (h + 1) * 12, "view separator"),
        (lambda h, w: (h * w + 1) * 144 + 1 + h * 12, "row separators of the global view"),
        (lambda h, w: (h * w + 1) * 144 + 1 + (h * w + 1) * 12, "for each crop"),
        (lambda h, w: (h * w + 1) * 144 + 1 + (w + 1) * 12, "rows and columns are swapped"),
        (lambda h, w: (h * w + 1) * 144 + h + 2, "each of its 12 rows"),
        (lambda h, w: (h * w + 1) * 576 + 1 + (h + 1) * 24, "patches are counted"),
    ],
)
def test_a_wrong_count_is_named_with_the_smallest_counter_example(wrong, named):
    verdict = checks.token_count(wrong)
    assert verdict.right is False
    assert named in verdict.sentence
    smallest = next(shape for shape in all_grids() if wrong(*shape) != count_image_tokens(*shape))
    assert f"For {smallest[0]}×{smallest[1]} crops" in verdict.sentence


def test_an_unknown_wrong_count_still_gets_its_counter_example():
    verdict = checks.token_count(lambda h, w: 313 if (h, w) == (1, 1) else 7)
    assert verdict.sentence == "For 1×2 crops you have 7, and there are 457."


# ------------------------------------------------------------------------------- merge 2×2


def split(features):
    n, patches, channels = features.shape
    half = int(patches**0.5) // 2
    return features.reshape(n, half, 2, half, 2, channels), (n, half, half, 4 * channels)


def plain_reshape(features):
    return features.reshape(split(features)[1])


def block_transposed(features):
    blocks, shape = split(features)
    return blocks.permute(0, 1, 3, 4, 2, 5).reshape(shape)


def channels_first(features):
    blocks, shape = split(features)
    return blocks.permute(0, 1, 3, 5, 2, 4).reshape(shape)


def tile_on_its_side(features):
    blocks, shape = split(features)
    return blocks.permute(0, 3, 1, 2, 4, 5).reshape(shape)


def all_transposed(features):
    blocks, shape = split(features)
    return blocks.permute(0, 3, 1, 4, 2, 5).reshape(shape)


def far_apart(features):
    n, patches, channels = features.shape
    half = int(patches**0.5) // 2
    blocks = features.reshape(n, 2, half, 2, half, channels).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(n, half, half, 4 * channels)


def columns_of_four(features):
    n, patches, channels = features.shape
    side = int(patches**0.5)
    whole = features.reshape(n, side, side, channels).transpose(1, 2)
    return whole.reshape(n, side // 2, side // 2, 4 * channels)


def test_the_right_merge_is_accepted():
    assert checks.merge_2x2(merge_2x2).right is True


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (plain_reshape, "plain reshape"),
        (block_transposed, "bottom left comes before top right"),
        (channels_first, "channels apart"),
        (tile_on_its_side, "lies on its side"),
        (all_transposed, "of tokens and within the block"),
        (far_apart, "half a tile apart"),
        (columns_of_four, "columns, not blocks"),
        (lambda f: merge_2x2(f).flatten(1, 2), "rows and columns are not kept"),
        (lambda f: split(f)[0].float().mean((2, 4)), "averaged"),
        (lambda f: merge_2x2(f)[:1], "tokens should be (2, 1, 1, 12)"),
        (
            lambda f: merge_2x2(f).flip(1),
            "token at tile 0, row 0, column 0 should hold patches (0, 0), (0, 1)",
        ),
        (lambda f: merge_2x2(f).numpy(), "A tensor is wanted"),
        (lambda f: f.reshape(len(f), 12, 2, 12, 2, -1), "With 2×2 patches"),
    ],
)
def test_a_wrong_merge_is_named(wrong, named):
    verdict = checks.merge_2x2(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def test_the_check_hands_out_copies():
    def spoils(features):
        features.zero_()
        return merge_2x2(features)

    assert checks.merge_2x2(spoils).right is False


# ---------------------------------------------------------------------------- token to box


def right_box(index, rows, cols):
    return padded_box_of_token(hd_grid(cols * 336, rows * 336, rows * cols), index)


def solution(index, rows, cols):
    """Written as a reader would write it."""
    crops_end = rows * 12 * (cols * 12 + 1)
    if index == crops_end:
        return None
    in_crops = index < crops_end
    width = cols * 12 if in_crops else 12
    row, col = divmod(index if in_crops else index - crops_end - 1, width + 1)
    if col == width:
        return None
    w, h = (28, 28) if in_crops else (28 * cols, 28 * rows)
    return col * w, row * h, col * w + w, row * h + h


def without_separators(index, rows, cols):
    if index >= rows * cols * 144:
        return None
    row, col = divmod(index, cols * 12)
    return col * 28, row * 28, col * 28 + 28, row * 28 + 28


def crop_after_crop(index, rows, cols):
    crop, place = divmod(index, 144)
    row, col = divmod(place, 12)
    if crop >= rows * cols:
        return None
    left, top = (crop % cols * 12 + col) * 28, (crop // cols * 12 + row) * 28
    return left, top, left + 28, top + 28


def boxes_for_separators(index, rows, cols):
    token = token_at(hd_grid(cols * 336, rows * 336, rows * cols), index)
    left, top = token.col * 28, token.row * 28
    return left, top, left + 28, top + 28


def in_its_own_crop(index, rows, cols):
    box = right_box(index, rows, cols)
    return box and (box[0] % 336, box[1] % 336, box[0] % 336 + 28, box[1] % 336 + 28)


def global_view_too_small(index, rows, cols):
    if index <= rows * 12 * (cols * 12 + 1):
        return right_box(index, rows, cols)
    row, col = divmod(index - rows * 12 * (cols * 12 + 1) - 1, 13)
    return None if col == 12 else (col * 28, row * 28, col * 28 + 28, row * 28 + 28)


def changed(change):
    return lambda *place: change(*box) if (box := right_box(*place)) else None


@pytest.mark.parametrize("right", [right_box, solution, lambda *place: list(solution(*place) or []) or None])
def test_the_right_box_is_accepted(right):
    assert checks.token_to_box(right).right is True


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (without_separators, "row length forgets the separator"),
        (crop_after_crop, "crop after crop"),
        (boxes_for_separators, "separator gets a box"),
        (in_its_own_crop, "crop's own corner"),
        (global_view_too_small, "global view at its own size"),
        (changed(lambda l, t, r, b: (t, l, b, r)), "x and y are swapped"),  # noqa: E741
        (changed(lambda l, t, r, b: (l // 2, t // 2, r // 2, b // 2)), "patches, not tokens"),  # noqa: E741
        (changed(lambda l, t, r, b: (l, t, r - 1, b - 1)), "one pixel short"),  # noqa: E741
        (changed(lambda l, t, r, b: (l, t, r - l, b - t)), "width and height"),  # noqa: E741
        (lambda *place: (0, 0, 28, 28), "With 1×1 crops, token 1 (crop) has (28, 0, 56, 28), yours (0, 0"),
    ],
)
def test_a_wrong_box_is_named(wrong, named):
    verdict = checks.token_to_box(wrong)
    assert verdict.right is False
    assert named in verdict.sentence
