from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlprobe.data.folds import group_folds, stratified_folds
from tlprobe.errors import DataError, ParameterError


@settings(deadline=None, max_examples=50)
@given(
    counts=st.lists(st.integers(3, 30), min_size=1, max_size=6),
    n_folds=st.integers(2, 3),
    seed=st.integers(0, 2**32),
)
def test_each_class_and_the_whole_are_dealt_out_evenly(counts, n_folds, seed):
    labels = [f"c{k}" for k, count in enumerate(counts) for _ in range(count)]
    folds = stratified_folds(labels, n_folds=n_folds, seed=seed)
    assert set(folds.tolist()) == set(range(1, n_folds + 1))
    whole = Counter(folds.tolist()).values()
    assert max(whole) - min(whole) <= 1
    for name in set(labels):
        per_fold = Counter(int(f) for f, label in zip(folds, labels, strict=True) if label == name)
        assert len(per_fold) == n_folds
        assert max(per_fold.values()) - min(per_fold.values()) <= 1


def test_seed_decides():
    labels = ["a"] * 20 + ["b"] * 20
    same = stratified_folds(labels, seed=3)
    np.testing.assert_array_equal(same, stratified_folds(labels, seed=3))
    assert (same != stratified_folds(labels, seed=4)).any()


def test_small_class_is_refused():
    with pytest.raises(DataError, match="class 'b' has 4 clips, fewer than the 5 folds"):
        stratified_folds(["a"] * 5 + ["b"] * 4)
    with pytest.raises(ParameterError, match="n_folds=1"):
        stratified_folds(["a"] * 5, n_folds=1)


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.integers(1, 8), min_size=12, max_size=60),
    n_folds=st.integers(2, 4),
    seed=st.integers(0, 2**32),
)
def test_a_group_is_in_one_fold_and_folds_are_as_even_as_groups_allow(sizes, n_folds, seed):
    groups = [f"g{k}" for k, size in enumerate(sizes) for _ in range(size)]
    labels = [f"c{k % 3}" for k, size in enumerate(sizes) for _ in range(size)]
    folds = group_folds(labels, groups, n_folds=n_folds, seed=seed)
    assert all(len({int(f) for f, g in zip(folds, groups, strict=True) if g == name}) == 1 for name in set(groups))
    for name in set(labels):
        per_fold = Counter(int(f) for f, label in zip(folds, labels, strict=True) if label == name)
        largest = max(size for k, size in enumerate(sizes) if f"c{k % 3}" == name)
        assert len(per_fold) == n_folds
        assert max(per_fold.values()) - min(per_fold.values()) <= largest  # the emptiest gets the next
    np.testing.assert_array_equal(folds, group_folds(labels, groups, n_folds=n_folds, seed=seed))


@settings(deadline=None, max_examples=25)
@given(counts=st.lists(st.integers(3, 30), min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_of_clips_that_are_their_own_groups_each_class_is_dealt_evenly(counts, seed):
    labels = [f"c{k}" for k, count in enumerate(counts) for _ in range(count)]
    folds = group_folds(labels, [str(i) for i in range(len(labels))], n_folds=3, seed=seed)
    for name in set(labels):
        per_fold = Counter(int(f) for f, label in zip(folds, labels, strict=True) if label == name)
        assert max(per_fold.values()) - min(per_fold.values()) <= 1


def test_the_order_of_clips_plays_no_role_for_groups():
    labels, groups = ["a"] * 12 + ["b"] * 12, [f"g{k // 2}" for k in range(24)]
    folds = dict(zip(groups, group_folds(labels, groups, n_folds=3).tolist(), strict=True))
    turned = group_folds(labels[::-1], groups[::-1], n_folds=3).tolist()
    assert dict(zip(groups[::-1], turned, strict=True)) == folds
    assert dict(zip(groups, group_folds(labels, groups, n_folds=3, seed=1).tolist(), strict=True)) != folds


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match="class 'b' has clips of 2 groups, fewer than the 3 folds"):
        group_folds(["a", "a", "a", "b", "b", "b"], ["1", "2", "3", "4", "4", "5"], n_folds=3)
    with pytest.raises(ParameterError, match="n_folds=1"):
        group_folds(["a"], ["1"], n_folds=1)
