"""Studies: planned once, run by either way, killed, gone on with; what fails is told and costs only itself."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tlprobe.errors import DivergedError, ParameterError, ResourceError, TlprobeError
from tlprobe.files import lock_folder
from tlprobe.records import Record
from tlprobe.studies.engine import Engine
from tlprobe.studies.plan import estimate, plan_study
from tlprobe.studies.study import run_study, study_record
from tlprobe.studies.study_file import Study
from tlprobe.train.loop import Trainer
from tlprobe.train.run import RUN_SCHEMA, Run

SMALL = "timm/test_efficientnet"


def make(data, **changes):
    values = {
        "data": data,
        "networks": (SMALL,),
        "inits": ("random",),
        "treatments": ({"full": {}},),
        "changes": {"epochs": 1, "batch_size": 8},
    }
    return Study.model_validate({**values, **changes})


@pytest.fixture
def grid(tiny_data, start_file):
    """Two folds, a pretrained and a random start: 2 x (full, random, 4 fused, 2 x 4 cut)."""
    return make(
        tiny_data,
        inits=(str(start_file), "random"),
        folds=(1, 2),
        treatments=("full", "fuse", {"fuse": {"shape": "single", "blocks": ["stem", "block4"]}}, "cutoff"),
    )


def test_a_plan_has_every_training_once(grid):
    plan = plan_study(grid)
    assert len(plan.trials) == len({trial.name for trial in plan.trials}) == 2 * (1 + 1 + 4 + 1 + 8)
    # pretrained: full 1, fuse 6, two single ones, cutoff 5; random: full 1, cutoff 5
    assert plan.n_points == 2 * (1 + 6 + 2 + 5 + 1 + 5)
    assert [trial.config.fold for trial in plan.trials] == [1] * 15 + [2] * 15  # whole folds first
    by_points = {
        trial.config.treatment: [(start, point.treatment, point.block) for start, point in trial.points]
        for trial in plan.trials
    }
    assert by_points["full"] == [("start", "full", None), ("start", "fuse", "block4"), ("start", "cutoff", "block4")]
    assert by_points["random"] == [
        ("start", "fuse", "none"),
        ("random", "full", None),
        ("random", "cutoff", "block4"),
    ]
    stem = next(trial for trial in plan.trials if trial.config.blocks == ("stem",) and trial.config.treatment == "fuse")
    assert [point.shape for _, point in stem.points] == ["prefix", "single"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folds": (1, 9)}, "fold=9 is no fold of"),
        ({"treatments": ({"cutoff": {"blocks": ["block9"]}},)}, "after='block9' names no block; choose from stem"),
        ({"inits": ("no/such.pth",)}, "no/such.pth"),
    ],
)
def test_what_cannot_be_planned_is_told_before_training(tiny_data, tmp_path, epochs, changes, said):
    with pytest.raises(TlprobeError, match=said):
        run_study(make(tiny_data, **changes), out=tmp_path / "out", trials=tmp_path / "runs", device="cpu")
    assert epochs == []


def test_finished_trials_are_found_also_those_of_another_study(grid, tiny_data, start_file, tmp_path, epochs):
    where = {"trials": tmp_path / "runs", "device": "cpu", "progress": False}
    record = run_study(grid, out=tmp_path / "grid", **where)
    assert len(epochs) == 30
    assert {row["status"] for row in record.rows} == {"finished"}
    assert Record.load(tmp_path / "grid").rows == record.rows
    smaller = make(tiny_data, inits=(str(start_file),), folds=(2,), treatments=("full", "freeze"))
    run_study(smaller, out=tmp_path / "smaller", **where)
    assert len(epochs) == 30 + 5  # the fully fine-tuned network was there
    again = run_study(grid, out=tmp_path / "grid", **where)
    assert len(epochs) == 35
    assert again.rows == record.rows


def test_what_fails_is_told_and_the_others_go_on(grid, tmp_path, epochs, monkeypatch):
    quick = Trainer.run_epoch

    def fail_at_the_third(self, *, on_step=None):
        if len(epochs) == 2:
            epochs.append("failed")
            raise DivergedError("the loss is nan in epoch 1")
        return quick(self)

    monkeypatch.setattr(Trainer, "run_epoch", fail_at_the_third)
    where = {"out": tmp_path / "out", "trials": tmp_path / "runs", "device": "cpu", "progress": False}
    with pytest.raises(
        TlprobeError, match=r"1 of 30 trials failed, the others are done: .*: the loss is nan"
    ) as caught:
        run_study(grid, **where)
    assert caught.value.exit_code == 1
    rows = Record.load(tmp_path / "out").rows
    failed = [row for row in rows if row["status"] == "failed"]
    assert len({row["run"] for row in failed}) == 1
    assert {(row["reason"], row["accuracy"]) for row in failed} == {("the loss is nan in epoch 1", None)}
    assert {row["status"] for row in rows if row not in failed} == {"finished"}
    record = run_study(grid, **where)  # and once more: only what failed is tried again
    assert len(epochs) == 30 + 1
    assert {row["status"] for row in record.rows} == {"finished"}


def test_a_run_of_another_version_is_told_and_the_others_go_on(tiny_data, tmp_path, epochs):
    study = make(tiny_data, seeds=(0, 1))
    run_study(study, out=tmp_path / "out", trials=tmp_path / "runs", device="cpu", progress=False)
    first = plan_study(study).trials[0]
    config = tmp_path / "runs" / first.name / "config.json"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(f'"schema": {RUN_SCHEMA}', '"schema": 1'), encoding="utf-8")
    wider = make(tiny_data, seeds=(0, 1, 2))
    with pytest.raises(TlprobeError, match=r"^1 of 3 trials failed, .*schema 1; this tlprobe reads"):
        run_study(wider, out=tmp_path / "wider", trials=tmp_path / "runs", device="cpu", progress=False)
    rows = Record.load(tmp_path / "wider").rows
    assert [row["status"] for row in rows] == ["failed", "finished", "finished"]
    assert str(config) in rows[0]["reason"]
    assert config.read_text(encoding="utf-8") != text  # left as it was found


def test_missing_points_are_shown_and_the_time_left_is_estimated(grid, tmp_path, epochs):
    plan = plan_study(grid)
    trials = tmp_path / "runs"
    assert estimate(plan, trials=trials).seconds is None
    record = study_record(plan, trials=trials)
    assert {(row["status"], row["accuracy"]) for row in record.rows} == {("missing", None)}
    first = grid.model_copy(update={"folds": (1,)})
    run_study(first, out=tmp_path / "out", trials=trials, device="cpu", progress=False)
    left = estimate(plan, trials=trials)
    assert (len(left.finished), len(left.missing)) == (15, 15)
    assert left.seconds == pytest.approx(15 * 1.0)  # each pretended epoch lasts a second


def test_a_folder_is_of_one_study_and_one_process(grid, tmp_path, epochs):
    where = {"out": tmp_path / "out", "trials": tmp_path / "runs", "device": "cpu", "progress": False}
    with lock_folder(tmp_path / "out"), pytest.raises(ResourceError, match="out"):
        run_study(grid, **where)
    run_study(grid.model_copy(update={"folds": (1,)}), **where)
    with pytest.raises(ParameterError, match="holds a study with other folds; give another --out"):
        run_study(grid, **where)


@pytest.fixture
def small_grid(tiny_data):
    return make(tiny_data, folds=(1, 2), treatments=("full", {"cutoff": {"blocks": ["stem"]}}))


def test_workers_make_the_same_runs_as_this_process(small_grid, tmp_path, monkeypatch):
    """Of equal threads: bit for bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))
    try:
        here = run_study(small_grid, out=tmp_path / "a", trials=tmp_path / "ra", device="cpu", progress=False)
    finally:
        torch.set_num_threads(before)
    workers = Engine(jobs=2)
    there = run_study(small_grid, out=tmp_path / "b", trials=tmp_path / "rb", engine=workers, device="cpu")
    assert [row | {"duration_s": 0} for row in here.rows] == [row | {"duration_s": 0} for row in there.rows]
    assert len(here.rows) == 4
    for row in here.rows:
        for name in ("weights.safetensors", "held_out.safetensors", "predictions.csv"):
            one, other = (tmp_path / folder / row["run"] / name for folder in ("ra", "rb"))
            assert one.read_bytes() == other.read_bytes(), (row["run"], name)


def test_workers_that_cannot_start_end_the_study(small_grid, tmp_path, monkeypatch):
    monkeypatch.setattr("tlprobe.studies.engine_local.sys.executable", "/bin/false")
    with pytest.raises(ResourceError, match="2 of 2 worker processes did not start: ended with code 1"):
        run_study(small_grid, out=tmp_path / "a", trials=tmp_path / "r", engine=Engine(jobs=2), device="cpu")


JOB = """
import sys
from tlprobe.cli.app import run
sys.exit(run(["study", "run", *sys.argv[1:], "--device", "cpu"]))
"""


def _start(tmp_path, tiny_data, *, epochs):
    file = tmp_path / "grid.yaml"
    file.write_text(
        f"data: {tiny_data}\nnetworks: [{SMALL}]\ninits: [random]\nfolds: [1, 2]\n"
        f"treatments: [full, {{cutoff: {{blocks: [stem]}}}}]\nchanges: {{epochs: {epochs}, batch_size: 8}}\n"
    )
    command = [sys.executable, "-c", JOB, str(file), "--jobs", "2"]
    command += ["--out", str(tmp_path / "out"), "--trials", str(tmp_path / "runs")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _workers(process):
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    )
    return [int(pid) for pid in listed.stdout.split()]


def _wait_for(found, *, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if found():
            return
        time.sleep(0.02)
    pytest.fail(f"waited in vain; exit code {process.poll()}")


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(tiny_data, tmp_path):
    process = _start(tmp_path, tiny_data, epochs=30)
    _wait_for(lambda: len(list((tmp_path / "runs").glob("*/history.csv"))) == 2, process=process)
    for pid in _workers(process):
        os.kill(pid, signal.SIGKILL)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0
    assert said.count("its worker process ended with code -9") == 2
    assert {row["status"] for row in Record.load(tmp_path / "out").rows} == {"finished"}


@pytest.mark.slow
def test_workers_of_a_killed_study_save_and_end_and_it_goes_on(tiny_data, tmp_path):
    process = _start(tmp_path, tiny_data, epochs=200)
    _wait_for(lambda: len(list((tmp_path / "runs").glob("*/history.csv"))) == 2, process=process)
    workers = _workers(process)
    process.kill()
    process.communicate()
    end = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in workers):
        assert time.monotonic() < end, "a worker trains on for a study that is gone"
        time.sleep(0.05)
    states = {path.parts[-3]: path.name for path in sorted((tmp_path / "runs").glob("*/resume/*"))}
    assert len(states) == 2
    assert not list((tmp_path / "runs").glob("*/record.json"))  # both were in the middle of it
    process = _start(tmp_path, tiny_data, epochs=200)
    _wait_for(
        lambda: all(_epochs(tmp_path / "runs" / name) > int(states[name][:5]) for name in states), process=process
    )
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def _epochs(folder):
    return max(0, len((folder / "history.csv").read_text().splitlines()) - 1)


@pytest.mark.slow
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 143)])
def test_a_stopped_study_goes_on(tiny_data, tmp_path, signum, code):
    process = _start(tmp_path, tiny_data, epochs=30)
    _wait_for(lambda: len(list((tmp_path / "runs").glob("*/history.csv"))) == 2, process=process)
    process.send_signal(signum)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert "the same command goes on from there" in said
    assert len(list((tmp_path / "runs").glob("*/resume/*"))) >= 2  # both were saved
    process = _start(tmp_path, tiny_data, epochs=30)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0
    assert said.count("going on after epoch") == 0  # workers keep to warnings
    for row in Record.load(tmp_path / "out").rows:
        assert Run.load(tmp_path / "runs" / row["run"]).config.recipe.epochs == 30
