"""The temperature board: its state without a browser, and its still picture."""

import numpy as np
import pytest
from PIL import Image

from phi3lib.lab.widgets.temperature import SCALES, TemperatureBoard, TemperatureState


@pytest.fixture
def state() -> TemperatureState:
    words = {"red": [1.0, 0.0], "blue": [0.0, 1.0], "both": [1.0, 1.0]}
    return TemperatureState(
        [[2.0, 0.0], [0.0, 3.0]], list(words), lambda texts: [words[t] for t in texts], 10.0
    )


def test_probabilities_are_the_softmax_of_scaled_cosines(state):
    assert np.allclose(state.cosines(), [1, 0, np.sqrt(0.5)])
    powers = np.exp(10 * state.cosines())
    assert np.allclose(state.probabilities(), powers / powers.sum())


def test_a_larger_scale_is_more_decided(state):
    entropies = []
    for state.scale in (0.01, 1, 10, 100):
        entropies.append(state.entropy())
    assert entropies == sorted(entropies, reverse=True)
    assert entropies[0] == pytest.approx(np.log2(3), abs=1e-3)
    assert entropies[-1] == pytest.approx(0, abs=1e-6)


def test_empty_and_repeated_captions_are_left_out(state):
    state.write(["red", " ", "red ", "blue"])
    assert state.captions == ["red", "blue"]
    state.write(["", " "])
    assert state.captions == ["red", "blue"]


def test_the_sentence_names_the_best_caption(state):
    assert "Picture 0, scale 10.0: “red”" in state.sentence()
    state.chosen = 1
    assert "“blue”" in state.sentence()


def test_the_board_follows_its_controls(tmp_path):
    from phi3lib import load_clip
    from tests.real_layout import make_clip_checkpoint

    make_clip_checkpoint(tmp_path)
    clip = load_clip(tmp_path)
    pictures = [Image.effect_noise((40, 40), 50).convert("RGB"), Image.new("RGB", (40, 40), "red")]
    board = TemperatureBoard(pictures, ["a cat", "a dog"], clip)
    widget = board.live()
    assert [control["kind"] for control in widget.controls] == ["choice", "slider", "text", "text", "text"]
    board.choose(picture=1, scale=SCALES[20], caption_1="a house")
    assert board.state.chosen == 1
    assert board.state.scale == SCALES[20]
    assert board.state.captions == ["a house", "a dog"]
    assert "entropy" in board.still().alt == widget.sentence
    assert board.live() is widget
    # Dollar signs, which figures read as formulas, and a caption longer than the figure.
    board.choose(caption_1="a $5 note and a $_^", caption_2="a very long caption " * 30)
    assert "a $5 note and a $_^" in board.state.captions
    assert widget.sentence == board.still().alt == board.state.sentence()


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"scale": 0.0}, "above zero"),
        ({"scale": float("nan")}, "above zero"),
        ({"chosen": 2}, "no picture 2"),
        ({"captions": [" "]}, "at least one caption"),
    ],
)
def test_odd_states_are_refused(odd, said):
    usual = {
        "vectors": [[2.0, 0.0], [0.0, 3.0]],
        "captions": ["red"],
        "encode": lambda t: [[1.0, 0.0]],
        "scale": 1.0,
    }
    with pytest.raises(ValueError, match=said):
        TemperatureState(**{**usual, **odd})


def test_captions_are_encoded_only_when_they_change():
    asked = []

    def encode(texts):
        asked.append(texts)
        return [[1.0, 0.0]] * len(texts)

    state = TemperatureState([[2.0, 0.0]], ["red"], encode, 10.0)
    state.write(["red", ""])
    state.write(["blue"])
    assert asked == [["red"], ["blue"]]
