"""What an answer rests on: prompts with several pictures, attention, hidden tokens, the logit lens."""

import numpy as np
import pytest
import torch
from transformers import GenerationConfig

from phi3lib import load_phi3_model
from phi3lib.vision.answers import answer, answers_with_probabilities, prompt_of, question_inputs
from phi3lib.vision.evidence import (
    answers_without,
    log_probabilities,
    logit_lens,
    prepare_question,
    trace_answer,
)
from phi3lib.vision.token_map import TokenKind, indices_of_view, token_at, tokens_at_pixel, tokens_in_box
from picturebook.scenes import draw_scene

TILE = 112
QUESTION = "What is in the top right corner?"
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def phi3():
    return load_phi3_model(language_model=True)


@pytest.fixture(scope="module")
def scene():
    return draw_scene(20_011, split="test", style="things", tile=TILE).image


@pytest.fixture(scope="module")
def asked(phi3, scene):
    return prepare_question(phi3, [scene], QUESTION)


# ------------------------------------------------------------------------------------ greedy answers


@pytest.mark.parametrize(
    "asked_for",
    [
        {"num_beams": 2, "num_return_sequences": 2},
        {"repetition_penalty": 9.0, "no_repeat_ngram_size": 1, "min_new_tokens": 9},
        {"do_sample": True, "temperature": 9.0},
    ],
    ids=lambda one: ", ".join(one),
)
def test_answers_are_the_likeliest_whatever_generation_config_json_asks_for(
    phi3, scene, monkeypatch, asked_for
):
    pictures = [scene, scene.crop((0, 0, 112, 224))]
    wanted = answer(phi3, pictures), answers_with_probabilities(phi3, pictures, QUESTION)
    settings = GenerationConfig(**phi3.generation_config.to_dict() | asked_for)
    monkeypatch.setattr(phi3, "generation_config", settings)
    assert answer(phi3, pictures) == wanted[0]
    assert answers_with_probabilities(phi3, pictures, QUESTION) == wanted[1]
    assert phi3.generation_config is settings  # `model.generate` itself follows it, as any model does


# ------------------------------------------------------------------------------------ prompts


def test_a_prompt_names_each_picture_once():
    assert prompt_of("Why?") == "<|user|>\n<|image_1|>\nWhy?<|end|>\n<|assistant|>\n"
    assert [prompt_of("Why?", 3).count(f"<|image_{n}|>") for n in (1, 2, 3, 4)] == [1, 1, 1, 0]
    with pytest.raises(ValueError, match="num_pictures is 0; expected a whole number, at least 1"):
        prompt_of("Why?", 0)


def test_each_picture_of_a_prompt_has_its_own_columns(phi3, scene):
    tall = scene.crop((0, 0, 112, 224))
    pair = prepare_question(phi3, [scene, tall], "What is it?", num_crops=2)
    first, second = pair.pictures
    assert first.columns.stop <= second.columns.start
    assert (first.grid.rows, first.grid.cols) == (1, 1) and (second.grid.rows, second.grid.cols) == (2, 1)
    is_image = (pair.input_ids == phi3.config.image_token_id).nonzero()[:, 0].tolist()
    assert is_image == [*first.columns, *second.columns]
    inputs = question_inputs(phi3, [[scene, tall]], ["What is it?"], num_crops=2)
    features = phi3.get_image_features(inputs["pixel_values"], inputs["image_sizes"]).last_hidden_state
    for picture, tokens in zip(pair.pictures, features, strict=True):
        assert torch.allclose(
            pair.inputs_embeds[list(picture.columns)], tokens[: len(picture.columns)], **CLOSE
        )


@pytest.mark.parametrize("crops", ["sharp", "blurred", "none"])
def test_columns_are_those_of_the_visual_tokens_whatever_the_crops(phi3, scene, crops):
    asked = prepare_question(phi3, [scene.crop((0, 0, 112, 224))], num_crops=2, crops=crops)
    is_image = (asked.input_ids == phi3.config.image_token_id).nonzero()[:, 0].tolist()
    assert is_image == list(asked.pictures[0].columns)
    assert asked.pictures[0].grid.rows == (1 if crops == "none" else 2)


def test_answers_take_several_pictures_and_say_what_is_wrong(phi3, scene):
    both = answer(phi3, [[scene, scene], [scene]], "What is it?", num_crops=1, max_new_tokens=3)
    assert both[1] == answer(phi3, [scene], "What is it?", num_crops=1, max_new_tokens=3)[0]
    with pytest.raises(ValueError, match="no pictures"):
        prepare_question(phi3, [], "What is it?")
    with pytest.raises(ValueError, match="no crops 'soft'"):
        prepare_question(phi3, [scene], crops="soft")


def test_one_picture_is_one_picture_whichever_way_it_comes(phi3, scene, tmp_path):
    scene.save(tmp_path / "scene.png")
    path = str(tmp_path / "scene.png")  # a string has a length, which is no number of pictures
    ways = [scene, path, [path], (scene,), np.asarray(scene), np.asarray(scene)[None]]
    said = [answer(phi3, way, "What is it?", num_crops=1, max_new_tokens=3) for way in ways]
    assert said == [said[0]] * len(ways)
    assert len(said[0]) == 1
    wanted = prepare_question(phi3, [scene], num_crops=1).input_ids
    for way in ways:
        assert torch.equal(prepare_question(phi3, way, num_crops=1).input_ids, wanted)
        assert answers_with_probabilities(phi3, way, num_crops=1, max_new_tokens=3)[0][1] <= 1


# ---------------------------------------------------------------------------------- attention


def test_a_trace_is_the_answer_with_the_attention_of_a_whole_pass(phi3, scene, asked):
    before = phi3.config._attn_implementation
    trace = trace_answer(phi3, asked)
    assert phi3.config._attn_implementation == before != "eager"
    assert trace.text == answer(phi3, [scene], QUESTION)[0]
    assert len(trace.words) == len(trace.token_ids) == trace.attention.shape[2] < 60
    assert not set(phi3.generation_config.eos_token_id) & set(trace.token_ids)  # the end is no part of it
    ids = torch.tensor([[*asked.input_ids.tolist(), *trace.token_ids[:-1]]])
    inputs = question_inputs(phi3, [scene], [QUESTION])
    phi3.set_attn_implementation({"": "eager"})
    try:
        with torch.inference_mode():
            whole = phi3(ids, pixel_values=inputs["pixel_values"], image_sizes=inputs["image_sizes"],
                         output_attentions=True)  # fmt: skip
    finally:
        phi3.set_attn_implementation({"": before})
    length = len(asked.input_ids)
    rows = torch.stack(whole.attentions)[:, 0, :, length - 1 :]  # (layers, heads, answer, everything)
    assert torch.allclose(trace.attention, rows[..., :length], **CLOSE)
    assert torch.allclose(trace.attention[:, :, 0].sum(-1), torch.ones(4, 4), **CLOSE)
    log_shares = whole.logits[0, length - 1 :].log_softmax(-1)
    wanted = log_shares.gather(-1, torch.tensor(trace.token_ids)[:, None])[:, 0]
    assert torch.allclose(trace.log_probabilities, wanted, rtol=1e-3, atol=1e-4)


# -------------------------------------------------------------------------------- hidden tokens


def test_hidden_tokens_keep_their_positions(phi3, asked, monkeypatch):
    given, real = {}, phi3.generate
    monkeypatch.setattr(phi3, "generate", lambda **options: given.update(options) or real(**options))
    hidden = list(asked.pictures[0].columns)[3:8]
    answers_without(phi3, asked, [hidden, []], max_new_tokens=1)
    length = len(asked.input_ids)
    assert given["position_ids"].tolist() == [list(range(length))] * 2
    assert given["attention_mask"].tolist() == [[int(n not in hidden) for n in range(length)], [1] * length]


def test_hiding_nothing_changes_nothing(phi3, scene, asked):
    trace = trace_answer(phi3, asked)
    assert answers_without(phi3, asked, [[], ()]) == [trace.text] * 2
    same = log_probabilities(phi3, asked, trace.token_ids, [[], []])
    assert torch.allclose(same, trace.log_probabilities.sum().expand(2), rtol=1e-3, atol=1e-4)
    assert answers_without(phi3, asked, []) == []


def test_hidden_tokens_are_read_by_no_head_and_the_rest_keeps_its_position(phi3, asked):
    hidden = list(asked.pictures[0].columns)[3:20]
    trace = trace_answer(phi3, asked, hidden=hidden)
    assert trace.attention[..., hidden].abs().max() == 0
    # The same pass, with the hidden columns cut out and the positions of what is left kept.
    kept = [n for n in range(len(asked.input_ids)) if n not in hidden]
    with torch.inference_mode():
        short = phi3(inputs_embeds=asked.inputs_embeds[None, kept], position_ids=torch.tensor([kept]))
    wanted = short.logits[0, -1].log_softmax(-1)[trace.token_ids[0]]
    assert torch.allclose(trace.log_probabilities[0], wanted, rtol=1e-3, atol=1e-4)


def test_without_its_picture_an_answer_depends_on_the_question_alone(phi3, scene, asked):
    other = prepare_question(phi3, [scene.rotate(180)], QUESTION)
    everything = list(asked.pictures[0].columns)
    trace = trace_answer(phi3, asked)
    blind = [log_probabilities(phi3, one, trace.token_ids, [everything]) for one in (asked, other)]
    assert torch.allclose(*blind, **CLOSE)
    assert blind[0].item() < trace.log_probabilities.sum().item() - 1
    assert trace.text not in answers_without(phi3, asked, [everything])


@pytest.mark.parametrize("columns", [[0], [-1], [10_000]])
def test_words_cannot_be_hidden(phi3, asked, columns):
    with pytest.raises(ValueError, match="holds no visual token"):
        answers_without(phi3, asked, [columns])


def test_an_answer_of_no_tokens_has_no_probability(phi3, asked):
    with pytest.raises(ValueError, match="at least one token"):
        log_probabilities(phi3, asked, [], [[]])


# ---------------------------------------------------------------------------------- logit lens


def test_behind_the_last_layer_the_lens_shows_what_the_model_predicts(phi3, asked):
    columns = [asked.pictures[0].start, len(asked.input_ids) - 1]
    ids, shares = logit_lens(phi3, asked, columns, k=3)
    assert ids.shape == shares.shape == (1 + phi3.config.num_hidden_layers, 2, 3)
    with torch.inference_mode():
        logits = phi3(inputs_embeds=asked.inputs_embeds[None]).logits[0, columns]
    best = logits.softmax(-1).topk(3)
    assert torch.equal(ids[-1], best.indices)
    assert torch.allclose(shares[-1], best.values, **CLOSE)
    assert ids[-1, 1, 0] == trace_answer(phi3, asked).token_ids[0]


# ----------------------------------------------------------------------- tokens and their places


@pytest.mark.parametrize("order", ["sub_glb", "glb_sub"])
def test_a_box_holds_the_tokens_of_its_pixels(asked, order):
    grid = asked.pictures[0].grid
    box = (30, 50, 37, 53)
    pixels = [(x, y) for x in range(30, 37) for y in range(50, 53)]
    assert set(tokens_in_box(grid, box, order)) == {
        token for x, y in pixels for token in tokens_at_pixel(grid, x, y, order)
    }
    for wrong in ((5, 5, 5, 9), (-1, 0, 4, 4), (0, 0, grid.width + 1, 4)):
        with pytest.raises(ValueError, match="is no part of an image"):
            tokens_in_box(grid, wrong, order)


@pytest.mark.parametrize("order", ["sub_glb", "glb_sub"])
def test_a_view_is_a_grid_of_its_tokens(asked, order):
    grid = asked.pictures[0].grid
    for view in (TokenKind.CROP, TokenKind.GLOBAL):
        for row, indices in enumerate(indices_of_view(grid, view, order)):
            for col, index in enumerate(indices):
                token = token_at(grid, index, order)
                assert (token.kind, token.row, token.col) == (view, row, col)
    assert np.size(indices_of_view(grid, TokenKind.CROP, order)) == 4 * 16
    with pytest.raises(ValueError, match="is no view"):
        indices_of_view(grid, TokenKind.ROW_SEPARATOR, order)
