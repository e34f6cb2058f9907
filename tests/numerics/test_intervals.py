"""Wilson's interval: its textbook value, its slow twin, its limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlprobe.errors import ParameterError
from tlprobe.numerics.intervals import wilson_interval


@pytest.mark.parametrize(("n_correct", "n"), [(0, 1), (1, 1), (0, 400), (400, 400), (1, 3), (181, 200), (7, 2000)])
def test_equals_the_inverted_score_test(reference, n_correct, n):
    low, high = reference("wilson").wilson(n_correct, n)
    # At the ends the score test itself accepts the end point.
    assert wilson_interval(n_correct, n) == pytest.approx((low, high), abs=1e-9)


def test_hand_computed_value():
    # n = 4, half right: centre 1/2, half-width z/2 * sqrt(1/4 + z²/16) / (1 + z²/4) with z² = 3.8414588
    low, high = wilson_interval(2, 4)
    assert (low, high) == pytest.approx((0.150039, 0.849961), abs=1e-6)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_holds_the_share_and_mirrors(counts):
    n_correct, n = counts
    low, high = wilson_interval(n_correct, n)
    assert 0 <= low <= n_correct / n + 1e-12
    assert n_correct / n - 1e-12 <= high <= 1
    assert low < high
    mirrored_low, mirrored_high = wilson_interval(n - n_correct, n)
    assert (1 - mirrored_high, 1 - mirrored_low) == pytest.approx((low, high), abs=1e-12)


def test_more_clips_and_less_coverage_narrow_it():
    def width(*counts, **level):
        low, high = wilson_interval(*counts, **level)
        return high - low

    assert width(900, 1000) < width(90, 100) < width(9, 10)
    assert width(90, 100, level=0.5) < width(90, 100) < width(90, 100, level=0.99)


@pytest.mark.parametrize(("n_correct", "n"), [(0, 0), (-1, 5), (6, 5), (0, -2)])
def test_counts_that_are_no_share_are_refused(n_correct, n):
    with pytest.raises(ParameterError, match=f"n_correct={n_correct} of n={n}"):
        wilson_interval(n_correct, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.5, float("nan")])
def test_a_level_that_is_no_coverage_is_refused(level):
    with pytest.raises(ParameterError, match="level="):
        wilson_interval(1, 2, level=level)
