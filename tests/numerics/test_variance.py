"""Variance components: by hand where a table is small, by simulation where the true ones are known."""

import math

import numpy as np
import pytest
from scipy import stats

from tlprobe.errors import ParameterError
from tlprobe.numerics.variance import spread, t_interval, variance_components

NAMES = ("fold", "seed", "fold_by_seed", "clip", "residual")


def long(table, fold_of):
    """A table of clips by seeds in long format."""
    n_clips, n_seeds = table.shape
    rows = [(table[c, s], fold_of[c], s, c) for c in range(n_clips) for s in range(n_seeds)]
    return [list(column) for column in zip(*rows, strict=True)]


def simulate(rng, sizes, n_seeds, sd):
    fold_of = np.repeat(np.arange(len(sizes)), sizes)
    fold = sd["fold"] * rng.standard_normal(len(sizes))
    seed = sd["seed"] * rng.standard_normal(n_seeds)
    cell = sd["fold_by_seed"] * rng.standard_normal((len(sizes), n_seeds))
    clip = sd["clip"] * rng.standard_normal(len(fold_of))
    noise = sd["residual"] * rng.standard_normal((len(fold_of), n_seeds))
    return fold[fold_of][:, None] + seed + cell[fold_of] + clip[:, None] + noise, fold_of


@pytest.mark.parametrize("sizes", [(6, 6, 6, 6), (3, 9, 5, 7)])
def test_the_estimates_are_unbiased(sizes):
    """Before the cut at 0 they would be exactly so; with these spreads few are cut."""
    sd = {"fold": 2.0, "seed": 1.5, "fold_by_seed": 1.0, "clip": 1.0, "residual": 0.7}
    rng = np.random.default_rng(0)
    found = []
    for _ in range(600):
        parts = variance_components(*long(*simulate(rng, sizes, 6, sd)))
        found.append([getattr(parts, name) for name in NAMES])
    means, errors = np.mean(found, axis=0), np.std(found, axis=0) / 600**0.5
    for name, mean, error in zip(NAMES, means, errors, strict=True):
        assert mean == pytest.approx(sd[name] ** 2, abs=4 * error), name


def test_clips_alone_by_hand():
    """Every seed agrees about every clip: all variance is of clips; 0, 1 in each fold have variance 1/2."""
    parts = variance_components(*long(np.array([[0, 0], [1, 1], [0, 0], [1, 1]]), [0, 0, 1, 1]))
    assert parts.clip == pytest.approx(0.5)
    assert parts.residual == pytest.approx(0)
    assert (parts.seed, parts.fold_by_seed, parts.fold) == (0, 0, 0)
    assert parts.negative == ("fold",)  # equal fold means are less than clips would make by chance: -1/4
    assert (parts.n_folds, parts.n_seeds, parts.n_clips) == (2, 2, 4)


def test_seeds_alone_by_hand():
    """One seed is right about everything, the other about nothing: the variance of 0 and 1 is 1/2."""
    parts = variance_components(*long(np.array([[0, 1]] * 4), [0, 0, 1, 1]))
    assert parts.seed == pytest.approx(0.5)
    assert parts.clip == parts.fold == parts.fold_by_seed == 0
    assert parts.residual == pytest.approx(0)


def test_what_a_design_cannot_tell_is_not_told():
    table = np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    one_fold = variance_components(*long(table, [0, 0, 0, 0]))
    assert one_fold.fold is None
    assert one_fold.fold_by_seed is None
    assert one_fold.clip is not None
    by_seed = variance_components(*long(np.array([[0, 1]] * 4), [0] * 4))
    assert by_seed.seed == pytest.approx(0.5)
    one_seed = variance_components(*long(table[:, :1], [0, 0, 1, 1]))
    assert (one_seed.seed, one_seed.fold_by_seed, one_seed.clip) == (None, None, None)
    assert one_seed.residual == pytest.approx(0.5)


def test_an_unbalanced_design_is_told_with_what_is_missing():
    correct, fold, seed, clip = long(np.zeros((4, 2)), [0, 0, 1, 1])
    with pytest.raises(
        ParameterError, match="fold 1, seed 1: clip 3 is scored 0 times; every seed has to score the same"
    ):
        variance_components(correct[:-1], fold[:-1], seed[:-1], clip[:-1])
    keep = [(f, s) != (1, 1) for f, s in zip(fold, seed, strict=True)]
    parts = [
        [value for value, kept in zip(column, keep, strict=True) if kept] for column in (correct, fold, seed, clip)
    ]
    with pytest.raises(ParameterError, match="fold 1, seed 1: no run; every fold needs every seed"):
        variance_components(*parts)
    for twice in (correct, fold, seed, clip):
        twice.append(twice[0])
    with pytest.raises(ParameterError, match="fold 0, seed 0: clip 0 is scored 2 times"):
        variance_components(np.array(correct), np.array(fold), np.array(seed), np.array(clip))
    with pytest.raises(ParameterError, match="need at least 2 in one of them"):
        variance_components([1, 0], [0, 1], [0, 0], [0, 1])


def test_spread_and_its_interval():
    assert spread([0.5, 0.75, 1.0]).sd == 0.25
    assert math.isnan(spread([0.5]).sd)
    values = [0.80, 0.84, 0.82, 0.86, 0.83]
    expected = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert t_interval(values) == pytest.approx(expected)
    with pytest.raises(ParameterError, match=r"4 value\(s\) given; no interval over fewer than 5"):
        t_interval(values[:4])
    with pytest.raises(ParameterError, match="have no spread"):
        spread([])
