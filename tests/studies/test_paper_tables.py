"""Tables I to III: ours beside the paper's, and what is missing is seen."""

import csv

import numpy as np
import pytest

from tlprobe.numerics.intervals import accuracy_interval
from tlprobe.records import Record
from tlprobe.studies.members import pooled, together
from tlprobe.studies.paper_tables import table_one, table_three, table_two
from tlprobe.studies.published import PUBLISHED

PARAMS = {"folds": [4], "seeds": [0, 1], "recipe": {"epochs": 3}, "image": {"sr": 16000}}
ABOUT = {"data": {"name": "esc50", "n_clips": 2000}}


def cell(start, accuracy, *, backbone="efficientnet_lite0", difference=None):
    compared = {"difference": difference, "difference_low": None, "difference_high": None, "p_value": None}
    if difference is not None:
        compared |= {"difference_low": difference - 0.05, "difference_high": difference + 0.04, "p_value": 0.0001}
    return {
        "sweep": "full",
        "backbone": backbone,
        "start": start,
        "accuracy": accuracy,
        "best_accuracy": accuracy + 0.01,
        "ci_low": accuracy - 0.04,
        "ci_high": accuracy + 0.04,
        "n": 400,
        "n_runs": 2,
        **compared,
    }


@pytest.fixture
def cells():
    return Record("cells", PARAMS, [cell("imagenet", 0.81), cell("random", 0.25, difference=-0.56)], ABOUT)


def ensemble(accuracy, *, fold=4, n=400, soup=0.8):
    row = {
        "members": 5,
        "accuracy": accuracy,
        "single_mean": 0.8,
        "single_sd": 0.01,
        "soup_accuracy": soup,
        "disagreement": 0.2,
        "single_nll": 0.9,
        "nll": 0.7,
        "single_calibration_error": 0.1,
        "calibration_error": 0.15,
        "n": n,
        "ci_low": 0.7,
        "ci_high": 0.9,
    }
    right = round(accuracy * n)
    probabilities = np.tile(np.array([0.9, 0.1], np.float32), (n, 1))
    params = {
        "single": [{}] * 5,
        "fold": fold,
        "no_soup": None,
        "classes": ["cat", "dog"],
        "clips": [f"{fold}-{k}.wav" for k in range(n)],
        "labels": ["cat"] * right + ["dog"] * (n - right),
        "groups": [f"{fold}-{k}" for k in range(n)],
    }
    return Record("ensemble", params, [row], {}, {"probabilities": probabilities})


def test_table_one(cells):
    table, rows = table_one(cells)
    assert (rows[0]["network"], rows[0]["data_set"]) == ("efficientnet_lite0", "ESC-50")
    assert rows[0]["gain"] == pytest.approx(0.56)
    assert (rows[0]["gain_low"], rows[0]["gain_high"]) == pytest.approx((0.52, 0.61))
    assert len(rows) == 1 + len(PUBLISHED)
    first, dense = table.markdown().splitlines()[2:4]
    texts = ["— | —", "81.0 [77.0, 85.0]", "25.0 [21.0, 29.0]", "56.0 [52.0, 61.0]", "0.0001", "82.0", "26.0"]
    assert first == f"| efficientnet_lite0 | ESC-50 | {' | '.join(texts)} |"
    assert dense == "| densenet201 | ESC-50 | 91.2 ± 0.4 | 72.5 | — | — | — | — | — | — |"
    assert "esc50, 2000 clips, 16 kHz, fold 4, seeds 0, 1, 3 epochs" in table.note


def test_ours_stands_in_the_papers_row_of_the_same_network(cells):
    record = Record("cells", PARAMS, [cell("imagenet", 0.9, backbone="densenet201")], ABOUT)
    table, rows = table_one(record)
    assert len(rows) == len(PUBLISHED)
    assert (rows[0]["paper_pretrained"], rows[0]["pretrained"], rows[0]["random"]) == (0.9116, 0.9, None)
    assert r"91.2 $\pm$ 0.4 & 72.5 & 90.0 [86.0, 94.0] & --- &" in table.latex()


def test_a_network_on_another_data_set_is_a_row_of_its_own():
    about = {"data": {"name": "my birds", "n_clips": 20}}
    _, rows = table_one(Record("cells", PARAMS, [cell("imagenet", 0.9, backbone="densenet201")], about))
    assert (rows[0]["data_set"], rows[0]["paper_pretrained"]) == ("my birds", None)
    assert all(row["pretrained"] is None for row in rows[1:])


def test_table_two_and_three(cells, tmp_path):
    records = {("efficientnet_lite0", 4): ensemble(0.84)}
    table, rows = table_two(cells, pooled(records))
    first, dense = table.markdown().splitlines()[2:4]
    low, high = accuracy_interval([1] * 336 + [0] * 64, range(400))  # 84 % of 400 clips, each of its own recording
    interval = f"84.0 [{100 * low:.1f}, {100 * high:.1f}]"
    assert first.startswith(f"| efficientnet_lite0 | ESC-50 | — | — | 80.0 ± 1.0 | {interval} | 80.0 | 5 | 20.0 |")
    assert dense == f"| densenet201 | ESC-50 | 91.2 ± 0.4 | 92.9 |{' — |' * 9}"
    table.save(tmp_path, numbers=rows)
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert read[0]["accuracy"] == "0.84"
    assert (read[1]["paper_ensemble"], read[1]["accuracy"]) == ("0.9289", "")
    table, rows = table_three(cells, pooled(records))
    found = {row["model"]: row for row in rows}
    assert found["ES-ResNet"]["ESC-50"] == pytest.approx(0.915)
    assert found["DenseNet, ensemble"]["GTZAN"] == pytest.approx(0.905)
    assert found["efficientnet_lite0, imagenet"]["ESC-50"] == 0.81
    assert found["efficientnet_lite0, ensemble of 5"] == {
        "model": "efficientnet_lite0, ensemble of 5",
        "source": "ours",
        "ESC-50": 0.84,
        "UrbanSound8K": None,
        "GTZAN": None,
    }


def test_ensembles_are_pooled_over_folds_by_their_clips():
    records = {("a", 1): ensemble(0.9, fold=1, n=100), ("a", 2): ensemble(0.8, fold=2, n=300, soup=None)}
    row = pooled(records)["a"]
    assert row["accuracy"] == pytest.approx(0.825)
    assert (row["n"], row["members"], row["soup_accuracy"]) == (400, 5, None)
    half = 1.96 * (0.825 * 0.175 / 400) ** 0.5  # of 400 independent recordings
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.825 - half, 0.825 + half), abs=0.005)
    both = together(records)
    assert [(row["backbone"], row["fold"], row["accuracy"]) for row in both.rows] == [("a", 1, 0.9), ("a", 2, 0.8)]
    assert len(both.params["single"]) == 10
    assert both.params["fold"] is None


def test_the_papers_numbers():
    """A second reading of Tables I and II, row by row: DenseNet, ResNet, Inception."""
    by_data = {name: [item for item in PUBLISHED if item.data_set == name] for name in ("GTZAN", "ESC-50")}
    assert [item.pretrained for item in by_data["GTZAN"]] == [91.39, 91.09, 90.0]
    assert [item.random for item in by_data["ESC-50"]] == [72.5, 67.4, 64.5]
    assert [item.ensemble for item in PUBLISHED if item.data_set == "UrbanSound8K"] == [87.42, 87.35, 86.34]
