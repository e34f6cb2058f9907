"""What is seen while a network is trained."""

import logging
import re

import pytest

from tlprobe.train import progress as progress_module


def test_the_bar_has_loss_accuracy_speed_and_time_left(small, material, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(progress_module, "_EVERY_S", 0.0)
    small.train(material, tmp_path, progress=True)
    err = capfd.readouterr().err
    assert re.search(
        r"epoch 2/3: +\d+%.*loss \d\.\d{3}, accuracy [\d.]+ %, [\d.]+ clips/s, \d+ s left", err.replace("\r", "\n")
    )


def test_a_line_an_epoch_and_one_estimate_go_to_the_log(small, material, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(progress_module, "_ESTIMATE_S", 0.0)
    caplog.set_level(logging.INFO)
    run = small.train(material, tmp_path)
    lines = [message for message in caplog.messages if message.startswith("epoch ")]
    assert len(lines) == 3
    for line, row in zip(lines, run.record.params["history"], strict=True):
        assert f"epoch {row['epoch']}/3: loss {row['train_loss']:.3f}, " in line
        assert f"held-out accuracy {100 * row['held_out_accuracy']:.1f} %, " in line
        assert re.search(r"[\d.]+ clips/s, \d+ s left$", line)
    assert sum(message.startswith("about ") and message.endswith(" to go on cpu") for message in caplog.messages) == 1


def test_a_resumed_training_counts_from_where_it_goes_on(small, material, tmp_path, monkeypatch):
    """Neither speed nor time left may count steps that another process took."""
    seen = []

    class Watched(progress_module.Progress):
        def end_epoch(self, result):
            seen.append((self._done(), self._left_s(self._start + 10.0)))
            super().end_epoch(result)

    monkeypatch.setattr("tlprobe.train.fit.Progress", Watched)
    from tlprobe.train.loop import Trainer

    run_epoch = Trainer.run_epoch

    def stopping(trainer, **options):
        if trainer.epoch == 1 and not (tmp_path / "again").exists():
            raise KeyboardInterrupt
        return run_epoch(trainer, **options)

    monkeypatch.setattr(Trainer, "run_epoch", stopping)
    with pytest.raises(KeyboardInterrupt):
        small.train(material, tmp_path / "run")
    (tmp_path / "again").touch()
    small.train(material, tmp_path / "run", resume=True)
    assert seen[0] == (3, pytest.approx(20.0))  # an epoch of three in ten seconds: twenty more
    assert seen[1] == (3, pytest.approx(10.0))  # the second epoch is this process's first
    assert seen[2] == (6, 0.0)
