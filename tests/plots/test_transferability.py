"""Scores over blocks and against what training gave: a row a score, a point a block, a note that says how few."""

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from tlprobe.plots.figure import render, save_with_record
from tlprobe.records import Record

BLOCKS = ["stem", "block1", "block2", "block3", "block4"]
SCORES = {"linear_probe": 0.5, "logme": 0.6, "h_score": 12.0}
MINUS = "\N{MINUS SIGN}"


def made(*, sweeps=(), leep=True, kendall=0.8):
    rows = [
        {
            "kind": "score",
            "score": score,
            "block": block,
            "value": top * (k + 1) / 5,
            "low": top * (k + 0.8) / 5,
            "high": None if block == "stem" else top * (k + 1.2) / 5,
            "null": top / 20,
            "n": 400 if score == "linear_probe" else 1600,
            "n_features": 16 << k,
        }
        for score, top in SCORES.items()
        for k, block in enumerate(BLOCKS)
    ]
    if leep:
        row = {"score": "leep", "block": "head", "value": -3.13, "low": -3.2, "high": -3.1, "null": -3.6, "n": 1600}
        rows.append({"kind": "score", "n_features": 1000, **row})
    for sweep in sweeps:
        about = {"against": f"of {sweep}", "sweep": sweep}
        rows += [
            {"kind": "treatment", **about, "block": block, "value": 0.2 * k, "low": 0.2 * k, "high": 0.2 * k, "n": 2000}
            for k, block in enumerate(BLOCKS)
        ]
        correlation = {"kind": "correlation", "value": kendall, "low": -0.2, "high": 1.0, "null": 1.0, "n_blocks": 5}
        rows += [{**correlation, **about, "score": score, "measure": "kendall"} for score in SCORES]
    params = {"blocks": BLOCKS, "backbone": "efficientnet_lite0", "init": "imagenet", "n_train": 1600, "fold": 4}
    return Record("transferability", {**params, "folds_against": {f"of {s}": [1, 2] for s in sweeps}}, rows, {})


def points(ax):
    """Return x and y of each point that has bars, in the order of drawing."""
    found = [one for one in ax.containers if isinstance(one, ErrorbarContainer)]
    return np.array([[line[0].get_xdata()[0], line[0].get_ydata()[0]] for line in found])


def note(figure):
    return " ".join(text.get_text() for part in [figure, *figure.subfigs] for text in part.texts).replace("\n", " ")


@pytest.mark.parametrize("sweeps", [(), ("cutoff",), ("cutoff", "freeze")])
def test_a_row_a_score_and_a_column_a_sweep(sweeps):
    figure = render([made(sweeps=sweeps)])
    assert len(figure.axes) == 3 * (1 + len(sweeps))
    assert figure.get_figwidth() == (6.75 if sweeps else 3.25)
    first = figure.axes[0]
    np.testing.assert_allclose(points(first), [[k, 10 * (k + 1)] for k in range(5)])
    assert [label.get_text() for label in figure.axes[-1 - len(sweeps)].get_xticklabels()] == BLOCKS


def test_points_are_score_and_accuracy_in_the_blocks_own_looks():
    figure = render([made(sweeps=("cutoff", "freeze"))])
    over_blocks, against = figure.axes[3], figure.axes[4]
    np.testing.assert_allclose(points(against), [[0.6 * (k + 1) / 5, 20 * k] for k in range(5)])
    looks = [[(c[0].get_color(), c[0].get_marker()) for c in ax.containers] for ax in (over_blocks, against)]
    assert looks[0] == looks[1]
    assert len(set(looks[0])) == 5


def test_the_title_has_the_correlation_and_what_depth_gives():
    figure = render([made(sweeps=("cutoff",))])
    assert figure.axes[1].get_title("left") == f"network ends after a block\nτ = 0.80 [{MINUS}0.20, 1.00], depth 1.00"
    undefined = render([made(sweeps=("freeze",), kendall=None)])
    assert undefined.axes[1].get_title("left") == "frozen up to a block\nτ is not defined"


def test_the_note_says_how_few_blocks_there_are():
    said = note(render([made(sweeps=("cutoff",))]))
    assert "over 5 blocks" in said
    assert "so few blocks describe this network" in said
    assert "fine-tuning, 2 folds" in said
    assert (
        f"LEEP of its 1000 source classes: {MINUS}3.13 [{MINUS}3.20, {MINUS}3.10] nats, by chance {MINUS}3.60." in said
    )
    assert "the linear probe scored on 400 of fold 4" in said
    without = note(render([made(leep=False)]))
    assert "LEEP" not in without
    assert "blocks" not in without


def test_it_is_saved_and_the_same_twice(tmp_path):
    record = made(sweeps=("cutoff", "freeze"))
    first = save_with_record(record, tmp_path / "a", "picture")
    second = save_with_record(record, tmp_path / "b", "picture")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
