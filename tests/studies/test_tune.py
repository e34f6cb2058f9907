"""Searches: the best value is found, on the inner fold alone; what is killed goes on, and nothing is done twice."""

import json
import logging
import math
import time

import numpy as np
import pytest
import torch

from tlprobe.backbones.registry import build
from tlprobe.data.options import DataOptions
from tlprobe.errors import DataError, DivergedError, ParameterError, ResourceError, StoppedError, TlprobeError
from tlprobe.files import lock_folder
from tlprobe.records import Record
from tlprobe.studies.space import Space
from tlprobe.studies.tune import tune
from tlprobe.studies.tune_journal import GIVE_UP, JOURNAL
from tlprobe.train.loop import Trainer
from tlprobe.train.recipe import load_recipe
from tlprobe.train.run import Run, is_finished
from tlprobe.train.setting import EpochResult

SMALL = "timm/test_efficientnet"
BEST_LR = 1e-3


def make(data, *, space=None, **changes):
    return Space(
        data=data,
        network=SMALL,
        init="random",
        changes={"epochs": 3, "batch_size": 8, **changes},
        space=space or {"lr": {"low": 1e-5, "high": 1e-1, "log": True}, "label_smoothing": {"low": 0, "high": 0.2}},
    )


def quality(recipe):
    """Best at `BEST_LR`, whatever else."""
    return 0.9 - 0.2 * abs(math.log10(recipe.lr / BEST_LR))


@pytest.fixture
def toy(monkeypatch):
    """Skip the training: the inner accuracy is known, and the held-out one is its opposite. Lists (lr, epoch)."""
    seen = []

    def run_epoch(self, *, on_step=None):
        self.epoch += 1
        self.held_out_logits = self.predict(self.split.held_out_index)
        inner = quality(self.recipe) * self.epoch / self.recipe.epochs
        seen.append((self.recipe.lr, self.epoch))
        accuracies = {"train_accuracy": 0.5, "held_out_accuracy": 1 - inner, "inner_accuracy": inner}
        losses = {"train_loss": 1.0, "held_out_loss": 1.0, "inner_loss": 1.0}
        return EpochResult(epoch=self.epoch, lr=0.1, duration_s=1.0, **accuracies, **losses)

    def predict(self, index):
        target = self.split.labels[index]
        n_right = round(len(index) * (1 - quality(self.recipe)))
        said = np.where(np.arange(len(index)) < n_right, target, (target + 1) % 3)
        return torch.nn.functional.one_hot(torch.from_numpy(said), 3).float()

    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)
    monkeypatch.setattr(Trainer, "predict", predict)
    model = build(
        SMALL, n_classes=3, seed=0, image_shape=(3, 128, 40)
    )  # its weights don't matter, its checks take long
    for user in ("studies.trials", "train.material"):
        monkeypatch.setattr(f"tlprobe.{user}.build", lambda *_, **__: model)
    return seen


@pytest.fixture
def search(tiny_data, tmp_path):
    """Search `make(tiny_data)` in tmp_path / "out" on the CPU."""

    def search(n_trials, *, space=None, out="out", runs="runs", **options):
        where = {"out": tmp_path / out, "trials": tmp_path / runs, "device": "cpu", "progress": False}
        return tune(space or make(tiny_data), n_trials=n_trials, **where, **options)

    return search


def outcomes(record):
    """Return the rows of trials that came to an end, without what differs from time to time."""
    rows = [row for row in record.rows if row["state"] != "failed"]
    return [{name: value for name, value in row.items() if name not in ("number", "duration_s")} for row in rows]


@pytest.mark.parametrize(("sampler", "n"), [("gp", 10), pytest.param("tpe", 20, marks=pytest.mark.slow)])
def test_the_best_value_is_found(search, toy, tmp_path, sampler, n):
    record = search(n, sampler=sampler, prune=False)
    chosen = record.params["chosen"]
    assert abs(math.log10(chosen["values"]["lr"] / BEST_LR)) < 0.4
    assert chosen["inner_accuracy"] == max(row["inner_accuracy"] for row in record.rows)
    assert [row["number"] for row in record.rows] == list(range(n))
    assert {(row["state"], row["reason"], row["epochs"], row["duration_s"]) for row in record.rows} == {
        ("complete", None, 3, 3.0)
    }
    assert list(record.params["importance"]) == ["lr", "label_smoothing"]
    assert record.params["importance"]["lr"] > 0.8
    assert sum(record.params["importance"].values()) == pytest.approx(1)
    assert Record.load(tmp_path / "out").rows == record.rows
    recipe = load_recipe(tmp_path / "out" / "best.yaml")
    assert recipe == Run.load(tmp_path / "runs" / chosen["run"]).config.recipe
    assert (recipe.lr, recipe.batch_size, recipe.optimizer) == (chosen["values"]["lr"], 8, "adamw")


def test_the_held_out_fold_has_no_say(search, toy, tmp_path):
    record = search(6, sampler="random", prune=False)
    chosen = record.params["chosen"]
    runs = {row["run"]: Run.load(tmp_path / "runs" / row["run"]).record.rows[0] for row in record.rows}
    assert chosen["accuracy"] == runs[chosen["run"]]["accuracy"] == min(row["accuracy"] for row in runs.values())
    assert chosen["inner_accuracy"] == max(row["inner_accuracy"] for row in runs.values())
    assert chosen["n"] == runs[chosen["run"]]["n"]
    assert chosen["n_inner"] + chosen["n"] + runs[chosen["run"]]["n_train"] == 30
    assert chosen["ci_low"] <= chosen["accuracy"] <= chosen["ci_high"]
    assert not any("accuracy" in row for row in record.rows)  # of the others it is not told


def test_a_seed_determines_a_search(search, toy):
    rows = [outcomes(search(7, out=f"out{k}", runs=f"runs{k}", seed=seed)) for k, seed in enumerate((0, 0, 1))]
    assert rows[0] == rows[1]
    assert not {row["lr"] for row in rows[0]} & {row["lr"] for row in rows[2]}


@pytest.mark.parametrize("stop_at", [(0, 1), (6, 2)])
def test_a_stopped_search_goes_on_as_if_it_had_not_been(search, toy, monkeypatch, tmp_path, caplog, stop_at):
    whole = search(7, out="whole", runs="there")
    in_one_go = list(toy)
    toy.clear()
    n_trial, n_epoch = stop_at
    quick = Trainer.run_epoch
    begun = []

    def stop(self, *, on_step=None):
        begun.extend([self.recipe.lr] * (self.epoch == 0))
        if (len(begun), self.epoch) == (n_trial + 1, n_epoch):
            raise StoppedError("told to", exit_code=143)
        return quick(self)

    monkeypatch.setattr(Trainer, "run_epoch", stop)
    with pytest.raises(StoppedError):
        search(7)
    left = Record.load(tmp_path / "out")
    assert [row["state"] for row in left.rows][-1] == "running"
    assert "accuracy" not in (left.params["chosen"] or {})
    assert not (tmp_path / "out" / "best.yaml").exists()
    monkeypatch.setattr(Trainer, "run_epoch", quick)
    record = search(7)
    assert outcomes(record) == outcomes(whole)
    assert record.params["chosen"]["values"] == whole.params["chosen"]["values"]
    [failed] = [row for row in record.rows if row["state"] == "failed"]
    assert failed["reason"] == f"its process ended before it did; trial {failed['number'] + 1} goes on with it"
    assert toy == in_one_go  # each epoch once
    assert search(7).rows == record.rows
    assert toy == in_one_go


def test_more_trials_are_added_to_those_that_are_there(search, toy):
    search(2)
    n = len(toy)
    record = search(3)
    assert len(toy) == n + 3
    assert (record.params["n_finished"], len(record.rows)) == (3, 3)
    assert search(2).rows == record.rows  # fewer: nothing to do
    assert len(toy) == n + 3


def test_equal_trials_of_another_search_are_found(search, toy):
    first = search(3)
    n = len(toy)
    assert outcomes(search(3, out="other")) == outcomes(first)
    assert len(toy) == n


def test_pruned_trials_count_and_can_be_finished(search, toy, tmp_path):
    record = search(12, sampler="random")
    pruned = [row for row in record.rows if row["state"] == "pruned"]
    complete = [row for row in record.rows if row["state"] == "complete"]
    assert len(pruned) + len(complete) == record.params["n_finished"] == 12
    assert pruned
    assert min(row["number"] for row in pruned) >= 5
    assert {row["epochs"] for row in pruned} == {2}  # never after the first
    assert max(quality(row_recipe(row)) for row in pruned) < max(quality(row_recipe(row)) for row in complete)
    assert not any(is_finished(tmp_path / "runs" / row["run"]) for row in pruned)
    n = len(toy)
    others = search(12, sampler="random", prune=False, out="whole")
    assert len(toy) == n + len(pruned)  # their last epoch alone
    assert {(row["state"], row["epochs"]) for row in others.rows} == {("complete", 3)}


def row_recipe(row):
    return load_recipe("quick", changes={"lr": row["lr"]})


def test_impossible_combinations_fail_and_do_not_count(search, toy, tiny_data, caplog):
    masks = {"freq_masks": [0, 2], "freq_mask_rows": [0, 8]}
    with caplog.at_level(logging.WARNING, "tlprobe"):
        record = search(4, space=make(tiny_data, space=masks), sampler="gp", prune=False, seed=1)
    failed = [row for row in record.rows if row["state"] == "failed"]
    assert failed
    assert {row["reason"] for row in failed} == {
        "recipe quick: freq_masks and freq_mask_rows need each other: one of them is 0"
    }
    assert record.params["n_finished"] == 4 == len(record.rows) - len(failed)
    assert "failed: recipe quick: freq_masks and freq_mask_rows need each other" in caplog.text


def test_a_diverged_trial_counts_and_is_not_chosen(search, toy, monkeypatch):
    quick = Trainer.run_epoch

    def diverge(self, *, on_step=None):
        if len(toy) < 6 and self.epoch == 1:
            toy.append("diverged")
            raise DivergedError("the loss is nan in epoch 2")
        return quick(self)

    monkeypatch.setattr(Trainer, "run_epoch", diverge)
    record = search(5, prune=False)
    diverged = [row for row in record.rows if row["state"] == "diverged"]
    assert {(row["reason"], row["epochs"]) for row in diverged} == {("the loss is nan in epoch 2", 1)}
    assert 0 < len(diverged) < 5 == len(record.rows) == record.params["n_finished"]
    assert record.params["chosen"]["number"] not in [row["number"] for row in diverged]
    assert record.params["importance"] is None
    assert record.params["why_no_importance"] == "2 complete trials; it takes 4"


def test_a_search_whose_trials_all_fail_ends(search, toy, monkeypatch):
    def fail(self, *, on_step=None):
        raise ResourceError("the disk is full")

    quick = Trainer.run_epoch
    monkeypatch.setattr(Trainer, "run_epoch", fail)
    said = rf"the last {GIVE_UP} trials failed, trial {GIVE_UP - 1}: the disk is full; 0 of 3 are finished"
    with pytest.raises(TlprobeError, match=said) as caught:
        search(3)
    assert caught.value.exit_code == 1
    monkeypatch.setattr(Trainer, "run_epoch", quick)
    assert search(3).params["n_finished"] == 3  # the same call tries again


def test_one_value_or_one_accuracy_has_no_importance(search, toy, tiny_data):
    lr = {"lr": {"low": 1e-4, "high": 1e-2, "log": True}, "gamma": [0.1]}
    one = search(4, space=make(tiny_data, space=lr, epochs=1), out="a")
    assert (one.params["importance"], one.params["why_no_importance"]) == (None, "a single value is searched")
    others = {"label_smoothing": {"low": 0, "high": 0.2}, "weight_decay": [0.0, 0.1]}
    same = search(4, space=make(tiny_data, space=others, epochs=1), out="b")
    assert same.params["why_no_importance"] == "all complete trials have the same accuracy"


def test_a_folder_is_of_one_search(search, toy, tiny_data, tmp_path):
    search(1)
    for options, said in (
        ({"sampler": "tpe"}, "sampler"),
        ({"seed": 1}, "sampler's seed"),
        ({"prune": False}, "pruning"),
        ({"space": make(tiny_data, epochs=2)}, "recipe"),
        ({"space": make(tiny_data, space={"lr": {"low": 1e-5, "high": 1e-1}})}, "recipe, space"),
        ({"space": make(tiny_data).model_copy(update={"fold": 2})}, "fold, inner_fold"),
        ({"space": make(tiny_data).model_copy(update={"data_options": DataOptions(data_seed=1)})}, "data_hash"),
    ):
        with pytest.raises(ParameterError, match=rf"out holds a search with other {said}; give another --out$"):
            search(1, **options)
    (tmp_path / "study").mkdir()
    Record("study", {}, [], {}).save(tmp_path / "study")
    with pytest.raises(ParameterError, match="study holds the result of study; give another --out"):
        search(1, out="study")
    [run] = (tmp_path / "runs").iterdir()
    with pytest.raises(ParameterError, match="is a run directory, which a search would damage"):
        search(1, out=run)
    with lock_folder(tmp_path / "out"), pytest.raises(ResourceError, match="out is in use by"):
        search(1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_trials": 0}, "n_trials: Input should be greater than or equal to 1"),
        ({"sampler": "grid"}, "sampler: Input should be 'gp', 'tpe' or 'random'"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
    ],
)
def test_wrong_values_are_told(search, tmp_path, options, said):
    with pytest.raises(ParameterError, match=said):
        search(**{"n_trials": 1, **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [b'{"op_code":5,"worker', b'{"op_code":5,"worker\n'])
def test_half_a_line_of_the_journal_is_cut_off(search, toy, tmp_path, caplog, left):
    record = search(2)
    journal = tmp_path / "out" / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + left)
    (tmp_path / "out" / f"{JOURNAL}.lock").symlink_to("nowhere")  # as a process leaves it that is killed in a write
    began = time.monotonic()
    assert outcomes(search(3))[:2] == outcomes(record)
    assert time.monotonic() - began < 25  # Optuna would wait for 30 s
    assert "cut off its last line" in caplog.text
    assert journal.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in journal.read_text().splitlines())


def test_each_event_may_be_the_last_that_was_written(search, toy, tmp_path):
    """Wherever in the journal the kill was, the search goes on and is the same."""
    whole = search(3, sampler="random", out="whole")
    lines = (tmp_path / "whole" / JOURNAL).read_bytes().splitlines(keepends=True)
    for n in range(0, len(lines), 5):
        out = tmp_path / f"cut{n}"
        out.mkdir()
        (out / JOURNAL).write_bytes(b"".join(lines[:n]) + lines[n][: len(lines[n]) // 2])
        assert outcomes(search(3, sampler="random", out=out.name)) == outcomes(whole), n


def test_a_damaged_line_elsewhere_is_refused(search, toy, tmp_path):
    search(1)
    journal = tmp_path / "out" / JOURNAL
    first, rest = journal.read_bytes().split(b"\n", 1)
    journal.write_bytes(first[:-2] + b"\n" + rest)
    with pytest.raises(DataError, match="line 1 is damaged; give another --out"):
        search(1)
