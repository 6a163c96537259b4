"""CLIP for pictures and texts, the same in every supported transformers."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from phi3lib.vision.float32 import fast_products
from phi3lib.vision.inputs import as_texts, as_whole
from phi3lib.vision.pictures import Pictures, flatten_pictures, read_upright

MOST_SIDES = 100  # short sides that the long side may measure before only the central part is resized


@dataclass
class Clip:
    """A CLIP model with its image processor and tokenizer.

    model: transformers' CLIPModel. processor: CLIPImageProcessorPil. tokenizer: CLIPTokenizer.
    name, revision: where it came from. recipe: how its features were made, to be kept beside vectors.
    """

    name: str
    revision: str | None
    model: Any
    processor: Any
    tokenizer: Any
    recipe: dict[str, Any]

    def image_features(self, images: Pictures, *, batch_size: int = 32) -> torch.Tensor:
        """Features of pictures in the space that texts share: (N, d) float32 on the CPU, not normalised.

        images: one or a list of what `read_upright` reads. Divide each row by its length before comparing
        by dot product. Raises ValueError for no pictures, and for what is no picture.
        """

        def encode(batch: list) -> Any:
            return self.model.get_image_features(pixel_values=self.pixel_values(batch))

        return self._in_batches(flatten_pictures(images), batch_size, encode, what="pictures")

    def text_features(self, texts: str | Sequence[str], *, batch_size: int = 64) -> torch.Tensor:
        """Features of texts in the space that pictures share: (N, d) float32 on the CPU, not normalised.

        texts: one string is one text. Texts longer than the model's context (77 tokens in the published
        ones) are cut there, as CLIP does; a warning counts them. Raises ValueError for no texts, and for
        entries that are no texts.
        """
        listed = as_texts(texts)
        lengths = self.warn_of_cut_texts(listed, stacklevel=3)

        def encode(batch: list) -> Any:
            return self.model.get_text_features(**self.text_inputs(batch))

        # Texts of similar length together: shorter ones are padded.
        order = sorted(range(len(listed)), key=lengths.__getitem__)
        features = self._in_batches([listed[row] for row in order], batch_size, encode, what="texts")
        return features[torch.tensor(order).argsort()]

    def pixel_values(self, images: Sequence[Any]) -> torch.Tensor:
        """Return images as the tower takes them, (N, 3, size, size), on its device and in its dtype."""
        pictures = [central_part(read_upright(image)) for image in images]
        inputs = self.processor(images=pictures, return_tensors="pt")
        return inputs["pixel_values"].to(self.model.device, self.model.dtype)

    def text_inputs(self, texts: list[str]) -> Any:
        """Return token ids and mask of texts, each (N, longest text), on the text tower's device."""
        longest = self.model.config.text_config.max_position_embeddings
        inputs = self.tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        return inputs.to(self.model.device)

    def warn_of_cut_texts(self, texts: list[str], *, stacklevel: int = 2) -> list[int]:
        """Warn, with their number, of texts that are longer than the model's context; return all lengths."""
        longest = self.model.config.text_config.max_position_embeddings
        lengths = [len(ids) for ids in self.tokenizer(texts, truncation=False, verbose=False)["input_ids"]]
        cut = [text for text, length in zip(texts, lengths, strict=True) if length > longest]
        if cut:
            warnings.warn(
                f"{len(cut)} of {len(texts)} texts are longer than the model's {longest} tokens and were cut "
                f"there; the first: {cut[0][:60]!r}…",
                stacklevel=stacklevel + 1,
            )
        return lengths

    def _in_batches(
        self, items: list, size: int, encode: Callable[[list], Any], *, what: str
    ) -> torch.Tensor:
        size = as_whole(size, "batch_size", 1)
        if not items:
            raise ValueError(f"no {what} found: the list is empty")
        width = self.model.config.vision_config.hidden_size
        with torch.inference_mode(), fast_products(next(self.model.parameters()), width):
            parts = [_vectors(encode(batch)).float().cpu() for batch in _batches(items, size)]
        # A copy outside inference mode: the caller may want to train on it.
        return torch.cat(parts).clone()


def central_part(picture: Image.Image) -> Image.Image:
    """Return the image, or the central part of an extremely long one, which is all that CLIP uses.

    CLIP's processor resizes the short side to the tower's size and then cuts out the central square: before
    that, 30000 × 1 pixels would become millions by hundreds.
    """
    short, long = min(picture.size), max(picture.size)
    kept = MOST_SIDES * short
    if long <= kept:
        return picture
    start = (long - kept) // 2
    if picture.width > picture.height:
        return picture.crop((start, 0, start + kept, short))
    return picture.crop((0, start, short, start + kept))


def _vectors(output: Any) -> torch.Tensor:
    """Return the projected features, which transformers 5 wraps in an output class."""
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def _batches(items: list, size: int) -> Iterator[list]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
