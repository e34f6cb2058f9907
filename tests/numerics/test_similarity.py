"""SVCCA: invariances, hand-made spectra, its slow twin, and inputs that break naive code."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlprobe.errors import ParameterError
from tlprobe.numerics.similarity import Moments, svcca


def similarity(x, y, *, variance=0.99, batch=None):
    moments = Moments(x.shape[1], y.shape[1])
    batch = batch or len(x)
    for start in range(0, len(x), batch):
        moments.update(x[start : start + batch], y[start : start + batch])
    return svcca(moments, variance=variance)


def rotation(d, rng):
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def related(rng, *, n=300, d_x=8, d_y=6):
    """Two sets that share part of their variance, with falling spectra."""
    shared = rng.normal(size=(n, 4))
    x = shared @ rng.normal(size=(4, d_x)) + rng.normal(size=(n, d_x)) * np.geomspace(2, 0.1, d_x)
    y = shared @ rng.normal(size=(4, d_y)) + rng.normal(size=(n, d_y)) * np.geomspace(3, 0.2, d_y)
    return x, y


seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None, max_examples=50)
@given(seed=seeds, scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3), left=st.booleans())
def test_rotation_scale_and_shift_of_a_side_change_nothing(seed, scale, shift, left):
    rng = np.random.default_rng(seed)
    x, y = related(rng)
    moved = [x, y]
    side = moved[0 if left else 1]
    d = side.shape[1]
    moved[0 if left else 1] = scale * side @ rotation(d, rng) + shift * rng.normal(size=d)
    plain, changed = similarity(x, y), similarity(*moved)
    assert changed.value == pytest.approx(plain.value, abs=1e-8)
    assert (changed.k_x, changed.k_y) == (plain.k_x, plain.k_y)


@settings(deadline=None, max_examples=50)
@given(seed=seeds, d_x=st.integers(1, 10), d_y=st.integers(1, 10), variance=st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_equals_explicit_svds(reference, seed, d_x, d_y, variance):
    x, y = related(np.random.default_rng(seed), d_x=d_x, d_y=d_y)
    result = similarity(x, y, variance=variance)
    value, k_x, k_y = reference("svcca").svcca(x, y, variance=variance)
    assert (result.k_x, result.k_y) == (k_x, k_y)
    assert result.value == pytest.approx(value, abs=1e-8)


@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_symmetric(seed):
    x, y = related(np.random.default_rng(seed))
    there, back = similarity(x, y), similarity(y, x)
    assert there.value == pytest.approx(back.value, abs=1e-10)
    assert (there.k_x, there.k_y, there.d_x, there.d_y) == (back.k_y, back.k_x, back.d_y, back.d_x)


@settings(deadline=None, max_examples=30)
@given(seed=seeds)
def test_one_on_itself_and_on_any_invertible_map(seed):
    rng = np.random.default_rng(seed)
    x, _ = related(rng)
    stretched = x @ rotation(8, rng) @ np.diag(np.geomspace(1, 30, 8)) @ rotation(8, rng)
    assert similarity(x, x).value == pytest.approx(1, abs=1e-9)
    assert similarity(x, stretched, variance=1.0).value == pytest.approx(1, abs=1e-8)


def test_a_known_correlation():
    """Two features each; one pair correlates by 0.6, the other not at all: their mean is 0.3."""
    # Four orthogonal columns of +-1 make the correlations exact.
    b, c, d = np.array([[1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]] * 2, float).T
    e = np.repeat([1.0, -1.0], 4)
    x = np.column_stack([b, c])
    y = np.column_stack([0.6 * b + 0.8 * d, e])
    assert similarity(x, y, variance=1.0).value == pytest.approx(0.3, abs=1e-12)


def test_unrelated_noise_scores_what_chance_gives():
    """A d x d Gaussian matrix over sqrt(n) has mean singular value 8 / (3 pi) sqrt(d / n) = 0.85 sqrt(d / n)."""
    rng = np.random.default_rng(0)
    n, d = 20_000, 60
    value = similarity(rng.normal(size=(n, d)), rng.normal(size=(n, d)), variance=1.0).value
    assert value == pytest.approx(8 / (3 * np.pi) * np.sqrt(d / n), rel=0.03)


@pytest.mark.parametrize(
    ("singular_values", "k"),
    [
        # Squared, they make 100, 1: the first holds 99.0099 %; summed plainly it would hold 91 % and need both.
        ([10.0, 1.0], 1),
        ([9.9, 1.0], 1 + 1),  # 98.99 %
        ([3.0, 2.0, 1.0, 0.1], 3),  # 9, 4, 1 of 14.01
        ([1.0, 1.0, 1.0, 1.0], 4),
        ([5.0, 1e-3, 1e-3, 1e-3], 1),
    ],
)
def test_directions_are_kept_to_99_percent_of_squared_singular_values(singular_values, k):
    rng = np.random.default_rng(0)
    n, d = 40, len(singular_values)
    left = np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, d))]))[0][:, 1:]  # orthonormal, no mean
    x = left @ np.diag(singular_values) @ rotation(d, rng)
    y = rng.normal(size=(n, 3))
    result = similarity(x, y)
    assert result.k_x == k


def test_the_mean_runs_over_the_smaller_number_of_directions():
    x = np.random.default_rng(0).normal(size=(100, 5))
    result = similarity(x, x[:, :2], variance=1.0)
    assert (result.k_x, result.k_y) == (5, 2)
    assert result.value == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("level", [0.0, 1.0, 1e6, -3.3e-7, 1 / 3])
def test_a_constant_side_has_no_similarity(level):
    x = np.random.default_rng(0).normal(size=(50, 4))
    constant = np.full((50, 3), level)
    assert similarity(x, constant) is None
    assert similarity(constant, x, batch=7) is None


def test_duplicated_and_constant_columns_add_nothing():
    rng = np.random.default_rng(0)
    x, y = related(rng)
    doubled = np.column_stack([x, x, np.full(len(x), 7.0)])
    plain, result = similarity(x, y, variance=1.0), similarity(doubled, y, variance=1.0)
    assert (result.k_x, result.d_x) == (plain.k_x, 17)
    assert result.value == pytest.approx(plain.value, abs=1e-8)


@pytest.mark.parametrize("n", [2, 3, 10])
def test_fewer_samples_than_features_is_finite(n):
    rng = np.random.default_rng(0)
    result = similarity(rng.normal(size=(n, 40)), rng.normal(size=(n, 30)), variance=1.0)
    assert (result.k_x, result.k_y, result.n) == (n - 1, n - 1, n)
    assert result.value == pytest.approx(1, abs=1e-6)  # n - 1 directions span everything: no evidence at all


@pytest.mark.parametrize("batch", [None, 17])
def test_a_large_common_offset_does_not_eat_the_digits(reference, batch):
    x, y = related(np.random.default_rng(0))
    expected = reference("svcca").svcca(x, y)[0]
    assert similarity(x + 1e6, y - 1e6, batch=batch).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("batch", [1, 7, 299])
def test_streamed_in_pieces_equals_one_shot(batch):
    x, y = related(np.random.default_rng(0))
    whole, pieces = similarity(x, y), similarity(x, y, batch=batch)
    assert pieces.value == pytest.approx(whole.value, abs=1e-9)
    assert (pieces.n, pieces.k_x, pieces.k_y) == (whole.n, whole.k_x, whole.k_y)


def test_an_empty_batch_changes_nothing():
    moments = Moments(2, 2)
    moments.update(np.zeros((0, 2)), np.zeros((0, 2)))
    assert moments.n == 0
    with pytest.raises(ParameterError, match="at least 2"):
        svcca(moments)


def test_float32_activations_are_summed_in_float64():
    x, y = related(np.random.default_rng(0))
    x32, y32 = x.astype(np.float32), y.astype(np.float32)
    assert similarity(x32, y32).value == pytest.approx(similarity(x, y).value, abs=1e-5)


@pytest.mark.parametrize(
    ("shape_x", "shape_y"), [((5, 2), (4, 3)), ((5, 3), (5, 3)), ((5, 2), (5,)), ((5, 2, 1), (5, 3))]
)
def test_wrong_shapes_are_refused(shape_x, shape_y):
    with pytest.raises(ParameterError, match=r"need \(n, 2\) and \(n, 3\)"):
        Moments(2, 3).update(np.zeros(shape_x), np.zeros(shape_y))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("after", [0, 1])
def test_values_that_are_not_finite_are_refused(bad, side, after):
    batch = np.random.default_rng(0).normal(size=(5, 2))
    moments = Moments(2, 2)
    for _ in range(after):
        moments.update(batch, batch)
    pair = [batch.copy(), batch.copy()]
    pair[side][3, 1] = bad
    with pytest.raises(ParameterError, match="not finite"):
        moments.update(*pair)
    assert moments.n == 5 * after  # what was gathered before still counts


@pytest.mark.parametrize("variance", [0.0, -1.0, 1.1, np.nan])
def test_an_impossible_share_of_variance_is_refused(variance):
    x = np.eye(4)
    with pytest.raises(ParameterError, match="variance="):
        similarity(x, x, variance=variance)
