"""An inner fold: kept out of training, scored after each epoch, and choices are made on it alone."""

import dataclasses

import numpy as np
import pytest

from tlprobe.errors import ParameterError
from tlprobe.train.fit import fit
from tlprobe.train.held_out import HeldOut
from tlprobe.train.loop import Trainer


@pytest.fixture(scope="module")
def inner_run(tiny_options, tmp_path_factory):
    options = dataclasses.replace(tiny_options, inner_fold=True, changes={**tiny_options.changes, "epochs": 3})
    return fit(options, out=tmp_path_factory.mktemp("inner") / "run", device="cpu")


def test_three_folds_are_told_apart(inner_run, tiny_options, monkeypatch, tmp_path):
    seen = []
    original = Trainer.__init__

    def spy(self, model, *, split, **options):
        seen.append(split)
        original(self, model, split=split, **options)

    monkeypatch.setattr(Trainer, "__init__", spy)
    run = fit(dataclasses.replace(tiny_options, inner_fold=True), out=tmp_path / "run", device="cpu")
    [split] = seen
    dataset = run.source.open()
    folds = [{dataset.clips[i].fold for i in part} for part in (split.train_index, split.inner_index)]
    held_out = {dataset.clips[i].fold for i in split.held_out_index}
    assert held_out == {run.config.fold}
    assert folds[1] == {run.config.inner_fold} == {dataset.inner_fold(run.config.fold, wanted=True)}
    assert folds[0] == set(dataset.folds) - held_out - folds[1]
    assert run.record.rows[0]["n_train"] == len(split.train_index)
    assert len(split.train_index) + len(split.inner_index) + len(split.held_out_index) == len(dataset.clips)


def test_the_row_and_the_history_tell_of_it(inner_run):
    row, history = inner_run.record.rows[0], inner_run.record.params["history"]
    on_inner = [epoch["inner_accuracy"] for epoch in history]
    chosen = history[int(np.argmax(on_inner))]
    assert row["inner_fold"] == inner_run.config.inner_fold
    assert row["inner_accuracy"] == on_inner[-1]
    assert row["inner_chosen_accuracy"] == pytest.approx(chosen["held_out_accuracy"])
    assert inner_run.held_out().inner_accuracy == tuple(on_inner)
    assert (inner_run.path / "history.csv").read_text(encoding="utf-8").startswith("epoch,")
    assert "inner_accuracy" in (inner_run.path / "history.csv").read_text(encoding="utf-8").splitlines()[0]


def test_without_one_nothing_is_said_of_it(tiny_run):
    assert tiny_run.config.inner_fold is None
    assert tiny_run.record.rows[0]["inner_chosen_accuracy"] is None
    assert "inner_accuracy" not in tiny_run.record.params["history"][0]
    assert np.isnan(tiny_run.held_out().scores("inner_chosen")).all()


def test_the_epoch_is_chosen_on_the_inner_fold_alone():
    logits = np.zeros((3, 2, 2), np.float16)
    logits[0, :, 1], logits[1, 0, 1], logits[2, :, 0] = -1, -1, -1  # right: both, the first, none
    logits[1, 1, 0] = -1
    found = HeldOut(("a", "b"), ("a", "b"), np.array([0, 0]), logits, inner_accuracy=(0.1, 0.7, 0.7))
    assert found.scores("best").tolist() == [1, 1]
    assert found.scores("inner_chosen").tolist() == [1, 0]  # the first of the two best on the inner fold
    assert HeldOut.from_bytes(found.to_bytes(), source="here").inner_accuracy == (0.1, 0.7, 0.7)


def test_two_folds_are_too_few(tiny_options, tmp_path, monkeypatch):
    monkeypatch.setattr("tlprobe.data.dataset.Dataset.folds", (1, 2))
    with pytest.raises(ParameterError, match="2 folds; an inner fold needs at least 3"):
        fit(dataclasses.replace(tiny_options, inner_fold=True), out=tmp_path / "run", device="cpu")


def test_after_the_last_fold_comes_the_first(tiny_run):
    dataset = tiny_run.source.open()
    assert dataset.inner_fold(dataset.folds[-1], wanted=True) == dataset.folds[0]
    assert dataset.inner_fold(dataset.folds[0], wanted=True) == dataset.folds[1]


def test_the_epochs_are_told_by_the_fold_that_chooses(tiny_options, tmp_path, caplog):
    with caplog.at_level("INFO", "tlprobe"):
        run = fit(dataclasses.replace(tiny_options, inner_fold=True), out=tmp_path / "run", device="cpu")
    lines = [message for message in caplog.messages if message.startswith("epoch ")]
    for line, row in zip(lines, run.record.params["history"], strict=True):
        assert f"inner-fold accuracy {100 * row['inner_accuracy']:.1f} %, " in line
        assert "held-out" not in line
