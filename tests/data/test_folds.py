from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlprobe.data.folds import stratified_folds
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
