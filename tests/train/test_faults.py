"""Damage, full disks and losses that are not finite: told, never saved, and as little lost as can be."""

import shutil
from pathlib import Path

import pytest

from tlprobe.errors import CheckpointError, DivergedError, ResourceError
from tlprobe.train import keeper as keeper_module
from tlprobe.train.loop import Trainer
from tlprobe.train.states import list_states, load_state

N_EPOCHS = 3  # of the small job


def damage(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["trainer.pt", "progress.json", "manifest.json"])
def test_a_damaged_state_costs_one_epoch_and_is_told(small, material, straight, stopped, caplog, name, stops):
    out = stopped(3)
    newest = list_states(out)[-1]
    damage(newest / name)
    run = small.train(material, out, resume=True)
    assert f"{newest / name}" in caplog.text
    assert "going back to epoch 1, step 0" in caplog.text
    stops.require_same(run, straight)


def test_when_no_state_is_whole_nothing_is_lost_or_trained(small, material, stopped):
    out = stopped(3)
    for folder in list_states(out):
        damage(folder / "trainer.pt")
    with pytest.raises(CheckpointError, match=r"no state of .* can be gone on with: .* start again by --overwrite"):
        small.train(material, out, resume=True)
    assert len(list_states(out)) == 2


@pytest.mark.parametrize("name", ["config.json", "init.safetensors", "manifest.json", "history.csv"])
@pytest.mark.parametrize("how", [damage, Path.unlink])
def test_what_can_be_made_again_is(small, material, straight, stopped, name, how, stops):
    out = stopped(3)
    how(out / name)
    stops.require_same(small.train(material, out, resume=True), straight)


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
