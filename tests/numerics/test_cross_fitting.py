"""Cross-fitting: no clip is scored by an epoch that it helped to choose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlprobe.errors import ParameterError
from tlprobe.numerics.cross_fitting import cross_fitted


def test_two_recordings_by_hand():
    """Each chooses the epoch that is best for it; the other is scored there."""
    correct = [[1, 1, 0], [0, 0, 1]]  # epoch 1 is right about recording a, epoch 2 about b
    assert cross_fitted(correct, ["a", "a", "b"]).tolist() == [0, 0, 0]
    best = max(np.mean(row) for row in correct)
    assert best == pytest.approx(2 / 3)  # which is what choosing on the scored clips would have claimed


def test_of_equal_epochs_the_first_is_chosen():
    assert cross_fitted([[1, 0], [1, 1]], ["a", "b"]).tolist() == [1, 0]  # b's half: epoch 2; a's half: a tie, epoch 1


def test_a_single_epoch_leaves_nothing_to_choose():
    correct = np.random.default_rng(0).random((1, 30)) < 0.5
    assert cross_fitted(correct, list(range(30))).tolist() == correct[0].tolist()


def test_of_equal_networks_the_best_epoch_promises_more_than_it_keeps():
    """20 epochs that all know 60 %: the best of them on 60 clips claims more, the cross-fitted score does not."""
    rng = np.random.default_rng(0)
    best, fitted = [], []
    for _ in range(200):
        correct = rng.random((20, 60)) < 0.6
        best.append(correct.mean(axis=1).max())
        fitted.append(cross_fitted(correct, range(60), n_splits=2).mean())
    assert np.mean(best) > 0.69
    assert np.mean(fitted) == pytest.approx(0.6, abs=4 * np.std(fitted) / 200**0.5)


@given(
    st.lists(st.integers(0, 5), min_size=4, max_size=30).filter(lambda groups: len(set(groups)) > 1), st.integers(0, 9)
)
def test_a_recording_never_chooses_its_own_epoch(groups, seed):
    """Epoch 1 is wrong about everything, epoch e + 1 right about recording e alone.

    Were a recording's clips in both halves, one half would choose its epoch for the other, and score.
    """
    names = sorted(set(groups))
    correct = [[False] * len(groups), *([group == name for group in groups] for name in names)]
    assert cross_fitted(correct, groups, n_splits=3, seed=seed).tolist() == [0.0] * len(groups)


@pytest.mark.parametrize(
    ("correct", "groups", "said"),
    [
        ([[1, 0]], ["a", "a"], "1 source recording cannot be halved"),
        ([[1, 0]], ["a"], r"correct has shape \(1, 2\); it must be \(n_epochs, 1 clips\)"),
        (np.zeros((0, 2)), ["a", "b"], "correct has shape"),
    ],
)
def test_bad_input_is_told(correct, groups, said):
    with pytest.raises(ParameterError, match=said):
        cross_fitted(correct, groups)
