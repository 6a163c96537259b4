"""A tokenizer of the published Phi-3-vision's kind, with other merges: for small models and for tests.

Llama-like: byte-pair merges over characters, spaces written as ▁, one put in front of every stretch of
ordinary text, unknown characters as UTF-8 bytes, `<s>` before every text. The special tokens have the
published strings and the published stripping (`<|assistant|>` swallows the line break behind it).
"""

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from phi3lib.vision.prompts import DEFAULT_CHAT_TEMPLATE

# In the order of their ids: the published tokenizer keeps it, with unused placeholders in between.
_ADDED = (
    ("<|endoftext|>", False),
    ("<|assistant|>", True),
    ("<|placeholder1|>", True),
    ("<|placeholder2|>", True),
    ("<|system|>", False),
    ("<|end|>", False),
    ("<|placeholder3|>", True),
    ("<|user|>", False),
    ("<|image|>", True),
)


def make_published_kind(
    merges: Sequence[tuple[str, str]], *, model_max_length: int, chat_template: str = DEFAULT_CHAT_TEMPLATE
) -> PreTrainedTokenizerFast:
    """The tokenizer with these merges, in their order. Only the ids differ from the published ones."""
    tokenizer = Tokenizer(_byte_pairs(merges))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([_token("<unk>"), _token("<s>")])
    tokenizer.add_tokens([AddedToken("</s>", rstrip=True, normalized=False, special=False)])
    tokenizer.add_special_tokens([_token(text, rstrip=rstrip) for text, rstrip in _ADDED])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        unk_token="<unk>",
        padding_side="right",  # as published; Phi3VProcessor pads left whatever stands here
        model_max_length=model_max_length,
        clean_up_tokenization_spaces=False,
        chat_template=chat_template,
    )


def _token(text: str, *, rstrip: bool = False) -> AddedToken:
    return AddedToken(text, rstrip=rstrip, normalized=False, special=True)


def _byte_pairs(merges: Sequence[tuple[str, str]]) -> BPE:
    """Ids: three control tokens, 256 bytes, ▁ and printable ASCII, then what the merges make."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += [chr(code) for code in range(33, 127)]
    pieces += ["".join(pair) for pair in merges]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return BPE(vocab=vocabulary, merges=list(merges), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
