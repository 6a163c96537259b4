"""`lab.claim`: the line a reader sees, and the data beside it."""

import json

import numpy as np
import pytest
import torch

from phi3lib import lab
from phi3lib.lab.claims import CLAIM_MIME, make_claim
from phi3lib.loading.defaults import set_default_models

TEXTS = {"statement": "UMAP keeps more than PCA", "because": "it optimises neighbors"}


@pytest.fixture(autouse=True)
def bundled():
    set_default_models("bundled")
    yield
    set_default_models(None)


def test_a_claim_that_holds_gives_statement_values_and_reason():
    made = make_claim("more", True, **TEXTS, shown={"PCA": 0.23449, "UMAP": np.float32(0.55)})
    assert repr(made) == (
        "Holds here: UMAP keeps more than PCA (measured: PCA 0.234, UMAP 0.55). "
        "Expected because it optimises neighbors."
    )


def test_a_claim_that_does_not_hold_says_so_and_what_was_expected():
    said = repr(make_claim("more", False, **TEXTS, shown={"PCA": 0.5}))
    assert said.startswith("Does not hold here: UMAP keeps more than PCA (measured: PCA 0.5).")
    assert "It was expected because it optimises neighbors" in said
    assert "do not rely on it here" in said


@pytest.mark.parametrize(
    ("holds", "outcome"), [(True, "It holds here all the same."), (False, "It does not hold")]
)
def test_other_checkpoints_promise_nothing_unless_the_claim_is_for_any_model(holds, outcome):
    set_default_models("real")
    made = make_claim("more", holds, **TEXTS)
    assert not made.claimed
    assert repr(made).startswith("Not claimed for these checkpoints: UMAP keeps more than PCA.")
    assert outcome in repr(made)
    for_all = make_claim("more", holds, **TEXTS, any_model=True)
    assert for_all.claimed
    assert repr(for_all).startswith("Holds here" if holds else "Does not hold here")


def test_the_output_holds_the_claim_as_data_and_its_text_escaped(capsys):
    made = make_claim("a-b-2", np.bool_(True), "1 < 2", because="<b> is no tag", shown={"n": np.int64(3)})
    bundle = made._repr_mimebundle_()
    assert "1 &lt; 2" in bundle["text/html"] and "<b>" not in bundle["text/html"]
    assert json.loads(json.dumps(bundle[CLAIM_MIME])) == {
        "name": "a-b-2",
        "holds": True,
        "statement": "1 < 2",
        "because": "<b> is no tag",
        "shown": {"n": 3},
        "claimed": True,
    }
    lab.claim("shown", True, **TEXTS)
    assert "Holds here: UMAP keeps more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (12345.6, 12346),
        (1e-5, 1e-05),
        ((2, 3), "(2, 3)"),
        (None, None),
        (False, False),
        (torch.tensor(0.69094), 0.691),
        (np.array(2), 2),
    ],
)
def test_values_are_plain_json(value, shown):
    assert make_claim("values", True, **TEXTS, shown={"it": value}).shown == {"it": shown}


@pytest.mark.parametrize("holds", [np.array([True, False]), 1, 0.5, "yes", None, torch.tensor([True, True])])
def test_what_is_not_one_truth_value_is_refused(holds):
    with pytest.raises(ValueError, match="pass one truth value"):
        make_claim("more", holds, **TEXTS)


@pytest.mark.parametrize("holds", [np.array([True]), torch.tensor(True), np.bool_(True)])
def test_one_truth_value_of_any_library_is_taken(holds):
    assert make_claim("more", holds, **TEXTS).holds is True


@pytest.mark.parametrize("name", ["", "Two words", "-a", "a--b", "ä"])
def test_an_unusable_name_is_refused(name):
    with pytest.raises(ValueError, match="no name for a claim"):
        make_claim(name, True, **TEXTS)


@pytest.mark.parametrize("text", ["", "  ", "A sentence."])
def test_texts_are_parts_of_one_sentence(text):
    with pytest.raises(ValueError, match="without a full stop"):
        make_claim("more", True, text, because="it does")
    with pytest.raises(ValueError, match="without a full stop"):
        make_claim("more", True, "it is", because=text)
