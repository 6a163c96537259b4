"""From prompts and conversations to token ids with places for pictures, as pure functions.

A prompt names its pictures `<|image_1|>`, `<|image_2|>`, …; the tag's number selects the picture, wherever
it is in the prompt. In the ids, a picture is a run of the image token, one for each of its tokens (or of
-k for picture k, as published); the model puts the picture's tokens there. `Phi3VProcessor` (in
`phi3lib.vision.text_processing`) puts these steps together.

The text between two tags is tokenised by itself, as in the published code. Every stretch therefore starts
with the tokenizer's BOS token, and one follows each picture: the models were trained so.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from jinja2 import Environment, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from phi3lib.vision.pictures import Picture, Pictures, flatten_pictures
from phi3lib.vision.placeholders import IGNORED_LABEL

_TAG = re.compile(r"<\|image_(\d+)\|>")

END, ASSISTANT = "<|end|>", "<|assistant|>"  # the end of a turn; the start of a reply

# For tokenizers without one. Turns look like "<|user|>\nQuestion<|end|>\n"; a reply is asked for
# by "<|assistant|>\n".
DEFAULT_CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|' ~ message.role ~ '|>\n' ~ message.content ~ '<|end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt and messages[-1].role != 'assistant' -%}"
    "{{ '<|assistant|>\n' }}"
    "{%- endif -%}"
)


def one_turn(said: str) -> str:
    r"""Return the published chat format for one turn of the user, up to where the reply begins.

    >>> one_turn("What is red?")
    '<|user|>\nWhat is red?<|end|>\n<|assistant|>\n'
    """
    return f"<|user|>\n{said}{END}\n{ASSISTANT}\n"


# ------------------------------------------------------------------------------------ tags


def split_prompt(text: str) -> tuple[list[str], list[int]]:
    """Split at the picture tags: n + 1 stretches of text (some empty) and the n tag numbers between them.

    >>> split_prompt("Is <|image_2|> like <|image_1|>")
    (['Is ', ' like ', ''], [2, 1])
    """
    parts = _TAG.split(text)
    return parts[::2], [int(number) for number in parts[1::2]]


def count_pictures(text: str) -> int:
    """How many pictures a prompt names. Raises ValueError unless its tags are 1, 2, … without a gap.

    >>> count_pictures("<|image_2|> <|image_1|> <|image_2|>")
    2
    """
    tags = sorted(set(split_prompt(text)[1]))
    if tags != list(range(1, len(tags) + 1)):
        named = ", ".join(f"<|image_{tag}|>" for tag in tags)
        raise ValueError(
            f"the prompt names {named}; the tags of a prompt must be numbered from 1 without a gap, here "
            f"1 to {len(tags)}"
        )
    return len(tags)


def pictures_of_rows(texts: Sequence[str], images: Pictures | None) -> tuple[list[Picture], list[int]]:
    """Deal pictures out to prompts: all pictures in one flat list, and how many each prompt has.

    `images` is one picture, a flat list (every prompt takes as many as it names, in turn) or a list with
    one list for each prompt. Raises ValueError where tags and pictures do not match, with both numbers.
    """
    named = [count_pictures(text) for text in texts]
    rows = _rows_of_pictures(images)
    if rows is None:
        pictures = [] if images is None else flatten_pictures(images)
        if len(pictures) != sum(named):
            raise ValueError(f"{len(pictures)} picture(s) were passed for {_describe(named)}")
        return pictures, named
    if len(rows) != len(texts):
        raise ValueError(f"images holds {len(rows)} lists of pictures for {len(texts)} prompt(s)")
    for number, (row, count) in enumerate(zip(rows, named, strict=True)):
        if len(row) != count:
            raise ValueError(f"prompt {number} names {count} picture(s), its list holds {len(row)}")
    return [picture for row in rows for picture in row], named


def _rows_of_pictures(images: Pictures | None) -> list[list[Picture]] | None:
    """Return the lists of a list of lists; None for anything else. An entry None counts as an empty list."""
    if not isinstance(images, list | tuple):
        return None
    listed = [row is None or isinstance(row, list | tuple) for row in images]
    if not any(listed):
        return None
    if not all(listed):
        raise ValueError("images mixes pictures and lists of pictures; pass one flat list or only lists")
    return [[] if row is None else flatten_pictures(row) for row in images]


def _describe(named: list[int]) -> str:
    if len(named) == 1:
        return f"a prompt that names {named[0]}; write one tag <|image_1|>, <|image_2|>, … for each picture"
    return f"prompts that name {sum(named)} ({' + '.join(map(str, named))})"


# ------------------------------------------------------------------------------------ ids


IMAGE_TOKEN = "<|image|>"


def encode_prompt(
    tokenizer: Any,
    text: str,
    num_tokens: Sequence[int],
    *,
    image_token_id: int | None = None,
    max_length: int | None = None,
    add_special_tokens: bool = True,
) -> list[int]:
    """Return the token ids of one prompt; picture k is num_tokens[k - 1] times the image token.

    Without `image_token_id` it is as many times the id -k. With `max_length`, a prompt without pictures is
    cut there as the tokenizer does it. Raises ValueError for a longer prompt with pictures, as a picture that
    lacks tokens cannot be put in, and for text that holds the image token itself.
    """
    stretches, tags = split_prompt(text)
    if not tags and max_length is not None:
        options = {"truncation": True, "max_length": max_length, "add_special_tokens": add_special_tokens}
        return list(tokenizer(text, **options).input_ids)
    encoded = tokenizer(stretches, add_special_tokens=add_special_tokens).input_ids
    if tags and any(image_token_id in stretch for stretch in encoded):
        raise ValueError(f"the text holds {IMAGE_TOKEN}; name pictures by <|image_1|>, <|image_2|>, …")
    ids = list(encoded[0])
    for tag, stretch in zip(tags, encoded[1:], strict=True):
        ids += [-tag if image_token_id is None else image_token_id] * num_tokens[tag - 1]
        ids += stretch
    if max_length is not None and len(ids) > max_length:
        in_pictures = len(ids) - sum(map(len, encoded))
        raise ValueError(
            f"the prompt has {len(ids)} tokens, {in_pictures} of them in pictures, and max_length is "
            f"{max_length}: prompts with pictures are not truncated. Raise max_length, shorten the text or "
            f"use fewer crops"
        )
    return ids


def starts_of_tokens(
    tokenizer: Any, text: str, num_tokens: Sequence[int], *, add_special_tokens: bool = True
) -> list[int]:
    """Return for each id of `encode_prompt` where its text starts in the prompt, or -1 for special tokens.

    All tokens of a picture start where its tag does.
    """
    starts: list[int] = []
    begin = 0
    stretches, tags = split_prompt(text)
    options = {"add_special_tokens": add_special_tokens, "return_offsets_mapping": True}
    for number, (stretch, offsets) in enumerate(
        zip(stretches, tokenizer(stretches, **options).offset_mapping, strict=True)
    ):
        starts += [begin + first if last > first else -1 for first, last in offsets]
        begin += len(stretch)
        if number < len(tags):
            starts += [begin] * num_tokens[tags[number] - 1]
            begin += len(name_of_placeholder(-tags[number]))
    return starts


def decode_ids(
    tokenizer: Any,
    ids: Sequence[int],
    *,
    image_token_id: int | None = None,
    skip_special_tokens: bool = False,
    clean_up_tokenization_spaces: bool | None = None,
) -> str:
    """Return the text of one row of ids; a run of placeholders becomes one tag.

    A run of -k is `<|image_k|>` and a run of the image token `<|image|>`; nothing if special tokens are
    skipped. The other options are the tokenizer's own. -100, the label that a loss ignores, is left out.
    """
    options = {
        "skip_special_tokens": skip_special_tokens,
        "clean_up_tokenization_spaces": clean_up_tokenization_spaces,
    }
    text = []
    kept = [token_id for token_id in ids if token_id != IGNORED_LABEL]
    # Text is grouped as 0, placeholders by picture.
    for placeholder, run in groupby(kept, key=lambda one: one if one < 0 or one == image_token_id else 0):
        if placeholder == 0:
            text.append(tokenizer.decode(list(run), **options))
        elif not skip_special_tokens:
            text.append(IMAGE_TOKEN if placeholder > 0 else name_of_placeholder(placeholder))
    return "".join(text)


def name_of_placeholder(token_id: int) -> str:
    """Return the tag of the picture that a negative id represents.

    >>> name_of_placeholder(-2)
    '<|image_2|>'
    """
    return f"<|image_{-token_id}|>"


# ------------------------------------------------------------------------------------ conversations


def plain_conversation(conversation: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Picture]]:
    """Write structured messages as plain text with picture tags; also returns the pictures they hold.

    A message's content may be a string, which stays as it is, or a list of {"type": "text", "text": …} and
    {"type": "image"} entries. Pictures are numbered over the whole conversation; an entry may carry its
    picture under "image", "path" or "url" (a file name). The messages passed are not changed.

    Raises ValueError for other kinds of entries, where tags were written by hand beside image entries, and
    where only some entries carry their picture.

    >>> question = [{"type": "image"}, {"type": "text", "text": "What is this?"}]
    >>> plain_conversation([{"role": "user", "content": question}])[0][0]["content"]
    '<|image_1|>\\nWhat is this?'
    """
    messages: list[dict[str, Any]] = []
    found: list[Picture | None] = []
    for message in conversation:
        content = message.get("content")
        if isinstance(content, list | tuple):
            pieces = []
            for entry in content:
                text, picture = _read_entry(entry)
                if text is None:
                    found.append(picture)
                pieces.append(text if text is not None else f"<|image_{len(found)}|>")
            content = _join(pieces, [entry.get("type") != "text" for entry in content])
        messages.append({**message, "content": "" if content is None else content})
    _require_one_way(conversation, found)
    return messages, [picture for picture in found if picture is not None]


class _Generation(Extension):
    """The tag {% generation %} of transformers, whose body counts as it is."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the statements up to {% endgeneration %}."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def takes_plain_text(template: str) -> bool:
    """Return whether a chat template takes contents as strings; others loop over entries, or number them."""
    tree = Environment(extensions=[loopcontrols, _Generation]).parse(template)  # read, never executed
    looped = any(_is_content(loop.iter) for loop in tree.find_all(nodes.For))
    numbered = any(
        _is_content(item.node) and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, int)
        for item in tree.find_all(nodes.Getitem)
    )
    return not looped and not numbered


def _is_content(node: nodes.Node) -> bool:
    """Whether an expression of a template is `something.content` or `something["content"]`."""
    if isinstance(node, nodes.Getattr):
        return node.attr == "content"
    return (
        isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and node.arg.value == "content"
    )


def as_entries(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return messages whose contents are lists of one text entry."""
    return [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in messages]


def _read_entry(entry: Any) -> tuple[str | None, Picture | None]:
    """(text, None) of a text entry, (None, picture or None) of an image entry."""
    entry_type = entry.get("type") if isinstance(entry, dict) else None
    if entry_type == "text" and isinstance(entry.get("text"), str):
        return entry["text"], None
    if entry_type == "image":
        return None, next(
            (entry[key] for key in ("image", "path", "url") if entry.get(key) is not None), None
        )
    if entry_type == "image_url":  # the way in which chat services write it
        link = entry["image_url"]
        return None, link["url"] if isinstance(link, dict) else link
    raise ValueError(
        f"a message holds {entry!r:.80}; entries must be {{'type': 'text', 'text': …}} or {{'type': 'image'}}"
    )


def _join(pieces: list[str], is_picture: list[bool]) -> str:
    """Join pieces, with a line break between a picture's tag and the text beside it."""
    text = ""
    for number, (piece, picture) in enumerate(zip(pieces, is_picture, strict=True)):
        beside_picture = number > 0 and (picture or is_picture[number - 1])
        if beside_picture and not text.endswith("\n") and not piece.startswith("\n"):
            text += "\n"
        text += piece
    return text


def _require_one_way(conversation: Sequence[dict[str, Any]], found: list[Picture | None]) -> None:
    if not found:
        return
    if any(_TAG.search(text) for message in conversation for text in _texts(message.get("content"))):
        raise ValueError(
            "the conversation has both image entries and tags written by hand, such as <|image_1|>, so the "
            "numbers would be ambiguous; use one of the two"
        )
    held = sum(picture is not None for picture in found)
    if held not in (0, len(found)):
        raise ValueError(
            f"{held} of {len(found)} image entries carry their picture; either all do, or none and images= "
            f"holds them"
        )


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [entry["text"] for entry in content or () if entry["type"] == "text"]
