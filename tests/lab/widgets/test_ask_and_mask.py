"""The instrument of notebook 09: its state without a browser, what it hides, its still picture."""

import json

import numpy as np
import pytest
from PIL import Image

from phi3lib import load_phi3_model
from phi3lib.lab.widgets.ask_and_mask import (
    COUNT,
    EVERYTHING,
    HIDDEN,
    LOOKED_AT,
    NOTHING,
    RANDOM,
    REGIONS,
    AskAndMask,
    AskState,
)
from phi3lib.vision.answers import answer
from phi3lib.vision.evidence import answers_without
from phi3lib.vision.token_map import pixels_of_token
from picturebook.scenes import draw_scene
from tests.hostile_strings import HOSTILE

QUESTION = "Which colour is the slice of pizza?"


@pytest.fixture(scope="module")
def phi3():
    return load_phi3_model(language_model=True)


@pytest.fixture(scope="module")
def scene():
    return draw_scene(20_011, split="test", style="things", tile=112).image


def test_what_is_hidden(phi3, scene):
    state = AskState(phi3, scene, QUESTION, layer=2, head=0)
    columns, weights = list(state.asked().pictures[0].columns), state.weights()
    expected = {NOTHING: 0, LOOKED_AT: COUNT, RANDOM: COUNT, EVERYTHING: len(columns)}
    for name in HIDDEN:
        state.hidden = name
        hidden = state.hidden_columns()
        assert len(set(hidden)) == len(hidden) == expected.get(name, len(hidden)) and set(hidden) <= set(
            columns
        )
        if name == LOOKED_AT:
            assert min(weights[hidden]) >= max(np.delete(weights, hidden)[columns[0] : -1].min(), 0)
            assert sum(weights[hidden]) == pytest.approx(np.sort(weights[columns])[-COUNT:].sum(), abs=1e-6)
        if name in REGIONS:
            across, down = "right" in name, "bottom" in name
            for column in hidden:
                seen = pixels_of_token(state.asked().pictures[0].grid, column - columns[0])
                assert seen.right > 112 if across else seen.left < 112
                assert seen.bottom > 112 if down else seen.top < 112


def test_the_answers_are_those_of_the_model(phi3, scene):
    state = AskState(phi3, scene, QUESTION, hidden=EVERYTHING)
    assert state.trace().text == answer(phi3, [scene], QUESTION)[0]
    assert state.answer_when_hidden() == answers_without(phi3, state.asked(), [state.hidden_columns()])[0]
    assert "all visual tokens" in state.sentence()
    state.hidden = NOTHING
    assert state.answer_when_hidden() == state.trace().text and "hidden" not in state.sentence()


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (500, 3)])
def test_every_quarter_of_a_tiny_picture_can_be_hidden(phi3, size):
    state = AskState(phi3, Image.new("RGB", size, "red"), "What is it?")
    for region in REGIONS:
        state.hidden = region
        assert state.hidden_columns()


def test_a_choice_on_the_page_reaches_the_state(phi3, scene):
    panel = AskAndMask(phi3, scene, QUESTION)
    panel.choose(layer=2, head=1, hidden=EVERYTHING, crops="blurred", word=11)
    assert (panel.state.layer, panel.state.head, panel.state.crops) == (2, 1, "blurred")
    assert "layer 2, head 1" in panel.live().sentence and "all visual tokens" in panel.live().sentence
    panel.choose(question="What is in the top left corner?")
    assert "What is in the top left corner?" in panel.still().alt


@pytest.mark.parametrize("question", ["   ", "<|image_2|>"])
def test_an_impossible_question_changes_nothing(phi3, scene, question):
    panel = AskAndMask(phi3, scene, QUESTION)
    before = panel.still().alt
    panel.choose(question=question, hidden=EVERYTHING)
    assert panel.live().sentence.startswith("Not applied: ")
    assert panel.still().alt == before


def test_any_text_can_be_asked_and_shown(phi3, scene):
    panel = AskAndMask(phi3, scene, QUESTION)
    panel.choose(question=" ".join(HOSTILE)[:200])
    json.dumps(panel.live().get_state(["picture", "sentence"])).encode("utf-8")
    assert panel.still().png.startswith(b"\x89PNG")


def test_unknown_names_are_refused(phi3, scene):
    with pytest.raises(ValueError, match="hidden is 'half'"):
        AskState(phi3, scene, QUESTION, hidden="half")
    with pytest.raises(ValueError, match="no crops 'soft'"):
        AskState(phi3, scene, QUESTION, crops="soft")
