import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from tlprobe.plots.figure import render, save_with_record
from tlprobe.plots.tune import draw_history, draw_importance
from tlprobe.records import Record

STATES = ["complete", "failed", "complete", "pruned", "diverged", "complete", "running", "complete"]
INNER = [0.5, None, 0.4, 0.2, 0.1, 0.7, 0.3, 0.6]
CHOSEN = {
    "number": 5,
    "inner_accuracy": 0.7,
    "n_inner": 400,
    "accuracy": 0.65,
    "ci_low": 0.6,
    "ci_high": 0.69,
    "n": 400,
}
IMPORTANCE = {"label_smoothing": 0.1, "lr": 0.7, "weight_decay": 0.2}


@pytest.fixture
def record():
    rows = [
        {"number": number, "state": state, "inner_accuracy": accuracy, "lr": 0.1}
        for number, (state, accuracy) in enumerate(zip(STATES, INNER, strict=True))
    ]
    params = {"chosen": CHOSEN, "fold": 1, "inner_fold": 2, "importance": IMPORTANCE, "importance_evaluator": "fANOVA"}
    return Record("tune", {**params, "importance_n": 4, "why_no_importance": None}, rows, {})


@pytest.fixture
def ax():
    return Figure().subplots()


def line(ax, label):
    return next(line for line in ax.lines if line.get_label().startswith(label))


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(Text))


def test_trials_and_the_best_so_far(record, ax):
    draw_history(record, ax=ax)
    assert list(line(ax, "complete").get_xdata()) == [0, 2, 5, 7]
    np.testing.assert_allclose(line(ax, "complete").get_ydata(), [50, 40, 70, 60])
    assert list(line(ax, "pruned").get_xdata()) == [3]
    np.testing.assert_allclose(line(ax, "best so far").get_ydata()[[0, -1]], [50, 70])
    assert (list(line(ax, "chosen").get_xdata()), ax.get_ylabel()) == ([5], "accuracy on the inner fold (%)")
    note = " ".join(ax.get_legend().get_title().get_text().split())
    assert note == (
        "fold 2, n = 400 clips; 1 failed; 1 diverged; chosen on held-out fold 1: 65.0 % (60.0\N{EN DASH}69.0), n = 400"
    )


def test_a_pruned_trial_is_not_the_best_so_far(record, ax):
    rows = [
        {**row, "inner_accuracy": 0.9 if row["state"] == "pruned" else row["inner_accuracy"]} for row in record.rows
    ]
    draw_history(dataclasses.replace(record, rows=rows), ax=ax)
    assert max(line(ax, "best so far").get_ydata()) == pytest.approx(70)
    assert ax.get_ylim()[1] > 90


def test_importance_is_drawn_in_order_and_its_estimate_named(record, ax):
    draw_importance(record, ax=ax)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["label smoothing", "weight decay", "lr"]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [10, 20, 70])
    assert "fANOVA, 4 complete trials" in " ".join(ax.get_title(loc="left").split())


def test_without_importance_the_reason_is_said(record):
    params = {**record.params, "importance": None, "why_no_importance": "3 complete trials; it takes 4"}
    assert "no importance:\n3 complete trials; it takes 4" in texts(
        render([dataclasses.replace(record, params=params)])
    )


@pytest.mark.parametrize("kept", [("pruned",), ("failed",), ("running",), ("complete",), ()])
def test_few_trials_of_any_state_are_drawn(record, kept):
    rows = [row for row in record.rows if row["state"] in kept][:1]
    chosen = CHOSEN | {"number": 0} if kept == ("complete",) else None
    figure = render([Record("tune", {"chosen": chosen}, rows, {})])
    assert ("no accuracies" in texts(figure)) == (kept in [("failed",), ()])
    assert "no importance" in texts(figure)


def test_the_figure_has_two_columns_and_room_for_its_text(record, tmp_path):
    many = {f"a_rather_long_name_{k}": 0.05 for k in range(18)}
    for params in (record.params, {**record.params, "importance": many}):
        wide = dataclasses.replace(record, params=params)
        figure = render([wide])
        figure.draw_without_rendering()
        assert figure.get_figwidth() == 6.75
        shown = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
        assert min(text.get_fontsize() for text in shown) >= 6
        boxes = [text.get_window_extent() for ax in figure.axes for text in (ax.xaxis.label, ax.yaxis.label)]
        boxes += [label.get_window_extent() for label in figure.axes[1].get_yticklabels()]
        boxes += [figure.axes[0].get_legend().get_window_extent()]
        assert all(box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1 for box in boxes)
        labels = boxes[4:-1]
        assert not any(one.padded(-1).overlaps(other) for k, one in enumerate(labels) for other in labels[:k])
    first, second = (save_with_record(record, tmp_path / name, "tune") for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    with Image.open(first[1]) as image:
        assert image.width == 2025
    assert len(render([record, record]).subfigs) == 2
