"""From prompts and pictures to model inputs: `Phi3VProcessor`, an image processor and a tokenizer in one.

Ids are those of the published processing code with the published tokenizer. What happens to a prompt or a
conversation on the way is in `phi3lib.vision.prompts`, step by step.
"""

import itertools
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin

from phi3lib.vision.image_processing import OPTIONS, Phi3VImageProcessor, require_kind
from phi3lib.vision.inputs import printable
from phi3lib.vision.pictures import Pictures
from phi3lib.vision.prompts import (
    DEFAULT_CHAT_TEMPLATE,
    decode_ids,
    encode_prompt,
    pad_left,
    pictures_of_rows,
    plain_conversation,
)
from phi3lib.vision.tokenizer import TOKENIZER_OPTIONS, Phi3VTokenizer


class Phi3VProcessor(ProcessorMixin):
    """Prepare prompts with pictures for Phi-3-vision: an image processor and a tokenizer in one.

    Load it with `from_pretrained`: transformers 5 rebuilds the published tokenizer by other rules when it
    is loaded through AutoTokenizer, and the ids change (no space token before a line break, for one).

    A prompt names pictures by `<|image_1|>`, `<|image_2|>`, …; within a prompt the tags count that prompt's
    pictures, and the number picks the picture. `phi3lib.vision.prompts` holds the steps.

    >>> processor = Phi3VProcessor.from_pretrained("a/folder")  # doctest: +SKIP
    >>> batch = processor("<|user|>\\n<|image_1|>\\nWhat is it?<|end|>\\n<|assistant|>\\n", photo)
    ... # doctest: +SKIP
    >>> sorted(batch)  # doctest: +SKIP
    ['attention_mask', 'image_sizes', 'input_ids', 'pixel_values']
    """

    def __init__(
        self,
        image_processor: Phi3VImageProcessor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | dict[str, str] | None = None,
    ) -> None:
        template = chat_template or tokenizer.chat_template or DEFAULT_CHAT_TEMPLATE
        super().__init__(image_processor, tokenizer, chat_template=template)
        if type(tokenizer).__name__.startswith("LlamaTokenizer"):
            warnings.warn(
                "this tokenizer was rebuilt as LlamaTokenizer, whose ids differ from those that the "
                "published models know; load it with Phi3VProcessor.from_pretrained or "
                "Phi3VTokenizer.from_pretrained",
                stacklevel=2,
            )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any) -> Self:
        """Load from a folder or a hub repository with preprocessor_config.json and tokenizer.json.

        Options of `Phi3VImageProcessor` (num_crops=4, …) and of the tokenizer (padding_side="right", …)
        override the files'; those of both loaders (revision, token, local_files_only, subfolder, …) go to
        both. Raises UnknownOptionError for other names.
        """
        options = {name: kwargs.pop(name) for name in OPTIONS if name in kwargs}
        of_tokenizer = {name: kwargs.pop(name) for name in TOKENIZER_OPTIONS if name in kwargs}
        chat_template = kwargs.pop("chat_template", None)
        name = os.fspath(pretrained_model_name_or_path)
        image_processor = Phi3VImageProcessor.from_pretrained(name, **kwargs, **options)
        # The exact class matters: it takes tokenizer.json as it is.
        tokenizer = Phi3VTokenizer.from_pretrained(name, **kwargs, **of_tokenizer)
        return cls(image_processor, tokenizer, chat_template=chat_template)

    @property
    def model_input_names(self) -> list[str]:
        """Names of what a call returns."""
        return ["input_ids", "attention_mask", "pixel_values", "image_sizes"]

    def num_image_tokens(self, width: int, height: int) -> int:
        """Tokens that a picture of this size takes in a prompt, separators included."""
        return self.image_processor.calc_num_image_tokens_from_image_size(width, height)

    def __call__(
        self,
        text: str | Sequence[str],
        images: Pictures | None = None,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        return_tensors: str | None = "pt",
        *,
        num_crops: int | None = None,
        pad_to_num_crops: bool | None = None,
    ) -> BatchFeature:
        """Prepare one prompt or a list of B prompts with their pictures, N in all.

        images: one picture, a flat list (prompts take theirs in turn) or one list for each prompt.
        padding: True or "longest", "max_length", False or "do_not_pad"; always on the left.
        truncation: True cuts prompts without pictures at `max_length` (the tokenizer's own limit if None);
            a prompt with pictures that is longer raises ValueError.
        return_tensors: "pt", "np", or None for lists. num_crops, pad_to_num_crops: as for the pictures.

        Returns input_ids and attention_mask (B, T) int64, and with pictures pixel_values (N, 1 + crops, 3,
        tile, tile) float32 and image_sizes (N, 2) int64. Raises ValueError where tags and pictures do not
        match, and for rows of unequal length without padding.
        """
        require_kind(return_tensors)
        texts = _list_of_texts(text)
        limit = self._length_limit(truncation, max_length)
        pictures, counts = pictures_of_rows(texts, images)
        data: dict[str, Any] = {}
        num_tokens: list[int] = []
        if pictures:
            data = self.image_processor(
                pictures,
                num_crops=num_crops,
                pad_to_num_crops=pad_to_num_crops,
                return_tensors=return_tensors,
            )
            num_tokens = [int(number) for number in data.pop("num_img_tokens")]
        ends = list(itertools.accumulate(counts))
        rows = [
            encode_prompt(self.tokenizer, row, num_tokens[end - count : end], max_length=limit)
            for row, count, end in zip(texts, counts, ends, strict=True)
        ]
        length = _padded_length(rows, padding, limit if max_length is None else max_length)
        ids, mask = pad_left(rows, length, self.tokenizer.pad_token_id)
        return BatchFeature(
            {
                "input_ids": _as_matrix(ids, return_tensors),
                "attention_mask": _as_matrix(mask, return_tensors),
                **data,
            }
        )

    def _length_limit(self, truncation: bool | str | None, max_length: int | None) -> int | None:
        """Where prompts are cut; None for nowhere."""
        if truncation in (None, False, "do_not_truncate"):
            return None
        if truncation not in (True, "longest_first", "only_first"):
            raise ValueError(f"truncation is {truncation!r}; it must be True, False or 'longest_first'")
        if max_length is not None:
            return max_length
        own = self.tokenizer.model_max_length
        return own if own < sys.maxsize else None  # tokenizers that know no limit say 10³⁰

    def apply_chat_template(
        self,
        conversation: Sequence[Any],
        chat_template: str | None = None,
        *,
        images: Pictures | None = None,
        tools: list[dict[str, Any]] | None = None,
        documents: list[dict[str, str]] | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = False,
        return_dict: bool = False,
        return_tensors: str | None = "pt",
        processor_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Write a conversation, or a list of them, as prompts; with tokenize=True prepare these as well.

        Messages hold plain strings with tags, or entries {"type": "image"} and {"type": "text", "text": …},
        whose pictures are numbered over the conversation (see `plain_conversation`). Pictures come in the
        entries or by `images`. `processor_kwargs` go to the call, such as {"padding": True}.

        Returns text (a list of texts for a list of conversations); with tokenize=True the ids, and with
        return_dict=True all model inputs.
        """
        batched = len(conversation) > 0 and isinstance(conversation[0], list | tuple)
        conversations = list(conversation) if batched else [conversation]
        plain = [plain_conversation(messages) for messages in conversations]
        prompts = super().apply_chat_template(
            [messages for messages, _ in plain],
            chat_template=chat_template,
            tools=tools,
            documents=documents,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            tokenize=False,
        )
        if not tokenize:
            return prompts if batched else prompts[0]
        options = dict(processor_kwargs or {})
        images = options.pop("images", images)
        held = [pictures for _, pictures in plain]
        if any(held) and images is not None:
            raise ValueError("pictures came twice: in the conversation's image entries and by images=")
        # "auto" is how transformers asks for a processor's own default.
        options.setdefault("return_tensors", "pt" if return_tensors == "auto" else return_tensors)
        out = self(prompts, images=held if any(held) else images, **options)
        return out if return_dict else out["input_ids"]

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> Any:
        """Text of one row of ids, or a list of texts for several rows; placeholders as `<|image_k|>`."""
        rows = token_ids.tolist() if hasattr(token_ids, "tolist") else token_ids
        if isinstance(rows, int):
            rows = [rows]
        if len(rows) > 0 and not isinstance(rows[0], int):
            return self.batch_decode(rows, skip_special_tokens, clean_up_tokenization_spaces)
        return decode_ids(
            self.tokenizer,
            rows,
            skip_special_tokens=skip_special_tokens,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
        )

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """Texts of several rows of ids; see `decode`."""
        return [self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in sequences]

    def post_process_image_text_to_text(
        self,
        generated_outputs: Any,
        skip_special_tokens: bool = True,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """Texts of what `generate` returned, prompts included. transformers' pipelines call this."""
        return self.batch_decode(generated_outputs, skip_special_tokens, clean_up_tokenization_spaces)


def _list_of_texts(text: str | Sequence[str]) -> list[str]:
    texts = [text] if isinstance(text, str) else text
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(row, str) for row in texts):
        raise ValueError("text must be a string or a list of at least one string")
    return [printable(row) for row in texts]


def _padded_length(rows: list[list[int]], padding: bool | str, max_length: int | None) -> int:
    """The length that rows are padded to; 0 for no padding."""
    if padding in (False, "do_not_pad"):
        return 0
    if padding in (True, "longest"):
        return max(map(len, rows))
    if padding != "max_length":
        raise ValueError(f"padding is {padding!r}; it must be True, False, 'longest' or 'max_length'")
    if max_length is None:
        raise ValueError("padding='max_length' needs max_length")
    return max_length


def _as_matrix(rows: list[list[int]], return_tensors: str | None) -> Any:
    """Rows of equal length as a (B, T) int64 tensor or array, or for None the rows as they are."""
    if return_tensors is None:
        return rows
    lengths = [len(row) for row in rows]
    if len(set(lengths)) > 1:
        raise ValueError(f"the prompts have {lengths} tokens; pass padding=True to make one tensor of them")
    return torch.tensor(rows) if return_tensors == "pt" else np.array(rows, dtype=np.int64)
