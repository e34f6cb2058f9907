"""Ensembles by hand: the mean of soft-max outputs, of different runs on the same clips."""

import json
import shutil

import numpy as np
import pytest

from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.probes.ensemble import ensemble, mean_predictions
from tlprobe.train.predictions import Predictions

CLIPS = ("a.wav", "b.wav", "c.wav", "d.wav")
LABELS = ("high", "high", "low", "noise")
CLASSES = ("high", "low", "noise")
# The first is right on a and c, the second on b and c; together on a, b and c.
FIRST = [[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.1, 0.6, 0.3], [0.6, 0.2, 0.2]]
SECOND = [[0.3, 0.4, 0.3], [0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.5, 0.3, 0.2]]


def predictions(rows, **changes):
    fields = {"clips": CLIPS, "labels": LABELS, "classes": CLASSES, "probabilities": np.array(rows)}
    return Predictions(**{**fields, **changes})


@pytest.fixture
def member(tmp_path, tiny_run, relist):
    """Make a run directory that says what the test wants; weights are not needed."""

    def make(name, rows, **config):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(tiny_run.path / "record.json", folder)
        body = json.loads((tiny_run.path / "config.json").read_text())
        body["config"] |= config
        (folder / "config.json").write_text(json.dumps(body))
        (folder / "predictions.csv").write_text(predictions(rows).to_csv())
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
    record = ensemble([member("one", FIRST), member("two", SECOND, seed=1)])
    (row,) = record.rows
    assert (row["members"], row["accuracy"], row["single_mean"], row["n"]) == (2, 0.75, 0.5, 4)
    # Wilson for 3 of 4, z = 1.96: (0.75 + 0.4802) / 1.9604 -+ 1.96 sqrt(0.046875 + 0.0600) / 1.9604
    assert row["ci_low"] == pytest.approx(0.3006, abs=1e-4)
    assert row["ci_high"] == pytest.approx(0.9544, abs=1e-4)
    assert [(item["run"], item["seed"], item["accuracy"]) for item in record.params["single"]] == [
        ("one", 0, 0.5),
        ("two", 1, 0.5),
    ]
    assert record.params["clips"] == list(CLIPS)
    assert record.arrays["probabilities"].shape == (4, 3)


def test_an_ensemble_of_a_real_run_with_an_equal_one_is_that_run(tiny_run, tmp_path, relist):
    copied = tmp_path / "copy"
    copied.mkdir()
    for name in ("config.json", "record.json", "predictions.csv"):
        shutil.copy(tiny_run.path / name, copied)
    relist(copied)
    row = ensemble([tiny_run, copied]).rows[0]
    kept = tiny_run.record.rows[0]
    assert row["accuracy"] == row["single_mean"] == kept["accuracy"]
    assert [row[name] for name in ("n", "ci_low", "ci_high")] == [kept[name] for name in ("n", "ci_low", "ci_high")]


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


def test_a_damaged_table(member):
    two = member("two", SECOND)
    (two / "predictions.csv").write_text("clip,label,predicted,high,low,noise\na.wav,high,high,0.1\n")
    with pytest.raises(CheckpointError, match=r"predictions\.csv is damaged"):
        ensemble([member("one", FIRST), two])
    with pytest.raises(CheckpointError, match="no run directory"):
        ensemble([two, two.parent / "nothing"])
