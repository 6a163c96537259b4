"""A tokenizer of the published kind, small enough to be built in a test.

Llama-like: byte-pair merges over characters, spaces written as ▁, one put in front of every stretch of
ordinary text, unknown characters as UTF-8 bytes, `<s>` before every text. The special tokens have the
published strings and the published stripping (`<|assistant|>` swallows the line break behind it), the
chat template is the published one. Only the vocabulary is ours, so ids differ from the published ones.
"""

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|' + message['role'] + '|>' + '\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt and messages[-1]['role'] != 'assistant' %}"
    "{{- '<|assistant|>\n' -}}{% endif %}"
)
_WORDS = (
    "a an and the is are of in on with this that what which how many one two three first second again "
    "image picture photo circle square triangle star red green blue yellow black white left right above "
    "below shown describe compare answer question yes no it"
)
# In the order of their ids: the published tokenizer keeps it, with unused placeholders in between.
_ADDED = [
    ("<|endoftext|>", False),
    ("<|assistant|>", True),
    ("<|placeholder1|>", True),
    ("<|placeholder2|>", True),
    ("<|system|>", False),
    ("<|end|>", False),
    ("<|placeholder3|>", True),
    ("<|user|>", False),
    ("<|image|>", True),
]


def make_tiny_tokenizer(words: list[str] | None = None) -> PreTrainedTokenizerFast:
    """Build the tokenizer; about 600 ids. `words` become one token each, in place of the built-in ones."""
    tokenizer = Tokenizer(_byte_pair_model(_WORDS.split() if words is None else words))
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
        model_max_length=131072,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def _token(text: str, *, rstrip: bool = False) -> AddedToken:
    return AddedToken(text, rstrip=rstrip, normalized=False, special=True)


def _byte_pair_model(words: list[str]) -> BPE:
    """Ids: three control tokens, 256 bytes, ▁ and printable ASCII, then whatever the merges make."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += [chr(code) for code in range(33, 127)]
    merges: list[tuple[str, str]] = []
    for word in words:
        for spelled in ("▁" + word, "▁" + word.capitalize()):
            for end in range(1, len(spelled)):
                pair = (spelled[:end], spelled[end])
                if pair not in merges:
                    merges.append(pair)
                    pieces.append("".join(pair))
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
