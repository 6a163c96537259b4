"""The image token, a real id for each token of an image: in prompts, and in everything that reads ids."""

import copy

import numpy as np
import peft
import pytest
import torch
from transformers import (
    DataCollatorForLanguageModeling,
    StoppingCriteriaList,
    StopStringCriteria,
    TextStreamer,
)
from transformers.trainer_pt_utils import LabelSmoother

from phi3lib import Phi3VForCausalLM, Phi3VImageProcessor, Phi3VProcessor, load_phi3_model
from phi3lib.vision.options import UnknownOptionError
from phi3lib.vision.prompts import takes_plain_text
from tests.golden_inputs import synth_picture
from tests.golden_models import preferring
from tests.tiny_tokenizer import make_tiny_tokenizer

WIDE, SQUARE = synth_picture(300, 120), synth_picture(200, 200, seed=4)
ASK = "<|user|>\n<|image_1|>\nwhat is this?<|end|>\n<|assistant|>\n"
TWO = "<|user|>\n<|image_2|> and <|image_1|>\nwhich one?<|end|>\n<|assistant|>\n"
GREEDY = {"do_sample": False, "max_new_tokens": 4}


@pytest.fixture(scope="module")
def model() -> Phi3VForCausalLM:
    """The bundled model, whose tokenizer has the token."""
    return load_phi3_model(language_model=True)


@pytest.fixture(scope="module")
def processor(model) -> Phi3VProcessor:
    return model.processor


def published(processor: Phi3VProcessor, *arguments, **options):
    return processor(*arguments, negative_ids=True, **options)


# ------------------------------------------------------------------------------- ids


def test_each_token_of_an_image_is_the_image_token(processor):
    ids, negative = processor(ASK, WIDE).input_ids, published(processor, ASK, WIDE).input_ids
    assert processor.image_token_id == processor.tokenizer.convert_tokens_to_ids("<|image|>") > 0
    assert torch.equal(ids, negative.masked_fill(negative < 0, processor.image_token_id))
    assert int((ids == processor.image_token_id).sum()) == processor.num_image_tokens(*WIDE.size)


def test_images_come_in_the_order_in_which_prompts_name_them(processor):
    batch = processor([TWO, ASK], [WIDE, SQUARE, WIDE], padding=True)
    sizes = {
        name: processor(ASK, image).image_sizes[0].tolist()
        for name, image in (("wide", WIDE), ("square", SQUARE))
    }
    assert batch.image_sizes.tolist() == [sizes["square"], sizes["wide"], sizes["wide"]]
    given = published(processor, [TWO, ASK], [WIDE, SQUARE, WIDE], padding=True)
    assert torch.equal(batch.pixel_values, given.pixel_values[[1, 0, 2]])


@pytest.mark.parametrize("kind", ["pt", "np", None])
def test_an_image_that_is_named_twice_is_seen_twice(processor, kind):
    twice = processor("<|image_1|> like <|image_1|>", WIDE, return_tensors=kind)
    assert len(twice["pixel_values"]) == len(twice["image_sizes"]) == 2
    ids = np.asarray(twice["input_ids"])
    assert (ids == processor.image_token_id).sum() == 2 * processor.num_image_tokens(*WIDE.size)


def test_text_must_not_hold_the_token_itself(processor):
    with pytest.raises(ValueError, match=r"the text holds <\|image\|>; name pictures by <\|image_1\|>"):
        processor("<|image|> like <|image_1|>", WIDE)


def test_a_tokenizer_without_the_token_gives_negative_ids(processor):
    bare = copy.deepcopy(make_tiny_tokenizer())
    vocabulary = {name: one for name, one in bare.get_vocab().items() if name != "<|image|>"}
    bare.get_vocab = lambda: vocabulary  # as of a tokenizer that was trained without it
    own = Phi3VProcessor(Phi3VImageProcessor(num_crops=1), bare)
    assert own.negative_ids and own.image_token_id is None
    assert int((own("<|image_1|>", WIDE).input_ids == -1).sum()) == own.num_image_tokens(*WIDE.size)
    with pytest.raises(ValueError, match=r"no token <\|image\|>; pass negative_ids=True"):
        own("<|image_1|>", WIDE, negative_ids=False)


def test_what_was_chosen_is_saved(processor, tmp_path):
    Phi3VProcessor(processor.image_processor, processor.tokenizer, negative_ids=True).save_pretrained(
        tmp_path
    )
    assert Phi3VProcessor.from_pretrained(tmp_path).negative_ids
    assert not Phi3VProcessor.from_pretrained(tmp_path, negative_ids=False).negative_ids


# ------------------------------------------------------------------------------- the model


@pytest.mark.parametrize("prompt", [ASK, TWO], ids=["one image", "swapped"])
def test_the_model_reads_both_kinds_of_ids_alike(model, processor, prompt):
    images = [WIDE] if prompt == ASK else [WIDE, SQUARE]
    with torch.inference_mode():
        logits = [
            model(**make).logits for make in (processor(prompt, images), published(processor, prompt, images))
        ]
        answers = [
            model.generate(**make, **GREEDY)[:, -4:]
            for make in (processor(prompt, images), published(processor, prompt, images))
        ]
    torch.testing.assert_close(*logits)
    assert torch.equal(*answers)


def test_beams_and_rows_keep_their_images(model, processor):
    images = [WIDE, SQUARE, WIDE]
    with torch.inference_mode():
        beams = [
            model.generate(**make, max_new_tokens=4, num_beams=2, do_sample=False)[:, -4:]
            for make in (
                processor([ASK, TWO], images, padding=True),
                published(processor, [ASK, TWO], images, padding=True),
            )
        ]
    assert torch.equal(*beams)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda ids, token: ids.masked_fill(ids == token, 5),
            r"hold 0 image tokens .* the 1 image\(s\) have",
        ),
        (lambda ids, token: torch.cat([ids, ids]), r"image tokens \(id \d+\), but the 1 image"),
    ],
)
def test_ids_and_images_that_do_not_fit_are_refused(model, processor, change, message):
    inputs = processor(ASK, WIDE)
    inputs["input_ids"] = change(inputs["input_ids"], processor.image_token_id)
    inputs.pop("attention_mask")
    with pytest.raises(ValueError, match=message):
        model(**inputs)


@pytest.mark.parametrize("texts", [["<|image_1|>", "<|image_1|>"], ["<|image_1|> and <|image_2|>"]], ids=len)
def test_rows_whose_images_are_in_another_order_are_refused(model, processor, texts):
    inputs = processor(texts, [WIDE, SQUARE], padding=True)
    assert processor.num_image_tokens(*WIDE.size) != processor.num_image_tokens(*SQUARE.size)
    inputs["pixel_values"], inputs["image_sizes"] = (
        inputs["pixel_values"].flip(0),
        inputs["image_sizes"].flip(0),
    )
    with pytest.raises(ValueError, match="pass images in the order in which the rows name them"):
        model(**inputs)


def test_forgotten_images_are_told(model, processor):
    with pytest.warns(UserWarning, match=r"image tokens \(id \d+\), but no pictures .* pass pixel"):
        model(processor(ASK, WIDE).input_ids)


def test_vectors_of_the_image_token_give_way_to_images(model, processor):
    inputs = processor(ASK, WIDE)
    words = model.get_input_embeddings()(inputs.pop("input_ids"))
    with torch.inference_mode():
        got = model(inputs_embeds=words, **inputs).logits
        torch.testing.assert_close(got, model(**processor(ASK, WIDE)).logits)


# ------------------------------------------------------------------------------- others' code


def test_sampling_takes_the_likeliest_other_token(model):
    likeliest = copy.deepcopy(model)
    preferring(likeliest, {likeliest.config.image_token_id: 9.0, 5: 3.0})
    ids = torch.tensor([[1, 7]])
    with torch.inference_mode():
        out = likeliest.generate(ids, max_new_tokens=2, do_sample=True, top_k=1, pad_token_id=0)
    assert out[0, 2:].tolist() == [5, 5]


def test_a_copy_of_the_ids_as_labels_leaves_images_out_of_the_loss(model, processor):
    inputs = processor(ASK, WIDE)
    ids = inputs["input_ids"]
    own = ids.masked_fill(ids == processor.image_token_id, -100)
    with torch.inference_mode():
        torch.testing.assert_close(model(**inputs, labels=ids).loss, model(**inputs, labels=own).loss)
        counted = model(**inputs, labels=ids, num_items_in_batch=torch.tensor(ids.shape[1] - 1)).loss
    torch.testing.assert_close(counted, model(**inputs, labels=own).loss.detach())


def test_ids_may_be_used_as_indices(model, processor):
    """Language-model collator, label smoothing, stop strings, a streamer and the tokenizer itself."""
    tokenizer = processor.tokenizer
    inputs = processor(ASK, WIDE)
    batch = DataCollatorForLanguageModeling(tokenizer, mlm=False)([{"input_ids": inputs["input_ids"][0]}])
    with torch.inference_mode():
        output = model(**{**inputs, **batch})
        assert torch.isfinite(LabelSmoother(0.1)(output, batch["labels"], shift_labels=True))
        stop = StoppingCriteriaList([StopStringCriteria(tokenizer, "no such words")])
        streamer = TextStreamer(tokenizer)
        model.generate(**inputs, **GREEDY, stopping_criteria=stop, streamer=streamer, repetition_penalty=1.1)
    assert "what is this?" in tokenizer.decode(inputs["input_ids"][0])


def test_prompt_tuning_trains_beside_images(model, processor):
    tuned = peft.get_peft_model(
        copy.deepcopy(model), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    )
    inputs = processor(ASK, WIDE)
    loss = tuned(**inputs, labels=inputs["input_ids"]).loss
    loss.backward()
    assert torch.isfinite(loss) and tuned.prompt_encoder["default"].embedding.weight.grad.abs().sum() > 0


def test_a_run_of_image_tokens_reads_back_as_one_tag(processor):
    ids = processor("<|image_1|> what", WIDE).input_ids[0]
    assert processor.decode(ids).count("<|image|>") == 1
    assert "image" not in processor.decode(ids, skip_special_tokens=True)


# ------------------------------------------------------------------------------- options of a call


def test_both_orders_and_images_alone(processor):
    by_text, by_image = processor(ASK, WIDE), processor(WIDE, ASK)
    assert all(torch.equal(by_text[name], by_image[name]) for name in by_text)
    alone = processor(images=WIDE)
    assert torch.equal(alone.pixel_values, by_text.pixel_values) and set(alone) == {
        "pixel_values",
        "image_sizes",
    }
    with pytest.raises(ValueError, match="neither text nor images"):
        processor()


def test_groups_of_options_are_those_of_every_processor(processor):
    batch = processor(
        text=["what", "what is this"],
        text_kwargs={"padding": "max_length", "max_length": 12, "padding_side": "right"},
        common_kwargs={"return_tensors": "np"},
        return_mm_token_type_ids=True,
    )
    assert batch["input_ids"].shape == batch["mm_token_type_ids"].shape == (2, 12)
    assert batch["attention_mask"][0, 0] == 1 and batch["attention_mask"][0, -1] == 0
    types = processor(ASK, WIDE, return_mm_token_type_ids=True)
    assert torch.equal(types["mm_token_type_ids"] == 1, types["input_ids"] == processor.image_token_id)
    bos = processor.tokenizer.bos_token_id
    assert bos not in processor("what is this", add_special_tokens=False)["input_ids"]
    assert processor(ASK, WIDE, images_kwargs={"num_crops": 1})["pixel_values"].shape[1] == 2
    assert processor(["a", "a b c"], padding=True, pad_to_multiple_of=8)["input_ids"].shape[1] == 8


@pytest.mark.parametrize(
    "options",
    [{"num_crop": 4}, {"text_kwargs": {"padding_sides": "left"}}, {"images_kwargs": {"num_crop": 1}}],
    ids=str,
)
def test_mistyped_options_are_told(processor, options):
    with pytest.raises(UnknownOptionError, match="did you mean"):
        processor(ASK, WIDE, **options)


def test_masks_of_replies_cover_what_the_template_marks(processor):
    template = (
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' }}"
        "{% if m.role == 'assistant' %}{% generation %}"
        "{{ m.content + '<|end|>\n' }}{% endgeneration %}"
        "{% else %}{{ m.content + '<|end|>\n' }}{% endif %}{% endfor %}"
    )
    talks = [
        [
            {
                "role": "user",
                "content": [{"type": "image", "image": WIDE}, {"type": "text", "text": "what is this?"}],
            },
            {"role": "assistant", "content": reply},
        ]
        for reply in ("a red circle", "yes")
    ]
    out = processor.apply_chat_template(
        talks,
        chat_template=template,
        tokenize=True,
        return_dict=True,
        padding=True,
        return_assistant_tokens_mask=True,
    )
    said = [
        processor.decode(ids[mask.bool()])
        for ids, mask in zip(out["input_ids"], out["assistant_masks"], strict=True)
    ]
    assert [text.split("<|end|>")[0].strip() for text in said] == ["a red circle", "yes"]


def test_options_of_one_call_do_not_reach_the_next(processor):
    assert isinstance(processor("one", common_kwargs={"return_tensors": None}).input_ids, list)
    assert isinstance(processor("one").input_ids, torch.Tensor)


def test_options_of_other_modalities_have_no_effect(processor):
    assert torch.equal(processor("one", num_frames=2, fps=None).input_ids, processor("one").input_ids)
    with pytest.raises(UnknownOptionError, match="'size' is not an option"):
        processor("one", size=3)


@pytest.mark.parametrize(
    ("template", "plain"),
    [
        ("{{ messages[1].content }}", True),
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}", True),
        ("{% for m in messages %}{% for e in m.content %}{{ e.text }}{% endfor %}{% endfor %}", False),
        ("{{ messages[0]['content'][0]['text'] }}", False),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}", True),
    ],
)
def test_templates_say_by_their_text_whether_they_read_entries(template, plain):
    assert takes_plain_text(template) == plain


def test_masks_of_replies_prepare_the_images_once(processor, monkeypatch):
    calls = []
    preprocess = Phi3VImageProcessor.preprocess
    monkeypatch.setattr(
        Phi3VImageProcessor, "preprocess", lambda self, *a, **o: calls.append(1) or preprocess(self, *a, **o)
    )
    talk = [{"role": "user", "content": [{"type": "image", "image": WIDE}]}]
    processor.apply_chat_template(talk, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    assert len(calls) == 1
