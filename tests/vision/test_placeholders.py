"""Placeholders, negative ids, in what transformers and peft do with the ids of a prompt."""

import peft
import pytest
import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    LogitsProcessorList,
    StoppingCriteriaList,
    StopStringCriteria,
    TextStreamer,
)

from phi3lib import Phi3VForCausalLM, Phi3VImageProcessor, Phi3VProcessor, register_auto_classes
from phi3lib.vision.placeholders import IGNORED_LABEL, find_negative_ids
from phi3lib.vision.tokenizer import Phi3VTokenizer
from tests.golden_models import golden_lm, pictures
from tests.tiny_tokenizer import make_tiny_tokenizer

PICTURE_TOKENS = 313  # of a picture of one crop
IDS = torch.tensor([[1, 7, *[-1] * PICTURE_TOKENS, 9, 11]])
GREEDY = {"do_sample": False, "max_new_tokens": 3, "eos_token_id": None, "pad_token_id": 0}


def inputs() -> dict[str, torch.Tensor]:
    return {"input_ids": IDS.clone(), **pictures([[336, 336]], 2, seed=50)}


def ignoring_pictures() -> torch.Tensor:
    return IDS.masked_fill(IDS < 0, IGNORED_LABEL)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Phi3VTokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tiny_tokenizer().save_pretrained(folder)
    return Phi3VTokenizer.from_pretrained(folder)


# ------------------------------------------------------------------------------- labels


def test_a_copy_of_the_ids_as_labels_gives_the_loss_of_the_text_alone():
    model, labels = golden_lm(), IDS.clone()
    with torch.no_grad():
        loss = model(**inputs(), labels=labels).loss
        assert torch.equal(loss, model(**inputs(), labels=ignoring_pictures()).loss)
    assert torch.equal(labels, IDS)  # not modified


def test_labels_of_transformers_collator_train(tokenizer):
    batch = DataCollatorForLanguageModeling(tokenizer, mlm=False)([{"input_ids": IDS[0].tolist()}])
    assert (batch["labels"] == -1).sum() == PICTURE_TOKENS  # the collator knows of no placeholders
    with torch.no_grad():
        loss = golden_lm()(**{**inputs(), **batch}).loss
        want = golden_lm()(**inputs(), labels=ignoring_pictures()).loss
    torch.testing.assert_close(loss, want)


def test_the_trainers_count_of_labels_leaves_placeholders_out():
    """The Trainer counts every label that is not -100, and divides the loss by that number."""
    model, counted = golden_lm(), torch.tensor(IDS.shape[1] - 1)
    with torch.no_grad():
        loss = model(**inputs(), labels=IDS, num_items_in_batch=counted).loss
        want = model(**inputs(), labels=ignoring_pictures()).loss
    torch.testing.assert_close(loss, want)


# ------------------------------------------------------------------------------- generation


def test_stop_strings_reach_back_into_the_picture(tokenizer):
    """The criterion looks at as many of the last ids as the stop string has letters."""
    with torch.inference_mode():
        plain = golden_lm().generate(**inputs(), **GREEDY)
        far = golden_lm().generate(
            **inputs(), **GREEDY, stop_strings=["no such words " * 9], tokenizer=tokenizer
        )
        own = StoppingCriteriaList([StopStringCriteria(tokenizer, "no such words " * 9)])
        by_own = golden_lm().generate(**inputs(), **GREEDY, stopping_criteria=own)
    assert torch.equal(plain, far) and torch.equal(plain, by_own)


def test_a_picture_matches_no_stop_string(tokenizer):
    """Shown as id 0, "<unk>", a picture would complete a stop string that begins with its last letter."""
    prompt = {**inputs(), "input_ids": torch.tensor([[1, *[-1] * PICTURE_TOKENS]])}
    answer = tokenizer.convert_tokens_to_ids("▁what")

    def only_this_answer(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return torch.full_like(scores, -1e9).index_fill(1, torch.tensor([answer]), 0.0)

    def words_until(stop_string: str) -> int:
        options = {"logits_processor": LogitsProcessorList([only_this_answer]), "tokenizer": tokenizer}
        out = golden_lm().generate(**prompt, **GREEDY, **options, stop_strings=[stop_string])
        return out.shape[1] - 1 - PICTURE_TOKENS

    assert words_until(" what") == 1
    assert words_until("> what") == GREEDY["max_new_tokens"]


@pytest.mark.parametrize(
    "option",
    [{"repetition_penalty": 1.2}, {"encoder_repetition_penalty": 1.2}, {"no_repeat_ngram_size": 2}],
    ids=lambda option: next(iter(option)),
)
def test_logits_processors_take_prompts_with_pictures(option):
    with torch.inference_mode():
        out = golden_lm().generate(**inputs(), **GREEDY, **option)
    assert torch.equal(out[:, : IDS.shape[1]], IDS)


def test_logits_processors_see_a_picture_as_id_0_and_words_as_they_are():
    seen = []

    def watching(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        seen.append(ids.clone())
        return scores

    with torch.inference_mode():
        golden_lm().generate(**inputs(), **GREEDY, logits_processor=LogitsProcessorList([watching]))
    assert torch.equal(seen[0], IDS.masked_fill(IDS < 0, 0))


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([[7, 9]], r"placeholders for 0 .*: there are none\)$"),
        ([[-1, -2]] * 4, r"placeholders for 8 .*: row 0 has id -1; .*row 3 has id -1; row 3 has id -2\)$"),
        ([[-1]] * 9, r"placeholders for 9 .*; row 7 has id -1; …\)$"),
    ],
)
def test_pictures_that_do_not_fit_the_placeholders_are_told_with_their_rows(ids, words):
    with pytest.raises(ValueError, match=words):
        find_negative_ids(torch.tensor(ids)).require_pictures(3)


def test_a_prompt_that_lost_its_placeholders_is_refused():
    """As after `token_healing=True`, which writes the prompt anew: the picture would not be seen."""
    words = {**inputs(), "input_ids": torch.tensor([[1, 7, 9]])}
    with pytest.raises(ValueError, match=r"placeholders for 0 picture\(s\), but 1 were passed"):
        golden_lm().generate(**words, **GREEDY)


def test_pictures_beside_ready_embeddings_need_an_image_token():
    model = golden_lm()
    words = torch.zeros(1, 4, model.config.hidden_size)
    with pytest.raises(ValueError, match="without an image token in the configuration"):
        model(inputs_embeds=words, **pictures([[336, 336]], 2, seed=50))


# ------------------------------------------------------------------------------- reading back


def test_the_tokenizer_reads_back_the_ids_of_a_prompt(tokenizer):
    words = tokenizer("what is this").input_ids
    row = [*words, -2, -2, -2, -1, IGNORED_LABEL, *words]
    text = tokenizer.decode(words)
    assert tokenizer.decode(row) == f"{text}<|image_2|><|image_1|>{text}"
    assert tokenizer.decode(torch.tensor(row)) == tokenizer.decode(row)
    assert tokenizer.batch_decode([row, words]) == [tokenizer.decode(row), text]
    assert tokenizer.decode(row, skip_special_tokens=True) == 2 * tokenizer.decode(
        words, skip_special_tokens=True
    )
    assert tokenizer.decode(-3) == "<|image_3|>"
    assert tokenizer.convert_ids_to_tokens([words[0], -2]) == [
        tokenizer.convert_ids_to_tokens(words[0]),
        "<|image_2|>",
    ]
    assert tokenizer.convert_ids_to_tokens(-2) == "<|image_2|>"
    assert tokenizer.convert_ids_to_tokens([-2], skip_special_tokens=True) == []


def test_a_streamer_shows_the_prompt_and_the_answer(tokenizer, capsys):
    with torch.inference_mode():
        out = golden_lm().generate(**inputs(), **GREEDY, streamer=TextStreamer(tokenizer))
    assert capsys.readouterr().out.strip() == tokenizer.decode(out[0]).strip()


def test_the_processor_brings_this_tokenizer_and_others_can_load_what_it_saves(tokenizer, tmp_path):
    Phi3VProcessor(Phi3VImageProcessor(), tokenizer).save_pretrained(tmp_path)
    loaded = Phi3VProcessor.from_pretrained(tmp_path).tokenizer
    assert type(loaded) is Phi3VTokenizer
    text = "what is this\n<|end|>\n"
    general = AutoTokenizer.from_pretrained(tmp_path)
    assert general(text).input_ids == loaded(text).input_ids == tokenizer(text).input_ids


# ------------------------------------------------------------------------------- loaders and adapters


@pytest.mark.parametrize("auto_class", [AutoModelForImageTextToText, AutoModelForMultimodalLM])
def test_auto_classes_for_pictures_and_text(auto_class, tmp_path):
    register_auto_classes()
    golden_lm().save_pretrained(tmp_path)
    assert type(auto_class.from_pretrained(tmp_path)) is Phi3VForCausalLM


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ["embed_tokens", "qkv_proj"]},
        {"target_modules": ["qkv_proj"], "trainable_token_indices": [7, 9]},
    ],
    ids=["lora", "single tokens"],
)
def test_adapters_of_the_words_learn(options):
    adapted = peft.get_peft_model(golden_lm(), peft.LoraConfig(r=2, task_type="CAUSAL_LM", **options))
    adapted(**inputs(), labels=IDS).loss.backward()
    of_words = {
        name: p.grad for name, p in adapted.named_parameters() if "embed_tokens." in name and p.requires_grad
    }
    assert of_words and all(gradient is not None for gradient in of_words.values())
    assert any(bool(gradient.any()) for gradient in of_words.values())


def test_a_hook_on_the_input_embeddings_is_called():
    """As the Trainer's gradient checkpointing and noise for fine-tuning (NEFTune) need it."""
    model, calls = golden_lm(), []
    model.get_input_embeddings().register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        model(**inputs())
    assert calls == [1]
