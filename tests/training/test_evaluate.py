"""`make evaluate`: when measured scores agree with the card, in full and on a sample."""

import json
from types import SimpleNamespace

import pytest
from scipy.stats import binomtest

from phi3lib import load_clip
from phi3lib.embeddings.confidence import Estimate
from picturebook.kinds import KINDS
from training import evaluate, evaluate_clip
from training.evaluate import MODELS
from training.evaluate_clip import _some


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder with a model whose card says 0.90 (0.88 to 0.92), and a function that sets the result."""
    (tmp_path / "clip-small").mkdir()
    card = {"a score": {"value": 0.9, "low": 0.88, "high": 0.92, "chance": 0.1, "count": 500}}
    (tmp_path / "clip-small" / "evaluation.json").write_text(json.dumps(card))
    asked = []

    def measure(value: float, count: int) -> list[int | None]:
        score = Estimate(value, value - 0.01, value + 0.01, 0.1, count)

        def evaluated(_, sample):
            asked.append(sample)
            return {"a score": score}

        monkeypatch.setitem(evaluate.EVALUATE, "clip-small", evaluated)
        return asked

    monkeypatch.setattr(evaluate.torch, "set_num_threads", lambda _: None)
    return tmp_path, measure


@pytest.mark.parametrize(("value", "status"), [(0.89, 0), (0.92, 0), (0.87, 1), (0.95, 1)])
def test_a_score_outside_the_interval_of_the_card_fails(models, capsys, value, status):
    folder, measure = models
    asked = measure(value, 500)
    assert evaluate.main(["--models", str(folder)]) == status
    assert asked == [None]
    assert ("DIFFERS" in capsys.readouterr().out) == bool(status)


@pytest.mark.parametrize(("value", "status"), [(1.0, 0), (0.75, 0), (0.9, 0), (0.5, 1), (0.0, 1)])
def test_a_sample_fails_where_the_card_lies_outside_its_interval(models, value, status):
    folder, measure = models
    asked = measure(value, 20)
    assert evaluate.main(["--models", str(folder), "--sample", "20"]) == status
    assert asked == [20]


@pytest.mark.parametrize(("right", "count", "scores"), [(0, 24, 1), (5, 24, 10), (24, 24, 34), (1, 1, 2)])
def test_the_interval_of_a_sample_is_that_of_clopper_and_pearson(right, count, scores):
    wanted = binomtest(right, count).proportion_ci(1 - 0.05 / scores, method="exact")
    found = evaluate.sample_interval(Estimate(right / count, 0, 1, None, count), scores)
    assert found == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_a_sample_is_drawn_from_all_numbers_and_is_the_same_again():
    assert _some(range(50), None) == _some(range(50), 99) == list(range(50))
    drawn = _some(range(1000), 100)
    assert drawn == sorted(set(drawn)) == _some(range(1000), 100)
    assert len(drawn) == 100
    assert drawn[0] < 100 and drawn[-1] > 900


@pytest.mark.parametrize("given", [["--sample", "0"], ["--sample", "20", "--write"]])
def test_a_card_is_not_written_from_a_sample(given, capsys):
    with pytest.raises(SystemExit):
        evaluate.arguments(given)
    assert "--sample takes a positive number" in capsys.readouterr().err


def test_after_french_captions_both_languages_are_scored(monkeypatch):
    """The training itself is tested elsewhere; here the model comes back as it was."""
    asked = {}

    def no_training(clip, pairs, **setting):
        asked.update(setting, texts=pairs.texts)
        return SimpleNamespace(model=clip)

    monkeypatch.setattr(evaluate_clip, "fine_tune", no_training)
    monkeypatch.setattr(evaluate_clip, "make_pairs", lambda images, texts: SimpleNamespace(texts=texts))
    monkeypatch.setattr(evaluate_clip, "FRENCH_EACH", 1)
    clip = load_clip(MODELS / "clip-small")
    scores = evaluate_clip._after_french(clip, *evaluate_clip._of_every_kind(clip, 24))
    assert (asked["train"], asked["steps"], asked["batch_size"]) == (["text"], 300, 96)
    assert len(asked["texts"]) == len(KINDS)
    assert sum(" sur " in text or text.startswith(("un ", "une ")) for text in asked["texts"]) > 100
    french, english = scores.values()
    assert english.value > 0.8 > 0.2 > french.value
    assert all("after 300 steps of French captions" in name for name in scores)
