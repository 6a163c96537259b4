"""transformers' pipelines on the bundled model's folder, with our Auto classes and no network."""

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    Phi3ForCausalLM,
    pipeline,
)

from phi3lib import Phi3VForCausalLM, load_phi3_model, register_auto_classes

BUNDLED = Path(__file__).parents[2] / "data" / "models" / "phi3-vision-small"
OPTIONS = {"max_new_tokens": 8, "return_full_text": False}


@pytest.fixture(scope="module", autouse=True)
def _offline():
    def refuse(*_):
        raise AssertionError("a pipeline on a folder asked the network")

    register_auto_classes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    """Two images of different shapes, so of different numbers of tokens."""
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 255, size, dtype=np.uint8))
        for size in ((120, 160, 3), (400, 100, 3))
    ]


@pytest.fixture(scope="module")
def answer_to_images():
    return pipeline("image-text-to-text", model=str(BUNDLED))


def chat(*images: Image.Image) -> list[dict]:
    content = [{"type": "image", "image": image} for image in images]
    return [{"role": "user", "content": [*content, {"type": "text", "text": "What is this?"}]}]


def our_answer(images: list[Image.Image]) -> str:
    """The answer by our own loader and plain `generate`."""
    model = load_phi3_model(BUNDLED, language_model=True)
    inputs = model.processor.apply_chat_template(
        chat(*images), add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    with torch.inference_mode():
        out = model.generate(**inputs, max_new_tokens=8)
    tokens = out[0, inputs["input_ids"].shape[1] :]
    return model.processor.decode(tokens, skip_special_tokens=True).strip()


@pytest.mark.parametrize("auto_class", [AutoModelForImageTextToText, AutoModelForMultimodalLM])
def test_the_auto_classes_of_pipelines_know_the_model(auto_class):
    model = auto_class.from_pretrained(BUNDLED)
    assert isinstance(model, Phi3VForCausalLM) and isinstance(model, Phi3ForCausalLM)


def test_chats_with_images_are_answered_as_by_our_own_loader(answer_to_images, images):
    chats = [chat(images[0]), chat(images[1]), chat(*images)]
    found = [answer[0]["generated_text"].strip() for answer in answer_to_images(text=chats, **OPTIONS)]
    assert found == [our_answer(images[:1]), our_answer(images[1:]), our_answer(images)]


def test_a_batch_is_answered_as_its_rows_alone(answer_to_images, images, monkeypatch):
    monkeypatch.setattr(answer_to_images.tokenizer, "padding_side", "left")
    chats = [chat(images[0]), chat(*images)]
    together = answer_to_images(text=chats, batch_size=2, **OPTIONS)
    alone = answer_to_images(text=chats, batch_size=1, **OPTIONS)
    assert [a[0]["generated_text"] for a in together] == [a[0]["generated_text"] for a in alone]


def test_a_prompt_with_the_published_tag_is_answered(answer_to_images, images):
    prompt = "<|user|>\n<|image_1|>\nWhat is this?<|end|>\n<|assistant|>\n"
    (answer,) = answer_to_images(images=images[0], text=prompt, **OPTIONS)
    assert answer["generated_text"].strip() == our_answer(images[:1])


def test_a_chat_without_images_is_answered(answer_to_images):
    (answer,) = answer_to_images(text=chat(), **OPTIONS)
    assert isinstance(answer["generated_text"], str)


def test_options_of_generate_reach_the_model(answer_to_images, images):
    options = {"cache_implementation": "static", "disable_compile": True}
    (answer,) = answer_to_images(text=chat(images[0]), **OPTIONS, generate_kwargs=options)
    assert answer["generated_text"].strip() == our_answer(images[:1])


@pytest.mark.parametrize("task", ["image-text-to-text", "image-feature-extraction"])
def test_options_of_the_model_pass_by_the_processors(task, images):
    options = {"attn_implementation": "eager", "low_cpu_mem_usage": True}
    made = pipeline(task, model=str(BUNDLED), dtype=torch.bfloat16, device_map="cpu", model_kwargs=options)
    assert made.model.dtype == torch.bfloat16
    assert made.model.vision_tower.vision_model.config._attn_implementation == "eager"
    assert made(text=chat(images[0]), **OPTIONS) if task == "image-text-to-text" else made(images[0])


def test_a_folder_saved_by_model_and_processor_is_enough(tmp_path, images):
    model = load_phi3_model(BUNDLED, language_model=True)
    model.save_pretrained(tmp_path)
    model.processor.save_pretrained(tmp_path)
    answer = pipeline("image-text-to-text", model=str(tmp_path))(text=chat(*images), **OPTIONS)
    assert answer[0]["generated_text"].strip() == our_answer(images)


def test_image_features_are_those_of_our_own_loader(images):
    extract = pipeline("image-feature-extraction", model=str(BUNDLED))
    model = load_phi3_model(BUNDLED)
    for image in images:
        inputs = model.processor([image], return_tensors="pt")
        with torch.inference_mode():
            want = model.get_image_features(inputs)
        torch.testing.assert_close(extract(image, return_tensors=True), want.last_hidden_state)
        torch.testing.assert_close(extract(image, pool=True, return_tensors=True), want.pooler_output)
