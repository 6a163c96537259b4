"""Notebook 00's hand-made embedding, its figures, its picker, and the cell for trained models."""

import re

import numpy as np
import pytest
from PIL import Image

from phi3lib import lab
from phi3lib.lab.lessons import first_embedding as fe
from phi3lib.lab.lessons.picker import PickerState
from phi3lib.lab.lessons.take_home import hd_pieces
from phi3lib.lab.lessons.trained import show_trained
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint


@pytest.fixture(scope="module")
def tiles():
    return fe.photo_tiles()


@pytest.fixture(scope="module")
def vectors(tiles):
    raw = np.stack([fe.mean_colors(tile.picture) for tile in tiles])
    return fe.to_unit_length(raw - raw.mean(axis=0))


def test_tiles_cover_both_photographs_row_by_row(tiles):
    assert [tile.number for tile in tiles] == list(range(24))
    assert [tile.photo for tile in tiles[::12]] == ["china", "flower"]
    photo = lab.photograph("china")
    assert tiles[5].picture.getpixel((0, 0)) == photo.getpixel((160, 142))


def test_mean_colors_are_means():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    means = pixels.reshape(4, 2, 4, 3, 3).mean(axis=(1, 3)) / 255
    assert np.allclose(fe.mean_colors(Image.fromarray(pixels)), means.reshape(-1), atol=1.01 / 255)


def test_unit_length():
    assert np.allclose(fe.to_unit_length([[3.0, 4.0], [0.0, 0.0]]), [[0.6, 0.8], [0.0, 0.0]])


def test_neighbors_leave_the_query_out_and_break_ties_by_number():
    rows = fe.to_unit_length([[1, 0], [1, 1], [1, 1], [0, 1]])
    assert fe.order_of_neighbors(rows, 0) == [1, 2, 3]


@pytest.mark.parametrize(
    ("guess", "said"),
    [
        (..., "No guess yet"),
        (None, "No guess yet"),
        (18, "the query itself"),
        (22, "the nearest too"),
        (17, "yours is number 2 of 23"),
        (99, "There is no tile 99"),
        ("17", "There is no tile '17'"),
        (True, "There is no tile True"),
    ],
)
def test_a_guess_is_compared_and_not_scored(vectors, guess, said):
    assert said in fe.compare_guess(guess, vectors, 18)


def test_details_do_not_enter_the_vector_and_places_do(tiles):
    forms = fe.changed(tiles[18].picture)
    vectors = {name: fe.mean_colors(form) for name, form in forms.items()}
    for name in ("16 colours", "stirred"):
        assert np.allclose(vectors[name], vectors["as it is"], atol=2 / 255)
    assert np.abs(vectors["mirrored"] - vectors["as it is"]).max() > 0.2
    assert np.array_equal(
        np.asarray(fe.shuffled(tiles[3].picture)), np.asarray(fe.shuffled(tiles[3].picture))
    )


def test_the_pieces_of_the_take_home_picture():
    grid, crops, whole = hd_pieces(lab.photograph("china"))
    assert (grid.rows, grid.cols) == (2, 2)
    assert [crop.size for crop in crops] == [(336, 336)] * 4
    assert whole.size == (336, 336)


def test_figures_carry_their_alternative_text_and_are_no_wider_than_a_page(
    tiles, vectors, capsys, monkeypatch
):
    shown = []
    monkeypatch.setattr(lab.plots, "display_still", shown.append)
    photo = lab.photograph("flower")
    lab.take_home.show_take_home(photo, vectors[0], tiles[:4], [0.1] * 4)
    fe.show_vector(tiles[0].picture, fe.mean_colors(tiles[0].picture))
    fe.show_tiles(tiles)
    road, vector, every = (still.alt for still in shown)
    assert "4 crops in 2 rows" in road and road.endswith(
        "its nearest tiles, the most similar first: 0, 1, 2, 3."
    )
    assert "48 bars" in vector and re.search(
        r"The highest bars are (red|green|blue) in row \d, column \d;", vector
    )
    assert every == fe.TILES_IN_WORDS
    assert all(still.size[0] <= 800 for still in shown)


def test_the_highest_bars_are_named_with_their_cells():
    vector = np.zeros(48)
    vector[[3 * 5 + 2, 3 * 10]] = 0.9, 0.8
    assert "The highest bars are blue in row 2, column 2; red in row 3, column 3." in fe.vector_in_words(
        vector, 2
    )


def test_the_picker_s_state_says_what_its_picture_shows(tiles, vectors):
    state = PickerState(tiles, vectors, chosen=18, neighbors=3)
    assert [tile.number for tile, _ in state.nearest()] == [22, 17, 4]
    assert state.sentence().startswith("Tile 18; nearest tiles, with their cosines: 22 (0.")
    with pytest.raises(ValueError, match="numbered 0 to 23"):
        state.choose(24)
    with pytest.raises(ValueError, match="24 tiles but 2 vectors"):
        PickerState(tiles, vectors[:2])


def test_the_picker_has_a_labeled_control_and_a_still_picture(tiles, vectors):
    picker = lab.NeighborPicker(tiles, vectors, chosen=18)
    page = picker.live()
    assert [control["label"] for control in page.controls] == ["Look at"]
    before = page.picture
    picker.choose(tile=3)
    assert picker.state.chosen == 3 and page.picture != before
    assert page.sentence == picker.state.sentence() == picker.still().alt
    assert "text/html" in picker._repr_mimebundle_()


def test_without_trained_models_a_sentence_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("phi3lib.lab.lessons.trained.trained_models", dict)
    show_trained(lab.photograph("china"))
    assert "No trained model is on this machine" in capsys.readouterr().out


def test_trained_models_answer_where_they_are(monkeypatch, capsys, tmp_path):
    make_clip_checkpoint(tmp_path / "clip-small")
    make_phi3_checkpoint(tmp_path / "phi3-vision-small", tokenizer=True)
    monkeypatch.setenv("PHI3LIB_MODELS", str(tmp_path))
    show_trained(lab.photograph("china"), max_words=2)
    text = capsys.readouterr().out
    assert "CLIP turns the picture into a vector of 8 numbers." in text
    assert "Phi-3-vision says:" in text


@pytest.mark.parametrize("kind", [np.int64, float, np.array])
def test_a_guess_of_any_type_is_read(kind):
    vectors = fe.to_unit_length(np.random.default_rng(0).normal(size=(6, 4)))
    assert fe.compare_guess(kind(3), vectors, 0) == fe.compare_guess(3, vectors, 0)
    assert "itself" in fe.compare_guess(kind(0), vectors, 0)


@pytest.mark.parametrize("guess", [np.zeros(3), [1, 2], float("nan"), {"a": 1}, "18", np.True_, 1.5])
def test_a_guess_that_is_no_tile_is_told(guess):
    vectors = fe.to_unit_length(np.random.default_rng(0).normal(size=(6, 4)))
    assert "There is no tile" in fe.compare_guess(guess, vectors, 0)
