"""Likelihood, calibration error and disagreement: by hand, against their slow twins, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlprobe.errors import ParameterError
from tlprobe.numerics.calibration import calibration_error, disagreement, negative_log_likelihood

SURE = np.array([[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.1, 0.6, 0.3], [0.6, 0.2, 0.2]])
LABELS = np.array([0, 0, 1, 2])


def drawn(seed, *, n=200, n_classes=5):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_classes, 0.5), n), rng.integers(0, n_classes, n)


def test_likelihood_by_hand():
    expected = -math.log(0.8 * 0.4 * 0.6 * 0.2) / 4
    assert negative_log_likelihood(SURE, LABELS) == pytest.approx(expected, rel=1e-12)


def test_a_uniform_answer_costs_the_logarithm_of_the_classes():
    assert negative_log_likelihood(np.full((3, 7), 1 / 7), [0, 3, 6]) == pytest.approx(math.log(7))


def test_a_true_class_of_no_probability_costs_a_finite_amount():
    most = 149 * math.log(2)
    assert negative_log_likelihood([[0.0, 1.0]], [0]) == pytest.approx(most)
    assert negative_log_likelihood([[1e-300, 1.0]], [0]) == pytest.approx(most)
    assert negative_log_likelihood([[1e-40, 1.0]], [0]) == pytest.approx(40 * math.log(10))
    sure = negative_log_likelihood([[0.0, 1.0]], [1])
    assert (sure, math.copysign(1, sure)) == (0, 1)


def test_calibration_error_by_hand():
    # Two bins: (0, 0.5] holds the second clip (wrong at 0.5); (0.5, 1] the others (right, right, wrong; mean 2/3).
    assert calibration_error(SURE, LABELS, n_bins=2) == pytest.approx((0.5 + 3 * 0) / 4)
    # Ten bins: 0.8 right; 0.5 wrong; two of 0.6, one right.
    assert calibration_error(SURE, LABELS, n_bins=10) == pytest.approx((0.2 + 0.5 + 2 * 0.1) / 4)


def test_an_edge_belongs_to_the_bin_below():
    # 0.5 is in (0, 0.5], apart from 0.75: apart they are off by 0.5 and 0.25; in one bin they would make up for it.
    probabilities = [[0.5, 0.5, 0.0], [0.75, 0.25, 0.0]]
    assert calibration_error(probabilities, [1, 0], n_bins=2) == pytest.approx((0.5 + 0.25) / 2)
    assert calibration_error(probabilities, [1, 0], n_bins=1) == pytest.approx(abs(0.5 - 0.625))


def test_who_is_always_sure_and_right_is_calibrated_and_who_is_wrong_is_not():
    sure = np.eye(3)
    assert calibration_error(sure, [0, 1, 2]) == 0
    assert calibration_error(sure, [1, 2, 0]) == 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_bins", [1, 7, 15, 100])
def test_equal_the_slow_twins(reference, seed, n_bins):
    twin = reference("calibration")
    probabilities, labels = drawn(seed)
    assert negative_log_likelihood(probabilities, labels) == pytest.approx(
        twin.negative_log_likelihood(probabilities, labels), rel=1e-12
    )
    assert calibration_error(probabilities, labels, n_bins=n_bins) == pytest.approx(
        twin.calibration_error(probabilities, labels, n_bins=n_bins), abs=1e-12
    )


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), n_bins=st.integers(1, 30))
def test_properties_of_the_calibration_error(seed, n, n_bins):
    probabilities, labels = drawn(seed, n=n)
    error = calibration_error(probabilities, labels, n_bins=n_bins)
    assert 0 <= error <= 1
    order = np.random.default_rng(seed).permutation(n)
    assert calibration_error(probabilities[order], labels[order], n_bins=n_bins) == pytest.approx(error, abs=1e-12)
    # One bin is the least that any bins give: distances of parts cannot cancel.
    share = (probabilities.argmax(1) == labels).mean()
    gap = abs(share - probabilities.max(1).mean())
    assert calibration_error(probabilities, labels, n_bins=1) == pytest.approx(gap, abs=1e-12)
    assert error >= gap - 1e-12


@given(seed=st.integers(0, 2**32 - 1), n_members=st.integers(2, 6))
def test_the_mean_of_members_is_at_least_as_likely_as_they_are_on_average(seed, n_members):
    members = [drawn(seed + k, n=20)[0] for k in range(n_members)]
    labels = drawn(seed, n=20)[1]
    together = negative_log_likelihood(np.mean(members, axis=0), labels)
    assert together <= np.mean([negative_log_likelihood(member, labels) for member in members]) + 1e-12  # Jensen


def test_disagreement_by_hand():
    assert disagreement([[0, 1, 2], [0, 1, 2]]) == 0
    assert disagreement([[0, 1, 2], [1, 2, 0]]) == 1
    assert disagreement([[0, 1], [0, 1], [0, 2]]) == pytest.approx((0 + 0.5 + 0.5) / 3)


@given(seed=st.integers(0, 2**32 - 1), n_members=st.integers(2, 6), n=st.integers(1, 30))
def test_disagreement_equals_its_slow_twin_whatever_the_order(reference, seed, n_members, n):
    rng = np.random.default_rng(seed)
    predicted = rng.integers(0, 4, (n_members, n))
    share = disagreement(predicted)
    assert share == pytest.approx(reference("calibration").disagreement(predicted.tolist()), abs=1e-12)
    assert disagreement(predicted[::-1, rng.permutation(n)]) == pytest.approx(share, abs=1e-12)
    assert disagreement(3 - predicted) == pytest.approx(share, abs=1e-12)  # names do not matter


@pytest.mark.parametrize("score", [negative_log_likelihood, calibration_error])
@pytest.mark.parametrize(
    ("probabilities", "labels", "said"),
    [
        ([0.5, 0.5], [0, 1], r"probabilities are float64 of shape \(2,\)"),
        (np.zeros((0, 3)), np.zeros(0, int), r"of shape \(0, 3\)"),
        ([[1, 0]], [0], "probabilities are int"),
        ([[0.5, 0.5]], [0, 1], r"labels are int\d+ of shape \(2,\).*need whole numbers \(1,\)"),
        ([[0.5, 0.5]], [0.0], "labels are float64"),
        ([[0.5, 0.5]], [2], r"labels hold 2; need class indices in \[0, 2\)"),
        ([[0.5, 0.5]], [-1], "labels hold -1"),
        ([[1.5, -0.5]], [0], r"probabilities hold 1.5; need values in \[0, 1\]"),
        ([[np.nan, 0.5]], [0], "probabilities hold nan"),
        ([[0.5, 0.5], [0.5, 0.25]], [0, 1], "probabilities of clip 1 sum to 0.75; need 1"),
    ],
)
def test_what_is_no_probability_or_label_is_refused(score, probabilities, labels, said):
    with pytest.raises(ParameterError, match=said):
        score(probabilities, labels)


@pytest.mark.parametrize("n_bins", [0, -1, 2.0, True])
def test_no_number_of_bins(n_bins):
    with pytest.raises(ParameterError, match=f"n_bins={n_bins}"):
        calibration_error(SURE, LABELS, n_bins=n_bins)


@pytest.mark.parametrize(
    ("predicted", "said"),
    [
        ([0, 1, 2], r"shape \(3,\)"),
        ([[0, 1, 2]], r"shape \(1, 3\); need .* at least 2 members"),
        (np.zeros((2, 0), int), r"shape \(2, 0\)"),
        ([[0.5, 1.0], [0.5, 1.0]], "predicted is of float64"),
    ],
)
def test_what_is_no_table_of_answers_is_refused(predicted, said):
    with pytest.raises(ParameterError, match=said):
        disagreement(predicted)
