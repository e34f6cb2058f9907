"""Streamed moments: whole = pieces = merged, any shift, any backend; and what must not be summed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tlprobe.errors import ParameterError
from tlprobe.numerics.moments import Moments

QUARTICS = ("quartic_xx", "quartic_xy", "quartic_yy")


def sides(rng, *, n=60, d_x=5, d_y=3, offset=0.0):
    x = rng.normal(size=(n, d_x)) + offset
    return x, x[:, :d_y] + rng.normal(size=(n, d_y)) - offset


def gathered(x, y, cuts=(), **options):
    moments = Moments(x.shape[1], y.shape[1], **options)
    for part in np.split(np.arange(len(x)), sorted(cuts)):
        moments.update(x[part], y[part])
    return moments


def by_definition(x, y):
    means = {"mean_x": x.mean(0), "mean_y": y.mean(0)}
    x, y = x - x.mean(0), y - y.mean(0)
    norm_x, norm_y = (x**2).sum(1), (y**2).sum(1)
    return means | {
        "xx": x.T @ x,
        "xy": x.T @ y,
        "yy": y.T @ y,
        "quartic_xx": (norm_x**2).sum(),
        "quartic_xy": (norm_x * norm_y).sum(),
        "quartic_yy": (norm_y**2).sum(),
    }


def assert_moments(centred, expected, *, rtol):
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(centred, name), value, rtol=rtol, atol=rtol * np.abs(value).max())


seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None, max_examples=50)
@given(seed=seeds, offset=st.floats(-30, 30), cuts=st.sets(st.integers(1, 59), max_size=6))
def test_any_split_gives_the_definition(seed, offset, cuts):
    x, y = sides(np.random.default_rng(seed), offset=offset)
    centred = gathered(x, y, cuts).centred()
    assert centred.n == 60
    assert_moments(centred, by_definition(x, y), rtol=1e-10)


@settings(deadline=None, max_examples=50)
@given(seed=seeds, cut=st.integers(0, 60), apart=st.floats(-10, 10))
def test_merged_accumulators_are_one(seed, cut, apart):
    """Their shifts differ: the second half of the samples lies elsewhere."""
    x, y = sides(np.random.default_rng(seed))
    x[cut:] += apart
    first, second = Moments(5, 3), Moments(5, 3)
    first.update(x[:cut], y[:cut])
    second.update(x[cut:], y[cut:])
    first.merge(second)
    assert_moments(first.centred(), by_definition(x, y), rtol=1e-9)


def test_merging_keeps_the_other_as_it_was():
    x, y = sides(np.random.default_rng(0))
    first, second = gathered(x[:20] + 5, y[:20]), gathered(x[20:], y[20:])
    before = second.centred()
    first.merge(second)
    first.update(x[:3], y[:3])
    np.testing.assert_array_equal(second.centred().xx, before.xx)


def test_merging_needs_the_same_widths_and_precision():
    for other in (Moments(5, 4), Moments(4, 3), Moments(5, 3, products="float32")):
        with pytest.raises(ParameterError, match="do not add to"):
            Moments(5, 3).merge(other)


@pytest.mark.parametrize("without", [0, 1, 2])
def test_a_group_can_be_left_out(without):
    x, y = sides(np.random.default_rng(0), offset=3)
    group = np.arange(60) % 3
    moments = Moments(5, 3)
    for batch in np.split(np.arange(60), 4):
        for number in range(3):
            here = batch[group[batch] == number]
            moments.update(x[here], y[here], group=number)
    assert moments.groups == (0, 1, 2)
    kept = group != without
    assert_moments(moments.centred(without=without), by_definition(x[kept], y[kept]), rtol=1e-10)
    assert_moments(moments.centred(), by_definition(x, y), rtol=1e-10)


def test_groups_merge_with_their_namesakes():
    x, y = sides(np.random.default_rng(0))
    halves = []
    for half in (slice(0, 30), slice(30, 60)):
        halves.append(Moments(5, 3))
        for number in range(2):
            halves[-1].update(x[half][number::2], y[half][number::2], group=number)
    halves[0].merge(halves[1])
    assert_moments(halves[0].centred(without=1), by_definition(x[::2], y[::2]), rtol=1e-10)


def test_taking_gives_the_same_and_empties():
    x, y = sides(np.random.default_rng(0))
    moments = gathered(x, y, {20})
    expected = moments.centred()
    assert_moments(moments.take(), {"xx": expected.xx, "quartic_xy": expected.quartic_xy}, rtol=1e-15)
    assert moments.n == 0


@pytest.mark.parametrize("products", ["float32", "float64"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_tensors_are_summed_as_arrays_are(products, dtype):
    x, y = (torch.from_numpy(side).to(dtype) for side in sides(np.random.default_rng(0)))
    moments = Moments(5, 3, products=products)
    moments.update(x[:40].requires_grad_(), y[:40])
    moments.update(x[40:], y[40:])
    expected = by_definition(x.double().detach().numpy(), y.double().numpy())
    assert_moments(moments.centred(), expected, rtol=1e-12 if products == "float64" else 1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize(("products", "rtol"), [("float32", 1e-4), ("float64", 1e-10)])
def test_a_gpu_sums_what_the_cpu_sums(products, rtol):
    x, y = sides(np.random.default_rng(0), n=3000, d_x=300, d_y=200, offset=2)
    on_gpu, other = Moments(300, 200, products=products), Moments(300, 200, products=products)
    for part, moments in ((slice(0, 1000), on_gpu), (slice(1000, 2000), on_gpu), (slice(2000, 3000), other)):
        moments.update(torch.from_numpy(x[part]).cuda(), torch.from_numpy(y[part]).cuda())
    on_gpu.merge(other)
    assert_moments(on_gpu.centred(), by_definition(x, y), rtol=rtol)


def test_float32_products_lose_digits_and_float64_ones_do_not():
    x, y = (side.astype(np.float32) for side in sides(np.random.default_rng(0), n=2000))
    expected = by_definition(x.astype(float), y.astype(float))["xx"]
    errors = [np.abs(gathered(x, y, products=p).centred().xx - expected).max() for p in ("float32", "float64")]
    assert errors[1] < 1e-9 < errors[0] < 1e-2


@pytest.mark.parametrize("level", [0.1, 1e6, -3.3e-7, 1 / 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_constant_columns_have_no_variance_at_all(level, dtype):
    x = np.column_stack([np.full(30, level), np.arange(30)]).astype(dtype)
    moments = gathered(x, x, {7, 8})
    assert moments.centred().xx[0].tolist() == [0, 0]


def test_an_empty_batch_changes_nothing():
    moments = Moments(2, 2)
    moments.update(np.zeros((0, 2)), np.zeros((0, 2)))
    assert (moments.n, moments.groups) == (0, ())
    with pytest.raises(ParameterError, match=r"0 sample\(s\) have no covariance; need at least 2"):
        moments.centred()


def test_one_sample_has_no_covariance():
    moments = Moments(2, 2)
    moments.update(np.ones((1, 2)), np.ones((1, 2)))
    for finish in (moments.centred, moments.take):
        with pytest.raises(ParameterError, match=r"1 sample\(s\)"):
            finish()


@pytest.mark.parametrize(
    ("shape_x", "shape_y"), [((5, 2), (4, 3)), ((5, 3), (5, 3)), ((5, 2), (5,)), ((5, 2, 1), (5, 3))]
)
def test_wrong_shapes_are_refused(shape_x, shape_y):
    with pytest.raises(ParameterError, match=r"need \(n, 2\) and \(n, 3\)"):
        Moments(2, 3).update(np.zeros(shape_x), np.zeros(shape_y))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("after", [0, 1])
def test_values_that_cannot_be_summed_are_refused(bad, side, after):
    batch = np.random.default_rng(0).normal(size=(5, 2))
    moments = Moments(2, 2)
    for _ in range(after):
        moments.update(batch, batch)
    pair = [batch.copy(), batch.copy()]
    pair[side][3, 1] = bad
    with pytest.raises(ParameterError, match="not finite"):
        moments.update(*pair)
    assert moments.n == 5 * after  # what was gathered before still counts
    moments.update(batch + 1, batch)
    assert_moments(moments.centred(), {"yy": by_definition(batch, batch)["yy"] * (1 + after)}, rtol=1e-12)


def test_a_shift_comes_before_the_first_batch_and_a_group_must_be_there():
    x, y = sides(np.random.default_rng(0))
    moments = gathered(x, y)
    with pytest.raises(ParameterError, match="cannot start from another shift"):
        moments.start_from(x, y)
    with pytest.raises(ParameterError, match="without=7 is no group; choose from 0"):
        moments.centred(without=7)


def test_unknown_precision_is_refused():
    with pytest.raises(ParameterError, match="products='half'; choose from float32, float64"):
        Moments(2, 2, products="half")
