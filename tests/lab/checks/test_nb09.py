"""The checks of notebook 09 accept the solutions and refuse wrong answers by name."""

import numpy as np
import pytest
import torch

from phi3lib.embeddings.confidence import clearly_better, difference, of_mean
from phi3lib.lab import checks
from phi3lib.lab.checks.nb09 import looking_head_of, needed_crops, prompt_ids

CHECKS = [
    checks.two_image_prompt, checks.looking_head, checks.proof_by_masking, checks.which_needs_crops,
]  # fmt: skip


def proof(answer, weights, visual, k, draws):
    visual = np.array(visual)
    base, rng = answer(), np.random.default_rng(0)
    most = visual[np.argsort(-np.asarray(weights)[visual])[:k]]
    randoms = [answer(rng.choice(visual, k, replace=False)) for _ in range(draws)]
    return answer(most) != base, np.mean([said != base for said in randoms])


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ...])
def test_an_unanswered_exercise_is_no_mistake(check, stub):
    assert check(stub).right is None


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("nonsense", ["no number", 7.5, [[1], [2, 3]], float("nan"), {}, object()])
def test_nonsense_is_refused_in_a_sentence(check, nonsense):
    verdict = check(lambda *_: nonsense)
    assert verdict.right is False and verdict.sentence.endswith(".")


def test_right_answers_of_several_types_are_accepted():
    for kind in (list, tuple, np.array, torch.tensor):
        verdict = checks.two_image_prompt(lambda *case, kind=kind: kind(prompt_ids(*case)))
        assert verdict.right, verdict
    for kind in (tuple, list, np.array, torch.tensor):
        assert checks.looking_head(lambda a, i, kind=kind: kind(looking_head_of(a, i))).right
    assert checks.proof_by_masking(proof).right
    assert checks.proof_by_masking(lambda *case: tuple(map(float, [0, 0])) and proof(*case)).right
    assert checks.which_needs_crops(needed_crops).right


def test_paired_intervals_serve_as_well_as_a_paired_test():
    def by_interval(sharp, blurred, none):
        if difference(blurred, sharp).low > 0:
            return "detail"
        return "tokens" if difference(none, blurred).low > 0 else "neither"

    assert checks.which_needs_crops(by_interval).right


# ------------------------------------------------------------------------------------ 09.1


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda t, n, i: [*t[0], i, *t[1], i, *t[2]], "one placeholder only"),
        (lambda t, n, i: prompt_ids(t, n[::-1], i), "swapped"),
        (lambda t, n, i: [*t[0], *[i] * sum(n), *t[2]], "between the two images are missing"),
        (lambda t, n, i: [*t[0], *[i] * sum(n), *t[1], *t[2]], "stand together"),
        (lambda t, n, i: [*t[0], *[-1] * n[0], *t[1], *[-2] * n[1], *t[2]], "negative ids"),
        (lambda t, n, i: [*t[0], *[i] * n[0], *t[1], *t[2]], "second image is missing"),
        (lambda t, n, i: [prompt_ids(t, n, i)], "batch of one row"),
        (lambda t, n, i: [*t[0], [i] * n[0], *t[1], [i] * n[1], *t[2]], "flat list"),
        (lambda t, n, i: prompt_ids(t, n, i) + [0], "you have"),
    ],
)
def test_wrong_prompts_are_named(wrong, named):
    verdict = checks.two_image_prompt(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


# ----------------------------------------------------------------------------- 09.2 and 09.3


def on_the_thing(attention, inside, how):
    return np.mean([how(one[:, :, cols]) for one, cols in zip(attention, inside, strict=True)], axis=0)


def pair_of(weights):
    return tuple(map(int, np.unravel_index(weights.argmax(), weights.shape)))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda a, i: looking_head_of(a, i)[::-1], "swapped"),
        (lambda a, i: pair_of(on_the_thing(a, i, lambda w: w.max(-1))), "single token"),
        (lambda a, i: pair_of(np.mean([one.max(-1) for one in a], axis=0)), "elsewhere"),
        (lambda a, i: looking_head_of(a[:1], i[:1]), "first question alone"),
        (lambda a, i: int(on_the_thing(a, i, lambda w: w.sum(-1)).argmax()), "unravel_index"),
        (lambda a, i: (9, 9), "counted from 0"),
    ],
)
def test_wrong_heads_are_named(wrong, named):
    verdict = checks.looking_head(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def masking(choose, *, draws=None, replace=False, size=None, same=False, control=True):
    """A proof that goes wrong in one way."""

    def run(answer, weights, visual, k, wanted):
        base, rng = answer(), np.random.default_rng(0)
        changed = answer(choose(np.asarray(weights), np.array(visual), k)) != base
        said = []
        for _ in range(wanted if draws is None else draws):
            rng = np.random.default_rng(0) if same else rng
            said.append(answer(rng.choice(visual, size or k, replace=replace)) if control else base)
        return changed, np.mean([one != base for one in said])

    return run


def most(weights, visual, k):
    return visual[np.argsort(-weights[visual])[:k]]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (masking(lambda w, v, k: np.argsort(-w)[:k]), "there are words"),
        (masking(lambda w, v, k: v[np.argsort(w[v])[:k]]), "other way round"),
        (masking(lambda w, v, k: np.argsort(-w[v])[:k]), "visual[place]"),
        (masking(most, size=5), "another number of tokens"),
        (masking(most, control=False), "no control"),
        (masking(most, draws=3), "20 draws"),
        (masking(most, same=True), "all random masks are the same"),
        (lambda answer, *_: (False, 0.0), "nothing was hidden"),
        (lambda *case: (not proof(*case)[0], proof(*case)[1]), "20 draws"),
    ],
)
def test_wrong_proofs_are_named(wrong, named):
    verdict = checks.proof_by_masking(wrong)
    assert verdict.right is False
    assert named in verdict.sentence


def test_a_proof_returns_what_it_saw():
    def turned(*case):
        changed, share = proof(*case)
        return not changed, share

    def percent(*case):
        changed, share = proof(*case)
        return changed, share + 1

    assert "`changed` is" in checks.proof_by_masking(turned).sentence
    assert "your share of random masks" in checks.proof_by_masking(percent).sentence


# ------------------------------------------------------------------------------------ 09.4


def by(compare):
    return lambda s, b, n: "detail" if compare(b, s) else "tokens" if compare(n, b) else "neither"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda s, b, n: "detail" if clearly_better(n, s) else "neither", "at once"),
        (by(lambda first, second: second.mean() > first.mean()), "differ by chance"),
        (by(lambda first, second: of_mean(second).low > of_mean(first).high), "item by item"),
        (lambda s, b, n: "Detail", "is wanted"),
        (lambda s, b, n: "neither", "you say"),
    ],
)
def test_wrong_conclusions_about_crops_are_named(wrong, named):
    verdict = checks.which_needs_crops(wrong)
    assert verdict.right is False
    assert named in verdict.sentence
