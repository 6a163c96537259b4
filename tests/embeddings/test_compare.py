"""Comparison: hand-made cases, invariances, reference implementations, intervals that cover."""

import numpy as np
import pytest

from phi3lib.embeddings.compare import (
    anisotropy,
    cka,
    knn_accuracy,
    linear_cka,
    matched,
    mean_average_precision,
    modality_gap,
    modality_gap_estimate,
    mutual_knn,
    probe_accuracy,
    retrieval,
    rsa,
    shared_neighbors,
)
from phi3lib.embeddings.confidence import of_mean
from phi3lib.embeddings.disagreement import disagreements
from phi3lib.embeddings.groups import groups_of
from phi3lib.embeddings.knn import nearest
from phi3lib.embeddings.search import (
    duplicate_groups,
    few_shot,
    few_shot_rows,
    near_duplicates,
    search,
    top_k,
)
from phi3lib.embeddings.table import EmbeddingTable


@pytest.fixture
def space() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 8))


@pytest.fixture
def turn() -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]


def test_cka_knows_turned_and_scaled_spaces_and_no_others(space, turn):
    assert linear_cka(space, space) == pytest.approx(1)
    assert linear_cka(space, 3 * space @ turn) == pytest.approx(1)
    assert linear_cka(space, space + 100) == pytest.approx(1)
    stretched = space * np.array([1, 1, 1, 1, 1, 1, 1, 30])
    assert linear_cka(space, stretched) < 0.9


def test_biased_cka_is_the_formula_of_the_paper(space):
    other = np.random.default_rng(2).normal(size=(60, 5)) + space[:, :5]
    a, b = space - space.mean(0), other - other.mean(0)
    formula = np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert linear_cka(space, other, debiased=False) == pytest.approx(formula)


def test_debiased_cka_of_unrelated_wide_spaces_is_near_zero():
    rng = np.random.default_rng(3)
    values = [linear_cka(rng.normal(size=(40, 200)), rng.normal(size=(40, 200))) for _ in range(20)]
    assert abs(np.mean(values)) < 0.05
    biased = linear_cka(rng.normal(size=(40, 200)), rng.normal(size=(40, 200)), debiased=False)
    assert biased > 0.5


def test_mutual_neighbors_are_symmetric_with_a_known_chance(space):
    others = [np.random.default_rng(seed).normal(size=(60, 20)) for seed in range(20)]
    both, back = mutual_knn(space, others[0], 5), mutual_knn(others[0], space, 5)
    assert both.value == pytest.approx(back.value)
    assert both.chance == pytest.approx(5 / 59)
    values = [shared_neighbors(space, other, 5).mean() for other in others]
    assert both.value == pytest.approx(values[0])
    unrelated = np.mean(values)
    assert unrelated == pytest.approx(both.chance, abs=0.015)
    assert mutual_knn(space, space @ np.eye(8) * 2, 5).value == 1.0


def test_rsa_of_a_space_with_itself_and_with_noise(space):
    assert rsa(space, 5 * space).value == pytest.approx(1)
    noise = rsa(space, np.random.default_rng(5).normal(size=(60, 8)))
    assert abs(noise.value) < 0.2


def test_accuracy_on_a_case_by_hand():
    # Two tight groups on two axes, one item in the wrong group.
    vectors = np.array([[1, 0.01], [1, 0.02], [1, 0.03], [0.01, 1], [0.02, 1], [0.03, 1], [1, 0.015]])
    labels = ["x", "x", "x", "y", "y", "y", "y"]
    result = knn_accuracy(vectors, labels, k=1)
    assert result.count == 7
    assert result.chance == pytest.approx(4 / 7)
    assert result.value < 1
    assert knn_accuracy(vectors[:6], labels[:6], k=2).value == 1.0


def test_a_probe_finds_what_is_there_and_nothing_where_nothing_is():
    rng = np.random.default_rng(6)
    labels = np.repeat(["x", "y", "z"], 30)
    known = rng.normal(size=(90, 6))
    known[:, 0] += 4 * (labels == "x")
    known[:, 1] += 4 * (labels == "y")
    assert probe_accuracy(known, labels).value > 0.9
    blind = probe_accuracy(rng.normal(size=(90, 6)), labels)
    assert blind.low < blind.chance + 0.1
    with pytest.raises(ValueError, match="fewer than 5 folds"):
        probe_accuracy(known[:32], ["x"] * 30 + ["y"] * 2)


def test_retrieval_counts_ties_against_the_space():
    items = np.eye(4)
    assert retrieval(items, items, range(4)).value == 1.0
    assert retrieval(np.ones((4, 4)), items, range(4)).value == 0.0
    assert retrieval(items[[1, 0]], items, [0, 0], k=1).value == 0.5
    assert retrieval(items, items, [1, 2, 3, 0], k=4).value == 1.0


def test_average_precision_against_scikit_learn():
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(7)
    vectors, labels = rng.normal(size=(25, 4)), rng.integers(0, 3, 25)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = [
        average_precision_score(np.delete(labels, i) == labels[i], np.delete(unit @ unit[i], i))
        for i in range(25)
    ]
    assert mean_average_precision(vectors, labels).value == pytest.approx(np.mean(expected))


def test_a_narrow_cone_is_anisotropic(space):
    assert abs(anisotropy(space).value) < 0.1
    assert anisotropy(space + 10).value > 0.9


def test_the_gap_closes_when_both_are_centered(space):
    other = np.random.default_rng(8).normal(size=(50, 8)) + np.array([5, 0, 0, 0, 0, 0, 0, 0])
    assert modality_gap(space, other) > 0.5
    assert modality_gap(space, space) == 0


def test_the_gap_has_an_interval_and_a_chance_level():
    rng = np.random.default_rng(11)
    one, other = rng.normal(size=(60, 8)), rng.normal(size=(40, 8))
    none = modality_gap_estimate(one, other)
    assert none.low < none.chance < none.high and none.chance > 0.1
    apart = modality_gap_estimate(one + 2, other - 2)
    assert apart.value == modality_gap(one + 2, other - 2)
    assert apart.chance < apart.low < apart.value < apart.high
    with pytest.raises(ValueError, match="one space"):
        modality_gap(one, other[:, :5])
    with pytest.raises(ValueError, match="eight of each"):
        modality_gap_estimate(one, other[:7])


def test_similarity_is_that_of_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(12)
    spaces = [rng.normal(size=(20, 4)), rng.normal(size=(20, 7))]
    upper = np.triu_indices(20, 1)
    cosines = [np.corrcoef(np.hstack([s, -s]))[upper] for s in spaces]  # centred rows: the plain cosine
    assert rsa(*spaces).value == pytest.approx(spearmanr(*cosines).statistic)


def test_neighbors_vote_as_in_scikit_learn(space):
    from sklearn.model_selection import LeaveOneOut, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    labels = (space[:, 0] > 0).astype(int)
    judge = KNeighborsClassifier(5, metric="cosine", algorithm="brute")
    assert knn_accuracy(space, labels, k=5).value == pytest.approx(
        cross_val_score(judge, space, labels, cv=LeaveOneOut()).mean()
    )


@pytest.mark.parametrize("measure", ["anisotropy", "precision", "probe", "recall"])
def test_intervals_are_as_wide_as_the_values_of_other_samples_scatter(measure):
    def of(seed):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 3, 100)
        vectors = rng.normal(size=(100, 8)) + 1.2 * np.eye(3, 8)[labels] + 0.3
        return {
            "anisotropy": lambda: anisotropy(vectors),
            "precision": lambda: mean_average_precision(vectors, labels),
            "probe": lambda: probe_accuracy(vectors, labels),
            "recall": lambda: retrieval(vectors, vectors + rng.normal(size=vectors.shape), range(100), 3),
        }[measure]()

    found = [of(seed) for seed in range(25)]
    scatter = np.std([one.value for one in found], ddof=1)
    width = np.mean([one.high - one.low for one in found]) / 3.92
    assert 0.7 < width / scatter < 1.6


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: retrieval(np.eye(3), np.eye(3), [0, 1]),
        lambda: retrieval(np.eye(3), np.eye(3), [0, 1, 3]),
        lambda: retrieval(np.eye(3), np.eye(3), [0, 1, -1]),
        lambda: retrieval(np.eye(3), np.eye(3), [0, 1, 2], k=0),
        lambda: retrieval(np.eye(3), np.eye(4), [0, 1, 2]),
        lambda: rsa(np.ones((9, 3)), np.random.default_rng(0).normal(size=(9, 3))),
        lambda: cka(np.ones((20, 3)), np.ones((20, 3))),
        lambda: anisotropy(np.ones((1, 3))),
        lambda: anisotropy(np.full((9, 3), np.nan)),
        lambda: mean_average_precision(np.eye(9), np.arange(9)),
        lambda: mean_average_precision(np.eye(9), np.zeros(9)),
        lambda: knn_accuracy(np.zeros((9, 3)), [0, 1, 2] * 3),
        lambda: mutual_knn(np.zeros((20, 3)), np.ones((20, 3))),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_has_no_answer_is_refused_in_words(wrong):
    with pytest.raises(ValueError, match="[a-z]{3}"):
        wrong()


def test_chance_is_never_above_one():
    assert retrieval(np.eye(3), np.eye(3), range(3), k=9).chance == 1


def test_tables_are_matched_by_id():
    first = EmbeddingTable(np.eye(3, dtype=np.float32), ("a", "b", "c"))
    second = EmbeddingTable(np.eye(2, dtype=np.float32), ("c", "a"))
    one, other = matched(first, second)
    assert one.ids == other.ids == ("a", "c")
    with pytest.raises(ValueError, match="no picture in common"):
        matched(first, EmbeddingTable(np.eye(1, dtype=np.float32), ("z",)))


@pytest.mark.parametrize("wrong", [np.zeros((5, 3)) * np.nan, np.zeros(5)])
def test_what_is_no_space_is_refused(wrong, space):
    with pytest.raises(ValueError):
        linear_cka(wrong, wrong)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(9)
    hits = [
        (estimate := of_mean(rng.random(80) < 0.3, seed=trial)).low <= 0.3 <= estimate.high
        for trial in range(120)
    ]
    assert 0.86 < np.mean(hits) <= 1


def test_the_interval_of_a_statistic_holds_its_value(space):
    other = space + 0.5 * np.random.default_rng(10).normal(size=space.shape)
    estimate = cka(space, other)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low < 0.5


def test_many_copies_leave_an_interval():
    rng = np.random.default_rng(0)
    space = rng.normal(size=(30, 8))
    copies = np.concatenate([np.ones((25, 8)), space[:5]])  # half-samples without one of the five are equal
    for measure in (cka, rsa):
        found = measure(copies, space)
        assert np.isfinite([found.low, found.high]).all() and found.low < 0 < found.high
    with pytest.raises(ValueError, match="most halves"):
        mean_average_precision(space, [*range(29), 0])  # one pair


@pytest.mark.parametrize(
    "wanted",
    [np.arange(30.0), [True] * 30, ["a"] * 30, [None] * 30],
    ids=["floats", "truths", "texts", "none"],
)
def test_what_names_no_item_is_refused(wanted):
    space = np.random.default_rng(0).normal(size=(30, 8))
    with pytest.raises(ValueError, match="one of 30 items for each of 30"):
        retrieval(space, space, wanted)


@pytest.mark.parametrize("number", [2.5, 2.0, "3", None])
def test_a_number_of_neighbors_is_a_whole_one(number):
    space, kinds = np.random.default_rng(0).normal(size=(30, 8)), ["a", "b", "c"] * 10
    table = EmbeddingTable(space, tuple(map(str, range(30))))
    for call in (
        lambda: mutual_knn(space, space, number),
        lambda: knn_accuracy(space, kinds, number),
        lambda: probe_accuracy(space, kinds, folds=number),
        lambda: nearest(space, number),
        lambda: top_k(space, space, number),
        lambda: few_shot(space, kinds, number),
        lambda: retrieval(space, space, range(30), number),
        lambda: disagreements(table, table, k=number),
    ):
        with pytest.raises(ValueError, match="expected a whole number"):
            call()


def test_vectors_where_a_table_is_wanted_are_refused():
    space = np.eye(4)
    for call in (near_duplicates, duplicate_groups, search, lambda one: matched(one, one)):
        with pytest.raises(ValueError, match="expected an EmbeddingTable, got a ndarray"):
            call(space)


def test_few_shot_rows_leave_some_to_score():
    for shots in (-1, 0, 10):
        with pytest.raises(ValueError, match="shot|none to score"):
            few_shot_rows(["a", "b"] * 10, shots)
    with pytest.raises(ValueError, match="0 kinds"):
        few_shot_rows([], 1)


def test_groups_of_nothing_and_of_nan_are_refused():
    for points, labels in ((np.zeros((0, 2)), []), ([[0.0, np.nan]], ["a"])):
        with pytest.raises(ValueError, match="no points|NaN"):
            groups_of(points, labels)
