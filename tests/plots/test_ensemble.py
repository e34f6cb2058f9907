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


def test_nothing_to_draw_is_said(ax, fake):
    draw(dataclasses.replace(fake.ensemble(), rows=[{"accuracy": None}]), ax=ax)
    assert ax.texts[0].get_text() == "no accuracies in this record"
