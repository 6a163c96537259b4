"""Transformers' Trainer for pairs of image and text: batches, held-out scores, steps in little memory."""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import send_to_device
from torch import Tensor
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from phi3lib.embeddings.finetune_loss import (
    cached_backward,
    cosines,
    random_state,
    right_elsewhere,
    set_random_state,
)
from phi3lib.embeddings.finetune_pairs import Pairs
from phi3lib.embeddings.finetune_runs import weights_mark
from phi3lib.embeddings.finetune_towers import HIDDEN, Towers, is_trained
from phi3lib.embeddings.sources import Item

ENCODED_AT_ONCE = 32
SCORED = 2000  # held-out pairs at most for recall, whose cost grows with the square

Watch = Callable[[int, Any], None]


# ------------------------------------------------------------------------------- batches


class PairBatches(Dataset):
    """Pairs by position; `collate` makes the inputs of the towers of them.

    Every image is opened once at the start: equal ones are found by their content, unreadable ones are left
    out and reported in `errors`. Of a tower that is not trained only the hidden vectors are kept, those of
    images in `cache` by a checksum of the tower and one of the image.
    """

    def __init__(self, pairs: Pairs, towers: Towers, cache: MutableMapping[str, Tensor]) -> None:
        self.errors: dict[str, str] = {}
        self._towers, self._items = towers, list[Item]()
        frozen = not is_trained(towers, ("image",))
        self._tower = weights_mark(towers.network.vision_model) if frozen else ""
        image_numbers = self._read(pairs.items, cache)
        kept = [pair for pair, row in enumerate(pairs.rows) if image_numbers[row] >= 0]
        if not kept:
            examples = "; ".join(f"{name!r}: {why}" for name, why in list(self.errors.items())[:3])
            raise ValueError(f"none of {len(pairs)} pairs has a readable image ({examples or 'no pairs'})")
        rows = [cache[self._tower + content] for content in self._contents] if frozen else None
        self._image_hidden = None if rows is None else torch.stack(rows)
        self._texts = list(dict.fromkeys(pairs.texts[pair] for pair in kept))
        number = {text: index for index, text in enumerate(self._texts)}
        self.image_ids = torch.tensor([image_numbers[pairs.rows[pair]] for pair in kept])
        self.text_ids = torch.tensor([number[pairs.texts[pair]] for pair in kept])
        getattr(towers.encoder, "clip", towers.encoder).warn_of_cut_texts(self._texts, stacklevel=5)
        self._text_hidden = None if is_trained(towers, ("text",)) else self._encode_texts()

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, pair: int) -> int:
        return int(pair)

    @property
    def content(self) -> list[str]:
        """A checksum for each distinct image, and each distinct text: what two equal data sets share."""
        return [*self._contents, *self._texts, *map(str, self.image_ids.tolist() + self.text_ids.tolist())]

    def collate(self, pairs: Sequence[int]) -> dict[str, Any]:
        """Return the inputs of `Towers.forward` for these pairs."""
        rows = torch.as_tensor(list(pairs))
        images, texts = self.image_ids[rows], self.text_ids[rows]
        return {
            "images": self._image_inputs(images),
            "texts": self._text_inputs(texts),
            "right": right_elsewhere(images, texts),
        }

    def _image_inputs(self, ids: Tensor) -> dict[str, Tensor]:
        if self._image_hidden is not None:
            return {HIDDEN: self._image_hidden[ids]}
        return self._towers.image_inputs([_picture(self._items[index]) for index in ids.tolist()])

    def _text_inputs(self, ids: Tensor) -> dict[str, Tensor]:
        if self._text_hidden is not None:
            return {HIDDEN: self._text_hidden[ids]}
        return self._towers.text_inputs([self._texts[index] for index in ids.tolist()])

    def _read(self, items: Sequence[Item], cache: MutableMapping[str, Tensor]) -> list[int]:
        """Open each image once; return for each its index among the distinct ones, −1 for unreadable ones."""
        seen: dict[str, int] = {}
        numbers = []
        waiting: dict[str, Any] = {}  # content → picture, of a tower that is not trained
        for item in items:
            try:
                loaded = item.load()
            except (OSError, ValueError) as error:
                self.errors[item.id] = str(error)
                numbers.append(-1)
                continue
            content = loaded.mark.content
            if content not in seen:
                self._items.append(item)
                if self._tower and self._tower + content not in cache and loaded.reading:
                    waiting[content] = loaded.reading.picture
            numbers.append(seen.setdefault(content, len(seen)))
            if len(waiting) == ENCODED_AT_ONCE:
                self._encode_images(waiting, cache)
        self._encode_images(waiting, cache)
        self._contents = list(seen)
        return numbers

    @torch.no_grad()
    def _encode_images(self, waiting: dict[str, Any], cache: MutableMapping[str, Tensor]) -> None:
        if waiting:
            hidden = self._towers.image_hidden(self._towers.image_inputs(list(waiting.values()))).cpu()
            cache.update({self._tower + content: row for content, row in zip(waiting, hidden, strict=True)})
            waiting.clear()

    @torch.no_grad()
    def _encode_texts(self) -> Tensor:
        parts = [self._texts[at : at + ENCODED_AT_ONCE] for at in range(0, len(self._texts), ENCODED_AT_ONCE)]
        return torch.cat([self._towers.text_hidden(self._towers.text_inputs(part)).cpu() for part in parts])


def _picture(item: Item) -> Any:
    reading = item.load().reading
    if reading is None:
        raise ValueError(f"{item.id!r} was not decoded")
    return reading.picture


# ------------------------------------------------------------------------------- scores


@dataclass(frozen=True)
class Scores:
    """Loss and recall@1 of held-out pairs, both directions; a text of an equal caption is right, too."""

    loss: float
    image_to_text: float
    text_to_image: float


@torch.no_grad()
def score(towers: Towers, pairs: PairBatches, batch_size: int) -> Scores:
    """Return the scores of pairs. The loss is the mean over batches of `batch_size`, as in training."""
    towers.eval()
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(0))  # files are often sorted
    vectors = [_vectors(towers, pairs, part) for part in order.split(ENCODED_AT_ONCE)]
    images, texts = (torch.cat(side) for side in zip(*vectors, strict=True))
    image_ids, text_ids = pairs.image_ids[order], pairs.text_ids[order]
    losses = [
        float(
            towers.loss(images[at], texts[at], right_elsewhere(image_ids[at], text_ids[at]).to(images.device))
        )
        for at in torch.arange(len(order)).split(batch_size)
        if len(at) == min(batch_size, len(order))  # a shorter last batch has fewer negatives
    ]
    few = slice(0, SCORED)
    similar = cosines(images[few], texts[few]).cpu()
    right = right_elsewhere(image_ids[few], text_ids[few]) | torch.eye(len(similar), dtype=torch.bool)
    to_text, to_image = (
        float(right.gather(axis, similar.argmax(axis, keepdim=True)).float().mean()) for axis in (1, 0)
    )
    return Scores(sum(losses) / len(losses), to_text, to_image)


def _vectors(towers: Towers, pairs: PairBatches, rows: Tensor) -> tuple[Tensor, Tensor]:
    batch = pairs.collate(rows.tolist())
    device = next(towers.parameters()).device
    images, texts = (
        {name: one.to(device) for name, one in batch[side].items()} for side in ("images", "texts")
    )
    return towers.image_vectors(images), towers.text_vectors(texts)


# ------------------------------------------------------------------------------- the Trainer


class OneDeviceArguments(TrainingArguments):
    """TrainingArguments for one device: several GPUs would each see only the negatives of their part."""

    @property
    def n_gpu(self) -> int:
        """Return 0 or 1."""
        return min(super().n_gpu, 1)


class PairTrainer(Trainer):
    """A Trainer whose evaluation ranks all held-out pairs, and whose batch may be larger than memory.

    chunk_size: pairs whose activations are in memory together; None: all of the batch.
    """

    def __init__(self, *args: Any, chunk_size: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.chunk_size = chunk_size

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Add the gradients of one batch; return its loss."""
        if self.chunk_size is None:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        return cached_backward(
            model,
            send_to_device(inputs, self.args.device),
            self.chunk_size,
            backward=self.accelerator.backward,
            autocast=self.compute_loss_context_manager,
        )

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> Any:
        """Score the held-out pairs, notify the callbacks, return the metrics."""
        scores = score(self.model, eval_dataset or self.eval_dataset, self.args.per_device_train_batch_size)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in vars(scores).items()}
        self.log(dict(metrics))
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


class Limits(TrainerCallback):
    """Keep the temperature in its limits after each step."""

    def __init__(self, towers: Towers) -> None:
        self._towers = towers

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Limit the temperature."""
        self._towers.limit_temperature()


class Watching(TrainerCallback):
    """Call `watch(step, encoder)` at the start and every so many steps, in evaluation mode."""

    def __init__(self, towers: Towers, watch: Watch, every: int) -> None:
        self._towers, self._watch, self._every = towers, watch, every

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Show the model before the first step."""
        if state.global_step == 0:
            self._show(0)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Show the model after every so many steps, and after the last."""
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self._show(state.global_step)

    def _show(self, step: int) -> None:
        numbers = random_state()  # random numbers drawn in `watch` must not change the training
        self._towers.eval()
        with torch.no_grad():
            self._watch(step, self._towers.encoder)
        set_random_state(numbers)
