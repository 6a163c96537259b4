"""Conversations to prompts: which template writes them, and which tokens of a prompt are replies.

What a conversation may hold is in `phi3lib.vision.prompts`; `Phi3VProcessor.apply_chat_template` puts both
together.
"""

import os
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from phi3lib.vision.inputs import printable
from phi3lib.vision.prompts import DEFAULT_CHAT_TEMPLATE, as_entries, starts_of_tokens, takes_plain_text


def is_text(given: Any) -> bool:
    """Return True for a prompt or a list of prompts, False for file names and all else."""
    if isinstance(given, list | tuple):
        return len(given) > 0 and all(map(is_text, given))
    return isinstance(given, str) and ("<|" in given or not os.path.splitext(given)[1])


def list_of_texts(text: str | Sequence[str]) -> list[str]:
    """Return one or several prompts as a list; ValueError where there is none, or another type."""
    texts = [text] if isinstance(text, str) else text
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(row, str) for row in texts):
        raise ValueError("text must be a string or a list of at least one string")
    return [printable(row) for row in texts]


def named_template(name_or_template: str | None, own: str | dict[str, str] | None) -> str:
    """Return the chat template of this name, or the one given, or the processor's own."""
    own = own or DEFAULT_CHAT_TEMPLATE
    named = own if isinstance(own, dict) else {"default": own}
    return named.get(name_or_template or "default") or name_or_template or DEFAULT_CHAT_TEMPLATE


def write_conversations(
    conversations: Sequence[list[dict[str, Any]]], template: str, **options: Any
) -> tuple[list[str], list[Any]]:
    """Return each conversation as a prompt, and the spans (start, end) of its replies if they are asked for.

    conversations: as `plain_conversation` returns them. options: those of transformers' templates.
    """
    if not takes_plain_text(template):
        conversations = [as_entries(messages) for messages in conversations]
    return render_jinja_template(conversations=conversations, chat_template=template, **options)


def masks_of_replies(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    num_tokens: Sequence[list[int]],
    spans: Sequence[Any],
    *,
    add_special_tokens: bool,
) -> list[list[int]]:
    """Return for each prompt 1 for the tokens whose text starts within its spans (start, end), else 0.

    num_tokens: how many tokens each picture of a prompt has.
    """
    rows = []
    for prompt, numbers, prompt_spans in zip(prompts, num_tokens, spans, strict=True):
        starts = starts_of_tokens(tokenizer, prompt, numbers, add_special_tokens=add_special_tokens)
        rows.append([int(any(first <= start < last for first, last in prompt_spans)) for start in starts])
    return rows
