"""A training that was stopped, however and wherever, ends bit for bit like one that was not."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.train import fit as fit_module
from tlprobe.train.fit import fit
from tlprobe.train.loop import Trainer
from tlprobe.train.run import Run

EXACT = ("init.safetensors", "weights.safetensors", "best.safetensors", "predictions.csv", "config.json")


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
    assert not (run.path / "resume.pt").exists()


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


@pytest.mark.parametrize("epoch", [2, 3])
def test_stopped_between_epochs(small, material, straight, stopped, epoch):
    out = stopped(epoch)
    assert (out / "resume.pt").is_file()
    assert not (out / "record.json").exists()
    require_same(small.train(material, out, resume=True), straight)


def test_stopped_again_and_again(small, material, straight, stopped):
    stopped(2)
    require_same(small.train(material, stopped(3, resume=True), resume=True), straight)


def test_stopped_in_the_first_epoch_begins_anew_without_asking(small, material, straight, stopped):
    out = stopped(1)
    assert not (out / "resume.pt").exists()
    require_same(small.train(material, out), straight)


def test_stopped_after_the_last_epoch_only_scores_again(small, material, straight, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "wilson_interval", stop)
        with pytest.raises(Stopped):
            small.train(material, tmp_path)
    monkeypatch.setattr(Trainer, "run_epoch", stop)
    require_same(small.train(material, tmp_path, resume=True), straight)


@pytest.mark.parametrize("last", ["best.safetensors", "history.csv"])
def test_stopped_while_writing_the_second_epoch(small, material, straight, tmp_path, monkeypatch, last):
    """What was written before the stop is of epoch 2 already, but resume.pt is of epoch 1."""
    write, write_table = fit_module.write_atomic, fit_module.table_csv

    def stop_in_table(rows):
        if len(rows) == 2 and last == "best.safetensors":
            raise Stopped
        return write_table(rows)

    def stop_after_table(path, content):
        write(path, content)
        if path.name == "history.csv" and "\n2," in content:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "table_csv", stop_in_table)
        patch.setattr(fit_module, "write_atomic", stop_after_table)
        with pytest.raises(Stopped):
            small.train(material, tmp_path)
    require_same(small.train(material, tmp_path, resume=True), straight)


def test_killed_in_the_middle_of_an_epoch(small, material, straight, tiny_data, tmp_path):
    job = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("small_job.py"), tiny_data, tmp_path / "run"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert job.stdout.readline() == "in epoch 2\n"
    finally:
        job.send_signal(signal.SIGKILL)
        job.communicate(timeout=60)
    with pytest.raises(CheckpointError, match="run is an unfinished run"):
        Run.load(tmp_path / "run")
    require_same(small.train(material, tmp_path / "run", resume=True), straight)


def test_a_real_network_too(tiny_options, tiny_run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_before(patch, 2)
        with pytest.raises(Stopped):
            fit(tiny_options, out=tmp_path / "run", device="cpu")
    require_same(fit(tiny_options, out=tmp_path / "run", device="cpu", resume=True), tiny_run)


def test_an_unfinished_run_is_not_touched_unless_told_how(small, material, straight, stopped):
    out = stopped(2)
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(
        ParameterError, match="unfinished run; go on with it by --resume, or start again by --overwrite"
    ):
        small.train(material, out)
    with pytest.raises(ParameterError, match="an unfinished run with other seed, recipe"):
        small.train(material, out, seed=1, changes={"lr": 0.1}, resume=True)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    require_same(small.train(material, out, overwrite=True), straight)


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


def test_what_a_resume_needs_is_named_when_it_is_damaged(small, material, stopped):
    out = stopped(3)

    def damage(name, content):
        whole = (out / name).read_bytes()
        (out / name).write_bytes(content(whole))
        with pytest.raises(CheckpointError, match=name):
            small.train(material, out, resume=True)
        (out / name).write_bytes(whole)

    damage("resume.pt", lambda whole: whole[: len(whole) // 2])
    damage("history.csv", lambda whole: whole[: whole.index(b"\n2,") + 1])  # lacks epoch 2
    damage("history.csv", lambda whole: whole.replace(b"epoch", b"epic"))
    damage("history.csv", lambda _: b"")
    for damaged in ({}, {"mean": 3}, None, {"mean": ["a"], "std": [1]}):
        damage(
            "config.json", lambda whole, part=damaged: json.dumps(json.loads(whole) | {"standardise": part}).encode()
        )
    damage("config.json", lambda whole: whole[:-20])
    (out / "history.csv").unlink()
    with pytest.raises(CheckpointError, match=r"history\.csv is missing"):
        small.train(material, out, resume=True)
