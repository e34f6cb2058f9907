import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from tlprobe.plots.fit import draw, draw_loss


@pytest.fixture
def ax():
    return Figure().subplots()


def line(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_curves_and_best_epoch(ax, fake):
    record = fake.fit(10)
    history = record.params["history"]
    assert draw(record, ax=ax) is ax
    held_out = [100 * entry["held_out_accuracy"] for entry in history]
    np.testing.assert_allclose(line(ax, "held out").get_ydata(), held_out)
    np.testing.assert_allclose(line(ax, "held out").get_xdata(), range(1, 11))
    assert line(ax, "best epoch").get_xdata() == pytest.approx([9])
    assert ax.get_xlabel() == "epoch"


def test_loss(ax, fake):
    record = fake.fit(3)
    draw_loss(record, ax=ax)
    np.testing.assert_allclose(line(ax, "training").get_ydata(), [e["train_loss"] for e in record.params["history"]])
    assert ax.get_ylim()[0] == 0


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_one_epoch_with_missing_values(ax, fake, missing):
    record = fake.fit(1)
    entry = record.params["history"][0] | {"train_accuracy": missing, "train_loss": missing}
    draw(dataclasses.replace(record, params={"history": [entry]}), ax=ax)
    draw_loss(dataclasses.replace(record, params={"history": [entry]}), ax=Figure().subplots())
    assert not [drawn for drawn in ax.lines if drawn.get_label() == "training"]


def test_score_without_history(ax, fake):
    draw(dataclasses.replace(fake.fit(4), params={}), ax=ax)
    assert ax.get_xlabel() == "epoch"


def test_nothing_to_draw_is_said(ax, fake):
    draw(dataclasses.replace(fake.fit(), rows=[], params={}), ax=ax)
    draw_loss(dataclasses.replace(fake.fit(), rows=[], params={}), ax=(other := Figure().subplots()))
    assert ax.texts[0].get_text() == "no accuracies in this record"
    assert other.texts[0].get_text() == "no losses in this record"
