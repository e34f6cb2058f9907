import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.figure import render
from tlprobe.plots.svcca_training import draw
from tlprobe.records import Record


@pytest.fixture
def figure():
    return Figure(figsize=(6.75, 3))


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_one_panel_an_initialisation_and_one_line_a_block(figure, fake):
    record = fake.svcca_training()
    axes = draw(record, figure=figure)
    assert [ax.get_title(loc="left") for ax in axes] == ["ImageNet init (SVCCA)", "random init (SVCCA)"]
    for ax, init in zip(axes, ("imagenet", "random"), strict=True):
        for block in fake.blocks[1:]:
            rows = [row for row in record.rows if (row["init"], row["block"]) == (init, block)]
            drawn = line(ax, block)
            np.testing.assert_allclose(drawn.get_xdata(), [0, 1, 2, 5, 8])  # at their epochs, not one after another
            np.testing.assert_allclose(drawn.get_ydata(), [row["value"] for row in rows])
            nulls = [null for null in ax.lines if null.get_linestyle() == ":" and null.get_color() == drawn.get_color()]
            np.testing.assert_allclose(nulls[0].get_ydata(), [row["null"] for row in rows])
        assert ax.get_ylim() == (0, 1)
        assert ax.get_xlim()[0] < 0 < 8 < ax.get_xlim()[1] < 9
        assert ax.get_xlabel() == "epoch"
    assert [ax.get_ylabel() for ax in axes] == ["similarity to final state", ""]
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [*fake.blocks[1:], "clips permuted (null)"]
    assert legend.get_title().get_text() == "n = 400 clips, fold 4, 10 epochs"


def test_colours_go_from_dark_to_light_and_lines_differ_without_them(figure, fake):
    (ax,) = draw(fake.svcca_training(("imagenet",)), figure=figure)
    drawn = [line(ax, block) for block in fake.blocks[1:]]
    light = [np.dot(each.get_color()[:3], (0.299, 0.587, 0.114)) for each in drawn]
    assert light == sorted(light)
    assert len({each.get_marker() for each in drawn}) == 5


def test_intervals_are_bands_of_a_single_run(figure, fake):
    record = fake.svcca_training(("imagenet",))
    (ax,) = draw(record, figure=figure)
    stem = [row for row in record.rows if row["block"] == "stem"]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (min(row["ci_low"] for row in stem), max(row["ci_high"] for row in stem))
    (ax,) = draw(fake.svcca_training(("imagenet",), runs=2), figure=Figure())
    assert not any(len(path.vertices) for area in ax.collections for path in area.get_paths())


def test_several_runs_are_averaged_epoch_by_epoch(figure, fake):
    record = fake.svcca_training(("random",), runs=3)
    (ax,) = draw(record, figure=figure)
    first = [row["value"] for row in record.rows if (row["block"], row["epoch"]) == ("block2", 0)]
    assert len(first) == 3
    assert line(ax, "block2").get_ydata()[0] == pytest.approx(np.mean(first))


def test_a_row_of_panels_a_measure(figure, fake):
    axes = draw(fake.svcca_training(measures=("svcca", "cka")), figure=figure)
    assert [ax.get_title(loc="left") for ax in axes] == [
        "ImageNet init (SVCCA)",
        "random init (SVCCA)",
        "ImageNet init (CKA)",
        "random init (CKA)",
    ]
    assert [ax.get_xlabel() for ax in axes] == ["", "", "epoch", "epoch"]
    assert [bool(ax.get_ylabel()) for ax in axes] == [True, False, True, False]


def test_many_layers_are_thin_lines_in_the_colour_of_their_block_without_nulls(figure, fake):
    (ax,) = draw(fake.svcca_training(("imagenet",), per_block=40), figure=figure)
    assert len(ax.lines) == 200
    assert len({each.get_color() for each in ax.lines}) == 5
    assert [text.get_text() for text in figure.legends[0].get_texts()] == fake.blocks[1:]


def test_a_missing_value_leaves_a_gap(figure, fake):
    record = fake.svcca_training(("imagenet",))
    missing = [
        row | dict.fromkeys(("value", "ci_low", "ci_high")) if (row["block"], row["epoch"]) == ("stem", 2) else row
        for row in record.rows
    ]
    (ax,) = draw(dataclasses.replace(record, rows=missing), figure=figure)
    assert np.isnan(line(ax, "stem").get_ydata()).tolist() == [False, False, True, False, False]


def test_width_is_that_of_the_panels(fake):
    assert [
        render([fake.svcca_training(inits)]).get_figwidth() for inits in (("imagenet",), ("imagenet", "random"))
    ] == [
        3.25,
        6.75,
    ]


@pytest.mark.parametrize("rows", [[], [{"run": "r", "measure": "svcca", "value": None, "conv": "positions"}]])
def test_nothing_to_draw_is_said(figure, rows):
    (ax,) = draw(Record("svcca", {"mode": "training", "conv": ["positions"]}, rows, {}), figure=figure)
    assert [text.get_text() for text in ax.texts] == ["no similarities in this record"]
