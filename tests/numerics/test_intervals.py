"""Intervals of accuracies: by hand, Wilson's by its slow twin, and their limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlprobe.errors import ParameterError
from tlprobe.numerics.intervals import accuracy_interval, accuracy_intervals, wilson_interval
from tlprobe.numerics.resampling import cluster_bootstrap


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


def test_an_accuracy_is_resampled_by_recording():
    rng = np.random.default_rng(0)
    right = rng.random(50) < 0.7
    clips, correct = np.arange(200), np.repeat(right, 4)  # four clips a recording stand and fall together
    alone = accuracy_interval(correct, clips)
    together = accuracy_interval(correct, np.repeat(np.arange(50), 4))
    means = cluster_bootstrap([correct], np.repeat(np.arange(50), 4))
    assert together == (means.low[0], means.high[0])
    assert together[1] - together[0] == pytest.approx(2 * (alone[1] - alone[0]), rel=0.15)  # sqrt(4)
    # Of 200 independent clips: +-1.96 standard errors.
    share = correct.mean()
    half = 1.96 * np.sqrt(share * (1 - share) / 200)
    assert alone == pytest.approx((share - half, share + half), abs=0.01)


def test_an_answer_without_errors_is_not_sure():
    """The bootstrap's percentiles would be 1 and 1; Wilson's for 3 of 3 recordings are not."""
    groups = ["a", "a", "b", "c"]
    low, high = accuracy_intervals([[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 1], [1, np.nan, 1, np.nan]], groups).T
    assert (low[0], high[0]) == wilson_interval(3, 3)
    assert (low[1], high[1]) == wilson_interval(0, 3)
    assert (low[2], high[2]) == (0, 1)
    assert (low[3], high[3]) == wilson_interval(2, 2)
    assert accuracy_interval([1, 1, 1, 1], groups) == (low[0], 1)


def test_halves_that_do_not_vary_have_no_width():
    """Each clip is right under one of two seeds: that is no share of 0 or 1, and resamples do not differ."""
    assert accuracy_interval([0.5, 0.5, 0.5], ["a", "b", "c"]) == (0.5, 0.5)


def test_one_recording_has_no_interval():
    assert accuracy_interval([1, 0, 1], ["a", "a", "a"]) == (None, None)
