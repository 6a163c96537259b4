"""Public numbers against direct sums, and levels of chance against guesses."""

import itertools

import numpy as np
import pytest

from phi3lib.embeddings.compare import (
    anisotropy,
    knn_accuracy,
    linear_cka,
    mean_average_precision,
    modality_gap,
    modality_gap_estimate,
    mutual_knn,
    principal_parts,
    probe_accuracy,
    retrieval,
)
from phi3lib.embeddings.groups import groups_of
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.maps import Layout, stability
from phi3lib.embeddings.search import few_shot, zero_shot


def debiased_hsic(one: np.ndarray, other: np.ndarray) -> float:
    """The mean over all quadruples of different items: Song et al. 2012, before it is put into matrices."""
    a, b = one @ one.T, other @ other.T
    quadruples = itertools.permutations(range(len(one)), 4)
    return float(np.mean([a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q]) for i, j, q, r in quadruples]))


def test_debiased_cka_is_the_mean_over_all_quadruples():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(9, 3)) + 1
    other = one[:, :2] + rng.normal(size=(9, 2))
    both, first, second = debiased_hsic(one, other), debiased_hsic(one, one), debiased_hsic(other, other)
    assert linear_cka(one, other) == pytest.approx(both / np.sqrt(first * second))


def test_anisotropy_and_the_gap_are_means_over_pairs():
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(12, 4)) + 0.5, rng.normal(size=(9, 4))
    a, b = (space / np.linalg.norm(space, axis=1, keepdims=True) for space in (one, other))
    cosines = [a[i] @ a[j] for i in range(12) for j in range(12) if i != j]
    assert anisotropy(one).value == pytest.approx(np.mean(cosines)) and anisotropy(one).chance == 0
    assert modality_gap(one, other) == pytest.approx(np.linalg.norm(a.mean(0) - b.mean(0)))
    assert modality_gap(np.tile([1.0, 0], (3, 1)), np.tile([-2.0, 0], (3, 1))) == 2


def test_principal_parts_keep_the_widest_directions():
    rng = np.random.default_rng(2)
    space = rng.normal(size=(50, 4)) * [1, 5, 0.1, 2] + 7
    values = np.sort(np.linalg.eigvalsh(np.cov(space.T)))[::-1]
    parts = principal_parts(space, 2)
    assert parts.var(0, ddof=1) == pytest.approx(values[:2])
    assert parts.mean(0) == pytest.approx(np.zeros(2), abs=1e-9)
    for bad in (0, 5):
        with pytest.raises(ValueError, match="directions"):
            principal_parts(space, bad)


def test_groups_by_hand():
    found = groups_of([[0, 0], [2, 0], [5, 4], [0, 8]], ["x", "x", "y", "z"])
    assert found.names == ("x", "y", "z")
    assert found.centers.tolist() == [[1, 0], [5, 4], [0, 8]]
    assert found.widths.tolist() == [1, 0, 0]
    assert found.pairs() == pytest.approx([np.sqrt(32), np.sqrt(65), np.sqrt(41)])


# ------------------------------------------------------------------------------- chance


def test_the_chance_of_neighbors_and_maps_is_that_of_unrelated_ones():
    rng = np.random.default_rng(3)
    spaces = rng.normal(size=(12, 2, 31, 5))
    found = [mutual_knn(one, other, 6) for one, other in spaces]
    assert found[0].chance == 6 / 30
    assert np.mean([one.value for one in found]) == pytest.approx(6 / 30, abs=0.03)
    layouts = [Layout(rng.normal(size=(31, 2)).astype(np.float32), {}) for _ in range(6)]
    assert stability(layouts, 6).chance == 6 / 30
    assert stability(layouts, 6).value == pytest.approx(6 / 30, abs=0.03)
    space = nearest(spaces[0, 0], 6)
    kept = [layout.kept_estimate(space, 6) for layout in layouts]
    assert kept[0].chance == 6 / 30 and np.mean([one.value for one in kept]) == pytest.approx(0.2, abs=0.05)


def test_the_chance_of_labels_is_that_of_guesses():
    rng = np.random.default_rng(4)
    labels = np.repeat(["x", "y", "z"], (30, 20, 10))
    blind = rng.normal(size=(60, 4))
    assert knn_accuracy(blind, labels).chance == probe_accuracy(blind, labels).chance == 0.5
    precision = [mean_average_precision(rng.normal(size=(60, 4)), labels) for _ in range(4)]
    chance = (30 * 29 + 20 * 19 + 10 * 9) / 60 / 59
    assert precision[0].chance == pytest.approx(chance)
    # With few items the first hit is early by luck: a little above the share of the label.
    assert -0.02 < np.mean([one.value for one in precision]) - chance < 0.06


def test_the_chance_of_retrieval_is_that_of_a_random_order():
    rng = np.random.default_rng(5)
    found = [
        retrieval(rng.normal(size=(40, 3)), rng.normal(size=(20, 3)), rng.integers(0, 20, 40), 4)
        for _ in range(20)
    ]
    assert found[0].chance == 0.2 and found[0].count == 40
    assert np.mean([one.value for one in found]) == pytest.approx(0.2, abs=0.04)


def test_the_chance_of_few_shots_is_one_label_of_all():
    rng = np.random.default_rng(6)
    labels = np.repeat(["x", "y", "z", "w"], 25)
    found = [few_shot(rng.normal(size=(100, 3)), labels, 3, seed=seed) for seed in range(12)]
    assert {one.chance for one in found} == {0.25}
    assert {one.count for one in found} == {100 - 4 * 3}
    assert np.mean([one.value for one in found]) == pytest.approx(0.25, abs=0.05)


def test_the_chance_of_a_gap_is_that_of_vectors_dealt_at_random():
    rng = np.random.default_rng(7)
    found = [modality_gap_estimate(rng.normal(size=(20, 5)), rng.normal(size=(15, 5))) for _ in range(15)]
    values, chances = [one.value for one in found], [one.chance for one in found]
    assert np.mean(values) == pytest.approx(np.mean(chances), abs=0.05) and np.mean(chances) > 0.2


def test_probabilities_of_classes_add_up_to_one():
    import torch

    class Model:
        class model:
            logit_scale = torch.tensor(np.log(2.0))

        @staticmethod
        def text_features(texts):
            return torch.tensor([[1.0, 0.0] if "cat" in text else [0.0, 1.0] for text in texts])

    found = zero_shot([[3.0, 0.0], [0.0, 1.0], [1.0, 1.0]], Model, ["cat", "dog"])
    likely = np.exp(2) / (np.exp(2) + 1)
    assert found == pytest.approx(
        np.array([[likely, 1 - likely], [1 - likely, likely], [0.5, 0.5]]), rel=1e-6
    )
