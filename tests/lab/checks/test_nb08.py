"""The checks of notebook 08 accept the solutions and refuse wrong answers by name."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from phi3lib.embeddings.finetune_loss import right_elsewhere
from phi3lib.lab import checks
from phi3lib.lab.checks import nb08
from tests.printed_solutions import evaluate, exercises_of, namespace, solution


def reference(logits, captions):
    """The same by PyTorch, with the package's own mask."""
    ids = torch.tensor([sorted(set(captions)).index(one) for one in captions])
    masked = torch.tensor(logits).masked_fill(right_elsewhere(torch.arange(len(ids)), ids), -torch.inf)
    wanted = torch.arange(len(ids))
    both = torch.nn.functional.cross_entropy(masked, wanted) + torch.nn.functional.cross_entropy(
        masked.T, wanted
    )
    return both / 2


@pytest.mark.parametrize("check", [checks.pair_loss, checks.freeze])
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ...])
def test_an_unanswered_exercise_is_no_mistake(check, stub):
    assert check(stub).right is None


def test_right_answers_of_several_types_are_accepted():
    for answer in (
        reference,
        lambda logits, captions: float(reference(logits, captions)),
        lambda logits, captions: np.float32(reference(logits, captions)),
        solution("08.1"),
    ):
        assert checks.pair_loss(answer).right, checks.pair_loss(answer)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda logits, captions: reference(logits, [*range(len(captions))]), "counts as a wrong answer"),
        (lambda logits, captions: 2 * reference(logits, captions), "added; their mean"),
        (lambda logits, captions: len(logits) * reference(logits, captions), "pairs are added up"),
        (
            lambda logits, captions: torch.nn.functional.cross_entropy(
                torch.tensor(logits).masked_fill(torch.tensor(nb08._equal(captions)), -torch.inf),
                torch.arange(len(logits)),
            ),
            "only one direction",
        ),
        (
            lambda logits, captions: reference(
                np.where(nb08._equal(captions), 0.0, logits), [*range(len(captions))]
            ),
            "still takes a share",
        ),
        (lambda logits, captions: logits, "one number is wanted"),
        (lambda logits, captions: captions[9], "stops: IndexError"),
    ],
)
def test_wrong_losses_are_named(wrong, named):
    verdict = checks.pair_loss(wrong)
    assert verdict.right is False and named in verdict.sentence


def frozen_but(*parts, count=lambda network: sum(w.numel() for w in network.parameters() if w.requires_grad)):
    def function(network):
        for name, weight in network.named_parameters():
            weight.requires_grad_(name.startswith(parts))
        return count(network)

    return function


def test_freezing_is_accepted():
    assert checks.freeze(frozen_but("text_model")).right
    assert checks.freeze(frozen_but("text_model", count=lambda network: 64.0)).right
    assert checks.freeze(solution("08.2")).right


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (frozen_but(""), "nothing is frozen"),
        (frozen_but("none", count=lambda network: 1), "everything is frozen"),
        (frozen_but("text_"), "text_projection changed too"),
        (frozen_but("vision_model"), "the text tower is as before"),
        (frozen_but("text_model", count=lambda network: 4), "number of its tensors"),
        (
            frozen_but("text_model", count=lambda network: sum(w.numel() for w in network.parameters())),
            "the frozen ones too",
        ),
        (frozen_but("text_model", count=lambda network: 3), "you count 3 numbers"),
    ],
)
def test_wrong_freezing_is_named(wrong, named):
    verdict = checks.freeze(wrong)
    assert verdict.right is False and named in verdict.sentence, verdict


class Model:
    """A stand-in whose words are right for so many kinds."""

    def __init__(self, french, english):
        self._kinds = nb08.hidden_pictures()[0]
        self._right = {"un": french, "a": english}

    def image_features(self, images):
        return torch.eye(len(self._kinds))[torch.arange(len(images)) % len(self._kinds)]

    def text_features(self, texts):
        right = self._right["un" if texts[0].startswith("un ") else "a"]
        place = torch.arange(len(texts))
        return torch.eye(len(texts))[torch.where(place < right * len(texts), place, (place + 1) % len(texts))]


@pytest.fixture
def few_pictures(monkeypatch):
    monkeypatch.setattr(
        nb08, "hidden_pictures", lambda: (tuple(nb08.KINDS.values()), [None] * 2 * len(nb08.KINDS))
    )


@pytest.mark.usefixtures("few_pictures")
def test_learning_without_forgetting():
    before = Model(0.05, 0.95)
    assert checks.learn_and_keep(Model(0.6, 0.94), before).right
    for wrong, named in (
        (before, "the model before training"),
        (Model(0.3, 0.95), "French is to rise"),
        (Model(0.8, 0.85), "English is to fall by 0.03 at most"),
        (type("FineTuned", (), {"history": [], "model": before})(), "pass its .model"),
        (lambda: before, "A model such as load_clip"),
    ):
        verdict = checks.learn_and_keep(wrong, before)
        assert verdict.right is False and named in verdict.sentence, verdict
    assert checks.learn_and_keep(None).right is None


@pytest.mark.usefixtures("few_pictures")
def test_the_printed_solution_takes_a_point_between_the_models(monkeypatch):
    """The notebook's own models take too long here; theirs are replaced by shares of right words."""
    before = Model(0.05, 0.95)
    monkeypatch.setattr("phi3lib.load_clip", lambda: before)
    taken = []

    def average_weights(first, second, share):
        taken.append(share)
        assert first is before
        return second

    english = {id(before): 0.95}  # of the pictures to choose on; a mixture keeps nearly all of it
    exam = SimpleNamespace(ask=lambda model: {"English": SimpleNamespace(value=english.get(id(model), 0.94))})
    monkeypatch.setattr("phi3lib.lab.lessons.new_words.make_exam", lambda words, *, first: exam)
    state = {
        "clip": before,
        "tuned": SimpleNamespace(model=Model(0.6, 0.94)),
        "average_weights": average_weights,
        "words": None,
    }
    one = next(one for one in exercises_of("08") if one.number == "08.3")
    assert evaluate(one.check, namespace("08", state, "08.3")).right
    assert all(0 < share < 1 for share in taken)
