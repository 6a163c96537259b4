"""Prompts and conversations to ids: the published tokenisation, batches, tags checked against pictures."""

import json
import os
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from phi3lib.vision.image_processing import Phi3VImageProcessor
from phi3lib.vision.inputs import printable
from phi3lib.vision.placeholders import find_negative_ids
from phi3lib.vision.prompts import count_pictures, plain_conversation, split_prompt
from phi3lib.vision.text_processing import Phi3VProcessor
from tests.golden_inputs import golden_json, synth_picture
from tests.hostile_strings import HOSTILE
from tests.tiny_tokenizer import CHAT_TEMPLATE, make_tiny_tokenizer

GOLDEN = golden_json("text_processor.json")
WORKING = [case for case in GOLDEN["cases"] if "error" not in case]
REFUSED = [case for case in GOLDEN["cases"] if "error" in case]
PUBLISHED_TOKENIZER = os.environ.get("PHI3LIB_PUBLISHED_TOKENIZER")
# The published ids of what every tokenizer of this kind has under its own.
PUBLISHED_IDS = {1: "<s>", 32001: "<|assistant|>", 32007: "<|end|>", 32010: "<|user|>", 13: "<0x0A>"}

WIDE = synth_picture(90, 30)  # 1×3 crops of the small processor: 3 + 1 tokens, 2 row ends, 1 between: 7
SQUARE = synth_picture(50, 50, seed=4)  # 2×2 crops: 4 + 1 tokens, 3 row ends, 1 between: 9


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tiny_tokenizer()


@pytest.fixture
def processor(tokenizer: PreTrainedTokenizerFast) -> Phi3VProcessor:
    """One token a tile and the published ids, so that they can be read."""
    images = Phi3VImageProcessor(num_crops=4, tile_size=28, num_img_tokens=1)
    return Phi3VProcessor(images, tokenizer, negative_ids=True)


def rle(ids: list[int]) -> list[list[int]]:
    return [[token_id, len(list(run))] for token_id, run in groupby(ids)]


def runs_of_pictures(ids: list[int]) -> list[list[int]]:
    return [run for run in rle(ids) if run[0] < 0]


def golden_pictures(case: dict[str, Any]) -> list[Image.Image] | None:
    sizes = case["images_wh_seed"]
    return None if sizes is None else [synth_picture(w, h, seed=seed) for w, h, seed in sizes]


def name_of(case: dict[str, Any]) -> str:
    return f"{case['code']}-{case['name']}"


# ------------------------------------------------------------------------------------ golden cases


@pytest.mark.parametrize("case", WORKING, ids=name_of)
def test_golden_case_has_the_published_structure(
    case: dict[str, Any], tokenizer: PreTrainedTokenizerFast
) -> None:
    """What does not depend on the vocabulary: pictures, BOS, special tokens, line breaks, keys, shapes."""
    image_processor = Phi3VImageProcessor(num_crops=case["num_crops"], pad_to_num_crops=True)
    published = Phi3VProcessor(image_processor, tokenizer, negative_ids=True)
    batch = published(case["text"], golden_pictures(case))
    assert sorted(batch) == sorted(case["keys"])
    assert bool(batch.attention_mask.all()) == case["attention_mask_all_ones"]
    if "image_sizes" in case:
        assert batch.image_sizes.tolist() == case["image_sizes"]
        assert list(batch.pixel_values.shape) == case["pixel_shape"]
    ours = {tokenizer.convert_tokens_to_ids(text): text for text in PUBLISHED_IDS.values()}
    ids = batch.input_ids[0].tolist()
    golden = case["input_ids_rle"]
    assert [[ours.get(i, i), n] for i, n in rle(ids) if i < 0 or i in ours] == [
        [PUBLISHED_IDS.get(i, i), n] for i, n in golden if i < 0 or i in PUBLISHED_IDS
    ]
    # A stretch of text after a special token starts with a space, which is a token before a line break.
    space, line_break = tokenizer.convert_tokens_to_ids(["▁", "<0x0A>"])
    assert all(ids[place - 1] == space for place, token_id in enumerate(ids) if token_id == line_break)


@pytest.mark.skipif(not PUBLISHED_TOKENIZER, reason="PHI3LIB_PUBLISHED_TOKENIZER names no folder")
@pytest.mark.parametrize("case", WORKING, ids=name_of)
def test_golden_case_with_the_published_tokenizer(case: dict[str, Any], tmp_path: Path) -> None:
    for path in Path(str(PUBLISHED_TOKENIZER)).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    Phi3VImageProcessor(num_crops=case["num_crops"]).save_pretrained(tmp_path)
    published = Phi3VProcessor.from_pretrained(tmp_path, negative_ids=True)
    batch = published(case["text"], golden_pictures(case))
    assert rle(batch.input_ids[0].tolist()) == rle([i for i, n in case["input_ids_rle"] for _ in range(n)])


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_golden_refusals_are_value_errors(case: dict[str, Any], processor: Phi3VProcessor) -> None:
    messages = {
        "gap": "numbered from 1 without a gap",
        "missing_tag": "1 picture.*names 0",
        "zero": "image_0",
    }
    with pytest.raises(ValueError, match=messages[case["name"]]):
        processor(case["text"], golden_pictures(case))


def test_golden_chat_template(processor: Phi3VProcessor) -> None:
    question = [{"role": "user", "content": "<|image_1|>\nWhat is shown in this image?"}]
    for expected in GOLDEN["chat_template"].values():
        assert processor.apply_chat_template(question, add_generation_prompt=True) == expected


# ------------------------------------------------------------------------------------ one prompt


def test_ids_of_a_prompt_are_those_of_its_parts(processor: Phi3VProcessor) -> None:
    batch = processor("<|user|>\n<|image_1|>\nWhat is this?<|end|>\n<|assistant|>\n", SQUARE)
    before = processor.tokenizer("<|user|>\n").input_ids
    after = processor.tokenizer("\nWhat is this?<|end|>\n<|assistant|>\n").input_ids
    assert before[0] == after[0] == processor.tokenizer.bos_token_id
    assert batch.input_ids.tolist() == [[*before, *[-1] * 9, *after]]
    assert batch.input_ids.dtype == batch.attention_mask.dtype == torch.int64
    assert set(batch) == {"input_ids", "attention_mask", "pixel_values", "image_sizes"}
    assert processor.model_input_names == list(batch)


def test_number_of_placeholders_is_the_number_of_visual_tokens(processor: Phi3VProcessor) -> None:
    for picture, expected in [(WIDE, 7), (SQUARE, 9)]:
        assert processor.num_image_tokens(*picture.size) == expected
        assert runs_of_pictures(processor("<|image_1|>", picture).input_ids[0].tolist()) == [[-1, expected]]


def test_the_number_of_a_tag_picks_the_picture(processor: Phi3VProcessor) -> None:
    ids = processor("<|image_2|>\n<|image_1|>", [WIDE, SQUARE]).input_ids[0].tolist()
    assert runs_of_pictures(ids) == [[-2, 9], [-1, 7]]


def test_silent_swap_of_the_published_code_does_not_happen(processor: Phi3VProcessor) -> None:
    """Published: places are filled from left to right, whatever the tags say. Ours: by the tag's number.

    With pictures of equal size nothing warns of the swap: the model sees picture 1 where the prompt says
    picture 2.
    """
    red, blue = Image.new("RGB", (40, 40), "red"), Image.new("RGB", (40, 40), "blue")
    prompt = "The second: <|image_2|> the first: <|image_1|>"
    batch = processor(prompt, [red, blue])
    names = ["red"] * 9 + ["blue"] * 9  # the visual tokens, in the order of the pictures
    ids = batch.input_ids[0]

    left_to_right = dict(zip(torch.nonzero(ids < 0)[:, 0].tolist(), names, strict=True))
    by_number = dict(zip(find_negative_ids(batch.input_ids).cols.tolist(), names, strict=True))

    second, first = (torch.nonzero(ids == -tag)[:, 0].tolist() for tag in (2, 1))
    assert {left_to_right[place] for place in second} == {"red"}, "the published code swaps"
    assert {by_number[place] for place in second} == {"blue"}
    assert {by_number[place] for place in first} == {"red"}
    in_order = processor("The first: <|image_1|> the second: <|image_2|>", [red, blue])
    assert torch.equal(in_order.pixel_values, batch.pixel_values), "the pictures stay as they came"


def test_repeated_tag_keeps_places_twice_as_published(processor: Phi3VProcessor) -> None:
    ids = processor("<|image_1|> and again <|image_1|>", WIDE).input_ids[0].tolist()
    assert runs_of_pictures(ids) == [[-1, 7], [-1, 7]]


def test_text_alone(processor: Phi3VProcessor) -> None:
    for images in (None, [], [[]]):
        batch = processor("what is this?", images)
        assert batch.input_ids.tolist() == [processor.tokenizer("what is this?").input_ids]
        assert set(batch) == {"input_ids", "attention_mask"}


def test_kinds_of_output(processor: Phi3VProcessor) -> None:
    texts, images = ["<|image_1|>", "<|image_1|>"], [SQUARE, WIDE]
    as_torch = processor(texts, images, padding=True)
    as_numpy = processor(texts, images, padding=True, return_tensors="np")
    as_lists = processor(texts, images, return_tensors=None)
    for name, tensor in as_torch.items():
        assert isinstance(as_numpy[name], np.ndarray)
        assert np.array_equal(as_numpy[name], tensor.numpy())
    assert as_numpy["input_ids"].dtype == np.int64
    assert [len(row) for row in as_lists["input_ids"]] == [11, 9]
    assert as_lists["image_sizes"] == as_torch["image_sizes"].tolist()
    with pytest.raises(ValueError, match="return_tensors"):
        processor("a", return_tensors="tf")
    with pytest.raises(TypeError, match="image"):
        processor("a", image=SQUARE)  # type: ignore[call-arg]  # the slip is the point


def test_options_of_the_pictures_reach_them(processor: Phi3VProcessor) -> None:
    batch = processor("<|image_1|>", SQUARE, num_crops=1, pad_to_num_crops=True)
    assert batch.image_sizes.tolist() == [[28, 28]]
    assert batch.pixel_values.shape == (1, 2, 3, 28, 28)
    assert runs_of_pictures(batch.input_ids[0].tolist()) == [[-1, 1 + 1 + 1 + 2]]


# ------------------------------------------------------------------------------------ several prompts


def test_rows_take_their_pictures_in_turn(processor: Phi3VProcessor) -> None:
    texts = ["<|image_1|> one", "no picture", "<|image_2|> <|image_1|> two <|image_2|>"]
    flat = processor(texts, [WIDE, SQUARE, WIDE], padding=True)
    nested = processor(texts, [[WIDE], [], (SQUARE, WIDE)], padding=True)
    with_none = processor(texts, [[WIDE], None, [SQUARE, WIDE]], padding=True)  # type: ignore[list-item]
    rows = [runs_of_pictures(row) for row in flat.input_ids.tolist()]
    assert rows == [[[-1, 7]], [], [[-2, 7], [-1, 9], [-2, 7]]]
    for name, tensor in flat.items():
        assert torch.equal(tensor, nested[name])
        assert torch.equal(tensor, with_none[name])


def test_padding_is_on_the_left(processor: Phi3VProcessor) -> None:
    texts = ["<|image_1|> what is this picture?", "yes"]
    batch = processor(texts, SQUARE, padding=True)
    assert processor.tokenizer.padding_side == "right", "the tokenizer's own side does not matter"
    for text, images, ids, mask in zip(
        texts, [SQUARE, None], batch.input_ids, batch.attention_mask, strict=True
    ):
        alone = processor(text, images).input_ids[0]
        missing = len(ids) - len(alone)
        assert torch.equal(ids[missing:], alone)
        assert (ids[:missing] == processor.tokenizer.pad_token_id).all()
        assert mask.tolist() == [0] * missing + [1] * len(alone)
    assert batch.attention_mask.min() == 0
    wide = processor(texts, SQUARE, padding="max_length", max_length=40)
    assert wide.input_ids.shape == (2, 40)
    assert torch.equal(wide.input_ids[:, -batch.input_ids.shape[1] :], batch.input_ids)


def test_rows_without_pictures_may_say_so_with_none(processor: Phi3VProcessor) -> None:
    texts = ["what is this", "what is that"]
    want = processor(texts, padding=True)
    assert torch.equal(processor(texts, [None, None], padding=True).input_ids, want.input_ids)
    assert torch.equal(processor(texts, [None, []], padding=True).input_ids, want.input_ids)


def test_unequal_rows_need_padding(processor: Phi3VProcessor) -> None:
    with pytest.raises(ValueError, match=r"\[2, 3\] tokens; pass padding=True"):
        processor(["yes", "yes no"])
    with pytest.raises(ValueError, match="needs max_length"):
        processor(["yes", "yes no"], padding="max_length")
    with pytest.raises(ValueError, match="padding is 'left'"):
        processor(["yes", "yes no"], padding="left")
    without = make_tiny_tokenizer()
    without.pad_token = None
    with pytest.raises(ValueError, match="no pad token"):
        Phi3VProcessor(processor.image_processor, without)(["yes", "yes no"], padding=True)


def test_truncation_never_cuts_a_picture(processor: Phi3VProcessor) -> None:
    prompt = "<|image_1|> what is this"
    length = processor(prompt, SQUARE).input_ids.shape[1]
    assert processor(prompt, SQUARE, truncation=True, max_length=length).input_ids.shape == (1, length)
    with pytest.raises(
        ValueError, match=rf"{length} tokens, 9 of them in pictures, and max_length is {length - 1}"
    ):
        processor(prompt, SQUARE, truncation=True, max_length=length - 1)
    assert processor(prompt, SQUARE, max_length=3).input_ids.shape == (1, length), "only asked for, it cuts"
    words = "one two three red green blue"
    cut = processor([words, prompt], SQUARE, truncation=True, max_length=length, padding=True)
    whole = processor.tokenizer(words).input_ids
    assert cut.input_ids[0].tolist()[-len(whole) :] == whole
    short = processor(words, truncation=True, max_length=3)
    assert short.input_ids.tolist() == [processor.tokenizer(words, truncation=True, max_length=3).input_ids]
    assert short.input_ids.shape == (1, 3)
    with pytest.raises(ValueError, match="truncation is 'some'"):
        processor(words, truncation="some")


def test_truncation_without_max_length_uses_the_tokenizers_limit(processor: Phi3VProcessor) -> None:
    limited, unlimited = make_tiny_tokenizer(), make_tiny_tokenizer()
    limited.model_max_length, unlimited.model_max_length = 4, int(1e30)
    words = "one two three red green blue"
    for own, expected in [(limited, 4), (unlimited, 7)]:
        batch = Phi3VProcessor(processor.image_processor, own)(words, truncation=True)
        assert batch.input_ids.shape == (1, expected)


@pytest.mark.parametrize(
    ("text", "images", "message"),
    [
        ("<|image_1|>", None, "0 picture.*names 1"),
        ("<|image_1|>", [], "0 picture.*names 1"),
        ("<|image_1|>", [SQUARE, WIDE], "2 picture.*names 1"),
        ("<|image_1|> <|image_2|>", SQUARE, "1 picture.*names 2"),
        ("<|image_2|>", [SQUARE, WIDE], r"names <\|image_2\|>; .* 1 to 1"),
        ("<|image_1|> <|image_3|>", [SQUARE, WIDE], "numbered from 1 without a gap"),
        ("<|image_0|> <|image_1|>", [SQUARE, WIDE], "numbered from 1"),
        (["<|image_1|>", "<|image_1|>"], [SQUARE], r"1 picture.*name 2 \(1 \+ 1\)"),
        (["<|image_1|>", "a"], [[SQUARE]], "1 lists of pictures for 2 prompt"),
        (["a", "<|image_1|>"], [[SQUARE], []], "prompt 0 names 0 picture.*holds 1"),
        (["<|image_1|>", "<|image_1|>"], [[SQUARE], [SQUARE, WIDE]], "prompt 1 names 1 picture.*holds 2"),
        (["<|image_1|>", "<|image_1|>"], [[SQUARE], WIDE], "mixes pictures and lists"),
        ([], None, "at least one string"),
        ([3], None, "at least one string"),
        (None, None, "neither text nor images"),
    ],
)
def test_tags_and_pictures_must_match(
    processor: Phi3VProcessor, text: Any, images: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        processor(text, images)


def test_split_and_count() -> None:
    assert split_prompt("") == ([""], [])
    assert split_prompt("<|image_1|><|image_12|>x") == (["", "", "x"], [1, 12])
    assert split_prompt("<|image_|> <|image_-1|> <|image|>") == (["<|image_|> <|image_-1|> <|image|>"], [])
    assert count_pictures("<|image_3|><|image_1|><|image_2|><|image_1|>") == 3


# ------------------------------------------------------------------------------------ conversations

IMAGE, QUESTION = {"type": "image"}, {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([IMAGE, QUESTION], "<|image_1|>\nWhat is this?"),
        ([QUESTION, IMAGE], "What is this?\n<|image_1|>"),
        ([IMAGE, IMAGE, QUESTION], "<|image_1|>\n<|image_2|>\nWhat is this?"),
        ([IMAGE, {"type": "text", "text": "\nWhat?"}], "<|image_1|>\nWhat?"),
        ([QUESTION, QUESTION], "What is this?What is this?"),
        ([IMAGE], "<|image_1|>"),
        ("plain <|image_1|>", "plain <|image_1|>"),
        (None, ""),
    ],
)
def test_structured_content_becomes_text(content: Any, expected: str) -> None:
    message = {"role": "user", "content": content}
    messages, pictures = plain_conversation([message])
    assert messages == [{"role": "user", "content": expected}]
    assert pictures == []
    assert message["content"] is content, "the caller's message is not changed"


def test_pictures_are_numbered_over_the_conversation() -> None:
    messages, pictures = plain_conversation(
        [
            {"role": "user", "content": [{"type": "image", "image": SQUARE}, QUESTION]},
            {"role": "assistant", "content": [{"type": "text", "text": "A square."}]},
            {
                "role": "user",
                "content": [{"type": "image", "path": "a.png"}, {"type": "image", "url": "b.png"}],
            },
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "c.png"}}]},
        ]
    )
    assert [message["content"] for message in messages] == [
        "<|image_1|>\nWhat is this?",
        "A square.",
        "<|image_2|>\n<|image_3|>",
        "<|image_4|>",
    ]
    assert pictures == [SQUARE, "a.png", "b.png", "c.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"type": "video"}], "video"),
        ([{"type": "text"}], "'type': 'text', 'text'"),
        (["text"], "'text'"),
        ([IMAGE, {"type": "text", "text": "<|image_1|>"}], "written by hand"),
        ([{"type": "image", "image": SQUARE}, IMAGE], "1 of 2 image entries"),
    ],
)
def test_odd_content_is_refused(content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plain_conversation([{"role": "user", "content": content}])


def test_chat_template_gives_model_inputs(processor: Phi3VProcessor) -> None:
    carried = [{"role": "user", "content": [{"type": "image", "image": SQUARE}, QUESTION]}]
    apart = [{"role": "user", "content": [IMAGE, QUESTION]}]
    by_hand = [{"role": "user", "content": "<|image_1|>\nWhat is this?"}]
    prompt = "<|user|>\n<|image_1|>\nWhat is this?<|end|>\n<|assistant|>\n"
    assert processor.apply_chat_template(carried, add_generation_prompt=True) == prompt
    expected = processor(prompt, SQUARE)
    ways: list[tuple[Any, dict[str, Any]]] = [
        (carried, {}),
        (apart, {"images": SQUARE}),
        (apart, {"processor_kwargs": {"images": [SQUARE]}}),
        (by_hand, {"images": [SQUARE]}),
    ]
    for conversation, options in ways:
        inputs = processor.apply_chat_template(
            conversation, add_generation_prompt=True, tokenize=True, return_dict=True, **options
        )
        assert set(inputs) == set(expected)
        assert all(torch.equal(inputs[name], expected[name]) for name in expected)
    ids = processor.apply_chat_template(carried, add_generation_prompt=True, tokenize=True)
    assert torch.equal(ids, expected.input_ids)
    with pytest.raises(ValueError, match="passed twice"):
        processor.apply_chat_template(carried, images=SQUARE, tokenize=True)
    with pytest.raises(ValueError, match="0 picture.*names 1"):
        processor.apply_chat_template(apart, tokenize=True)


def test_batch_of_conversations(processor: Phi3VProcessor) -> None:
    first = [{"role": "user", "content": [{"type": "image", "image": SQUARE}, QUESTION]}]
    second = [{"role": "user", "content": "no picture"}]
    inputs = processor.apply_chat_template(
        [first, second],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"padding": True},
    )
    prompts = processor.apply_chat_template([first, second], add_generation_prompt=True)
    assert prompts[1] == "<|user|>\nno picture<|end|>\n<|assistant|>\n"
    expected = processor(prompts, [[SQUARE], []], padding=True)
    assert all(torch.equal(inputs[name], expected[name]) for name in expected)


def test_own_template_where_the_tokenizer_has_none(processor: Phi3VProcessor) -> None:
    bare = make_tiny_tokenizer()
    bare.chat_template = None
    own = Phi3VProcessor(processor.image_processor, bare)
    conversation = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
    ]
    for messages in (conversation, conversation[:2]):
        for generation in (True, False):
            ours = own.apply_chat_template(messages, add_generation_prompt=generation)
            published = processor.apply_chat_template(
                messages, chat_template=CHAT_TEMPLATE, add_generation_prompt=generation
            )
            assert ours == published
    assert own.apply_chat_template(conversation, chat_template="{{ messages[1].content }}") == "one"


# ------------------------------------------------------------------------------------ back to text


def test_decode_shows_pictures_by_their_tags(processor: Phi3VProcessor) -> None:
    prompt = "<|image_2|> compare <|image_1|>"
    ids = processor(prompt, [WIDE, SQUARE]).input_ids
    assert processor.decode(ids[0]) == "<s><|image_2|><s>  compare <|image_1|><s>"
    assert processor.decode(ids[0].tolist(), skip_special_tokens=True) == " compare "
    assert processor.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False) == [
        " compare "
    ]
    assert processor.decode(ids) == processor.batch_decode(ids.numpy())
    assert processor.post_process_image_text_to_text(ids) == [" compare "]
    labels = torch.cat([torch.full((1, 5), -100), ids], dim=1)
    assert processor.decode(labels[0]) == processor.decode(ids[0])
    assert processor.decode([]) == ""
    assert processor.decode(processor.tokenizer.convert_tokens_to_ids("▁red")) == "red"


# ------------------------------------------------------------------------------------ saving and loading


def test_save_and_load(processor: Phi3VProcessor, tmp_path: Path) -> None:
    processor.save_pretrained(tmp_path)
    loaded = Phi3VProcessor.from_pretrained(tmp_path)
    prompt = "<|user|>\n<|image_1|>\nWhat is this?<|end|>\n<|assistant|>\n"
    ours, theirs = processor(prompt, SQUARE), loaded(prompt, SQUARE)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert loaded.chat_template == CHAT_TEMPLATE
    assert loaded.image_processor.to_dict() == processor.image_processor.to_dict()
    changed = Phi3VProcessor.from_pretrained(tmp_path, num_crops=1, chat_template="{{ 'x' }}")
    assert changed.image_processor.num_crops == 1
    assert changed.apply_chat_template([{"role": "user", "content": ""}]) == "x"
    assert "num_crops" not in changed.tokenizer.init_kwargs, "the tokenizer's file would keep it"


def test_folder_of_the_published_layout(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """tokenizer_class LlamaTokenizer must not lead to the tokenizer that transformers 5 makes of it."""
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    settings = {
        **json.loads(file.read_text()),
        "tokenizer_class": "LlamaTokenizer",
        "chat_template": CHAT_TEMPLATE,
    }
    file.write_text(json.dumps(settings))
    (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    Phi3VImageProcessor(num_crops=4).save_pretrained(tmp_path)
    loaded = Phi3VProcessor.from_pretrained(tmp_path)
    text = "<|user|>\nwhat is this?<|end|>\n<|assistant|>\nyes"
    assert loaded(text).input_ids.tolist() == [tokenizer(text).input_ids]
    assert loaded.chat_template == CHAT_TEMPLATE


def test_rebuilt_llama_tokenizer_is_warned_of(processor: Phi3VProcessor) -> None:
    class LlamaTokenizer(PreTrainedTokenizerFast):
        pass

    rebuilt = LlamaTokenizer(tokenizer_object=processor.tokenizer.backend_tokenizer, bos_token="<s>")
    with pytest.warns(UserWarning, match=r"Phi3VProcessor\.from_pretrained"):
        Phi3VProcessor(processor.image_processor, rebuilt)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_is_a_prompt(processor, text):
    ids = processor(text)["input_ids"]
    assert ids.shape[1] > 0 and (ids >= 0).all()
    assert torch.equal(ids, processor(printable(text))["input_ids"])
