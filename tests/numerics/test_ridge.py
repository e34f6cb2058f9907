"""The linear probe: its left-out errors are those of fits without the recording, and it chooses by them."""

import numpy as np
import pytest

from tlprobe.errors import ParameterError, UndefinedError
from tlprobe.numerics.ridge import PENALTIES, RidgeProbe


@pytest.fixture(scope="module")
def twin(reference):
    return reference("transferability")


def drawn(n=48, d=5, *, apart=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return rng.normal(size=(n, d)) * [10.0**k for k in range(d)] + apart * np.eye(d)[labels] * 100, labels


@pytest.mark.parametrize("sizes", ["single", "pairs", "mixed"])
@pytest.mark.parametrize("d", [5, 60])
def test_left_out_errors_are_those_of_fits_without_the_recording(d, sizes, twin):
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(48, d)), np.arange(48) % 3
    groups = {"single": range(48), "pairs": np.arange(48) // 2, "mixed": np.arange(48) ** 2 // 97}[sizes]
    probe = RidgeProbe(features, list(groups))
    for penalty in (PENALTIES[2], 1.0, PENALTIES[-1]):
        expected = twin.left_out_error(features, labels, list(groups), penalty)
        assert probe.left_out_error(labels, penalty) == pytest.approx(expected, rel=1e-9)


def test_the_penalty_of_the_least_error_is_taken():
    features, labels = drawn()
    probe = RidgeProbe(features, list(range(48)))
    errors = [probe.left_out_error(labels, penalty) for penalty in PENALTIES]
    assert probe.fit(labels).penalty == PENALTIES[int(np.argmin(errors))]


def test_clips_of_one_recording_do_not_vouch_for_each_other():
    # A fingerprint of the recording, in many features: with single clips left out, it seems to tell the class.
    rng = np.random.default_rng(0)
    groups, labels = np.arange(60) // 2, rng.integers(3, size=30).repeat(2)
    features = rng.normal(size=(30, 40))[groups] + 0.01 * rng.normal(size=(60, 40))
    by_recording = RidgeProbe(features, groups.tolist()).fit(labels).penalty
    assert by_recording > 100 * RidgeProbe(features, list(range(60))).fit(labels).penalty


def test_it_is_the_solution_of_ridge_regression():
    features, labels = drawn()
    fitted = RidgeProbe(features, list(range(48))).fit(labels)
    x = (features - features.mean(0)) / features.std(0)
    y = np.eye(3)[labels]
    w = np.linalg.solve(x.T @ x + 48 * fitted.penalty * np.eye(5), x.T @ (y - y.mean(0)))
    np.testing.assert_allclose(fitted.weights, w, atol=1e-10)
    assert fitted.predict(features).tolist() == (x @ w + y.mean(0)).argmax(1).tolist()


def test_scale_and_dead_features_change_no_answer():
    features, labels = drawn()
    new = drawn(seed=1)[0]
    answers = RidgeProbe(features, list(range(48))).fit(labels).predict(new)
    dead = np.ones((48, 2)) * [0, 3.7]
    scaled = RidgeProbe(np.column_stack([features * 1e-4, dead]), list(range(48))).fit(labels)
    assert scaled.predict(np.column_stack([new * 1e-4, dead + 1])).tolist() == answers.tolist()


def test_it_knows_the_classes_that_it_has_seen():
    features, labels = drawn(apart=1e6)
    named = np.array([2, 10, 9])[labels]  # as text, 10 comes first
    assert (RidgeProbe(features, list(range(48))).fit(named).predict(features) == named).all()


def test_what_cannot_be_fitted_is_refused():
    features, labels = drawn()
    with pytest.raises(ParameterError, match=r"48 clips of 1 recording\(s\); need at least 2 to leave one out"):
        RidgeProbe(features, ["a"] * 48)
    with pytest.raises(UndefinedError, match="all 5 features are constant"):
        RidgeProbe(np.ones((48, 5)), list(range(48)))
    with pytest.raises(UndefinedError, match="a score needs at least 2 classes"):
        RidgeProbe(features, list(range(48))).fit(labels * 0)
