"""LogME, H-score and LEEP: by hand, against their formulas, unmoved by what must not matter, and how sure they are."""

import math

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from tlprobe.errors import ParameterError, UndefinedError
from tlprobe.numerics.clip_scores import ClipScore, bootstrap_means, relabelled
from tlprobe.numerics.h_score import HScore
from tlprobe.numerics.leep import leep
from tlprobe.numerics.logme import LogME
from tlprobe.numerics.resampling import cluster_bootstrap

SHAPES = [(40, 6), (40, 39), (30, 60)]  # few features, nearly as many as clips, more


@pytest.fixture(scope="module")
def twin(reference):
    return reference("transferability")


def drawn(n, d, *, n_classes=4, seed=0, apart=0.6):
    """Return features whose class means are apart, of unequal spread and not centred, and labels."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(n_classes, d)) * apart
    labels = rng.integers(n_classes, size=n)
    labels[:n_classes] = np.arange(n_classes)
    return (centres[labels] + rng.normal(size=(n, d)) + 1) * np.arange(1, d + 1) ** -0.4, labels


def probabilities(n, n_source, *, seed=0, n_classes=4):
    features, labels = drawn(n, n_source, n_classes=n_classes, seed=seed, apart=1.0)
    p = np.exp(2 * features)
    return p / p.sum(1, keepdims=True), labels


def scores(features, labels):
    return {"logme": LogME(features).score(labels), "h_score": HScore(features).score(labels)}


@pytest.mark.parametrize("shape", SHAPES)
def test_logme_is_the_greatest_evidence(shape, twin):
    features, labels = drawn(*shape)
    value = LogME(features).score(labels).value
    assert value == pytest.approx(twin.logme_by_search(features, labels), abs=1e-6)


def test_logme_is_the_fixed_point_of_the_paper(twin):
    features, labels = drawn(60, 8)
    assert LogME(features).score(labels).value == pytest.approx(twin.logme_by_iteration(features, labels), abs=1e-9)


def test_logme_by_hand():
    # One feature that is 1 for every clip: F'F = n, so the fit is m = share / (1 + t / n), and with t -> the maximum
    # beta = n / (|y|^2 - n share^2 / (1 + t / n)); balanced, both classes have the same evidence.
    n, y = 4, 2.0
    t = np.exp(np.linspace(-20, 20, 400_001))
    left = y - y**2 / (n + t)
    evidence = n / 2 * (np.log(n / (2 * math.pi * left)) - 1) + 0.5 * np.log(t / (n + t))
    features = np.column_stack([np.ones(4), [0, 1e-13, 0, 1e-13]])  # not all constant, but as good as
    assert LogME(features).score([0, 0, 1, 1]).value == pytest.approx(evidence.max() / n, abs=1e-8)


@pytest.mark.parametrize("shape", SHAPES)
def test_h_score_is_that_of_the_formula(shape, twin):
    features, labels = drawn(*shape)
    assert HScore(features).score(labels).value == pytest.approx(twin.h_score(features, labels), rel=1e-9)
    assert HScore(features).shrinkage == pytest.approx(LedoitWolf().fit(features).shrinkage_, rel=1e-9)
    plain = HScore(features, shrinkage=0).score(labels).value
    assert plain == pytest.approx(twin.h_score(features, labels, shrinkage=0), rel=1e-6)


def test_h_score_by_hand():
    # Class means -1 and 1 around 0, within-class variance 3: 1 / (1 + 3).
    spread = math.sqrt(3)
    features = [[-1 - spread], [-1 + spread], [1 - spread], [1 + spread]]
    assert HScore(features).score(["a", "a", "b", "b"]).value == pytest.approx(0.25)
    assert HScore(features).shrinkage == 0  # of one feature there is nothing to shrink towards


def test_h_score_of_chance_features_is_as_large_as_their_number_says():
    n, d, n_classes = 200, 40, 5
    labels = np.repeat(np.arange(n_classes), n // n_classes)
    found = [
        HScore(np.random.default_rng(seed).normal(size=(n, d)), shrinkage=0).score(labels).value for seed in range(40)
    ]
    assert np.mean(found) == pytest.approx(d * (n_classes - 1) / (n - 1), rel=0.05)


def test_leep_is_that_of_the_formula(twin):
    p, labels = probabilities(50, 12)
    assert leep(p, labels).value == pytest.approx(twin.leep(p, labels), rel=1e-12)


def test_leep_by_hand():
    # Of source class 0 come two dogs and a cat, so a dog there is named with 2/3; the fourth clip is alone.
    p = [[1, 0], [1, 0], [1, 0], [0, 1]]
    expected = (2 * math.log(2 / 3) + math.log(1 / 3) + 0) / 4
    assert leep(p, ["dog", "dog", "cat", "cat"]).value == pytest.approx(expected)


def test_leep_of_a_network_that_always_says_the_same_is_the_entropy_of_the_labels():
    assert leep(np.full((8, 5), 0.2), [0, 0, 1, 1] * 2).value == pytest.approx(-math.log(2))


@pytest.mark.parametrize("shape", SHAPES)
def test_rotation_and_scale_change_nothing(shape):
    features, labels = drawn(*shape)
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(shape[1], shape[1])))[0]
    for name, score in scores(7 * features @ rotation, labels).items():
        before = scores(features, labels)[name]
        assert score.value == pytest.approx(before.value, rel=1e-7)
        np.testing.assert_allclose(score.contributions, before.contributions, rtol=1e-4, atol=1e-6)


def test_names_and_order_of_clips_change_nothing():
    features, labels = drawn(40, 6)
    named = np.array(["zebra", "ant", "cow", "bee"])[labels]
    order = np.random.default_rng(0).permutation(40)
    p, of_p = probabilities(40, 12)
    for name, score in scores(features[order], named[order]).items():
        before = scores(features, labels)[name]
        assert score.value == pytest.approx(before.value, rel=1e-12)
        np.testing.assert_allclose(score.contributions, before.contributions[order], rtol=1e-7)
    np.testing.assert_allclose(leep(p[order], of_p[order]).contributions, leep(p, of_p).contributions[order])


def test_classes_that_are_apart_score_more_and_perfect_ones_most():
    labels = np.arange(60) % 3
    near, far = (drawn(60, 6, n_classes=3, apart=apart)[0] for apart in (0.0, 0.0))
    far = far + 4 * np.eye(6)[labels]
    perfect = np.eye(3)[labels]
    for name in ("logme", "h_score"):
        found = [scores(features, labels)[name].value for features in (near, far, perfect)]
        assert np.isfinite(found).all()
        assert found == sorted(found)
        assert found[1] > found[0] + 0.1
    assert HScore(perfect, shrinkage=0).score(labels).value == pytest.approx(2)  # K - 1
    assert leep(perfect, labels).value == 0


def test_a_feature_that_is_dead_changes_nothing():
    features, labels = drawn(40, 6)
    dead = np.column_stack([features, np.zeros(40)])
    assert LogME(dead).score(labels).value == pytest.approx(LogME(features).score(labels).value, rel=1e-9)
    plain = HScore(features, shrinkage=0).score(labels).value
    assert HScore(dead, shrinkage=0).score(labels).value == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_contributions_add_up(shape):
    features, labels = drawn(*shape)
    p, of_p = probabilities(*shape)
    for score in (*scores(features, labels).values(), leep(p, of_p)):
        assert score.contributions.shape == (shape[0],)
        assert score.contributions.mean() == pytest.approx(score.value, rel=1e-9, abs=1e-12)


def test_contributions_are_what_a_clip_changes():
    features, labels = drawn(400, 6)
    p, of_p = probabilities(400, 12)
    without = np.arange(1, 400)
    for full, less in (
        *zip(scores(features, labels).values(), scores(features[without], labels[without]).values(), strict=True),
        (leep(p, of_p), leep(p[without], of_p[without])),
    ):
        change = full.contributions[0] - full.value
        assert 400 * (full.value - less.value) == pytest.approx(change, abs=0.1 * full.contributions.std())


@pytest.mark.parametrize("d", [10, 120, 300])
def test_their_spread_is_that_of_new_clips_also_with_more_features_than_clips(d):
    n, found, told = 200, {"logme": [], "h_score": []}, {"logme": [], "h_score": []}
    for seed in range(60):
        for name, score in scores(*drawn(n, d, seed=seed)).items():
            found[name].append(score.value)
            told[name].append(score.contributions.std() / math.sqrt(n))
    for name in found:
        assert np.mean(told[name]) == pytest.approx(np.std(found[name], ddof=1), rel=0.4)


def test_a_plain_bootstrap_would_miss_the_score_and_that_of_the_contributions_does_not():
    features, labels = drawn(200, 120)
    for name, score in scores(features, labels).items():
        means = cluster_bootstrap([score.contributions], list(range(200)), n_resamples=500)
        assert means.low[0] < score.value < means.high[0]
        rng = np.random.default_rng(0)
        plain = [scores(features[i], labels[i])[name].value for i in (rng.integers(200, size=200) for _ in range(20))]
        assert np.quantile(plain, 0.025) > means.high[0]  # clips that are there twice make it too good


def test_bootstrap_means_are_the_means_of_whole_recordings():
    drawn_means = bootstrap_means(np.array([[0.0, 0.0, 3.0]]), ["a", "a", "b"], n_resamples=400, seed=0)
    assert drawn_means.shape == (400, 1)
    assert set(np.unique(drawn_means)) == {0.0, 1.0, 3.0}  # twice a, once each, twice b


def test_relabelled_gives_each_recording_the_labels_of_another():
    labels, groups = np.array([0, 0, 1, 2, 2, 2]), ["a", "a", "b", "c", "c", "c"]
    for seed in range(10):
        new = relabelled(labels, groups, seed=seed)
        assert (new[0] == new[:2]).all()
        assert (new[3] == new[3:]).all()
        assert (new != labels).all()
        assert set(new) == {0, 1, 2}
    with pytest.raises(ParameterError, match=r"2 clips of 1 recording\(s\); need at least 2"):
        relabelled(labels[:2], ["a", "a"], seed=0)


@pytest.mark.parametrize("kind", [LogME, HScore])
def test_what_has_no_score_is_refused(kind):
    good = np.arange(8.0).reshape(4, 2)
    with pytest.raises(UndefinedError, match="all 2 features are constant over 4 clips"):
        kind(np.ones((4, 2)))
    with pytest.raises(ParameterError, match="1 of 8 feature values are not finite"):
        kind(np.where(good == 3, np.nan, good))
    with pytest.raises(ParameterError, match=r"features of shape \(4,\) given"):
        kind(good[:, 0])
    with pytest.raises(UndefinedError, match="all 4 clips are of class 1; a score needs at least 2 classes"):
        kind(good).score([1, 1, 1, 1])
    with pytest.raises(ParameterError, match=r"3 class label\(s\) for 4 entries"):
        kind(good).score([1, 2, 1])


def test_no_probabilities_and_no_shrinkage():
    with pytest.raises(ParameterError, match="add up to 1"):
        leep([[0.5, 0.4], [0.5, 0.5]], [0, 1])
    with pytest.raises(ParameterError, match="add up to 1"):
        leep([[np.nan, 1.0], [0.5, 0.5]], [0, 1])
    with pytest.raises(ParameterError, match=r"shape \(2,\) given; need \(n_clips, n_source_classes\)"):
        leep([1.0, 0.0], [0, 1])
    with pytest.raises(UndefinedError, match="of class 0"):
        leep([[0.5, 0.5]] * 2, [0, 0])
    with pytest.raises(ParameterError, match="shrinkage=1 is out of range"):
        HScore([[1.0], [2.0]], shrinkage=1)


def test_a_score_of_changes_keeps_its_value():
    assert ClipScore.of(3.0, np.array([1.0, 5.0])).contributions.tolist() == [1.0, 5.0]
