"""Panels of the same quantity have one y axis, wherever they are on the page."""

import dataclasses

import pytest

from tlprobe.plots.figure import render


def moved(record, factor):
    rows = [row | {"relative_l2": factor * row["relative_l2"]} for row in record.rows]
    return dataclasses.replace(record, rows=rows)


def limits(figure, *numbers):
    return {tuple(figure.axes[number].get_ylim()) for number in numbers}


def test_similarities_share_where_the_measure_is_the_same(fake):
    below = fake.svcca()
    rows = [row | {"value": row["value"] - 0.5} for row in below.rows]
    below = dataclasses.replace(below, rows=rows)
    figure = render([fake.svcca(), below])
    assert limits(figure, 0) == limits(figure, 1)
    assert min(min(limits(figure, 0))) < 0
    assert [bool(ax.get_ylabel()) for ax in figure.axes] == [True, False]
    figure = render([fake.svcca(measures=("cka",)), below])
    assert len(limits(figure, 0, 1)) == 2
    assert all(ax.get_ylabel() for ax in figure.axes)


def test_one_axis_but_each_its_label_where_they_differ(fake):
    figure = render([fake.svcca(), fake.svcca(mode="against")])
    assert len(limits(figure, 0, 1)) == 1
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "similarity to init\n(SVCCA)",
        "similarity to other run\n(SVCCA)",
    ]


def test_distances_of_weights_share_and_hold_all_points(fake):
    figure = render([fake.weight_distance(), moved(fake.weight_distance(), 3)])
    (shared,) = limits(figure, 0, 1)
    assert shared[0] == 0
    assert shared[1] > 3 * max(row["relative_l2"] for row in fake.weight_distance().rows)
    assert [bool(ax.get_ylabel()) for ax in figure.axes] == [True, False]


def logarithmic(fake, factor):
    record = fake.weight_distance()
    rows = [row | {"relative_l2": factor * row["relative_l2"] ** 3} for row in record.rows]
    return dataclasses.replace(record, rows=rows)


def test_logarithmic_axes_share_with_each_other_and_name_ticks_for_all(fake):
    figure = render([logarithmic(fake, 1), logarithmic(fake, 1000)])
    (shared,) = limits(figure, 0, 1)
    ticks = [tick for tick in figure.axes[0].get_yticks() if shared[0] <= tick <= shared[1]]
    assert (min(ticks), max(ticks)) == pytest.approx((1e-5, 1), rel=0.9)
    assert figure.axes[0].get_yscale() == "log"


def test_a_logarithmic_axis_is_not_shared_with_a_linear_one(fake):
    figure = render([fake.weight_distance(), logarithmic(fake, 1)])
    assert [ax.get_yscale() for ax in figure.axes] == ["linear", "log"]
    assert all(ax.get_ylabel() for ax in figure.axes)


def test_trainings_share_in_all_columns(fake):
    low = fake.fit()
    low = dataclasses.replace(low, rows=[low.rows[0] | {"accuracy": 0.05, "ci_low": 0.03, "ci_high": 0.07}])
    figure = render([fake.fit(), low, fake.fit()])
    assert len(limits(figure, 0, 1, 2)) == 1
    assert [bool(ax.get_ylabel()) for ax in figure.axes] == [True, False, False]


def test_accuracies_share_across_what_stands_between_them(fake):
    low = fake.sweep("freeze")
    low = dataclasses.replace(low, rows=[row | {"accuracy": 0.1, "ci_low": 0.05} for row in low.rows])
    figure = render([fake.sweep("fuse"), fake.attribute(1, width=40, n_mels=32), low])
    accuracies = [ax for ax in figure.axes if ax.get_ylabel() == "held-out accuracy (%)"]
    assert len(accuracies) == 2
    assert len({ax.get_ylim() for ax in accuracies}) == 1


def test_other_quantities_keep_their_axes(fake):
    figure = render([fake.sweep("fuse"), fake.fit(), fake.weight_distance()])
    assert all(ax.get_ylabel() for ax in figure.axes)
