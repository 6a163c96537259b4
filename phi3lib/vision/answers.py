"""Questions to Phi-3-vision about pictures, and its answers."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig

from phi3lib.vision.crop_controls import blurred_crops
from phi3lib.vision.inputs import as_whole
from phi3lib.vision.pictures import Picture, Pictures, flatten_pictures
from phi3lib.vision.prompts import one_turn

CAPTION = "Describe the picture."
CROPS = ("sharp", "blurred", "none")


def prompt_of(question: str, num_pictures: int = 1) -> str:
    r"""Return the published chat format for one question about one or several pictures.

    >>> prompt_of("Which one is red?", 2)
    '<|user|>\n<|image_1|>\n<|image_2|>\nWhich one is red?<|end|>\n<|assistant|>\n'
    """
    last = as_whole(num_pictures, "num_pictures", 1)
    tags = "".join(f"<|image_{number}|>\n" for number in range(1, last + 1))
    return one_turn(tags + question)


@torch.inference_mode()
def answer(
    model: Any,
    pictures: Pictures,
    questions: str | Sequence[str] = CAPTION,
    *,
    num_crops: int | None = None,
    crops: str = "sharp",
    max_new_tokens: int = 60,
    batch_size: int = 16,
) -> list[str]:
    """Return the model's likeliest answer to each question, by greedy decoding.

    model: from `load_phi3_model(language_model=True)`. pictures: one for each question (a single one counts
    as a list of one), or a list of pictures for each question that is about several. questions: one for all,
    or one for each. num_crops: the most crops of a picture; None: the model's own number. crops: "sharp";
    "blurred", rebuilt from the global view (`crop_controls.blurred_crops`); or "none", where the only crop is
    the global view once more. batch_size: how many questions are answered at once. Raises ValueError where
    numbers differ, and for other words.
    """
    groups, batch_size = _groups(pictures), as_whole(batch_size, "batch_size", 1)
    asked = [questions] * len(groups) if isinstance(questions, str) else list(questions)
    if len(asked) != len(groups):
        raise ValueError(
            f"{len(asked)} questions about {len(groups)} pictures: pass one, or one for each picture"
        )
    said: list[str] = []
    for start in range(0, len(asked), batch_size):
        batch = slice(start, start + batch_size)
        inputs = question_inputs(model, groups[batch], asked[batch], num_crops=num_crops, crops=crops)
        said += generate_answers(model, inputs, max_new_tokens=max_new_tokens)
    return said


def question_inputs(
    model: Any,
    pictures: Pictures,
    questions: Sequence[str],
    *,
    num_crops: int | None = None,
    crops: str = "sharp",
) -> Any:
    """Return the processor's output for questions about pictures; arguments as in `answer`."""
    if crops not in CROPS:
        raise ValueError(f"no crops {crops!r}; there are: {', '.join(CROPS)}")
    groups = _groups(pictures)
    processor = model.processor
    inputs = processor(
        [prompt_of(question, len(group)) for question, group in zip(questions, groups, strict=True)],
        groups,
        padding=True,
        num_crops=1 if crops == "none" else num_crops,
    )
    if crops == "blurred":
        tile = processor.image_processor.tile
        inputs["pixel_values"] = blurred_crops(inputs["pixel_values"], inputs["image_sizes"], tile)
    return inputs


def _groups(pictures: Pictures) -> list[list[Picture]]:
    """Return the pictures of each question; what is no list is one picture, or an array of several."""
    listed = pictures if isinstance(pictures, list | tuple) else flatten_pictures(pictures)
    return [flatten_pictures(one) for one in listed]


def greedy(model: Any) -> Any:
    """Return the same network without what a checkpoint's generation_config.json asks for.

    With penalties, beams or several sequences, answers are not the likeliest, or not those of their pictures.
    """
    found, kept = copy.copy(model), model.generation_config
    found.generation_config = GenerationConfig(
        do_sample=False,
        bos_token_id=kept.bos_token_id,
        eos_token_id=kept.eos_token_id,
        pad_token_id=kept.pad_token_id,
    )
    return found


@torch.inference_mode()
def generate_answers(model: Any, inputs: Any, *, max_new_tokens: int = 60) -> list[str]:
    """Return the answers to prepared inputs, such as inputs with blurred crops."""
    inputs = inputs.to(next(model.parameters()).device)
    length = inputs["input_ids"].shape[1]
    generated = greedy(model).generate(**inputs, max_new_tokens=max_new_tokens)
    texts = model.processor.batch_decode(generated[:, length:], skip_special_tokens=True)
    return [text.strip() for text in texts]


@torch.inference_mode()
def answers_with_probabilities(
    model: Any,
    pictures: Pictures,
    question: str = CAPTION,
    *,
    num_crops: int | None = None,
    max_new_tokens: int = 60,
    batch_size: int = 16,
) -> list[tuple[str, float]]:
    """Return the likeliest answer about each picture, by greedy decoding, and its probability.

    The probability is the product of the probabilities of all its tokens, the end included: what the model
    gives to exactly this answer. model, num_crops, max_new_tokens, batch_size: as in `answer`.
    """
    found: list[tuple[str, float]] = []
    groups, batch_size = _groups(pictures), as_whole(batch_size, "batch_size", 1)
    for start in range(0, len(groups), batch_size):
        batch = groups[start : start + batch_size]
        inputs = question_inputs(model, batch, [question] * len(batch), num_crops=num_crops)
        inputs = inputs.to(next(model.parameters()).device)
        output = greedy(model).generate(
            **inputs,
            max_new_tokens=max_new_tokens,
            output_logits=True,
            return_dict_in_generate=True,
        )
        tokens = output.sequences[:, inputs["input_ids"].shape[1] :]
        logits = torch.stack(output.logits, 1).float()  # (N, new tokens, vocabulary)
        chosen = logits.log_softmax(-1).gather(2, tokens[..., None])[..., 0]
        end = torch.isin(tokens, torch.tensor(ends_of(model), device=tokens.device)).long()
        counted = end.cumsum(1) - end == 0  # up to the first end; padding follows
        sums = torch.where(counted, chosen, 0.0).sum(1)
        texts = model.processor.batch_decode(tokens, skip_special_tokens=True)
        found += [(text.strip(), float(sum_.exp())) for text, sum_ in zip(texts, sums, strict=True)]
    return found


def ends_of(model: Any) -> list[int]:
    """Return the tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    return list(ends) if isinstance(ends, list | tuple) else [ends]
