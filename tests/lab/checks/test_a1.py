"""The checks of notebook A1 accept the solutions and refuse wrong answers by name."""

import pytest
import torch

from phi3lib.lab import checks


def write(words, places, tokens):
    result = words.clone()
    result[places] = tokens
    return result


def write_in_place(words, places, tokens):
    words[places] = tokens
    return words


def write_outside(words, places, tokens):
    result = write(words, places, tokens)
    result[0, 0] = 9
    return result


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (write_in_place, "changed `words` itself"),
        (lambda words, places, tokens: words.clone(), "nothing was written"),
        (lambda words, places, tokens: write(words, places, tokens.flip(0)), "reverse order"),
        (lambda words, places, tokens: write(words, places, tokens[:1]), "every place has the first token"),
        (write_outside, "outside the places"),
        (lambda words, places, tokens: words[0].clone(), "shape"),
        (lambda words, places, tokens: write(words.detach(), places, tokens), "no gradient reaches `words`"),
        (lambda words, places, tokens: write(words, places, tokens.detach()), "no gradient reaches `tokens`"),
        (
            lambda words, places, tokens: torch.tensor(write(words, places, tokens).numpy()),
            "ask for gradients",
        ),
    ],
)
def test_wrong_ways_to_write_are_named(answer, named):
    verdict = checks.write_tokens(answer)
    assert verdict.right is False and named in verdict.sentence


def test_the_solutions_are_right():
    assert checks.write_tokens(write).right
    assert checks.tile_count(lambda sizes: sum(1 + (h // 336) * (w // 336) for h, w in sizes)).right


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (
            lambda sizes: sum((h // 336) * (w // 336) for h, w in sizes),
            "global view of each picture is missing",
        ),
        (lambda sizes: sum(1 + h // 336 + w // 336 for h, w in sizes), "added instead of multiplied"),
        (lambda sizes: len(sizes), "only the global views"),
        (lambda sizes: 0, "yours gives 0"),
    ],
)
def test_wrong_tile_counts_are_named(answer, named):
    verdict = checks.tile_count(answer)
    assert verdict.right is False and named in verdict.sentence


@pytest.mark.parametrize("check", [checks.write_tokens, checks.tile_count])
@pytest.mark.parametrize("stub", [None, ..., lambda *_: None, lambda *_: ...])
def test_an_unanswered_exercise_is_no_mistake(check, stub):
    assert check(stub).right is None


@pytest.mark.parametrize("answer", ["clamp_min_", "input_ids.clamp_min_(0)", " clamp_min_ "])
def test_the_call_in_place_is_found(answer):
    assert checks.call_in_place(answer).right


@pytest.mark.parametrize("answer", [None, ..., ""])
def test_no_call_is_no_mistake(answer):
    assert checks.call_in_place(answer).right is None


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("view", "itself writes nothing"),
        ("clamp", "without the underscore"),
        ("clamp_max_", "above the vocabulary"),
        ("torch.nonzero", "only looks"),
        ("dropout", "end in an underscore"),
        (print, "in quotes"),
    ],
)
def test_wrong_calls_are_named(answer, named):
    verdict = checks.call_in_place(answer)
    assert verdict.right is False and named in verdict.sentence


@pytest.mark.parametrize(
    "answer", ["`clamp_min_`", "'clamp_min_'", "`input_ids.clamp_min_(0)`", "Tensor.clamp_min_"]
)
def test_the_call_may_be_written_as_the_text_writes_it(answer):
    assert checks.call_in_place(answer).right


@pytest.mark.parametrize("answer", [float("nan"), torch.zeros(2), {"a": 1}, ["clamp_min_"], b"clamp_min_"])
def test_what_is_no_text_is_refused(answer):
    assert "in quotes" in checks.call_in_place(answer).sentence


def spoils_tokens(words, places, tokens):
    result = write(words, places, tokens)
    tokens.zero_()
    return result


def spoils_places(words, places, tokens):
    result = write(words, places, tokens)
    places.fill_(False)
    return result


@pytest.mark.parametrize(("wrong", "named"), [(spoils_tokens, "`tokens`"), (spoils_places, "`places`")])
def test_all_inputs_belong_to_the_caller(wrong, named):
    verdict = checks.write_tokens(wrong)
    assert verdict.right is False and f"changed {named} itself" in verdict.sentence


@pytest.mark.parametrize(
    "right",
    [
        lambda words, places, tokens: words.masked_scatter(places[..., None], tokens),
        lambda words, places, tokens: words.index_put(places.nonzero(as_tuple=True), tokens),
        lambda words, places, tokens: write(words.double(), places, tokens.double()),
    ],
)
def test_other_ways_to_write_are_right(right):
    assert checks.write_tokens(right).right
