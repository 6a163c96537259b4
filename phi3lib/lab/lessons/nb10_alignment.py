"""Notebook 10: teach a Phi-3-vision to use another tower, and score what it then answers.

The tower stays as it is, so its features of every tile are computed once. All questions about a scene are
packed into one row behind its visual tokens and do not see each other. A question counts as answered where
every token of the right answer is the likeliest one: exactly then greedy decoding writes this answer.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from phi3lib.embeddings.confidence import Estimate, difference, of_mean
from phi3lib.encoders.swap import vision_part
from phi3lib.vision.answers import prompt_of
from phi3lib.vision.crop_controls import blurred_crops
from phi3lib.vision.prompts import ASSISTANT, END, encode_prompt
from picturebook.colors import COLORS
from picturebook.pages.words import TRAINED_WORDS
from picturebook.questions import Question, questions_of
from picturebook.scenes import SCENE_KINDS, draw_scene

TOPICS = ("kind", "colour", "where", "side", "count")
# Guessing without looking: one of so many answers.
CHANCE = {
    "kind": 1 / len(SCENE_KINDS),
    "colour": 1 / len(COLORS),
    "where": 1 / 9,
    "side": 1 / 2,
    "count": 1 / 4,
    "print": 1 / len(TRAINED_WORDS),
}
TEST_SCENES = 70_000  # the first number of the scenes that answers are scored on
SIDE = 224  # pixels of a scene: 2×2 tiles of the small models
PRINT_GRID = (3, 3)  # tiles of a scene with small print, as in notebook 03
MOST_QUESTIONS = 12
BATCH = 4


@dataclass(frozen=True)
class AskedScene:
    """A generated image with questions about it, each of a topic of CHANCE, and their right answers."""

    image: Image.Image
    questions: tuple[Question, ...]


def asked_scenes(count: int, *, split: str, first: int = 0) -> list[AskedScene]:
    """Return scenes of a split ("train", "test") with at most MOST_QUESTIONS questions each."""
    return [_asked(number, split) for number in range(first, first + count)]


def _asked(number: int, split: str) -> AskedScene:
    scene = draw_scene(number, split=split, style="things", tile=SIDE // 2, grid=(2, 2))
    asked = questions_of(scene, np.random.default_rng(number))
    kept = tuple(question for question in asked if question.topic in TOPICS)[:MOST_QUESTIONS]
    return AskedScene(scene.image, kept)


def print_scenes(count: int, *, first: int = TEST_SCENES) -> list[AskedScene]:
    """Return test scenes with words in small print, each with one question about one of them.

    The words are those that `phi3-vision-small` was trained on. No alignment was trained on print.
    """
    return [_printed(number) for number in range(first, first + count)]


def _printed(number: int) -> AskedScene:
    scene = draw_scene(
        number, split="test", style="print", tile=SIDE // 2, grid=PRINT_GRID, print_kind="word"
    )
    asked = questions_of(scene, np.random.default_rng(number))
    return AskedScene(scene.image, tuple(question for question in asked if question.topic == "print")[:1])


# ------------------------------------------------------------------------------- rows


@dataclass(frozen=True)
class SceneRows:
    """Scenes with the features of their tiles, ready for the language model.

    features (N, 1 + crops, patches², C); image_sizes (N, 2); rows: for each scene its packed questions.
    """

    features: Tensor
    image_sizes: Tensor
    rows: list["PackedRow"]


def with_other_images(scenes: SceneRows) -> SceneRows:
    """Return the same questions with the image of another scene: what is still right was guessed."""
    return replace(scenes, features=scenes.features.roll(1, 0), image_sizes=scenes.image_sizes.roll(1, 0))


@dataclass(frozen=True)
class PackedRow:
    """ids (length,), -1 for visual tokens; positions; block: the question's number, 0 for the image's part;
    answers (length,) bool: tokens of right answers; topics: one for each question."""

    ids: list[int]
    positions: list[int]
    block: list[int]
    answers: list[bool]
    topics: list[str]


@torch.no_grad()
def rows_of(
    model: Any, scenes: Sequence[AskedScene], *, crops: str = "sharp", num_crops: int | None = None
) -> SceneRows:
    """Return the features that the model's tower has of these scenes, with their packed questions.

    crops: "sharp", or "blurred": rebuilt from the global view, so that they show no more than it does.
    num_crops: of a scene at most; None: the processor's own number. All scenes have the same grid.
    """
    processor, embedding = model.processor, vision_part(model)
    limit = {} if num_crops is None else {"num_crops": num_crops}
    batch = processor.image_processor([scene.image for scene in scenes], return_tensors="pt", **limit)
    pixels = batch["pixel_values"]
    if crops == "blurred":
        pixels = blurred_crops(pixels, batch["image_sizes"], processor.image_processor.tile)
    tower = next(embedding.img_processor.parameters())
    features = [embedding.get_img_features(tiles.to(tower.device, tower.dtype)) for tiles in pixels]
    counts = batch["num_img_tokens"].tolist()
    rows = [
        _pack(processor.tokenizer, count, scene.questions)
        for count, scene in zip(counts, scenes, strict=True)
    ]
    return SceneRows(torch.stack(features), batch["image_sizes"], rows)


def _pack(tokenizer: Any, num_tokens: int, questions: Sequence[Question]) -> PackedRow:
    row = PackedRow([], [], [], [], [question.topic for question in questions])
    turn = tokenizer.convert_tokens_to_ids(ASSISTANT)
    for number, question in enumerate(questions, 1):
        text = f"{prompt_of(question.text)}{question.answer}{END}"
        whole = encode_prompt(tokenizer, text, [num_tokens])
        start = len(whole) - whole[::-1].index(-1)  # after the last visual token
        if not row.ids:
            row.ids.extend(whole[:start])
            row.positions.extend(range(start))
            row.block.extend([0] * start)
            row.answers.extend([False] * start)
        tail = whole[start:]
        answer = tail.index(turn) + 1
        row.ids.extend(tail)
        row.positions.extend(range(start, len(whole)))
        row.block.extend([number] * len(tail))
        row.answers.extend(position >= answer for position in range(len(tail)))
    return row


@dataclass(frozen=True)
class Batch:
    """Rows of equal length: tensors (n, length), and mask (n, 1, length, length), 0 where it may look."""

    ids: Tensor
    positions: Tensor
    block: Tensor
    answers: Tensor
    mask: Tensor


def _batch(rows: Sequence[PackedRow], pad: int, like: Tensor) -> Batch:
    """Return rows side by side, on the device of `like` and with a mask of its dtype."""
    length = max(len(row.ids) for row in rows)

    def padded(lists: Iterable[list], value: int) -> Tensor:
        return torch.tensor([[*one, *[value] * (length - len(one))] for one in lists], device=like.device)

    block = padded((row.block for row in rows), -1)
    earlier = torch.ones(length, length, dtype=torch.bool, device=like.device).tril()
    sees = ((block[:, :, None] == block[:, None, :]) | (block == 0)[:, None, :]) & earlier
    mask = torch.zeros(sees.shape, dtype=like.dtype, device=like.device)
    mask = mask.masked_fill(~sees, torch.finfo(like.dtype).min)[:, None]
    return Batch(
        padded((row.ids for row in rows), pad),
        padded((row.positions for row in rows), 0),
        block,
        padded((row.answers for row in rows), 0).bool(),
        mask,
    )


# ------------------------------------------------------------------------------- loss and scores


def _predicted(model: Any, scenes: SceneRows, chosen: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits of the answers' tokens, the right ids, and the row and question of each."""
    words = model.get_input_embeddings().weight
    batch = _batch([scenes.rows[number] for number in chosen], model.processor.tokenizer.pad_token_id, words)
    embedding, topics = vision_part(model), list(chosen)
    embeds = embedding(
        batch.ids, scenes.features[topics], scenes.image_sizes[topics], wte=model.get_input_embeddings()
    )
    states = model.model(
        inputs_embeds=embeds, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    before = batch.answers.roll(-1, dims=1)  # the place before a token foretells it
    rows = torch.arange(len(chosen), device=words.device)[:, None].expand_as(batch.ids)
    return (
        model.lm_head(states[before]),
        batch.ids[batch.answers],
        rows[batch.answers],
        batch.block[batch.answers],
    )


def answer_loss(model: Any, scenes: SceneRows, chosen: Sequence[int]) -> Tensor:
    """Return the mean cross-entropy of the answers' tokens of some scenes."""
    logits, wanted, _, _ = _predicted(model, scenes, chosen)
    return nn.functional.cross_entropy(logits, wanted)


@torch.no_grad()
def answered(model: Any, scenes: SceneRows) -> dict[str, list[bool]]:
    """Return for each topic whether each question was answered right, word for word."""
    asked = {topic for row in scenes.rows for topic in row.topics}
    right: dict[str, list[bool]] = {topic: [] for topic in dict.fromkeys([*TOPICS, *asked])}
    for row, hits in zip(scenes.rows, _rights(model, scenes), strict=True):
        for topic, hit in zip(row.topics, hits, strict=True):
            right[topic].append(hit)
    return right


def _rights(model: Any, scenes: SceneRows) -> list[list[bool]]:
    """Return for each scene whether each of its questions was answered right."""
    rights: list[list[bool]] = [[] for _ in scenes.rows]
    # Rows of similar length together: shorter ones are padded.
    order = sorted(range(len(rights)), key=lambda number: len(scenes.rows[number].ids))
    for start in range(0, len(order), 8):
        chosen = order[start : start + 8]
        logits, wanted, rows, block = _predicted(model, scenes, chosen)
        hits = logits.argmax(-1) == wanted
        for row, number in enumerate(chosen):
            questions = range(1, len(scenes.rows[number].topics) + 1)
            rights[number] = [bool(hits[(rows == row) & (block == question)].all()) for question in questions]
    return rights


def scores(right: dict[str, list[bool]]) -> dict[str, Estimate]:
    """Return the share of right answers of each topic, with its interval and the level of chance."""
    return {topic: of_mean(values, CHANCE[topic]) for topic, values in right.items() if values}


def all_topics(right: dict[str, list[bool]]) -> Estimate:
    """Return the share of right answers among all questions, with its interval."""
    return of_mean([value for values in right.values() for value in values])


def gain(before: dict[str, list[bool]], after: dict[str, list[bool]]) -> Estimate:
    """Return how much larger the share of right answers is `after`, compared question by question."""
    return difference(all_topics(before), all_topics(after))


# ------------------------------------------------------------------------------- what is trained

STAGES = ("projector", "lora", "both")
LORA_RANK, LORA_ALPHA = 4, 8
_PROJECTOR = ("img_projection.", "glb_GN", "sub_GN")
LORA_TARGETS = r"model\.layers\.\d+\.(self_attn\.(qkv|o)_proj|mlp\.(gate_up|down)_proj)"


def prepare(model: Any, stage: str) -> dict[str, nn.Parameter]:
    """Freeze the model except for what a stage trains, and return that by name; LoRA is added by peft.

    stage: "projector" (with the separators), "lora" (rank LORA_RANK on all matrices of the language model's
    layers), or "both". Raises ValueError for other names.
    """
    if stage not in STAGES:
        raise ValueError(f"no stage {stage!r}; there are: {', '.join(STAGES)}")
    model.requires_grad_(False)
    if stage in ("lora", "both"):
        _add_lora(model)
    if stage in ("projector", "both"):
        for name, weight in vision_part(model).named_parameters():
            weight.requires_grad_(name.startswith(_PROJECTOR))
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _add_lora(model: Any) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(r=LORA_RANK, lora_alpha=LORA_ALPHA, target_modules=LORA_TARGETS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of the first factors; the second ones are zeros
        inject_adapter_in_model(config, model)


def train(
    model: Any,
    scenes: SceneRows,
    stage: str,
    *,
    steps: int,
    seed: int = 0,
    each: Callable[[int, float], None] = lambda step, loss: None,
) -> dict[str, nn.Parameter]:
    """Train a stage for so many steps of BATCH scenes, and return the trained tensors by name.

    Matrices of the projector are trained with Muon, the rest with AdamW; the rates rise for a twentieth of
    the steps and fall to zero. each: called behind every step with its number and loss. The model is changed.
    """
    trained = prepare(model, stage)
    optimizers = _optimizers(trained)
    order = _order([len(row.ids) for row in scenes.rows], steps * BATCH, seed)
    for step in range(steps):
        share = step / steps
        for optimizer, rate in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, share * 20 + 0.05) * (1 - share)
        loss = answer_loss(model, scenes, order[step * BATCH : (step + 1) * BATCH])
        loss.backward()
        nn.utils.clip_grad_norm_(trained.values(), 1.0)
        for optimizer, _ in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        each(step + 1, float(loss.detach()))
    return trained


def _optimizers(trained: dict[str, nn.Parameter]) -> list[tuple[torch.optim.Optimizer, float]]:
    """Return the optimizers of a stage, each with its highest rate."""
    turned = [w for name, w in trained.items() if w.ndim == 2 and "lora_" not in name]
    rest = [w for name, w in trained.items() if w.ndim != 2 or "lora_" in name]
    made: list[tuple[torch.optim.Optimizer, float]] = [
        (torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0), 3e-3)
    ]
    if turned:
        made.append((torch.optim.Muon(turned, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"), 4e-3))
    return made


def _order(lengths: list[int], needed: int, seed: int) -> list[int]:
    """Numbers of scenes, each epoch in another order, until enough are there.

    Batches hold rows of similar length, because the shorter ones are padded.
    """
    rng = np.random.default_rng(seed)
    epochs = [rng.permutation(len(lengths)) for _ in range(-(-needed // len(lengths)))]
    order = np.concatenate(epochs)[:needed]
    groups = [
        sorted(order[start : start + 8 * BATCH], key=lambda one: lengths[one])
        for start in range(0, needed, 8 * BATCH)
    ]
    batches = [group[start : start + BATCH] for group in groups for start in range(0, len(group), BATCH)]
    return [int(one) for number in rng.permutation(len(batches)) for one in batches[number]]


# ------------------------------------------------------------------------------- adapters


def adapter_of(trained: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    """Return trained tensors as they are stored: float16, by the names of the model that they belong to."""
    return {name.replace(".default.", "."): weight.detach().half() for name, weight in trained.items()}


@torch.no_grad()
def apply_adapter(model: Any, tensors: dict[str, Tensor]) -> None:
    """Write an adapter into a model: tensors replace those of their names, LoRA is added to its matrices.

    Raises ValueError for tensors that the model does not have.
    """
    own = dict(model.named_parameters())
    for name, tensor in tensors.items():
        if "lora_A" in name:
            second = tensors[name.replace("lora_A", "lora_B")]
            matrix = own[name.replace("lora_A.", "")]
            matrix += LORA_ALPHA / LORA_RANK * second.float() @ tensor.float()
        elif "lora_B" not in name:
            if name not in own or own[name].shape != tensor.shape:
                shape = tuple(tensor.shape)
                raise ValueError(f"this model has no tensor {name} of the shape {shape}: another tower?")
            own[name].copy_(tensor)
