"""A study's cells: sweeps as panels, shapes and networks as lines, levels as points."""

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from tlprobe.plots.cells import draw, families
from tlprobe.plots.figure import render
from tlprobe.records import Record

NAMES = ["stem", "block1", "block2", "block3", "block4"]
PARAMS = {"folds": [4], "seeds": [0, 1], "recipe": {"epochs": 3}, "block_names": {"lite": NAMES, "dense": NAMES}}


def cell(
    sweep,
    accuracy,
    block=None,
    *,
    shape=None,
    rest=None,
    partition=None,
    backbone="lite",
    start="imagenet",
    features="log-mel3",
):
    there = accuracy is not None
    return {
        "sweep": sweep,
        "block": block,
        "shape": shape if shape or block is None else "prefix",
        "rest": rest or ("random" if sweep == "fuse" else None),
        "partition": partition,
        "backbone": backbone,
        "start": start,
        "features": features,
        "data_split": None,
        "n_runs": 2 if there else 0,
        "n_planned": 2,
        "n": 400 if there else 0,
        "accuracy": accuracy,
        "ci_low": accuracy - 0.04 if there else None,
        "ci_high": accuracy + 0.03 if there else None,
    }


def sweep(accuracies, *, values=("none", *NAMES), name="fuse", **kind):
    return [cell(name, accuracy, block, **kind) for block, accuracy in zip(values, accuracies, strict=True)]


LEVELS = [cell("full", 0.81), cell("random", 0.25)]
PREFIX = sweep([0.25, 0.26, 0.4, 0.5, 0.75, 0.81])
SINGLE = sweep([0.25, 0.26, 0.3, None, 0.4, 0.35], shape="single")


@pytest.fixture
def ax():
    return Figure().subplots()


def lines(ax):
    return {str(line.get_label()): line for line in ax.lines if not str(line.get_label()).startswith("_")}


def test_one_sweep_with_its_levels(ax):
    record = Record("cells", PARAMS, [*LEVELS, *PREFIX], {})
    assert families(record) == [("fuse", None)]
    draw(record, ax=ax)
    [curve] = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(curve.get_ydata(), [25, 26, 40, 50, 75, 81])
    bars = next(c for c in ax.containers if isinstance(c, ErrorbarContainer))
    ends = np.array([[end[1] for end in segment] for segment in bars[2][0].get_segments()])
    np.testing.assert_allclose(ends[3], [46, 53])
    assert lines(ax)["fully fine-tuned"].get_ydata()[0] == pytest.approx(81)
    assert lines(ax)["random init"].get_ydata()[0] == pytest.approx(25)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["none", *NAMES]
    assert ax.get_xlabel() == "pretrained up to"
    note = ax.get_legend().get_title().get_text().replace("\n", " ")
    assert note == "n = 400 clips, fold 4, 3 epochs, 2 seeds, bars: 95 % over recordings"


def test_shapes_are_lines_side_by_side_and_a_missing_cell_is_a_gap(ax):
    draw(Record("cells", PARAMS, [*LEVELS, *PREFIX, *SINGLE], {}), ax=ax)
    found = lines(ax)
    assert {"up to", "alone"} < set(found)
    assert np.isnan(found["alone"].get_ydata()[3])
    gap = found["alone"].get_xdata() - found["up to"].get_xdata()
    assert np.allclose(gap, gap[0])
    assert gap[0] > 0
    assert ax.get_xlabel() == "pretrained"
    assert "2 missing" in ax.get_legend().get_title().get_text()


def test_from_none_is_nothing_and_no_neighbour_of_the_stem(ax):
    draw(Record("cells", PARAMS, sweep([0.25, 0.8, 0.7, 0.6, 0.5, 0.3], shape="suffix"), {}), ax=ax)
    whole, apart = [line for line in ax.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(whole.get_ydata(), [80, 70, 60, 50, 30])
    np.testing.assert_allclose(apart.get_ydata(), [25])
    assert apart.get_linestyle() == "None"


def test_networks_and_starts_are_told_apart(ax):
    other = sweep([0.3, 0.3, 0.45, 0.6, 0.8, 0.9], backbone="dense")
    own = sweep([0.2, 0.2, 0.35, 0.5, 0.6, 0.7], start="audioset.pth")
    draw(Record("cells", PARAMS, [*PREFIX, *other, *own, cell("full", 0.9, backbone="dense")], {}), ax=ax)
    assert {"lite, ImageNet init", "dense, ImageNet init", "lite, audioset.pth init"} < set(lines(ax))
    assert "fully fine-tuned, dense, ImageNet init" in lines(ax)


def test_each_sweep_and_each_partition_has_its_panel():
    parts = sweep([0.3, 0.4], values=("part1", "part2"), shape="single", partition="params/2")
    frozen = sweep([0.81, 0.8, 0.8, 0.8, 0.7, 0.5], name="freeze")
    record = Record("cells", PARAMS, [*LEVELS, *PREFIX, *parts, *frozen], {})
    assert families(record) == [("fuse", None), ("fuse", "params/2"), ("freeze", None)]
    figure = render([record])
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "pretrained up to",
        "pretrained alone: (parts equal by params)",
        "frozen up to",
    ]


def test_what_all_lines_share_is_on_the_axis_and_what_differs_in_the_legend(ax):
    shuffled = sweep([0.25, 0.3, 0.4, 0.5, 0.6, 0.81], rest="shuffled")
    draw(Record("cells", PARAMS, shuffled, {}), ax=ax)
    assert ax.get_xlabel() == "pretrained up to (rest shuffled)"
    ax = Figure().subplots()
    draw(Record("cells", PARAMS, [*PREFIX, *shuffled], {}), ax=ax)
    assert ax.get_xlabel() == "pretrained up to"
    assert {"rest random", "rest shuffled"} == set(lines(ax))


def test_levels_alone_are_a_point_a_network_and_start(ax):
    rows = [*LEVELS[:1], cell("full", 0.3, start="random"), cell("full", 0.9, backbone="dense")]
    draw(Record("cells", PARAMS, rows, {}), ax=ax)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["lite", "dense"]
    labels = ax.get_legend_handles_labels()[1]
    assert labels == ["ImageNet init", "random init"]


def test_nothing_measured_is_said(ax):
    draw(Record("cells", PARAMS, [cell("full", None)], {}), ax=ax)
    assert ax.texts[0].get_text() == "no accuracies in this record"


def test_what_is_shown_stands_on_the_axis(ax):
    rows = [cell("full", 0.8), cell("full", 0.6, features="mfcc"), cell("full", None, features="log-spec")]
    draw(Record("cells", PARAMS, rows, {}), ax=ax)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["log-mel3", "mfcc", "log-spec"]
    rows.append(cell("full", 0.7, backbone="dense", features="mfcc"))
    ax = Figure().subplots()
    draw(Record("cells", PARAMS, rows, {}), ax=ax)
    assert ax.get_xticklabels()[-1].get_text() == "dense\nmfcc"


def test_lines_of_a_sweep_tell_what_they_are_shown(ax):
    other = sweep([0.2, 0.2, 0.3, 0.4, 0.5, 0.6], features="mfcc")
    draw(Record("cells", PARAMS, [*LEVELS, *PREFIX, *other], {}), ax=ax)
    assert {"log-mel3", "mfcc"} <= set(lines(ax))
