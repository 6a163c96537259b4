"""The small Phi-3-vision's tokenizer: made as the published one, with a vocabulary of the picture-book.

Words in capitals and numbers are kept out of the merges: they are spelled, letter by letter, so that words
which were never trained can be read out.
"""

import json
import re
from collections.abc import Iterator

import numpy as np
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from phi3lib.picturebook.questions import questions_of
from phi3lib.picturebook.scenes import draw_scene
from phi3lib.vision.prompts import DEFAULT_CHAT_TEMPLATE

SCENES = 6_000
MERGES = 700
# In the order of their ids, with their stripping, as published.
_ADDED = (
    ("<|endoftext|>", False), ("<|assistant|>", True), ("<|placeholder1|>", True), ("<|placeholder2|>", True),
    ("<|system|>", False), ("<|end|>", False), ("<|placeholder3|>", True), ("<|user|>", False),
    ("<|image|>", True),
)  # fmt: skip


def make_phi3_tokenizer(scenes: int = SCENES) -> PreTrainedTokenizerFast:
    """Learn the merges from the questions and answers of this many scenes; about 1,100 ids."""
    tokenizer = Tokenizer(_pairs(_merges(scenes)))
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
        padding_side="right",
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
        chat_template=DEFAULT_CHAT_TEMPLATE,
    )


def _token(text: str, *, rstrip: bool = False) -> AddedToken:
    return AddedToken(text, rstrip=rstrip, normalized=False, special=True)


def _merges(scenes: int) -> list[tuple[str, str]]:
    learner = Tokenizer(models.BPE())
    # ▁ in front of every word, and none of the characters that are to be spelled.
    learner.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    learner.train_from_iterator(
        _texts(scenes), trainers.BpeTrainer(vocab_size=100 + MERGES, show_progress=False)
    )
    return [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]


def _texts(scenes: int) -> Iterator[str]:
    rng = np.random.default_rng(0)
    for number in range(scenes):
        scene = draw_scene(number, tile=112, grid=(2, 2) if number % 2 else (3, 3))
        for question in questions_of(scene, rng):
            for text in (question.text, question.answer):
                yield "".join(f"▁{word}" for word in text.split() if not re.search(r"[A-Z]{2}|[0-9]", word))


def _pairs(merges: list[tuple[str, str]]) -> models.BPE:
    """Ids: three control tokens, 256 bytes, ▁ and printable ASCII, then what the merges make."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += [chr(code) for code in range(33, 127)]
    pieces += ["".join(pair) for pair in merges]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    return models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
