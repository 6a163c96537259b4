"""The HD transform's geometry in JavaScript equals Python's: all grids, many sizes, every token, exact."""

import json

import pytest

from phi3lib.lab.figures import hd_plots
from phi3lib.lab.widgets.grid_explorer import SIDES, GridState
from phi3lib.lab.widgets.microscope import MicroscopeState
from phi3lib.vision.hd_transform import ORDERS, hd_grid
from phi3lib.vision.token_map import padded_box_of_token, pixels_of_token, token_at, tokens_at_pixel
from tests.javascript import computed, needs_javascript

pytestmark = needs_javascript

SHAPES = [(rows, cols) for rows in range(1, 17) for cols in range(1, 17) if rows * cols <= 16]
GRIDS = [(cols * 336 - 5, rows * 336 - 3) for rows, cols in SHAPES]  # pictures that lead to all of them
ODD_SIZES = [(1, 1), (1, 16), (16, 1), (337, 335), (640, 427), (999, 1000), (4000, 3000), (12_345, 6_789)]


def grid_numbers(grid):
    return [grid.rows, grid.cols, *grid.resized_size, *grid.padding, grid.num_image_tokens]


GRID_NUMBERS = (
    "const numbers = (g) => [g.rows, g.cols, ...g.resized, ...g.padding, countTokens(g)];"
    "return given.map(([w, h, crops]) => numbers(hdGrid(w, h, crops)));"
)


def test_grids_are_equal_for_a_sweep_of_sizes_and_all_numbers_of_crops():
    sides = [*SIDES[::3], *range(1, 60, 7), 333, 336, 337, 671, 672, 673, 1999]
    sizes = [(w, h) for w in sides for h in sides if max(w, h) < 20 * min(w, h)]
    given = [[w, h, crops] for w, h in sizes for crops in (1, 2, 3, 4, 5, 9, 16)]
    given += [[w, h, crops] for w, h in GRIDS for crops in range(1, 17)]
    given = [case for case in given if max(case[:2]) < 300 * min(case[:2])]
    expected = [grid_numbers(hd_grid(*case)) for case in given]
    assert computed(GRID_NUMBERS, given) == expected


def test_every_grid_of_at_most_16_crops_is_among_the_tested_ones():
    found = {(grid.rows, grid.cols) for w, h in GRIDS for n in range(1, 17) if (grid := hd_grid(w, h, n))}
    assert set(SHAPES) <= found


@pytest.mark.parametrize("order", ORDERS)
def test_every_token_of_every_grid_has_the_same_kind_place_and_pixels(order):
    shapes = {
        (grid.rows, grid.cols): grid for w, h in GRIDS for n in range(1, 17) if (grid := hd_grid(w, h, n))
    }
    shapes |= {size: hd_grid(*size, 6) for size in ODD_SIZES}
    given = [[grid.width, grid.height, grid.num_crops] for grid in shapes.values()]
    code = (
        "return given.cases.map(([w, h, crops]) => { const g = hdGrid(w, h, crops), all = [];"
        "for (let n = 0; n < countTokens(g); n += 1) { const t = tokenAt(g, n, given.order);"
        "const boxes = [paddedBox(g, n, given.order), pixelsOf(g, n, given.order)];"
        "all.push([t.kind, t.view, t.row, t.col, t.crop, ...boxes]); }"
        "return JSON.stringify(all); });"
    )
    found = computed(code, {"cases": given, "order": order})
    for grid, text in zip(shapes.values(), found, strict=True):
        assert text == every_token(grid, order), (grid.width, grid.height, grid.num_crops)


def every_token(grid, order):
    """All tokens of a grid, as JavaScript writes them."""
    lines = []
    for index in range(grid.num_image_tokens):
        token = token_at(grid, index, order)
        boxes = (padded_box_of_token(grid, index, order), pixels_of_token(grid, index, order))
        lines.append([token.kind, token.view, token.row, token.col, token.crop, *boxes])
    return json.dumps(lines, separators=(",", ":"))


@pytest.mark.parametrize("order", ORDERS)
def test_the_tokens_of_a_pixel_are_equal(order):
    cases = []
    for w, h in [(640, 427), (427, 640), (3, 5), (1000, 90), (2000, 1999), (336, 336)]:
        grid = hd_grid(w, h, 16)
        places = [(x, y) for x in range(0, w, max(w // 13, 1)) for y in range(0, h, max(h // 11, 1))]
        cases += [(grid, x, y) for x, y in [*places, (w - 1, h - 1)]]
    given = [[grid.width, grid.height, x, y] for grid, x, y in cases]
    code = "return given.cases.map(([w, h, x, y]) => tokensAt(hdGrid(w, h, 16), x, y, given.order));"
    expected = [list(tokens_at_pixel(grid, x, y, order)) for grid, x, y in cases]
    assert computed(code, {"cases": given, "order": order}) == expected


def test_extreme_and_impossible_sizes_are_refused_with_the_same_words():
    cases = [(100_000, 1, 16), (1, 100_000, 3), (0, 5, 16), (5, 0, 16), (5, 5, 0), (12_001, 2, 1)]
    code = (
        "return given.map((c) => { try { return hdGrid(...c); } catch (error) { return error.message; } });"
    )
    expected = []
    for case in cases:
        with pytest.raises(ValueError, match=r"too extreme|at least 1") as refused:
            hd_grid(*case)
        expected.append(str(refused.value))
    assert computed(code, cases) == expected


def test_the_explorers_sentence_and_bill_are_equal():
    cases = [[w, h, n] for w in SIDES[::9] for h in SIDES[::11] for n in (1, 4, 12, 16)]
    code = "return given.map((c) => gridSentence(hdGrid(...c)));"
    assert computed(code, cases) == [GridState(*case).sentence() for case in cases]
    few = cases[::53]
    bills = computed("return given.map((c) => Object.entries(tokenBill(hdGrid(...c))));", few)
    expected = [hd_plots.token_bill(hd_grid(*case)) for case in few]
    assert bills == [[[str(kind), count] for kind, count in bill.items()] for bill in expected]


@pytest.mark.parametrize(
    ("size", "order"), [((640, 427), "sub_glb"), ((200, 900), "glb_sub"), ((50, 50), "sub_glb")]
)
def test_a_walk_with_the_microscope_says_the_same(size, order):
    grid = hd_grid(*size, 16)
    state = MicroscopeState(grid, order, 7)
    last = grid.num_image_tokens - 1
    steps = [
        ("go", 0),
        ("move", 1),
        ("row", 1),
        ("row", 12),
        ("move", -3),
        ("row", -1),
        ("go", last),
        ("move", 5),
    ]
    steps += [("go", n) for n in range(0, last, 37)] + [("row", -12), ("row", -500), ("look", [0, 0])] * 2
    steps += [("look", [size[0] - 1, size[1] - 1])] * 3 + [("look", [size[0] // 2, size[1] // 3])] * 5
    moves = {
        "go": state.go_to,
        "move": state.move,
        "row": state.move_row,
        "look": lambda place: state.look_at(*place),
    }
    expected = []
    for what, value in steps:
        moves[what](value)
        expected.append(state.sentence())
    code = (
        "const state = new TokenState(hdGrid(...given.size, 16), given.order, 7);"
        "return given.steps.map(([what, value]) => {"
        "state.answer({ do: what, value }); return state.sentence(); });"
    )
    assert computed(code, {"size": size, "order": order, "steps": steps}) == expected
