import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.figure import render
from tlprobe.plots.weight_distance import draw, draw_batch_norm
from tlprobe.records import Record

Y_LABEL = "relative change of\nconvolution weights"


@pytest.fixture
def ax():
    return Figure().subplots()


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def change(record, change_row):
    return dataclasses.replace(record, rows=[row | change_row(row) for row in record.rows])


def test_one_line_an_initialisation(ax, fake):
    record = fake.weight_distance()
    assert draw(record, ax=ax) is ax
    for init, label in (("imagenet", "ImageNet init"), ("random", "random init")):
        moved = [row["relative_l2"] for row in record.rows if row["init"] == init]
        np.testing.assert_allclose(line(ax, label).get_ydata(), moved)
    assert line(ax, "ImageNet init").get_marker() != line(ax, "random init").get_marker()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == fake.blocks[1:]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("block", Y_LABEL)
    assert ax.get_legend().get_title().get_text() == "fold 4, 10 epochs"
    assert (ax.get_yscale(), ax.get_ylim()[0]) == ("linear", 0)


def test_batch_norm_statistics_are_solid_and_dashed_in_the_same_colours(ax, fake):
    record = fake.weight_distance()
    draw_batch_norm(record, ax=ax)
    drawn = {
        (drawn.get_color(), drawn.get_linestyle()): drawn.get_ydata() for drawn in ax.lines if len(drawn.get_xdata())
    }
    draw(record, ax=(above := Figure().subplots()))
    for init, label in (("imagenet", "ImageNet init"), ("random", "random init")):
        rows = [row for row in record.rows if row["init"] == init]
        color = line(above, label).get_color()
        np.testing.assert_allclose(drawn.pop((color, "-")), [row["bn_mean_shift"] for row in rows])
        np.testing.assert_allclose(drawn.pop((color, "--")), [row["bn_log_std_shift"] for row in rows])
    assert not drawn
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["mean, in std before", "log std"]
    assert ax.get_ylim()[0] == 0


@pytest.mark.parametrize(("factor", "scale"), [(0.9, "linear"), (1.1, "log")])
def test_a_wide_range_is_drawn_on_a_logarithmic_axis(ax, fake, factor, scale):
    """A ratio of 20 decides."""
    record = fake.weight_distance()
    blocks = record.params["blocks"]
    ends = {blocks[0]: 0.01, blocks[-1]: 0.2 * factor}
    record = change(record, lambda row: {"relative_l2": ends.get(row["block"], 0.1)})
    draw(record, ax=ax)
    assert ax.get_yscale() == scale
    low, high = ax.get_ylim()
    assert low < 0.01 < 0.2 * factor < high
    assert len([tick for tick in ax.get_yticks() if low <= tick <= high]) >= 3


@pytest.mark.parametrize("high", [0.5, 0.98, 7.0, 900.0])
def test_a_logarithmic_axis_has_labelled_ticks(ax, fake, high):
    record = fake.weight_distance()
    record = change(record, lambda row: {"relative_l2": high if row["block"] == "block4" else 0.0123})
    draw(record, ax=ax)
    ax.figure.draw_without_rendering()
    low, top = ax.get_ylim()
    shown = [tick.get_text() for tick in ax.get_yticklabels() if low <= tick.get_position()[1] <= top]
    assert 2 <= len(shown) <= 8
    assert all(float(text) > 0 for text in shown)


def test_a_block_that_did_not_move_keeps_the_axis_linear(ax, fake):
    record = change(fake.weight_distance(), lambda row: {"relative_l2": 0.0} if row["block"] == "stem" else {})
    draw(record, ax=ax)
    assert ax.get_yscale() == "linear"
    assert line(ax, "ImageNet init").get_ydata()[0] == 0


@pytest.mark.parametrize("panel", [draw, draw_batch_norm])
def test_several_runs_are_drawn_as_mean_and_single_points(ax, fake, panel):
    record = fake.weight_distance(inits=("imagenet",), runs=3)
    panel(record, ax=ax)
    field = "relative_l2" if panel is draw else "bn_mean_shift"
    single = [row[field] for row in record.rows if row["block"] == "stem"]
    means = next(drawn for drawn in ax.lines if len(drawn.get_xdata()) == 5)
    assert means.get_ydata()[0] == pytest.approx(np.mean(single))
    faint = [points for points in ax.lines if points.get_alpha()]
    assert len(faint) == (5 if panel is draw else 10)
    np.testing.assert_allclose(faint[0].get_ydata(), single)


def test_kept_epochs_are_not_drawn(ax, fake):
    record = fake.weight_distance()
    kept = [row | {"epoch": 1, "relative_l2": 5.0} for row in record.rows]
    draw(dataclasses.replace(record, rows=record.rows + kept), ax=ax)
    assert ax.get_ylim()[1] < 1
    assert len(ax.lines) == 2


def test_a_block_without_batch_norm_leaves_a_gap(ax, fake):
    nothing = {"bn_mean_shift": None, "bn_log_std_shift": None}
    record = change(fake.weight_distance(inits=("random",)), lambda row: nothing if row["block"] == "block2" else {})
    draw_batch_norm(record, ax=ax)
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [False, False, True, False, False]


def test_alone_it_has_two_panels_on_one_axis_and_one_among_others(fake):
    above, below = render([fake.weight_distance()]).axes
    assert above.get_shared_x_axes().joined(above, below)
    assert (above.get_ylabel(), below.get_ylabel()) == (Y_LABEL, "batch-norm shift (rms)")
    assert (above.get_xlabel(), below.get_xlabel()) == ("", "block")
    assert len(render([fake.weight_distance(), fake.svcca()]).axes) == 2


def test_networks_without_batch_norm_keep_the_names_of_their_blocks(fake):
    nothing = {"bn_mean_shift": None, "bn_log_std_shift": None}
    above, below = render([change(fake.weight_distance(), lambda _: nothing)]).axes
    assert [text.get_text() for text in below.texts] == ["no batch-norm statistics in this record"]
    assert [tick.get_text() for tick in below.get_xticklabels()] == fake.blocks[1:]
    assert len(above.get_xticks()) == 5


@pytest.mark.parametrize("rows", [[], [{"block": "stem", "init": "random", "relative_l2": None, "epoch": None}]])
def test_nothing_to_draw_is_said(ax, rows):
    draw(Record("weight_distance", {"blocks": ["stem"]}, rows, {}), ax=ax)
    assert [text.get_text() for text in ax.texts] == ["no weight distances in this record"]
