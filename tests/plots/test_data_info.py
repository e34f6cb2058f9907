"""The picture of a data set: one clip a class, on one scale."""

import numpy as np
import pytest
from matplotlib.text import Text

from tlprobe.plots.figure import render
from tlprobe.records import Record


def make(n, *, without=()):
    rng = np.random.default_rng(0)
    rows = [
        {"label": f"class_{i}", "n": 10 + i, "array_index": None if i in without else i - sum(w < i for w in without)}
        for i in range(n)
    ]
    params = {
        "name": "my_set",
        "n": 99,
        "n_classes": n,
        "n_groups": 42,
        "folds": {"1": 50, "2": 49},
        "image": {"clip_s": 2.5},
    }
    arrays = {"spectrogram": rng.normal(size=(n - len(without), 8, 12)).astype(np.float32)}
    return Record("data_info", params, rows, {}, arrays)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def pictures(figure):
    return [ax for ax in figure.axes if ax.images]


def test_each_class_is_drawn_from_its_own_array():
    record = make(7, without=(2,))
    figure = render([record])
    shown = pictures(figure)
    assert [ax.get_title(loc="left") for ax in shown] == [f"class {i} ({10 + i})" for i in (0, 1, 3, 4, 5, 6)]
    for ax, expected in zip(shown, record.arrays["spectrogram"], strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), expected)
        assert ax.images[0].get_extent() == [0, 2.5, 0, 1]
    assert len({ax.images[0].get_clim() for ax in shown}) == 1
    note = " ".join(texts(figure)).replace("\n", " ")
    assert "my set: 99 clips of 7 classes; 42 sources; 2 folds" in note
    assert "not shown" not in note


def test_classes_that_do_not_fit_are_counted():
    figure = render([make(63)])
    assert len(pictures(figure)) == 60
    assert "3 classes are not shown" in " ".join(texts(figure)).replace("\n", " ")


@pytest.mark.parametrize("damage", [{"arrays": {}}, {"rows": []}])
def test_nothing_to_draw_is_said(damage):
    record = make(2)
    record = Record("data_info", record.params, damage.get("rows", record.rows), {}, damage.get("arrays", {}))
    assert "no clip of any class can be drawn" in texts(render([record]))
