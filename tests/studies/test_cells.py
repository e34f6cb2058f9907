"""Cells: each number from the runs' own files, by hand."""

import dataclasses

import numpy as np
import pytest

from tlprobe.errors import ParameterError
from tlprobe.manifest import entry_of, read_manifest, write_manifest
from tlprobe.numerics.variance import variance_components
from tlprobe.studies.cells import cells
from tlprobe.studies.plan import plan_study
from tlprobe.studies.study import run_study
from tlprobe.studies.study_file import Study
from tlprobe.train.held_out import HELD_OUT, HeldOut
from tlprobe.train.run import Run

SMALL = "timm/test_efficientnet"
N = 6  # held-out clips of a fold of the tiny data


@pytest.fixture
def study(tiny_data, start_file):
    values = {
        "data": tiny_data,
        "networks": (SMALL,),
        "inits": (str(start_file),),
        "folds": (1, 2),
        "seeds": (0, 1),
        "treatments": ("full", {"freeze": {"blocks": ["stem", "block1"]}}),
        "changes": {"epochs": 2, "batch_size": 8},
    }
    return Study.model_validate(values)


def rewrite(folder, correct, *, groups=None):
    """Make a run say that it was right about these clips, epoch by epoch."""
    held_out = Run.load(folder).held_out()
    logits = np.full((len(correct), N, 3), -1.0, np.float16)
    for epoch, row in enumerate(correct):
        for clip, right in enumerate(row):
            logits[epoch, clip, held_out.labels[clip] if right else (held_out.labels[clip] + 1) % 3] = 0
    changed = dataclasses.replace(held_out, logits=logits, groups=groups or held_out.groups)
    data = changed.to_bytes()
    (folder / HELD_OUT).write_bytes(data)
    write_manifest(folder, {**read_manifest(folder), HELD_OUT: entry_of(data)})
    return HeldOut.from_bytes(data, source="test")


def answers(plan, treatment, runs):
    """Return correct, fold, seed and clip of each scored clip at the last epoch."""
    found = []
    for trial in plan.trials:
        if trial.config.treatment == treatment:
            held_out = Run.load(runs / trial.name).held_out()
            pairs = zip(held_out.correct[-1], held_out.clips, strict=True)
            found += [(right, trial.config.fold, trial.config.seed, clip) for right, clip in pairs]
    return list(zip(*found, strict=True))


def find(record, sweep, block=None):
    return next(row for row in record.rows if (row["sweep"], row["block"]) == (sweep, block))


def test_a_cell_by_hand(study, tmp_path, epochs):
    run_study(study, out=tmp_path / "out", trials=tmp_path / "runs", device="cpu", progress=False)
    plan = plan_study(study)
    last = {  # by treatment, fold and seed: how many of the 6 clips are right at the last epoch
        ("full", 1, 0): 6,
        ("full", 1, 1): 4,
        ("full", 2, 0): 5,
        ("full", 2, 1): 5,
        ("stem", 1, 0): 3,
        ("stem", 1, 1): 3,
        ("stem", 2, 0): 1,
        ("stem", 2, 1): 2,
    }
    for trial in plan.trials:
        what = "full" if trial.config.treatment == "full" else trial.config.blocks[-1]
        right = last.get((what, trial.config.fold, trial.config.seed), 0)
        first = (
            [True] * N if what == "stem" else [False] * N
        )  # the stem's first epoch is perfect: the best, not the last
        rewrite(tmp_path / "runs" / trial.name, [first, [clip < right for clip in range(N)]])
    record = cells(plan, trials=tmp_path / "runs")
    full, stem = find(record, "full"), find(record, "freeze", "stem")
    assert full["accuracy"] == pytest.approx((6 + 4 + 5 + 5) / 24)
    assert stem["accuracy"] == pytest.approx((3 + 3 + 1 + 2) / 24)
    assert (full["n_runs"], full["n_planned"], full["n"], full["n_seeds"], full["n_folds"]) == (4, 4, 12, 2, 2)
    assert full["sd_seeds"] == pytest.approx(np.std([11 / 12, 9 / 12], ddof=1))
    assert full["sd_folds"] == pytest.approx(0)
    assert full["best_accuracy"] == full["cross_fitted_accuracy"] == full["accuracy"]  # its last epoch is its best
    assert full["optimism"] == 0
    assert stem["best_accuracy"] == 1.0
    assert stem["cross_fitted_accuracy"] == 1.0  # both halves choose the first epoch
    assert full["ci_low"] < full["accuracy"] < full["ci_high"]
    assert (full["seeds_low"], full["seeds_high"]) == (None, None)  # of two seeds no interval
    parts = variance_components(*answers(plan, "full", tmp_path / "runs"))
    assert [full[f"var_{name}"] for name in ("fold", "seed", "fold_by_seed", "clip", "residual")] == [
        parts.fold,
        parts.seed,
        parts.fold_by_seed,
        parts.clip,
        parts.residual,
    ]
    assert full["var_clip"] > 0
    assert stem["difference"] == pytest.approx(stem["accuracy"] - full["accuracy"])
    assert stem["difference_low"] < stem["difference"] < stem["difference_high"] < 0
    assert 0 < stem["p_value"] < 0.05
    other = find(record, "freeze", "block1")  # never right: two tests in this sweep
    assert other["p_value"] < stem["p_value"]
    assert other["p_holm"] == pytest.approx(2 * other["p_value"])
    assert stem["p_holm"] == pytest.approx(max(2 * other["p_value"], stem["p_value"]))
    assert full["p_value"] is None


def test_missing_runs_are_counted_and_not_compared(study, tmp_path, epochs):
    run_study(
        study.model_copy(update={"folds": (1,), "seeds": (0,)}),
        out=tmp_path / "out",
        trials=tmp_path / "runs",
        device="cpu",
        progress=False,
    )
    plan = plan_study(study)
    record = cells(plan, trials=tmp_path / "runs")
    full, stem = find(record, "full"), find(record, "freeze", "stem")
    assert [(row["n_runs"], row["n_planned"], row["n"]) for row in (full, stem)] == [(1, 4, 6)] * 2
    assert (full["sd_seeds"], full["sd_folds"]) == (None, None)
    assert (full["var_seed"], full["var_fold"]) == (None, None)
    run_study(
        study.model_copy(update={"treatments": study.treatments[:1]}),
        out=tmp_path / "more",
        trials=tmp_path / "runs",
        device="cpu",
        progress=False,
    )
    record = cells(plan, trials=tmp_path / "runs")
    assert find(record, "full")["n_runs"] == 4
    assert find(record, "freeze", "stem")["n_runs"] == 1
    assert find(record, "freeze", "stem")["difference"] is None  # of other clips


def test_a_cell_without_a_run_stays_in_the_table(study, tmp_path, epochs):
    with pytest.raises(ParameterError, match="no trial of the study is finished"):
        cells(plan_study(study), trials=tmp_path / "runs")
    only_full = study.model_copy(update={"treatments": study.treatments[:1]})
    run_study(only_full, out=tmp_path / "out", trials=tmp_path / "runs", device="cpu", progress=False)
    stem = find(cells(plan_study(study), trials=tmp_path / "runs"), "freeze", "stem")
    assert (stem["n_runs"], stem["n_planned"], stem["accuracy"], stem["n"]) == (0, 4, None, 0)


def test_clips_of_one_recording_are_drawn_together(study, tmp_path, epochs):
    one = study.model_copy(update={"folds": (1,), "seeds": (0,), "treatments": study.treatments[:1]})
    run_study(one, out=tmp_path / "out", trials=tmp_path / "runs", device="cpu", progress=False)
    plan = plan_study(one)
    folder = tmp_path / "runs" / plan.trials[0].name
    correct = [[True, True, True, False, False, False]]
    rewrite(folder, correct, groups=("a",) * 3 + ("b",) * 3)
    row = find(cells(plan, trials=tmp_path / "runs"), "full")
    assert (row["ci_low"], row["ci_high"]) == (0, 1)  # two recordings: one or the other, or both


def test_a_random_network_is_compared_with_the_pretrained_one(study, tmp_path, epochs):
    both = study.model_copy(update={"inits": (*study.inits, "random"), "treatments": study.treatments[:1]})
    run_study(both, out=tmp_path / "out", trials=tmp_path / "runs", device="cpu", progress=False)
    plan = plan_study(both)
    for trial in plan.trials:
        right = 5 if trial.config.init != "random" else 2
        rewrite(tmp_path / "runs" / trial.name, [[clip < right for clip in range(N)]])
    record = cells(plan, trials=tmp_path / "runs")
    pretrained, random = record.rows
    assert (pretrained["start"], random["start"]) == ("start", "random")
    assert (pretrained["difference"], pretrained["compared_with"]) == (None, None)
    assert random["difference"] == pytest.approx(-0.5)
    assert random["compared_with"] == "start"
    assert record.params["seeds"] == [0, 1]
    assert record.params["folds"] == [1, 2]


def test_rows_are_in_the_order_of_the_study_file(study, tmp_path, epochs):
    ordered = Study.model_validate(
        {**study.model_dump(exclude_unset=True), "folds": (1,), "seeds": (0,), "treatments": ("full", "cutoff")}
    )
    run_study(ordered, out=tmp_path / "out", trials=tmp_path / "runs", device="cpu", progress=False)
    record = cells(plan_study(ordered), trials=tmp_path / "runs")
    assert [row["block"] for row in record.rows] == [None, "stem", "block1", "block2", "block3", "block4"]
