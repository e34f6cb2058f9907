import dataclasses

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from tlprobe.plots.figure import render
from tlprobe.plots.svcca import MOST_CURVES, draw, draw_alone, draw_corrected
from tlprobe.records import Record

OTHER = ("two random inits", "clips permuted (null)")


@pytest.fixture
def ax():
    return Figure().subplots()


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def change(record, change_row):
    return dataclasses.replace(record, rows=[row | change_row(row) for row in record.rows])


def legend_of(part):
    return [text.get_text() for text in part.get_legend().get_texts()]


def rows_of(record, **wanted):
    return [row for row in record.rows if wanted.items() <= row.items()]


def open_markers(ax):
    """Return the points that are drawn with open markers, legend entries aside."""
    found = [drawn for drawn in ax.lines if drawn.get_markerfacecolor() == "white" and len(drawn.get_xdata())]
    return [drawn.get_ydata() for drawn in found]


def test_one_line_an_initialisation_with_interval_and_null(ax, fake):
    record = fake.svcca()
    assert draw(record, ax=ax) is ax
    for init, label in (("imagenet", "ImageNet init"), ("random", "random init")):
        rows = rows_of(record, init=init)
        drawn = line(ax, label)
        np.testing.assert_allclose(drawn.get_ydata(), [row["value"] for row in rows])
        nulls = [null for null in ax.lines if null.get_linestyle() == ":" and null.get_color() == drawn.get_color()]
        np.testing.assert_allclose(nulls[0].get_ydata(), [row["null"] for row in rows])
    bars = next(c for c in ax.containers if isinstance(c, ErrorbarContainer))[2][0].get_segments()
    ends = [[row["ci_low"], row["ci_high"]] for row in rows_of(record, init="imagenet")]
    np.testing.assert_allclose([[end[1] for end in segment] for segment in bars], ends)
    assert legend_of(ax) == ["ImageNet init", "random init", *OTHER[1:]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == fake.blocks[1:]
    assert ax.get_ylim() == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("block", "similarity to init\n(SVCCA)")
    assert ax.get_legend().get_title().get_text() == "n = 400 clips, fold 4, 10 epochs"


def test_what_is_under_the_null_is_shaded_and_its_band_too(ax, fake):
    record = fake.svcca(("imagenet",))
    draw(record, ax=ax)
    bars, *areas = ax.collections
    assert isinstance(bars, LineCollection)
    under, band = (area.get_paths()[0].vertices[:, 1] for area in areas)
    assert (under.min(), under.max()) == (0, max(row["null"] for row in record.rows))
    ends = min(row["null_low"] for row in record.rows), max(row["null_high"] for row in record.rows)
    assert (band.min(), band.max()) == pytest.approx(ends)


def test_what_is_not_above_the_band_of_its_null_has_an_open_marker(ax, fake):
    values = {"stem": 0.054, "block1": 0.0911, "block2": 0.1041, "block4": 0.3}  # nulls + 0, 0.0051, 0.0051, - 0.12
    record = change(fake.svcca(("imagenet",)), lambda row: {"value": values.get(row["block"], row["value"])})
    draw(record, ax=ax)
    assert [np.isfinite(points).tolist() for points in open_markers(ax)] == [[True, False, False, False, True]]
    draw(change(record, lambda _: {"null_high": None}), ax=(without := Figure().subplots()))
    assert [np.isfinite(points).tolist() for points in open_markers(without)] == [[True, False, False, False, True]]


def test_lines_differ_without_colour(ax, fake):
    draw(fake.svcca(("imagenet", "random", "random pair")), ax=ax)
    drawn = [line(ax, name) for name in ("ImageNet init", "random init", "two random inits")]
    assert len({each.get_marker() for each in drawn}) == len({str(each._dash_pattern) for each in drawn}) == 3


def test_the_random_pair_is_a_grey_baseline(ax, fake):
    draw(fake.svcca(("imagenet", "random pair")), ax=ax)
    assert line(ax, "two random inits").get_color() == "0.5"
    assert ax.get_ylabel() == "similarity to init\n(SVCCA)"
    assert ax.get_legend().get_title().get_text() == "n = 400 clips, fold 4, 10 epochs"


def test_several_runs_are_drawn_as_mean_and_single_points(ax, fake):
    draw(fake.svcca(("imagenet",), runs=3), ax=ax)
    np.testing.assert_allclose(line(ax, "ImageNet init").get_ydata(), [0.915, 0.87, 0.76, 0.48, 0.46])
    faint = [points for points in ax.lines if points.get_alpha()]
    np.testing.assert_allclose([points.get_ydata()[0] for points in faint], [0.945, 0.915, 0.885])
    assert not any(isinstance(c, ErrorbarContainer) for c in ax.containers)


def test_different_networks_are_not_averaged(ax, fake):
    record = fake.svcca(("imagenet",))
    both = [{**row, "backbone": name} for name in ("resnet50", "densenet201") for row in record.rows]
    draw(dataclasses.replace(record, rows=both), ax=ax)
    names = legend_of(ax)
    assert names == ["ImageNet init, resnet50", "ImageNet init, densenet201", *OTHER[1:]]
    first, second = (line(ax, name) for name in names[:2])
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()


def test_blocks_come_in_the_order_of_the_params_not_of_the_rows(ax, fake):
    record = fake.svcca(("imagenet",))
    draw(dataclasses.replace(record, rows=record.rows[::-1]), ax=ax)
    np.testing.assert_allclose(line(ax, "ImageNet init").get_ydata(), [0.945, 0.9, 0.79, 0.51, 0.49])


def test_missing_values_leave_gaps_and_missing_nulls_no_legend_entry(ax, fake):
    nothing = dict.fromkeys(("null", "null_low", "null_high", "corrected", "ci_low", "ci_high"))
    record = change(fake.svcca(("imagenet",)), lambda _: nothing)
    record.rows[2]["value"] = record.rows[3]["value"] = None
    draw(record, ax=ax)
    assert np.isnan(line(ax, "ImageNet init").get_ydata()).tolist() == [False, False, True, True, False]
    assert legend_of(ax) == ["ImageNet init"]
    assert len(render([record]).axes) == 1  # nothing to correct, so no row for it


def test_several_measures_of_several_networks_are_told_by_the_line(ax, fake):
    draw(fake.svcca(measures=("svcca", "pwcca", "cka")), ax=ax)
    assert legend_of(ax) == ["ImageNet init", "random init", "SVCCA", "PWCCA", "CKA", *OTHER[1:], "not above null"]
    looks = {
        (each.get_color(), str(each._dash_pattern)) for each in ax.lines if np.max(each.get_ydata(), initial=0) > 0.8
    }
    assert len({dashes for _, dashes in looks if _ == line(ax, "ImageNet init").get_color()}) == 3
    assert not any(np.ptp(area.get_paths()[0].vertices[:, 1]) > 0.3 for area in ax.collections)  # shades would add up


def test_several_measures_of_one_network_are_labelled(ax, fake):
    draw(fake.svcca(("imagenet",), measures=("svcca", "cka")), ax=ax)
    assert legend_of(ax)[:2] == ["ImageNet init, SVCCA", "ImageNet init, CKA"]
    assert line(ax, "ImageNet init, SVCCA").get_color() != line(ax, "ImageNet init, CKA").get_color()
    assert ax.get_ylabel() == "similarity to init\n(measures)"


def test_too_many_curves_for_one_panel_have_a_row_for_each_measure(ax, fake):
    measures = ("svcca", "pwcca", "cka", "procrustes")
    record = fake.svcca(measures=measures, conv=("positions", "pool"))
    assert len(measures) * 2 > MOST_CURVES
    axes = render([record]).axes
    names = [panel.get_ylabel().partition("\n")[2] for panel in axes]
    assert names == ["(SVCCA)", "(PWCCA)", "(CKA)", "(Procrustes)", "", "", "", ""]
    draw(record, ax=ax)
    assert ax.get_ylabel() == "similarity to init\n(SVCCA)"
    assert ax.get_legend().get_title().get_text().endswith("first of 4 measures")


def test_corrected_values_stand_over_a_line_at_zero(ax, fake):
    record = fake.svcca(("imagenet",))
    assert draw_corrected(record, ax=ax) is ax
    np.testing.assert_allclose(line(ax, "ImageNet init").get_ydata(), [row["corrected"] for row in record.rows])
    assert any(set(np.asarray(each.get_ydata())) == {0} for each in ax.lines)
    assert ax.get_ylim() == (-0.1, 1)
    row = record.rows[4]
    end = next(c for c in ax.containers if isinstance(c, ErrorbarContainer))[2][0].get_segments()[4][1, 1]
    assert end == pytest.approx((row["ci_high"] - row["null"]) / (1 - row["null"]))


@pytest.mark.parametrize(("corrected", "bottom"), [(-0.04, -0.1), (-0.27, -0.4), (-0.99, -1.0), (-12.0, -1.0)])
def test_a_corrected_value_below_zero_is_on_the_axis_or_marked_at_its_edge(ax, fake, corrected, bottom):
    record = change(fake.svcca(("imagenet",)), lambda row: {"corrected": corrected} if row["block"] == "stem" else {})
    draw_corrected(record, ax=ax)
    assert ax.get_ylim() == (pytest.approx(bottom), 1)
    assert line(ax, "ImageNet init").get_ydata()[0] == max(corrected, -1.0)
    marked = [each for each in ax.lines if each.get_marker() == "v" and np.isfinite(each.get_ydata()).any()]
    assert len(marked) == (corrected < -1)


def test_a_null_of_one_leaves_nothing_to_correct(ax, fake):
    full = {"value": 1.0, "null": 1.0, "null_low": 1.0, "null_high": 1.0, "corrected": None}
    record = change(fake.svcca(("imagenet",)), lambda row: full if row["block"] == "block4" else {})
    draw_corrected(record, ax=ax)
    assert np.isnan(line(ax, "ImageNet init").get_ydata()).tolist() == [False] * 4 + [True]


def test_alone_it_has_a_column_a_treatment_and_one_legend(fake):
    record = fake.svcca(conv=("positions", "pool"))
    figure = render([record])
    assert figure.get_figwidth() == 6.75
    raw, corrected, pooled, pooled_corrected = figure.axes
    assert [panel.get_title(loc="left") for panel in (raw, pooled)] == [
        "every position a sample",
        "one sample a clip (pooled)",
    ]
    assert raw.get_ylim() == pooled.get_ylim()
    assert corrected.get_ylim() == pooled_corrected.get_ylim()
    assert [panel.get_xlabel() for panel in figure.axes] == ["", "block", "", "block"]
    assert [bool(panel.get_ylabel()) for panel in figure.axes] == [True, True, False, False]
    np.testing.assert_allclose(
        line(pooled, "random init").get_ydata(), [row["value"] for row in rows_of(record, init="random", conv="pool")]
    )
    assert not any(panel.get_legend() for panel in figure.axes)
    (legend,) = figure.subfigs[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["ImageNet init", "random init", *OTHER[1:]]
    assert legend.get_window_extent().y0 >= max(panel.get_tightbbox().y1 for panel in figure.axes) - 1
    assert render([fake.svcca()]).get_figwidth() == 3.25


def test_among_others_the_first_treatment_is_drawn_and_named(ax, fake):
    record = fake.svcca(("imagenet",), conv=("pool", "positions"))
    draw(record, ax=ax)
    first = [row["value"] for row in rows_of(record, conv="pool")]
    np.testing.assert_allclose(line(ax, "ImageNet init").get_ydata(), first)
    note = ax.get_legend().get_title().get_text().replace("\n", " ")
    assert note == "n = 400 clips, fold 4, 10 epochs, one sample a clip (pooled)"


def test_a_treatment_without_values_leaves_the_labels_to_the_others(fake):
    nothing = {"value": None, "corrected": None, "ci_low": None, "ci_high": None}
    record = fake.svcca(conv=("positions", "pool"))
    figure = render([change(record, lambda row: nothing if row["conv"] == "positions" else {})])
    empty, _, raw, corrected = figure.axes
    assert [text.get_text() for text in empty.texts] == ["no similarities in this record"]
    assert raw.get_ylabel()
    assert corrected.get_ylabel()
    assert [text.get_text() for text in figure.subfigs[0].legends[0].get_texts()][:2] == [
        "ImageNet init",
        "random init",
    ]


def test_other_treatments_are_named_as_they_are(fake):
    pooled = change(fake.svcca(), lambda _: {"conv": "positions, pooled to 4 x 8"})
    assert render([pooled]).axes[0].get_title(loc="left") == "positions, pooled to 4 x 8"
    drawn = change(
        fake.svcca(), lambda row: {"conv": f"positions, 300 of {row['d_x']}"} if row["block"] != "stem" else {}
    )
    figure = render([dataclasses.replace(drawn, params=drawn.params | {"n_positions": 300})])
    assert figure.axes[0].get_title(loc="left") == "every position a sample"
    assert figure.subfigs[0].legends[0].get_title().get_text().endswith("300 positions of a map at most")


def test_against_another_run_is_said(ax, fake):
    draw(fake.svcca(mode="against"), ax=ax)
    assert ax.get_ylabel() == "similarity to other run\n(SVCCA)"
    assert "against full-efficientnet li…" in ax.get_legend().get_title().get_text().replace("\n", " ")


def test_many_layers_are_lines_between_the_borders_of_the_blocks(ax, fake):
    record = fake.svcca_layers()
    draw(record, ax=ax)
    drawn = line(ax, "ImageNet init")
    np.testing.assert_allclose(drawn.get_ydata(), [row["value"] for row in rows_of(record, init="imagenet")])
    assert drawn.get_marker() == "None"
    assert [tick.get_text().strip() for tick in ax.get_xticklabels()] == fake.blocks[1:]
    assert ax.get_xlabel() == "layer (1\N{EN DASH}201), by block"
    assert legend_of(ax) == ["ImageNet init", "random init", OTHER[1]]
    faint = [each for each in render([fake.svcca_layers(runs=3)]).axes[0].lines if each.get_alpha()]
    assert len(faint) == 2 * 3


def test_a_negative_value_is_on_the_axis(ax, fake):
    record = change(
        fake.svcca(measures=("cka_debiased",)), lambda row: {"value": -0.03} if row["block"] == "stem" else {}
    )
    draw(record, ax=ax)
    assert ax.get_ylim() == (-0.1, 1)


def test_one_row_and_own_weights(ax, fake):
    record = fake.svcca(("$my_$weights.pth",), n_blocks=1)
    draw(dataclasses.replace(record, params={"mode": "change"}), ax=ax)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["stem"]
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("rows", [[], [{"block": "stem", "layer": "stem.0", "init": "random", "value": None}]])
def test_nothing_to_draw_is_said(ax, rows):
    record = Record("svcca", {"mode": "change", "conv": ["positions"]}, rows, {})
    for panel in (draw(record, ax=ax), *draw_alone(record, figure=Figure())):
        assert [text.get_text() for text in panel.texts] == ["no similarities in this record"]
    (text,) = draw_corrected(record, ax=Figure().subplots()).texts
    assert text.get_text() == "no corrected similarities in this record"
