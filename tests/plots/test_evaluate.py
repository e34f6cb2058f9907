import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.evaluate import draw, is_wide
from tlprobe.plots.figure import render


@pytest.fixture
def ax():
    return Figure().subplots()


def shares(ax):
    return ax.collections[0].get_array().reshape(-1, round(ax.collections[0].get_array().size ** 0.5))


def test_rows_are_divided_by_their_clips(ax, fake):
    record = fake.evaluate(3)
    counts = np.array([[[3, 1, 0], [0, 2, 0], [0, 0, 0]]], np.float32)
    assert draw(dataclasses.replace(record, arrays={"confusion": counts}), ax=ax) is ax
    drawn = shares(ax)
    np.testing.assert_allclose(drawn[:2], [[75, 25, 0], [0, 100, 0]])
    assert np.ma.getmaskarray(drawn)[2].all()  # no clip of this class: blank, not zero
    assert sorted(text.get_text() for text in ax.texts if text.get_visible()) == ["100", "25", "75"]


def test_classes_are_named_on_both_axes(ax, fake):
    draw(fake.evaluate(3, names=["dog", "sea_waves", "a" * 80]), ax=ax)
    x, y = ([t.get_text() for t in labels] for labels in (ax.get_xticklabels(), ax.get_yticklabels()))
    assert x == y
    assert x[:2] == ["dog", "sea waves"]
    assert len(x[2]) <= 20
    assert ax.get_ylabel() == "true class"
    assert ax.get_title(loc="left").startswith("accuracy ")


@pytest.mark.parametrize("n", [10, 50, 60, 130])
def test_labels_do_not_overlap(fake, n):
    figure = render([fake.evaluate(n, n_each=2)])
    ax = figure.axes[0]
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert len(boxes) == min(n, -(-n // -(-n // 60)))
    middles = sorted((box.y0 + box.y1) / 2 for box in boxes)
    size = ax.get_yticklabels()[0].get_fontsize() * figure.dpi / 72
    assert min(np.diff(middles)) > 0.95 * size
    inside = figure.bbox
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        box = label.get_window_extent()
        assert box.x0 >= inside.x0
        assert box.y0 >= inside.y0


def test_width(fake):
    assert not is_wide(fake.evaluate(10))
    assert is_wide(fake.evaluate(50))


def test_named_recordings_are_bars(ax, fake):
    record = fake.evaluate(3, labelled=False)
    rows = [
        {"clip": f"a/{k}.wav", "predicted": name, "probability": p}
        for k, (name, p) in enumerate([("sea_waves", 0.9), ("dog", 0.2)])
    ]
    draw(dataclasses.replace(record, rows=rows), ax=ax)
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [90, 20])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.wav", "1.wav"]
    assert [text.get_text() for text in ax.texts] == ["sea waves", "dog"]
    draw(dataclasses.replace(record, rows=rows * 10), ax=ax)
    assert ax.get_title(loc="left") == "12 of 20 clips"


def test_clips_without_labels(ax, fake):
    draw(fake.evaluate(3, labelled=False), ax=ax)
    assert "no labels" in ax.texts[0].get_text()
