import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.figure import render
from tlprobe.plots.svcca_grid import draw
from tlprobe.records import Record


@pytest.fixture
def figure():
    return Figure(figsize=(6.75, 3))


def raw(record):
    """Return the record without nulls: then the value itself is drawn."""
    return dataclasses.replace(record, rows=[row | {"null": None, "corrected": None} for row in record.rows])


def table_of(ax):
    return ax.images[0].get_array().filled(np.nan)


def test_rows_are_the_first_network_upwards_and_columns_the_second(figure, fake):
    record = fake.svcca_grid()
    (ax,) = draw(record, figure=figure)
    table = np.array([row["corrected"] for row in record.rows]).reshape(5, 5)
    assert not np.allclose(table, table.T)
    np.testing.assert_allclose(table_of(ax), table)
    assert ax.images[0].origin == "lower"
    assert ax.images[0].get_clim() == (0, 1)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("before fine-tuning", "after fine-tuning")
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        assert [label.get_text() for label in labels] == fake.blocks[1:]
    assert ax.get_aspect() == 1
    assert [bar.get_ylabel() for bar in figure.axes[1:]] == ["similarity above null (SVCCA)"]
    assert figure.legends[0].get_title().get_text().endswith("larger maps pooled to the smaller")


def test_without_a_null_it_is_the_value_itself(figure, fake):
    record = fake.svcca_grid()
    (ax,) = draw(raw(record), figure=figure)
    np.testing.assert_allclose(table_of(ax), np.array([row["value"] for row in record.rows]).reshape(5, 5))
    assert [bar.get_ylabel() for bar in figure.axes[1:]] == ["similarity (SVCCA)"]


@pytest.mark.parametrize(("n", "written"), [(8, 64), (9, 0)])
def test_few_values_are_written_into_the_cells(figure, fake, n, written):
    (ax,) = draw(raw(fake.svcca_grid(n=n)), figure=figure)
    assert len(ax.texts) == written
    if written:
        assert (ax.texts[0].get_text(), ax.texts[0].get_color()) == (".95", "0.1")
        assert (ax.texts[7].get_text(), ax.texts[7].get_color()) == (".03", "white")


def test_a_cell_without_value_is_hatched(figure, fake):
    record = fake.svcca_grid()
    rows = [
        row | {"value": None, "corrected": None} if (row["layer"], row["layer_y"]) == ("layer1", "layer3") else row
        for row in record.rows
    ]
    (ax,) = draw(dataclasses.replace(record, rows=rows), figure=figure)
    assert np.argwhere(np.isnan(table_of(ax))).tolist() == [[1, 3]]
    assert len(ax.texts) == 24
    assert ax.patch.get_hatch()


def test_the_layers_of_two_networks_need_not_be_as_many(figure, fake):
    record = fake.svcca_grid(n=4, against="other-run")
    rows = [row for row in record.rows if row["layer_y"] != "layer2"]
    (ax,) = draw(dataclasses.replace(record, rows=rows), figure=figure)
    assert table_of(ax).shape == (4, 3)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("imagenet0", "other-run")


def test_one_panel_a_run_and_measure(figure, fake):
    axes = draw(fake.svcca_grid(("imagenet", "random"), measures=("svcca", "cka")), figure=figure)
    assert [ax.get_title(loc="left") for ax in axes] == [
        "ImageNet init, SVCCA",
        "ImageNet init, CKA",
        "random init, SVCCA",
        "random init, CKA",
    ]
    assert figure.axes[-1].get_ylabel() == "similarity above null"
    axes = draw(fake.svcca_grid(runs=2), figure=Figure())
    assert [ax.get_title(loc="left") for ax in axes] == [
        "ImageNet init, fold 4, seed 0",
        "ImageNet init, fold 4, seed 1",
    ]
    assert [render([fake.svcca_grid(runs=n)]).get_figwidth() for n in (1, 2)] == [3.25, 6.75]


def test_only_the_first_treatment_is_drawn_and_named(figure, fake):
    record = fake.svcca_grid()
    pooled = [row | {"conv": "pool", "value": 0.5} for row in record.rows]
    params = record.params | {"conv": ["positions", "pool"]}
    (ax,) = draw(dataclasses.replace(record, params=params, rows=record.rows + pooled), figure=figure)
    assert not np.allclose(table_of(ax), 0.5)
    assert "every position a sample" in figure.legends[0].get_title().get_text()


def test_negative_values_are_shown_as_such(figure, fake):
    record = fake.svcca_grid(measures=("cka_debiased",))
    rows = [row | {"corrected": -0.031} if row is record.rows[4] else row for row in record.rows]
    (ax,) = draw(dataclasses.replace(record, rows=rows), figure=figure)
    assert ax.texts[4].get_text() == "<0"
    assert ax.images[0].colorbar.extend == "min"


def test_hundreds_of_layers_are_named_by_block(figure, fake):
    (ax,) = draw(fake.svcca_grid(n=201), figure=figure)
    assert table_of(ax).shape == (201, 201)
    assert [label.get_text() for label in ax.get_xticklabels()] == fake.blocks[1:]
    assert len(ax.lines) == 2 * 4  # borders between five blocks


@pytest.mark.parametrize("rows", [[], [{"run": "r", "measure": "svcca", "value": None, "conv": "positions"}]])
def test_nothing_to_draw_is_said(figure, rows):
    (ax,) = draw(Record("svcca", {"mode": "grid", "conv": ["positions"]}, rows, {}), figure=figure)
    assert [text.get_text() for text in ax.texts] == ["no similarities in this record"]
