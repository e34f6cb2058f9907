"""Clustered intervals and paired tests: by hand, by slow twins, and by how often they are right."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tlprobe.errors import ParameterError
from tlprobe.numerics.resampling import cluster_bootstrap, holm, paired_difference


def plain_bootstrap(values, groups, *, n, seed):
    """One resample after the other, clip by clip, from the definition."""
    rng = np.random.default_rng(seed)
    names = sorted(set(groups))
    means = []
    for _ in range(n):
        drawn = [names[i] for i in rng.integers(len(names), size=len(names))]
        clips = [value for name in drawn for value, group in zip(values, groups, strict=True) if group == name]
        means.append(np.mean(clips))
    return np.quantile(means, [0.025, 0.975])


def test_it_agrees_with_the_definition():
    rng = np.random.default_rng(0)
    groups = [int(group) for group in rng.integers(0, 25, 80)]
    values = (rng.random(80) < 0.7).astype(float)
    found = cluster_bootstrap([values], groups)
    slow = plain_bootstrap(values, groups, n=3000, seed=1)
    assert found.estimate[0] == values.mean()
    assert [found.low[0], found.high[0]] == pytest.approx(slow, abs=0.012)  # Monte Carlo error of both


def test_clips_of_their_own_are_scipys_bootstrap():
    values = (np.random.default_rng(0).random(200) < 0.8).astype(float)
    found = cluster_bootstrap([values], range(200))
    other = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(1))
    interval = other.confidence_interval
    assert [found.low[0], found.high[0]] == pytest.approx([interval.low, interval.high], abs=0.006)


def test_a_series_that_covers_a_fold_counts_its_own_clips():
    nan = np.nan
    found = cluster_bootstrap([[1, 0, 1, 1], [1, 0, nan, nan], [nan, nan, 1, 1]], ["a", "b", "c", "d"])
    assert found.estimate.tolist() == [0.75, 0.5, 1.0]
    assert (found.low[2], found.high[2]) == (1, 1)
    assert (found.low[1], found.high[1]) == (0, 1)


@given(st.floats(0, 1), st.integers(2, 6))
def test_constants_have_no_width(value, n):
    found = cluster_bootstrap([[value] * n], range(n), n_resamples=50)
    assert found.low[0] == pytest.approx(value)
    assert found.high[0] == pytest.approx(value)


def test_the_order_of_clips_does_not_matter():
    rng = np.random.default_rng(0)
    values, groups = rng.random(40), rng.integers(0, 12, 40)
    order = rng.permutation(40)
    one = cluster_bootstrap([values], groups, n_resamples=500)
    other = cluster_bootstrap([values[order]], groups[order], n_resamples=500)
    assert one.low == pytest.approx(other.low)
    assert one.high == pytest.approx(other.high)


def test_of_clustered_clips_the_clustered_interval_is_right_and_the_plain_one_too_narrow():
    """60 recordings of 4 clips each that succeed or fail together: how often is the true 70 % in the interval?"""
    rng = np.random.default_rng(0)
    inside = {"clustered": 0, "plain": 0}
    for _ in range(200):
        values = np.repeat(rng.random(60) < 0.7, 4).astype(float)
        for name, groups in (("clustered", np.repeat(np.arange(60), 4)), ("plain", np.arange(240))):
            found = cluster_bootstrap([values], groups, n_resamples=400)
            inside[name] += bool(found.low[0] <= 0.7 <= found.high[0])
    assert 0.90 * 200 <= inside["clustered"] <= 0.99 * 200
    assert inside["plain"] < 0.75 * 200


def test_all_sign_patterns_of_three_recordings_by_hand():
    """Sums by recording 2, 1, -1: of the 8 patterns, |total| >= 2 in 2+1-1, 2-1+1, 2+1+1 and their mirrors."""
    found = paired_difference([1, 1, 1, 0], [0, 0, 0, 1], ["a", "a", "b", "c"])
    totals = [abs(x * 2 + y * 1 - z * 1) for x, y, z in itertools.product((1, -1), repeat=3)]
    assert found.p_value == sum(total >= 2 for total in totals) / 8 == 0.75
    assert found.exact
    assert found.estimate == 0.5
    assert (found.n, found.n_groups) == (4, 3)


def test_random_signs_come_near_all_signs():
    rng = np.random.default_rng(0)
    a, b = (rng.random(12) < 0.9).astype(float), (rng.random(12) < 0.4).astype(float)
    every = paired_difference(a, b, range(12))
    drawn = paired_difference(a, b, range(12), n_permutations=2 ** int(np.sum(a != b)) - 1)
    assert every.exact
    assert not drawn.exact
    assert drawn.p_value == pytest.approx(every.p_value, abs=0.08)


def test_equal_treatments_differ_by_nothing():
    found = paired_difference([1, 0, 1], [1, 0, 1], ["a", "b", "c"])
    assert (found.estimate, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_p_values_of_no_effect_are_uniform():
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(200):
        a, b = rng.random((2, 60)).round(3)
        p_values.append(paired_difference(a, b, np.arange(60) // 2, n_resamples=2, n_permutations=300).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_holm_by_hand():
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never less than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    adjusted = holm([0.5, np.nan, 0.6])
    assert adjusted[[0, 2]].tolist() == [1, 1]
    assert np.isnan(adjusted[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_none_and_bonferroni(p_values):
    adjusted = holm(p_values)
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= np.minimum(1, len(p_values) * np.array(p_values))).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cluster_bootstrap([[1, 0]], ["a", "a"]), r"series 0 covers 1 group\(s\); need at least 2"),
        (lambda: cluster_bootstrap([1, 0], ["a", "b"]), r"values of shape \(2,\) given"),
        (lambda: cluster_bootstrap(np.empty((0, 2)), ["a", "b"]), r"values of shape \(0, 2\) given; .* at least one"),
        (lambda: cluster_bootstrap([[1, np.inf]], ["a", "b"]), "values hold an infinite one"),
        (lambda: cluster_bootstrap([[1, 0]], ["a"]), r"1 group label\(s\) for 2 entries"),
        (lambda: cluster_bootstrap([[1, 0]], ["a", "b"], n_resamples=0), "n_resamples=0; need at least 1"),
        (lambda: cluster_bootstrap([[1, 0]], ["a", "b"], level=95), "level=95 is no coverage"),
        (
            lambda: paired_difference([1, np.nan], [1, 0], ["a", "b"]),
            r"1 clip\(s\) are covered by one of a and b alone",
        ),
        (lambda: paired_difference([1], [1, 0], ["a"]), "a and b of shapes"),
        (lambda: holm([0.5, 1.5]), "p-value 1.5 is no probability"),
    ],
)
def test_bad_input_is_told(call, said):
    with pytest.raises(ParameterError, match=said):
        call()
