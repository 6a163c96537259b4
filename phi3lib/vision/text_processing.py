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

from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin
from transformers.utils.chat_template_utils import render_jinja_template

from phi3lib.vision.image_processing import CALL_OPTIONS, OPTIONS, Phi3VImageProcessor, require_kind
from phi3lib.vision.inputs import printable
from phi3lib.vision.options import require_known
from phi3lib.vision.pictures import Picture, Pictures
from phi3lib.vision.processor_options import (
    FILE_OPTIONS,
    KNOWN_OPTIONS,
    OF_OTHERS,
    PUBLISHED_ORDER,
    TEXT_OPTIONS,
    Phi3VProcessorKwargs,
)
from phi3lib.vision.prompts import (
    DEFAULT_CHAT_TEMPLATE,
    IMAGE_TOKEN,
    as_entries,
    decode_ids,
    encode_prompt,
    pictures_of_rows,
    plain_conversation,
    split_prompt,
    starts_of_tokens,
    takes_plain_text,
)
from phi3lib.vision.token_rows import as_matrix, padded, padded_length
from phi3lib.vision.tokenizer import TOKENIZER_OPTIONS, Phi3VTokenizer


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
        of_images = {name: kwargs.pop(name) for name in OPTIONS if name in kwargs}
        of_tokenizer = {name: kwargs.pop(name) for name in TOKENIZER_OPTIONS if name in kwargs}
        own = {name: kwargs.pop(name) for name in ("chat_template", "negative_ids") if name in kwargs}
        name = os.fspath(pretrained_model_name_or_path)
        # What is left goes to both; the image processor refuses names that no loader knows.
        image_processor = parts["image_processor"] or Phi3VImageProcessor.from_pretrained(
            name, **kwargs, **of_images
        )
        # The exact class matters: it takes tokenizer.json as it is.
        tokenizer = parts["tokenizer"] or Phi3VTokenizer.from_pretrained(name, **kwargs, **of_tokenizer)
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
        if _is_text(images) and not _is_text(text):
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
        of_text, of_images, negative_ids = self._sorted_options(options)
        texts = _list_of_texts(text)
        pictures, counts = pictures_of_rows(texts, images)
        image_token_id = self._image_token_to_write(negative_ids)
        data, num_tokens = self._prepare_pictures(texts, pictures, counts, image_token_id, of_images)
        limit = self._length_limit(of_text.get("truncation"), of_text.get("max_length"))
        rows = [
            encode_prompt(
                self.tokenizer,
                row,
                numbers,
                image_token_id=image_token_id,
                max_length=limit,
                add_special_tokens=of_text.get("add_special_tokens", True),
            )
            for row, numbers in zip(texts, num_tokens, strict=True)
        ]
        parts = self._as_tensors(rows, of_text)
        if spans is not None:
            parts["assistant_masks"] = self._assistant_masks(texts, num_tokens, spans, of_text)
        return BatchFeature({**parts, **data})

    def _sorted_options(self, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], bool]:
        """Options of a call, for the text and for the images, and whether ids are negative."""
        ours = [name for name in options if name not in OF_OTHERS]
        require_known(ours, KNOWN_OPTIONS, "a call of Phi3VProcessor")
        for group, names in (("text_kwargs", TEXT_OPTIONS), ("images_kwargs", CALL_OPTIONS)):
            require_known(options.get(group) or {}, names, f"{group} of Phi3VProcessor")
        negative_ids = options.get("negative_ids")
        given = {
            name: value
            for name, value in options.items()
            if name in KNOWN_OPTIONS
            and name != "negative_ids"
            and (value is not None or name == "return_tensors")
        }
        merged = self._merge_kwargs(
            Phi3VProcessorKwargs, tokenizer_init_kwargs=self.tokenizer.init_kwargs, **given
        )
        of_text, of_images = merged["text_kwargs"], merged["images_kwargs"]
        # A tokenizer's own side is for its training: an answer continues behind its prompt.
        sides = [where.get("padding_side") for where in (options, options.get("text_kwargs") or {})]
        of_text["padding_side"] = next((side for side in sides if side), "left")
        types = "return_mm_token_type_ids"  # transformers 5.17 has it with the text
        of_text[types] = merged.get(types, of_text.get(types))
        return (
            of_text,
            {name: value for name, value in of_images.items() if name in CALL_OPTIONS},
            self.negative_ids if negative_ids is None else negative_ids,
        )

    def _image_token_to_write(self, negative_ids: bool) -> int | None:
        """Return the id that stands for a token of a picture, or None for negative ids."""
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
        of_rows = [numbers[start : start + count] for start, count in zip(starts, counts, strict=False)]
        if image_token_id is not None:
            order = [
                start + tag - 1
                for start, text in zip(starts, texts, strict=False)
                for tag in split_prompt(text)[1]
            ]
            if order != list(range(len(pictures))):
                data = {name: _in_order(values, order) for name, values in data.items()}
        return data, of_rows

    def _as_tensors(self, rows: list[list[int]], options: dict[str, Any]) -> dict[str, Any]:
        """Ids, attention mask and token types of padded rows."""
        length = self._length_of(rows, options)
        pad = self.tokenizer.pad_token_id
        parts = {"input_ids": padded(rows, length, pad, options["padding_side"])}
        if options.get("return_attention_mask", True):
            seen = [[1] * len(row) for row in rows]
            parts["attention_mask"] = padded(seen, length, 0, options["padding_side"])
        if options.get("return_mm_token_type_ids"):
            parts["mm_token_type_ids"] = self.create_mm_token_type_ids(parts["input_ids"])
        kind = options.get("return_tensors")
        require_kind(kind)
        return {name: as_matrix(values, kind) for name, values in parts.items()}

    def _length_of(self, rows: list[list[int]], options: dict[str, Any]) -> int:
        """Return the length that rows are padded to; 0 for no padding."""
        limit = options.get("max_length")
        if limit is None:
            limit = self._length_limit(options.get("truncation"), None)
        length = padded_length(rows, options["padding"], limit)
        multiple = options.get("pad_to_multiple_of")
        return -(-max(length, *map(len, rows)) // multiple) * multiple if multiple else length

    def create_mm_token_type_ids(self, input_ids: list[list[int]], *_: Any, **__: Any) -> list[list[int]]:
        """Return 1 for each token of a picture and 0 for all others."""
        return [[int(one < 0 or one == self.image_token_id) for one in row] for row in input_ids]

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
            "chat_template": self._template(chat_template),
            "tools": tools,
            "documents": documents,
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": continue_final_message,
            "return_assistant_tokens_mask": return_assistant_tokens_mask,
            **self.tokenizer.special_tokens_map,
            **others,
        }
        messages = [of_one for of_one, _ in plain]
        if not takes_plain_text(written["chat_template"]):
            messages = [as_entries(of_one) for of_one in messages]
        prompts, spans = render_jinja_template(conversations=messages, **written)
        if not tokenize:
            return prompts if batched else prompts[0]
        images = options.pop("images", images)
        held = [pictures for _, pictures in plain]
        if any(held) and images is not None:
            raise ValueError("pictures were passed twice: in the conversation's image entries and by images=")
        # "auto" is how transformers asks for a processor's own default.
        options.setdefault("return_tensors", "pt" if return_tensors == "auto" else return_tensors)
        images = held if any(held) else images
        out = self._prepare(prompts, images, options, spans if return_assistant_tokens_mask else None)
        return out if return_dict else out["input_ids"]

    def _template(self, name_or_template: str | None) -> str:
        """Return the chat template of this name, or the one given, or the processor's own."""
        own = self.chat_template or DEFAULT_CHAT_TEMPLATE
        named = own if isinstance(own, dict) else {"default": own}
        return named.get(name_or_template or "default") or name_or_template or DEFAULT_CHAT_TEMPLATE

    def _assistant_masks(
        self, prompts: list[str], num_tokens: list[list[int]], spans: list[Any], options: dict[str, Any]
    ) -> Any:
        """1 for the tokens whose text starts within the spans (start, end) of a prompt, else 0: (B, T)."""
        special = options.get("add_special_tokens", True)
        rows = []
        for prompt, numbers, of_prompt in zip(prompts, num_tokens, spans, strict=True):
            starts = starts_of_tokens(self.tokenizer, prompt, numbers, add_special_tokens=special)
            rows.append([int(any(first <= start < last for first, last in of_prompt)) for start in starts])
        length = self._length_of(rows, options)
        return as_matrix(padded(rows, length, 0, options["padding_side"]), options.get("return_tensors"))

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


def _is_text(given: Any) -> bool:
    """Whether this is a prompt or a list of prompts, and no list of file names."""
    if isinstance(given, list | tuple):
        return len(given) > 0 and all(map(_is_text, given))
    return isinstance(given, str) and ("<|" in given or not os.path.splitext(given)[1])


def _without_counts(data: BatchFeature) -> BatchFeature:
    """Return the part of an image processor's output that a model takes."""
    return BatchFeature({name: values for name, values in data.items() if name != "num_img_tokens"})


def _in_order(values: Any, order: list[int]) -> Any:
    return [values[place] for place in order] if isinstance(values, list) else values[order]


def _list_of_texts(text: str | Sequence[str]) -> list[str]:
    texts = [text] if isinstance(text, str) else text
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(row, str) for row in texts):
        raise ValueError("text must be a string or a list of at least one string")
    return [printable(row) for row in texts]
