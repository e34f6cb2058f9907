"""Kept epochs: what is asked for is kept and read back, or refused before a step is taken."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tlprobe.errors import CheckpointError, ParameterError
from tlprobe.train.fit import fit
from tlprobe.train.kept import epochs_to_keep, kept_epochs
from tlprobe.train.loop import Trainer
from tlprobe.train.material import FitOptions
from tlprobe.train.run import Run

SMALL = "timm/test_efficientnet"


@pytest.fixture(scope="module")
def training(tiny_data, tmp_path_factory):
    """A run of three epochs that kept 1 and 2, and the states its trainer had after each epoch."""
    seen = {}
    run_epoch = Trainer.run_epoch

    def watched(trainer, **options):
        result = run_epoch(trainer, **options)
        state = trainer.model.original_state()
        seen[result.epoch] = {name: tensor.detach().clone() for name, tensor in state.items()}
        return result

    options = FitOptions(data=tiny_data, backbone=SMALL, weights="random", changes={"epochs": 3, "batch_size": 8})
    out = tmp_path_factory.mktemp("kept") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", watched)
        run = fit(options, out=out, device="cpu", keep_epochs=[2, 1, 2], progress=False)
    return run, seen


@pytest.fixture
def no_training(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("a step was taken")

    monkeypatch.setattr(Trainer, "one_step", fail)


def test_a_kept_epoch_is_the_network_as_it_was_then(training):
    run, seen = training
    assert run.kept_epochs == (1, 2)
    final = run.model().original_state()
    for epoch in run.kept_epochs:
        rebuilt = run.model(epoch)
        assert not rebuilt.training
        state = rebuilt.original_state()
        assert state.keys() == seen[epoch].keys() == load_file(run.path / "epochs" / f"{epoch:04d}.safetensors").keys()
        assert all(torch.equal(state[name], tensor) for name, tensor in seen[epoch].items())
        assert not any(torch.equal(state[name], final[name]) for name in state if name.endswith("weight"))
    assert all(torch.equal(final[name], tensor) for name, tensor in seen[3].items())


def test_an_epoch_that_was_not_kept_names_those_that_were(training, straight):
    run, _ = training
    for epoch in (0, -1, 12):
        with pytest.raises(CheckpointError, match=rf"run has no state of epoch {epoch}; it kept 1, 2$"):
            run.model(epoch)
    with pytest.raises(CheckpointError, match="no state of epoch 2; it kept none; `tlprobe fit --keep-epochs`"):
        straight.state(2)
    assert straight.kept_epochs == ()


def test_a_damaged_epoch_is_named(training, tmp_path):
    copy = shutil.copytree(training[0].path, tmp_path / "copy")
    file = copy / "epochs" / "0002.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match=r"epochs/0002\.safetensors is damaged"):
        Run.load(copy).model(2)


def test_other_files_are_no_epochs(tmp_path):
    (tmp_path / "epochs").mkdir()
    for name in (".0003.safetensors.x1.tmp", "3.safetensors", "x.safetensors", "00012.safetensors", "²².safetensors"):
        (tmp_path / "epochs" / name).touch()
    assert kept_epochs(tmp_path) == ()
    for name in ("0010.safetensors", "0009.safetensors", "12345.safetensors", "0007.csv"):
        (tmp_path / "epochs" / name).touch()
    assert kept_epochs(tmp_path) == (9, 10, 12345)


def test_any_sequence_of_epochs_will_do():
    assert epochs_to_keep((), epochs=3) == ()
    assert epochs_to_keep(range(1, 10, 4), epochs=10) == (1, 5, 9)
    assert epochs_to_keep(np.array([2, 1]), epochs=2) == (1, 2)
    assert epochs_to_keep("all", epochs=2) == (1, 2)


@pytest.mark.parametrize(
    ("keep_epochs", "named"),
    [
        ([0], "0"),
        ([1, 4, -1], "4, -1"),
        ([1.0], "1.0"),
        ([True], "True"),
        (["1"], "'1'"),
        ("1,2", "'1,2'"),
        (2, "2"),
        (None, "None"),
    ],
)
def test_what_is_no_epoch_is_named_before_any_work(tiny_data, tmp_path, monkeypatch, keep_epochs, named):
    monkeypatch.setattr("tlprobe.train.fit.prepare", lambda *_, **__: pytest.fail("the data was opened"))
    options = FitOptions(data=tiny_data, changes={"epochs": 3})
    with pytest.raises(ParameterError, match=rf"^--keep-epochs {named}: .* 1 to 3, the recipe's, or all$"):
        fit(options, out=tmp_path / "run", device="cpu", keep_epochs=keep_epochs)
    assert not (tmp_path / "run").exists()


def test_a_wrong_value_clears_nothing(small, material, straight, tmp_path, no_training):
    copy = shutil.copytree(straight.path, tmp_path / "copy")
    with pytest.raises(ParameterError, match="--keep-epochs 9: "):
        small.train(material, copy, keep_epochs=[9], overwrite=True)
    assert Run.load(copy).config == straight.config


def test_a_finished_run_without_an_epoch_asked_for_is_not_taken_for_done(small, material, tmp_path, monkeypatch):
    run = small.train(material, tmp_path, keep_epochs=[2])
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "one_step", lambda *_: pytest.fail("a step was taken"))
        assert small.train(material, tmp_path, keep_epochs=[2]) == small.train(material, tmp_path) == run
        for asked, lost in (([1, 2], "epoch 1"), ("all", "epoch 1")):
            message = rf"is past {lost} of --keep-epochs, .*; train again by --overwrite, or leave them out"
            with pytest.raises(ParameterError, match=message):
                small.train(material, tmp_path, keep_epochs=asked)
        assert small.train(material, tmp_path, keep_epochs=[2, 3]) == run  # weights.safetensors is the last one's
        assert run.kept_epochs == (2,)
        assert all(torch.equal(tensor, run.state()[name]) for name, tensor in run.state(3).items())
    assert small.train(material, tmp_path, keep_epochs="all", overwrite=True).kept_epochs == (1, 2, 3)
