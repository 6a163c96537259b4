"""A tokenizer of the published kind, small enough to be built in a test: see `training.published_tokenizer`.

The chat template is spelled out here as published, so that a test compares with it.
"""

from transformers import PreTrainedTokenizerFast

from training.published_tokenizer import make_published_kind

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


def make_tiny_tokenizer(words: list[str] | None = None) -> PreTrainedTokenizerFast:
    """Build the tokenizer; about 600 ids. `words` become one token each, in place of the built-in ones."""
    merges: list[tuple[str, str]] = []
    for word in _WORDS.split() if words is None else words:
        for spelled in ("▁" + word, "▁" + word.capitalize()):
            for end in range(1, len(spelled)):
                pair = (spelled[:end], spelled[end])
                if pair not in merges:
                    merges.append(pair)
    return make_published_kind(merges, model_max_length=131072, chat_template=CHAT_TEMPLATE)
