"""The small CLIP's tokenizer: CLIP's own byte-level pairs, merged on the captions of the picture-book."""

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from picturebook.pictures import draw_picture, draw_word

CAPTIONS = 40_000
MERGES = 1_200
START, END = "<|startoftext|>", "<|endoftext|>"


def make_tokenizer(captions: int = CAPTIONS) -> CLIPTokenizer:
    """Learn the merges from this many captions of the training split.

    Every byte is in the vocabulary, within a word and at its end, so no text is lost: what was never seen
    is spelled out.
    """
    blank = CLIPTokenizer()._tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.normalizer, learner.pre_tokenizer = blank.normalizer, blank.pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=512 + MERGES, end_of_word_suffix="</w>", show_progress=False)
    learner.train_from_iterator(_captions(captions), trainer)
    merges = [tuple(pair) for pair in _merges_of(learner)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        *("".join(pair) for pair in merges),
        START,
        END,
    ]
    vocabulary = {token: place for place, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def _captions(count: int) -> list[str]:
    # Difficulty 1: the captions of easy pictures are the same, only fewer.
    return [(draw_word if number % 4 == 0 else draw_picture)(number).caption for number in range(count)]


def _merges_of(learner: Tokenizer) -> list[list[str]]:
    import json

    return json.loads(learner.to_str())["model"]["merges"]
