"""The instruments' state, without a browser, and the output that carries widget and still picture."""

import pytest
from PIL import Image

from phi3lib.lab.figures.hd_plots import runs, token_bill
from phi3lib.lab.widgets import GridExplorer, GridState, MicroscopeState, TokenMicroscope
from phi3lib.vision.hd_transform import hd_grid
from phi3lib.vision.token_map import TokenKind, token_at, tokens_at_pixel

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def state() -> MicroscopeState:
    return MicroscopeState(hd_grid(640, 427, num_crops=16))


@pytest.fixture(scope="module")
def microscope() -> TokenMicroscope:
    return TokenMicroscope(Image.new("RGB", (640, 427), "teal"), index=5)


def test_moving_stops_at_both_ends(state):
    state.move(-1)
    assert state.index == 0
    state.go_to(10**6)
    assert state.index == state.grid.num_image_tokens - 1
    state.move(1)
    assert state.index == state.grid.num_image_tokens - 1


@pytest.mark.parametrize(("start", "view"), [(3, TokenKind.CROP), (1800, TokenKind.GLOBAL)])
def test_a_row_down_is_the_token_below(state, start, view):
    state.go_to(start)
    before = token_at(state.grid, state.index)
    state.move_row(1)
    after = token_at(state.grid, state.index)
    assert before.view is after.view is view
    assert (after.row, after.col) == (before.row + 1, before.col)


def test_looking_again_at_a_place_goes_through_all_its_tokens(state):
    wanted = tokens_at_pixel(state.grid, 300, 200)
    seen = []
    for _ in range(len(wanted) + 1):
        state.look_at(300, 200)
        seen.append(state.index)
    assert seen == [*wanted, wanted[0]]


def test_sentences_name_every_kind_of_token(state):
    said = {}
    for index in range(state.grid.num_image_tokens):
        state.go_to(index)
        said.setdefault(token_at(state.grid, index).kind, state.sentence())
    assert "crop 0" in said[TokenKind.CROP] and "global view" in said[TokenKind.GLOBAL]
    assert "row separator" in said[TokenKind.ROW_SEPARATOR]
    assert "view separator" in said[TokenKind.VIEW_SEPARATOR]
    state.go_to(0)
    assert state.sentence().endswith("It represents padding only.")


@pytest.mark.parametrize("order", ["sub_glb", "glb_sub"])
def test_the_runs_cover_the_sequence_once(order):
    grid = hd_grid(640, 427, num_crops=4)
    stretches = runs(grid, order)
    assert stretches[0][0] == 0
    assert [start + length for start, length, _ in stretches[:-1]] == [start for start, *_ in stretches[1:]]
    assert (
        sum(length for _, length, _ in stretches) == grid.num_image_tokens == sum(token_bill(grid).values())
    )


def test_the_grid_explorer_says_the_bill():
    assert "2509 tokens" in GridState(50, 50).sentence()
    assert "17" not in GridState(336, 336, 1).sentence() and "313 tokens" in GridState(336, 336, 1).sentence()


def test_requests_of_the_page_move_the_microscope(microscope):
    microscope.answer({"do": "go", "value": 40})
    microscope.answer({"do": "move", "value": 2})
    assert microscope.scene()["index"] == 42
    microscope.answer({"do": "look", "value": [-5, 3]})
    microscope.answer({"do": "look", "value": [3]})
    microscope.answer({"do": "look", "value": "ab"})
    microscope.answer({"do": "go", "value": None})
    microscope.answer({"do": "nonsense"})
    microscope.answer({})
    assert microscope.scene()["index"] == 42


@pytest.mark.parametrize("make", [lambda: TokenMicroscope(Image.new("RGB", (60, 40))), GridExplorer])
def test_one_output_carries_the_live_widget_and_its_still_twin(make):
    bundle = make()._repr_mimebundle_()
    assert VIEW in bundle
    assert 'alt="' in bundle["text/html"] and bundle["text/plain"].startswith("[picture] ")


def test_sliders_have_labels_and_change_the_words():
    explorer = GridExplorer(640, 427, 16)
    page = explorer.live()
    assert all(control["label"] for control in page.controls)
    before, drawn = page.sentence, page.picture
    explorer.choose(width=1600)
    assert page.sentence != before and page.picture != drawn


def test_the_size_of_a_large_photograph_stays_what_it_is():
    explorer = GridExplorer(4000, 3000)
    explorer.choose(num_crops=4)
    assert explorer.live().sentence == explorer.still().alt
    assert "4000 × 3000 pixels with at most 4 crops" in explorer.live().sentence


def test_a_size_without_a_grid_is_said_and_changes_nothing():
    explorer = GridExplorer(640, 427)
    page = explorer.live()
    drawn = page.picture
    with pytest.raises(ValueError, match="Width"):
        explorer.choose(width=-3)
    with pytest.raises(ValueError):
        explorer.take({"width": 0, "height": 427, "num_crops": 16})
    assert explorer.state.width == 640 and page.picture == drawn


def test_a_microscope_starts_within_the_sequence():
    assert TokenMicroscope(Image.new("RGB", (60, 40)), index=10**6).state.index < 10**4
