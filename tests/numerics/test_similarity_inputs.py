"""Inputs that break naive code get the right value or a refusal that says why; and what a call may ask for."""

import contextlib
import dataclasses
import re

import numpy as np
import pytest
import torch

from tlprobe.errors import ParameterError, UndefinedError
from tlprobe.numerics.moments import Moments
from tlprobe.numerics.pairs import pair_of_moments
from tlprobe.numerics.similarity import MEASURES, similarity, similarity_of_moments

VALUES = ("svcca", "mean_cca", "pwcca_x", "pwcca_y", "pwcca", "cka", "cka_debiased", "procrustes")


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


# --- what breaks naive code ---------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 1.0, 1e6, -3.3e-7, 1 / 3])
@pytest.mark.parametrize(("n", "dtype"), [(50, np.float64), (50, np.float32), (3, np.float64)])
def test_a_constant_side_is_refused_with_the_reason(level, n, dtype):
    x = np.random.default_rng(0).normal(size=(n, 4)).astype(dtype)
    constant = np.full((n, 3), level, dtype=dtype)
    for pair, side in (((x, constant), "y"), ((constant, x), "x"), ((constant, constant), "x and y")):
        with pytest.raises(UndefinedError, match=rf"^{side} constant over all {n} samples"):
            similarity(*pair)


def test_a_side_that_varies_by_its_rounding_only_is_constant():
    noise = np.float32(1000) * (1 + np.random.default_rng(0).choice([0, 1.2e-7], size=(50, 3)))
    with pytest.raises(UndefinedError, match="y constant"):
        similarity(np.eye(50, 4, dtype=np.float32), noise.astype(np.float32))


def test_duplicated_and_constant_columns_add_nothing_and_are_told(reference):
    x, y = related(np.random.default_rng(0))
    doubled = np.column_stack([x, x, np.full(len(x), 7.0)])
    plain = similarity(x, y, variance=1.0, measures="all")
    result = similarity(doubled, y, variance=1.0, measures="all")
    assert (result.k_x, result.d_x) == (plain.k_x, 17)
    for name in ("svcca", "mean_cca", "pwcca_x", "pwcca_y", "cka", "cka_debiased", "procrustes"):
        assert getattr(result, name) == pytest.approx(getattr(plain, name), abs=1e-8), name
    assert "1 of 17 features of x are constant" in result.warnings


@pytest.mark.parametrize("n", [4, 10])
def test_fewer_samples_than_features(n):
    rng = np.random.default_rng(0)
    result = similarity(rng.normal(size=(n, 40)), rng.normal(size=(n, 30)), variance=1.0, measures="all")
    assert (result.k_x, result.k_y, result.n) == (n - 1, n - 1, n)
    assert result.svcca == pytest.approx(1, abs=1e-9)  # n - 1 directions span everything: no evidence at all
    assert any(f"{n - 1} canonical correlations are 1 whatever the data" in text for text in result.warnings)


def test_a_large_common_offset_does_not_eat_the_digits():
    x, y = related(np.random.default_rng(0))
    np.testing.assert_allclose(all_of(x + 1e6, y - 1e6), all_of(x, y), atol=1e-6)


def test_a_first_part_unlike_the_rest_does_not_eat_the_digits(reference):
    """Sums run around typical values of all rows, not of the first block."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9000, 5)), rng.normal(size=(9000, 4))
    x[:2048] += 300
    single = x.astype(np.float32), y.astype(np.float32)
    expected = reference("similarity").svcca(*(side.astype(float) for side in single))[0]
    assert similarity(*single).svcca == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("n", [2, 3])
def test_debiased_cka_needs_four_samples(n):
    x = np.random.default_rng(0).normal(size=(n, 2))
    with pytest.raises(UndefinedError, match=f"debiased CKA needs at least 4 samples; {n} given"):
        similarity(x, x)
    assert similarity(x, x, measures="cka").cka == pytest.approx(1)


def test_debiased_cka_of_equally_distant_samples_is_refused():
    with pytest.raises(UndefinedError, match="samples of x are all equally far from each other"):
        similarity(np.eye(6), np.random.default_rng(0).normal(size=(6, 2)))


def test_few_directions_and_few_samples_are_told():
    rng = np.random.default_rng(0)
    x = np.outer(rng.normal(size=30), [1, 2, 3, 4]) + 1e-3 * rng.normal(size=(30, 4))
    texts = similarity(x, rng.normal(size=(30, 4))).warnings
    assert any("n / d = 7.5 < 10" in text for text in texts)
    assert "SVCCA rests on 1 direction(s)" in texts
    assert similarity(rng.normal(size=(400, 4)), rng.normal(size=(400, 5))).warnings == ()


@pytest.mark.parametrize(
    "exponent", [-300, -160, -90, -82, -40, -25, -22, -10, 0, 10, 12, 13, 18, 36, 80, 100, 160, 300]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [300, 6])
@pytest.mark.parametrize("measures", ["all", "cka", "cka_debiased", ("svcca", "pwcca", "cka", "cka_debiased")])
def test_any_scale_gives_the_same_values_or_a_refusal(exponent, dtype, n, measures):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 8))
    y = x[:, :4] + rng.normal(size=(n, 4))
    expected = similarity(x, y, measures=measures)
    with np.errstate(over="ignore", under="ignore"):
        scaled = (x * 10.0**exponent).astype(dtype)
    fits = 1e-10 <= 10.0**exponent <= 1e10
    reasons = "too large|too little|too much|not finite|constant"
    with contextlib.nullcontext() if fits else contextlib.suppress(ParameterError):
        try:
            result = similarity(scaled, y.astype(dtype), measures=measures)
        except ParameterError as error:
            if not re.search(reasons, str(error)):
                raise AssertionError(f"no reason: {error}") from error
            raise
        for name in VALUES:
            if getattr(expected, name) is not None:
                assert getattr(result, name) == pytest.approx(getattr(expected, name), abs=1e-4), name


@pytest.mark.parametrize("smallest", [1e-1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("options", [{}, {"variance": 1.0}, {"rule": "sum"}])
def test_a_steep_spectrum_in_float32(smallest, options):
    """1 on itself, and as in float64: where float32 products do not resolve the directions, they are not used."""
    rng = np.random.default_rng(0)
    d = 40
    x = rng.normal(size=(4000, d)) * np.r_[1.0, np.full(d - 1, smallest)] @ np.linalg.qr(rng.normal(size=(d, d)))[0]
    single = x.astype(np.float32)
    noisy = (x + smallest * rng.normal(size=x.shape)).astype(np.float32)
    same = similarity(single, single.copy(), **options)
    assert [same.svcca, same.pwcca, same.cka, same.cka_debiased] == pytest.approx([1] * 4, abs=1e-4)
    wide = similarity(single.astype(float), noisy.astype(float), **options)
    narrow = similarity(single, noisy, **options)
    for name in ("svcca", "pwcca", "cka", "cka_debiased"):
        assert getattr(narrow, name) == pytest.approx(getattr(wide, name), abs=1e-4), name


def test_constant_features_in_float32():
    """They are no reason for float64 products, and no directions."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 20))
    y = x @ rng.normal(size=(20, 20)) + rng.normal(size=x.shape)
    x[:, 5], y[:, [0, 7]] = 0.1, 0
    single = x.astype(np.float32), y.astype(np.float32)
    wide, narrow = (similarity(*(side.astype(kind) for side in single), variance=1.0) for kind in (float, np.float32))
    assert (narrow.k_x, narrow.k_y) == (wide.k_x, wide.k_y) == (19, 18)
    for name in ("svcca", "pwcca_x", "pwcca_y", "cka", "cka_debiased"):
        assert getattr(narrow, name) == pytest.approx(getattr(wide, name), abs=1e-5), name
    assert {"1 of 20 features of x are constant", "2 of 20 features of y are constant"} <= set(narrow.warnings)


@pytest.mark.parametrize("loud", [3e2, 3e3, 3e4])
@pytest.mark.parametrize("rows", [[7], slice(3, None, 19)])
def test_rows_unlike_the_others_in_float32(loud, rows):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8000, 30))
    x[rows] *= loud
    y = x @ rng.normal(size=(30, 30)) + rng.normal(size=x.shape)
    single = x.astype(np.float32), y.astype(np.float32)
    wide, narrow = (similarity(*(side.astype(kind) for side in single)) for kind in (np.float64, np.float32))
    for name in ("svcca", "pwcca", "cka", "cka_debiased"):
        assert getattr(narrow, name) == pytest.approx(getattr(wide, name), abs=1e-4), name


@pytest.mark.parametrize(("level", "signal", "dtype"), [(1000, 1e-4, np.float32), (1e6, 1e-10, np.float64)])
@pytest.mark.parametrize("n", [300, 3])
def test_a_constant_feature_does_not_make_a_small_one_constant(level, signal, dtype, n):
    rng = np.random.default_rng(0)
    x = signal * rng.normal(size=(n, 4))
    with_constant = np.column_stack([np.full(n, level), x]).astype(dtype)
    y = (x / signal + rng.normal(size=(n, 4))).astype(dtype)
    expected = similarity(x.astype(dtype), y, measures="svcca").svcca
    assert similarity(with_constant, y, measures="svcca").svcca == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("offset", [1e3, 1e7, 1e8])
def test_float64_activations_keep_their_digits_in_float32_products(offset):
    x, y = related(np.random.default_rng(0))
    moments = Moments(8, 6, products="float32")
    moments.update(x + offset, y)
    assert similarity_of_moments(moments).svcca == pytest.approx(similarity(x, y).svcca, abs=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_a_side_that_varies_in_one_group_only_is_constant_without_it(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(60, 4)), np.full((60, 3), 0.1)
    y[:20] += rng.normal(size=(20, 3))
    moments = Moments(4, 3)
    for group in range(3):
        rows = slice(20 * group, 20 * group + 20)
        moments.update(x[rows], y[rows], group=group)
    assert pair_of_moments(moments.centred(), ("svcca",)).varies_y
    assert not pair_of_moments(moments.centred(without=0), ("svcca",)).varies_y


def test_weights_that_are_not_unique_are_told_of_sides_of_unequal_width():
    """The second correlation is 0, as are those of the six variates of x that y has no partner for."""
    rng = np.random.default_rng(0)
    q = np.linalg.qr(np.column_stack([np.ones(400), rng.normal(size=(400, 9))]))[0][:, 1:]
    result = similarity(q[:, :8] * np.geomspace(3, 1, 8), np.column_stack([q[:, 0], q[:, 8]]), measures="pwcca")
    assert "PWCCA is not unique: canonical correlations tie" in result.warnings


# --- the call -----------------------------------------------------------------------------------------


def test_only_what_is_asked_for_is_there():
    x, y = related(np.random.default_rng(0))
    for name in MEASURES:
        result = dataclasses.asdict(similarity(x, y, measures=name))
        there = {field for field in (*VALUES, "k_x", "k_y") if result[field] is not None}
        expected = {"svcca": {"svcca", "k_x", "k_y"}, "pwcca": {"pwcca_x", "pwcca_y", "pwcca"}}
        assert there == expected.get(name, {name})
    default = similarity(x, y)
    assert default.mean_cca is default.procrustes is None
    assert None not in (default.svcca, default.pwcca, default.cka, default.cka_debiased)


def test_arrays_and_tensors_mix():
    x, y = related(np.random.default_rng(0))
    expected = all_of(x, y)
    np.testing.assert_allclose(all_of(torch.from_numpy(x), y), expected, atol=1e-12)
    np.testing.assert_allclose(all_of(x.tolist(), torch.from_numpy(y).requires_grad_()), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.bool, torch.float16, torch.bfloat16])
def test_other_types_are_taken_at_their_value(dtype):
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 2, size=(50, 3))).to(dtype)
    y = np.random.default_rng(1).normal(size=(50, 2))
    expected = similarity(x.double(), y).svcca
    assert similarity(x, y).svcca == pytest.approx(expected, abs=1e-6)
    if dtype is not torch.bfloat16:
        assert similarity(x.numpy(), y).svcca == pytest.approx(expected, abs=1e-6)


def test_large_whole_numbers_keep_their_digits():
    x = torch.arange(50)[:, None] ** 2 + 2**40
    assert similarity(x, torch.arange(50)[:, None] ** 2, measures="cka").cka == pytest.approx(1)


@pytest.mark.parametrize(
    "bad",
    [
        np.ones((5, 2), complex),
        np.full((5, 2), "a"),
        [[1.0], [1.0, 2.0]],
        np.ma.masked_array(np.ones((5, 2)), mask=np.eye(5, 2)),
        None,
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused(bad):
    with pytest.raises(ParameterError, match="activations"):
        similarity(bad, np.eye(5))


def test_the_callers_arrays_stay_as_they_are():
    for dtype, n in ((np.float32, 300), (np.float64, 300), (np.float64, 5)):
        x, y = (side.astype(dtype) for side in related(np.random.default_rng(0), n=n))
        kept = x.copy(), y.copy()
        x.flags.writeable = y.flags.writeable = False
        similarity(x, y, measures="all")
        similarity(x[::-1, ::2], np.asfortranarray(y)[::-1], measures="all")
        np.testing.assert_array_equal(x, kept[0])
        np.testing.assert_array_equal(y, kept[1])


@pytest.mark.gpu
@pytest.mark.parametrize(("n", "d"), [(3000, 200), (50, 200)])
def test_tensors_on_a_gpu(n, d):
    x, y = (side.astype(np.float32) for side in related(np.random.default_rng(0), n=n, d_x=d, d_y=d))
    on_gpu = torch.from_numpy(x).cuda(), torch.from_numpy(y).cuda()
    np.testing.assert_allclose(all_of(*on_gpu), all_of(x, y), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"measures": "rsa"}, "measures='rsa'; choose from svcca, mean_cca, pwcca, cka, cka_debiased, procrustes, all"),
        ({"measures": ()}, "measures is empty"),
        ({"rule": "cubed"}, "rule='cubed'; choose from squared, sum"),
        *(({"variance": value}, "need 0 < variance <= 1") for value in (0.0, -1.0, 1.1, np.nan)),
    ],
)
def test_impossible_choices_are_refused(options, text):
    with pytest.raises(ParameterError, match=text.replace("(", r"\(")):
        similarity(np.eye(5), np.eye(5), **options)


@pytest.mark.parametrize(
    ("x", "y", "text"),
    [
        (np.zeros((5, 2)), np.zeros((4, 2)), r"shapes \(5, 2\) and \(4, 2\)"),
        (np.zeros(5), np.zeros((5, 2)), r"shapes \(5,\)"),
        (np.zeros((5, 0)), np.zeros((5, 2)), r"shapes \(5, 0\)"),
        (np.zeros((1, 2)), np.zeros((1, 2)), r"1 sample\(s\) have no covariance"),
        (np.full((50, 2), np.nan), np.eye(50), "not finite"),
        (np.full((5, 9), np.inf), np.eye(5), "not finite"),
        (np.full((500, 2), np.inf, np.float32), np.eye(500, 2, dtype=np.float32), "not finite"),
    ],
)
def test_impossible_activations_are_refused(x, y, text):
    with pytest.raises(ParameterError, match=text):
        similarity(x, y)
