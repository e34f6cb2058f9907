"""Differences of a sweep's points to the fully fine-tuned network: the paired ones, and adjusted for the sweep."""

import numpy as np
import pytest

from tlprobe.numerics.resampling import holm
from tlprobe.studies.differences import DIFFERENCE, add_differences
from tlprobe.studies.sweeps import freeze


class _Run:
    """Stands for a run: what it got right, clip by clip."""

    def __init__(self, name, right, *, order=None, groups="aabbccdd"):
        self.name = name
        order = range(len(right)) if order is None else order
        self.clips = tuple(f"{k}.wav" for k in order)
        self.groups = tuple(groups[k] for k in order)
        self._right = np.array([float(right[k]) for k in order])

    def held_out(self):
        return self

    def scores(self, rule):
        assert rule == "last"
        return self._right


def test_clips_are_paired_by_name_and_points_adjusted_together():
    full = _Run("full", "11111111")
    worse = _Run("worse", "00010111", order=[7, 3, 0, 1, 2, 4, 5, 6])  # clips 0, 1, 2 and 4 wrong, in another order
    same = _Run("same", "11111111")
    random = _Run("random", "00000000")
    rows = [{"block": "stem"}, {"block": "block1"}, {"block": "block4"}, {"block": None}]
    add_differences(rows, [worse, same, full, random], full=full)
    assert [row["difference"] for row in rows] == [-0.5, 0.0, None, -1.0]
    # of the groups' differences -2, -1, -1, 0 only the signs that are all alike reach as far: 2 of 8
    assert rows[0]["p_value"] == 0.25
    assert [row["p_holm"] for row in rows[:2]] == holm([0.25, 1.0]).tolist() == [0.5, 1.0]
    assert rows[3]["p_holm"] == rows[3]["p_value"] == 2 / 16
    assert rows[0]["difference_low"] <= -0.5 <= rows[0]["difference_high"]
    assert all(rows[2][name] is None for name in DIFFERENCE)


def test_one_recording_has_no_interval():
    full, other = _Run("full", "11", groups="aa"), _Run("other", "00", groups="aa")
    rows = [{"block": "stem"}]
    add_differences(rows, [other], full=full)
    assert rows == [{"block": "stem", **dict.fromkeys(DIFFERENCE)}]


def test_a_sweep_has_them(small_run, tmp_path):
    record = freeze(small_run, trials=tmp_path, device="cpu", progress=False)
    assert record.params["intervals"] == "bootstrap over source recordings" == small_run.record.params["intervals"]
    full = next(row for row in record.rows if row["treatment"] == "full")
    others = [row for row in record.rows if row["run"] != full["run"]]
    assert others
    assert all(full[name] is None for name in DIFFERENCE)
    for row in others:
        assert row["difference"] == pytest.approx(row["accuracy"] - full["accuracy"])
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        assert 0 < row["p_value"] <= row["p_holm"] <= 1
