import numpy as np

from tlprobe.plots.curve import curve_of


def row(run, x, value, **more):
    return {"run": run, "x": x, "value": value, **more}


def curve(*rows):
    return curve_of(rows, place=lambda row: row["x"])


def test_places_are_in_ascending_order():
    found = curve(row("a", 5, 0.5), row("a", 0, 0.1))
    np.testing.assert_array_equal(found.x, [0, 5])
    np.testing.assert_array_equal(found.mean, [0.1, 0.5])


def test_a_mean_of_runs_has_no_interval_where_there_are_several():
    ends = {"ci_low": 0.3, "ci_high": 0.6}
    found = curve(row("a", 0, 0.4, **ends), row("a", 1, 0.5, **ends), row("b", 0, 0.6, **ends), row("b", 1, None))
    np.testing.assert_allclose(found.mean, [0.5, 0.5])
    np.testing.assert_array_equal(found.interval, [[np.nan, 0.3], [np.nan, 0.6]])
    np.testing.assert_array_equal(found.runs, [[0.4, 0.5], [0.6, np.nan]])


def test_the_band_of_the_null_is_the_widest_of_the_runs():
    found = curve(
        row("a", 0, 0.4, null=0.2, null_low=0.1, null_high=0.3),
        row("b", 0, 0.4, null=0.4, null_low=0.2, null_high=0.5),
        row("c", 0, 0.4, null=None),
    )
    np.testing.assert_allclose([found.null[0], *found.band[:, 0]], [0.3, 0.1, 0.5])
    assert found.within_null.tolist() == [True]


def test_without_a_null_nothing_is_within_it_and_without_a_band_the_null_decides():
    found = curve(
        row("a", 0, 0.4), row("a", 1, 0.4, null=0.4), row("a", 2, 0.4, null=0.39), row("a", 3, None, null=0.1)
    )
    assert found.within_null.tolist() == [False, True, False, False]


def test_no_rows_make_an_empty_curve():
    assert curve().x.size == curve().mean.size == curve().band.shape[1] == 0
