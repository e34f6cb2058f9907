"""Ensembles by hand: the mean of soft-max outputs, of different runs on the same clips.

What the soup of real runs adds is in `test_soup.py`.
"""

import json
import math
import shutil

import numpy as np
import pytest

from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.probes.ensemble import ensemble, mean_predictions
from tlprobe.train.held_out import HELD_OUT, HeldOut
from tlprobe.train.predictions import Predictions

CLIPS = ("a.wav", "b.wav", "c.wav", "d.wav")
LABELS = ("high", "high", "low", "noise")
CLASSES = ("high", "low", "noise")
RECORDINGS = ("r1", "r1", "r2", "r3")
# The first is right on a and c, the second on b and c; together on a, b and c.
FIRST = [[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.1, 0.6, 0.3], [0.6, 0.2, 0.2]]
SECOND = [[0.3, 0.4, 0.3], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.5, 0.3, 0.2]]
THIRD = [[0.9, 0.1, 0.0], [0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.1, 0.0, 0.9]]  # right on all
SOUP = ("soup_accuracy", "soup_nll", "soup_calibration_error", "soup_ci_low", "soup_ci_high")


def predictions(rows, **changes):
    fields = {"clips": CLIPS, "labels": LABELS, "classes": CLASSES, "probabilities": np.array(rows)}
    return Predictions(**{**fields, **changes})


@pytest.fixture
def member(tmp_path, tiny_run, relist):
    """Make a run directory that says what the test wants; it has no weights, and its data are gone."""

    def make(name, rows, *, labels=LABELS, clips=CLIPS, **config):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(tiny_run.path / "record.json", folder)
        body = json.loads((tiny_run.path / "config.json").read_text())
        body["config"] |= config
        body["data"]["path"] = str(tmp_path / "gone")
        (folder / "config.json").write_text(json.dumps(body))
        (folder / "predictions.csv").write_text(predictions(rows, labels=labels).to_csv())
        answers = np.zeros((1, 4, 3), np.float16)  # of the epochs: not what an ensemble rests on
        (folder / HELD_OUT).write_bytes(HeldOut(clips, RECORDINGS, np.zeros(4, np.int64), answers).to_bytes())
        relist(folder)
        return folder

    return make


def test_the_mean_by_hand():
    mean = mean_predictions([predictions(FIRST), predictions(SECOND)])
    expected = [[0.55, 0.25, 0.2], [0.55, 0.35, 0.1], [0.15, 0.65, 0.2], [0.55, 0.25, 0.2]]
    np.testing.assert_allclose(mean.probabilities, expected)
    assert mean.predicted == ("high", "high", "low", "high")
    assert mean.n_correct == 3


def test_the_record_of_two_members(member):
    record = ensemble([member("one", FIRST), member("two", SECOND, seed=1)], soup=False)
    (row,) = record.rows
    assert (row["members"], row["accuracy"], row["single_mean"], row["n"]) == (2, 0.75, 0.5, 4)
    # Right on a, b, c of recordings r1, r1, r2, not on d of r3. Of 27 draws of three recordings one is r3 thrice and
    # right on none, 8 have no r3 and are right on all: both are more than 2.5 %.
    assert (row["ci_low"], row["ci_high"]) == (0, 1)
    assert record.params["groups"] == list(RECORDINGS)
    assert [(item["run"], item["seed"], item["accuracy"]) for item in record.params["single"]] == [
        ("one", 0, 0.5),
        ("two", 1, 0.5),
    ]
    assert record.params["clips"] == list(CLIPS)
    assert record.arrays["probabilities"].shape == (4, 3)
    assert [row[name] for name in SOUP] == [None] * 5
    assert record.params["no_soup"] == "no weight soup: not asked for"
    assert record.provenance["device"] is None


def test_likelihood_calibration_and_disagreement_by_hand(member):
    record = ensemble([member("one", FIRST), member("two", SECOND, seed=1), member("three", THIRD, seed=2)], soup=False)
    (row,), single = record.rows, record.params["single"]
    # Accuracies 1/2, 1/2, 1: mean 2/3, squares of the differences 1/36, 1/36, 1/9.
    assert row["single_mean"] == pytest.approx(2 / 3)
    assert row["single_sd"] == pytest.approx(math.sqrt((1 / 36 + 1 / 36 + 1 / 9) / 2))
    # First and second differ on a and b, first and third on b and d, second and third on a and d.
    assert row["disagreement"] == pytest.approx(0.5)
    likelihoods = [0.8 * 0.4 * 0.6 * 0.2, 0.3 * 0.7 * 0.7 * 0.2, 0.9**4]
    assert [item["nll"] for item in single] == pytest.approx([-math.log(value) / 4 for value in likelihoods])
    assert row["single_nll"] == pytest.approx(-math.log(math.prod(likelihoods)) / 12)
    together = (2.0 / 3) * (2.0 / 3) * (2.2 / 3) * (1.3 / 3)
    assert row["nll"] == pytest.approx(-math.log(together) / 4)
    # 15 bins: each confidence has one of its own, but for equal ones: 0.8 right, 0.6 right and wrong, 0.5 wrong.
    errors = [(0.2 + 0.2 + 0.5) / 4, (0.4 + 2 * 0.3 + 0.5) / 4, 0.1]
    assert [item["calibration_error"] for item in single] == pytest.approx(errors)
    assert row["single_calibration_error"] == pytest.approx(sum(errors) / 3)
    # Together all are right, at 2/3 twice, 2.2/3 and 1.3/3: whatever the bins, nothing makes up for anything.
    assert row["calibration_error"] == pytest.approx((2 / 3 + 0.8 / 3 + 1.7 / 3) / 4)


def test_an_ensemble_of_a_real_run_with_an_equal_one_is_that_run_and_so_is_their_soup(tiny_run, tmp_path):
    copied = tmp_path / "copy"
    shutil.copytree(tiny_run.path, copied)
    record = ensemble([tiny_run, copied], progress=False)
    (row,), kept = record.rows, tiny_run.record.rows[0]
    assert row["accuracy"] == row["single_mean"] == row["soup_accuracy"] == kept["accuracy"]
    assert [row[name] for name in ("n", "ci_low", "ci_high")] == [kept[name] for name in ("n", "ci_low", "ci_high")]
    assert [row[f"soup_{name}"] for name in ("ci_low", "ci_high")] == [row["ci_low"], row["ci_high"]]
    assert row["disagreement"] == row["single_sd"] == 0
    for name in ("nll", "calibration_error"):
        assert row[f"soup_{name}"] == pytest.approx(row[name], abs=1e-4)
        assert row[f"single_{name}"] == pytest.approx(row[name], abs=1e-12)
    assert record.params["no_soup"] is None
    assert record.provenance["device"] in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"backbone": "resnet18"}, "two and one differ in backbone"),
        ({"treatment": "freeze", "blocks": ["stem"]}, "two and one differ in treatment"),
        ({"init_digest": "0" * 64}, "two and one differ in starting weights"),
    ],
)
def test_members_that_cannot_be_averaged_are_an_ensemble_without_soup(member, change, said):
    record = ensemble([member("one", FIRST), member("two", SECOND, **change)])
    assert record.rows[0]["accuracy"] == 0.75
    assert [record.rows[0][name] for name in SOUP] == [None] * 5
    assert record.params["no_soup"] == f"no weight soup: {said}"


def test_a_soup_needs_the_weights(member):
    with pytest.raises(CheckpointError, match="safetensors"):
        ensemble([member("one", FIRST), member("two", SECOND, seed=1)])


def test_options_that_make_no_sense(member, tmp_path):
    runs = [member("one", FIRST), member("two", SECOND)]
    with pytest.raises(ParameterError, match=r"data='.*there' is for the soup alone"):
        ensemble(runs, soup=False, data=tmp_path / "there")
    with pytest.raises(ParameterError, match="device='gpu'; choose from"):
        ensemble(runs, soup=False, device="gpu")


def test_a_label_that_is_no_class(member):
    labels = ("high", "high", "low", "hiss")
    with pytest.raises(ParameterError, match="label 'hiss' is none of the classes high, low, noise"):
        ensemble([member("one", FIRST, labels=labels), member("two", SECOND, labels=labels)], soup=False)


def test_fewer_than_two_members(member):
    with pytest.raises(ParameterError, match="at least 2 runs; 1 given"):
        ensemble([member("one", FIRST)])
    with pytest.raises(ParameterError, match="at least 2 runs; 0 given"):
        ensemble([])


def test_one_run_twice(member, tmp_path):
    one = member("one", FIRST)
    link = tmp_path / "link"
    link.symlink_to(one)
    for again in (one, link, one.parent / "." / "one"):
        with pytest.raises(ParameterError, match="one is given twice"):
            ensemble([one, again])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fold": 2}, "differ in fold"),
        ({"data_hash": "0" * 64}, "differ in data hash"),
        ({"classes": ["high", "low", "other"]}, "differ in classes"),
    ],
)
def test_members_of_another_split(member, change, said):
    with pytest.raises(ParameterError, match=said):
        ensemble([member("one", FIRST), member("two", SECOND, **change)])


def test_tables_of_other_clips():
    with pytest.raises(ParameterError, match="different clips, labels or classes"):
        mean_predictions([predictions(FIRST), predictions(SECOND, clips=("a.wav", "b.wav", "d.wav", "c.wav"))])


def test_answers_of_other_clips(member):
    other = member("one", FIRST, clips=("a.wav", "b.wav", "d.wav", "c.wav"))
    with pytest.raises(CheckpointError, match=r"one: predictions.csv and the answers by epoch are of different clips"):
        ensemble([other, member("two", SECOND)], soup=False)


def test_a_damaged_table(member):
    two = member("two", SECOND)
    (two / "predictions.csv").write_text("clip,label,predicted,high,low,noise\na.wav,high,high,0.1\n")
    with pytest.raises(CheckpointError, match=r"predictions\.csv is damaged"):
        ensemble([member("one", FIRST), two])
    with pytest.raises(CheckpointError, match="no run directory"):
        ensemble([two, two.parent / "nothing"])
