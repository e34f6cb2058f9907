import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.svcca import draw
from tlprobe.records import Record


@pytest.fixture
def ax():
    return Figure().subplots()


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_one_line_an_initialisation_with_its_null(ax, fake):
    record = fake.svcca()
    assert draw(record, ax=ax) is ax
    for init, label in (("imagenet", "ImageNet init"), ("random", "random init")):
        rows = [row for row in record.rows if row["init"] == init]
        drawn = line(ax, label)
        np.testing.assert_allclose(drawn.get_ydata(), [row["value"] for row in rows])
        nulls = [null for null in ax.lines if null.get_linestyle() == ":" and null.get_color() == drawn.get_color()]
        np.testing.assert_allclose(nulls[0].get_ydata(), [row["null"] for row in rows])
    bands = [band.get_paths()[0].get_extents() for band in ax.collections]
    assert [(band.y0, band.y1) for band in bands] == [
        (0, max(r["null"] for r in record.rows if r["init"] == init)) for init in ("imagenet", "random")
    ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "ImageNet init",
        "random init",
        "clips permuted",
    ]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == fake.blocks[1:]
    assert ax.get_ylim() == (0, 1)
    assert ax.get_xlabel() == "block"
    assert "SVCCA" in ax.get_ylabel()


def test_lines_differ_without_colour(ax, fake):
    draw(fake.svcca(), ax=ax)
    looks = {(line(ax, name).get_marker(), line(ax, name).get_linestyle()) for name in ("ImageNet init", "random init")}
    assert len({marker for marker, _ in looks}) == len({style for _, style in looks}) == 2


def test_several_runs_are_drawn_as_mean_and_single_points(ax, fake):
    draw(fake.svcca(inits=("imagenet",), runs=3), ax=ax)
    np.testing.assert_allclose(line(ax, "ImageNet init").get_ydata(), [0.94, 0.90, 0.79, 0.63, 0.45])
    faint = [points for points in ax.lines if points.get_alpha()]
    assert len(faint) == 5
    np.testing.assert_allclose(faint[0].get_ydata(), [0.97, 0.94, 0.91])


def test_different_networks_are_not_averaged(ax, fake):
    record = fake.svcca(inits=("imagenet",))
    both = [{**row, "backbone": name, "epochs": 4} for name in ("resnet50", "densenet201") for row in record.rows]
    draw(Record("svcca", record.params, both, {}), ax=ax)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["ImageNet init, resnet50", "ImageNet init, densenet201", "clips permuted"]
    first, second = (line(ax, name) for name in names[:2])
    assert first.get_color() != second.get_color()
    assert first.get_marker() != second.get_marker()


def test_blocks_come_in_the_order_of_the_params_not_of_the_rows(ax, fake):
    record = fake.svcca(inits=("imagenet",))
    draw(Record("svcca", record.params, record.rows[::-1], {}), ax=ax)
    np.testing.assert_allclose(line(ax, "ImageNet init").get_ydata(), [0.97, 0.93, 0.82, 0.66, 0.48])


def test_a_missing_value_leaves_a_gap_and_missing_nulls_no_legend_entry(ax, fake):
    record = fake.svcca(inits=("imagenet",))
    rows = [row | {"null": None} for row in record.rows]
    rows[2]["value"], rows[3]["value"] = None, math.nan
    draw(Record("svcca", record.params, rows, {}), ax=ax)
    assert np.isnan(line(ax, "ImageNet init").get_ydata()).tolist() == [False, False, True, True, False]
    assert len(ax.get_legend().get_texts()) == 1
    assert not ax.collections


def test_the_note_says_what_the_runs_are(ax, fake):
    record = fake.svcca()
    draw(Record("svcca", record.params | {"folds": [4, 4], "epochs": [10, 10]}, record.rows, {}), ax=ax)
    assert ax.get_legend().get_title().get_text() == "n = 400 clips, fold 4, 10 epochs"


def test_one_row_and_own_weights(ax, fake):
    record = fake.svcca(inits=("$my_$weights.pth",))
    draw(Record("svcca", {}, record.rows[:1], {}), ax=ax)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["stem"]
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("rows", [[], [{"block": "stem", "init": "random", "value": None}]])
def test_nothing_to_draw_is_said(ax, rows):
    draw(Record("svcca", {"blocks": ["stem"]}, rows, {}), ax=ax)
    assert [text.get_text() for text in ax.texts] == ["no similarities in this record"]
