"""The drawing pad without a browser: what the page may send, what comes back, its still picture."""

import base64
import io

import pytest
import torch
from PIL import Image

from phi3lib import load_clip, load_phi3_model
from phi3lib.embeddings.embed import embed_images
from phi3lib.lab.widgets import drawing_pad
from phi3lib.lab.widgets.drawing_pad import SIDE, DrawingPad, picture_of_page
from phi3lib.vision.answers import answer
from picturebook.drawings import split_of
from tests.front_end import send
from tests.real_layout import make_clip_checkpoint, make_phi3_checkpoint


def as_sent(picture: Image.Image, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    clip, phi3 = tmp_path_factory.mktemp("clip"), tmp_path_factory.mktemp("phi3")
    make_clip_checkpoint(clip)
    make_phi3_checkpoint(phi3, tokenizer=True)
    return load_clip(clip), load_phi3_model(phi3, language_model=True, dtype=torch.float32)


@pytest.fixture(scope="module")
def pictures():
    return [Image.effect_noise((40, 40), 10 + 20 * n).convert("RGB") for n in range(6)]


def test_a_picture_of_the_page_is_read():
    red = Image.new("RGB", (20, 10), "red")
    assert picture_of_page(as_sent(red)).getpixel((3, 3)) == (255, 0, 0)
    assert picture_of_page(as_sent(red, "JPEG")).size == (20, 10)


@pytest.mark.parametrize(
    "sent",
    ["", "data:text/html;base64,PGI+", "data:image/png;base64,!!!", "data:image/png;base64,QUJD", "https://x/y.png",
     "data:image/png;base64," + "A" * 5_000_000],
)  # fmt: skip
def test_anything_else_is_refused(sent):
    with pytest.raises(ValueError, match="no picture"):
        picture_of_page(sent)


def test_caption_and_neighbors_follow_the_picture(models, pictures):
    clip, phi3 = models
    table = embed_images(pictures, model=clip, progress=False)
    pad = DrawingPad(pictures[0], table, pictures, clip, phi3)
    assert pad.state.hits[0].id == "0"
    assert pad.state.caption == answer(phi3, [pictures[0]])[0]
    widget = pad.live()
    send(widget, {"picture": as_sent(pictures[4])})
    assert pad.state.hits[0].id == "4"
    assert widget.findings["sentence"] == pad.state.sentence()
    assert len(widget.findings["near"]) == 5
    send(widget, {"picture": "nonsense"})
    assert "no picture" in widget.findings["sentence"]
    assert pad.state.hits[0].id == "4"
    assert pad.still().alt == pad.state.sentence()


def test_the_page_hears_an_answer_even_if_it_is_the_same(models, pictures):
    clip, _ = models
    pad = DrawingPad(pictures[0], embed_images(pictures, model=clip, progress=False), pictures, clip)
    widget, heard = pad.live(), []
    widget.observe(heard.append, "findings")
    for sent in (as_sent(pictures[1]), as_sent(pictures[1]), "nonsense", "nonsense"):
        send(widget, {"picture": sent})
    assert len(heard) == 4
    assert widget.picture == as_sent(pictures[1])  # what another view of the pad shows


def test_a_wide_picture_keeps_its_form_on_the_pad(models, pictures):
    clip, _ = models
    table = embed_images(pictures, model=clip, progress=False)
    pad = DrawingPad(Image.new("RGB", (400, 100), "red"), table, pictures, clip)
    assert picture_of_page(pad.live().picture).size == (SIDE, SIDE // 4)


def test_without_a_language_model_there_is_no_caption(models, pictures):
    clip, _ = models
    table = embed_images(pictures, model=clip, progress=False)
    pad = DrawingPad(pictures[0], table, pictures, clip)
    assert pad.state.caption == ""
    assert "Phi-3" not in pad.state.sentence()


def test_one_question_for_all_or_one_for_each(models, pictures):
    _, phi3 = models
    same = answer(phi3, pictures[:2], "What is it?", num_crops=1, max_new_tokens=3)
    each = answer(phi3, pictures[:2], ["What is it?", "What is it?"], num_crops=1, max_new_tokens=3)
    assert same == each
    with pytest.raises(ValueError, match="3 questions about 2 pictures"):
        answer(phi3, pictures[:2], ["a", "b", "c"])


def test_a_blank_pad_is_said_to_be_blank(models, pictures):
    clip, phi3 = models
    table = embed_images(pictures, model=clip, progress=False)
    pad = DrawingPad(Image.new("RGB", (224, 224), "white"), table, pictures, clip, phi3)
    assert pad.state.caption == "" and pad.state.hits == []
    assert pad.state.sentence() == drawing_pad.BLANK == pad.still().alt
    widget = pad.live()
    sent = as_sent(pictures[1])
    send(widget, {"picture": sent})
    assert len(widget.findings["near"]) == 5
    blank = as_sent(Image.new("RGB", (SIDE, SIDE), "white"))
    send(widget, {"picture": blank})
    assert widget.findings["sentence"] == drawing_pad.BLANK
    assert widget.findings["near"] == [] and widget.picture == blank


def test_a_declined_picture_has_neighbors_and_no_caption(models, pictures, monkeypatch):
    clip, phi3 = models
    table = embed_images(pictures, model=clip, progress=False)
    monkeypatch.setattr(drawing_pad.PadReader, "thresholds", {"filled": 1.0})
    pad = DrawingPad(pictures[0], table, pictures, clip, phi3)
    assert pad.state.caption == ""
    assert pad.state.sentence().startswith(drawing_pad.DECLINED)
    assert len(pad.state.hits) == 5


def test_the_examples_are_drawings_that_no_model_was_trained_on(models, pictures):
    clip, _ = models
    pad = DrawingPad(pictures[0], embed_images(pictures, model=clip, progress=False), pictures, clip)
    examples = pad.live().examples
    assert [one["text"] for one in examples] == list(drawing_pad.EXAMPLES)
    assert {split_of(one) for one in drawing_pad.example_drawings()} == {"test"}
    assert all(picture_of_page(one["src"]).size == (SIDE, SIDE) for one in examples)
