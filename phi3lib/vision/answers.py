"""Questions to Phi-3-vision about pictures, and its answers."""

from collections.abc import Sequence
from typing import Any

import torch

from phi3lib.vision.crop_controls import blurred_crops
from phi3lib.vision.pictures import Picture

CAPTION = "Describe the picture."
CROPS = ("sharp", "blurred", "none")


def prompt_of(question: str) -> str:
    """The published chat format for one question about one picture."""
    return f"<|user|>\n<|image_1|>\n{question}<|end|>\n<|assistant|>\n"


@torch.inference_mode()
def answer(
    model: Any,
    pictures: Sequence[Picture],
    questions: str | Sequence[str] = CAPTION,
    *,
    num_crops: int | None = None,
    crops: str = "sharp",
    max_new_tokens: int = 60,
    batch_size: int = 16,
) -> list[str]:
    """The model's likeliest answer to a question about each picture, word by word without chance.

    model: from `load_phi3_model(language_model=True)`. questions: one for all pictures, or one for each.
    num_crops: the most crops of a picture; None: the model's own number. crops: "sharp"; "blurred", rebuilt
    from the global view (`crop_controls.blurred_crops`); or "none", where the only crop is the global view
    once more. batch_size: so many pictures are answered at once. ValueError where numbers differ, and for
    other words.
    """
    asked = [questions] * len(pictures) if isinstance(questions, str) else list(questions)
    if len(asked) != len(pictures):
        raise ValueError(f"{len(asked)} questions about {len(pictures)} pictures: give one, or one for each")
    if crops not in CROPS:
        raise ValueError(f"no crops {crops!r}; there are: {', '.join(CROPS)}")
    said: list[str] = []
    for start in range(0, len(asked), batch_size):
        batch = slice(start, start + batch_size)
        inputs = _inputs(model, pictures[batch], asked[batch], num_crops, crops)
        said += generate_answers(model, inputs, max_new_tokens=max_new_tokens)
    return said


def _inputs(
    model: Any, pictures: Sequence[Picture], asked: Sequence[str], num_crops: int | None, crops: str
) -> Any:
    processor = model.processor
    inputs = processor(
        [prompt_of(question) for question in asked],
        list(pictures),
        padding=True,
        num_crops=1 if crops == "none" else num_crops,
    )
    if crops == "blurred":
        tile = processor.image_processor.tile
        inputs["pixel_values"] = blurred_crops(inputs["pixel_values"], inputs["image_sizes"], tile)
    return inputs


@torch.inference_mode()
def generate_answers(model: Any, inputs: Any, *, max_new_tokens: int = 60) -> list[str]:
    """The answers to inputs that are ready, such as those whose crops were blurred on purpose."""
    inputs = inputs.to(next(model.parameters()).device)
    length = inputs["input_ids"].shape[1]
    generated = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
    texts = model.processor.batch_decode(generated[:, length:], skip_special_tokens=True)
    return [text.strip() for text in texts]
