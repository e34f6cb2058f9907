"""A training that was stopped, however and wherever, ends bit for bit like one that was not."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tlprobe.errors import CheckpointError, DivergedError, ParameterError, ResourceError, StoppedError
from tlprobe.train import finish as finish_module
from tlprobe.train import keeper as keeper_module
from tlprobe.train.fit import fit
from tlprobe.train.loop import Trainer
from tlprobe.train.run import Run
from tlprobe.train.states import list_states, load_state

EXACT = (
    "init.safetensors",
    "weights.safetensors",
    "best.safetensors",
    "predictions.csv",
    "held_out.safetensors",
    "config.json",
)
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


class Stopped(Exception):
    """Stands for whatever ends a process."""


def table(file):
    with file.open(newline="") as lines:
        return [{name: value for name, value in row.items() if name != "duration_s"} for row in csv.DictReader(lines)]


def require_same(run, straight):
    for name in EXACT:
        assert (run.path / name).read_bytes() == (straight.path / name).read_bytes(), name
    assert table(run.path / "history.csv") == table(straight.path / "history.csv")
    rows = [record.rows[0] | {"duration_s": None} for record in (run.record, straight.record)]
    assert rows[0] == rows[1]
    assert not (run.path / "resume").exists()


def stop_before(patch, epoch):
    run_epoch = Trainer.run_epoch

    def stopping(trainer, **options):
        if trainer.epoch == epoch - 1:
            raise Stopped
        return run_epoch(trainer, **options)

    patch.setattr(Trainer, "run_epoch", stopping)


@pytest.fixture
def stopped(small, material, tmp_path, monkeypatch):
    """Train until just before an epoch, and return the folder."""

    def make(epoch, **options):
        with monkeypatch.context() as patch:
            stop_before(patch, epoch)
            with pytest.raises(Stopped):
                small.train(material, tmp_path / "run", **options)
        return tmp_path / "run"

    return make


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
def test_killed_at_a_step(small, material, straight_all_on, tiny_data, tmp_path, at, save_always):
    job = start_job(tiny_data, tmp_path / "run", kill_at=at, save_always=save_always, changes=ALL_ON)
    _, err = job.communicate(timeout=120)
    assert job.returncode == -signal.SIGKILL, err
    done = at - 1 if save_always else (at - 1) // N_STEPS * N_STEPS
    saved = load_state(tmp_path / "run")
    assert (saved.epoch * N_STEPS + saved.step if saved else 0) == done
    with pytest.raises(CheckpointError, match="run is an unfinished run"):
        Run.load(tmp_path / "run")
    run = small.train(material, tmp_path / "run", resume=True, changes=ALL_ON)
    require_same(run, straight_all_on)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_killed_again_and_again_at_random_moments(small, material, straight_all_on, tiny_data, tmp_path, seed):
    """Killed anywhere: while it starts, in a step, while it saves, while it scores."""
    rng = random.Random(seed)
    for _ in range(4):
        job = start_job(tiny_data, tmp_path / "run", kill_at=0, tell=True, save_always=seed % 2 == 1, changes=ALL_ON)
        for _ in range(rng.randint(0, 3)):
            job.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        job.send_signal(signal.SIGKILL)
        job.communicate(timeout=60)
    require_same(small.train(material, tmp_path / "run", resume=True, changes=ALL_ON), straight_all_on)


@pytest.mark.slow
@pytest.mark.parametrize("at", [2, 3, 4, 5])
def test_a_real_network_killed_at_a_step(tiny_options, tiny_run, tiny_data, tmp_path, at):
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
    require_same(fit(tiny_options, out=tmp_path / "run", device="cpu", resume=True), tiny_run)


@pytest.mark.parametrize("epoch", [2, 3])
def test_stopped_between_epochs(small, material, straight, stopped, epoch):
    out = stopped(epoch)
    assert list_states(out)
    assert not (out / "record.json").exists()
    require_same(small.train(material, out, resume=True), straight)


def test_stopped_again_and_again(small, material, straight, stopped):
    stopped(2)
    require_same(small.train(material, stopped(3, resume=True), resume=True), straight)


def test_stopped_in_the_first_epoch_begins_anew_without_asking(small, material, straight, stopped):
    out = stopped(1)
    assert not list_states(out)
    require_same(small.train(material, out), straight)


def test_stopped_after_the_last_epoch_only_scores_again(small, material, straight, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(finish_module, "wilson_interval", stop)
        with pytest.raises(Stopped):
            small.train(material, tmp_path)
    monkeypatch.setattr(Trainer, "run_epoch", stop)
    require_same(small.train(material, tmp_path, resume=True), straight)


@pytest.mark.parametrize("name", ["weights.safetensors", "best.safetensors", "predictions.csv", "record.csv"])
def test_stopped_in_the_last_writes_of_all(small, material, straight, tmp_path, monkeypatch, name):
    """All that a finished run has is there but for some: without record.json it is not finished."""
    module = finish_module if name == "record.csv" else keeper_module
    target = finish_module.Record if name == "record.csv" else keeper_module
    attribute = "save" if name == "record.csv" else "write_atomic"
    real = getattr(target, attribute)

    def stop(*arguments, **options):
        if attribute == "save" or arguments[0].name == name:
            raise Stopped
        return real(*arguments, **options)

    assert module is not None
    with monkeypatch.context() as patch:
        patch.setattr(target, attribute, stop)
        with pytest.raises(Stopped):
            small.train(material, tmp_path)
    require_same(small.train(material, tmp_path, resume=True), straight)


def test_killed_after_the_record_the_states_are_cleared_away(small, material, straight, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(finish_module, "discard_states", lambda out: None)
        small.train(material, tmp_path)
    assert list_states(tmp_path)
    require_same(small.train(material, tmp_path), straight)


@pytest.mark.parametrize("last", ["history", "state"])
def test_stopped_while_writing_the_second_epoch(small, material, straight, tmp_path, monkeypatch, last):
    """The history says that epoch 2 is over already; the state may not."""
    save = keeper_module.save_state

    def stop(out, saved):
        if saved.epoch == 2:
            if last == "state":
                save(out, saved)
            raise Stopped
        return save(out, saved)

    with monkeypatch.context() as patch:
        patch.setattr(keeper_module, "save_state", stop)
        with pytest.raises(Stopped):
            small.train(material, tmp_path)
    require_same(small.train(material, tmp_path, resume=True), straight)


def test_a_real_network_too(tiny_options, tiny_run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_before(patch, 2)
        with pytest.raises(Stopped):
            fit(tiny_options, out=tmp_path / "run", device="cpu")
    require_same(fit(tiny_options, out=tmp_path / "run", device="cpu", resume=True), tiny_run)


def send_before_step(patch, step, number, *, once=True):
    """Send this process a signal before a step, counted from 1 over all epochs."""
    one_step = Trainer.one_step

    def sending(trainer, *batch):
        if trainer.epoch * trainer.n_steps + trainer.step + 1 == step:
            os.kill(os.getpid(), number)
        return one_step(trainer, *batch)

    patch.setattr(Trainer, "one_step", sending)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 143)])
def test_a_signal_saves_at_the_next_step_and_ends(small, material, straight, tmp_path, monkeypatch, number, code):
    before = [signal.signal(item, lambda *_: None) for item in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
    try:
        with monkeypatch.context() as patch:
            send_before_step(patch, N_STEPS + 2, number)
            with pytest.raises(StoppedError, match=rf"stopped by {number.name} before step 3 of epoch 2") as caught:
                small.train(material, tmp_path)
        assert caught.value.exit_code == code
        assert all(callable(signal.getsignal(item)) for item in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1))
    finally:
        for item, handler in zip((signal.SIGTERM, signal.SIGINT, signal.SIGUSR1), before, strict=True):
            signal.signal(item, handler)
    saved = load_state(tmp_path)
    assert (saved.epoch, saved.step) == (1, 2)
    require_same(small.train(material, tmp_path, resume=True), straight)


def test_a_signal_in_the_last_step_of_an_epoch_ends_after_it(small, material, straight, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        send_before_step(patch, N_STEPS, signal.SIGTERM)
        with pytest.raises(StoppedError, match="before step 1 of epoch 2"):
            small.train(material, tmp_path)
    saved = load_state(tmp_path)
    assert (saved.epoch, saved.step) == (1, 0)
    require_same(small.train(material, tmp_path, resume=True), straight)


def test_a_second_signal_ends_at_once(tiny_data, tmp_path, small, material, straight):
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
    require_same(small.train(material, tmp_path / "run", resume=True), straight)


def test_an_unfinished_run_is_not_touched_unless_told_how(small, material, straight, stopped):
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
    require_same(small.train(material, out, overwrite=True), straight)


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
def test_more_epochs_are_allowed_where_they_change_nothing_before(small, material, tmp_path, monkeypatch, schedule):
    changes = {"schedule": schedule, "step_epochs": 2, "milestones": (1, 3)}
    longer = {**changes, "epochs": 5}
    expected = small.train(material, tmp_path / "straight", changes=longer)
    with monkeypatch.context() as patch:
        stop_before(patch, 3)
        with pytest.raises(Stopped):
            small.train(material, tmp_path / "run", changes=changes)
    run = small.train(material, tmp_path / "run", changes=longer, resume=True)
    require_same(run, expected)
    assert (run.config.recipe.epochs, len(run.record.params["history"])) == (5, 5)


def test_fewer_epochs_than_are_done_are_refused(small, material, stopped):
    out = stopped(3, changes={"schedule": "constant"})
    with pytest.raises(ParameterError, match="run is past epoch 2 already; --epochs 1 is less"):
        small.train(material, out, changes={"schedule": "constant", "epochs": 1}, resume=True)
    run = small.train(material, out, changes={"schedule": "constant", "epochs": 2}, resume=True)
    assert len(run.record.params["history"]) == 2


def test_resume_of_nothing_and_of_a_finished_run(small, material, straight, tmp_path):
    require_same(small.train(material, tmp_path / "new", resume=True), straight)
    shutil.copytree(straight.path, tmp_path / "done")
    require_same(small.train(material, tmp_path / "done", resume=True), straight)


def test_epochs_that_are_kept_survive(small, material, straight, stopped):
    out = stopped(3, keep_epochs=[1, 2])
    run = small.train(material, out, resume=True, keep_epochs="all")  # the third is still to come
    assert run.kept_epochs == (1, 2, 3)
    assert (out / "epochs" / "0003.safetensors").read_bytes() == (straight.path / "weights.safetensors").read_bytes()


def test_an_epoch_that_was_passed_and_not_kept_is_told_before_training(small, material, straight, stopped, monkeypatch):
    out = stopped(3, keep_epochs=[2])
    with monkeypatch.context() as patch:
        stop_before(patch, 3)  # an epoch would raise Stopped
        with pytest.raises(ParameterError, match=r"run is past epoch 1 of --keep-epochs, .* --overwrite, or leave"):
            small.train(material, out, resume=True, keep_epochs=[1, 2, 3])
    run = small.train(material, out, resume=True, keep_epochs=[2, 3])
    assert run.kept_epochs == (2, 3)
    require_same(run, straight)


def damage(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["trainer.pt", "progress.json", "manifest.json"])
def test_a_damaged_state_costs_one_epoch_and_is_told(small, material, straight, stopped, caplog, name):
    out = stopped(3)
    newest = list_states(out)[-1]
    damage(newest / name)
    run = small.train(material, out, resume=True)
    assert f"{newest / name}" in caplog.text
    assert "going back to epoch 1, step 0" in caplog.text
    require_same(run, straight)


def test_when_no_state_is_whole_nothing_is_lost_or_trained(small, material, stopped):
    out = stopped(3)
    for folder in list_states(out):
        damage(folder / "trainer.pt")
    with pytest.raises(CheckpointError, match=r"no state of .* can be gone on with: .* start again by --overwrite"):
        small.train(material, out, resume=True)
    assert len(list_states(out)) == 2


@pytest.mark.parametrize("name", ["config.json", "init.safetensors", "manifest.json", "history.csv"])
@pytest.mark.parametrize("how", [damage, Path.unlink])
def test_what_can_be_made_again_is(small, material, straight, stopped, name, how):
    out = stopped(3)
    how(out / name)
    require_same(small.train(material, out, resume=True), straight)


def test_a_damaged_kept_epoch_cannot_be_made_again_and_is_named(small, material, stopped):
    out = stopped(3, keep_epochs=[1])
    damage(out / "epochs" / "0001.safetensors")
    with pytest.raises(CheckpointError, match=r"epochs/0001\.safetensors is damaged: .* by --overwrite"):
        small.train(material, out, resume=True, keep_epochs=[1])


def test_a_loss_that_is_not_finite_is_never_saved(small, material, tmp_path, monkeypatch):
    """A batch of NaN in the second epoch: the state of the first stays the last, and is whole."""
    batch = Trainer.batch

    def broken(trainer, epoch, step):
        images, *rest = batch(trainer, epoch, step)
        return (images * float("nan") if trainer.epoch == 1 and step == 1 else images, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(keeper_module, "SAVE_EVERY_S", 0.0)
        patch.setattr(Trainer, "batch", broken)
        with pytest.raises(DivergedError, match=r"the loss is nan in epoch 2, step 2, lr [\d.e-]+, clips .*/\d\.wav"):
            small.train(material, tmp_path)
    saved = load_state(tmp_path)
    assert (saved.epoch, saved.step) == (1, 1)
    assert b"nan" not in saved.trainer
    assert small.train(material, tmp_path, resume=True).record.rows[0]["epochs"] == N_EPOCHS


def test_a_weight_that_is_not_finite_is_never_saved(small, material, tmp_path, monkeypatch):
    """The loss of the step that broke it was finite still."""
    one_step = Trainer.one_step

    def breaking(trainer, *batch):
        result = one_step(trainer, *batch)
        if trainer.epoch == 1 and trainer.step == 2:  # the last of the epoch: the next loss comes after a save
            trainer.model.head.bias.data[0] = float("inf")
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "one_step", breaking)
        patch.setattr(Trainer, "predict", lambda self, index: __import__("torch").zeros(len(index), 3))
        with pytest.raises(DivergedError, match=r"1 tensors of the network are not finite .* head\.bias"):
            small.train(material, tmp_path)
    assert load_state(tmp_path).epoch == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), ""),
        (MemoryError("no"), ""),
    ],
)
def test_memory_that_does_not_suffice_is_told_with_what_helps(small, material, tmp_path, monkeypatch, error, words):
    def fail(*_):
        raise error

    monkeypatch.setattr(Trainer, "one_step", fail)
    with pytest.raises(ResourceError, match=r"out of memory .* 8 clips: try --batch-size 4 instead of 8") as caught:
        small.train(material, tmp_path)
    assert caught.value.exit_code == 6


def test_a_disk_that_will_not_hold_the_states_is_told_before_training(small, material, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    monkeypatch.setattr(Trainer, "run_epoch", lambda *_, **__: pytest.fail("an epoch was trained"))
    with pytest.raises(ResourceError, match=r"needs \d MB on this disk for its states, 0 MB are free"):
        small.train(material, tmp_path / "run")


def test_an_output_that_vanishes_is_told_and_not_made_again(small, material, tmp_path, monkeypatch):
    run_epoch = Trainer.run_epoch

    def vanishing(trainer, **options):
        result = run_epoch(trainer, **options)
        if result.epoch == 2:
            shutil.rmtree(tmp_path / "run")
        return result

    monkeypatch.setattr(Trainer, "run_epoch", vanishing)
    with pytest.raises(ResourceError, match=r"cannot write .*run/history\.csv"):
        small.train(material, tmp_path / "run")
    assert not (tmp_path / "run").exists()
