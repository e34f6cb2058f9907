"""What TensorBoard is given, where it is wanted."""

import sys

import pytest

from tlprobe.errors import ParameterError


def test_losses_and_accuracies_of_each_epoch(small, material, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = small.train(material, tmp_path, changes={"epochs": 2}, tensorboard=True)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    history = run.record.params["history"]
    for tag, name in (("loss/train", "train_loss"), ("accuracy/held_out", "held_out_accuracy"), ("lr", "lr")):
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert found == [(row["epoch"], pytest.approx(row[name], rel=1e-5)) for row in history]


def test_without_tensorboard_the_command_is_told_before_an_epoch(small, material, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with pytest.raises(ParameterError, match=r"--tensorboard needs TensorBoard: pip install 'tlprobe\[track\]'"):
        small.train(material, tmp_path, tensorboard=True)
    assert not (tmp_path / "history.csv").exists()
