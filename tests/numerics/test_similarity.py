"""Similarity of arrays: hand-made values, invariances, slow twins, and inputs that break naive code."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tlprobe.errors import ParameterError
from tlprobe.numerics.gram import gram_is_cheaper
from tlprobe.numerics.moments import Moments
from tlprobe.numerics.similarity import similarity, similarity_of_moments

VALUES = ("svcca", "mean_cca", "pwcca_x", "pwcca_y", "pwcca", "cka", "cka_debiased", "procrustes")
seeds = st.integers(0, 2**32 - 1)


def rotation(d, rng):
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def related(rng, *, n=300, d_x=8, d_y=6):
    """Two sets that share part of their variance, with falling spectra."""
    shared = rng.normal(size=(n, 4))
    x = shared @ rng.normal(size=(4, d_x)) + rng.normal(size=(n, d_x)) * np.geomspace(2, 0.1, d_x)
    y = shared @ rng.normal(size=(4, d_y)) + rng.normal(size=(n, d_y)) * np.geomspace(3, 0.2, d_y)
    return x, y


def all_of(x, y, **options):
    """Return every value, in the order of `VALUES`."""
    result = similarity(x, y, measures="all", **options)
    return np.array([getattr(result, name) for name in VALUES])


def twins(reference, x, y, **options):
    twin = reference("similarity")
    by_x, by_y = twin.pwcca(x, y), twin.pwcca(y, x)
    return np.array(
        [
            twin.svcca(x, y, **options)[0],
            twin.mean_cca(x, y),
            by_x,
            by_y,
            (by_x + by_y) / 2,
            twin.cka(x, y),
            twin.cka_debiased(x, y),
            twin.procrustes(x, y),
        ]
    )


# --- hand-worked values -------------------------------------------------------------------------------

# Orthogonal columns of +-1 make every number exact.
B, C, D = np.array([[1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]] * 2, float).T
E = np.repeat([1.0, -1.0], 4)


def test_a_known_correlation():
    """Two features each; one pair correlates by 0.6, the other not at all: their mean is 0.3."""
    x = np.column_stack([B, C])
    y = np.column_stack([0.6 * B + 0.8 * D, E])
    result = similarity(x, y, measures="all")
    assert (result.k_x, result.k_y, result.n, result.d_x, result.d_y) == (2, 2, 8, 2, 2)
    assert result.svcca == pytest.approx(0.3, abs=1e-12)
    assert result.mean_cca == pytest.approx(0.3, abs=1e-12)
    # Variates b and c project onto b and c by 1 each: weights 1/2, 1/2.
    assert result.pwcca_x == pytest.approx(0.3, abs=1e-12)
    # X'Y = diag(4.8, 0), X'X = Y'Y = 8 I: 23.04 / 128.
    assert result.cka == pytest.approx(0.18, abs=1e-12)
    assert result.procrustes == pytest.approx(4.8 / 16, abs=1e-12)


def test_pwcca_weighs_by_what_a_variate_explains():
    """x is b ten times as strong as c; y has b only: x's weights are 10/11 and 1/11, y's all on b."""
    x = np.column_stack([10 * B, C])
    y = np.column_stack([B, D])
    result = similarity(x, y, measures=["pwcca"])
    assert result.pwcca_x == pytest.approx(10 / 11, abs=1e-12)
    assert result.pwcca_y == pytest.approx(1 / 2, abs=1e-12)
    assert result.pwcca == pytest.approx((10 / 11 + 1 / 2) / 2, abs=1e-12)


def test_debiased_cka_by_hand():
    """n = 4, one feature each. K~ has 1'K~1 = -4, and U-centring leaves inner products 8/3 and -4/3 off 4."""
    x = np.array([[1.0], [1], [-1], [-1]])
    y = np.array([[1.0], [-1], [1], [-1]])
    # tr(K~L~) = 0 - 4; 16 / (3 * 2); -2 / 2 * 4: HSIC_xy ~ -4 + 8/3 - 4 = -16/3. With itself: 16 - 4 + 8/3 - 4 = 32/3.
    result = similarity(x, y, measures=["cka", "cka_debiased"])
    assert result.cka == pytest.approx(0, abs=1e-12)
    assert result.cka_debiased == pytest.approx(-0.5, abs=1e-12)


@pytest.mark.parametrize(
    ("singular_values", "squared", "plain"),
    [
        # Squared, they make 100, 1: the first holds 99.0099 %; summed plainly it holds 91 %.
        ([10.0, 1.0], 1, 2),
        ([9.9, 1.0], 2, 2),  # 98.99 %
        ([3.0, 2.0, 1.0, 0.1], 3, 4),  # 9, 4, 1 of 14.01; 6 of 6.1
        ([1.0, 1.0, 1.0, 1.0], 4, 4),
        ([5.0, 1e-3, 1e-3, 1e-3], 1, 1),
    ],
)
def test_directions_are_kept_by_the_rule(singular_values, squared, plain):
    rng = np.random.default_rng(0)
    n, d = 40, len(singular_values)
    left = np.linalg.qr(np.column_stack([np.ones(n), rng.normal(size=(n, d))]))[0][:, 1:]  # orthonormal, no mean
    x = left @ np.diag(singular_values) @ rotation(d, rng)
    y = rng.normal(size=(n, 3))
    assert similarity(x, y).k_x == squared
    assert similarity(x, y, rule="sum").k_x == plain


def test_the_mean_runs_over_the_smaller_number_of_directions():
    x = np.random.default_rng(0).normal(size=(100, 5))
    result = similarity(x, x[:, :2], variance=1.0)
    assert (result.k_x, result.k_y) == (5, 2)
    assert result.svcca == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("inside", [1, 3, 7])
def test_a_subspace_of_the_other_is_fully_similar_by_correlation(inside):
    x = np.random.default_rng(0).normal(size=(200, 8)) * np.geomspace(3, 1, 8)
    result = similarity(x, x[:, :inside] @ rotation(inside, np.random.default_rng(1)), measures="all", variance=1.0)
    assert [result.svcca, result.mean_cca, result.pwcca_y] == pytest.approx([1, 1, 1], abs=1e-9)
    assert result.cka < 1 - 1e-3
    assert result.procrustes < 1 - 1e-3


@pytest.mark.parametrize("n", [40, 20_000])
def test_unrelated_noise_scores_what_chance_gives(n):
    """A d x d Gaussian matrix over sqrt(n) has mean singular value 8 / (3 pi) sqrt(d / n) = 0.85 sqrt(d / n)."""
    rng = np.random.default_rng(0)
    d = n // 300 or 2
    results = [
        similarity(rng.normal(size=(n, d)), rng.normal(size=(n, d)), measures="all", variance=1.0) for _ in range(20)
    ]
    if n > 1000:
        assert np.mean([r.svcca for r in results]) == pytest.approx(8 / (3 * np.pi) * np.sqrt(d / n), rel=0.03)
    debiased = [r.cka_debiased for r in results]
    assert abs(np.mean(debiased)) < 3 * np.std(debiased) / np.sqrt(20) + 1e-9  # debiased: 0 on average
    assert np.mean([r.cka for r in results]) > np.mean(debiased)


# --- properties ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(seed=seeds, scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3), n=st.sampled_from([12, 300]))
def test_rotation_scale_and_shift_of_a_side_change_nothing(seed, scale, shift, n):
    rng = np.random.default_rng(seed)
    x, y = related(rng, n=n, d_x=30 if n == 12 else 8)
    moved = scale * x @ rotation(x.shape[1], rng) + shift * rng.normal(size=x.shape[1])
    plain, changed = similarity(x, y, measures="all"), similarity(moved, y, measures="all")
    assert (changed.k_x, changed.k_y) == (plain.k_x, plain.k_y)
    for name in VALUES:
        if name not in ("pwcca_x", "pwcca"):  # a sum of absolute values over x's own features: not rotation's
            assert getattr(changed, name) == pytest.approx(getattr(plain, name), abs=1e-7), name


@settings(deadline=None, max_examples=30)
@given(seed=seeds, scale=st.floats(1e-3, 1e3))
def test_pwcca_ignores_scale_and_shift(seed, scale):
    x, y = related(np.random.default_rng(seed))
    assert similarity(scale * x + 5, y).pwcca == pytest.approx(similarity(x, y).pwcca, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, n=st.sampled_from([10, 300]))
def test_symmetric(seed, n):
    x, y = related(np.random.default_rng(seed), n=n, d_x=20)
    there, back = similarity(x, y, measures="all"), similarity(y, x, measures="all")
    for name in ("svcca", "mean_cca", "pwcca", "cka", "cka_debiased", "procrustes"):
        assert getattr(there, name) == pytest.approx(getattr(back, name), abs=1e-9)
    assert there.pwcca_x == pytest.approx(back.pwcca_y, abs=1e-9)
    assert (there.k_x, there.k_y, there.d_x, there.d_y) == (back.k_y, back.k_x, back.d_y, back.d_x)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, n=st.sampled_from([6, 20, 300]), single=st.booleans())
def test_one_on_itself(seed, n, single):
    x, _ = related(np.random.default_rng(seed), n=n, d_x=12)
    x = x.astype(np.float32) if single else x
    np.testing.assert_allclose(all_of(x, x), 1, atol=1e-9 if not single else 1e-5)


@settings(deadline=None, max_examples=100)
@given(
    seed=seeds,
    n=st.integers(4, 40),
    d_x=st.integers(1, 30),
    d_y=st.integers(1, 30),
    rank=st.integers(1, 6),
    offset=st.sampled_from([0.0, 1e4, -1e6]),
    scale=st.sampled_from([1e-12, 1.0, 1e9]),
)
@example(seed=2, n=10, d_x=26, d_y=27, rank=3, offset=0.0, scale=1e9)  # PWCCA was 1 + 2e-16
def test_every_value_is_in_its_range_whatever_the_data(seed, n, d_x, d_y, rank, offset, scale):
    """Rank-deficient, constant and duplicated columns, n < d, offsets: finite and in range."""
    rng = np.random.default_rng(seed)
    x = scale * (rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d_x)) + offset)
    y = rng.normal(size=(n, d_y))
    y[:, ::3] = offset
    y[:, -1] = y[:, 0] = rng.normal(size=n)
    result = similarity(x, y, measures="all")
    for name in VALUES:
        low = -1 if name == "cka_debiased" else 0
        assert low <= getattr(result, name) <= 1, name
    assert 1 <= result.k_x <= min(rank, n - 1, d_x)


# --- slow twins ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    d_x=st.integers(1, 10),
    d_y=st.integers(1, 10),
    variance=st.sampled_from([0.5, 0.9, 0.99, 1.0]),
    rule=st.sampled_from(["squared", "sum"]),
)
def test_equals_the_formulas(reference, seed, d_x, d_y, variance, rule):
    x, y = related(np.random.default_rng(seed), d_x=d_x, d_y=d_y)
    result = all_of(x, y, variance=variance, rule=rule)
    np.testing.assert_allclose(result, twins(reference, x, y, variance=variance, rule=rule), atol=1e-8)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, d_x=st.integers(30, 60), d_y=st.integers(1, 60))
def test_the_gram_side_equals_the_formulas(reference, seed, d_x, d_y):
    x, y = related(np.random.default_rng(seed), n=20, d_x=d_x, d_y=d_y)
    assert gram_is_cheaper(20, d_x, d_y)
    result, expected = all_of(x, y), twins(reference, x, y)
    unique = [VALUES.index(name) for name in ("svcca", "mean_cca", "cka", "cka_debiased", "procrustes")]
    np.testing.assert_allclose(result[unique], expected[unique], atol=1e-8)
    np.testing.assert_allclose(result, expected, atol=1e-2)  # PWCCA: correlations of exactly 1 tie


@pytest.mark.parametrize(
    ("n", "d_x", "d_y"), [(1500, 112, 40), (1300, 320, 320), pytest.param(2000, 1920, 1920, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("steep", [1.0, 10**-2.5], ids=["flat", "steep"])
def test_wide_layers_equal_the_formulas(reference, n, d_x, d_y, steep):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d_x)) * np.geomspace(1, steep, d_x) + 3
    y = x[:, :d_y] @ rotation(d_y, rng) + rng.normal(size=(n, d_y)) * np.geomspace(1, steep, d_y)
    single = x.astype(np.float32), y.astype(np.float32)
    expected = twins(reference, *(side.astype(np.float64) for side in single))
    tied = n - 1 < d_x + d_y
    weighted = np.array([name.startswith("pwcca") for name in VALUES])
    for result, tolerance in (
        (similarity(*(side.astype(np.float64) for side in single), measures="all"), 1e-8),
        (similarity(*single, measures="all"), 1e-4),
        (similarity(*single), 1e-4),  # without mean CCA, whose products are float64 always
    ):
        assert any("PWCCA is not unique" in text for text in result.warnings) == tied
        got = np.array([getattr(result, name) for name in VALUES], dtype=float)
        asked = ~np.isnan(got)
        np.testing.assert_allclose(got[asked & ~weighted], expected[asked & ~weighted], atol=tolerance)
        np.testing.assert_allclose(got[asked & weighted], expected[asked & weighted], atol=1e-2 if tied else tolerance)


@pytest.mark.parametrize(("d_x", "d_y"), [(6, 6), (6, 4), (4, 6)])
def test_correlations_of_zero_do_not_upset_the_weights(reference, d_x, d_y):
    """One shared direction, the others orthogonal by construction: all but one correlation are 0."""
    rng = np.random.default_rng(0)
    q = np.linalg.qr(np.column_stack([np.ones(60), rng.normal(size=(60, 12))]))[0][:, 1:]
    x = q[:, :d_x] * np.geomspace(4, 1, d_x)
    y = np.column_stack([q[:, 0], q[:, 6 : 5 + d_y]])
    result = similarity(x, y, measures=["mean_cca", "pwcca"])
    assert result.mean_cca == pytest.approx(1 / min(d_x, d_y), abs=1e-9)
    assert 0 < result.pwcca_x < 1
    # The variates of correlation 0 may be any basis; the one that is shared weighs 1 of at least as much again.
    assert any("tie" in text for text in result.warnings)
    if d_x == d_y:  # all of x is used: left and right vectors are complete
        assert result.pwcca_y == pytest.approx(reference("similarity").pwcca(y, x), abs=0.1)


@settings(deadline=None, max_examples=20)
@given(seed=seeds, cuts=st.sets(st.integers(1, 299), max_size=5))
def test_streamed_in_any_pieces_equals_one_shot(seed, cuts):
    x, y = related(np.random.default_rng(seed))
    moments = Moments(8, 6)
    for part in np.split(np.arange(300), sorted(cuts)):
        moments.update(x[part], y[part])
    streamed = similarity_of_moments(moments, measures="all")
    np.testing.assert_allclose([getattr(streamed, name) for name in VALUES], all_of(x, y), atol=1e-10)
    assert dataclasses.asdict(similarity_of_moments(moments, measures="all")) == dataclasses.asdict(streamed)


def test_streamed_float32_products_are_as_good_as_they_say():
    x, y = related(np.random.default_rng(0))
    moments = Moments(8, 6, products="float32")
    moments.update(x, y)
    assert similarity_of_moments(moments).svcca == pytest.approx(similarity(x, y).svcca, abs=1e-4)
    with pytest.raises(ParameterError, match="mean_cca counts directions, which float32 products do not resolve"):
        similarity_of_moments(moments, measures="all")


def test_directions_lost_by_float32_products_are_told():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 40)) * np.r_[300, np.ones(39)]  # the rest has 4e-4 of the variance
    moments = Moments(40, 40, products="float32")
    moments.update(x, x + 0.1 * rng.normal(size=x.shape))
    result = similarity_of_moments(moments, measures="svcca", variance=0.9999)
    assert result.k_x < similarity(x, x, variance=0.9999).k_x
    assert any("float32 products do not resolve the directions of 0.9999 (squared)" in t for t in result.warnings)
