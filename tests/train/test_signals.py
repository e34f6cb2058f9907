"""A signal saves at the next step and ends; what goes on from there ends like a training that was never stopped."""

import os
import signal

import pytest

from tlprobe.errors import StoppedError
from tlprobe.train.loop import Trainer
from tlprobe.train.states import load_state

N_STEPS = 3  # of an epoch of the small job


def send_before_step(patch, step, number, *, once=True):
    """Send this process a signal before a step, counted from 1 over all epochs."""
    one_step = Trainer.one_step

    def sending(trainer, *batch):
        if trainer.epoch * trainer.n_steps + trainer.step + 1 == step:
            os.kill(os.getpid(), number)
        return one_step(trainer, *batch)

    patch.setattr(Trainer, "one_step", sending)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 143)])
def test_a_signal_saves_at_the_next_step_and_ends(
    small, material, straight, tmp_path, monkeypatch, number, code, stops
):
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
    stops.require_same(small.train(material, tmp_path, resume=True), straight)


def test_a_signal_in_the_last_step_of_an_epoch_ends_after_it(small, material, straight, tmp_path, monkeypatch, stops):
    with monkeypatch.context() as patch:
        send_before_step(patch, N_STEPS, signal.SIGTERM)
        with pytest.raises(StoppedError, match="before step 1 of epoch 2"):
            small.train(material, tmp_path)
    saved = load_state(tmp_path)
    assert (saved.epoch, saved.step) == (1, 0)
    stops.require_same(small.train(material, tmp_path, resume=True), straight)
