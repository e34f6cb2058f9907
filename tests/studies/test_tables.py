"""Tables: what a reader sees of a cell, and of one that is not there."""

import pytest

from tlprobe.records import Record
from tlprobe.studies.tables import cells_table

FULL = {
    "sweep": "full",
    "block": None,
    "shape": None,
    "rest": None,
    "partition": None,
    "backbone": "efficientnet_lite0",
    "start": "imagenet",
    "features": "log-mel3",
    "data_split": None,
    "n_leaked": 0,
    "n_runs": 2,
    "n_planned": 2,
    "accuracy": 0.8125,
    "best_accuracy": 0.83,
    "cross_fitted_accuracy": 0.815,
    "optimism": 0.015,
    "sd_seeds": 0.0106,
    "n_seeds": 2,
    "sd_folds": None,
    "n_folds": 1,
    "n": 400,
    "inner_chosen_accuracy": None,
    "ci_low": 0.77,
    "ci_high": 0.85,
    **dict.fromkeys(("difference", "difference_low", "difference_high", "p_value", "p_holm")),
}
FUSED = FULL | {
    "sweep": "fuse",
    "block": "part2",
    "shape": "single",
    "rest": "matched",
    "partition": "params/4",
    "difference": -0.1,
    "difference_low": -0.14,
    "difference_high": -0.06,
    "p_holm": 0.0004,
}
ABSENT = dict.fromkeys(FULL) | {
    "sweep": "freeze",
    "shape": "prefix",
    "block": "stem",
    "backbone": "resnet18",
    "start": "imagenet",
    "features": "log-mel3",
    "data_split": None,
    "n_runs": 0,
    "n_planned": 2,
    "n_seeds": 0,
    "n_folds": 0,
}


@pytest.fixture
def record():
    return Record("cells", {}, [FULL, FUSED, ABSENT], {"data": {"name": "ESC-50", "n_clips": 2000}})


def test_markdown(record):
    header, rule, full, fused, absent, empty, note = cells_table(record).markdown().splitlines()
    assert header.count("|") == rule.count("|") == full.count("|") == absent.count("|") == 13
    texts = ["efficientnet_lite0", "imagenet", "full", "2/2", "81.2 [77.0, 85.0]", "1.1 (n = 2)", "—", "83.0", "81.5"]
    assert full == f"| {' | '.join([*texts, '+1.5', '—', '—'])} |"
    assert "| fuse single part2 (rest matched, params/4) |" in fused
    assert "| -10.0 [-14.0, -6.0] | 0.0004 |" in fused
    assert absent == "| resnet18 | imagenet | freeze prefix stem | 0/2 | — | — | — | — | — | — | — | — |"
    assert empty == ""
    assert note.startswith("ESC-50, 2000 clips. Accuracy of the last epoch with its 95 % interval")


def test_latex(record):
    lines = cells_table(record).latex().splitlines()
    assert lines[0].startswith("% ESC-50, 2000 clips.")
    assert lines[1:3] == [r"\begin{tabular}{lllrrrrrrrrr}", r"\toprule"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    assert r"efficientnet\_lite0 & imagenet & full & 2/2 & 81.2 [77.0, 85.0] & 1.1 (n = 2) & --- & 83.0" in lines[5]
    assert all(line.endswith(r"\\") and line.count(" & ") == 11 for line in lines[3:4] + lines[5:-2])
    assert r"last epoch (\%)" in lines[3]


def test_several_splits_stand_beside_each_other_with_their_leaks():
    rows = [FULL | {"data_split": "paper", "n_leaked": 151}, FULL | {"data_split": "artists"}]
    table = cells_table(Record("cells", {}, rows, {}))
    assert (table.header[0], table.header[-1], table.n_names) == ("data split", "leaked clips", 4)
    assert [(row[0], row[-1]) for row in table.rows] == [("paper", "151"), ("artists", "0")]


@pytest.mark.parametrize(("folds", "told"), [([4], True), ([1, 2, 3, 4, 5], False)])
def test_a_part_of_the_folds_is_no_score_of_the_data_set(folds, told):
    record = Record("cells", {"folds": folds}, [FULL], {"data": {"name": "esc50", "n_clips": 2000, "n_folds": 5}})
    said = "a part of the 5 folds and so not the data set's score"
    assert (said in cells_table(record).note) == told
