"""Intervals: they hold in about 95 of 100 samples, and paired tests answer as their formulas do."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm, t, ttest_rel

from phi3lib.embeddings.compare import anisotropy, cka, mutual_knn, rsa
from phi3lib.embeddings.confidence import (
    MOST_DRAWN,
    Estimate,
    clearly_better,
    difference,
    of_mean,
    of_statistic,
    paired_p_value,
)


def share_of_hits(estimates: list[Estimate], true: float) -> float:
    return float(np.mean([one.low <= true <= one.high for one in estimates]))


# ------------------------------------------------------------------------------- shares


def test_a_share_has_the_interval_of_wilson():
    z = norm.ppf(0.975)
    for right, count in ((7, 20), (20, 20), (0, 81), (1, 2)):
        share = right / count
        center = (share + z**2 / (2 * count)) / (1 + z**2 / count)
        reach = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
        found = of_mean(np.arange(count) < right, 0.5)
        assert (found.low, found.high) == pytest.approx((center - reach, center + reach))
        assert (found.value, found.chance, found.count) == (share, 0.5, count)
    assert of_mean(np.ones(20)).low < 0.85  # twenty of twenty are not "1.000 to 1.000"


@pytest.mark.parametrize("count", [20, 100, 500])
def test_intervals_of_shares_hold_in_95_of_100_samples(count):
    found = [of_mean(np.arange(count) < right) for right in range(count + 1)]
    true = np.linspace(0.05, 0.95, 181)
    holds = np.array([[one.low <= p <= one.high for one in found] for p in true])
    chances = binom.pmf(np.arange(count + 1)[None], count, true[:, None])
    assert 0.945 < (holds * chances).sum(1).mean() < 0.96  # exact, over shares from 5 % to 95 %


# ------------------------------------------------------------------------------- means


def test_intervals_of_other_means_hold_in_95_of_100_samples():
    rng = np.random.default_rng(0)
    kept = rng.binomial(10, rng.beta(4, 2, size=(300, 80))) / 10  # shares of ten neighbors
    assert 0.93 < share_of_hits([of_mean(values) for values in kept], 4 / 6) < 0.97
    skewed = rng.exponential(size=(400, MOST_DRAWN + 1))  # as many as get the normal interval
    assert 0.93 < share_of_hits([of_mean(values) for values in skewed], 1.0) < 0.97


def test_the_interval_of_many_values_is_the_normal_one():
    values = np.random.default_rng(1).exponential(size=MOST_DRAWN + 1)
    reach = norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(len(values))
    found = of_mean(values)
    assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_the_interval_of_few_values_is_that_of_bca_and_the_same_on_every_call():
    values = np.random.default_rng(2).exponential(size=40)
    found, again = of_mean(values), of_mean(values)
    assert (found.low, found.high) == (again.low, again.high)
    # A skewed sample: BCa reaches further up than down; the percentile interval less so.
    assert found.high - found.value > 1.1 * (found.value - found.low)
    assert found.high - found.low == pytest.approx(
        2 * t.ppf(0.975, 39) * values.std(ddof=1) / np.sqrt(40), rel=0.15
    )


def test_the_interval_of_few_values_is_bca_by_its_formula_and_depends_little_on_what_was_drawn():
    values = np.random.default_rng(2).exponential(size=40)
    drawn = values[np.random.default_rng(3).integers(40, size=(20_000, 40))].mean(1)
    apart = values - values.mean()  # Efron 1987: bias, and acceleration by the jackknife
    bias, acceleration = (
        norm.ppf((drawn < values.mean()).mean()),
        (apart**3).sum() / (apart**2).sum() ** 1.5 / 6,
    )
    z = bias + norm.ppf([0.025, 0.975])
    wanted = np.quantile(drawn, norm.cdf(bias + z / (1 - acceleration * z)))
    found = np.array([(one.low, one.high) for one in (of_mean(values, seed=seed) for seed in range(8))])
    width = np.ptp(wanted)
    assert np.abs(found.mean(0) - wanted).max() < 0.02 * width
    assert np.abs(np.quantile(drawn, [0.025, 0.975]) - wanted).min() > 0.04 * width  # the percentile interval
    assert found.std(0).max() < 0.04 * width


def test_what_is_no_sample_is_refused():
    for bad in ([], [[1.0]], 3.0):
        with pytest.raises(ValueError, match="one value for each item"):
            of_mean(bad)
    for bad in ([0.0, np.nan], [np.inf, 1.0]):
        with pytest.raises(ValueError, match="NaN or infinite"):
            of_mean(bad)
    same = of_mean(np.full(10, 0.3))
    assert (same.value, same.low, same.high) == pytest.approx((0.3, 0.3, 0.3))


# ------------------------------------------------------------------------------- statistics of rows


def test_intervals_of_half_samples_hold_in_95_of_100_samples():
    rng = np.random.default_rng(3)
    found = []
    for values in rng.normal(2, 3, size=(500, 61)):
        found.append(of_statistic(lambda rows, v=values: float(v[rows].mean()), 61, resamples=60))
    assert 0.93 < share_of_hits(found, 2.0) < 0.97


def test_half_samples_are_drawn_without_replacement_and_their_spread_is_scaled(monkeypatch):
    monkeypatch.setattr("phi3lib.embeddings.confidence.MOST_HALF", 40)
    seen = []

    def statistic(rows):
        seen.append(rows)
        return float(np.mean(rows))

    found = of_statistic(statistic, 1000, resamples=4000)
    assert len(seen) == 4001 and (seen[0] == np.arange(1000)).all()
    assert all(len(rows) == len(set(rows)) == 40 and (np.diff(rows) > 0).all() for rows in seen[1:])
    reach = 1.96 * np.arange(1000).std(ddof=1) / np.sqrt(1000)
    assert (found.value, found.count) == (499.5, 1000)
    assert found.high - found.value == pytest.approx(found.value - found.low)
    assert found.high - found.value == pytest.approx(reach, rel=0.05)
    few = of_statistic(lambda rows: float(len(rows) % 2 + rows[0]), 30, most=0.0, resamples=5)
    assert few.high == 0.0 and few.low < 0
    beyond = of_statistic(lambda rows: 1 + 1e-12, 10, most=1.0, resamples=5)  # by rounding
    assert beyond.value <= beyond.high
    with pytest.raises(ValueError, match="no number"):
        of_statistic(lambda rows: float("nan"), 10)


def test_the_interval_of_a_statistic_depends_little_on_what_was_drawn():
    values = np.random.default_rng(9).normal(size=61)
    found = [of_statistic(lambda rows: float(values[rows].mean()), 61, seed=seed) for seed in range(30)]
    widths = [one.high - one.low for one in found]
    assert np.std(widths) / np.mean(widths) < 0.08  # 1 / sqrt(2 * 200) = 0.05 are expected


@pytest.mark.parametrize("name", ["anisotropy", "cka", "rsa"])
def test_intervals_of_comparisons_hold_about_as_often_as_they_say(name):
    rng, found = np.random.default_rng(4), []
    for _ in range(60):
        space = rng.normal(size=(30, 6)) + 0.5
        other = space[:, :5] + rng.normal(size=(30, 5))
        found.append({"anisotropy": lambda s, o: anisotropy(s), "cka": cka, "rsa": rsa}[name](space, other))
    # The truth is the mean of all samples, of which 53 of 60 must hold it.
    # once in a hundred times.
    assert share_of_hits(found, float(np.mean([one.value for one in found]))) > 0.88


def test_intervals_of_shared_neighbors_are_rather_too_wide():
    rng, found = np.random.default_rng(5), []
    for _ in range(40):
        space = rng.normal(size=(40, 6))
        found.append(mutual_knn(space, space + rng.normal(size=(40, 6)), 4))
    values = [one.value for one in found]
    assert share_of_hits(found, float(np.mean(values))) >= 0.9
    widths = np.mean([one.high - one.low for one in found]) / (2 * 1.96 * np.std(values))
    assert 0.9 < widths < 1.8


# ------------------------------------------------------------------------------- two results


def test_a_difference_is_taken_item_by_item():
    rng = np.random.default_rng(6)
    found = []
    for _ in range(300):
        hard = rng.normal(size=60)  # what both share
        found.append(difference(hard, hard + rng.normal(0.2, 0.5, size=60)))
    assert 0.93 < share_of_hits(found, 0.2) < 0.97
    assert found[0].high - found[0].low < 0.4 and found[0].chance == 0.0
    one, other = of_mean([1, 1, 0, 0]), of_mean([1, 1, 1, 0])
    assert difference(one, other).value == 0.25 and difference(other, one).value == -0.25


def test_equal_results_may_still_differ_by_what_so_many_items_cannot_show():
    same = of_mean(np.ones(20))
    found = difference(same, same)
    assert (found.value, found.count) == (0.0, 20)
    assert -found.low == found.high == pytest.approx(of_mean(np.zeros(20)).high)
    assert paired_p_value(same, same) == 1.0 and not clearly_better(same, same)


def test_shares_are_compared_by_mcnemars_test():
    first = np.array([1] * 1 + [0] * 9 + [1] * 30)
    second = np.array([0] * 1 + [1] * 9 + [1] * 30)
    assert paired_p_value(first, second) == pytest.approx(2 * (1 + 10) / 2**10)
    assert clearly_better(of_mean(first), of_mean(second)) and not clearly_better(second, first)
    first[1] = 1  # eight to one: 2 (1 + 9) / 2^9 = 0.039
    assert paired_p_value(first, second) == pytest.approx(2 * 10 / 2**9)
    second[1:3] = 0, 0  # two of the eight are lost, one to the other side: no longer clear
    assert not clearly_better(first, second)


def test_other_values_are_compared_by_random_signs():
    zeros = np.zeros(5)
    assert paired_p_value(zeros, zeros + [0.5, 0.25, 0.5, 0.75, 0.5]) == pytest.approx(2 / 2**5)
    rng = np.random.default_rng(7)
    values = rng.normal(size=40)
    shifted = values + rng.normal(0.4, 1, size=40)
    assert paired_p_value(values, shifted) == pytest.approx(ttest_rel(values, shifted).pvalue, abs=0.02)
    assert paired_p_value(values, shifted) == paired_p_value(values, shifted)
    assert paired_p_value(values, values + rng.normal(2, 1, size=40)) == pytest.approx(2 / 10_000)


def test_of_equally_good_results_few_are_called_clearly_better():
    rng = np.random.default_rng(8)
    pairs = rng.random(size=(400, 2, 50)) < 0.8
    assert np.mean([clearly_better(*pair.astype(float)) for pair in pairs]) < 0.04  # one side of 5 %


def test_results_of_other_items_are_not_compared():
    for bad in ([1, 0], [[1, 0, 1]], []):
        with pytest.raises(ValueError, match="the same items"):
            difference([1, 0, 1], bad)
    with pytest.raises(ValueError, match="in pairs"):
        paired_p_value(Estimate(0.5, 0, 1, None, 3), [1, 0, 1])


def test_an_estimate_in_words_and_as_plain_values():
    known = Estimate(0.5, 0.25, 0.75, 0.1, 8, np.ones(8))
    assert str(known) == "0.500 (0.250 to 0.750, chance 0.1; 8 items)"
    assert str(Estimate(0.5, 0.25, 0.75, None, 8)) == "0.500 (0.250 to 0.750; 8 items)"
    assert known.as_dict() == {"value": 0.5, "low": 0.25, "high": 0.75, "chance": 0.1, "count": 8}
    assert known == Estimate(0.5, 0.25, 0.75, 0.1, 8)


def test_values_that_are_missing_give_no_verdict():
    for measure in (difference, paired_p_value, clearly_better):
        with pytest.raises(ValueError, match="NaN or infinite"):
            measure([0, np.nan, 1], [1, 1, 1])


def test_a_difference_that_is_the_same_for_all_items_is_not_certain():
    reach = binomtest(5, 5).proportion_ci(0.95, method="wilson").low
    for first, second, ends in (([0] * 5, [1] * 5, (reach, 1)), ([1] * 5, [0] * 5, (-1, -reach))):
        found = difference(first, second)
        assert (found.low, found.high) == pytest.approx(ends)
    assert paired_p_value([0.2], [0.7]) == 1


def test_halves_without_a_value_are_left_out():
    few = of_statistic(lambda rows: float(len(rows)) if 0 in rows else np.nan, 40, resamples=60)
    assert np.isfinite([few.low, few.high]).all()
    with pytest.raises(ValueError, match="most halves of the 40 items"):
        of_statistic(lambda rows: 1.0 if len(rows) == 40 else np.nan, 40, resamples=60)
