"""The curves of pretrained and random runs: few one by one, many behind their mean."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.pretrained_vs_random import FEW, draw
from tlprobe.records import Record


@pytest.fixture
def ax():
    return Figure().subplots()


def make(n, *, epochs=3):
    rng = np.random.default_rng(0)
    rows, curves = [], []
    for seed in range(n):
        for init, treatment in (("imagenet", "full"), ("random", "random")):
            curve = rng.uniform(0.3, 0.9, epochs).tolist()
            end = curve[-1]
            rows.append(
                {"init": init, "treatment": treatment, "fold": 1, "seed": seed, "accuracy": end, "n": 400}
                | {"ci_low": end - 0.05, "ci_high": end + 0.05}
            )
            curves.append({"run": f"{init}{seed}", "treatment": treatment, "held_out_accuracy": curve})
    return Record("pretrained_vs_random", {"curves": curves}, rows, {})


def of(record, init):
    pairs = zip(record.rows, record.params["curves"], strict=True)
    return [100 * np.array(curve["held_out_accuracy"]) for row, curve in pairs if row["init"] == init]


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_few_runs_have_markers_and_intervals(ax):
    record = make(FEW)
    draw(record, ax=ax)
    assert labels(ax) == ["ImageNet init", "random init"]
    assert len(ax.containers) == 2 * FEW
    drawn = [line.get_ydata() for line in ax.lines if line.get_linestyle() != "None" and len(line.get_ydata()) == 3]
    for expected in (*of(record, "imagenet"), *of(record, "random")):
        assert any(np.allclose(line, expected) for line in drawn)


def test_many_runs_are_pale_behind_their_mean(ax):
    record = make(FEW + 1)
    draw(record, ax=ax)
    assert labels(ax) == ["ImageNet init, mean of 4 runs", "random init, mean of 4 runs"]
    assert not ax.containers
    for init in ("imagenet", "random"):
        bold = next(line for line in ax.lines if str(line.get_label()).lower().startswith(init))
        np.testing.assert_allclose(bold.get_ydata(), np.mean(of(record, init), axis=0))
    pale = [line for line in ax.lines if line.get_alpha() is not None]
    assert len(pale) == 2 * (FEW + 1)
    assert {line.get_marker() for line in pale} == {"None"}


def test_the_mean_is_over_epochs_that_all_runs_have(ax):
    record = make(FEW + 1)
    record.params["curves"][0]["held_out_accuracy"] = [0.5, 0.6]
    draw(record, ax=ax)
    bold = next(line for line in ax.lines if str(line.get_label()).startswith("ImageNet"))
    assert bold.get_xdata().tolist() == [1, 2]


def test_nothing_to_draw_is_said(ax):
    record = make(1)
    for row in record.rows:
        row["accuracy"] = None
    draw(record, ax=ax)
    assert ax.texts[0].get_text() == "no accuracies in this record"
