"""The jackknife against its textbook value, and its coverage."""

import numpy as np
import pytest
from scipy import stats

from tlprobe.errors import ParameterError
from tlprobe.numerics.jackknife import deal_groups, jackknife_interval


def test_of_a_mean_it_is_the_t_interval():
    """Deleting single values of a mean, the jackknife error is s / sqrt(n) exactly."""
    values = np.array([1.0, 2.0, 4.0, 7.0, 11.0])
    deleted = [(values.sum() - value) / 4 for value in values]
    low, high = jackknife_interval(values.mean(), deleted, low=-100, high=100)
    expected = stats.t.interval(0.95, 4, loc=values.mean(), scale=values.std(ddof=1) / np.sqrt(5))
    assert (low, high) == pytest.approx(expected)


def test_it_covers_as_often_as_it_says():
    """Share of correlation intervals that hold the true value: 95 % of 400, within its own error."""
    rng = np.random.default_rng(0)
    rho, hits = 0.6, 0
    for _ in range(400):
        x = rng.normal(size=200)
        y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=200)
        groups = np.arange(200) % 10
        deleted = [np.corrcoef(x[groups != g], y[groups != g])[0, 1] for g in range(10)]
        low, high = jackknife_interval(np.corrcoef(x, y)[0, 1], deleted)
        hits += low <= rho <= high
    assert 0.92 < hits / 400 < 0.98


def test_it_stays_in_the_range():
    assert jackknife_interval(0.98, [0.9, 1.0, 0.95])[1] == 1
    assert jackknife_interval(0.02, [0.0, 0.1, 0.05])[0] == 0
    assert jackknife_interval(0.02, [0.0, 0.1, 0.05], low=-1)[0] < 0


def test_one_group_has_no_spread():
    with pytest.raises(ParameterError, match=r"1 group\(s\) have no spread"):
        jackknife_interval(0.5, [0.5])


def test_groups_are_even_and_keep_sources_whole():
    sources = [f"s{i // 3}" for i in range(60)] + [f"t{i}" for i in range(41)]
    groups = deal_groups(sources, 10, seed=0)
    sizes = np.bincount(groups)
    assert len(sizes) == 10
    assert sizes.max() - sizes.min() <= 1
    for source in set(sources):
        assert len({group for group, name in zip(groups, sources, strict=True) if name == source}) == 1


def test_groups_depend_on_the_seed_and_never_exceed_the_sources():
    sources = list(map(str, range(50)))
    assert not np.array_equal(deal_groups(sources, 5, seed=0), deal_groups(sources, 5, seed=1))
    np.testing.assert_array_equal(deal_groups(sources, 5, seed=0), deal_groups(sources, 5, seed=0))
    assert set(deal_groups(["a", "a", "b"], 10, seed=0)) == {0, 1}
