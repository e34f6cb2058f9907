import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.ensemble import draw


@pytest.fixture
def ax():
    return Figure().subplots()


def test_single_runs_their_mean_their_soup_and_the_ensemble(ax, fake):
    assert draw(fake.ensemble(), ax=ax) is ax
    dots, mean, soup, ensemble = (np.asarray(line.get_ydata(), dtype=float) for line in ax.lines[:4])
    np.testing.assert_allclose(dots, [84, 85.25, 86, 84.5, 85.75])
    np.testing.assert_allclose(mean, [85.1, 85.1])
    np.testing.assert_allclose(soup, [86.25])
    np.testing.assert_allclose(ensemble, [88])
    names = ["single\nruns", "weight\nsoup", "ensemble\nof 5"]
    assert [t.get_text() for t in ax.get_xticklabels()] == names
    assert ax.get_legend().get_title().get_text() == "n = 400 clips, fold 4, line: mean, bars: 95 % intervals"
    row = fake.ensemble().rows[0]
    for bars, prefix in zip(ax.containers, ("soup_", ""), strict=True):
        (segment,) = bars.lines[2][0].get_segments()
        np.testing.assert_allclose(segment[:, 1], [100 * row[f"{prefix}ci_low"], 100 * row[f"{prefix}ci_high"]])


def test_without_a_soup_the_ensemble_moves_up(ax, fake):
    record = fake.ensemble()
    row = record.rows[0] | {"soup_accuracy": None, "soup_ci_low": None, "soup_ci_high": None}
    draw(dataclasses.replace(record, rows=[row]), ax=ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["single\nruns", "ensemble\nof 5"]
    assert ax.lines[2].get_xdata().tolist() == [1]


def test_members_may_be_named_and_all_else_be_missing(ax, fake):
    row = {"members": ["runs/a", "runs/b"], "accuracy": 0.88, "single_mean": None, "ci_low": None, "ci_high": None}
    draw(dataclasses.replace(fake.ensemble(), rows=[row], params={}), ax=ax)
    assert ax.get_xticklabels()[1].get_text() == "ensemble\nof 2"


def test_several_folds_have_their_own_runs_and_means(ax, fake):
    one = fake.ensemble()
    rows = [
        {**one.rows[0], "fold": fold, "backbone": "resnet50", "members": 2, "single_mean": mean, "accuracy": 0.9}
        for fold, mean in ((1, 0.65), (3, 0.75))
    ]
    single = [{"accuracy": value} for value in (0.6, 0.7, 0.74, 0.76)]
    draw(dataclasses.replace(one, rows=rows, params={"single": single}), ax=ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["fold 1", "fold 3"]
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines]
    for x, dots, mean, at in ((0, [60, 70], 65, 0), (1, [74, 76], 75, 4)):
        np.testing.assert_allclose(drawn[at], dots)
        np.testing.assert_allclose(drawn[at + 1], [mean, mean])
        assert np.mean(ax.lines[at].get_xdata()) == pytest.approx(x - 0.25)
        assert [line.get_xdata()[0] for line in ax.lines[at + 2 : at + 4]] == [x, x + 0.25]
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["single runs, mean", "weight soup", "ensemble of 2"]
    assert legend.get_title().get_text() == "n = 400 clips each, bars: 95 % intervals"


def test_several_networks_are_named(ax, fake):
    one = fake.ensemble()
    rows = [{**one.rows[0], "fold": 1, "backbone": name, "soup_accuracy": None} for name in ("resnet50", "googlenet")]
    draw(dataclasses.replace(one, rows=rows), ax=ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["resnet50 fold 1", "googlenet fold 1"]
    assert len(ax.get_legend().get_texts()) == 2  # no soup anywhere


def test_nothing_to_draw_is_said(ax, fake):
    draw(dataclasses.replace(fake.ensemble(), rows=[{"accuracy": None}]), ax=ax)
    assert ax.texts[0].get_text() == "no accuracies in this record"
