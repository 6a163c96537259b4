"""The checks of notebook 09: ids of a prompt with two images, a head that looks, proof by masking, crops."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phi3lib.embeddings.confidence import clearly_better, of_mean
from phi3lib.lab.checks.base import Refused, Verdict, ask, exercise, not_yet, told
from phi3lib.lab.checks.reading import items, number, truth, whole
from phi3lib.lab.checks.registry import check_of

Numbers = NDArray[np.floating]
IMAGE = 1203
Texts = tuple[list[int], list[int], list[int]]

# ------------------------------------------------------------- 09.1 ids of a prompt with two images


def prompt_ids(texts: Texts, num_tokens: Sequence[int], image_token_id: int) -> list[int]:
    """Return the right answer: text, first image, text, second image, text."""
    before, between, after = texts
    first, second = num_tokens
    return [*before, *[image_token_id] * first, *between, *[image_token_id] * second, *after]


def _prompt_cases() -> list[tuple[str, Texts, list[int], int]]:
    texts = ([1, 1197, 13], [13], [13, 340, 55, 1200, 1196])
    return [
        ("images of 3 and 2 tokens", ([1, 7], [13], [13, 40]), [3, 2], IMAGE),
        ("images of 37 and 93 tokens", texts, [37, 93], IMAGE),
        ("images of 2 and 2 tokens and 4 ids between them", ([1], [13, 8, 9, 13], [13]), [2, 2], 32044),
    ]


_PROMPT_SLIPS: dict[str, Callable[[Texts, Sequence[int], int], list[int]]] = {
    "each image has one placeholder only; it needs one for each of its tokens": lambda t, n, i: [
        *t[0], i, *t[1], i, *t[2],
    ],
    "the two counts are swapped: images come in the order in which the prompt names them": lambda t, n, i: (
        prompt_ids(t, n[::-1], i)
    ),
    "the ids between the two images are missing": lambda t, n, i: [*t[0], *[i] * sum(n), *t[2]],
    "both images stand together; the text between them belongs between them": lambda t, n, i: [
        *t[0], *[i] * sum(n), *t[1], *t[2],
    ],
    "both images stand together; the text between them belongs between them (you wrote it first)": (
        lambda t, n, i: [*t[0], *t[1], *[i] * sum(n), *t[2]]
    ),
    "these are the published processor's negative ids (−1, −2); here the image token's id is asked for": (
        lambda t, n, i: [*t[0], *[-1] * n[0], *t[1], *[-2] * n[1], *t[2]]
    ),
    "the second image has another id than the first; both have the image token's id": lambda t, n, i: [
        *t[0], *[i] * n[0], *t[1], *[i + 1] * n[1], *t[2],
    ],
    "the second image is missing": lambda t, n, i: [*t[0], *[i] * n[0], *t[1], *t[2]],
    "the question behind the images is missing": lambda t, n, i: [
        *t[0], *[i] * n[0], *t[1], *[i] * n[1],
    ],
}  # fmt: skip


@check_of("09.1", "Ids of a prompt with two pictures", "lab.checks.two_image_prompt(my_prompt_ids)")
@exercise
def two_image_prompt(function: Callable[[Texts, list[int], int], list[int]]) -> Verdict:
    """Check exercise 09.1: `function(texts, num_tokens, image_token_id)`: 3 lists and 2 counts → ids."""
    for shown, texts, counts, image_token_id in _prompt_cases():
        right = prompt_ids(texts, counts, image_token_id)
        given = _ids(ask(function, texts, counts, image_token_id, shown=shown), shown)
        if given == right:
            continue
        said = f"With {shown} you have {len(given)} ids, and there are {len(right)}"
        if len(given) == len(right):
            index = next(n for n, (one, other) in enumerate(zip(given, right, strict=True)) if one != other)
            said = f"With {shown} id {index} is {given[index]}, and {right[index]} is right"
        fitting = (
            slip for slip, wrong in _PROMPT_SLIPS.items() if given == wrong(texts, counts, image_token_id)
        )
        return not_yet(said, next(fitting, None))
    return Verdict(
        True, "Each image has one id for each of its tokens, in the place where the prompt names it."
    )


def _ids(answer: Any, shown: str) -> list[int]:
    given = answer.tolist() if hasattr(answer, "tolist") else answer
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], list):
        raise Refused(f"With {shown} one row of ids is wanted, not a batch of one row: {told(answer)}.")
    if not isinstance(given, list | tuple):
        raise Refused(f"With {shown} a list of ids is wanted, not {told(answer)}.")
    if any(isinstance(one, list | tuple) for one in given):
        raise Refused(f"With {shown} a flat list of ids is wanted; yours holds lists: unpack them with *.")
    return [whole(one, shown) for one in given]


# ------------------------------------------------------- 09.2 the head, and 09.3 the proof


def looking_head_of(attention: Sequence[Numbers], inside: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Return the right answer: (layer, head) with the largest mean weight on the asked thing's columns."""
    return _largest([one[:, :, list(cols)].sum(-1) for one, cols in zip(attention, inside, strict=True)])


def _largest(weights: Sequence[Numbers]) -> tuple[int, int]:
    mean = np.mean(weights, axis=0)
    layer, head = np.unravel_index(int(mean.argmax()), mean.shape)
    return int(layer), int(head)


def _attention_cases() -> list[tuple[str, list[Numbers], list[list[int]]]]:
    """Weights in which every known mistake finds another head than the right one."""
    length, inside = 30, [list(range(8, 14)), list(range(5, 15))]
    peaks = {
        (2, 1): ([0.11] * 6, [0.07] * 10),  # the right one: 0.66 and 0.70
        (0, 2): ([0.60, *[0.0] * 5], [0.40, *[0.0] * 9]),  # one token gets the most
        (1, 0): ([0.15] * 6, [0.01] * 10),  # the most for the first question only, and for each token
        (0, 3): ([0.0] * 6, [0.0] * 10),  # looks elsewhere at one token
    }
    attention = [np.full((3, 4, length), 1e-3) for _ in inside]
    for (layer, head), rows in peaks.items():
        for one, columns, row in zip(attention, inside, rows, strict=True):
            one[layer, head, columns] = row
    for one in attention:
        one[0, 3, 20] = 0.95
    return [("2 questions, 3 layers and 4 heads", attention, inside)]


_HEAD_SLIPS: dict[str, Callable[[Sequence[Numbers], Sequence[Sequence[int]]], tuple[int, int]]] = {
    "layer and head are swapped": lambda a, i: looking_head_of(a, i)[::-1],
    "this head looks at one token more than others do, but elsewhere: sum the columns of the thing only": (
        lambda a, i: _largest([one.max(-1) for one in a])
    ),
    "this head has the largest weight on a single token; sum over all tokens of the thing": lambda a, i: (
        _largest([one[:, :, list(cols)].max(-1) for one, cols in zip(a, i, strict=True)])
    ),
    "this is the head of the first question alone; take the mean over all questions": lambda a, i: (
        looking_head_of(a[:1], i[:1])
    ),
    "this is the head that looks there least": lambda a, i: _largest(
        [-one[:, :, list(cols)].sum(-1) for one, cols in zip(a, i, strict=True)]
    ),
}


@check_of("09.2", "Find the head that looks", "lab.checks.looking_head(my_looking_head)")
@exercise
def looking_head(function: Callable[[list[Numbers], list[list[int]]], tuple[int, int]]) -> Verdict:
    """Check exercise 09.2: `function(attention, inside)`, weights and columns by question → (layer, head)."""
    for shown, attention, inside in _attention_cases():
        right = looking_head_of(attention, inside)
        answer = ask(function, attention, inside, shown=shown)
        shape = attention[0].shape[:2]
        if np.ndim(answer) == 0:
            raise Refused(
                f"With {shown} a pair (layer, head) is wanted, not {told(answer)}: turn the flat number of "
                f"`argmax` into a pair with `np.unravel_index`."
            )
        layer, head = (whole(one, shown) for one in items(answer, 2, "Two numbers, layer and head,"))
        if (layer, head) == right:
            continue
        said = f"With {shown} you have layer {layer}, head {head}, and {right[0]}, {right[1]} is right"
        if not (0 <= layer < shape[0] and 0 <= head < shape[1]) and (head, layer) != right:
            return Verdict(False, f"{said}; layers and heads are counted from 0.")
        slip = next(
            (s for s, wrong in _HEAD_SLIPS.items() if (layer, head) == wrong(attention, inside)), None
        )
        return not_yet(said, slip)
    return Verdict(True, "This head puts the most weight on the asked thing, over all questions.")


class _Model:
    """A stand-in that answers "red" unless one of its needed columns is hidden; it notes what was hidden."""

    def __init__(self, needed: set[int]) -> None:
        self.needed, self.hidden = needed, list[list[int]]()

    def __call__(self, hidden: Any = ()) -> str:
        columns = [int(column) for column in hidden]
        self.hidden.append(columns)
        return "grey" if self.needed & set(columns) else "red"


_WEIGHTS = np.array([0.30, 0.01, 0.02, 0.20, 0.015, 0.04, 0.03, 0.25, 0.02, 0.01, 0.005, 0.1])
_VISUAL = list(range(2, 11))  # columns 0, 1 and 11 are text
_DRAWS = 20


@check_of("09.3", "Prove it by masking", "lab.checks.proof_by_masking(my_proof)")
@exercise
def proof_by_masking(function: Callable[..., tuple[bool, float]]) -> Verdict:
    """Check exercise 09.3: `function(answer, weights, visual, k, draws)` → (changed, share at random)."""
    for needed, k in (({7}, 2), ({10}, 3), (set(), 2)):
        model = _Model(needed)
        shown = f"9 visual tokens, k = {k} and {_DRAWS} draws"
        given = ask(function, model, _WEIGHTS.copy(), [*_VISUAL], k, _DRAWS, shown=shown, copied=False)
        changed, share = items(given, 2, "A truth value and a share")
        if (slip := _slip_of_masks(model.hidden, k)) is not None:
            return not_yet(f"With {shown}", slip)
        masks = [set(columns) for columns in model.hidden if columns]
        most = set(_most_read(k))
        randoms = list(masks)
        randoms.remove(most)
        if truth(changed) is not bool(most & needed):
            return Verdict(
                False,
                f"With {shown} `changed` is {told(changed)}, and hiding the tokens that are read most "
                f"{'changes' if most & needed else 'does not change'} the answer; return True or False.",
            )
        right = float(np.mean([bool(mask & needed) for mask in randoms]))
        if not np.isclose(number(share, shown), right):
            return Verdict(
                False,
                f"With {shown} your share of random masks that change the answer is {float(share):.3f}, and "
                f"of the masks that you asked with it is {right:.3f}.",
            )
    return Verdict(True, "You hid what the head reads most, and compared with as many random visual tokens.")


def _most_read(k: int) -> list[int]:
    return sorted(_VISUAL, key=lambda column: -_WEIGHTS[column])[:k]


def _slip_of_masks(asked: Sequence[Sequence[int]], k: int) -> str | None:
    """Return what is wrong with the sets that were hidden, or None."""
    masks = [list(columns) for columns in asked if columns]
    if not masks:
        return "nothing was hidden; call `answer(columns)` with the columns to hide"
    everywhere = set(np.argsort(-_WEIGHTS)[:k].tolist())
    least = set(sorted(_VISUAL, key=lambda column: _WEIGHTS[column])[:k])
    sets = [set(mask) for mask in masks]
    shifted = {_VISUAL.index(column) for column in _most_read(k)}
    if any(column not in _VISUAL for mask in masks for column in mask):
        if everywhere in sets:
            return "among the tokens that are read most there are words; hide visual tokens only"
        if shifted in sets:
            return (
                "you hide places among the visual tokens; `answer` takes columns of the prompt: visual[place]"
            )
        return "a column without a visual token was hidden; draw from `visual`"
    if set(_most_read(k)) not in sets:
        if least in sets:
            return "the tokens that are read least were hidden: sort the other way round"
        return f"the {k} visual tokens that are read most were never hidden together"
    if any(len(set(mask)) != k for mask in masks):
        return f"a mask has another number of tokens than {k}; both kinds hide {k}, drawn without replacement"
    if len(masks) == 1:
        return "there is no control: hide random visual tokens, too, as many and several times"
    if len(masks) - 1 != _DRAWS:
        return f"{len(masks) - 1} random masks were tried, and {_DRAWS} draws are asked for"
    if len({frozenset(one) for one in sets}) <= 2:
        return "all random masks are the same: make the generator once, before the loop"
    return None


# ------------------------------------------------------------------- 09.4 which question needs crops?


def needed_crops(sharp: Numbers, blurred: Numbers, none: Numbers) -> str:
    """Return the right answer: "detail", "tokens" or "neither"."""
    if clearly_better(blurred, sharp):
        return "detail"
    return "tokens" if clearly_better(none, blurred) else "neither"


def _rights(count: int, right: int, seed: int) -> Numbers:
    """`count` items of which `right` are answered right, in a random order."""
    return np.random.default_rng(seed).permutation(np.arange(count) < right).astype(float)


def _crop_cases() -> list[tuple[str, Numbers, Numbers, Numbers]]:
    hard = _rights(60, 30, 0)
    paired = np.maximum(
        hard, np.arange(60) % 6 == 0
    )  # a gain on few items, and no loss: a paired test sees it
    return [
        ("60, 10 and 8 of 60 right", _rights(60, 60, 1), _rights(60, 10, 2), _rights(60, 8, 3)),
        ("56, 57 and 20 of 60 right", _rights(60, 56, 4), _rights(60, 57, 5), _rights(60, 20, 6)),
        ("all of 60 right, each time", np.ones(60), np.ones(60), np.ones(60)),
        ("57, 55 and 54 of 60 right", _rights(60, 57, 7), _rights(60, 55, 8), _rights(60, 54, 9)),
        (f"{int(paired.sum())}, 30 and 30 of 60 right, none lost", paired, hard, hard),
    ]


_CROP_SLIPS: dict[str, Callable[[Numbers, Numbers, Numbers], str]] = {
    "sharp crops are compared with none, which differ in detail and in the number of tokens at once": (
        lambda s, b, n: "detail" if clearly_better(n, s) else "neither"
    ),
    "a difference of means is taken as it is; a few items differ by chance": lambda s, b, n: (
        "detail" if s.mean() > b.mean() else "tokens" if b.mean() > n.mean() else "neither"
    ),
    "two intervals are compared; both hold for the same items, so compare item by item": lambda s, b, n: (
        "detail" if _apart(b, s) else "tokens" if _apart(n, b) else "neither"
    ),
    "first and second are swapped: the second is the one that may be better": lambda s, b, n: (
        "detail" if clearly_better(s, b) else "tokens" if clearly_better(b, n) else "neither"
    ),
}


def _apart(first: Numbers, second: Numbers) -> bool:
    return of_mean(second).low > of_mean(first).high


@check_of("09.4", "Which question needs crops?", "lab.checks.which_needs_crops(my_reason_for_crops)")
@exercise
def which_needs_crops(function: Callable[[Numbers, Numbers, Numbers], str]) -> Verdict:
    """Check exercise 09.4: `function(sharp, blurred, none)`, 0 or 1 each → "detail", "tokens", "neither"."""
    given: list[str] = []
    for shown, *values in _crop_cases():
        answer = ask(function, *values, shown=shown)
        if not isinstance(answer, str) or answer not in ("detail", "tokens", "neither"):
            raise Refused(f"With {shown} “detail”, “tokens” or “neither” is wanted, not {told(answer)}.")
        given.append(answer)
    cases = _crop_cases()
    right = [needed_crops(*values) for _, *values in cases]
    index = next((n for n, (one, other) in enumerate(zip(given, right, strict=True)) if one != other), None)
    if index is None:
        return Verdict(True, "Detail is what sharp crops win over blurred ones, item by item.")
    said = f"With {cases[index][0]} you say “{given[index]}”, and “{right[index]}” is right"
    for slip, wrong in _CROP_SLIPS.items():
        if given == [wrong(*values) for _, *values in cases]:
            return not_yet(said, slip)
    return not_yet(said)
