"""Several questions about one picture in one row: the picture is paid for once.

A row is the prompt up to the picture's last token, and behind it every question with its answer. A question
sees the picture and itself but no other question, and its positions go on from the picture, so that it is
computed as if it stood alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phi3lib.vision.answers import prompt_of
from phi3lib.vision.hd_transform import HDGrid
from phi3lib.vision.prompts import encode_prompt
from phi3lib.vision.text_processing import Phi3VProcessor
from picturebook.questions import Question
from training.dense_labels import token_places, tokens_in_box


@dataclass
class PackedRows:
    """Tensors for `Phi3Learner.answers`.

    input_ids and positions (N, length); is_answer (N, length) bool: which
    tokens are to be foretold; question (N, length): the number from 1 of the question that a token belongs
    to, 0 for the picture, -1 for padding; looks (N, 1 + questions, tokens) bool: the visual tokens that show
    what a question is about; token_places (tokens, 2): see `token_places`, the same for all rows.
    """

    input_ids: Tensor
    positions: Tensor
    is_answer: Tensor
    question: Tensor
    looks: Tensor
    token_places: Tensor

    @property
    def mask(self) -> Tensor:
        """(N, 1, length, length) bool: what each token sees. It is large, so it is made where it is used."""
        return _block_mask(self.question)


def pack(processor: Phi3VProcessor, grid: HDGrid, rows: Sequence[Sequence[Question]]) -> PackedRows:
    """Rows of questions about pictures that are all cut alike; shorter rows are padded on the right."""
    packed = [_pack_row(processor, grid.num_image_tokens, questions) for questions in rows]
    count, length = len(packed), max(len(ids) for ids, *_ in packed)
    pad = processor.tokenizer.pad_token_id
    input_ids = torch.full((count, length), pad)
    positions = torch.zeros(count, length, dtype=torch.long)
    question = torch.full((count, length), -1)  # padding belongs to no question
    is_answer = torch.zeros(count, length, dtype=torch.bool)
    for row, (ids, places, blocks, answers) in enumerate(packed):
        used = len(ids)
        input_ids[row, :used] = torch.tensor(ids)
        positions[row, :used] = torch.tensor(places)
        question[row, :used] = torch.tensor(blocks)
        is_answer[row, :used] = torch.tensor(answers)
    stands = torch.from_numpy(token_places(grid))
    looks = _looks(grid, rows)
    return PackedRows(input_ids, positions, is_answer, question, looks, stands)


def _looks(grid: HDGrid, rows: Sequence[Sequence[Question]]) -> Tensor:
    """(N, 1 + most questions, tokens) bool; question 0, the picture itself, looks nowhere."""
    most = max(len(questions) for questions in rows)
    looks = torch.zeros(len(rows), 1 + most, grid.num_image_tokens, dtype=torch.bool)
    for row, questions in enumerate(rows):
        for number, question in enumerate(questions, 1):
            looks[row, number] = torch.from_numpy(tokens_in_box(grid, question.box))
    return looks


def _pack_row(
    processor: Phi3VProcessor, num_tokens: int, questions: Sequence[Question]
) -> tuple[list[int], list[int], list[int], list[bool]]:
    """(ids, positions, number of the question or 0 for the picture, whether it is part of an answer)."""
    ids: list[int] = []
    positions: list[int] = []
    blocks: list[int] = []
    answers: list[bool] = []
    turn = processor.tokenizer.convert_tokens_to_ids("<|assistant|>")
    for number, question in enumerate(questions, 1):
        text = f"{prompt_of(question.text)}{question.answer}<|end|>"
        whole = encode_prompt(processor.tokenizer, text, [num_tokens])
        start = len(whole) - whole[::-1].index(-1)  # behind the picture's last token
        if not ids:
            ids, positions = whole[:start], list(range(start))
            blocks, answers = [0] * start, [False] * start
        tail = whole[start:]
        ids += tail
        positions += range(start, len(whole))
        blocks += [number] * len(tail)
        answer = tail.index(turn) + 1
        answers += [place >= answer for place in range(len(tail))]
    return ids, positions, blocks, answers


def _block_mask(question: Tensor) -> Tensor:
    """(N, 1, length, length) bool: earlier tokens of the picture and of the same question."""
    length = question.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=question.device).tril()
    same = question[:, :, None] == question[:, None, :]  # (N, length, length)
    picture = (question == 0)[:, None, :]
    return ((same | picture) & earlier)[:, None]
