"""What an answer rests on: attention to visual tokens, answers without some of them, and the logit lens.

    asked = prepare_question(phi3, [picture], "Which colour is the cup?")
    trace = trace_answer(phi3, asked)                    # trace.attention: (layers, heads, answer, prompt)
    looked_at = trace.attention[2, 1, 0].topk(8).indices
    answers_without(phi3, asked, [looked_at.tolist()])   # the same question with these tokens hidden

Attention weights say which tokens a head reads, not whether the answer depends on them. `answers_without`
and `log_probabilities` test that: hidden tokens keep their positions, and no layer of the language model can
read them. The vision tower has already mixed the patches of a tile, so that other tokens of the same tile,
and those of the global view, may still hold some of what was hidden.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from phi3lib.vision.answers import CAPTION, ends_of, greedy, question_inputs
from phi3lib.vision.hd_transform import HDGrid, hd_grid
from phi3lib.vision.pictures import Pictures, flatten_pictures, read_picture
from phi3lib.vision.placeholders import find_placeholders


@dataclass(frozen=True)
class PlacedPicture:
    """A picture of a prompt: its grid, the column of its first token, and the order of its views."""

    grid: HDGrid
    start: int
    order: str

    @property
    def columns(self) -> range:
        """Return the columns of `input_ids` that hold the picture's tokens."""
        return range(self.start, self.start + self.grid.num_image_tokens)


@dataclass(frozen=True)
class AskedQuestion:
    """A prompt with its pictures, encoded once.

    input_ids (length,) int64; inputs_embeds (length, hidden_size), with visual tokens at their positions.
    """

    question: str
    input_ids: torch.Tensor
    inputs_embeds: torch.Tensor
    pictures: tuple[PlacedPicture, ...]


@dataclass(frozen=True)
class AnswerTrace:
    """An answer, and what each of its tokens was predicted from.

    token_ids and words have one entry for each token of the answer, without the end token, which is kept only
    where the answer is empty. attention
    (layers, heads, tokens, length) float32 holds the weights over the prompt at the position that predicts
    the token. A head's weights over prompt and answer so far sum to 1. log_probabilities: (tokens,) float32.
    """

    text: str
    token_ids: tuple[int, ...]
    words: tuple[str, ...]
    attention: torch.Tensor
    log_probabilities: torch.Tensor


@torch.inference_mode()
def prepare_question(
    model: Any,
    pictures: Pictures,
    question: str = CAPTION,
    *,
    num_crops: int | None = None,
    crops: str = "sharp",
) -> AskedQuestion:
    """Return one prompt about one or several pictures, with its visual tokens computed.

    model: from `load_phi3_model(language_model=True)`. num_crops and crops as in `answer`. Raises ValueError
    without pictures and for unknown crops.
    """
    images = [read_picture(picture) for picture in flatten_pictures(pictures)]
    if not images:
        raise ValueError("no pictures: pass one picture, or a list of at least one")
    inputs = question_inputs(model, [images], [question], num_crops=num_crops, crops=crops)
    inputs = inputs.to(next(model.parameters()).device)
    ids = inputs["input_ids"]
    embedding = model.model.vision_embed_tokens
    counts = embedding.num_tokens(inputs["pixel_values"], inputs["image_sizes"])
    placeholders = find_placeholders(ids, counts, embedding.image_token_id)
    tile = model.processor.image_processor.tile
    most = 1 if crops == "none" else num_crops or model.processor.image_processor.num_crops
    placed = tuple(
        PlacedPicture(hd_grid(*image.size, most, tile=tile), int(cols[0]), embedding.hd_transform_order)
        for image, cols in zip(images, placeholders.cols.split(placeholders.counts), strict=True)
    )
    embeds = model.model.embed(ids, inputs["pixel_values"], inputs["image_sizes"])
    return AskedQuestion(question, ids[0], embeds[0], placed)


@torch.inference_mode()
def trace_answer(
    model: Any, asked: AskedQuestion, *, hidden: Iterable[int] = (), max_new_tokens: int = 60
) -> AnswerTrace:
    """Return the model's likeliest answer with the attention weights of every layer and head.

    hidden: columns of the prompt that the language model may not read. The weights are computed for the
    answer's tokens alone, so that memory grows with the prompt's length and not with its square.
    """
    mask = _attention_mask(asked, [hidden])
    token_ids = _generate(model, asked, mask, max_new_tokens)[0]
    length = len(asked.input_ids)
    logits, attentions = _predict(model, asked, mask, token_ids)
    tokenizer = model.processor.tokenizer
    return AnswerTrace(
        tokenizer.decode(token_ids, skip_special_tokens=True).strip(),
        tuple(token_ids),
        tuple(tokenizer.decode([one]) for one in token_ids),
        torch.stack([weights[0, :, :, :length].float().cpu() for weights in attentions]),
        _log_probabilities_of(logits, token_ids)[0].cpu(),
    )


@torch.inference_mode()
def answers_without(
    model: Any,
    asked: AskedQuestion,
    hidden: Sequence[Iterable[int]],
    *,
    max_new_tokens: int = 60,
    batch_size: int = 16,
) -> list[str]:
    """Return one answer for each set of hidden columns of the prompt; an empty set hides nothing.

    Raises ValueError for columns that hold no visual token.
    """
    mask = _attention_mask(asked, hidden)
    said: list[str] = []
    for rows in mask.split(batch_size):
        for token_ids in _generate(model, asked, rows, max_new_tokens):
            said.append(model.processor.tokenizer.decode(token_ids, skip_special_tokens=True).strip())
    return said


@torch.inference_mode()
def log_probabilities(
    model: Any,
    asked: AskedQuestion,
    token_ids: Sequence[int],
    hidden: Sequence[Iterable[int]],
    *,
    batch_size: int = 16,
) -> torch.Tensor:
    """Return the log-probability of one fixed answer for each set of hidden columns: (sets,) float32.

    token_ids: the answer, such as `AnswerTrace.token_ids`. Unlike the answer itself it changes by degrees.
    """
    if not len(token_ids):
        raise ValueError("token_ids is empty: an answer of at least one token is needed")
    rows = _attention_mask(asked, hidden).split(batch_size)
    found = [
        _log_probabilities_of(_predict(model, asked, mask, token_ids, weights=False)[0], token_ids)
        for mask in rows
    ]
    return torch.cat(found).sum(1).cpu()


@torch.inference_mode()
def logit_lens(
    model: Any, asked: AskedQuestion, columns: Sequence[int], *, k: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k likeliest next tokens that the head would read from states of every layer.

    columns: positions in the prompt. The states before the first layer and after each layer are passed
    through the last norm and the language-model head, which were trained for the last layer's states only.
    Returns (ids, probabilities), each (1 + layers, columns, k). Source: nostalgebraist, "interpreting GPT:
    the logit lens", 2020.
    """
    states = model.model(
        inputs_embeds=asked.inputs_embeds[None], output_hidden_states=True, use_cache=False
    ).hidden_states
    layers = [model.model.norm(state[0, list(columns)]) for state in states[:-1]]
    layers.append(states[-1][0, list(columns)])  # the last one is normed already
    scores = model.lm_head(torch.stack(layers)).float().softmax(-1)
    best = scores.topk(k, dim=-1)
    return best.indices.cpu(), best.values.cpu()


# ----------------------------------------------------------------------------------- the passes


def _attention_mask(asked: AskedQuestion, hidden: Sequence[Iterable[int]]) -> torch.Tensor:
    """Return masks (sets, length) int64, 0 for hidden columns. ValueError if one has no visual token."""
    visual = {column for picture in asked.pictures for column in picture.columns}
    mask = torch.ones(len(hidden), len(asked.input_ids), dtype=torch.int64, device=asked.input_ids.device)
    for row, columns in zip(mask, hidden, strict=True):
        chosen = sorted({int(column) for column in columns})
        if wrong := [column for column in chosen if column not in visual]:
            raise ValueError(
                f"column {wrong[0]} holds no visual token; those of the pictures are "
                f"{', '.join(f'{one.columns.start} to {one.columns.stop - 1}' for one in asked.pictures)}"
            )
        row[chosen] = 0
    return mask


def _positions(mask: torch.Tensor, length: int) -> torch.Tensor:
    """Positions as if nothing were hidden; transformers would count seen tokens only."""
    return torch.arange(length, device=mask.device).expand(len(mask), -1)


def _generate(model: Any, asked: AskedQuestion, mask: torch.Tensor, max_new_tokens: int) -> list[list[int]]:
    """Return the ids of the likeliest answer for each row of `seen`; the end token only where it is all."""
    if not len(mask):
        return []
    generated = greedy(model).generate(
        inputs_embeds=asked.inputs_embeds.expand(len(mask), -1, -1),
        attention_mask=mask,
        position_ids=_positions(mask, mask.shape[1]),
        max_new_tokens=max_new_tokens,
    )
    ends = set(ends_of(model))
    rows = []
    for row in generated.tolist():
        stop = next((index for index, one in enumerate(row) if one in ends), len(row))
        rows.append(row[: max(stop, 1)])
    return rows


def _predict(
    model: Any, asked: AskedQuestion, mask: torch.Tensor, token_ids: Sequence[int], *, weights: bool = True
) -> tuple[torch.Tensor, Any]:
    """Logits (sets, tokens, vocab) at the positions that predict an answer's tokens, and attention weights.

    The prompt is computed as usual; only its last token and the answer need an attention that gives weights.
    """
    prompt = asked.inputs_embeds.expand(len(mask), -1, -1)
    device = mask.device
    answer = model.get_input_embeddings()(torch.tensor(token_ids[:-1], dtype=torch.int64, device=device))
    length, count = prompt.shape[1], len(token_ids)
    positions = _positions(mask, length + count - 1)
    mask = torch.cat([mask, mask.new_ones(len(mask), count - 1)], dim=1)
    cache = model.model(
        inputs_embeds=prompt[:, :-1],
        attention_mask=mask[:, : length - 1],
        position_ids=positions[:, : length - 1],
        use_cache=True,
    ).past_key_values
    with _eager_attention(model, weights):
        out = model(
            inputs_embeds=torch.cat([prompt[:, -1:], answer.expand(len(mask), -1, -1)], dim=1),
            attention_mask=mask,
            position_ids=positions[:, length - 1 :],
            past_key_values=cache,
            output_attentions=weights,
        )
    return out.logits, out.attentions


def _log_probabilities_of(logits: torch.Tensor, token_ids: Sequence[int]) -> torch.Tensor:
    """Return the log-probability of each token of the answer: (sets, tokens) float32."""
    wanted = torch.tensor(token_ids, device=logits.device)
    chosen = wanted.expand(len(logits), -1)[..., None]
    return logits.float().log_softmax(-1).gather(-1, chosen)[..., 0]


@contextmanager
def _eager_attention(model: Any, wanted: bool) -> Iterator[None]:
    """Let the language model compute attention step by step: fused kernels return no weights."""
    before = model.config._attn_implementation
    if wanted:
        model.set_attn_implementation({"": "eager"})
    try:
        yield
    finally:
        if wanted:
            model.set_attn_implementation({"": before})
