"""The null: whole clips move, everything else stays; against plain recomputation and against theory."""

import itertools
from collections import Counter

import numpy as np
import pytest

from tlprobe.errors import ParameterError
from tlprobe.numerics.permutation import derangement, permutation_null
from tlprobe.numerics.seeds import derive_seed
from tlprobe.numerics.similarity import MEASURES, similarity


def clips(rng, *, n_clips=40, n_positions=6, d_x=9, d_y=7, shared=0.0):
    x = rng.normal(size=(n_clips, n_positions, d_x)) * np.geomspace(2, 0.3, d_x)
    y = rng.normal(size=(n_clips, n_positions, d_y)) + x[..., :d_y]
    profile = rng.normal(size=(1, n_positions, 1))  # the same in all clips
    return (x + shared * profile).astype(np.float32), (y + shared * profile).astype(np.float32)


@pytest.mark.parametrize(
    "shape", [{}, {"n_clips": 12, "n_positions": 1, "d_x": 30, "d_y": 20}], ids=["features", "gram"]
)
@pytest.mark.parametrize("measures", [("svcca",), MEASURES], ids=["svcca", "all"])
def test_equals_similarity_of_rows_that_were_permuted(shape, measures):
    x, y = clips(np.random.default_rng(0), **shape)
    null = permutation_null(x, y, measures, n_permutations=3, seed=5).values
    for number in range(3):
        order = derangement(len(x), seed=derive_seed(5, "permutation", number))
        moved = y[order].reshape(-1, y.shape[2]).astype(float)
        plain = similarity(x.reshape(-1, x.shape[2]).astype(float), moved, measures=measures)
        names = [name for name in null if name not in ("pwcca", "pwcca_x", "pwcca_y") or shape == {}]
        assert {"svcca"} <= set(names)
        for name in names:
            assert null[name][number] == pytest.approx(getattr(plain, name), abs=1e-5), name


def test_no_null_where_a_side_is_constant():
    x, y = clips(np.random.default_rng(0))
    null = permutation_null(x, np.ones_like(y), MEASURES, n_permutations=2, seed=0)
    assert (null.values, null.observed) == ({}, {})


@pytest.mark.parametrize("n_positions", [40, 10, 4, 1])
@pytest.mark.parametrize("name", ["svcca", "cka"])
def test_unrelated_clips_are_nothing_above_their_null_however_few_the_rows(n_positions, name):
    """A null of few rows is high, and so is the value on the same rows: their difference is not."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(50, 40, 20)).astype(np.float32)[:, :n_positions] for _ in range(2))
    null = permutation_null(x, y, (name,), n_permutations=20, seed=0)
    assert null.n == 50 * n_positions
    corrected = (null.observed[name] - null.values[name].mean()) / (1 - null.values[name].mean())
    assert abs(corrected) < 4 * null.values[name].std() / (1 - null.values[name].mean())
    assert null.observed[name] == pytest.approx(
        getattr(similarity(x.reshape(-1, 20), y.reshape(-1, 20), measures=name), name), abs=1e-5
    )


def test_few_clips_have_few_permutations():
    x, y = clips(np.random.default_rng(0), n_clips=3)
    assert permutation_null(x, y, ("svcca",), n_permutations=20, seed=0).n_different == 2
    x, y = clips(np.random.default_rng(0), n_clips=30)
    assert permutation_null(x, y, ("svcca",), n_permutations=20, seed=0).n_different == 20


def test_independent_gaussians_score_their_analytic_value():
    """0.85 sqrt(d / n) for SVCCA of all directions, 0 for debiased CKA."""
    rng = np.random.default_rng(0)
    d, n_clips, n_positions = 40, 500, 8
    x, y = (rng.normal(size=(n_clips, n_positions, d)).astype(np.float32) for _ in range(2))
    null = permutation_null(x, y, ("svcca", "cka_debiased"), n_permutations=20, seed=0, variance=1.0).values
    expected = 8 / (3 * np.pi) * np.sqrt(d / (n_clips * n_positions))
    assert null["svcca"].mean() == pytest.approx(expected, rel=0.03)
    assert abs(null["cka_debiased"].mean()) < 3e-3


def test_what_all_clips_share_stays_in_the_null():
    rng = np.random.default_rng(0)
    with_profile = permutation_null(*clips(rng, shared=20), ("cka",), n_permutations=5, seed=0).values["cka"]
    without = permutation_null(*clips(rng), ("cka",), n_permutations=5, seed=0).values["cka"]
    assert with_profile.min() > 0.9
    assert without.max() < 0.3


def test_the_same_seed_gives_the_same_null():
    x, y = clips(np.random.default_rng(0))
    first, second, other = (
        permutation_null(x, y, ("svcca",), n_permutations=4, seed=s).values["svcca"] for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert len(set(first)) == 4


def test_all_derangements_are_equally_likely():
    possible = [order for order in itertools.permutations(range(4)) if all(i != o for i, o in enumerate(order))]
    counts = Counter(tuple(derangement(4, seed=seed)) for seed in range(9 * 200))
    assert set(counts) == set(possible)
    assert max(counts.values()) < 2 * min(counts.values())


def test_one_clip_has_no_null():
    with pytest.raises(ParameterError, match=r"1 clip\(s\) cannot be permuted; need at least 2"):
        permutation_null(np.ones((1, 3, 2)), np.ones((1, 3, 2)), ("svcca",), n_permutations=1, seed=0)
    with pytest.raises(ParameterError, match=r"need \(n_clips, n_positions, d\)"):
        permutation_null(np.ones((2, 3, 2)), np.ones((2, 4, 2)), ("svcca",), n_permutations=1, seed=0)
