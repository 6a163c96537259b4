"""From prompts and pictures to model inputs: `Phi3VProcessor`, an image processor and a tokenizer in one.

Ids are those of the published processing code with the published tokenizer. What happens to a prompt or a
conversation on the way is in `phi3lib.vision.prompts`, step by step.
"""

import itertools
import os
import warnings
from collections.abc import Sequence
from typing import Any, Self

from huggingface_hub.errors import StrictDataclassError
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin

from phi3lib.vision.chat import (
    is_text,
    list_of_texts,
    masks_of_replies,
    named_template,
    write_conversations,
)
from phi3lib.vision.image_processing import OPTIONS, Phi3VImageProcessor, require_tensor_type
from phi3lib.vision.inputs import as_truth
from phi3lib.vision.pictures import Picture, Pictures
from phi3lib.vision.processor_options import (
    FILE_OPTIONS,
    KNOWN_OPTIONS,
    PUBLISHED_ORDER,
    Phi3VProcessorKwargs,
    given_options,
    require_options,
    split_options,
)
from phi3lib.vision.prompts import (
    DEFAULT_CHAT_TEMPLATE,
    IMAGE_TOKEN,
    decode_ids,
    encode_prompt,
    pictures_of_rows,
    plain_conversation,
    split_prompt,
)
from phi3lib.vision.token_rows import as_matrix, length_limit, padded, row_length
from phi3lib.vision.tokenizer import TOKENIZER_OPTIONS, Phi3VTokenizer

LONGEST = 131_072  # tokens, of the published models


class Phi3VProcessor(ProcessorMixin):
    """Prepare prompts with pictures for Phi-3-vision: an image processor and a tokenizer in one.

    Load it with `from_pretrained`: transformers 5 rebuilds the published tokenizer by other rules when it
    is loaded through AutoTokenizer, and the ids change (no space token before a line break, for one).

    A prompt names pictures by `<|image_1|>`, `<|image_2|>`, …; within a prompt the tags count that prompt's
    pictures, and the number selects the picture. `phi3lib.vision.prompts` holds the steps.

    negative_ids: how ids represent tokens of pictures. False: as the tokenizer's `<|image|>`, with
    pictures in the order in which the prompts name them, twice where one is named twice. True: as -k for
    picture k, with pictures in the order given, as the published processor writes them. None: False if the
    tokenizer has that token. A model takes either, if its `config.image_token_id` is `image_token_id` here.

    >>> processor = Phi3VProcessor.from_pretrained("a/folder")  # doctest: +SKIP
    >>> batch = processor("<|user|>\\n<|image_1|>\\nWhat is it?<|end|>\\n<|assistant|>\\n", photo)
    ... # doctest: +SKIP
    >>> sorted(batch)  # doctest: +SKIP
    ['attention_mask', 'image_sizes', 'input_ids', 'pixel_values']
    """

    valid_processor_kwargs = Phi3VProcessorKwargs

    def __init__(
        self,
        image_processor: Phi3VImageProcessor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | dict[str, str] | None = None,
        negative_ids: bool | None = None,
    ) -> None:
        template = chat_template or tokenizer.chat_template or DEFAULT_CHAT_TEMPLATE
        super().__init__(image_processor, tokenizer, chat_template=template)
        self.image_token = IMAGE_TOKEN
        self.image_token_id: int | None = tokenizer.get_vocab().get(IMAGE_TOKEN)
        self.negative_ids = self.image_token_id is None if negative_ids is None else negative_ids
        self._image_token_to_write(self.negative_ids)
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

        Options of `Phi3VImageProcessor` (num_crops=4, …), of the tokenizer (add_bos_token=False, …) and of
        this class override the files'; a whole `image_processor` or `tokenizer` replaces the folder's. Those
        of both loaders (revision, token, local_files_only, subfolder, …) go to both. Raises
        UnknownOptionError for other names.
        """
        parts = {name: kwargs.pop(name, None) for name in ("image_processor", "tokenizer")}
        image_options = {name: kwargs.pop(name) for name in OPTIONS if name in kwargs}
        tokenizer_options = {name: kwargs.pop(name) for name in TOKENIZER_OPTIONS if name in kwargs}
        own = {name: kwargs.pop(name) for name in ("chat_template", "negative_ids") if name in kwargs}
        name = os.fspath(pretrained_model_name_or_path)
        # The remaining options go to both; the image processor rejects unknown names.
        image_processor = parts["image_processor"] or Phi3VImageProcessor.from_pretrained(
            name, **kwargs, **image_options
        )
        # The exact class matters: it takes tokenizer.json as it is.
        tokenizer = parts["tokenizer"] or Phi3VTokenizer.from_pretrained(name, **kwargs, **tokenizer_options)
        saved, _ = cls.get_processor_dict(name, **{one: kwargs[one] for one in kwargs if one in FILE_OPTIONS})
        for option in ("chat_template", "negative_ids"):
            own.setdefault(option, saved.get(option))
        return cls(image_processor, tokenizer, **own)

    @property
    def model_input_names(self) -> list[str]:
        """Names of what a call returns."""
        return ["input_ids", "attention_mask", "pixel_values", "image_sizes"]

    def num_image_tokens(self, width: int, height: int) -> int:
        """Tokens that a picture of this size takes in a prompt, separators included."""
        return self.image_processor.calc_num_image_tokens_from_image_size(width, height)

    def __call__(
        self, text: Any = None, images: Pictures | None = None, *published: Any, **options: Any
    ) -> BatchFeature:
        """Prepare one prompt or a list of B prompts with their pictures, N in all; or pictures alone.

        images: one picture, a flat list (prompts take theirs in turn) or one list for each prompt. Both
            orders, (text, images) and (images, text), are understood.
        padding: True or "longest", "max_length", False (default); padding_side: "left" (default) or "right".
        truncation: True cuts prompts without pictures at `max_length` (the tokenizer's own limit if None);
            a prompt with pictures that is longer raises ValueError.
        return_tensors: "pt" (default), "np", or None for lists. add_special_tokens, pad_to_multiple_of,
            return_attention_mask, return_mm_token_type_ids (1 for tokens of pictures, 0 for others).
        num_crops, pad_to_num_crops, device, …: options of `Phi3VImageProcessor.preprocess`.
        negative_ids: as in the constructor, for this call.

        Options may also be in `text_kwargs`, `images_kwargs` and `common_kwargs`; four of them may follow by
        position, as in the published processor: padding, truncation, max_length, return_tensors.

        Returns input_ids and attention_mask (B, T) int64, and with pictures pixel_values (N, 1 + crops, 3,
        tile, tile) float32 and image_sizes (N, 2) int64. Raises ValueError where tags and pictures do not
        match, and for rows of unequal length without padding; UnknownOptionError for other names.
        """
        if is_text(images) and not is_text(text):
            text, images = images, text
        options.update(zip(PUBLISHED_ORDER, published, strict=False))
        if text is None:
            if images is None:
                raise ValueError("neither text nor images were passed; pass one of them, or both")
            return _without_counts(self.image_processor(images, **self._sorted_options(options)[1]))
        return self._prepare(text, images, options)

    def _prepare(
        self, text: Any, images: Pictures | None, options: dict[str, Any], spans: list[Any] | None = None
    ) -> BatchFeature:
        """Prompts with their pictures; with spans, (start, end) of replies in a prompt, their masks too."""
        text_options, image_options = self._sorted_options(options)
        negative_ids = options.get("negative_ids")
        negative_ids = None if negative_ids is None else as_truth(negative_ids, "negative_ids")
        texts = list_of_texts(text)
        pictures, counts = pictures_of_rows(texts, images)
        image_token_id = self._image_token_to_write(
            self.negative_ids if negative_ids is None else negative_ids
        )
        data, num_tokens = self._prepare_pictures(texts, pictures, counts, image_token_id, image_options)
        limit = length_limit(text_options, self.tokenizer.model_max_length)
        rows = [
            encode_prompt(
                self.tokenizer,
                row,
                numbers,
                image_token_id=image_token_id,
                max_length=limit,
                add_special_tokens=text_options.get("add_special_tokens", True),
            )
            for row, numbers in zip(texts, num_tokens, strict=True)
        ]
        parts = self._as_tensors(rows, text_options)
        if spans is not None:
            special = text_options.get("add_special_tokens", True)
            masks = masks_of_replies(self.tokenizer, texts, num_tokens, spans, add_special_tokens=special)
            parts["assistant_masks"] = self._as_tensor(masks, 0, text_options)
        return BatchFeature({**parts, **data})

    def _sorted_options(self, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Options of a call, for the text and for the images."""
        require_options(options)
        own = {
            name: value for name, value in self.tokenizer.init_kwargs.items() if not _pads_far(name, value)
        }
        try:
            merged = self._merge_kwargs(
                Phi3VProcessorKwargs, tokenizer_init_kwargs=own, **given_options(options)
            )
        except StrictDataclassError as error:
            raise ValueError(" ".join(str(error).split())) from error
        return split_options(merged, options)

    def _image_token_to_write(self, negative_ids: bool) -> int | None:
        """Return the id of a picture's tokens, or None for negative ids."""
        if negative_ids:
            return None
        if self.image_token_id is None:
            raise ValueError(f"the tokenizer has no token {IMAGE_TOKEN}; pass negative_ids=True")
        return self.image_token_id

    def _prepare_pictures(
        self,
        texts: list[str],
        pictures: list[Picture],
        counts: list[int],
        image_token_id: int | None,
        options: dict[str, Any],
    ) -> tuple[dict[str, Any], list[list[int]]]:
        """Tensors of the pictures, and for each prompt the number of tokens of its pictures."""
        if not pictures:
            return {}, [[] for _ in texts]
        data = dict(self.image_processor(pictures, **options))
        numbers = [int(number) for number in data.pop("num_img_tokens")]
        starts = list(itertools.accumulate(counts, initial=0))
        prompt_counts = [numbers[start : start + count] for start, count in zip(starts, counts, strict=False)]
        if image_token_id is not None:
            order = [
                start + tag - 1
                for start, text in zip(starts, texts, strict=False)
                for tag in split_prompt(text)[1]
            ]
            if order != list(range(len(pictures))):
                data = {name: _in_order(values, order) for name, values in data.items()}
        return data, prompt_counts

    def _as_tensors(self, rows: list[list[int]], options: dict[str, Any]) -> dict[str, Any]:
        """Ids, attention mask and token types of padded rows."""
        parts = {"input_ids": self._as_tensor(rows, self.tokenizer.pad_token_id, options)}
        if options.get("return_attention_mask", True):
            parts["attention_mask"] = self._as_tensor([[1] * len(row) for row in rows], 0, options)
        if options.get("return_mm_token_type_ids"):
            types = self.create_mm_token_type_ids(rows)
            parts["mm_token_type_ids"] = self._as_tensor(types, 0, options)
        return parts

    def _as_tensor(self, rows: list[list[int]], pad: int | None, options: dict[str, Any]) -> Any:
        """Rows padded with `pad` as the options of a call say, as a tensor, an array or lists."""
        tensor_type = options.get("return_tensors")
        require_tensor_type(tensor_type)
        length = row_length(rows, options, self.tokenizer.model_max_length)
        return as_matrix(padded(rows, length, pad, options["padding_side"]), tensor_type)

    def create_mm_token_type_ids(self, input_ids: list[list[int]], *_: Any, **__: Any) -> list[list[int]]:
        """Return 1 for each token of a picture and 0 for all others."""
        return [[int(one < 0 or one == self.image_token_id) for one in row] for row in input_ids]

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
        return_assistant_tokens_mask: bool = False,
        tokenize: bool = False,
        return_dict: bool = False,
        return_tensors: str | None = "pt",
        processor_kwargs: dict[str, Any] | None = None,
        **others: Any,
    ) -> Any:
        """Write a conversation, or a list of them, as prompts; with tokenize=True prepare these as well.

        Messages hold plain strings with tags, or entries {"type": "image"} and {"type": "text", "text": …},
        whose pictures are numbered over the conversation (see `plain_conversation`). Pictures come in the
        entries or by `images`. `processor_kwargs` go to the call, such as {"padding": True}; `others` too, if
        the call knows them, and to the template if not. return_assistant_tokens_mask: add assistant_masks,
        (B, T) with 1 for the tokens of replies, as the template marks them by `{% generation %}`.

        Returns text (a list of texts for a list of conversations); with tokenize=True the ids, and with
        return_dict=True all model inputs.
        """
        batched = len(conversation) > 0 and isinstance(conversation[0], list | tuple)
        conversations = list(conversation) if batched else [conversation]
        plain = [plain_conversation(messages) for messages in conversations]
        options = {
            **{name: others.pop(name) for name in list(others) if name in KNOWN_OPTIONS},
            **(processor_kwargs or {}),
        }
        written = {
            "tools": tools,
            "documents": documents,
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": continue_final_message,
            "return_assistant_tokens_mask": return_assistant_tokens_mask,
            **self.tokenizer.special_tokens_map,
            **others,
        }
        template = named_template(chat_template, self.chat_template)
        prompts, spans = write_conversations([messages for messages, _ in plain], template, **written)
        if not tokenize:
            return prompts if batched else prompts[0]
        images = options.pop("images", images)
        held = [pictures for _, pictures in plain]
        if any(held) and images is not None:
            raise ValueError("pictures were passed twice: in the conversation's image entries and by images=")
        # "auto" is transformers' value for a processor's own default.
        options.setdefault("return_tensors", "pt" if return_tensors == "auto" else return_tensors)
        images = held if any(held) else images
        out = self._prepare(prompts, images, options, spans if return_assistant_tokens_mask else None)
        return out if return_dict else out["input_ids"]

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> Any:
        """Text of one row of ids, or a list of texts for several rows; a run of placeholders is one tag."""
        rows = token_ids.tolist() if hasattr(token_ids, "tolist") else token_ids
        if isinstance(rows, int):
            rows = [rows]
        if len(rows) > 0 and not isinstance(rows[0], int):
            return self.batch_decode(rows, skip_special_tokens, clean_up_tokenization_spaces)
        return decode_ids(
            self.tokenizer,
            rows,
            image_token_id=self.image_token_id,
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


def _without_counts(data: BatchFeature) -> BatchFeature:
    """Return the part of an image processor's output that a model takes."""
    return BatchFeature({name: values for name, values in data.items() if name != "num_img_tokens"})


def _in_order(values: Any, order: list[int]) -> Any:
    return [values[index] for index in order] if isinstance(values, list) else values[order]


def _pads_far(name: str, value: Any) -> bool:
    """Return whether a number of a tokenizer's files would pad every prompt to more than any model reads."""
    return name in ("max_length", "pad_to_multiple_of") and isinstance(value, int) and value > LONGEST
