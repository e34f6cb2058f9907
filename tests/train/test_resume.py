"""A training that was stopped, however and wherever, ends bit for bit like one that was not."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.train import finish as finish_module
from tlprobe.train import keeper as keeper_module
from tlprobe.train.fit import fit
from tlprobe.train.loop import Trainer
from tlprobe.train.run import Run
from tlprobe.train.states import list_states, load_state

N_STEPS = 3  # of an epoch of the small job: 24 clips, 8 at a time
N_EPOCHS = 3
ALL_ON = {
    "gain_db": 6,
    "noise_snr_db": 10,
    "mel_shift": 3,
    "freq_masks": 1,
    "freq_mask_rows": 10,
    "time_masks": 2,
    "time_mask_columns": 5,
    "mixup": 0.3,
}


def start_job(data, out, **options):
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name("small_job.py"), data, out, json.dumps(options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def straight_all_on(small, material, tmp_path_factory):
    return small.train(material, tmp_path_factory.mktemp("on") / "straight", changes=ALL_ON)


# Steps 1, n - 1, n, n + 1 of an epoch of n, and the last of all; saved each epoch, and after each step as well.
AT = [1, N_STEPS - 1, N_STEPS, N_STEPS + 1, N_EPOCHS * N_STEPS]
QUICK = [(N_STEPS + 1, False), (N_STEPS - 1, True)]


@pytest.mark.parametrize(
    ("at", "save_always"),
    [
        *QUICK,
        *(pytest.param(at, s, marks=pytest.mark.slow) for at in AT for s in (False, True) if (at, s) not in QUICK),
    ],
)
def test_killed_at_a_step(small, material, straight_all_on, tiny_data, tmp_path, at, save_always, stops):
    job = start_job(tiny_data, tmp_path / "run", kill_at=at, save_always=save_always, changes=ALL_ON)
    _, err = job.communicate(timeout=120)
    assert job.returncode == -signal.SIGKILL, err
    done = at - 1 if save_always else (at - 1) // N_STEPS * N_STEPS
    saved = load_state(tmp_path / "run")
    assert (saved.epoch * N_STEPS + saved.step if saved else 0) == done
    with pytest.raises(CheckpointError, match="run is an unfinished run"):
        Run.load(tmp_path / "run")
    run = small.train(material, tmp_path / "run", resume=True, changes=ALL_ON)
    stops.require_same(run, straight_all_on)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_killed_again_and_again_at_random_moments(small, material, straight_all_on, tiny_data, tmp_path, seed, stops):
    """Killed anywhere: while it starts, in a step, while it saves, while it scores."""
    rng = random.Random(seed)
    for _ in range(4):
        job = start_job(tiny_data, tmp_path / "run", kill_at=0, tell=True, save_always=seed % 2 == 1, changes=ALL_ON)
        for _ in range(rng.randint(0, 3)):
            job.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        job.send_signal(signal.SIGKILL)
        job.communicate(timeout=60)
    stops.require_same(small.train(material, tmp_path / "run", resume=True, changes=ALL_ON), straight_all_on)


@pytest.mark.slow
@pytest.mark.parametrize("at", [2, 3, 4, 5])
def test_a_real_network_killed_at_a_step(tiny_options, tiny_run, tiny_data, tmp_path, at, stops):
    code = (
        "import os, signal, sys; from tlprobe.train import keeper; from tlprobe.train.loop import Trainer\n"
        "from tlprobe.train.fit import fit; from tlprobe.train.material import FitOptions\n"
        "keeper.SAVE_EVERY_S = 0.0; one_step = Trainer.one_step\n"
        "def watched(trainer, *batch):\n"
        "    if trainer.epoch * trainer.n_steps + trainer.step + 1 == int(sys.argv[3]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return one_step(trainer, *batch)\n"
        "Trainer.one_step = watched\n"
        "fit(FitOptions(data=sys.argv[1], changes={'epochs': 2, 'batch_size': 8}), out=sys.argv[2], device='cpu')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tiny_data, tmp_path / "run", str(at)],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert load_state(tmp_path / "run") is not None
    stops.require_same(fit(tiny_options, out=tmp_path / "run", device="cpu", resume=True), tiny_run)


@pytest.mark.parametrize("epoch", [2, 3])
def test_stopped_between_epochs(small, material, straight, stopped, epoch, stops):
    out = stopped(epoch)
    assert list_states(out)
    assert not (out / "record.json").exists()
    stops.require_same(small.train(material, out, resume=True), straight)


def test_stopped_again_and_again(small, material, straight, stopped, stops):
    stopped(2)
    stops.require_same(small.train(material, stopped(3, resume=True), resume=True), straight)


def test_stopped_in_the_first_epoch_begins_anew_without_asking(small, material, straight, stopped, stops):
    out = stopped(1)
    assert not list_states(out)
    stops.require_same(small.train(material, out), straight)


def test_stopped_after_the_last_epoch_only_scores_again(small, material, straight, tmp_path, monkeypatch, stops):
    def stop(*_, **__):
        raise stops.Stopped

    with monkeypatch.context() as patch:
        patch.setattr(finish_module, "accuracy_interval", stop)
        with pytest.raises(stops.Stopped):
            small.train(material, tmp_path)
    monkeypatch.setattr(Trainer, "run_epoch", stop)
    stops.require_same(small.train(material, tmp_path, resume=True), straight)


@pytest.mark.parametrize("name", ["weights.safetensors", "best.safetensors", "predictions.csv", "record.csv"])
def test_stopped_in_the_last_writes_of_all(small, material, straight, tmp_path, monkeypatch, name, stops):
    """All that a finished run has is there but for some: without record.json it is not finished."""
    module = finish_module if name == "record.csv" else keeper_module
    target = finish_module.Record if name == "record.csv" else keeper_module
    attribute = "save" if name == "record.csv" else "write_atomic"
    real = getattr(target, attribute)

    def stop(*arguments, **options):
        if attribute == "save" or arguments[0].name == name:
            raise stops.Stopped
        return real(*arguments, **options)

    assert module is not None
    with monkeypatch.context() as patch:
        patch.setattr(target, attribute, stop)
        with pytest.raises(stops.Stopped):
            small.train(material, tmp_path)
    stops.require_same(small.train(material, tmp_path, resume=True), straight)


def test_killed_after_the_record_the_states_are_cleared_away(small, material, straight, tmp_path, monkeypatch, stops):
    with monkeypatch.context() as patch:
        patch.setattr(finish_module, "discard_states", lambda out: None)
        small.train(material, tmp_path)
    assert list_states(tmp_path)
    stops.require_same(small.train(material, tmp_path), straight)


@pytest.mark.parametrize("last", ["history", "state"])
def test_stopped_while_writing_the_second_epoch(small, material, straight, tmp_path, monkeypatch, last, stops):
    """The history says that epoch 2 is over already; the state may not."""
    save = keeper_module.save_state

    def stop(out, saved):
        if saved.epoch == 2:
            if last == "state":
                save(out, saved)
            raise stops.Stopped
        return save(out, saved)

    with monkeypatch.context() as patch:
        patch.setattr(keeper_module, "save_state", stop)
        with pytest.raises(stops.Stopped):
            small.train(material, tmp_path)
    stops.require_same(small.train(material, tmp_path, resume=True), straight)


def test_a_real_network_too(tiny_options, tiny_run, tmp_path, monkeypatch, stops):
    with monkeypatch.context() as patch:
        stops.stop_before(patch, 2)
        with pytest.raises(stops.Stopped):
            fit(tiny_options, out=tmp_path / "run", device="cpu")
    stops.require_same(fit(tiny_options, out=tmp_path / "run", device="cpu", resume=True), tiny_run)


def test_a_second_signal_ends_at_once(tiny_data, tmp_path, small, material, straight, stops):
    job = start_job(tiny_data, tmp_path / "run", kill_at=0, tell=True)
    for _ in range(N_STEPS + 1):
        job.stdout.readline()
    code = (
        "import os, signal, sys, time\n"
        "from tlprobe.train.stopping import watch_signals\n"
        "with watch_signals():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('still here', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "    print('never', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (143, "still here\n")
    assert "second signal" in done.stderr
    job.send_signal(signal.SIGTERM)
    job.send_signal(signal.SIGUSR1)
    job.communicate(timeout=60)
    stops.require_same(small.train(material, tmp_path / "run", resume=True), straight)


def test_an_unfinished_run_is_not_touched_unless_told_how(small, material, straight, stopped, stops):
    out = stopped(2)

    def content():
        return {str(file): file.read_bytes() for file in out.rglob("*") if file.is_file()}

    before = content()
    with pytest.raises(
        ParameterError, match="unfinished run; go on with it by --resume, or start again by --overwrite"
    ):
        small.train(material, out)
    with pytest.raises(ParameterError, match=r"an unfinished run with other seed, recipe\.lr; give another"):
        small.train(material, out, seed=1, changes={"lr": 0.1}, resume=True)
    assert content() == before
    stops.require_same(small.train(material, out, overwrite=True), straight)


@pytest.mark.parametrize(
    "changes",
    [{"batch_size": 6}, {"label_smoothing": 0.2}, {"mixup": 0.1}, {"weight_decay": 0.5}, {"time_roll": False}],
)
def test_a_resume_with_another_recipe_is_refused_by_name(small, material, stopped, changes):
    out = stopped(2)
    (name,) = changes
    with pytest.raises(ParameterError, match=rf"with other recipe\.{name}; give another"):
        small.train(material, out, changes=changes, resume=True)


def test_more_epochs_are_refused_where_they_change_the_rate_of_every_step(small, material, stopped):
    out = stopped(3)
    with pytest.raises(ParameterError, match=r"other recipe\.epochs \(the onecycle schedule changes the rate"):
        small.train(material, out, changes={"epochs": 4}, resume=True)


@pytest.mark.parametrize("schedule", ["constant", "step", "multistep"])
def test_more_epochs_are_allowed_where_they_change_nothing_before(
    small, material, tmp_path, monkeypatch, schedule, stops
):
    changes = {"schedule": schedule, "step_epochs": 2, "milestones": (1, 3)}
    longer = {**changes, "epochs": 5}
    expected = small.train(material, tmp_path / "straight", changes=longer)
    with monkeypatch.context() as patch:
        stops.stop_before(patch, 3)
        with pytest.raises(stops.Stopped):
            small.train(material, tmp_path / "run", changes=changes)
    run = small.train(material, tmp_path / "run", changes=longer, resume=True)
    stops.require_same(run, expected)
    assert (run.config.recipe.epochs, len(run.record.params["history"])) == (5, 5)


def test_fewer_epochs_than_are_done_are_refused(small, material, stopped):
    out = stopped(3, changes={"schedule": "constant"})
    with pytest.raises(ParameterError, match="run is past epoch 2 already; --epochs 1 is less"):
        small.train(material, out, changes={"schedule": "constant", "epochs": 1}, resume=True)
    run = small.train(material, out, changes={"schedule": "constant", "epochs": 2}, resume=True)
    assert len(run.record.params["history"]) == 2


def test_resume_of_nothing_and_of_a_finished_run(small, material, straight, tmp_path, stops):
    stops.require_same(small.train(material, tmp_path / "new", resume=True), straight)
    shutil.copytree(straight.path, tmp_path / "done")
    stops.require_same(small.train(material, tmp_path / "done", resume=True), straight)


def test_epochs_that_are_kept_survive(small, material, straight, stopped):
    out = stopped(3, keep_epochs=[1, 2])
    run = small.train(material, out, resume=True, keep_epochs="all")  # the third is still to come
    assert run.kept_epochs == (1, 2, 3)
    assert (out / "epochs" / "0003.safetensors").read_bytes() == (straight.path / "weights.safetensors").read_bytes()


def test_an_epoch_that_was_passed_and_not_kept_is_told_before_training(
    small, material, straight, stopped, monkeypatch, stops
):
    out = stopped(3, keep_epochs=[2])
    with monkeypatch.context() as patch:
        stops.stop_before(patch, 3)  # an epoch would raise stops.Stopped
        with pytest.raises(ParameterError, match=r"run is past epoch 1 of --keep-epochs, .* --overwrite, or leave"):
            small.train(material, out, resume=True, keep_epochs=[1, 2, 3])
    run = small.train(material, out, resume=True, keep_epochs=[2, 3])
    assert run.kept_epochs == (2, 3)
    stops.require_same(run, straight)
