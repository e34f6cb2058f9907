"""Rank correlations: by hand, as SciPy has them, and no surer than their draws."""

import numpy as np
import pytest

from tlprobe.errors import ParameterError
from tlprobe.numerics.rank_agreement import MEASURES, rank_agreement

X = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def agree(x, y, measure, *, noise=0.0):
    rng = np.random.default_rng(0)
    draws = [one + noise * rng.normal(size=(200, len(one))) for one in (x, y)]
    return rank_agreement(x, y, draws_x=draws[0], draws_y=draws[1], measure=measure)


def test_by_hand():
    swapped = X[[0, 1, 2, 4, 3]]
    kendall, spearman = (agree(X, swapped, measure) for measure in MEASURES)
    assert kendall.value == pytest.approx((9 - 1) / 10)  # one pair of ten the other way round
    assert spearman.value == pytest.approx(1 - 6 * 2 / (5 * 24))
    assert spearman.p_value is None
    assert agree(X, X, "kendall").p_value == pytest.approx(2 / 120)


@pytest.mark.parametrize("measure", MEASURES)
def test_signs_ties_and_noise(measure):
    sure = agree(X, -X, measure)
    assert (sure.value, sure.low, sure.high) == (pytest.approx(-1),) * 3
    unsure = agree(X, -X, measure, noise=1.0)
    assert unsure.value == pytest.approx(-1)
    assert unsure.low == pytest.approx(-1)
    assert -1 < unsure.high < 1
    assert 0 < agree(X, np.array([1.0, 1, 2, 2, 2]), measure).value < 1


@pytest.mark.parametrize("measure", MEASURES)
def test_what_does_not_differ_has_no_ranks(measure):
    none = agree(X, np.ones(5), measure)
    assert (none.value, none.low, none.high, none.p_value) == (None,) * 4


def test_shapes_are_checked():
    with pytest.raises(ParameterError, match="n >= 3"):
        agree(X[:2], X[:2], "kendall")
    with pytest.raises(ParameterError, match=r"need \(n_draws, 5\)"):
        rank_agreement(X, X, draws_x=X[None], draws_y=X[None, :4], measure="kendall")
