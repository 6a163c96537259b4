"""The tokenizer of Phi-3-vision: that of the checkpoint, which can also read back placeholders of images."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerFast
from transformers.utils import to_py_obj

from phi3lib.vision.prompts import decode_ids, name_of_placeholder

# Options of the tokenizer that `Phi3VProcessor.from_pretrained` hands on.
TOKENIZER_OPTIONS = (
    *PreTrainedTokenizerFast.SPECIAL_TOKENS_ATTRIBUTES,
    "add_bos_token",
    "add_eos_token",
    "add_prefix_space",
    "clean_up_tokenization_spaces",
    "extra_special_tokens",
    "model_max_length",
    "padding_side",
    "split_special_tokens",
    "truncation_side",
)


class Phi3VTokenizer(PreTrainedTokenizerFast):
    """A checkpoint's tokenizer, with placeholders of images (id -k) read as `<|image_k|>`.

    Ids are those of `PreTrainedTokenizerFast`, which takes tokenizer.json as it is. Reading back concerns
    everything that is given a tokenizer and the ids of a prompt, such as transformers' `TextStreamer`:
    the library beneath would refuse negative ids.
    """

    def decode(self, token_ids: Any, skip_special_tokens: bool = False, **kwargs: Any) -> Any:
        """Return the text of ids, or a list of texts for several rows of ids; `batch_decode` calls this."""
        ids = to_py_obj(token_ids)
        if isinstance(ids, list | tuple) and ids and isinstance(ids[0], list | tuple):
            return [self.decode(row, skip_special_tokens, **kwargs) for row in ids]
        ids = [ids] if isinstance(ids, int) else ids
        if not isinstance(ids, list | tuple) or all(token_id >= 0 for token_id in ids):
            return super().decode(ids, skip_special_tokens, **kwargs)
        clean_up = kwargs.get("clean_up_tokenization_spaces")
        return decode_ids(
            self, ids, skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=clean_up
        )

    def convert_ids_to_tokens(
        self, ids: int | Sequence[int], skip_special_tokens: bool = False
    ) -> str | list[str]:
        """Return the token of an id, or the list of tokens of several; `<|image_k|>` for -k."""
        if isinstance(ids, int):
            return super().convert_ids_to_tokens(ids) if ids >= 0 else name_of_placeholder(ids)
        tokens: list[str] = []
        for token_id in map(int, ids):
            if token_id < 0:
                tokens += [] if skip_special_tokens else [name_of_placeholder(token_id)]
            else:
                tokens += super().convert_ids_to_tokens([token_id], skip_special_tokens=skip_special_tokens)
        return tokens
